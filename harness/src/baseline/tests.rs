#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    exit_code,
    report::{
        REPORTS,
        sample::{case, cell, failing, finding},
        tally,
    },
    verdict::{CaseVerdict, Outcome, Status, Summary},
};

const NAMES: [&str; 4] =
    ["dedup/many_topics/meta", "dedup/many_topics/tiktok", "dedup/reload/meta", "other/x/meta"];

const ONE: &str = "
relay: reference
known:
  - case: dedup/many_topics/meta
    check: exactly_once
    reason: takes an update for an order
    owner: payments
    expires: 2027-01-31
";

fn suite() -> Vec<(String, bool)> {
    NAMES.iter().map(|name| ((*name).to_owned(), true)).collect()
}

fn baseline(text: &str) -> Baseline {
    parse("known.yaml", text, "reference", &suite()).unwrap_or_else(|errors| panic!("{errors}"))
}

fn refused(text: &str) -> String {
    parse("known.yaml", text, "reference", &suite()).unwrap_err().to_string()
}

fn day(text: &str) -> Date {
    parse_date(text).unwrap()
}

fn run(cases: Vec<CaseVerdict>) -> Summary {
    Summary { relay: "reference".into(), cases, ..Summary::default() }
}

fn judged(text: &str, today: &str, cases: Vec<CaseVerdict>) -> Summary {
    let mut summary = run(cases);
    baseline(text).apply(&mut summary, &suite(), day(today));
    summary
}

fn states(summary: &Summary) -> Vec<State> {
    summary.baseline.as_ref().unwrap().entries.iter().map(EntryUse::state).collect()
}

#[test]
fn a_known_failure_does_not_fail_the_run_and_is_shown_apart() {
    let mut known = failing(NAMES[0], &["exactly_once"]);
    // Nothing is missing for want of which the rest could not be judged.
    known.remarks.push("its process had played another case before".into());
    let summary = judged(ONE, "2027-01-31", vec![known, case(NAMES[1], Status::Pass)]);
    assert_eq!(summary.cases[0].status, Status::KnownFailing);
    assert_eq!(tally::exit_code(&summary), exit_code::PASSED);
    assert_eq!(states(&summary), [State::Covers]);
    for report in REPORTS {
        let text = report.render(&summary).unwrap();
        for part in ["takes an update for an order", "payments", "2027-01-31"] {
            assert!(text.contains(part), "{part} is missing in {}:\n{text}", report.id());
        }
    }
}

#[test]
fn what_is_not_named_fails_as_always() {
    for (checks, case_name) in [
        (&["exactly_once", "value_right"][..], NAMES[0]),
        (&["value_right"], NAMES[0]),
        (&["exactly_once"], NAMES[1]),
    ] {
        let summary = judged(ONE, "2026-12-01", vec![failing(case_name, checks)]);
        assert_eq!(summary.cases[0].status, Status::Fail, "{checks:?}");
        assert_eq!(tally::exit_code(&summary), exit_code::FAILED);
    }
}

#[test]
fn a_rule_narrows_an_entry_and_a_pattern_widens_it() {
    let text = ONE
        .replace("dedup/many_topics/meta", "dedup/*")
        .replace("check: exactly_once", "check: contract\n    rule: META-EMAIL-HASH");
    let by_rule = |rule: &'static str| {
        let mut case = failing(NAMES[2], &["contract"]);
        case.findings[0].rule = rule.into();
        judged(&text, "2026-12-01", vec![case]).cases[0].status
    };
    let known = crate::platforms::by_id("meta").unwrap().rules();
    assert!(known.iter().any(|rule| rule.id == "META-EMAIL-HASH"));
    assert_eq!(by_rule("META-EMAIL-HASH"), Status::KnownFailing);
    assert_eq!(by_rule("META-FBC-FORMAT"), Status::Fail);
}

#[test]
fn a_whole_name_means_that_case_and_no_variant_of_it() {
    let mut names = suite();
    names.push(("dedup/many_topics/meta/late".to_owned(), true));
    let baseline = parse("known.yaml", ONE, "reference", &names).unwrap();
    assert!(baseline.entries[0].means("dedup/many_topics/meta"));
    assert!(!baseline.entries[0].means("dedup/many_topics/meta/late"));
}

