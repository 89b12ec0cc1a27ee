//! Cases whose evidence was missing are played once more when the others are over: with other people and orders, on a machine
//! that has less to do. What was seen the first time stands if the second shows no more.

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::task::JoinSet;

use super::{Options, Run, case::Played, plan_options, scenarios};
use crate::{
    plan::{Case, cases},
    verdict::{CaseVerdict, Status},
};

/// A relay with more such cases than this is not unlucky.
const FEW: usize = 12;
/// ... or than this part of all.
const PART: usize = 20;
/// Most cases played again that were short of processor time.
const MOST_STARVED: usize = 100;

/// The cases in which the machine had too little time for relay or harness: no relay is to blame for how many they are.
#[derive(Default)]
pub(super) struct Starved(Mutex<BTreeSet<String>>);

impl Starved {
    pub(super) fn note(&self, case: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(case.to_owned());
    }

    fn has(&self, case: &str) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).contains(case)
    }
}

/// Plays them and puts the new verdicts, if they say anything, in the place of the old ones. A failure is never played again.
pub(super) async fn play(run: &Arc<Run>, decided: &mut [CaseVerdict]) {
    let names: Vec<String> = decided
        .iter()
        .filter(|verdict| verdict.status == Status::Inconclusive)
        .map(|verdict| verdict.case.clone())
        .collect();
    let (starved, others): (Vec<_>, Vec<_>) =
        names.into_iter().partition(|name| run.starved.has(name));
    let unlucky = others.len() <= FEW.max(decided.len() / PART);
    let names: Vec<String> = starved
        .into_iter()
        .take(MOST_STARVED)
        .chain(others.into_iter().filter(|_| unlucky))
        .collect();
    if names.is_empty() {
        return;
    }
    let mut tasks = JoinSet::new();
    for case in planned(&run.options, &names, run.planned) {
        let run = Arc::clone(run);
        tasks.spawn(async move { run.case(case).await });
    }
    while let Some(joined) = tasks.join_next().await {
        // A case that ends badly leaves its first verdict.
        let Ok(Some(Played { mut verdict, .. })) = joined else { continue };
        let Some(first) = decided.iter_mut().find(|first| first.case == verdict.case) else {
            continue;
        };
        if !matches!(verdict.status, Status::Inconclusive | Status::HarnessFault) {
            if verdict.status == Status::Pass {
                let why = first.notes.first().cloned().unwrap_or_default();
                verdict.remarks.push(format!("played a second time; the first time: {why}"));
            }
            *first = verdict;
        }
    }
}

/// The same cases with other values: a relay that saw the first ones would know them again.
fn planned(options: &Options, names: &[String], first_id: usize) -> Vec<Case> {
    let other = Options {
        seed: options.seed.wrapping_add(7_919),
        cases: names.to_vec(),
        ..options.clone()
    };
    let planned = scenarios(&other.scenarios)
        .ok()
        .and_then(|all| cases::plan(&all, &plan_options(&other)).ok());
    let cases = planned.map(|plan| plan.cases).unwrap_or_default();
    cases
        .into_iter()
        .filter(|case| names.contains(&case.name))
        .enumerate()
        .map(|(i, case)| Case { id: first_id + i, ..case })
        .collect()
}
