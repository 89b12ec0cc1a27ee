//! Google Ads API: click conversions and their adjustments
//! (<https://developers.google.com/google-ads/api/docs/conversions/upload-clicks>,
//! <https://developers.google.com/google-ads/api/docs/conversions/upload-adjustments>).

mod codes;
mod payload;
mod response;

use rust_decimal::Decimal;
use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{
    Answer, Destination, OAuth, Outcome, Refusal, Request, Route, Secret, SettingsError, google,
    settings, well_formed, writable,
};
use crate::model::conversion::{Conversion, ConversionKind};

/// A conversion must not be older than the longest click window (GADS-AGE-GCLID).
const MAX_AGE: Duration = Duration::days(90);

/// The same for conversions matched by contact data only (GADS-AGE-PII).
const MAX_AGE_IDENTIFIERS: Duration = Duration::days(63);

/// Adjustments are taken this long after the conversion (GADS-ADJ-WINDOW).
const ADJUSTMENT_WINDOW: Duration = Duration::days(54);

/// Most rows per request (GADS-BATCH-2000).
const MAX_BATCH: usize = 2000;

/// Longest `orderId` (GADS-ORDERID).
const MAX_ORDER_ID: usize = 64;

/// `[shop.google_ads]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The account that owns the conversion action: ten digits.
    pub customer_id: String,
    /// The manager account through which access goes: ten digits.
    #[serde(default)]
    pub login_customer_id: Option<String>,
    /// Conversion action of type "import from clicks": its number.
    pub conversion_action: String,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
    /// Refresh token with the `adwords` scope.
    pub refresh_token: Secret,
    /// Where the API answers.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// Where access tokens are given out.
    #[serde(default = "default_token_url")]
    pub token_url: String,
    /// API version, `v26`.
    #[serde(default = "default_api_version")]
    pub api_version: String,
}

fn default_base_url() -> String {
    "https://googleads.googleapis.com".to_owned()
}

fn default_token_url() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

fn default_api_version() -> String {
    "v26".to_owned()
}

/// Delivers to one conversion action.
#[derive(Debug, Clone)]
pub struct GoogleAds {
    customer_url: String,
    conversion_action: String,
    login_customer_id: Option<String>,
    oauth: OAuth,
}

impl GoogleAds {
    /// Checks the settings and composes the URLs.
    ///
    /// # Errors
    ///
    /// If a setting cannot be right.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let base = settings::base_url("base_url", &settings.base_url)?;
        settings::google_account("customer_id", &settings.customer_id)?;
        if let Some(manager) = &settings.login_customer_id {
            settings::google_account("login_customer_id", manager)?;
        }
        settings::digits("conversion_action", &settings.conversion_action)?;
        settings::api_version("api_version", &settings.api_version)?;
        let customer = format!("customers/{}", settings.customer_id);
        Ok(Self {
            customer_url: format!("{base}/{}/{customer}", settings.api_version),
            conversion_action: format!(
                "{customer}/conversionActions/{}",
                settings.conversion_action
            ),
            login_customer_id: settings.login_customer_id,
            oauth: google::oauth(
                &settings.token_url,
                settings.client_id,
                settings.client_secret,
                settings.refresh_token,
                "https://www.googleapis.com/auth/adwords",
            )?,
        })
    }
}

impl Destination for GoogleAds {
    fn id(&self) -> &'static str {
        "google_ads"
    }

    fn max_batch(&self) -> usize {
        MAX_BATCH
    }

    fn accepts(&self, conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal> {
        well_formed(conversion, now)?;
        if conversion.event_id.is_empty() || conversion.event_id.len() > MAX_ORDER_ID {
            return Err(Refusal::lost("order_id_too_long"));
        }
        let age = now - conversion.occurred_at;
        if let ConversionKind::Refund { remaining, .. } = &conversion.kind {
            return accepts_refund(conversion, *remaining, age);
        }
        let max_age = match google::click_id(&conversion.click) {
            Some(_) => MAX_AGE,
            None if payload::user_identifiers(conversion).is_empty() => {
                return Err(Refusal::withheld("no_identifier"));
            }
            None => MAX_AGE_IDENTIFIERS,
        };
        if age > max_age { Err(Refusal::lost("too_old")) } else { Ok(()) }
    }

    fn request(&self, conversions: &[Conversion]) -> Request {
        let adjustments = conversions.first().is_some_and(|c| self.route(c) == Route::Adjustments);
        let (method, body) = if adjustments {
            let body = payload::adjustments(conversions, &self.conversion_action);
            ("uploadConversionAdjustments", body)
        } else {
            ("uploadClickConversions", payload::clicks(conversions, &self.conversion_action))
        };
        let login = self.login_customer_id.iter();
        Request {
            url: format!("{}:{method}", self.customer_url),
            headers: login.map(|id| ("login-customer-id", Secret(id.clone()))).collect(),
            body: Secret(body.to_string()),
        }
    }

    fn route(&self, conversion: &Conversion) -> Route {
        match conversion.kind {
            ConversionKind::Purchase => Route::Purchases,
            ConversionKind::Refund { .. } => Route::Adjustments,
        }
    }

    fn outcomes(&self, conversions: &[Conversion], answer: &Answer) -> Vec<Outcome> {
        response::outcomes(conversions, answer)
    }

    fn oauth(&self) -> Option<&OAuth> {
        Some(&self.oauth)
    }
}

