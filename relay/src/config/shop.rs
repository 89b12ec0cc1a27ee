//! One shop: how it is recognised, which secrets its webhooks use, where its conversions go.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;

use super::Fault;
use crate::destinations::{
    Destination, Secret, SettingsError, data_manager, google_ads, meta, tiktok,
};

/// One shop with its destinations.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shop {
    /// Name in URLs and logs.
    pub id: String,
    /// Shopify domain, if it is such a shop.
    #[serde(default)]
    pub domain: Option<String>,
    /// Origins whose scripts may call the browser API.
    #[serde(default)]
    pub origins: Vec<String>,
    /// Shopify secrets, the current one first.
    #[serde(default)]
    pub shopify_secrets: Vec<Secret>,
    /// Standard Webhooks secrets (`whsec_...`), the current one first.
    #[serde(default)]
    pub webhook_secrets: Vec<Secret>,
    /// Page to name when a landing is unknown.
    #[serde(default)]
    pub event_source_url: Option<String>,
    /// Meta Conversions API.
    #[serde(default)]
    pub meta: Option<meta::Settings>,
    /// Google Ads API.
    #[serde(default)]
    pub google_ads: Option<google_ads::Settings>,
    /// Google Data Manager API.
    #[serde(default)]
    pub data_manager: Option<data_manager::Settings>,
    /// TikTok Events API.
    #[serde(default)]
    pub tiktok: Option<tiktok::Settings>,
}

/// Credentials that an operator set at run time; they replace the configured ones.
#[derive(Debug, Clone, Default)]
pub struct Override {
    /// Static token.
    pub access_token: Option<Secret>,
    /// OAuth refresh token.
    pub refresh_token: Option<Secret>,
}

/// Names of all kinds of destinations.
pub const DESTINATIONS: [&str; 4] = ["meta", "google_ads", "data_manager", "tiktok"];

impl Shop {
    /// Names of the destinations that this shop has.
    pub fn destinations(&self) -> impl Iterator<Item = &'static str> {
        let has = [
            self.meta.is_some(),
            self.google_ads.is_some(),
            self.data_manager.is_some(),
            self.tiktok.is_some(),
        ];
        DESTINATIONS.into_iter().zip(has).filter_map(|(name, has)| has.then_some(name))
    }

    /// The destination of that name with these credentials; `None` if the shop does not have it.
    ///
    /// # Errors
    /// When a setting, or a credential set at run time, cannot be right.
    pub fn destination(
        &self,
        name: &str,
        with: &Override,
    ) -> Result<Option<Arc<dyn Destination>>, SettingsError> {
        let replace = |slot: &mut Secret, by: &Option<Secret>| {
            if let Some(secret) = by {
                *slot = secret.clone();
            }
        };
        let page = self.event_source_url.as_deref().unwrap_or_default();
        let destination: Option<Arc<dyn Destination>> = match name {
            "meta" => match self.meta.clone() {
                Some(mut settings) => {
                    replace(&mut settings.access_token, &with.access_token);
                    Some(Arc::new(meta::Meta::new(settings, page)?))
                }
                None => None,
            },
            "google_ads" => match self.google_ads.clone() {
                Some(mut settings) => {
                    replace(&mut settings.refresh_token, &with.refresh_token);
                    Some(Arc::new(google_ads::GoogleAds::new(settings)?))
                }
                None => None,
            },
            "data_manager" => match self.data_manager.clone() {
                Some(mut settings) => {
                    replace(&mut settings.refresh_token, &with.refresh_token);
                    Some(Arc::new(data_manager::DataManager::new(settings)?))
                }
                None => None,
            },
            "tiktok" => match self.tiktok.clone() {
                Some(mut settings) => {
                    replace(&mut settings.access_token, &with.access_token);
                    Some(Arc::new(tiktok::Tiktok::new(settings, page)?))
                }
                None => None,
            },
            _ => None,
        };
        Ok(destination)
    }

    /// Whether anything goes out encrypted.
    pub(crate) fn uses_tls(&self) -> bool {
        let addresses = [
            self.meta.as_ref().map(|s| &s.base_url),
            self.google_ads.as_ref().map(|s| &s.base_url),
            self.google_ads.as_ref().map(|s| &s.token_url),
            self.data_manager.as_ref().map(|s| &s.base_url),
            self.data_manager.as_ref().map(|s| &s.token_url),
            self.tiktok.as_ref().map(|s| &s.base_url),
        ];
        addresses.into_iter().flatten().any(|address| !address.starts_with("http://"))
    }

    /// Whether every setting can be right by itself; settings are named below the shop.
    pub(super) fn check(&self) -> Result<(), Fault> {
        let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
        if self.id.is_empty() || self.id.len() > 100 || !self.id.bytes().all(plain) {
            return Err(Fault::new("id", "use letters, digits, - _ ."));
        }
        for (i, secret) in self.webhook_secrets.iter().enumerate() {
            if crate::api::signature::standard_secret(&secret.0).is_none() {
                let problem = "a webhook secret is `whsec_` and base64 of 24 to 64 bytes";
                return Err(Fault::new(format!("webhook_secrets[{i}]"), problem));
            }
        }
        if let Some(i) = self.shopify_secrets.iter().position(|s| s.0.is_empty()) {
            return Err(Fault::new(format!("shopify_secrets[{i}]"), "must not be empty"));
        }
        for name in self.destinations() {
            if let Err(error) = self.destination(name, &Override::default()) {
                let setting = match error.setting {
                    // The shop's own, which its destinations share.
                    own @ "event_source_url" => own.to_owned(),
                    other => format!("{name}.{other}"),
                };
                return Err(Fault::new(setting, error.problem));
            }
        }
        Ok(())
    }

    pub(super) fn secrets(&mut self) -> Vec<(String, &mut Secret)> {
        let mut all: Vec<(String, &mut Secret)> = Vec::new();
        let lists = [
            ("shopify_secrets", &mut self.shopify_secrets),
            ("webhook_secrets", &mut self.webhook_secrets),
        ];
        for (name, list) in lists {
            all.extend(list.iter_mut().enumerate().map(|(i, s)| (format!("{name}[{i}]"), s)));
        }
        if let Some(meta) = &mut self.meta {
            all.push(("meta.access_token".into(), &mut meta.access_token));
        }
        if let Some(google) = &mut self.google_ads {
            all.push(("google_ads.client_secret".into(), &mut google.client_secret));
            all.push(("google_ads.refresh_token".into(), &mut google.refresh_token));
        }
        if let Some(google) = &mut self.data_manager {
            all.push(("data_manager.client_secret".into(), &mut google.client_secret));
            all.push(("data_manager.refresh_token".into(), &mut google.refresh_token));
        }
        if let Some(tiktok) = &mut self.tiktok {
            all.push(("tiktok.access_token".into(), &mut tiktok.access_token));
        }
        all
    }
}

