//! What a relay may offer.

use serde::Deserialize;

/// What a relay may offer beyond taking orders and delivering them.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Capability {
    /// A list of deliveries with their attempts.
    DeliveryLog,
    /// A list of dead letters.
    DeadLetters,
    /// Dead letters can be sent again.
    Replay,
    /// Parked deliveries continue when credentials are replaced.
    Credentials,
    /// A health answer that says whether deliveries work.
    Health,
    /// A person can be erased.
    Erasure,
    /// What is kept about a person can be read.
    Export,
    /// The relay can be stopped and started on the same data.
    Restart,
    /// The relay's idea of now can be moved.
    Clock,
    /// The relay's settings can be chosen at start.
    Settings,
    /// Several shops in one relay.
    Shops,
    /// Landings can be told to the relay.
    Clicks,
    /// Consent can be told to the relay.
    Consent,
    /// Google's consent mode signals (`gcs`, `gcd`) are understood where its calls tell consent.
    ConsentSignals,
    /// Refunds and cancellations can be told to the relay.
    Refunds,
}

impl Capability {
    /// As profiles and scenarios write it.
    pub const fn word(self) -> &'static str {
        match self {
            Self::DeliveryLog => "delivery_log",
            Self::DeadLetters => "dead_letters",
            Self::Replay => "replay",
            Self::Credentials => "credentials",
            Self::Health => "health",
            Self::Erasure => "erasure",
            Self::Export => "export",
            Self::Restart => "restart",
            Self::Clock => "clock",
            Self::Settings => "settings",
            Self::Shops => "shops",
            Self::Clicks => "clicks",
            Self::Consent => "consent",
            Self::ConsentSignals => "consent_signals",
            Self::Refunds => "refunds",
        }
    }
}
