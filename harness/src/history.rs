//! Everything that happened in one case, in order: what was sent to the relay, what the platforms saw. The only input of the judges.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    exchange::{Exchange, OrderRef, Request},
    scenario::{Decisions, HealthState, LogState, OrderState, Signature, Topic},
    sut::services::ServiceCall,
};

/// One case's history.
#[derive(Debug, Clone, Default, Serialize)]
pub struct History {
    /// What the driver did, in order.
    pub actions: Vec<Action>,
    /// What the platforms saw, in journal order.
    pub exchanges: Vec<Exchange>,
    /// Exchanges of this case beyond the journal's bound (seen and answered, not kept).
    pub not_kept: u64,
    /// What was read from the relay at the end.
    pub readings: Readings,
    /// How the waiting ended.
    pub waited: Waited,
}

/// One thing the driver did.
#[derive(Debug, Clone, Serialize)]
pub struct Action {
    /// Index of the scenario's step; `None`: the control order or another of the harness's own.
    pub step: Option<usize>,
    /// When, since the run began.
    pub at: Duration,
    /// The case's own time.
    pub time: OffsetDateTime,
    /// What.
    pub what: Did,
}

/// Kinds of actions.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Did {
    /// A landing was told to the relay.
    Landing {
        /// Person.
        by: String,
        /// As sent.
        call: Call,
    },
    /// Consent was told to the relay.
    Consent {
        /// Person.
        by: String,
        /// What it amounts to.
        decisions: Decisions,
        /// As sent; `None` if it travels on the order only.
        call: Option<Call>,
    },
    /// A webhook was delivered.
    Webhook {
        /// Order; `None` for a raw body.
        order: Option<OrderRef>,
        /// Topic.
        topic: Topic,
        /// How it was signed.
        signature: Signature,
        /// What it shows of the order.
        shown: Shown,
        /// Statuses that are right here.
        right: Vec<u16>,
        /// As sent.
        call: Call,
    },
    /// The sender of webhooks tried the address.
    Ping {
        /// Input format, by id.
        format: &'static str,
        /// As sent.
        call: Call,
    },
    /// The browser's copy of an order went to a platform.
    BrowserCopy {
        /// Order.
        order: OrderRef,
        /// Platform.
        platform: &'static str,
        /// The id it carried.
        event_id: String,
    },
    /// An operator call (erasure, replay, credentials).
    Operator {
        /// `replay`, `credentials`, `erase`.
        name: &'static str,
        /// As sent.
        call: Call,
    },
    /// The relay was stopped and started.
    Restarted {
        /// How long it was away.
        away: Duration,
    },
    /// The relay's clock was moved.
    ClockMoved {
        /// By.
        by: time::Duration,
    },
    /// Faults were lifted.
    Recovered {
        /// Platform; `None`: all.
        platform: Option<String>,
    },
    /// A wait ended.
    Waited {
        /// For what, in words.
        until: String,
        /// Whether it happened.
        happened: bool,
    },
    /// The relay was started again and was not ready in the time that the profile gives it.
    StillAway {
        /// In words.
        why: String,
    },
    /// The harness could not do what the step asks (its own fault, or the relay's interface).
    Failed {
        /// In words.
        why: String,
        /// True: the harness's own fault.
        harness: bool,
    },
}

impl Did {
    /// The call to the relay that it consists of, if it is one.
    pub fn call(&self) -> Option<&Call> {
        match self {
            Self::Landing { call, .. }
            | Self::Consent { call: Some(call), .. }
            | Self::Webhook { call, .. }
            | Self::Ping { call, .. }
            | Self::Operator { call, .. } => Some(call),
            _ => None,
        }
    }
}

/// What a delivery shows of its order, whatever its format.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Shown {
    /// Input format, by id; empty for a raw body.
    pub format: &'static str,
    /// The order's state.
    pub state: Option<OrderState>,
    /// When it was placed, if the format has a place for it.
    pub placed_at: Option<OffsetDateTime>,
}

/// One HTTP call to the relay.
#[derive(Debug, Clone, Serialize)]
pub struct Call {
    /// As sent (secrets redacted in reports).
    pub request: Request,
    /// Status; `None`: no answer.
    pub status: Option<u16>,
    /// Answer body, bounded.
    pub body: String,
    /// Time to the answer.
    pub took: Duration,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// What the relay says about itself at the end of a case.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Readings {
    /// Delivery log entries for the case's orders; `None`: not offered or not readable (see `unreadable`).
    pub log: Option<Vec<LogEntry>>,
    /// What the log said while an order was still being tried, and the moment (since the run began) by which it had been read.
    pub early_log: Vec<(Duration, LogEntry)>,
    /// Health.
    pub health: Option<HealthState>,
    /// Export per person.
    pub exports: Vec<(String, String)>,
    /// Raw texts in which no canary may stand (log listings, answers), by name.
    pub texts: Vec<(String, String)>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
    /// Texts of which only the end was searched: the relay said more than is kept.
    pub unsearched: Vec<String>,
    /// What the stand-ins of other services were asked; only of a relay process that the case has to itself.
    pub services: Vec<ServiceCall>,
}

/// One delivery in the relay's own log.
#[derive(Debug, Clone, Serialize)]
pub struct LogEntry {
    /// Order.
    pub order: OrderRef,
    /// Platform id.
    pub platform: String,
    /// State in common words; `None`: a word that the profile does not map.
    pub state: Option<LogState>,
    /// Reason as given.
    pub reason: Option<String>,
    /// Attempts: status and trace id as the log has them.
    pub attempts: Vec<LogAttempt>,
}

/// One attempt in the relay's own log.
#[derive(Debug, Clone, Serialize)]
pub struct LogAttempt {
    /// HTTP status, if there was an answer.
    pub status: Option<u16>,
    /// Platform's trace id.
    pub trace_id: Option<String>,
    /// Outcome as the log words it.
    pub outcome: Option<String>,
}

/// How the waiting ended.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Waited {
    /// All that was expected happened, and the quiet window passed.
    pub decided: bool,
    /// The control order was taken by the case's platform.
    pub sentinel: bool,
    /// Length of the quiet window.
    pub quiet: Duration,
    /// What was still missing at the deadline, in words.
    pub missing: Vec<String>,
    /// Waiting that the scenario or profile declares (retry floors, quiet windows).
    pub declared: Duration,
    /// Why what did not happen proves nothing, if it does not: the machine had no time, or something came that cannot be read.
    pub unproven: Option<String>,
    /// The machine had so little time while the steps were played that a late answer of the relay proves nothing; in words.
    pub busy: Option<String>,
}
