//! Where conversions go. A destination turns conversions into a request and a response into outcomes;
//! it is pure, so its tests need no network. Only `delivery` calls out.

mod answer;
pub mod data_manager;
mod google;
pub mod google_ads;
pub mod meta;
mod money;
pub mod oauth;
mod reason;
mod settings;
#[cfg(test)]
mod testing;
pub mod tiktok;

use std::time::Duration;

use rust_decimal::Decimal;
use serde::Deserialize;
use time::OffsetDateTime;

pub use self::settings::SettingsError;
use crate::model::consent;

use crate::model::conversion::{Contact, Conversion};

/// One kind of ad-platform API with the settings of one shop.
///
/// # Example
///
/// `meta::Meta::new(settings, page)` makes a destination; `request` of it gives the POST for a batch and
/// `outcomes` reads the answer.
pub trait Destination: Send + Sync + std::fmt::Debug {
    /// Stable name: `meta`, `google_ads`, `data_manager`, `tiktok`.
    fn id(&self) -> &'static str;

    /// Most conversions that one request may carry.
    fn max_batch(&self) -> usize;

    /// Whether this conversion can be sent to this platform at all; else the reason for withholding it.
    ///
    /// Asked before each attempt: an event that became too old is refused here, before it can sink a batch.
    fn accepts(&self, conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal>;

    /// The request for these conversions (1 to `max_batch`, all accepted, all of one `Route`), equal for equal input.
    fn request(&self, conversions: &[Conversion]) -> Request;

    /// Which conversions may share a request: equal values may, different ones may not (Google Ads: uploads and adjustments).
    fn route(&self, conversion: &Conversion) -> Route;

    /// What the answer means for each conversion, in their order.
    fn outcomes(&self, conversions: &[Conversion], answer: &Answer) -> Vec<Outcome>;

    /// How the access token is obtained; `None` if it is static and already part of the request.
    fn oauth(&self) -> Option<&OAuth> {
        None
    }
}

/// Requests with different routes are never mixed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Route {
    /// New conversions.
    Purchases,
    /// Changes to earlier ones.
    Adjustments,
}

/// Why a conversion will never be sent to this platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Short machine-readable reason: `no_click_id`, `too_old`, `refunds_not_supported`, ...
    pub reason: &'static str,
    /// True if this is a loss to report (dead letter); false if it is a rule (withheld).
    pub dead_letter: bool,
}

/// An HTTP POST to be sent. The bearer token of an OAuth destination is added by `delivery`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// Absolute URL without any secret in it, if the platform allows that.
    pub url: String,
    /// Headers beyond content type and authorization.
    pub headers: Vec<(&'static str, Secret)>,
    /// JSON text.
    pub body: Secret,
}

/// Text that must not be printed (it may hold a token).
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("[redacted]")
    }
}

/// An HTTP answer, read whole (bounded).
#[derive(Debug, Clone)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Value of `Retry-After`, already resolved against the answer's `Date`, capped.
    pub retry_after: Option<Duration>,
    /// Content type, lower case, without parameters.
    pub content_type: Option<String>,
    /// Body bytes as text.
    pub body: String,
    /// True if the body was cut at the read limit.
    pub truncated: bool,
}

/// What one attempt came to, for one conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The platform has it (or had it before).
    Delivered {
        /// The platform's trace or request id, for support.
        trace_id: Option<String>,
    },
    /// Try again with the same key and body.
    Retry {
        /// Why, in the platform's words but without personal data.
        reason: String,
        /// Wait at least this long.
        not_before: Option<Duration>,
        /// The platform's trace id, if it gave one.
        trace_id: Option<String>,
    },
    /// The credentials are at fault, not the conversion: keep it, refresh once, else park the lane.
    Credentials {
        /// Why.
        reason: String,
        /// The platform's trace id, if it gave one.
        trace_id: Option<String>,
    },
    /// The whole request was refused without naming the guilty event: send the conversions apart.
    Split {
        /// Why.
        reason: String,
        /// The platform's trace id, if it gave one.
        trace_id: Option<String>,
    },
    /// Will never be accepted: dead letter.
    Rejected {
        /// Why.
        reason: String,
        /// The platform's trace id, if it gave one.
        trace_id: Option<String>,
    },
}

/// OAuth 2.0 refresh-token settings. Requests go to `token_url`; answers are read by [`OAuth::read_token`].
#[derive(Debug, Clone)]
pub struct OAuth {
    /// `https://oauth2.googleapis.com/token` or where a test points it.
    pub token_url: String,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
    /// Long-lived refresh token.
    pub refresh_token: Secret,
    /// Space-separated scopes.
    pub scope: &'static str,
}

impl Refusal {
    /// The platform takes no such conversion, or consent left nothing to send: a rule, not a loss.
    const fn withheld(reason: &'static str) -> Self {
        Self { reason, dead_letter: false }
    }

    /// The conversion should have been sent and can no longer be: a loss to report.
    const fn lost(reason: &'static str) -> Self {
        Self { reason, dead_letter: true }
    }
}

/// An order may be this far ahead of the relay's clock; more is no clock skew, and one such event would
/// sink a batch.
const MAX_AHEAD: time::Duration = time::Duration::days(1);

