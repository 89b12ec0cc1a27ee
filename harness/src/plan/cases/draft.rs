//! From scenarios to drafts: once per platform and variant, each with its place in the run.

use std::sync::Arc;

use super::{MAX_CASES, PlanError};
use crate::{
    plan::{bulk, people::Position},
    platforms::{PLATFORMS, Platform, by_id},
    scenario::{OrderStep, Platforms, Scenario, Step},
};

/// One case before its people exist.
pub(super) struct Draft {
    pub(super) name: String,
    pub(super) scenario: Arc<Scenario>,
    pub(super) variant: Option<String>,
    pub(super) platform: &'static dyn Platform,
    pub(super) at: Position,
}

/// Every case that the scenarios make, in order of names.
pub(super) fn expand(scenarios: &[Scenario]) -> Result<Vec<Draft>, PlanError> {
    let mut drafts = Vec::new();
    for scenario in scenarios {
        let names = scenario.variants.iter().map(|variant| Some(variant.name.clone()));
        let mut versions: Vec<_> = names.zip(scenario.merged.iter().cloned()).collect();
        if scenario.variants.is_empty() {
            versions.push((None, Arc::new(scenario.clone())));
        }
        for (variant, scenario) in versions {
            let scenario = bulk::written_out(scenario);
            let named: Vec<&'static dyn Platform> = match &scenario.platforms {
                Platforms::All => PLATFORMS.iter().copied().filter(|p| p.counts_orders()).collect(),
                Platforms::Only(ids) => {
                    ids.iter().filter_map(|id| by_id(id)).filter(|p| p.counts_orders()).collect()
                }
            };
            for platform in named {
                let tail = variant.as_ref().map(|name| format!("/{name}")).unwrap_or_default();
                let name = format!("{}/{}{tail}", scenario.name, platform.id());
                let (scenario, variant, at) =
                    (Arc::clone(&scenario), variant.clone(), Position::default());
                drafts.push(Draft { name, scenario, variant, platform, at });
            }
        }
    }
    if drafts.len() > MAX_CASES {
        return Err(PlanError::TooMany(drafts.len()));
    }
    drafts.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some([twice, _]) = drafts.array_windows().find(|[a, b]| a.name == b.name) {
        return Err(PlanError::Twice(twice.name.clone()));
    }
    let mut at = Position::default();
    for draft in &mut drafts {
        draft.at = at;
        at.case += 1;
        // One more each for the control order.
        at.people += u64::try_from(names(&draft.scenario).len() + 1).unwrap_or(1);
        at.orders += u64::try_from(order_steps(&draft.scenario).count() + 1).unwrap_or(1);
    }
    Ok(drafts)
}

/// Everyone in the steps, `shopper` first.
pub(super) fn names(scenario: &Scenario) -> Vec<String> {
    let mut names = vec!["shopper".to_owned()];
    for step in &scenario.steps {
        let by = match step {
            Step::Visit(visit) => &visit.by,
            Step::Consent(consent) => &consent.by,
            Step::Order(order) => &order.by,
            _ => continue,
        };
        if let Some(name) = by.as_ref().filter(|name| !names.contains(name)) {
            names.push(name.clone());
        }
    }
    names
}

pub(super) fn order_steps(scenario: &Scenario) -> impl Iterator<Item = &OrderStep> {
    scenario.steps.iter().filter_map(|step| match step {
        Step::Order(order) => Some(&**order),
        _ => None,
    })
}
