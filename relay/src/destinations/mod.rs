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

/// Checks that hold for every platform: a value that can be written, a currency, a possible time.
fn well_formed(conversion: &Conversion) -> Result<(), Refusal> {
    if conversion.value.is_sign_negative() && !conversion.value.is_zero() {
        return Err(Refusal::lost("negative_value"));
    }
    if !money::is_currency(&conversion.currency) {
        return Err(Refusal::lost("invalid_currency"));
    }
    if money::number(conversion.value, &conversion.currency).is_none() {
        return Err(Refusal::lost("value_out_of_range"));
    }
    Ok(())
}

/// Contact data, only with a granted consent: `delivery` empties it too, but a leak is worth two locks.
fn contact(conversion: &Conversion) -> Option<&Contact> {
    (conversion.consent.ads_user_data == consent::Answer::Granted).then_some(&conversion.contact)
}
