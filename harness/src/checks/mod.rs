//! The judges. Each is a pure function of history and truth in a file of its own; adding one is a file, a line in
//! [`CHECKS`] and a seeded defect that only it catches.

mod acknowledgements;
mod adjustments_right;
#[cfg(test)]
pub(crate) mod bench;
mod browser_id_kept;
mod changes;
mod click_id_carried;
mod consent_flags_true;
mod consent_respected;
mod contract;
mod currency_right;
mod egress;
mod event_id_shared;
pub(crate) mod exactly_once;
mod expectations;
mod identifiers_right;
mod log_truthful;
pub(crate) mod look;
mod minimal;
pub(crate) mod needles;
mod no_contact_in_logs;
mod no_invented_ids;
mod no_plain_contact;
mod occurred;
pub(crate) mod retries;
mod shopper_device;
mod test_marks;
#[cfg(test)]
mod tests;
mod time_right;
mod value_right;

use serde::Serialize;

pub use needles::Haystacks;

use crate::{
    history::History,
    plan::{Case, Shop},
    platforms::{Counted, Entry, Platform, Severity},
    sut::profile::Policies,
    truth::Truth,
    verdict::CheckResult,
};

/// All checks, in the order in which reports list them.
pub static CHECKS: &[&dyn Check] = &[
    &exactly_once::ExactlyOnce,
    &consent_respected::ConsentRespected,
    &consent_flags_true::ConsentFlagsTrue,
    &event_id_shared::EventIdShared,
    &value_right::ValueRight,
    &currency_right::CurrencyRight,
    &time_right::TimeRight,
    &click_id_carried::ClickIdCarried,
    &browser_id_kept::BrowserIdKept,
    &no_invented_ids::NoInventedIds,
    &shopper_device::ShopperDevice,
    &identifiers_right::IdentifiersRight,
    &no_plain_contact::NoPlainContact,
    &minimal::Minimal,
    &contract::Contract,
    &retries::Retries,
    &expectations::Expectations,
    &acknowledgements::Acknowledgements,
    &test_marks::TestMarks,
    &adjustments_right::AdjustmentsRight,
    &log_truthful::LogTruthful,
    &no_contact_in_logs::NoContactInLogs,
    &occurred::Occurred,
    &egress::Egress,
];

/// One judge.
pub trait Check: Send + Sync {
    /// What it is, for `explain`, reports and coverage.
    fn about(&self) -> &'static About;
    /// Judges one case. No clock, no socket.
    fn check(&self, seen: &Seen<'_>) -> CheckResult;
}

/// A check's description.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct About {
    /// `exactly_once`.
    pub id: &'static str,
    /// One sentence: what holds if it passes.
    pub says: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// Public page behind it.
    pub source: &'static str,
    /// Catalogue entries that it is evidence for.
    pub covers: &'static [&'static str],
}

/// What a check looks at.
pub struct Seen<'a> {
    /// The case with its tracers.
    pub case: &'a Case,
    /// Its platform.
    pub platform: &'static dyn Platform,
    /// The shops it used (first is `one`).
    pub shops: &'a [Shop],
    /// What happened.
    pub history: &'a History,
    /// What should have come of it.
    pub truth: &'a Truth,
    /// What the platform took for this case, in order.
    pub entries: &'a [Entry],
    /// What it counts of that.
    pub counted: &'a [Counted],
    /// What the relay declares.
    pub policies: &'a Policies,
    /// Requests prepared for searching, once for all checks.
    pub haystacks: Haystacks,
}
