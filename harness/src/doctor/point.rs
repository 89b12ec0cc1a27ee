//! One thing that has to work, and whether it does.

use serde::Serialize;

/// One line of the examination.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Point {
    /// What was looked at: `order webhook`, `event id`.
    pub about: String,
    /// Platform id, if it is about one.
    pub platform: Option<&'static str>,
    /// How it went.
    pub state: State,
    /// What was seen, in words.
    pub says: String,
    /// What to change, and where; there is one for every problem.
    pub change: Option<String>,
    /// Words of others, as they are: the relay's last ones, a file's mistakes.
    pub quote: Option<String>,
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Works, and was seen to.
    Ok,
    /// Does not.
    Problem,
    /// Not offered, or something before it does not work.
    NotChecked,
}

impl Point {
    pub(super) fn ok(about: impl Into<String>, says: impl Into<String>) -> Self {
        Self::new(State::Ok, about.into(), says.into(), None)
    }

    pub(super) fn not_checked(about: impl Into<String>, why: impl Into<String>) -> Self {
        Self::new(State::NotChecked, about.into(), why.into(), None)
    }

    pub(super) fn problem(
        about: impl Into<String>,
        says: impl Into<String>,
        change: impl Into<String>,
    ) -> Self {
        Self::new(State::Problem, about.into(), says.into(), Some(change.into()))
    }

    /// A problem in the words of an error: what follows `hint: ` is what to change, else `change` is.
    pub(super) fn problem_from(about: impl Into<String>, error: &str, change: &str) -> Self {
        match error.split_once("\nhint: ") {
            Some((says, hint)) => Self::problem(about, says, hint),
            None => Self::problem(about, error, change),
        }
    }

    fn new(state: State, about: String, says: String, change: Option<String>) -> Self {
        Self { about, platform: None, state, says, change, quote: None }
    }

    pub(super) fn at(mut self, platform: &'static str) -> Self {
        self.platform = Some(platform);
        self
    }

    pub(super) fn quoting(mut self, words: impl Into<String>) -> Self {
        self.quote = Some(words.into()).filter(|words| !words.trim().is_empty());
        self
    }
}
