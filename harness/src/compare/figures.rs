//! The figures of one run.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::{
    platforms::Severity,
    report::{
        delivery::{Delivery, deliveries},
        recorded::Recorded,
        tally::{self, Row},
    },
    scenario::shard::Shard,
    verdict::{Outcome, Status},
};

/// What of a run is put side by side with others.
#[derive(Debug, Clone, Serialize)]
pub struct Figures {
    /// The report.
    pub file: String,
    /// The relay, by its profile's name.
    pub relay: String,
    /// Seed.
    pub seed: u64,
    /// Which shard of a run it is; `None`: all of it.
    pub shard: Option<Shard>,
    /// Version of the harness.
    pub harness: String,
    /// Cases per status, those that were skipped included.
    pub cases: BTreeMap<Status, usize>,
    /// Orders by platform.
    pub platforms: BTreeMap<String, Orders>,
    /// Orders over all platforms.
    pub orders: Orders,
    /// Cases in which a check found a break of weight, by check id.
    pub checks: BTreeMap<String, usize>,
    /// Wall milliseconds.
    pub took_ms: u64,
    /// Why it was cut short.
    pub aborted: Option<String>,
}

/// Orders of one platform, or of all.
#[derive(Debug, Clone, Serialize)]
pub struct Orders {
    /// How many.
    pub orders: usize,
    /// By outcome.
    pub outcomes: BTreeMap<Outcome, usize>,
    /// How they were delivered; `None`: the report is older than these figures.
    pub delivery: Option<Delivery>,
}

impl Orders {
    fn of(row: &Row, delivery: Option<Delivery>) -> Self {
        let outcomes = tally::OUTCOMES.iter().map(|(outcome, _)| *outcome).zip(row.outcomes);
        Self { orders: row.orders, outcomes: outcomes.filter(|(_, n)| *n > 0).collect(), delivery }
    }
}

impl Figures {
    /// From a report.
    pub fn of(run: &Recorded) -> Self {
        let summary = &run.summary;
        let mut cases = tally::statuses(&summary.cases);
        cases.insert(Status::Skipped, summary.skipped.len());
        let mut checks: BTreeMap<String, usize> = BTreeMap::new();
        for case in &summary.cases {
            let must = case.findings.iter().filter(|f| f.severity == Severity::Must);
            let broken: BTreeSet<&str> = must.map(|f| &*f.check).collect();
            for check in broken {
                *checks.entry(check.to_owned()).or_default() += 1;
            }
        }
        let (rows, sum) = tally::table(&summary.cases);
        let (by_platform, all) = deliveries(&summary.cases);
        // The first form of the report had no figures of deliveries: none is not zero.
        let known = |delivery: Delivery| (run.schema > 1).then_some(delivery);
        let platforms = rows.into_iter().map(|(platform, row)| {
            let delivery = by_platform.get(&platform).copied().unwrap_or_default();
            (platform, Orders::of(&row, known(delivery)))
        });
        Self {
            file: run.path.display().to_string(),
            relay: summary.relay.clone(),
            seed: summary.seed,
            shard: summary.shard,
            harness: run.version.clone(),
            platforms: platforms.collect(),
            orders: Orders::of(&sum, known(all)),
            cases,
            checks,
            took_ms: summary.took_ms,
            aborted: summary.aborted.clone(),
        }
    }
}
