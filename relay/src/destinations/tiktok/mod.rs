//! TikTok Events API 2.0 (<https://business-api.tiktok.com/portal/docs?id=1771100865818625>).

mod payload;
mod response;

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{
    Answer, Destination, Outcome, Refusal, Request, Route, Secret, SettingsError, settings,
    well_formed,
};
use crate::model::conversion::{Conversion, ConversionKind};

/// Age that integrations use for web events; no limit is published (TIKTOK-AGE).
const MAX_AGE: Duration = Duration::days(7);

/// Most events per request (TIKTOK-BATCH-MAX).
const MAX_BATCH: usize = 1000;

/// `[shop.tiktok]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Pixel code, about twenty capitals and digits.
    pub pixel_code: String,
    /// Long-lived access token of the pixel.
    pub access_token: Secret,
    /// Where the Business API answers.
    #[serde(default = "default_base_url")]
    pub base_url: String,
}

fn default_base_url() -> String {
    "https://business-api.tiktok.com".to_owned()
}

/// Delivers to one pixel.
#[derive(Debug, Clone)]
pub struct Tiktok {
    url: String,
    access_token: Secret,
    pixel_code: String,
    event_source_url: Option<String>,
}

impl Tiktok {
    /// `event_source_url` is the shop's page that stands in where an order has no landing page. It may be
    /// empty; such orders then go without a page.
    ///
    /// # Errors
    ///
    /// If a setting cannot be right.
    pub fn new(settings: Settings, event_source_url: &str) -> Result<Self, SettingsError> {
        let base = settings::base_url("base_url", &settings.base_url)?;
        settings::token("pixel_code", &settings.pixel_code)?;
        settings::token("access_token", &settings.access_token.0)?;
        Ok(Self {
            url: format!("{base}/open_api/v1.3/event/track/"),
            access_token: settings.access_token,
            pixel_code: settings.pixel_code,
            event_source_url: settings::page("event_source_url", event_source_url)?,
        })
    }
}

impl Destination for Tiktok {
    fn id(&self) -> &'static str {
        "tiktok"
    }

    fn max_batch(&self) -> usize {
        MAX_BATCH
    }

    fn accepts(&self, conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal> {
        if !matches!(conversion.kind, ConversionKind::Purchase) {
            return Err(Refusal::withheld("refunds_not_supported"));
        }
        if conversion.in_store {
            // Sales in a shop belong to an offline event set, not to the pixel.
            return Err(Refusal::withheld("in_store_not_supported"));
        }
        well_formed(conversion, now)?;
        if now - conversion.occurred_at > MAX_AGE {
            return Err(Refusal::lost("too_old"));
        }
        if !payload::can_be_matched(conversion) {
            return Err(Refusal::withheld("not_enough_identifiers"));
        }
        Ok(())
    }

    fn request(&self, conversions: &[Conversion]) -> Request {
        let page = self.event_source_url.as_deref();
        let body = payload::body(conversions, &self.pixel_code, page);
        Request {
            url: self.url.clone(),
            // The only place where TikTok reads a token (TIKTOK-AUTH-HEADER).
            headers: vec![("access-token", self.access_token.clone())],
            body: Secret(body.to_string()),
        }
    }

    fn route(&self, _conversion: &Conversion) -> Route {
        Route::Purchases
    }

    fn outcomes(&self, conversions: &[Conversion], answer: &Answer) -> Vec<Outcome> {
        response::outcomes(conversions.len(), answer)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::super::testing::{self, NOW};
    use super::*;

    fn tiktok() -> Tiktok {
        let settings: Settings = serde_json::from_str(
            r#"{"pixel_code":"C4ABCDEFGHIJKLMNOPQR","access_token":"tt-secret"}"#,
        )
        .unwrap();
        Tiktok::new(settings, "https://demo-shop.example/").unwrap()
    }

    fn reason(conversion: &Conversion, now: OffsetDateTime) -> Option<&'static str> {
        tiktok().accepts(conversion, now).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn the_token_is_in_its_own_header_only() {
        let request = tiktok().request(&[testing::full()]);
        assert_eq!(request.url, "https://business-api.tiktok.com/open_api/v1.3/event/track/");
        assert_eq!(request.headers, [("access-token", Secret("tt-secret".to_owned()))]);
        assert!(!request.body.0.contains("tt-secret"));
    }

    #[test]
    fn what_tiktok_cannot_take_is_refused() {
        assert_eq!(reason(&testing::full(), NOW), None);
        assert_eq!(reason(&testing::only_click(), NOW), None);
        let refund = testing::refund(rust_decimal::Decimal::ONE);
        assert_eq!(reason(&refund, NOW), Some("refunds_not_supported"));
        let mut till = testing::full();
        till.in_store = true;
        assert_eq!(reason(&till, NOW), Some("in_store_not_supported"));
        let mut nobody = testing::user_data_denied();
        nobody.click = Default::default();
        nobody.device.user_agent = None;
        assert_eq!(reason(&nobody, NOW), Some("not_enough_identifiers"));
        assert_eq!(reason(&testing::full(), NOW + Duration::days(8)), Some("too_old"));
    }
}
