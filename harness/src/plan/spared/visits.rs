//! What visitors did and answered: whether a call, or else their orders, can tell the relay.

use super::word;
use crate::{
    inputs::{Carried, Format},
    scenario::{Click, ConsentAnswer, Expect, JoinKey, OrderStep, Scenario, Step, Visit},
    sut::profile::{Profile, UnknownConsent},
};

/// Whether a relay that is told of orders alone can know from them all that the scenario's visits are about: each shopper
/// came once, before ordering, and what they answered and where they landed has a place on the order.
pub(super) fn told_by_the_order(scenario: &Scenario, profile: &Profile) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut ordered: Vec<&str> = Vec::new();
    for step in &scenario.steps {
        match step {
            Step::Visit(visit) => {
                let by = shopper(visit.by.as_ref());
                if seen.contains(&by) || ordered.contains(&by) || !is_plain(visit) {
                    return false;
                }
                seen.push(by);
                if !(is_answer_told(visit, scenario, profile)
                    && is_page_told(visit, scenario, profile))
                {
                    return false;
                }
            }
            Step::Order(order) => ordered.push(shopper(order.by.as_ref())),
            _ => {}
        }
    }
    !is_about_clicks(scenario)
        || orders(scenario).all(|order| reads(JoinKey::LandingSite, order, scenario, profile))
}

/// Nothing about the visit that only a browser can tell.
fn is_plain(visit: &Visit) -> bool {
    visit.late.is_none()
        && visit.ago.is_none()
        && visit.forwarded_spoof.is_none()
        && visit.cookies.is_empty()
        && !visit.gpc
}

/// Whether orders tell of a page whose path is the point: many name the query of the landing alone.
fn is_page_told(visit: &Visit, scenario: &Scenario, profile: &Profile) -> bool {
    let by_path = visit.page.as_ref().is_some_and(|page| !page.contains('?'));
    !by_path
        || orders_of(visit, scenario)
            .all(|order| carries(Carried::LandingPath, order, scenario, profile))
}

/// Whether it looks at what becomes of a landing's parameters, beyond what `tells` says.
fn is_about_clicks(scenario: &Scenario) -> bool {
    let named = |step: &Step| {
        let Step::Visit(visit) = step else { return false };
        matches!(visit.click, Some(Click::Ids(_) | Click::Query(_)))
    };
    scenario.expect.iter().any(|expect| matches!(expect, Expect::Payload(_)))
        || scenario.steps.iter().any(named)
}

const SIGNALS_UNTOLD: &str =
    "the relay is told decisions, not consent signals (no capability `consent_signals`)";

/// An answer or a join that reaches this relay by no way.
pub(super) fn untold(scenario: &Scenario, profile: &Profile) -> Option<String> {
    scenario.steps.iter().find_map(|step| match step {
        Step::Visit(visit) => {
            // A grant that nobody hears of withholds the control order as well: that is judged.
            let granted = visit.consent == Some(ConsentAnswer::Granted);
            let why = match visit.consent {
                Some(ConsentAnswer::Signals(_)) => SIGNALS_UNTOLD,
                _ => "the profile has no way to tell such a consent answer",
            };
            (!granted && !is_answer_told(visit, scenario, profile)).then(|| why.to_owned())
        }
        Step::Consent(_) if profile.send.consent.is_none() => {
            Some("the profile has no call for a later consent answer".to_owned())
        }
        Step::Consent(later)
            if matches!(later.answer, ConsentAnswer::Signals(_)) && !profile.hears_signals() =>
        {
            Some(SIGNALS_UNTOLD.to_owned())
        }
        Step::Order(order) => untold_consent(order, scenario, profile)
            .or_else(|| not_joined(order, scenario, profile)),
        _ => None,
    })
}

/// Whether a call tells the answer, or the orders of this shopper do, or a relay that cannot be told does the right thing
/// anyway.
fn is_answer_told(visit: &Visit, scenario: &Scenario, profile: &Profile) -> bool {
    let heard = match &visit.consent {
        Some(ConsentAnswer::Signals(_)) => profile.hears_signals(),
        _ => profile.hears_consent(),
    };
    if heard {
        return true;
    }
    let carried = orders_of(visit, scenario).all(|order| carries_consent(order, scenario, profile));
    match &visit.consent {
        None | Some(ConsentAnswer::Unknown) => true,
        Some(ConsentAnswer::Granted) => {
            carried || profile.policies.unknown_consent == UnknownConsent::Send
        }
        // Where an order shows what signals amount to, nobody has to read them.
        Some(ConsentAnswer::Signals(_)) => orders_of(visit, scenario)
            .all(|order| carries(Carried::Signals, order, scenario, profile)),
        Some(ConsentAnswer::Denied | ConsentAnswer::Decisions(_)) => carried,
    }
}

/// Consent that the order is to carry, where it cannot.
fn untold_consent(order: &OrderStep, scenario: &Scenario, profile: &Profile) -> Option<String> {
    match &order.consent {
        None | Some(ConsentAnswer::Unknown) => None,
        Some(ConsentAnswer::Signals(_)) => (!carries(Carried::Signals, order, scenario, profile))
            .then(|| "an order carries decisions, not consent signals".to_owned()),
        Some(_) => (!carries_consent(order, scenario, profile))
            .then(|| "an order tells the relay nothing of consent".to_owned()),
    }
}

/// The order is to be joined by keys of which the relay reads none; without a call for landings there is only what the order
/// itself says of its landing.
fn not_joined(order: &OrderStep, scenario: &Scenario, profile: &Profile) -> Option<String> {
    let keys = order.join.as_ref().filter(|keys| !keys.is_empty())?;
    let tells = |key: &JoinKey| profile.send.click.is_some() || *key == JoinKey::LandingSite;
    let read = keys.iter().any(|key| tells(key) && reads(*key, order, scenario, profile));
    (!read).then(|| {
        let keys: Vec<_> = keys.iter().map(word).collect();
        format!("the relay does not join orders by {}", keys.join(", "))
    })
}

fn reads(key: JoinKey, order: &OrderStep, scenario: &Scenario, profile: &Profile) -> bool {
    format(order, scenario, profile).is_some_and(|format| profile.reads(key, format))
}

fn carries_consent(order: &OrderStep, scenario: &Scenario, profile: &Profile) -> bool {
    format(order, scenario, profile).is_some_and(|format| profile.tells_consent(format))
}

fn carries(fact: Carried, order: &OrderStep, scenario: &Scenario, profile: &Profile) -> bool {
    format(order, scenario, profile).is_some_and(|format| format.carries(fact))
}

fn format(
    order: &OrderStep,
    scenario: &Scenario,
    profile: &Profile,
) -> Option<&'static dyn Format> {
    profile.format_of(scenario, Some(order))
}

/// All orders of a scenario.
pub(super) fn orders(scenario: &Scenario) -> impl Iterator<Item = &OrderStep> {
    scenario.steps.iter().filter_map(|step| match step {
        Step::Order(order) => Some(&**order),
        _ => None,
    })
}

/// Orders of the one who came.
fn orders_of<'s>(visit: &'s Visit, scenario: &'s Scenario) -> impl Iterator<Item = &'s OrderStep> {
    let by = shopper(visit.by.as_ref());
    orders(scenario).filter(move |order| shopper(order.by.as_ref()) == by)
}

fn shopper(by: Option<&String>) -> &str {
    by.map_or("shopper", String::as_str)
}
