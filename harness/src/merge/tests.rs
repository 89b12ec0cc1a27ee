#![allow(clippy::unwrap_used)]
use super::*;
use crate::{
    exit_code,
    plan::Skipped,
    report::{
        REPORTS, Report as _,
        json::{Json, SCHEMA},
        recorded,
        sample::{case, failing, finding},
        tally,
    },
    verdict::Status,
};

const OF: u16 = 3;

/// One run in so many shards, as their reports are read back.
fn shards(change: impl Fn(&mut Summary)) -> Vec<Recorded> {
    let names: Vec<String> = (0..12).map(|i| format!("topic/case_{i}/meta")).collect();
    let skipped = ["topic/case_12/meta", "topic/case_13/meta"];
    let suite = Suite::of(names.iter().map(String::as_str), skipped);
    let shards = (1..=OF).map(|number| {
        let shard = Shard::new(number, OF).unwrap();
        let here = names.iter().filter(|name| shard.contains(name));
        let mut summary = Summary {
            relay: "reference".into(),
            seed: 1,
            suite: suite.clone(),
            shard: Some(shard),
            cases: here.map(|name| case(name, Status::Pass)).collect(),
            skipped: skipped
                .iter()
                .filter(|name| shard.contains(name))
                .map(|name| Skipped {
                    name: (*name).to_owned(),
                    reason: "no clock".into(),
                    covers: Vec::new(),
                })
                .collect(),
            orphans: 2,
            took_ms: u64::from(number) * 1_000,
            declared_ms: 300,
            reproduce: "cargo harness run".into(),
            ..Summary::default()
        };
        change(&mut summary);
        Recorded {
            path: format!("{number}.json").into(),
            schema: SCHEMA,
            version: "0.1.0".into(),
            summary,
        }
    });
    shards.collect()
}

fn number(summary: &Summary) -> u16 {
    summary.shard.unwrap().number()
}

#[test]
fn shards_make_the_run_that_they_are_of() {
    let mut shards = shards(|_| {});
    shards.reverse();
    let whole = merge(shards).unwrap();
    assert_eq!((whole.cases.len(), whole.skipped.len(), whole.orphans), (12, 2, 6));
    assert!(whole.cases.is_sorted_by(|a, b| a.case < b.case));
    assert_eq!((whole.took_ms, whole.declared_ms), (3_000, 300), "side by side");
    assert_eq!((whole.parts.len(), whole.shard), (3, None));
    assert_eq!(tally::exit_code(&whole), exit_code::PASSED);
    for report in REPORTS {
        assert!(!report.render(&whole).unwrap().is_empty(), "{}", report.id());
    }
    // What was merged is a report like any other, and no shard.
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("run.json");
    std::fs::write(&path, Json.render(&whole).unwrap()).unwrap();
    let again = recorded::read(&path).unwrap();
    assert_eq!(again.summary.parts, whole.parts);
    assert!(matches!(merge(vec![again]), Err(MergeError::NoShard(_))));
}

#[test]
fn the_exit_code_is_that_of_the_whole() {
    let failed = merge(shards(|summary| {
        if number(summary) == 2 {
            let name = summary.cases[0].case.clone();
            summary.cases[0] = failing(&name, &["exactly_once"]);
        }
    }));
    assert_eq!(tally::exit_code(&failed.unwrap()), exit_code::FAILED);
    let aborted = merge(shards(|summary| {
        if number(summary) == 3 {
            summary.aborted = Some("the relay is gone".into());
            summary.cases.truncate(1);
        }
    }));
    let aborted = aborted.unwrap();
    assert_eq!(tally::exit_code(&aborted), exit_code::RELAY_UNREACHABLE);
    assert_eq!(aborted.aborted.as_deref(), Some("shard 3/3: the relay is gone"));
}

#[test]
fn a_finding_of_several_shards_is_one() {
    let whole = merge(shards(|summary| {
        let mut egress = finding("egress", None);
        egress.exchanges = vec![u64::from(number(summary))];
        summary.run_findings.push(egress);
        if number(summary) == 1 {
            summary.run_findings.push(finding("late", None));
        }
    }))
    .unwrap();
    let found: Vec<(&str, usize)> =
        whole.run_findings.iter().map(|f| (&*f.check, f.exchanges.len())).collect();
    assert_eq!(found, [("egress", 0), ("late", 0)]);
}

#[test]
fn what_does_not_fit_together_is_named() {
    let refused = |runs: Vec<Recorded>| merge(runs).unwrap_err().to_string();
    assert_eq!(refused(Vec::new()), "no report is given");
    let mut missing = shards(|_| {});
    missing.remove(1);
    assert_eq!(refused(missing), "a shard is missing: 2/3");
    let mut twice = shards(|_| {});
    twice.push(Recorded { path: "again.json".into(), ..twice[0].clone() });
    assert_eq!(refused(twice), "shard 1/3 is there twice: 1.json and again.json");
    let alone = refused(shards(|summary| summary.shard = None));
    assert!(alone.starts_with("1.json is no shard of a run"), "{alone}");
    type Change = fn(&mut Summary);
    let others: [(Change, &str); 4] = [
        (|s| s.seed = 9, "the seed is 1 in the one, 9 in the other"),
        (|s| s.relay = "other".into(), "the relay is `reference` in the one, `other`"),
        (|s| s.suite.fingerprint = "abc".into(), "the selection is 12 cases and 2 skipped ones"),
        (|s| s.shard = Shard::new(2, 4).ok(), "the number of shards is 3 in the one, 4"),
    ];
    for (change, what) in others {
        let runs = shards(|summary| {
            if number(summary) == 2 {
                change(summary);
            }
        });
        let error = refused(runs);
        assert!(error.contains("1.json and 2.json do not fit together"), "{error}");
        assert!(error.contains(what), "{error}");
    }
}

#[test]
fn a_report_that_lost_cases_or_holds_foreign_ones_is_refused() {
    let lost = shards(|summary| {
        if number(summary) == 1 {
            summary.cases.pop();
        }
    });
    assert_eq!(merge(lost).unwrap_err(), MergeError::Incomplete { found: 13, planned: 14 });
    let mut moved = shards(|_| {});
    let stolen = moved[1].summary.cases[0].clone();
    moved[0].summary.cases.push(stolen);
    assert!(matches!(merge(moved), Err(MergeError::Misplaced { .. })));
}

#[test]
fn a_baseline_is_judged_by_all_shards_together() {
    let entry = |judged, hits| BaselineUse {
        file: "known.yaml".into(),
        entries: vec![EntryUse {
            line: 3,
            last_line: 7,
            case: "topic".into(),
            check: "exactly_once".into(),
            rule: None,
            reason: "a bug".into(),
            owner: "somebody".into(),
            expires: "2027-01-31".into(),
            expired: false,
            planned: 12,
            judged,
            hits,
        }],
    };
    let with = |hits: usize| {
        shards(|summary| {
            let here = if number(summary) == 1 { hits } else { 0 };
            summary.baseline = Some(entry(summary.cases.len(), here));
        })
    };
    let covered = merge(with(1)).unwrap();
    assert_eq!(tally::exit_code(&covered), exit_code::PASSED);
    let stale = merge(with(0)).unwrap();
    assert_eq!(tally::exit_code(&stale), exit_code::FAILED);
    let mut half = with(0);
    half[2].summary.baseline = None;
    let error = merge(half).unwrap_err().to_string();
    assert!(error.contains("the baseline is one of 1 entries"), "{error}");
}
