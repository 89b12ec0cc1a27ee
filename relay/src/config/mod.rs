//! Settings: one TOML file, every field documented in `relay.example.toml`. Unknown keys are refused with
//! their line; a secret may be written as `"env:NAME"`.

mod cidr;
mod shop;

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;

pub use self::cidr::Cidr;
pub use self::shop::{DESTINATIONS, Directory, Override, Shop};
use crate::destinations::Secret;
use crate::model::order::{OrderKind, OrderState, ValueBasis};

/// All settings of a relay.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Address to listen on.
    #[serde(default = "default_listen")]
    pub listen: SocketAddr,
    /// SQLite file.
    #[serde(default = "default_database")]
    pub database: PathBuf,
    /// Bearer token of the operator API.
    pub operator_token: Secret,
    /// Proxies whose `X-Forwarded-For` is believed.
    #[serde(default)]
    pub trusted_proxies: Vec<Cidr>,
    /// How long a stop may take.
    #[serde(default = "default_grace")]
    pub shutdown_grace_ms: u64,
    /// What counts and how.
    #[serde(default)]
    pub policy: Policy,
    /// How deliveries are made.
    #[serde(default)]
    pub delivery: Delivery,
    /// How long things are kept.
    #[serde(default)]
    pub retention: Retention,
    /// Switches for tests.
    #[serde(default)]
    pub test: Test,
    /// The shops.
    #[serde(default, rename = "shop")]
    pub shops: Vec<Shop>,
}

/// What counts as a conversion and how it is joined with its click.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Policy {
    /// Basis of the value.
    pub value: ValueBasis,
    /// States in which an order counts.
    pub count_states: Vec<OrderState>,
    /// Kinds of orders that count.
    pub count_kinds: Vec<OrderKind>,
    /// How long an order waits for its late click.
    pub stitch_grace_ms: u32,
    /// Age of a click that still counts.
    pub click_ttl_days: u32,
    /// Last paid click wins; else the first.
    pub last_paid_click_wins: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            value: ValueBasis::Total,
            count_states: vec![
                OrderState::Paid,
                OrderState::PartiallyRefunded,
                OrderState::Refunded,
            ],
            count_kinds: vec![OrderKind::Web],
            stitch_grace_ms: 2000,
            click_ttl_days: 90,
            last_paid_click_wins: true,
        }
    }
}

/// How deliveries are made.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Delivery {
    /// Most conversions in one request.
    pub batch: usize,
    /// Wait this long to fill a batch.
    pub batch_delay_ms: u64,
    /// Longest exchange.
    pub timeout_ms: u64,
    /// First backoff.
    pub backoff_base_ms: u64,
    /// Longest backoff.
    pub backoff_cap_ms: u64,
    /// Longest `Retry-After` that is followed.
    pub retry_after_cap_ms: u64,
    /// Age at which a conversion becomes a dead letter.
    pub max_age_hours: u32,
    /// Requests at a time per shop and destination.
    pub in_flight_per_lane: usize,
}

impl Default for Delivery {
    fn default() -> Self {
        Self {
            batch: 50,
            batch_delay_ms: 0,
            timeout_ms: 10_000,
            backoff_base_ms: 1000,
            backoff_cap_ms: 600_000,
            retry_after_cap_ms: 3_600_000,
            max_age_hours: 144,
            in_flight_per_lane: 1,
        }
    }
}

/// How long things are kept.
#[derive(Debug, Clone, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// Clicks, visitors and their consent.
    pub clicks_days: u32,
    /// Finished deliveries and their orders.
    pub deliveries_days: u32,
    /// Dead letters.
    pub dead_letters_days: u32,
}

impl Default for Retention {
    fn default() -> Self {
        Self { clicks_days: 90, deliveries_days: 30, dead_letters_days: 14 }
    }
}

/// Switches for tests.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Test {
    /// Offers `POST /v1/test/clock`.
    pub clock: bool,
}

/// Why settings could not be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("cannot read {path}: {source}")]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The text is not what was expected; the message names line and column.
    #[error("{0}")]
    Invalid(Box<toml::de::Error>),
    /// A secret names an environment variable that is not set.
    #[error("{setting}: environment variable {name} is not set")]
    NotSet {
        /// Which setting.
        setting: String,
        /// Which variable.
        name: String,
    },
    /// Settings contradict each other.
    #[error("{0}")]
    Contradiction(String),
}

