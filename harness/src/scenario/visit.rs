//! What brings a shopper to the shop, and what they answer to its consent banner.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::units::Span;

/// A landing.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Visit {
    /// Which shopper; default `shopper`. A new name is a new person with a browser of their own.
    pub by: Option<String>,
    /// What brought them: `paid` (default), `direct`, or the very ids.
    pub click: Option<Click>,
    /// Their answer, given with the landing.
    pub consent: Option<ConsentAnswer>,
    /// Cookies set to these very values (`null` removes one); default: `_fbp`, `_ttp`, `_ga` made by the plan.
    pub cookies: BTreeMap<String, Option<String>>,
    /// How long ago it was, as told to the relay, if the relay takes such a time.
    pub ago: Option<Span>,
    /// Path and query that the landing has before the click ids are added.
    pub page: Option<String>,
    /// `Sec-GPC: 1`.
    pub gpc: bool,
    /// The shopper's address is this very one.
    pub ip: Option<String>,
    /// `X-Forwarded-For` entries in front of the shopper's own (spoofed by the shopper).
    pub forwarded_spoof: Option<String>,
    /// User agent is this very one.
    pub user_agent: Option<String>,
    /// The landing is told to the relay only at this step's `tell_later` counterpart: after the order's webhook, by this long.
    pub late: Option<Span>,
}

/// What brought the visitor: `paid`, `direct`, `{ gclid: "x" }` or `{ query: "..." }`.
#[derive(Debug, Clone, PartialEq)]
pub enum Click {
    /// One click id for each platform of the case (`gclid`, `fbclid`, `ttclid`).
    Paid,
    /// No click id.
    Direct,
    /// Exactly these landing parameters; `"auto"` makes a traceable value.
    Ids(BTreeMap<String, String>),
    /// The raw query string of the landing, `{fbclid}` etc. replaced by traceable values.
    Query(String),
}

/// An answer to a banner: `granted`, `denied`, `unknown`, single decisions, or raw signals.
#[derive(Debug, Clone, PartialEq)]
pub enum ConsentAnswer {
    /// Everything allowed.
    Granted,
    /// Everything refused.
    Denied,
    /// No answer was given.
    Unknown,
    /// Single decisions; those not named are unknown.
    Decisions(Decisions),
    /// Google consent mode signals as a tag would send them.
    Signals(Signals),
}

/// The four decisions, each `granted`, `denied` or unknown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Decisions {
    /// May keep identifiers.
    pub store: Decision,
    /// May send conversions to ad platforms.
    pub ads: Decision,
    /// May send contact data.
    pub ads_user_data: Decision,
    /// May personalise.
    pub ads_personalise: Decision,
}

/// One decision.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Yes.
    Granted,
    /// No.
    Denied,
    /// Not asked or unreadable.
    #[default]
    Unknown,
}

/// Raw consent mode signals.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Signals {
    /// `G111`, ...
    pub gcs: Option<String>,
    /// `11r1p1r1p5`, ...
    pub gcd: Option<String>,
}

/// A later consent answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct ConsentStep {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// The answer.
    pub answer: ConsentAnswer,
}
