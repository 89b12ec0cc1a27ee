//! Reports: one file each, one line in [`REPORTS`]. They see verdicts only.

use crate::verdict::Summary;

/// All report kinds.
pub static REPORTS: &[&dyn Report] = &[];

/// One way to write down a run.
pub trait Report: Send + Sync {
    /// `json`, `junit`, `markdown`, ...: the KIND of `--report KIND=PATH`.
    fn id(&self) -> &'static str;
    /// One sentence.
    fn says(&self) -> &'static str;
    /// The whole text.
    fn render(&self, summary: &Summary) -> Result<String, String>;
}