impl Config {
    /// Reads a file and resolves secrets from the environment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(&text, |name| std::env::var(name).ok())
    }

    /// Reads TOML text; `env` looks up the variables that secrets name.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config: Self =
            toml::from_str(text).map_err(|e| ConfigError::Invalid(Box::new(e)))?;
        resolve("operator_token", &mut config.operator_token, &env)?;
        for shop in &mut config.shops {
            let id = shop.id.clone();
            for (setting, secret) in shop.secrets() {
                resolve(&format!("shop {id}: {setting}"), secret, &env)?;
            }
        }
        config.check()?;
        Ok(config)
    }

    fn check(&self) -> Result<(), ConfigError> {
        let fault = |text: String| Err(ConfigError::Contradiction(text));
        if self.operator_token.0.is_empty() {
            return fault("operator_token must not be empty".into());
        }
        if self.delivery.batch == 0 || self.delivery.in_flight_per_lane == 0 {
            return fault(
                "delivery.batch and delivery.in_flight_per_lane must be at least 1".into(),
            );
        }
        if self.delivery.timeout_ms == 0 || self.delivery.backoff_base_ms == 0 {
            return fault(
                "delivery.timeout_ms and delivery.backoff_base_ms must be at least 1".into(),
            );
        }
        let (mut ids, mut domains) = (HashSet::new(), HashSet::new());
        for shop in &self.shops {
            let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
            if shop.id.is_empty() || shop.id.len() > 100 || !shop.id.bytes().all(plain) {
                return fault(format!("shop id `{}`: use letters, digits, - _ .", shop.id));
            }
            if !ids.insert(&shop.id) {
                return fault(format!("shop {} is there twice", shop.id));
            }
            if let Some(domain) = &shop.domain
                && !domains.insert(domain.to_ascii_lowercase())
            {
                return fault(format!("domain {domain} belongs to two shops"));
            }
            for secret in &shop.webhook_secrets {
                if crate::api::signature::standard_secret(&secret.0).is_none() {
                    return fault(format!(
                        "shop {}: a webhook secret is `whsec_` and base64 of 24 to 64 bytes",
                        shop.id
                    ));
                }
            }
            for name in shop.destinations() {
                if let Err(error) = shop.destination(name, &Override::default()) {
                    return fault(format!("shop {}: {name}: {error}", shop.id));
                }
            }
            if shop.shopify_secrets.iter().any(|s| s.0.is_empty()) {
                return fault(format!("shop {}: a shopify secret is empty", shop.id));
            }
        }
        Ok(())
    }

    /// Shops by id and by Shopify domain (lower case).
    #[must_use]
    pub fn directory(&self) -> Directory {
        Directory::new(&self.shops)
    }
}

fn resolve(
    setting: &str,
    secret: &mut Secret,
    env: &impl Fn(&str) -> Option<String>,
) -> Result<(), ConfigError> {
    if let Some(name) = secret.0.strip_prefix("env:") {
        let value = env(name).filter(|v| !v.is_empty()).ok_or_else(|| ConfigError::NotSet {
            setting: setting.to_owned(),
            name: name.to_owned(),
        })?;
        *secret = Secret(value);
    }
    Ok(())
}

fn default_listen() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 8080))
}

fn default_database() -> PathBuf {
    "relay.db".into()
}

fn default_grace() -> u64 {
    5000
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    const WHSEC: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX";

    fn env(name: &str) -> Option<String> {
        Some(if name == "WEBHOOK_SECRET" { WHSEC.into() } else { format!("value-of-{name}") })
    }

    #[test]
    fn the_example_is_valid_and_shows_the_defaults() {
        let config = Config::parse(include_str!("../../relay.example.toml"), env).unwrap();
        let bare = Config::parse("operator_token = 'x'", env).unwrap();
        let shown = |c: &Config| format!("{:?}", (&c.policy, &c.delivery, &c.retention, &c.listen));
        assert_eq!(shown(&config), shown(&bare));
        let shop = config.shops.first().unwrap();
        assert_eq!(shop.destinations().collect::<Vec<_>>(), DESTINATIONS);
        assert_eq!(shop.shopify_secrets.first().unwrap().0, "value-of-SHOPIFY_SECRET");
    }

    #[test]
    fn mistakes_name_the_line_or_the_variable() {
        let unknown = Config::parse("operator_token = 'x'\n[policy]\nvlaue = 'total'", env);
        let text = unknown.unwrap_err().to_string();
        assert!(text.contains("line 3") && text.contains("vlaue"), "{text}");
        let unset = Config::parse("operator_token = 'env:NOPE'", |_| None).unwrap_err();
        assert!(unset.to_string().contains("NOPE"));
        let twice = "operator_token='x'\n[[shop]]\nid='a'\n[[shop]]\nid='a'";
        assert!(Config::parse(twice, env).unwrap_err().to_string().contains("twice"));
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config::parse("operator_token = 'top-secret'", env).unwrap();
        assert!(!format!("{config:?}").contains("top-secret"));
    }
}
