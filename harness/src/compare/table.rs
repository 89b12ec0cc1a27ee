//! The table of figures before it is drawn: a column per run, rows in groups. What is zero in every run is left out.

use std::collections::BTreeSet;

use super::figures::{Figures, Orders};
use crate::{
    report::{
        delivery::Delivery,
        tally::{OUTCOMES, outcome_name},
    },
    verdict::{Outcome, Status},
};

/// Stands where a run has no such figure.
const NONE: &str = "-";

/// Rows under one heading.
pub(super) struct Group {
    pub(super) heading: String,
    pub(super) rows: Vec<Row>,
}

/// One figure over all runs.
pub(super) struct Row {
    pub(super) label: String,
    pub(super) cells: Vec<String>,
}

/// Names of statuses, in the order of the table.
const STATUSES: [(Status, &str); 6] = [
    (Status::Pass, "passed"),
    (Status::KnownFailing, "known failing"),
    (Status::Fail, "failed"),
    (Status::Inconclusive, "inconclusive"),
    (Status::HarnessFault, "harness fault"),
    (Status::Skipped, "skipped"),
];

/// The name that people read.
pub(super) fn status_name(status: Option<Status>) -> &'static str {
    let Some(status) = status else { return "not there" };
    STATUSES.iter().find(|(s, _)| *s == status).map_or("", |(_, name)| name)
}

/// All groups.
pub(super) fn groups(runs: &[Figures]) -> Vec<Group> {
    let mut groups = vec![cases(runs), orders("orders", runs, |run| Some(&run.orders))];
    let platforms: BTreeSet<&String> = runs.iter().flat_map(|run| run.platforms.keys()).collect();
    groups.extend(
        platforms
            .into_iter()
            .map(|id| orders(&format!("orders at {id}"), runs, |run| run.platforms.get(id))),
    );
    groups.push(checks(runs));
    groups.push(Group {
        heading: "run".into(),
        rows: vec![row("seconds", runs, |run| format!("{:.1}", run.took_ms as f64 / 1000.0))],
    });
    groups.retain(|group| !group.rows.is_empty());
    groups
}

fn row(label: &str, runs: &[Figures], cell: impl Fn(&Figures) -> String) -> Row {
    Row { label: label.to_owned(), cells: runs.iter().map(cell).collect() }
}

fn count(label: &str, runs: &[Figures], n: impl Fn(&Figures) -> usize) -> Option<Row> {
    let any = runs.iter().any(|run| n(run) > 0);
    any.then(|| row(label, runs, |run| n(run).to_string()))
}

fn cases(runs: &[Figures]) -> Group {
    let of = |(status, name): &(Status, &str)| {
        count(name, runs, |run| run.cases.get(status).copied().unwrap_or(0))
    };
    Group { heading: "cases".into(), rows: STATUSES.iter().filter_map(of).collect() }
}

fn orders(heading: &str, runs: &[Figures], of: impl Fn(&Figures) -> Option<&Orders>) -> Group {
    let outcome = |outcome: &Outcome| {
        let n = |run: &Figures| of(run).and_then(|o| o.outcomes.get(outcome)).copied().unwrap_or(0);
        count(outcome_name(*outcome), runs, n)
    };
    let mut rows: Vec<Row> = OUTCOMES.iter().filter_map(|(o, _)| outcome(o)).collect();
    type Figure = fn(&Delivery) -> Option<u64>;
    let figures: [(&str, Figure); 4] = [
        ("attempts", |d| Some(d.attempts)),
        ("of them repeated", |d| Some(d.repeated)),
        ("median, ms", |d| d.median_ms),
        ("95 of 100, ms", |d| d.p95_ms),
    ];
    for (label, figure) in figures {
        let value = |run: &Figures| of(run).and_then(|o| o.delivery.as_ref()).and_then(figure);
        if runs.iter().any(|run| value(run).is_some()) {
            rows.push(row(label, runs, |run| value(run).map_or(NONE.into(), |n| n.to_string())));
        }
    }
    Group { heading: heading.to_owned(), rows }
}

fn checks(runs: &[Figures]) -> Group {
    let ids: BTreeSet<&String> = runs.iter().flat_map(|run| run.checks.keys()).collect();
    let of = |id: &String| count(id, runs, |run| run.checks.get(id).copied().unwrap_or(0));
    Group {
        heading: "cases broken, by check".into(),
        rows: ids.into_iter().filter_map(of).collect(),
    }
}
