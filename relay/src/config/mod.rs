//! Settings: one TOML file, every field documented in `relay.example.toml`. Unknown keys are refused with
//! their line; a secret may be written as `"env:NAME"`.

mod cidr;
mod mistake;
mod place;
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
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// The text is not what was expected.
    #[error("{}{problem}", at(*line))]
    Invalid {
        /// Its line, from 1.
        line: Option<usize>,
        /// What is wrong, with the name of the setting if it is known; never the value, which may be a secret.
        problem: String,
    },
    /// A setting that cannot be right, or contradicts another.
    #[error("{}{setting}: {problem}", at(*line))]
    Setting {
        /// Which: `shop[0].meta.pixel_id`.
        setting: String,
        /// Its line, from 1; that of the table around it if it is absent.
        line: Option<usize>,
        /// What is wrong and what would be right; never the value, which may be a secret.
        problem: String,
    },
}

fn at(line: Option<usize>) -> String {
    line.map(|line| format!("line {line}: ")).unwrap_or_default()
}

/// A setting that cannot be right, before its line is known.
#[derive(Debug)]
struct Fault {
    setting: String,
    problem: String,
}

impl Fault {
    fn new(setting: impl Into<String>, problem: impl Into<String>) -> Self {
        Self { setting: setting.into(), problem: problem.into() }
    }
}

impl Config {
    /// Reads a file and resolves secrets from the environment.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let text = std::fs::read_to_string(path)?;
        Self::parse(&text, |name| std::env::var(name).ok())
    }

    /// Reads TOML text; `env` looks up the variables that secrets name.
    ///
    /// # Errors
    /// See [`ConfigError`].
    pub fn parse(text: &str, env: impl Fn(&str) -> Option<String>) -> Result<Self, ConfigError> {
        let mut config: Self = toml::from_str(text).map_err(|e| mistake::of(text, &e))?;
        config.resolve(&env).and_then(|()| config.check()).map_err(|fault| {
            ConfigError::Setting {
                line: place::line_of(text, &fault.setting),
                setting: fault.setting,
                problem: fault.problem,
            }
        })?;
        Ok(config)
    }

    /// Replaces `env:NAME` by what the variable holds.
    fn resolve(&mut self, env: &impl Fn(&str) -> Option<String>) -> Result<(), Fault> {
        resolve("operator_token", &mut self.operator_token, env)?;
        for (i, shop) in self.shops.iter_mut().enumerate() {
            for (setting, secret) in shop.secrets() {
                resolve(&format!("shop[{i}].{setting}"), secret, env)?;
            }
        }
        Ok(())
    }

    fn check(&self) -> Result<(), Fault> {
        if self.operator_token.0.is_empty() {
            return Err(Fault::new("operator_token", "must not be empty"));
        }
        let delivery = &self.delivery;
        for (setting, is_zero) in [
            ("delivery.batch", delivery.batch == 0),
            ("delivery.in_flight_per_lane", delivery.in_flight_per_lane == 0),
            ("delivery.timeout_ms", delivery.timeout_ms == 0),
            ("delivery.backoff_base_ms", delivery.backoff_base_ms == 0),
        ] {
            if is_zero {
                return Err(Fault::new(setting, "must be at least 1"));
            }
        }
        let (mut ids, mut domains) = (HashSet::new(), HashSet::new());
        for (i, shop) in self.shops.iter().enumerate() {
            let at = |setting: &str| format!("shop[{i}].{setting}");
            if !ids.insert(&shop.id) {
                return Err(Fault::new(at("id"), format!("shop {} is there twice", shop.id)));
            }
            if let Some(domain) = &shop.domain
                && !domains.insert(domain.to_ascii_lowercase())
            {
                return Err(Fault::new(at("domain"), format!("{domain} belongs to two shops")));
            }
            shop.check().map_err(|fault| Fault { setting: at(&fault.setting), ..fault })?;
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
) -> Result<(), Fault> {
    if let Some(name) = secret.0.strip_prefix("env:") {
        let value = env(name).filter(|v| !v.is_empty());
        let unset = || Fault::new(setting, format!("environment variable {name} is not set"));
        *secret = Secret(value.ok_or_else(unset)?);
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
        assert_eq!(
            unset.to_string(),
            "line 1: operator_token: environment variable NOPE is not set"
        );
        let twice = "operator_token='x'\n[[shop]]\nid='a'\n[[shop]]\nid='a'";
        assert_eq!(
            Config::parse(twice, env).unwrap_err().to_string(),
            "line 5: shop[1].id: shop a is there twice"
        );
    }

    #[test]
    fn a_setting_that_cannot_be_right_is_named_with_its_line_and_without_its_value() {
        let shop = "operator_token='x'\n[[shop]]\nid='a'\n";
        for (rest, expected) in [
            ("webhook_secrets=['hush-hush']\n", "line 4: shop[0].webhook_secrets[0]: "),
            ("shopify_secrets=['a',\n'']\n", "line 5: shop[0].shopify_secrets[1]: "),
            (
                "shopify_secrets=['a',\n'env:NOPE']\n",
                "line 5: shop[0].shopify_secrets[1]: environment",
            ),
            (
                "[shop.meta]\npixel_id='12x'\naccess_token='hush-hush'\n",
                "line 5: shop[0].meta.pixel_id: ",
            ),
            (
                "[shop.meta]\npixel_id='1'\naccess_token='t'\nbase_url='ftp://x'\n",
                "line 7: shop[0].meta.base_url: ",
            ),
            (
                "event_source_url='hush'\n[shop.meta]\npixel_id='1'\naccess_token='t'\n",
                "line 4: shop[0].event_source_url: ",
            ),
        ] {
            let none = |_: &str| None;
            let error = Config::parse(&format!("{shop}{rest}"), none).unwrap_err().to_string();
            assert!(error.starts_with(expected), "{rest}: {error}");
            assert!(!error.contains("hush"), "{error}");
        }
        let batch = "operator_token='x'\n[delivery]\nbatch_delay_ms=1\nbatch=0\n";
        let error = Config::parse(batch, env).unwrap_err().to_string();
        assert_eq!(error, "line 4: delivery.batch: must be at least 1");
        let typed = Config::parse("operator_token='x'\n[delivery]\nbatch='many'\n", env);
        let error = typed.unwrap_err().to_string();
        assert!(error.contains("line 3") && error.contains("batch"), "{error}");
    }

    #[test]
    fn secrets_are_not_printed() {
        let config = Config::parse("operator_token = 'top-secret'", env).unwrap();
        assert!(!format!("{config:?}").contains("top-secret"));
    }
}