/// Whether the purchase was sent at all is known to `delivery`; the adjustment itself carries no personal data.
fn accepts_refund(
    conversion: &Conversion,
    remaining: Decimal,
    age: Duration,
) -> Result<(), Refusal> {
    writable(remaining, &conversion.currency)?;
    // Conversions recorded by wbraid cannot be adjusted (GADS-ADJ-WBRAID): the value stays too high.
    if google::click_id(&conversion.click).is_some_and(|(name, _)| name == "wbraid") {
        return Err(Refusal::lost("wbraid_cannot_be_adjusted"));
    }
    if age > ADJUSTMENT_WINDOW {
        return Err(Refusal::lost("adjustment_window_closed"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::super::testing::{self, NOW};
    use super::*;

    fn settings() -> Settings {
        serde_json::from_str(
            r#"{"customer_id":"1234567890","login_customer_id":"9998887777",
                "conversion_action":"987654321","client_id":"id.apps.googleusercontent.com",
                "client_secret":"GOCSPX-s","refresh_token":"1//0r"}"#,
        )
        .unwrap()
    }

    fn ads() -> GoogleAds {
        GoogleAds::new(settings()).unwrap()
    }

    fn reason(conversion: &Conversion, now: OffsetDateTime) -> Option<(&'static str, bool)> {
        ads().accepts(conversion, now).err().map(|refusal| (refusal.reason, refusal.dead_letter))
    }

    #[test]
    fn purchases_and_refunds_go_to_different_calls() {
        let purchase = ads().request(&[testing::full()]);
        assert_eq!(
            purchase.url,
            "https://googleads.googleapis.com/v26/customers/1234567890:uploadClickConversions"
        );
        assert_eq!(purchase.headers, [("login-customer-id", Secret("9998887777".to_owned()))]);
        let refund = ads().request(&[testing::refund(Decimal::ZERO)]);
        assert!(refund.url.ends_with("/v26/customers/1234567890:uploadConversionAdjustments"));
        assert_eq!(ads().route(&testing::full()), Route::Purchases);
        assert_eq!(ads().route(&testing::refund(Decimal::ONE)), Route::Adjustments);
        assert_eq!(ads().oauth().unwrap().scope, "https://www.googleapis.com/auth/adwords");
    }

    #[test]
    fn an_order_without_click_and_contact_is_withheld() {
        let mut order = testing::full();
        order.click.gclid = None;
        assert_eq!(reason(&order, NOW), None, "contact data is enough");
        order.consent.ads_user_data = crate::model::consent::Answer::Unknown;
        assert_eq!(reason(&order, NOW), Some(("no_identifier", false)));
        order.click.wbraid = Some("w".to_owned());
        assert_eq!(reason(&order, NOW), None, "a click id is enough");
    }

    #[test]
    fn age_limits_depend_on_how_the_order_is_matched() {
        let mut order = testing::full();
        let at = |days| order.occurred_at + Duration::days(days);
        let (day_64, day_91) = (at(64), at(91));
        assert_eq!(reason(&order, day_64), None);
        assert_eq!(reason(&order, day_91), Some(("too_old", true)));
        order.click.gclid = None;
        assert_eq!(reason(&order, day_64), Some(("too_old", true)));
    }

    #[test]
    fn refunds_that_google_cannot_take_are_losses() {
        let mut refund = testing::refund(Decimal::TEN);
        assert_eq!(reason(&refund, NOW), None);
        let late = refund.occurred_at + Duration::days(55);
        assert_eq!(reason(&refund, late), Some(("adjustment_window_closed", true)));
        refund.click.gclid = None;
        assert_eq!(reason(&refund, NOW), None, "the order id is enough");
        refund.click.wbraid = Some("w".to_owned());
        assert_eq!(reason(&refund, NOW), Some(("wbraid_cannot_be_adjusted", true)));
        assert_eq!(reason(&testing::refund(-Decimal::ONE), NOW), Some(("negative_value", true)));
    }

    #[test]
    fn an_order_id_beyond_googles_length_is_a_loss() {
        let mut order = testing::full();
        order.event_id = "x".repeat(65);
        assert_eq!(reason(&order, NOW), Some(("order_id_too_long", true)));
    }

    #[test]
    fn account_ids_with_hyphens_are_refused() {
        let mut wrong = settings();
        wrong.customer_id = "123-456-7890".to_owned();
        assert_eq!(GoogleAds::new(wrong).map(|_| ()).map_err(|e| e.setting), Err("customer_id"));
    }
}
