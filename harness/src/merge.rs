//! The shards of one run put together again: as if it had been played in one go.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use crate::{
    baseline::{BaselineUse, EntryUse},
    plan::Suite,
    report::recorded::Recorded,
    scenario::shard::Shard,
    verdict::{Finding, Part, Summary},
};

/// Reports that are not the shards of one run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum MergeError {
    /// Nothing to merge.
    #[error("no report is given")]
    Nothing,
    /// A report of a whole run, or of a harness that knew no shards.
    #[error(
        "{} is no shard of a run\nhint: `harness run --shard 1/4 --report json=FILE` plays the first of four",
        .0.display()
    )]
    NoShard(PathBuf),
    /// Two reports are about different things.
    #[error("{} and {} do not fit together: {what} is {} in the one, {} in the other", first.display(), second.display(), values.0, values.1)]
    Differs {
        /// One report.
        first: PathBuf,
        /// Another.
        second: PathBuf,
        /// What differs: `the seed`.
        what: &'static str,
        /// As the one and the other have it.
        values: (String, String),
    },
    /// A shard that is there more than once.
    #[error("shard {shard} is there twice: {} and {}", first.display(), second.display())]
    Twice {
        /// Which.
        shard: Shard,
        /// One report.
        first: PathBuf,
        /// The other.
        second: PathBuf,
    },
    /// Shards that are not there.
    #[error("{} missing: {}", if .0.len() == 1 { "a shard is" } else { "shards are" }, list(.0))]
    Missing(Vec<Shard>),
    /// A case in a shard that it does not belong to.
    #[error("{} is damaged: `{case}` is no case of shard {shard}", path.display())]
    Misplaced {
        /// The report.
        path: PathBuf,
        /// Its shard.
        shard: Shard,
        /// The case.
        case: String,
    },
    /// All shards are there, and cases are not.
    #[error(
        "the shards are damaged: they have {found} cases, {planned} were selected, or they are others"
    )]
    Incomplete {
        /// Cases in all shards, skipped ones included.
        found: usize,
        /// Cases of the selection, skipped ones included.
        planned: usize,
    },
}

fn list(shards: &[Shard]) -> String {
    let shown: Vec<String> = shards.iter().take(20).map(Shard::to_string).collect();
    let more = if shards.len() > shown.len() { ", ..." } else { "" };
    shown.join(", ") + more
}

/// Merges the shards of one run.
///
/// Times are those of shards that were played side by side: the run took as long as the longest of them.
///
/// # Errors
/// If they are not all shards of one run, each once.
pub fn merge(runs: Vec<Recorded>) -> Result<Summary, MergeError> {
    let mut shards: BTreeMap<Shard, Recorded> = BTreeMap::new();
    for run in runs {
        let Some(shard) = run.summary.shard else { return Err(MergeError::NoShard(run.path)) };
        if let Some(first) = shards.values().next() {
            fit(first, &run)?;
        }
        let misplaced = names(&run.summary).find(|name| !shard.contains(name)).map(str::to_owned);
        if let Some(case) = misplaced {
            return Err(MergeError::Misplaced { path: run.path, shard, case });
        }
        if let Some(first) = shards.get(&shard) {
            return Err(MergeError::Twice { shard, first: first.path.clone(), second: run.path });
        }
        shards.insert(shard, run);
    }
    let of = shards.keys().next().ok_or(MergeError::Nothing)?.of();
    let all = (1..=of).filter_map(|number| Shard::new(number, of).ok());
    let missing: Vec<Shard> = all.filter(|shard| !shards.contains_key(shard)).collect();
    if !missing.is_empty() {
        return Err(MergeError::Missing(missing));
    }
    let summary = sum(shards);
    let found = suite(&summary);
    // What was cut short has not played all of its cases, and says so.
    if summary.aborted.is_none() && found != summary.suite {
        let size = |suite: &Suite| suite.cases.saturating_add(suite.skipped);
        let (found, planned) = (size(&found), size(&summary.suite));
        return Err(MergeError::Incomplete { found, planned });
    }
    Ok(summary)
}

fn names(summary: &Summary) -> impl Iterator<Item = &str> {
    let skipped = summary.skipped.iter().map(|skipped| skipped.name.as_str());
    summary.cases.iter().map(|case| case.case.as_str()).chain(skipped)
}

fn suite(summary: &Summary) -> Suite {
    Suite::of(
        summary.cases.iter().map(|case| case.case.as_str()),
        summary.skipped.iter().map(|skipped| skipped.name.as_str()),
    )
}

