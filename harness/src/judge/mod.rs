//! Puts it together: what happened and what should have, through all checks, to one verdict per case.

mod cells;
mod evidence;
mod settled;
mod unproven;

use std::{collections::BTreeSet, time::Duration};

use crate::{
    checks::{CHECKS, Haystacks, Seen},
    exchange::Exchange,
    history::{Action, Did, History},
    plan::{Case, Shop},
    platforms::{Counted, Entry, Platform, Severity},
    sut::profile::Profile,
    truth::Truth,
    verdict::{CaseVerdict, CheckResult, Finding, Outcome, Status},
};

pub(crate) use cells::explains;
pub use settled::{Settled, settled};

/// Judges one case. Pure: the same history gives the same verdict.
///
/// `entries` is what the platforms took for this case, in order; those of other platforms are left aside.
pub fn judge(
    case: &Case,
    platform: &'static dyn Platform,
    shops: &[Shop],
    history: &History,
    entries: &[Entry],
    profile: &Profile,
    truth: &Truth,
) -> CaseVerdict {
    let entries = own_entries(platform, &history.exchanges, entries);
    let counted = count(platform, &history.exchanges, &entries);
    let seen = Seen {
        case,
        platform,
        shops,
        history,
        truth,
        entries: &entries,
        counted: &counted,
        policies: &profile.policies,
        haystacks: Haystacks::default(),
    };
    let mut findings: Vec<Finding> = Vec::new();
    let mut passed = Vec::new();
    let mut notes = Vec::new();
    for check in CHECKS {
        match check.check(&seen) {
            CheckResult::NotApplicable => {}
            CheckResult::Inconclusive(why) => notes.push(format!("{}: {why}", check.about().id)),
            CheckResult::Judged(found) if found.is_empty() => passed.push(check.about().id.into()),
            CheckResult::Judged(found) => findings.extend(found),
        }
    }
    for finding in findings.iter_mut().filter(|f| f.at.is_none()) {
        finding.at = event_of(finding, &history.exchanges);
    }
    findings.sort_by_key(|f| f.severity);
    let mut cells = cells::cells(&seen, &findings);
    unproven::withdraw(&history.waited, &mut cells, &mut findings, &mut notes);
    unproven::withdraw_if_starved(&seen, &mut cells, &mut findings, &mut notes);
    for cell in cells.iter().filter(|c| c.outcome == Outcome::Unknown) {
        notes.push(format!("order {}: {}", cell.order, cell.detail));
    }
    let broken = findings.iter().any(|f| f.severity == Severity::Must)
        || cells.iter().any(|c| !c.right && c.outcome != Outcome::Unknown);
    if !broken && !history.waited.decided {
        let missing = &history.waited.missing;
        notes.push(match missing.as_slice() {
            [] => "the case was not decided before its deadline".to_owned(),
            missing => format!("not decided before the deadline: {}", missing.join("; ")),
        });
    }
    let faults = harness_faults(&history.actions);
    let status = if !faults.is_empty() {
        Status::HarnessFault
    } else if broken {
        Status::Fail
    } else if !notes.is_empty() {
        Status::Inconclusive
    } else {
        Status::Pass
    };
    notes.splice(0..0, faults);
    let began = history.actions.first().map_or(Duration::ZERO, |a| a.at);
    CaseVerdict {
        case: case.name.clone(),
        title: case.scenario.title.clone(),
        platform: platform.id().to_owned(),
        covers: case.scenario.covers.clone(),
        status,
        cells,
        evidence: evidence::evidence(&findings, &history.exchanges, shops, began),
        findings,
        passed,
        notes,
        remarks: Vec::new(),
        took_ms: millis(last_moment(history).saturating_sub(began)),
        declared_ms: millis(history.waited.declared),
        known: Vec::new(),
    }
}

/// What this platform took; an entry whose exchange was not kept is taken to be its own.
fn own_entries(platform: &dyn Platform, exchanges: &[Exchange], entries: &[Entry]) -> Vec<Entry> {
    entries
        .iter()
        .filter(|e| find(exchanges, e.exchange).is_none_or(|x| x.platform == Some(platform.id())))
        .cloned()
        .collect()
}

/// The exchange with this number; journals are in order.
fn find(exchanges: &[Exchange], seq: u64) -> Option<&Exchange> {
    exchanges.binary_search_by_key(&seq, |e| e.seq).ok().and_then(|i| exchanges.get(i))
}

/// The order's event in the first request that the finding names: what it is about where it does not say so itself.
fn event_of(finding: &Finding, exchanges: &[Exchange]) -> Option<String> {
    let order = finding.order.as_ref()?;
    let exchange = find(exchanges, *finding.exchanges.first()?)?;
    let owners = exchange.owners.iter().map(|o| o.as_ref().and_then(|o| o.order.as_ref()));
    let index = owners.into_iter().position(|o| o.is_some_and(|o| o.to_string() == *order))?;
    let item = exchange.reading.as_ref()?.items.get(index)?;
    (!item.pointer.is_empty()).then(|| item.pointer.clone())
}

/// Counts account by account: accounts never share a count.
fn count(platform: &dyn Platform, exchanges: &[Exchange], entries: &[Entry]) -> Vec<Counted> {
    let account = |entry: &Entry| {
        find(exchanges, entry.exchange)
            .and_then(|x| x.reading.as_ref())
            .and_then(|reading| reading.account.clone())
    };
    let accounts: Vec<Option<String>> = entries.iter().map(account).collect();
    let names: BTreeSet<&Option<String>> = accounts.iter().collect();
    let mut counted = Vec::new();
    for name in names {
        let indexes: Vec<usize> =
            (0..entries.len()).filter(|i| accounts.get(*i) == Some(name)).collect();
        let own: Vec<Entry> = indexes.iter().filter_map(|i| entries.get(*i)).cloned().collect();
        for mut group in platform.count(&own) {
            group.entries = group.entries.iter().filter_map(|i| indexes.get(*i)).copied().collect();
            group.winner = indexes.get(group.winner).copied().unwrap_or_default();
            counted.push(group);
        }
    }
    counted
}

fn harness_faults(actions: &[Action]) -> Vec<String> {
    let mut faults: Vec<String> = actions
        .iter()
        .filter_map(|action| match &action.what {
            Did::Failed { why, harness: true } => Some(why.clone()),
            _ => None,
        })
        .collect();
    if actions.is_empty() {
        faults.push("no step was played".into());
    }
    faults
}

fn last_moment(history: &History) -> Duration {
    let actions = history.actions.iter().map(|a| a.at);
    let exchanges = history.exchanges.iter().map(|e| e.ended_at.unwrap_or(e.at));
    let last = actions.chain(exchanges).max().unwrap_or_default();
    if history.waited.decided { last + history.waited.quiet } else { last }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
