//! Meta Conversions API (<https://developers.facebook.com/docs/marketing-api/conversions-api/using-the-api>).

mod payload;
mod response;

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{
    Answer, Destination, Outcome, Refusal, Request, Route, Secret, SettingsError, settings,
    well_formed,
};
use crate::model::conversion::{Conversion, ConversionKind};

/// `event_time` of a website event may be this old (META-TIME-7D).
const MAX_AGE: Duration = Duration::days(7);

/// The same for sales in a shop (META-TIME-62D).
const MAX_AGE_IN_STORE: Duration = Duration::days(62);

/// Most events per request (META-BATCH-MAX).
const MAX_BATCH: usize = 1000;

/// `[shop.meta]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pixel or dataset id: digits.
    pub pixel_id: String,
    /// System user token with access to the pixel.
    pub access_token: Secret,
    /// Where the Graph API answers.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// Graph API version, `v26.0`.
    #[serde(default = "default_api_version")]
    pub api_version: String,
}

fn default_base_url() -> String {
    "https://graph.facebook.com".to_owned()
}

fn default_api_version() -> String {
    "v26.0".to_owned()
}

/// Delivers to one pixel.
#[derive(Debug, Clone)]
pub struct Meta {
    url: String,
    authorization: Secret,
    event_source_url: Option<String>,
}

impl Meta {
    /// `event_source_url` is the shop's page that stands in where an order has no landing page. It may be
    /// empty; such orders then go without a page.
    ///
    /// # Errors
    ///
    /// If a setting cannot be right.
    pub fn new(settings: Settings, event_source_url: &str) -> Result<Self, SettingsError> {
        let base = settings::base_url("base_url", &settings.base_url)?;
        settings::digits("pixel_id", &settings.pixel_id)?;
        settings::api_version("api_version", &settings.api_version)?;
        settings::token("access_token", &settings.access_token.0)?;
        let version = &settings.api_version;
        Ok(Self {
            url: format!("{base}/{version}/{}/events", settings.pixel_id),
            // In the header, so that neither URL nor body has to be kept secret (META-AUTH-BEARER, META-AUTH-LEAK).
            authorization: Secret(format!("Bearer {}", settings.access_token.0)),
            event_source_url: settings::page("event_source_url", event_source_url)?,
        })
    }
}

impl Destination for Meta {
    fn id(&self) -> &'static str {
        "meta"
    }

    fn max_batch(&self) -> usize {
        MAX_BATCH
    }

    fn accepts(&self, conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal> {
        if !matches!(conversion.kind, ConversionKind::Purchase) {
            return Err(Refusal::withheld("refunds_not_supported"));
        }
        well_formed(conversion, now)?;
        let max_age = if conversion.in_store { MAX_AGE_IN_STORE } else { MAX_AGE };
        if now - conversion.occurred_at > max_age {
            return Err(Refusal::lost("too_old"));
        }
        if !payload::can_be_matched(conversion) {
            return Err(Refusal::withheld("not_enough_identifiers"));
        }
        Ok(())
    }

    fn request(&self, conversions: &[Conversion]) -> Request {
        Request {
            url: self.url.clone(),
            headers: vec![("authorization", self.authorization.clone())],
            body: Secret(payload::body(conversions, self.event_source_url.as_deref()).to_string()),
        }
    }

    fn route(&self, _conversion: &Conversion) -> Route {
        Route::Purchases
    }

    fn outcomes(&self, conversions: &[Conversion], answer: &Answer) -> Vec<Outcome> {
        let outcome = response::outcome(conversions.len(), answer);
        vec![outcome; conversions.len()]
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::super::testing::{self, NOW};
    use super::*;

    fn meta() -> Meta {
        let settings: Settings = serde_json::from_str(
            r#"{"pixel_id":"1234567890","access_token":"EAABtoken","base_url":"http://127.0.0.1:9/"}"#,
        )
        .unwrap();
        Meta::new(settings, "https://demo-shop.example/").unwrap()
    }

    #[test]
    fn the_token_is_in_the_header_only() {
        let request = meta().request(&[testing::full()]);
        assert_eq!(request.url, "http://127.0.0.1:9/v26.0/1234567890/events");
        assert_eq!(request.headers, [("authorization", Secret("Bearer EAABtoken".to_owned()))]);
        assert!(!request.body.0.contains("EAABtoken"));
        assert!(!format!("{:?} {request:?}", meta()).contains("EAABtoken"));
    }

    #[test]
    fn equal_conversions_make_equal_requests() {
        assert_eq!(meta().request(&[testing::full()]), meta().request(&[testing::full()]));
    }

    #[test]
    fn old_events_are_refused_before_they_sink_a_batch() {
        let order = testing::full();
        let age = |days| meta().accepts(&order, order.occurred_at + Duration::days(days));
        assert_eq!(age(7), Ok(()));
        assert_eq!(age(8), Err(Refusal { reason: "too_old", dead_letter: true }));
        let mut till = testing::full();
        till.in_store = true;
        assert_eq!(meta().accepts(&till, till.occurred_at + Duration::days(61)), Ok(()));
        assert!(meta().accepts(&till, till.occurred_at + Duration::days(63)).is_err());
    }

    #[test]
    fn what_meta_cannot_take_is_withheld() {
        let refund = testing::refund(rust_decimal::Decimal::ZERO);
        let refused = |reason| Err(Refusal { reason, dead_letter: false });
        assert_eq!(meta().accepts(&refund, NOW), refused("refunds_not_supported"));
        let mut nobody = testing::user_data_denied();
        nobody.click = Default::default();
        nobody.device.ip = None;
        assert_eq!(meta().accepts(&nobody, NOW), refused("not_enough_identifiers"));
        assert_eq!(meta().accepts(&testing::only_click(), NOW), Ok(()));
    }

    #[test]
    fn an_amount_that_cannot_be_written_is_a_loss() {
        let mut order = testing::full();
        order.currency = "eur".to_owned();
        assert_eq!(
            meta().accepts(&order, NOW).map_err(|refusal| refusal.reason),
            Err("invalid_currency")
        );
        let mut order = testing::full();
        order.value = "-1".parse().unwrap();
        assert_eq!(
            meta().accepts(&order, NOW).map_err(|refusal| refusal.reason),
            Err("negative_value")
        );
    }

    #[test]
    fn an_order_from_the_future_is_not_put_into_a_batch() {
        let order = testing::full();
        assert_eq!(meta().accepts(&order, order.occurred_at - Duration::minutes(5)), Ok(()));
        let early = meta().accepts(&order, order.occurred_at - Duration::days(2));
        assert_eq!(early, Err(Refusal { reason: "in_the_future", dead_letter: true }));
    }

    #[test]
    fn settings_with_unknown_keys_or_wrong_ids_are_refused() {
        assert!(
            serde_json::from_str::<Settings>(r#"{"pixel_id":"1","access_token":"t","pixel":"2"}"#)
                .is_err()
        );
        let settings: Settings =
            serde_json::from_str(r#"{"pixel_id":"12/34","access_token":"t"}"#).unwrap();
        assert!(Meta::new(settings, "").is_err());
    }
}
