//! Why there is no plan.

use std::fmt;

use super::MAX_CASES;
use crate::scenario::select::SelectsNothing;

/// Why there is no plan: always the scenarios' or the caller's fault, never the relay's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// A platform that nobody knows.
    #[error("there is no platform `{name}`; known: {}", known.join(", "))]
    UnknownPlatform {
        /// As asked for.
        name: String,
        /// Those there are.
        known: Vec<&'static str>,
    },
    /// A pattern that selects no case.
    #[error(transparent)]
    Pattern(#[from] SelectsNothing),
    /// Two scenarios with one name.
    #[error("there are two cases `{0}`")]
    Twice(String),
    /// More than [`MAX_CASES`].
    #[error("{0} cases are too many: at most {MAX_CASES} fit into one run")]
    TooMany(usize),
    /// Cases that cannot be made concrete.
    #[error("{}", Lines(.0))]
    Cases(Vec<CaseError>),
}

impl PlanError {
    /// True if the scenarios are fine and only the selection is empty.
    pub fn nothing_selected(&self) -> bool {
        matches!(self, Self::Pattern(_))
    }
}

/// One case that cannot be made concrete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CaseError {
    /// Its name.
    pub case: String,
    /// What is wrong, with the known names where one is unknown.
    pub message: String,
}

struct Lines<'a>(&'a [CaseError]);

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, error) in self.0.iter().enumerate() {
            write!(f, "{}{}: {}", if i > 0 { "\n" } else { "" }, error.case, error.message)?;
        }
        Ok(())
    }
}
