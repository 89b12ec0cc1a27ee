//! Collects broken rules while a request is judged: once each, bounded, and never losing that a row is refused.

use std::collections::HashSet;

use crate::platforms::Violation;

/// Findings kept per request; beyond it only the first refusal of each further row is kept.
const LIMIT: usize = 100;

/// The findings of one request.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    list: Vec<Violation>,
    refused: HashSet<Option<usize>>,
}

impl Findings {
    /// The platform refuses the row (or the request) because of it.
    pub(crate) fn refuse(
        &mut self,
        rule: &'static str,
        item: Option<usize>,
        at: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Violation { rule, item, at: at.into(), message: message.into(), refused: true });
    }

    /// The platform takes it all the same.
    pub(crate) fn report(
        &mut self,
        rule: &'static str,
        item: Option<usize>,
        at: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Violation { rule, item, at: at.into(), message: message.into(), refused: false });
    }

    fn add(&mut self, violation: Violation) {
        let first_refusal = violation.refused && self.refused.insert(violation.item);
        if self.list.len() < LIMIT || first_refusal {
            self.list.push(violation);
        }
    }

    /// All of them, with their places rewritten by `place`.
    pub(crate) fn done(mut self, place: impl Fn(&str) -> String) -> Vec<Violation> {
        for violation in &mut self.list {
            if violation.at.starts_with('/') {
                violation.at = place(&violation.at);
            }
        }
        self.list
    }
}
