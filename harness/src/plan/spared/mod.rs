//! Why a relay may be spared a case: what it does not offer, what nobody can tell it, what its platforms do not do.
//!
//! A case whose point never reaches the relay would pass without having tested anything, or fail a relay that cannot know
//! better: both are wrong verdicts.

mod facts;
mod messages;
mod visits;

use crate::{
    platforms::Platform,
    scenario::{Answers, Capability, Expect, Platforms, Scenario, Step, rules::knows_failure},
    sut::profile::Profile,
};

/// Why this case says nothing about this relay on this platform; `None`: it has to be run.
pub(super) fn spared(
    scenario: &Scenario,
    platform: &dyn Platform,
    needs: &[Capability],
    profile: &Profile,
) -> Option<String> {
    if !profile.platforms.iter().any(|id| id == platform.id()) {
        return Some(format!("the relay does not deliver to {}", platform.id()));
    }
    let by_order = profile.send.click.is_none() && visits::told_by_the_order(scenario, profile);
    let excused = |need: &&Capability| **need == Capability::Clicks && by_order;
    let missing: Vec<_> = needs
        .iter()
        .filter(|need| !profile.capabilities.contains(need) && !excused(need))
        .map(|need| need.word())
        .collect();
    if !missing.is_empty() {
        return Some(format!("the relay does not declare: {}", missing.join(", ")));
    }
    if let Some(reason) = cannot_be_told(scenario, profile) {
        return Some(reason);
    }
    if scenario.platforms == Platforms::All && asks_for_unknown_failure(scenario, platform) {
        return Some(format!("{} has no such answer", platform.id()));
    }
    if asks_for_adjustment(scenario, platform) && !platform.takes_adjustments() {
        return Some(format!("{} takes no adjustments", platform.id()));
    }
    None
}

/// A stimulus for which the profile has no way, or a failure of a platform that the relay does not speak to.
fn cannot_be_told(scenario: &Scenario, profile: &Profile) -> Option<String> {
    let named = scenario.steps.iter().filter_map(|step| match step {
        Step::Order(order) => order.format.as_deref(),
        _ => None,
    });
    for format in named {
        if !profile.send.webhooks.contains_key(format) {
            return Some(format!("the relay takes no {format} webhooks"));
        }
    }
    let untold = visits::untold(scenario, profile)
        .or_else(|| messages::untold(scenario, profile))
        .or_else(|| facts::untold(scenario, profile));
    if untold.is_some() {
        return untold;
    }
    if let Some(name) = scenario.services().find(|name| !profile.services.contains_key(*name)) {
        return Some(format!("the relay calls no service `{name}`, as far as its profile says"));
    }
    scenario.faults().find_map(|fault| {
        let name = fault.name.as_deref()?;
        let counts = crate::platforms::by_id(name).is_some_and(Platform::counts_orders);
        (counts && !profile.platforms.iter().any(|id| id == name))
            .then(|| format!("the relay does not deliver to {name}, whose failure this is about"))
    })
}

/// A word of the scenario language, as scenarios write it.
fn word(of: impl serde::Serialize) -> String {
    let value = serde_json::to_value(of).unwrap_or_default();
    value.as_str().unwrap_or_default().to_owned()
}

/// Only faults without a platform's name: where one is named, loading has checked it.
fn asks_for_unknown_failure(scenario: &Scenario, platform: &dyn Platform) -> bool {
    scenario.faults().any(|fault| {
        matches!(fault.answers, Answers::Failure(class) if fault.name.is_none() && !knows_failure(platform, class))
    })
}

/// An expectation about a retraction or restatement.
fn asks_for_adjustment(scenario: &Scenario, platform: &dyn Platform) -> bool {
    scenario.expect.iter().any(|expect| {
        let Expect::Payload(payload) = expect else { return false };
        let here = payload.on.is_empty() || payload.on.iter().any(|id| id == platform.id());
        let kind = payload.path == "item.kind" || payload.path.starts_with("item.kind.");
        let wanted =
            payload.equals.as_ref().map(ToString::to_string).or_else(|| payload.matches.clone());
        let adjustment =
            |text: &String| text.contains("retraction") || text.contains("restatement");
        here && kind && !payload.absent && wanted.as_ref().is_none_or(adjustment)
    })
}

#[cfg(test)]
mod tests;
