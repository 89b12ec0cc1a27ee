//! What must hold beyond what the steps imply.

use serde::Deserialize;

use super::{service::ExpectService, units::Span};

/// Something that must hold beyond what the steps imply.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Expect {
    /// The outcome of an order, where the steps alone do not settle it.
    Outcome(ExpectOutcome),
    /// Requests that carried the order.
    Attempts(ExpectAttempts),
    /// A field of what the platform took.
    Payload(ExpectPayload),
    /// The delivery log says this of the order.
    Log(ExpectLog),
    /// The relay's health answer at the end of the steps.
    Health(HealthState),
    /// What is kept about a shopper does not hold these values.
    ExportLacks(ExportLacks),
    /// How often another service was asked.
    Service(ExpectService),
}

/// Expected outcome.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectOutcome {
    /// Order.
    pub order: String,
    /// What must have become of it.
    pub is: ExpectedOutcome,
}

/// Outcomes that a scenario may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExpectedOutcome {
    /// Counted exactly once.
    Counted,
    /// Not counted, rightly.
    Withheld,
    /// Not counted and kept as a dead letter (or refused with a reason): a loss that is reported.
    Reported,
    /// Either; the case is about something else.
    Any,
}

/// Expected attempts.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectAttempts {
    /// Order; required.
    pub order: String,
    /// Exactly that many.
    pub exactly: Option<u32>,
    /// At least that many.
    pub at_least: Option<u32>,
    /// At most that many.
    pub at_most: Option<u32>,
    /// No two closer than this.
    pub gaps_at_least: Option<Span>,
    /// What must be equal in all of them.
    pub same: Vec<SameAcross>,
}

/// What must not change between attempts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum SameAcross {
    /// The dedup key.
    EventId,
    /// The event time.
    EventTime,
    /// The event's whole JSON.
    Body,
}

/// Expected payload field.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ExpectPayload {
    /// Order; required.
    pub order: String,
    /// JSONPath (RFC 9535) into the request body, or `item.FIELD` for the platform-neutral reading; required.
    pub path: String,
    /// Equals (traceable `{fbclid}`-like names are replaced).
    pub equals: Option<serde_json::Value>,
    /// Text matches this regular expression.
    pub matches: Option<String>,
    /// Is not there.
    pub absent: bool,
    /// Is there.
    pub present: bool,
    /// Only on these platforms.
    pub on: Vec<String>,
}

/// Expected log entry.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectLog {
    /// Order.
    pub order: String,
    /// State in the profile's common words.
    pub state: LogState,
}

/// States of a delivery in a log, in common words.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum LogState {
    Pending,
    Delivered,
    Withheld,
    Parked,
    Dead,
}

/// Health answers.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum HealthState {
    Healthy,
    Unhealthy,
}

/// Values that an export must not hold.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExportLacks {
    /// Which shopper.
    #[serde(default)]
    pub by: Option<String>,
    /// Names of traceable values: `fbclid`, `email`, ...
    pub values: Vec<String>,
}