#[test]
fn missing_evidence_and_faults_of_the_harness_cannot_be_known() {
    let mut unclear = failing(NAMES[0], &["exactly_once"]);
    unclear.notes.push("occurred: no 429 was answered".into());
    let inconclusive = CaseVerdict { findings: Vec::new(), ..case(NAMES[0], Status::Inconclusive) };
    let faulty =
        CaseVerdict { status: Status::HarnessFault, ..failing(NAMES[0], &["exactly_once"]) };
    for (case, status) in [
        (unclear, Status::Inconclusive),
        (inconclusive, Status::Inconclusive),
        (faulty, Status::HarnessFault),
    ] {
        let summary = judged(ONE, "2026-12-01", vec![case]);
        assert_eq!(summary.cases[0].status, status);
        assert_ne!(tally::exit_code(&summary), exit_code::PASSED);
    }
}

#[test]
fn an_outcome_that_no_check_explains_is_named_by_itself() {
    let late = || CaseVerdict {
        cells: vec![cell("A", Outcome::Late, false)],
        ..case(NAMES[0], Status::Fail)
    };
    let text = ONE.replace("check: exactly_once", "check: outcome\n    rule: late");
    assert_eq!(judged(&text, "2026-12-01", vec![late()]).cases[0].status, Status::KnownFailing);
    let lost = text.replace("rule: late", "rule: lost");
    assert_eq!(judged(&lost, "2026-12-01", vec![late()]).cases[0].status, Status::Fail);
}

#[test]
fn a_known_outcome_is_not_another_one_and_explains_none_that_it_cannot() {
    let narrow = ONE.replace("check: exactly_once", "check: exactly_once\n    rule: counted_twice");
    let with = |checks: &[&'static str], outcome| CaseVerdict {
        cells: vec![cell("A", outcome, false)],
        ..failing(NAMES[0], checks)
    };
    let of = |text: &str, case| judged(text, "2026-12-01", vec![case]).cases[0].status;
    let twice = || with(&["exactly_once"], Outcome::CountedTwice);
    let lost = || with(&["exactly_once"], Outcome::Lost);
    assert_eq!(of(&narrow, twice()), Status::KnownFailing);
    assert_eq!(of(&narrow, lost()), Status::Fail);
    // A known broken contract says nothing about an order that is late all of a sudden.
    let contract = ONE.replace("check: exactly_once", "check: contract");
    assert_eq!(of(&contract, failing(NAMES[0], &["contract"])), Status::KnownFailing);
    assert_eq!(of(&contract, with(&["contract"], Outcome::Late)), Status::Fail);
}

#[test]
fn what_was_not_observed_makes_no_entry_stale() {
    let mut partly = failing(NAMES[0], &["value_right"]);
    partly.notes.push("exactly_once: the control order did not arrive".into());
    let summary = judged(ONE, "2026-12-01", vec![partly]);
    assert_eq!(states(&summary), [State::Open]);
}

#[test]
fn late_events_can_be_named_and_a_written_baseline_reads_again() {
    let late = failing(NAMES[0], &["late"]);
    let none = Baseline { entries: Vec::new(), ..baseline(ONE) };
    let terms = Terms { reason: "r".into(), owner: "o".into(), expires: day("2027-01-31") };
    let written = write(&run(vec![late.clone()]), &none, &suite(), &terms, day("2026-12-01"));
    let text = written.unwrap().text;
    assert_eq!(judged(&text, "2026-12-01", vec![late]).cases[0].status, Status::KnownFailing);
}

#[test]
fn a_rule_that_its_check_never_names_is_refused() {
    let text = ONE.replace("check: exactly_once", "check: exactly_once\n    rule: META-FBC-FORMAT");
    assert!(refused(&text).contains("there is no rule `META-FBC-FORMAT`"), "{}", refused(&text));
}

#[test]
fn an_entry_that_no_longer_occurs_fails_the_run_with_its_lines() {
    let summary = judged(ONE, "2026-12-01", vec![case(NAMES[0], Status::Pass)]);
    assert_eq!(states(&summary), [State::Stale]);
    assert_eq!(tally::exit_code(&summary), exit_code::FAILED);
    for report in REPORTS.iter().filter(|report| report.id() != "json") {
        let text = report.render(&summary).unwrap();
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains("known.yaml:4"), "{}:\n{text}", report.id());
        assert!(text.contains("take lines 4 to 8 out"), "{}:\n{text}", report.id());
    }
}

