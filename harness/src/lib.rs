//! The pipeline in one picture:
//!
//! ```text
//! scenario ──▶ plan ──▶ driver ──▶  RELAY UNDER TEST  ──▶ gateway ──▶ platform simulator
//!  (YAML)    (tracers)  (profile)   (any, a stranger)     (journal)        (replies, ledger)
//!                          │                                  │
//!                          └────────────▶ history ◀───────────┘
//!                                            │
//!                              truth ──▶  checks ──▶ verdicts ──▶ reports
//!                                            └──▶ snapshots
//! ```

/// Appends a line to a text.
macro_rules! line {
    ($out:expr) => { $out.push('\n') };
    ($out:expr, $($part:tt)*) => {{
        $out.push_str(&format!($($part)*));
        $out.push('\n');
    }};
}

pub mod baseline;
pub mod bounded;
pub mod catalogue;
pub mod checks;
pub mod cli;
pub mod commands;
pub mod compare;
mod credentials;
pub mod doctor;
pub mod driver;
pub mod exchange;
pub mod exit_code;
pub mod gateway;
pub mod history;
pub mod inputs;
pub mod judge;
pub mod merge;
pub mod plan;
pub mod platforms;
pub mod report;
pub mod run;
pub mod scenario;
pub mod snapshot;
pub mod sut;
pub mod text;
pub mod truth;
pub mod verdict;
pub mod yaml;
