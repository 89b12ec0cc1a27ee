//! Failures that are known: so that a relay with open bugs can be judged by every change all the same. A case whose breaks
//! are all named here still runs and is no pass, but does not fail the run; anything else fails as always, and so does an
//! entry whose failure no longer occurs.
//!
//! What is missing evidence, and what the harness could not judge, cannot be named here.

mod apply;
mod fault;
mod load;
#[cfg(test)]
mod tests;
mod write;

use serde::{Deserialize, Serialize};
use time::Date;

use crate::scenario::select::matches;

pub use load::{load, parse};
pub use write::{Terms, Written, write};

/// The baseline of one relay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Baseline {
    /// File, as it was asked for.
    pub file: String,
    /// The relay that it is about, by its profile's name.
    pub relay: String,
    /// In order of the file.
    pub entries: Vec<Entry>,
}

/// One known failure.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// First line of it in the file, from one.
    pub line: usize,
    /// Last line of it.
    pub last_line: usize,
    /// Case name, or a pattern as `--case` takes it.
    pub case: String,
    /// It is a case's whole name: it means that case alone.
    pub exact: bool,
    /// Check id; `outcome` for an order whose outcome is not right though no check says why.
    pub check: String,
    /// Rule id (for `outcome`: the outcome); `None`: whatever rule the check finds broken.
    pub rule: Option<String>,
    /// Why it is known.
    pub reason: String,
    /// Who sees to it.
    pub owner: String,
    /// Last day (UTC) on which it counts.
    pub expires: Date,
}

impl Entry {
    /// Whether it is about the case with this name.
    pub fn means(&self, name: &str) -> bool {
        if self.exact { self.case == name } else { matches(&self.case, name) }
    }

    /// Whether it is past its last day.
    pub fn is_expired(&self, today: Date) -> bool {
        today > self.expires
    }
}

/// What became of a baseline in one run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BaselineUse {
    /// File, as it was asked for.
    pub file: String,
    /// In order of the file.
    pub entries: Vec<EntryUse>,
}

/// What became of one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EntryUse {
    /// First line of it in the file.
    pub line: usize,
    /// Last line of it.
    pub last_line: usize,
    /// Case name or pattern.
    pub case: String,
    /// Check id.
    pub check: String,
    /// Rule id, if it is about one rule only.
    pub rule: Option<String>,
    /// Why it is known.
    pub reason: String,
    /// Who sees to it.
    pub owner: String,
    /// Last day on which it counts, `2027-01-31`.
    pub expires: String,
    /// Past that day.
    pub expired: bool,
    /// Cases of the whole suite that it means and that this relay can play.
    pub planned: usize,
    /// Of these, cases that were judged here (with a clear verdict).
    pub judged: usize,
    /// Of these, cases in which the failure occurred.
    pub hits: usize,
}

/// The state of an entry after a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// The failure occurred and counts as known.
    Covers,
    /// The failure occurred, and the entry's time is over: it fails as always.
    Expired,
    /// Every case that it means was judged, and the failure occurred in none: the entry has to go.
    Stale,
    /// Not every case that it means was judged here.
    Open,
}

impl EntryUse {
    /// See [`State`].
    pub fn state(&self) -> State {
        if self.hits > 0 {
            if self.expired { State::Expired } else { State::Covers }
        } else if self.planned > 0 && self.judged >= self.planned {
            State::Stale
        } else {
            State::Open
        }
    }

    /// `exactly_once`, or `contract META-FBC-FORMAT`.
    pub fn what(&self) -> String {
        match &self.rule {
            Some(rule) => format!("{} {rule}", self.check),
            None => self.check.clone(),
        }
    }

    /// Where it stands: `known.yaml:12`.
    pub fn place(&self, file: &str) -> String {
        format!("{file}:{}", self.line)
    }

    /// Which lines to take out: `line 12`, or `lines 12 to 17`.
    pub fn lines(&self) -> String {
        if self.last_line > self.line {
            format!("lines {} to {}", self.line, self.last_line)
        } else {
            format!("line {}", self.line)
        }
    }
}

impl BaselineUse {
    /// Entries in this state.
    pub fn in_state(&self, state: State) -> impl Iterator<Item = &EntryUse> {
        self.entries.iter().filter(move |entry| entry.state() == state)
    }
}

/// `2027-01-31`.
fn date_text(date: Date) -> String {
    format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day())
}

/// Reads `2027-01-31`.
///
/// # Errors
/// In words: no such day.
pub fn parse_date(text: &str) -> Result<Date, String> {
    let format = time::macros::format_description!("[year]-[month]-[day]");
    Date::parse(text, format).map_err(|_| format!("`{text}` is no day: write it as 2027-01-31"))
}