#[test]
fn an_entry_is_stale_only_if_all_its_cases_were_judged() {
    let wide = ONE.replace("dedup/many_topics/meta", "dedup/many_topics");
    let both = |second: Status| vec![case(NAMES[0], Status::Pass), case(NAMES[1], second)];
    assert_eq!(states(&judged(&wide, "2026-12-01", both(Status::Pass))), [State::Stale]);
    assert_eq!(states(&judged(&wide, "2026-12-01", both(Status::Inconclusive))), [State::Open]);
    let half = judged(&wide, "2026-12-01", vec![case(NAMES[0], Status::Pass)]);
    assert_eq!((states(&half), tally::exit_code(&half)), (vec![State::Open], exit_code::PASSED));
    // A case that this relay cannot play is none that could be judged.
    let mut names = suite();
    names[0].1 = false;
    let mut summary = run(Vec::new());
    baseline(ONE).apply(&mut summary, &names, day("2026-12-01"));
    assert_eq!(states(&summary), [State::Open]);
}

#[test]
fn an_expired_entry_covers_nothing_and_says_so() {
    let summary = judged(ONE, "2027-02-01", vec![failing(NAMES[0], &["exactly_once"])]);
    assert_eq!(summary.cases[0].status, Status::Fail);
    assert_eq!(states(&summary), [State::Expired]);
    assert_eq!(tally::exit_code(&summary), exit_code::FAILED);
    for report in REPORTS {
        let text = report.render(&summary).unwrap();
        assert!(text.contains("expired"), "{}:\n{text}", report.id());
    }
}

#[test]
fn mistakes_are_told_with_their_place_all_at_once() {
    let text = "
relay: referenc
known:
  - case: dedup/many_topicz/meta
    check: exactly_onec
    reason: ''
    owner: payments
    expires: 2027-02-30
  - case: other/x/meta
    check: contract
    rule: META-EMAIL-HASHES
    reason: a
    owner: b
    expires: 2027-01-31
";
    let errors = refused(text);
    for part in [
        "known.yaml:2:8: is about the relay `referenc`, not `reference`",
        "known.yaml:4:11: `dedup/many_topicz/meta` means no case of the suite",
        "nearest names: dedup/many_topics/meta",
        "known.yaml:5:12: there is no check `exactly_onec`",
        "did you mean `exactly_once`?",
        "known.yaml:6:13: `reason` is empty",
        "known.yaml:8:14: `2027-02-30` is no day: write it as 2027-01-31",
        "known.yaml:11:11: there is no rule `META-EMAIL-HASHES`",
        "did you mean `META-EMAIL-HASH`?",
    ] {
        assert!(errors.contains(part), "{part} is missing in:\n{errors}");
    }
}

#[test]
fn an_entry_stands_once_and_has_all_fields() {
    let entry = ONE.split_once("known:\n").unwrap().1;
    let twice = refused(&format!("{ONE}{entry}"));
    assert!(twice.contains("known.yaml:9:11: the same entry stands in line 4 already"), "{twice}");
    let unowned = refused(&ONE.replace("    owner: payments\n", ""));
    assert!(unowned.contains("field `owner` is missing"), "{unowned}");
    let typo = refused(&ONE.replace("expires:", "expire:"));
    assert!(typo.contains("unknown field `expire`") && typo.contains("did you mean"), "{typo}");
    assert!(refused("relay: [").contains("known.yaml:1:"));
}

#[test]
fn a_file_that_is_too_long_or_not_there_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("known.yaml");
    let error = |path| load(path, "reference", &suite()).unwrap_err().to_string();
    assert!(error(&path).contains("known.yaml: cannot be read"), "{}", error(&path));
    std::fs::write(&path, format!("{ONE}#{}", "x".repeat(1024 * 1024))).unwrap();
    assert!(error(&path).contains("at most 1048576 are allowed"), "{}", error(&path));
}

