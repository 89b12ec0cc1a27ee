//! Reports: one file each, one line in [`REPORTS`]. They see verdicts only.

pub mod delivery;
pub mod excerpt;
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

    use serde_json::json;

    use super::*;
    use crate::{
        platforms::Severity,
        verdict::{CaseVerdict, Evidence, Finding, Status},
    };

    /// A run with these cases.
    pub(super) fn summary(cases: Vec<CaseVerdict>) -> Summary {
        Summary {
            relay: "a relay".into(),
            seed: 1,
            cases,
            took_ms: 1,
            reproduce: "cargo harness run".into(),
            ..Summary::default()
        }
    }

    /// A case that fails at this place of a request with so many events.
    pub(super) fn failing(events: usize, at: &str) -> CaseVerdict {
        let event = |n: usize| {
            let em = format!("plain-{n}@example.com");
            json!({ "event_id": format!("order_{n}"), "user_data": { "em": em, "fbc": "x" } })
        };
        let body = json!({ "data": (0..events).map(event).collect::<Vec<_>>() });
        let finding = Finding {
            check: "no_plain_contact".into(),
            rule: "no_plain_contact".into(),
            severity: Severity::Must,
            order: Some("A".into()),
            message: "an e-mail address stands there in plain".into(),
            expected: None,
            actual: None,
            source: "https://example.com/".into(),
            exchanges: vec![7],
            at: Some(at.into()),
        };
        let evidence = Evidence {
            seq: 7,
            at_ms: 12,
            request_line: "POST graph.facebook.com/v26.0/1/events".into(),
            request_body: serde_json::to_string_pretty(&body).unwrap_or_default(),
            request_bytes: body.to_string().len(),
            is_cut: false,
            answer_line: "200".into(),
            answer_body: "{}".into(),
        };
        CaseVerdict {
            case: "privacy/nothing_plain_leaves/meta".into(),
            title: "Nothing plain leaves".into(),
            platform: "meta".into(),
            covers: Vec::new(),
            status: Status::Fail,
            cells: Vec::new(),
            findings: vec![finding],
            passed: Vec::new(),
            notes: Vec::new(),
            remarks: Vec::new(),
            took_ms: 1,
            declared_ms: 0,
            evidence: vec![evidence],
            known: Vec::new(),
        }
    }

    #[test]
    fn report_kinds_are_unique_and_described() {
        let ids: BTreeSet<_> = REPORTS.iter().map(|r| r.id()).collect();
        assert_eq!(ids.len(), REPORTS.len());
        assert!(REPORTS.iter().all(|r| !r.says().is_empty()));
    }
}
