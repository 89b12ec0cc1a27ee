//! Reports: one file each, one line in [`REPORTS`]. They see verdicts only.

pub mod delivery;
pub mod json;
pub mod junit;
pub mod markdown;
pub mod recorded;
#[cfg(test)]
pub(crate) mod sample;
pub mod tally;
pub mod terminal;

use crate::verdict::Summary;

/// All report kinds that can be written to a file.
pub static REPORTS: &[&dyn Report] =
    &[&json::Json, &junit::Junit, &markdown::Markdown, &terminal::PLAIN];

/// One way to write down a run.
pub trait Report: Send + Sync {
    /// `json`, `junit`, `markdown`, ...: the KIND of `--report KIND=PATH`.
    fn id(&self) -> &'static str;
    /// One sentence.
    fn says(&self) -> &'static str;
    /// The whole text.
    fn render(&self, summary: &Summary) -> Result<String, String>;
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn report_kinds_are_unique_and_described() {
        let ids: BTreeSet<_> = REPORTS.iter().map(|r| r.id()).collect();
        assert_eq!(ids.len(), REPORTS.len());
        assert!(REPORTS.iter().all(|r| !r.says().is_empty()));
    }
}