/// Finds shops.
#[derive(Debug, Clone, Default)]
pub struct Directory {
    by_id: HashMap<String, Arc<Shop>>,
    by_domain: HashMap<String, Arc<Shop>>,
}

impl Directory {
    pub(super) fn new(shops: &[Shop]) -> Self {
        let mut directory = Self::default();
        for shop in shops {
            let shop = Arc::new(shop.clone());
            directory.by_id.insert(shop.id.clone(), shop.clone());
            if let Some(domain) = &shop.domain {
                directory.by_domain.insert(domain.to_ascii_lowercase(), shop.clone());
            }
        }
        directory
    }

    /// The shop of that id.
    #[must_use]
    pub fn shop(&self, id: &str) -> Option<&Arc<Shop>> {
        self.by_id.get(id)
    }

    /// The shop of that Shopify domain, in any case.
    #[must_use]
    pub fn shop_of_domain(&self, domain: &str) -> Option<&Arc<Shop>> {
        self.by_domain.get(&domain.to_ascii_lowercase())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn certificates_are_needed_unless_every_address_is_in_the_clear() {
        let shop = |google: &str| -> Shop {
            let meta =
                "[meta]\npixel_id = '1'\naccess_token = 't'\nbase_url = 'http://127.0.0.1:9'\n";
            toml::from_str(&format!("id = 'a'\n{meta}{google}")).unwrap()
        };
        assert!(!shop("").uses_tls());
        let google = "[google_ads]\ncustomer_id = '1'\nconversion_action = '2'\nclient_id = 'c'\n\
                      client_secret = 's'\nrefresh_token = 'r'\nbase_url = 'http://127.0.0.1:9'\n";
        assert!(shop(google).uses_tls(), "the token endpoint is Google's own");
        assert!(!shop(&format!("{google}token_url = 'http://127.0.0.1:9/token'\n")).uses_tls());
    }
}
