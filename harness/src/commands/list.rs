//! `harness list`: cases, or what of the failure catalogue they cover.

use std::{collections::BTreeMap, panic::resume_unwind, thread};

use serde_json::json;

use super::{Done, plan_options, scenarios};
use crate::{
    catalogue::{self, Entry},
    cli::ListArgs,
    plan::{Skipped, cases::Outline},
    run::{self, RunError},
    scenario::shard::Shard,
    text::{PIPE_WIDTH, wrap},
};

/// Lists.
///
/// # Errors
///
/// If scenarios or profile cannot be read, or nothing matches.
pub fn list(args: &ListArgs) -> Result<Done, RunError> {
    let folder = scenarios(args.select.scenarios.as_ref());
    // Neither needs the other, and together they are what a list takes its time for.
    let (options, all) = thread::scope(|scope| {
        let all = scope.spawn(|| run::scenarios(&folder));
        let options = plan_options(&args.select, args.profile.as_deref());
        (options, all.join().unwrap_or_else(|panic| resume_unwind(panic)))
    });
    let (options, all) = (options?, all?);
    let (outlines, skipped) = run::outline(&options, &all)?;
    let plan = Listed { seed: options.seed, shard: options.shard, cases: outlines, skipped };
    let output = match (args.coverage, args.json) {
        (false, false) => cases(&plan),
        (false, true) => cases_json(&plan),
        (true, false) => coverage(&plan),
        (true, true) => coverage_json(&plan),
    };
    Ok(Done::passed(output))
}

/// What is listed.
struct Listed {
    seed: u64,
    shard: Option<Shard>,
    cases: Vec<Outline>,
    skipped: Vec<Skipped>,
}

fn cases(plan: &Listed) -> String {
    let mut out = String::new();
    for case in &plan.cases {
        line!(
            out,
            "{}\n    {} [{}]",
            case.name,
            case.scenario.title,
            case.scenario.covers.join(" ")
        );
    }
    for skipped in &plan.skipped {
        line!(out, "{}\n    not run: {}", skipped.name, skipped.reason);
    }
    let scenarios: std::collections::BTreeSet<_> =
        plan.cases.iter().map(|c| &c.scenario.name).collect();
    line!(
        out,
        "{} cases of {} scenarios, {} not offered by this relay",
        plan.cases.len(),
        scenarios.len(),
        plan.skipped.len()
    );
    if let Some(shard) = plan.shard {
        line!(out, "in shard {shard} of the selection");
    }
    out
}

fn cases_json(plan: &Listed) -> String {
    let cases: Vec<_> = plan
        .cases
        .iter()
        .map(|case| {
            json!({
                "name": case.name,
                "title": case.scenario.title,
                "platform": case.platform,
                "variant": case.variant,
                "covers": case.scenario.covers,
                "needs": case.needs,
                "own_relay": case.private_relay,
            })
        })
        .collect();
    pretty(
        &json!({ "schema": 1, "seed": plan.seed, "shard": plan.shard, "cases": cases, "skipped": plan.skipped }),
    )
}

/// Entry → cases that cover it.
fn by_entry(plan: &Listed) -> BTreeMap<&str, Vec<&Outline>> {
    let mut map: BTreeMap<&str, Vec<&Outline>> = BTreeMap::new();
    for case in &plan.cases {
        for entry in &case.scenario.covers {
            map.entry(entry).or_default().push(case);
        }
    }
    map
}

fn coverage(plan: &Listed) -> String {
    let covered = by_entry(plan);
    let mut out = String::new();
    let mut sums: BTreeMap<&str, (usize, usize)> = BTreeMap::new();
    for entry in catalogue::entries() {
        let cases = covered.get(entry.id.as_str()).map_or(&[][..], Vec::as_slice);
        let group = entry.id.split('-').next().unwrap_or_default();
        let sum = sums.entry(group).or_default();
        sum.1 += 1;
        if cases.is_empty() {
            line!(out, "{}", folded(&format!("{}  -         ", entry.id), &entry.failure));
            line!(out, "{}", folded("", &format!("not covered: {}", reason(plan, entry))));
        } else {
            sum.0 += 1;
            let n = cases.len();
            let word = if n == 1 { "case " } else { "cases" };
            line!(out, "{}", folded(&format!("{}  {n:>3} {word}", entry.id), &entry.failure));
            let mut scenarios: Vec<_> = cases.iter().map(|c| c.scenario.name.as_str()).collect();
            scenarios.dedup();
            line!(out, "{}", folded("", &scenarios.join(" ")));
        }
    }
    line!(out);
    for (group, (covered, all)) in sums {
        line!(out, "{group}  {covered} of {all} entries covered");
    }
    out
}

/// Text in a column of its own, beside what stands before it in the first line.
fn folded(before: &str, text: &str) -> String {
    const COLUMN: usize = 19;
    wrap(text, PIPE_WIDTH, &format!("{before:<COLUMN$}"))
}

/// Why no case is played; scenarios that the relay is spared come first.
fn reason<'p>(plan: &'p Listed, entry: &'p Entry) -> &'p str {
    let spared = plan.skipped.iter().find(|skipped| skipped.covers.contains(&entry.id));
    spared
        .map(|skipped| skipped.reason.as_str())
        .or(entry.not_covered.as_deref())
        .unwrap_or("no scenario yet")
}

fn coverage_json(plan: &Listed) -> String {
    let covered = by_entry(plan);
    let entries: Vec<_> = catalogue::entries()
        .iter()
        .map(|entry| {
            let cases = covered.get(entry.id.as_str());
            json!({
                "id": entry.id,
                "failure": entry.failure,
                "severity": entry.severity,
                "cases": cases.map(|c| c.iter().map(|c| &c.name).collect::<Vec<_>>()).unwrap_or_default(),
                "not_covered": cases.is_none().then(|| reason(plan, entry)),
            })
        })
        .collect();
    pretty(&json!({ "schema": 1, "entries": entries }))
}

fn pretty(value: &serde_json::Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default() + "\n"
}
