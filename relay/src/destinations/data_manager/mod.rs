//! Google Data Manager API, `events:ingest`
//! (<https://developers.google.com/data-manager/api/devguides/events/send-events>).
//!
//! Events join the browser tag's conversions of a WEBPAGE action by `transactionId` (GDM-MULTI-MATCH).

mod payload;
mod response;

use serde::Deserialize;
use time::{Duration, OffsetDateTime};

use super::{
    Answer, Destination, OAuth, Outcome, Refusal, Request, Route, Secret, SettingsError, google,
    settings, well_formed,
};
use crate::model::conversion::{Conversion, ConversionKind};

/// Longest click window of Google Ads; the API states no limit of its own (GDM-LIMIT-AGE).
const MAX_AGE: Duration = Duration::days(90);

/// The same for events matched by contact data only.
const MAX_AGE_IDENTIFIERS: Duration = Duration::days(63);

/// Most events per request (GDM-EVENTS-2000).
const MAX_BATCH: usize = 2000;

/// `[shop.data_manager]` of the configuration.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Google Ads account that owns the conversion action: ten digits.
    pub operating_account: String,
    /// Manager account through which access goes: ten digits.
    #[serde(default)]
    pub login_account: Option<String>,
    /// Conversion action of type WEBPAGE, shared with the browser tag: its number.
    pub conversion_action: String,
    /// OAuth client id.
    pub client_id: String,
    /// OAuth client secret.
    pub client_secret: Secret,
    /// Refresh token with the `datamanager` scope.
    pub refresh_token: Secret,
    /// Where the API answers.
    #[serde(default = "default_base_url")]
    pub base_url: String,
    /// Where access tokens are given out.
    #[serde(default = "default_token_url")]
    pub token_url: String,
}

fn default_base_url() -> String {
    "https://datamanager.googleapis.com".to_owned()
}

fn default_token_url() -> String {
    "https://oauth2.googleapis.com/token".to_owned()
}

/// Delivers to one conversion action.
#[derive(Debug, Clone)]
pub struct DataManager {
    url: String,
    account: payload::Account,
    oauth: OAuth,
}

impl DataManager {
    /// Checks the settings and composes the URL.
    ///
    /// # Errors
    ///
    /// If a setting cannot be right.
    pub fn new(settings: Settings) -> Result<Self, SettingsError> {
        let base = settings::base_url("base_url", &settings.base_url)?;
        settings::google_account("operating_account", &settings.operating_account)?;
        if let Some(manager) = &settings.login_account {
            settings::google_account("login_account", manager)?;
        }
        settings::digits("conversion_action", &settings.conversion_action)?;
        Ok(Self {
            url: format!("{base}/v1/events:ingest"),
            account: payload::Account {
                operating: settings.operating_account,
                login: settings.login_account,
                conversion_action: settings.conversion_action,
            },
            oauth: google::oauth(
                &settings.token_url,
                settings.client_id,
                settings.client_secret,
                settings.refresh_token,
                "https://www.googleapis.com/auth/datamanager",
            )?,
        })
    }
}

impl Destination for DataManager {
    fn id(&self) -> &'static str {
        "data_manager"
    }

    fn max_batch(&self) -> usize {
        MAX_BATCH
    }

    fn accepts(&self, conversion: &Conversion, now: OffsetDateTime) -> Result<(), Refusal> {
        if !matches!(conversion.kind, ConversionKind::Purchase) {
            // How a sale is taken back through this API is not established (GDM-ADJUST).
            return Err(Refusal::withheld("refunds_not_supported"));
        }
        if conversion.in_store {
            // A WEBPAGE action takes web sales only (GDM-DEST-TYPE).
            return Err(Refusal::withheld("in_store_not_supported"));
        }
        well_formed(conversion, now)?;
        let max_age = match google::click_id(&conversion.click) {
            Some(_) => MAX_AGE,
            None if payload::user_identifiers(conversion).is_empty() => {
                return Err(Refusal::withheld("no_identifier"));
            }
            None => MAX_AGE_IDENTIFIERS,
        };
        if now - conversion.occurred_at > max_age {
            return Err(Refusal::lost("too_old"));
        }
        Ok(())
    }

    fn request(&self, conversions: &[Conversion]) -> Request {
        Request {
            url: self.url.clone(),
            headers: Vec::new(),
            body: Secret(payload::body(conversions, &self.account).to_string()),
        }
    }

    fn route(&self, _conversion: &Conversion) -> Route {
        Route::Purchases
    }

    fn outcomes(&self, conversions: &[Conversion], answer: &Answer) -> Vec<Outcome> {
        response::outcomes(conversions.len(), answer)
    }

    fn oauth(&self) -> Option<&OAuth> {
        Some(&self.oauth)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use super::super::testing::{self, NOW};
    use super::*;

    fn destination() -> DataManager {
        let settings: Settings = serde_json::from_str(
            r#"{"operating_account":"1234567890","conversion_action":"987654322",
                "client_id":"id.apps.googleusercontent.com","client_secret":"GOCSPX-s","refresh_token":"1//0r"}"#,
        )
        .unwrap();
        DataManager::new(settings).unwrap()
    }

    fn reason(conversion: &Conversion, now: OffsetDateTime) -> Option<&'static str> {
        destination().accepts(conversion, now).err().map(|refusal| refusal.reason)
    }

    #[test]
    fn events_go_to_the_one_call_without_account_headers() {
        let request = destination().request(&[testing::full()]);
        assert_eq!(request.url, "https://datamanager.googleapis.com/v1/events:ingest");
        assert!(request.headers.is_empty());
        let scope = destination().oauth().unwrap().scope;
        assert_eq!(scope, "https://www.googleapis.com/auth/datamanager");
    }

    #[test]
    fn what_the_action_cannot_count_is_withheld() {
        assert_eq!(reason(&testing::full(), NOW), None);
        assert_eq!(
            reason(&testing::refund(rust_decimal::Decimal::ONE), NOW),
            Some("refunds_not_supported")
        );
        let mut till = testing::full();
        till.in_store = true;
        assert_eq!(reason(&till, NOW), Some("in_store_not_supported"));
        let mut nobody = testing::user_data_denied();
        nobody.click.gclid = None;
        assert_eq!(reason(&nobody, NOW), Some("no_identifier"));
    }

    #[test]
    fn old_events_are_losses() {
        let order = testing::full();
        assert_eq!(reason(&order, order.occurred_at + Duration::days(89)), None);
        assert_eq!(reason(&order, order.occurred_at + Duration::days(91)), Some("too_old"));
    }
}