/// Whether two shards are of one run.
fn fit(first: &Recorded, second: &Recorded) -> Result<(), MergeError> {
    let of = |run: &Recorded| run.summary.shard.map_or(0, Shard::of);
    let suite = |run: &Recorded| {
        let Suite { cases, skipped, fingerprint } = &run.summary.suite;
        let short: String = fingerprint.chars().take(12).collect();
        format!("{cases} cases and {skipped} skipped ones ({short})")
    };
    let baseline = |run: &Recorded| {
        run.summary.baseline.as_ref().map_or("none".to_owned(), |b| {
            let entries: Vec<String> = b.entries.iter().map(constant).collect();
            let short: String = Suite::of(entries.iter().map(String::as_str), [])
                .fingerprint
                .chars()
                .take(12)
                .collect();
            format!("one of {} entries ({short})", b.entries.len())
        })
    };
    let quoted = |text: &str| format!("`{text}`");
    let properties: [(&'static str, String, String); 6] = [
        ("the harness", quoted(&first.version), quoted(&second.version)),
        ("the relay", quoted(&first.summary.relay), quoted(&second.summary.relay)),
        ("the seed", first.summary.seed.to_string(), second.summary.seed.to_string()),
        ("the number of shards", of(first).to_string(), of(second).to_string()),
        ("the selection", suite(first), suite(second)),
        ("the baseline", baseline(first), baseline(second)),
    ];
    match properties.into_iter().find(|(_, one, other)| one != other) {
        None => Ok(()),
        Some((what, one, other)) => Err(MergeError::Differs {
            first: first.path.clone(),
            second: second.path.clone(),
            what,
            values: (one, other),
        }),
    }
}

/// What of an entry does not depend on the shard.
fn constant(entry: &EntryUse) -> String {
    format!("{:?}", EntryUse { judged: 0, hits: 0, expired: false, ..entry.clone() })
}

/// The sum of shards that fit together.
fn sum(shards: BTreeMap<Shard, Recorded>) -> Summary {
    let mut whole = Summary::default();
    let (mut snapshots, mut new_snapshots) = (BTreeSet::new(), BTreeSet::new());
    let mut aborted = Vec::new();
    for (shard, Recorded { summary, .. }) in shards {
        whole.parts.push(Part { shard, cases: summary.cases.len(), took_ms: summary.took_ms });
        whole.took_ms = whole.took_ms.max(summary.took_ms);
        whole.declared_ms = whole.declared_ms.max(summary.declared_ms);
        whole.orphans = whole.orphans.saturating_add(summary.orphans);
        whole.cases.extend(summary.cases);
        whole.skipped.extend(summary.skipped);
        snapshots.extend(summary.snapshots_changed);
        new_snapshots.extend(summary.snapshots_new);
        aborted.extend(summary.aborted.map(|why| format!("shard {shard}: {why}")));
        summary.run_findings.into_iter().for_each(|finding| join(&mut whole.run_findings, finding));
        match (&mut whole.baseline, summary.baseline) {
            (Some(so_far), Some(more)) => add(so_far, &more),
            (so_far, more) => *so_far = more.or(so_far.take()),
        }
        if whole.parts.len() == 1 {
            whole.relay = summary.relay;
            whole.seed = summary.seed;
            whole.suite = summary.suite;
            whole.reproduce = summary.reproduce;
        }
    }
    whole.cases.sort_by(|a, b| a.case.cmp(&b.case));
    whole.skipped.sort_by(|a, b| a.name.cmp(&b.name));
    whole.snapshots_changed = snapshots.into_iter().collect();
    whole.snapshots_new = new_snapshots.into_iter().collect();
    whole.aborted = (!aborted.is_empty()).then(|| aborted.join("; "));
    whole
}

/// The same finding of several shards is one; its exchanges are numbered anew in each and would mean nothing.
fn join(findings: &mut Vec<Finding>, finding: Finding) {
    let bare = |f: &Finding| Finding { exchanges: Vec::new(), ..f.clone() };
    match findings.iter_mut().find(|known| bare(known) == bare(&finding)) {
        Some(known) => known.exchanges.clear(),
        None => findings.push(finding),
    }
}

fn add(so_far: &mut BaselineUse, more: &BaselineUse) {
    for (entry, more) in so_far.entries.iter_mut().zip(&more.entries) {
        entry.judged = entry.judged.saturating_add(more.judged);
        entry.hits = entry.hits.saturating_add(more.hits);
        // Shards may be played before and after midnight.
        entry.expired |= more.expired;
    }
}

#[cfg(test)]
mod tests;
