//! JUnit XML, as GitHub and GitLab read it: a suite per topic, a case per case.

use std::{collections::BTreeMap, time::Duration};

use quick_junit::{NonSuccessKind, Report as Document, TestCase, TestCaseStatus, TestSuite};

use super::{Report, tally};
use crate::{
    platforms::Severity,
    verdict::{CaseVerdict, Status, Summary},
};

/// The JUnit report.
#[derive(Debug, Clone, Copy)]
pub struct Junit;

impl Report for Junit {
    fn id(&self) -> &'static str {
        "junit"
    }

    fn says(&self) -> &'static str {
        "JUnit XML for CI servers"
    }

    fn render(&self, summary: &Summary) -> Result<String, String> {
        let mut suites: BTreeMap<&str, TestSuite> = BTreeMap::new();
        let suite_of = |name: &str| name.split('/').next().unwrap_or("run").to_owned();
        for case in &summary.cases {
            suites
                .entry(topic(case))
                .or_insert_with(|| TestSuite::new(topic(case)))
                .add_test_case(test_case(summary, case));
        }
        for skipped in &summary.skipped {
            let mut status = TestCaseStatus::skipped();
            status.set_message(skipped.reason.as_str());
            let mut case = TestCase::new(skipped.name.as_str(), status);
            case.set_classname(suite_of(&skipped.name));
            let topic = skipped.name.split('/').next().unwrap_or("run");
            suites.entry(topic).or_insert_with(|| TestSuite::new(topic)).add_test_case(case);
        }
        let mut run = TestSuite::new("run");
        for finding in &summary.run_findings {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(finding.message.as_str()).set_type(&*finding.rule);
            if finding.severity == Severity::Must {
                run.add_test_case(TestCase::new(&*finding.check, status));
            }
        }
        if let Some(why) = &summary.aborted {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Error);
            status.set_message(why.as_str());
            run.add_test_case(TestCase::new("relay stays reachable", status));
        }
        for (place, message) in tally::stale(summary) {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(message).set_type("baseline");
            run.add_test_case(TestCase::new(place, status));
        }
        for (what, path) in tally::snapshots(summary) {
            let mut status = TestCaseStatus::non_success(NonSuccessKind::Failure);
            status.set_message(format!("snapshot {what}: {path}"));
            run.add_test_case(TestCase::new(path.as_str(), status));
        }
        let mut document = Document::new(summary.relay.as_str());
        document.set_time(Duration::from_millis(summary.took_ms));
        document.add_test_suites(suites.into_values());
        if !run.test_cases.is_empty() {
            document.add_test_suite(run);
        }
        document.to_string().map_err(|e| e.to_string())
    }
}

fn test_case(summary: &Summary, case: &CaseVerdict) -> TestCase {
    let first = case
        .findings
        .iter()
        .find(|f| f.severity == Severity::Must)
        .map(|f| (&*f.rule, f.message.clone()))
        .or_else(|| case.notes.first().map(|n| ("note", n.clone())));
    let mut status = match case.status {
        Status::Pass => TestCaseStatus::success(),
        // The form has no word for it; CI servers show it apart from what passed, and do not fail.
        Status::KnownFailing => {
            let mut status = TestCaseStatus::skipped();
            let known = tally::known(case);
            status.set_message(format!("known failing: {}", known.join("; ")));
            status.set_description(description(summary, case));
            let mut test = TestCase::new(case.case.as_str(), status);
            test.set_classname(topic(case)).set_time(Duration::from_millis(case.took_ms));
            return test;
        }
        Status::Skipped => TestCaseStatus::skipped(),
        Status::Fail => TestCaseStatus::non_success(NonSuccessKind::Failure),
        Status::Inconclusive | Status::HarnessFault => {
            TestCaseStatus::non_success(NonSuccessKind::Error)
        }
    };
    if let Some((rule, message)) = first.filter(|_| case.status != Status::Pass) {
        status.set_type(rule).set_message(message);
        status.set_description(description(summary, case));
    }
    let mut test = TestCase::new(case.case.as_str(), status);
    test.set_classname(topic(case)).set_time(Duration::from_millis(case.took_ms));
    test
}

fn topic(case: &CaseVerdict) -> &str {
    case.case.split('/').next().unwrap_or("run")
}

fn description(summary: &Summary, case: &CaseVerdict) -> String {
    let mut text = format!("{}\n", case.title);
    for cell in case.cells.iter().filter(|cell| !cell.right) {
        let outcome = tally::outcome_name(cell.outcome);
        line!(text, "order {}: {outcome}: {}", cell.order, tally::detail(cell));
    }
    for finding in &case.findings {
        line!(text, "{}: {} ({})", finding.rule, finding.message, finding.source);
        for (label, value) in [("expected", &finding.expected), ("seen", &finding.actual)] {
            if let Some(value) = value {
                line!(text, "  {label} {value}");
            }
        }
    }
    for note in case.notes.iter().chain(&case.remarks) {
        line!(text, "note: {note}");
    }
    for known in tally::known(case) {
        line!(text, "in the baseline: {known}");
    }
    line!(text, "reproduce: {}", tally::reproduce(summary, &case.case));
    text
}
