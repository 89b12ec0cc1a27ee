//! Facts that a scenario is about (`tells`): whether this relay is told them.

use super::{visits::orders, word};
use crate::{
    inputs::{Carried, Format},
    scenario::{JoinKey, Scenario},
    sut::profile::Profile,
};

/// A fact that the scenario is about and that nothing tells this relay.
pub(super) fn untold(scenario: &Scenario, profile: &Profile) -> Option<String> {
    let by_landing = |fact| {
        profile.send.click.is_some() && matches!(fact, Carried::LandingUrl | Carried::Device)
    };
    let mut facts = scenario.tells.iter().copied().filter(|fact| !by_landing(*fact));
    let formats: Vec<_> =
        orders(scenario).filter_map(|order| profile.format_of(scenario, Some(order))).collect();
    facts.find_map(|fact| {
        let silent = formats.iter().find(|format| !is_told(fact, **format, profile))?;
        Some(format!("a {} order does not tell this relay: {}", silent.id(), word(fact)))
    })
}

/// Whether the relay can read this fact on an order in this format.
fn is_told(fact: Carried, format: &dyn Format, profile: &Profile) -> bool {
    match fact {
        Carried::VisitorId => profile.has_place(JoinKey::Attribute, format),
        Carried::Consent => profile.tells_consent(format),
        Carried::LandingUrl => profile.reads(JoinKey::LandingSite, format),
        other => format.carries(other),
    }
}