/// Checks that hold for every platform: a value that can be written, a currency, a possible time.
fn well_formed(conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal> {
    if !money::is_currency(&conversion.currency) {
        return Err(Refusal::lost("invalid_currency"));
    }
    if conversion.occurred_at - now > MAX_AHEAD {
        return Err(Refusal::lost("in_the_future"));
    }
    writable(conversion.value, &conversion.currency)
}

/// Whether the amount can be sent exactly.
fn writable(amount: Decimal, currency: &str) -> Result<(), Refusal> {
    if amount.is_sign_negative() && !amount.is_zero() {
        return Err(Refusal::lost("negative_value"));
    }
    match money::number(amount, currency) {
        Some(_) => Ok(()),
        None => Err(Refusal::lost("value_out_of_range")),
    }
}

/// Contact data, only with a granted consent: `delivery` empties it too, but a leak is worth two locks.
fn contact(conversion: &Conversion) -> Option<&Contact> {
    (conversion.consent.ads_user_data == consent::Answer::Granted).then_some(&conversion.contact)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;
    use serde_json::json;

    use super::testing::{answer, full, words};
    use super::*;

    fn all() -> Vec<Box<dyn Destination>> {
        let google = json!({ "client_id": "id", "client_secret": "s", "refresh_token": "r",
            "conversion_action": "987654321" });
        let with = |name: &str| {
            let mut settings = google.clone();
            settings[name] = json!("1234567890");
            settings
        };
        let page = "https://demo-shop.example/";
        let meta = json!({ "pixel_id": "1", "access_token": "t" });
        let tiktok = json!({ "pixel_code": "C4", "access_token": "t" });
        vec![
            Box::new(meta::Meta::new(serde_json::from_value(meta).unwrap(), page).unwrap()),
            Box::new(
                google_ads::GoogleAds::new(serde_json::from_value(with("customer_id")).unwrap())
                    .unwrap(),
            ),
            Box::new(
                data_manager::DataManager::new(
                    serde_json::from_value(with("operating_account")).unwrap(),
                )
                .unwrap(),
            ),
            Box::new(tiktok::Tiktok::new(serde_json::from_value(tiktok).unwrap(), page).unwrap()),
        ]
    }

    /// JSON made of the members that the classifiers look for, in every wrong place.
    fn hostile_json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(json!(null)),
            any::<bool>().prop_map(|b| json!(b)),
            any::<i64>().prop_map(|n| json!(n)),
            (0_u64..50_300).prop_map(|n| json!(n)),
            prop_oneof![
                Just("INVALID_ARGUMENT"),
                Just("events.events[1].currency"),
                Just("conversions[0]"),
                Just("Batch.1.event"),
                Just("99999999999999999999s"),
                Just("TOO_RECENT_EVENT"),
                Just("joe@example.com"),
            ]
            .prop_map(|text| json!(text)),
        ];
        let name = prop_oneof![
            Just("error"),
            Just("code"),
            Just("details"),
            Just("errors"),
            Just("errorCode"),
            Just("message"),
            Just("location"),
            Just("fieldPathElements"),
            Just("fieldName"),
            Just("index"),
            Just("results"),
            Just("partialFailureError"),
            Just("fieldViolations"),
            Just("field"),
            Just("reason"),
            Just("status"),
            Just("events_received"),
            Just("error_subcode"),
            Just("retryDelay"),
            Just("conversionUploadError"),
        ];
        leaf.prop_recursive(6, 64, 6, move |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(|list| json!(list)),
                proptest::collection::btree_map(name.clone(), inner, 0..6)
                    .prop_map(|map| json!(map)),
            ]
        })
    }

    proptest! {
        #[test]
        fn every_answer_gives_one_outcome_each_and_an_error_status_delivers_nothing(
            body in hostile_json(),
            status in prop_oneof![Just(200_u16), Just(400), Just(401), Just(429), Just(500), any::<u16>()],
            count in 1_usize..4,
        ) {
            let sent = vec![full(); count];
            let answer = answer(status, &body.to_string());
            for destination in all() {
                let outcomes = destination.outcomes(&sent, &answer);
                prop_assert_eq!(outcomes.len(), count);
                if !(200..300).contains(&status) {
                    prop_assert!(!words(&outcomes).contains(&"delivered"));
                }
                let printed = format!("{outcomes:?}");
                prop_assert!(!printed.contains("joe@example.com"));
            }
        }

        #[test]
        fn text_that_is_not_json_is_never_a_delivery(body in "[^{]\\PC{0,80}", status in any::<u16>()) {
            for destination in all() {
                let outcomes = destination.outcomes(&[full()], &answer(status, &body));
                prop_assert_eq!(outcomes.len(), 1);
                prop_assert!(!words(&outcomes).contains(&"delivered"));
            }
        }
    }

    #[test]
    fn ids_are_unique_and_secrets_stay_out_of_debug_output() {
        let ids: std::collections::BTreeSet<_> = all().iter().map(|d| d.id()).collect();
        assert_eq!(ids.len(), 4);
        assert_eq!(format!("{:?}", Secret("token".to_owned())), "[redacted]");
    }
}
