//! Requests to other services that no stub answered: shown with the run, whichever relay process made them.

use std::{
    cmp::Reverse,
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use crate::{
    platforms::Severity,
    sut::services::{AnsweredBy, ServiceCall},
    verdict::Finding,
};

/// Most of them that are reported.
const SHOWN: usize = 20;
/// Most of them that are told apart.
const KEPT: usize = 2_000;

/// Counted by service, method and path.
#[derive(Default)]
pub(super) struct Unanswered(Mutex<BTreeMap<String, u32>>);

impl Unanswered {
    /// Adds those of one relay process.
    pub(super) fn note(&self, calls: &[ServiceCall]) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        for call in calls.iter().filter(|call| call.answered_by == AnsweredBy::Nobody) {
            let request = format!("{} {} {}", call.service, call.method, call.path);
            if all.len() >= KEPT && !all.contains_key(&request) {
                continue;
            }
            let count = all.entry(request).or_default();
            *count = count.saturating_add(call.count);
        }
    }

    /// A finding that fails nothing for each, the most frequent ones first.
    pub(super) fn findings(&self) -> Vec<Finding> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut sorted: Vec<(&String, &u32)> = all.iter().collect();
        sorted.sort_by_key(|(_, count)| Reverse(**count));
        sorted
            .into_iter()
            .take(SHOWN)
            .map(|(request, count)| Finding {
                check: "services".into(),
                rule: "services".into(),
                severity: Severity::Should,
                order: None,
                message: format!(
                    "no stub of the profile answers {request}, which was asked {count} times"
                ),
                expected: None,
                actual: None,
                source: "https://docs.rs/wiremock".into(),
                exchanges: Vec::new(),
                at: None,
            })
            .collect()
    }
}