#[test]
fn a_written_baseline_covers_the_run_that_it_was_written_from() {
    let mut contract = failing(NAMES[2], &["exactly_once", "contract"]);
    contract.findings[1].rule = "META-EMAIL-HASH".into();
    let late = CaseVerdict {
        cells: vec![cell("A", Outcome::Late, false)],
        ..case(NAMES[3], Status::Fail)
    };
    let cases = vec![failing(NAMES[0], &["value_right"]), contract, late];
    let terms = Terms {
        reason: "found: \"on\" #1\n- *not* a list".into(),
        owner: "@ops".into(),
        expires: day("2027-03-01"),
    };
    let today = day("2026-12-01");
    let written = write(
        &run(cases.clone()),
        &baseline("relay: reference\nknown: []\n"),
        &suite(),
        &terms,
        today,
    );
    let written = written.unwrap();
    assert_eq!(written.notes, ["4 new, 0 kept"]);
    let again = baseline(&written.text);
    assert_eq!(again.entries.len(), 4);
    assert!(again.entries.iter().all(|e| e.exact && e.reason == terms.reason && e.owner == "@ops"));
    let mut summary = run(cases);
    again.apply(&mut summary, &suite(), today);
    assert!(summary.cases.iter().all(|case| case.status == Status::KnownFailing));
    assert_eq!(tally::exit_code(&summary), exit_code::PASSED);
}

#[test]
fn writing_keeps_what_is_there_and_drops_nothing_without_a_word() {
    let more = "
  - { case: dedup/reload/meta, check: value_right, reason: gone, owner: a, expires: 2027-01-31 }
  - { case: other, check: time_right, reason: old, owner: b, expires: 2026-01-31 }
  - { case: dedup/many_topics/tiktok, check: retries, reason: not played, owner: c, expires: 2027-01-31 }
";
    let before = baseline(&format!("{}{more}", ONE.trim_end()));
    let mut inconclusive = case(NAMES[1], Status::Inconclusive);
    inconclusive.notes.push("no control order".into());
    let mut summary = run(vec![
        failing(NAMES[0], &["exactly_once"]),
        inconclusive,
        case(NAMES[2], Status::Pass),
        failing(NAMES[3], &["time_right"]),
    ]);
    summary.run_findings.push(finding("egress", None));
    let terms = Terms { reason: "new".into(), owner: "new".into(), expires: day("2027-06-30") };
    let written = write(&summary, &before, &suite(), &terms, day("2026-12-01")).unwrap();
    let after = baseline(&written.text);
    let kept: Vec<(&str, &str, String)> = after
        .entries
        .iter()
        .map(|e| (e.reason.as_str(), e.owner.as_str(), date_text(e.expires)))
        .collect();
    assert_eq!(
        kept,
        [
            ("takes an update for an order", "payments", "2027-01-31".to_owned()),
            ("old", "b", "2027-06-30".to_owned()),
            ("not played", "c", "2027-01-31".to_owned()),
        ]
    );
    let notes = written.notes.join("\n");
    for part in [
        "0 new, 3 kept",
        "taken out, for it no longer occurs: dedup/reload/meta value_right (gone)",
        "prolonged to 2027-06-30, for it still occurs: other time_right (old)",
        "inconclusive, so not written: dedup/many_topics/tiktok",
        "of no case, so not written: egress does not hold",
    ] {
        assert!(notes.contains(part), "{part} is missing in:\n{notes}");
    }
}

#[test]
fn the_example_in_the_readme_is_a_baseline() {
    let readme = include_str!("../../../README.md");
    let blocks = readme.split("```yaml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let example: Vec<&str> = blocks.filter(|block| block.contains("\nknown:\n")).collect();
    assert_eq!(example.len(), 1);
    let names = ["dedup/many_topics/meta", "stitching/fbc_is_built/meta"];
    let suite: Vec<(String, bool)> = names.iter().map(|name| ((*name).into(), true)).collect();
    let baseline = parse("known.yaml", example[0], "relay", &suite).unwrap();
    let rules: Vec<_> = baseline.entries.iter().filter_map(|entry| entry.rule.as_deref()).collect();
    assert_eq!(rules, ["counted_twice", "META-FBC-FORMAT"]);
}
