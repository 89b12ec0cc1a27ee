#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    plan::Skipped,
    report::{
        recorded::Recorded,
        sample::{case, cell, failing, finding},
    },
    scenario::shard::Shard,
    verdict::{CaseVerdict, Outcome, Status, Summary},
};

fn run(cases: Vec<CaseVerdict>) -> Summary {
    Summary { relay: "reference".into(), seed: 1, cases, took_ms: 6_300, ..Summary::default() }
}

fn recorded(file: &str, summary: Summary) -> Recorded {
    Recorded { path: file.into(), schema: 2, version: "0.1.0".into(), summary }
}

/// Kind of the one change, and whether it is a regression.
fn one(before: Vec<CaseVerdict>, after: Vec<CaseVerdict>) -> (Kind, bool) {
    let found = differences(&run(before), &run(after));
    assert_eq!(found.changes.len(), 1, "{:#?}", found.changes);
    assert_eq!(found.is_regression(), found.changes[0].regression);
    (found.changes[0].kind, found.changes[0].regression)
}

#[test]
fn each_way_to_change_is_told_and_worse_ones_are_regressions() {
    let name = "a/b/meta";
    let pass = || vec![case(name, Status::Pass)];
    let unclear = || vec![case(name, Status::Inconclusive)];
    let fail = |checks: &[&'static str]| vec![failing(name, checks)];
    let known =
        || vec![CaseVerdict { status: Status::KnownFailing, ..failing(name, &["contract"]) }];
    let none = Vec::new;
    assert_eq!(one(pass(), fail(&["contract"])), (Kind::NewlyFailing, true));
    assert_eq!(one(pass(), known()), (Kind::NewlyFailing, true));
    assert_eq!(one(unclear(), fail(&["contract"])), (Kind::NewlyFailing, true));
    let two = || fail(&["contract", "retries"]);
    assert_eq!(one(fail(&["contract"]), two()), (Kind::FailsMore, true));
    assert_eq!(one(known(), two()), (Kind::FailsMore, true));
    assert_eq!(one(two(), fail(&["contract"])), (Kind::FailsLess, false));
    assert_eq!(one(pass(), unclear()), (Kind::NewlyInconclusive, true));
    assert_eq!(one(fail(&["contract"]), pass()), (Kind::NewlyPassing, false));
    assert_eq!(one(unclear(), pass()), (Kind::NewlyPassing, false));
    assert_eq!(one(pass(), none()), (Kind::Vanished, true));
    assert_eq!(one(fail(&["contract"]), none()), (Kind::Vanished, true));
    assert_eq!(one(unclear(), none()), (Kind::Vanished, false));
    assert_eq!(one(none(), fail(&["contract"])), (Kind::New, false));
    for same in [pass(), unclear(), known(), fail(&["contract"])] {
        assert!(differences(&run(same.clone()), &run(same)).changes.is_empty());
    }
    assert!(differences(&run(fail(&["contract"])), &run(known())).changes.is_empty());
}

#[test]
fn what_was_skipped_and_is_judged_now_is_no_regression_and_the_other_way_round_is() {
    let skipped = Summary {
        skipped: vec![Skipped {
            name: "a/b/meta".into(),
            reason: "no clock".into(),
            covers: Vec::new(),
        }],
        ..run(Vec::new())
    };
    let played = run(vec![case("a/b/meta", Status::Pass)]);
    let failed = run(vec![failing("a/b/meta", &["contract"])]);
    assert!(!differences(&skipped, &failed).is_regression());
    assert!(!differences(&skipped, &skipped).is_regression());
    let gone = differences(&played, &skipped);
    assert_eq!((gone.changes[0].kind, gone.is_regression()), (Kind::Vanished, true));
}

#[test]
fn another_order_that_goes_wrong_in_a_failing_case_is_a_regression() {
    let with = |second: Outcome, right: bool| {
        let mut case = failing("a/b/meta", &["exactly_once"]);
        case.cells.push(cell("B", second, right));
        vec![case]
    };
    let right = || with(Outcome::CountedOnce, true);
    assert_eq!(one(right(), with(Outcome::Lost, false)), (Kind::FailsMore, true));
    assert_eq!(one(with(Outcome::Lost, false), right()), (Kind::FailsLess, false));
    let found = differences(&run(right()), &run(with(Outcome::Lost, false)));
    let change = &found.changes[0].orders[0];
    assert_eq!((change.order.as_str(), change.worse), ("B", true));
    assert_eq!((change.before, change.after), (Some(Outcome::CountedOnce), Some(Outcome::Lost)));
}

#[test]
fn an_order_that_goes_wrong_in_another_way_is_neither_more_nor_less() {
    let with = |outcome| {
        let mut case = failing("a/b/meta", &["exactly_once"]);
        case.cells = vec![cell("A", outcome, false)];
        vec![case]
    };
    let change = one(with(Outcome::CountedTwice), with(Outcome::Lost));
    assert_eq!(change, (Kind::OtherOutcome, false));
}

#[test]
fn of_a_shard_and_a_whole_run_only_the_cases_of_both_are_compared() {
    let names = ["a/b/meta", "a/c/meta", "a/d/meta", "a/e/meta", "a/f/meta"];
    let whole = run(names.iter().map(|name| case(name, Status::Pass)).collect());
    let shard = |number| {
        let shard = Shard::new(number, 2).unwrap();
        let mut part = Summary { shard: Some(shard), ..whole.clone() };
        part.cases.retain(|case| shard.contains(&case.case));
        part
    };
    let (first, second) = (shard(1), shard(2));
    let found = differences(&whole, &first);
    assert!(!found.same_part && !found.is_regression(), "{found:?}");
    assert_eq!(found.compared, first.cases.len());
    assert!(!differences(&second, &whole).is_regression());
    assert_eq!(differences(&first, &second).compared, 0);
    assert!(differences(&first, &first).same_part);
    // What is gone from the part that both have is gone.
    let mut less = first.clone();
    less.cases.clear();
    assert!(differences(&whole, &less).is_regression());
}

#[test]
fn an_order_with_another_right_outcome_is_told_and_no_regression() {
    let with = |outcome| {
        vec![CaseVerdict {
            cells: vec![cell("A", outcome, true)],
            ..case("a/b/meta", Status::Pass)
        }]
    };
    let changed = one(with(Outcome::CountedOnce), with(Outcome::Withheld));
    assert_eq!(changed, (Kind::OtherOutcome, false));
}

#[test]
fn what_is_new_about_the_run_as_a_whole_is_a_regression() {
    let calm = run(vec![case("a/b/meta", Status::Pass)]);
    let mut loud = calm.clone();
    loud.run_findings.push(finding("egress", None));
    assert!(differences(&calm, &loud).is_regression());
    assert!(!differences(&loud, &loud).is_regression());
    let cut = Summary { aborted: Some("gone".into()), ..calm.clone() };
    assert!(differences(&calm, &cut).is_regression());
}

fn comparison(columns: usize) -> Comparison {
    let before = run(vec![case("a/b/meta", Status::Pass), failing("a/c/meta", &["contract"])]);
    let after =
        run(vec![failing("a/b/meta", &["exactly_once"]), failing("a/c/meta", &["contract"])]);
    let found = differences(&before, &after);
    let runs = std::iter::repeat_n(Figures::of(&recorded("before.json", before)), columns - 1)
        .chain([Figures::of(&recorded("a|fter.json", after))]);
    Comparison { runs: runs.collect(), differences: Some(found) }
}

#[test]
fn the_text_fits_eighty_columns_whatever_the_number_of_runs() {
    for columns in [2, 3, 4, 5, 9] {
        let text = text(&comparison(columns));
        for line in text.lines() {
            assert!(line.chars().count() <= 80 && !line.contains('\u{1b}'), "{line}");
        }
        assert!(text.contains("newly failing (1)\n  a/b/meta\n"), "{text}");
        assert!(text.contains("order A at meta: counted once -> counted twice+"), "{text}");
        assert!(text.ends_with("regression: 1 case got worse\n"), "{text}");
    }
}

#[test]
fn markdown_keeps_its_columns_and_json_has_all() {
    let comparison = comparison(2);
    let markdown = markdown(&comparison);
    let table: Vec<&str> = markdown.lines().take_while(|line| line.starts_with('|')).collect();
    assert!(table.len() > 8, "{markdown}");
    for row in &table {
        assert_eq!(row.replace("\\|", "").matches('|').count(), 4, "{row}");
    }
    let json: serde_json::Value = serde_json::from_str(&json(&comparison).unwrap()).unwrap();
    assert_eq!(json["schema"], SCHEMA);
    assert_eq!(json["regression"], true);
    let before = &json["comparison"]["runs"][0];
    assert_eq!((&before["cases"]["pass"], &before["cases"]["fail"]), (&1.into(), &1.into()));
    assert_eq!(before["orders"]["delivery"]["median_ms"], 40);
    assert_eq!(before["orders"]["delivery"]["repeated"], 2);
    assert_eq!(json["comparison"]["differences"]["changes"][0]["kind"], "newly_failing");
}

#[test]
fn a_report_without_figures_of_deliveries_has_none_instead_of_zero() {
    let mut old = recorded("old.json", run(vec![case("a/b/meta", Status::Pass)]));
    old.schema = 1;
    assert!(Figures::of(&old).orders.delivery.is_none());
}
