//! Facts that a scenario is about (`tells`), or that a person is to be found by: whether this relay is told them.

use super::{visits::orders, word};
use crate::{
    inputs::{Carried, Format},
    scenario::{EraseStep, JoinKey, Scenario, Step},
    sut::profile::Profile,
};

/// A fact that the scenario is about and that nothing tells this relay.
pub(super) fn untold(scenario: &Scenario, profile: &Profile) -> Option<String> {
    let by_landing = |fact| {
        profile.send.click.is_some() && matches!(fact, Carried::LandingUrl | Carried::Device)
    };
    let formats: Vec<_> =
        orders(scenario).filter_map(|order| profile.format_of(scenario, Some(order))).collect();
    let silent = |fact| formats.iter().find(|format| !is_told(fact, **format, profile));
    let mut facts = scenario.tells.iter().copied().filter(|fact| !by_landing(*fact));
    let fact = facts.find_map(|fact| {
        let format = silent(fact)?;
        Some(format!("a {} order does not tell this relay: {}", format.id(), word(fact)))
    });
    let nameless = || {
        let mut erasures = scenario.steps.iter().filter_map(|step| match step {
            Step::Erase(erase) => Some(erase),
            _ => None,
        });
        let unknown = erasures.any(|erase| names(erase).iter().all(|fact| silent(*fact).is_some()));
        unknown.then(|| "the relay is not told what the person to be erased is named by".to_owned())
    };
    fact.or_else(nameless)
}

/// What a request to be forgotten names the person by. One that names all has the orders among it.
fn names(erase: &EraseStep) -> Vec<Carried> {
    if erase.named_by.is_empty() {
        return vec![Carried::OrderId];
    }
    let fact = |name: &String| match name.as_str() {
        "orders" => Carried::OrderId,
        "customer_id" => Carried::CustomerId,
        _ => Carried::Contact,
    };
    erase.named_by.iter().map(fact).collect()
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
