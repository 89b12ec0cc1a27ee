//! From scenarios to cases: once per platform and variant, with people, orders and traceable values of their own.

mod concrete;
mod draft;
mod errors;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rayon::prelude::*;

pub use self::errors::{CaseError, PlanError};
pub use super::shops::shops;
use super::{Case, Plan, Skipped, Suite, needs, spared};
use crate::{
    platforms::{PLATFORMS, by_id},
    scenario::{Capability, Scenario, select::select},
    sut::profile::Profile,
};
use concrete::{check_texts, concrete};
use draft::{Draft, expand};

/// Most cases of one run.
pub const MAX_CASES: usize = 20_000;

/// What to plan for.
#[derive(Debug)]
pub struct PlanOptions<'a> {
    /// Seed of all values.
    pub seed: u64,
    /// The relay's declarations.
    pub profile: &'a Profile,
    /// Only these platforms, by id.
    pub platforms: Option<Vec<String>>,
    /// Only cases that one of these patterns selects; empty: all.
    pub patterns: Vec<String>,
}

/// Makes the cases of a run. Equal options give equal plans; a case's values do not depend on which others are selected.
///
/// # Errors
/// See [`PlanError`].
pub fn plan(scenarios: &[Scenario], options: &PlanOptions<'_>) -> Result<Plan, PlanError> {
    let (chosen, skipped) = choose(scenarios, options)?;
    let suite = Suite::of(
        chosen.iter().map(|(draft, _)| draft.name.as_str()),
        skipped.iter().map(|skipped| skipped.name.as_str()),
    );
    let made: Vec<Result<Case, CaseError>> = chosen
        .into_par_iter()
        .map(|(draft, needs)| {
            let name = draft.name.clone();
            concrete(draft, options)
                .and_then(|case| check_texts(&case).map(|()| Case { needs, ..case }))
                .map_err(|message| CaseError { case: name, message })
        })
        .collect();
    let mut cases = Vec::with_capacity(made.len());
    let mut errors = Vec::new();
    for case in made {
        match case {
            Ok(case) => cases.push(Case { id: cases.len(), ..case }),
            Err(error) => errors.push(error),
        }
    }
    if errors.is_empty() {
        Ok(Plan { seed: options.seed, cases, skipped, suite })
    } else {
        Err(PlanError::Cases(errors))
    }
}

/// A case by name, without the people and values that a run needs.
#[derive(Debug, Clone)]
pub struct Outline {
    /// `dedup/thank_you_reload/meta`.
    pub name: String,
    /// The scenario with the variant applied.
    pub scenario: Arc<Scenario>,
    /// The variant's name.
    pub variant: Option<String>,
    /// The platform that it is about.
    pub platform: &'static str,
    /// What it needs from the relay.
    pub needs: Vec<Capability>,
    /// Has a relay process of its own.
    pub private_relay: bool,
}

/// The cases of a run and those that are ruled out, for lists.
///
/// # Errors
/// See [`PlanError`].
pub fn outline(
    scenarios: &[Scenario],
    options: &PlanOptions<'_>,
) -> Result<(Vec<Outline>, Vec<Skipped>), PlanError> {
    let (chosen, skipped) = choose(scenarios, options)?;
    let outlines = chosen
        .into_iter()
        .map(|(draft, needs)| Outline {
            private_relay: needs::own_relay(&draft.scenario),
            name: draft.name,
            scenario: draft.scenario,
            variant: draft.variant,
            platform: draft.platform.id(),
            needs,
        })
        .collect();
    Ok((outlines, skipped))
}

type Chosen = (Vec<(Draft, Vec<Capability>)>, Vec<Skipped>);

/// The drafts that the options and the profile leave.
fn choose(scenarios: &[Scenario], options: &PlanOptions<'_>) -> Result<Chosen, PlanError> {
    let ids = || PLATFORMS.iter().filter(|p| p.counts_orders()).map(|p| p.id());
    if let Some(name) = options.platforms.iter().flatten().find(|name| !ids().any(|id| id == *name))
    {
        return Err(PlanError::UnknownPlatform { name: name.clone(), known: ids().collect() });
    }
    // All of them first, so that what is counted (addresses, order ids) stays the same whatever is selected.
    let mut drafts = expand(scenarios)?;
    let wanted =
        |id: &str| options.platforms.as_ref().is_none_or(|only| only.iter().any(|name| name == id));
    drafts.retain(|draft| wanted(draft.platform.id()));
    let names: Vec<&str> = drafts.iter().map(|draft| draft.name.as_str()).collect();
    let mut selected = select(&names, &options.patterns)?.into_iter().peekable();
    let (mut chosen, mut skipped) = (Vec::new(), Vec::new());
    for (i, draft) in drafts.into_iter().enumerate() {
        if selected.next_if_eq(&i).is_none() {
            continue;
        }
        let needs = needs::needs(&draft.scenario);
        match spared::spared(&draft.scenario, draft.platform, &needs, options.profile) {
            Some(reason) => {
                let covers = draft.scenario.covers.clone();
                skipped.push(Skipped { name: draft.name, reason, covers });
            }
            None => chosen.push((draft, needs)),
        }
    }
    Ok((chosen, skipped))
}

/// The landing parameter by which a platform's paid clicks are known.
pub(super) fn paid_click(platform: &str) -> &'static str {
    const NAMES: &[&str] = &["fbclid", "gclid", "ttclid"];
    let takes = |name: &&&str| by_id(platform).is_some_and(|p| p.click_field(name).is_some());
    NAMES.iter().find(takes).copied().unwrap_or("gclid")
}
