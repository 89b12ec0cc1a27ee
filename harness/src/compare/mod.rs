//! Several runs side by side: their figures in one table, and what changed from the first to the last of them.

mod difference;
mod figures;
mod markdown;
mod table;
mod text;

use serde::Serialize;

pub use difference::{Change, Differences, Kind, OrderChange, differences};
pub use figures::Figures;
pub use markdown::markdown;
pub use text::text;

/// Version of the JSON form of a comparison. Documented in `harness/REPORT.md`.
pub const SCHEMA: u32 = 1;

/// What `harness compare` says.
#[derive(Debug, Clone, Serialize)]
pub struct Comparison {
    /// The runs in the order given.
    pub runs: Vec<Figures>,
    /// From the first run to the last; `None`: they are not about one relay, or there is only one.
    pub differences: Option<Differences>,
}

impl Comparison {
    /// Whether something that was right or judged before is no longer.
    pub fn is_regression(&self) -> bool {
        self.differences.as_ref().is_some_and(Differences::is_regression)
    }
}

/// The comparison as JSON.
///
/// # Errors
/// In words: if it cannot be put as JSON.
pub fn json(comparison: &Comparison) -> Result<String, String> {
    let document = serde_json::json!({
        "schema": SCHEMA,
        "tool": { "name": "harness", "version": env!("CARGO_PKG_VERSION") },
        "regression": comparison.differences.as_ref().map(Differences::is_regression),
        "comparison": comparison,
    });
    serde_json::to_string_pretty(&document).map(|text| text + "\n").map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests;
