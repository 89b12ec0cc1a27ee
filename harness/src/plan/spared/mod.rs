//! Why a relay may be spared a case: what it does not offer, what nobody can tell it, what its platforms do not do.

use crate::{
    inputs::{self, About, Format},
    platforms::Platform,
    scenario::{
        Answers, Capability, ConsentAnswer, Expect, JoinKey, OrderKind, OrderState, OrderStep,
        Platforms, Scenario, Signature, Step, Topic, Visit, WebhookStep, rules::knows_failure,
    },
    sut::profile::{Profile, Shops, UnknownConsent},
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
    let by_order = profile.send.click.is_none() && told_by_the_order(scenario, profile);
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

/// Whether a relay that is told of orders alone can know from them all that the scenario's visits are about: each shopper
/// came once, before ordering, and what they answered and where they landed has a place on the order.
fn told_by_the_order(scenario: &Scenario, profile: &Profile) -> bool {
    let mut seen: Vec<&str> = Vec::new();
    let mut ordered: Vec<&str> = Vec::new();
    for step in &scenario.steps {
        match step {
            Step::Visit(visit) => {
                let by = visit.by.as_deref().unwrap_or("shopper");
                if seen.contains(&by) || ordered.contains(&by) || !is_plain(visit) {
                    return false;
                }
                seen.push(by);
                if !can_be_told(visit.consent.as_ref(), profile) {
                    return false;
                }
            }
            Step::Order(order) => ordered.push(order.by.as_deref().unwrap_or("shopper")),
            _ => {}
        }
    }
    let landing = profile.send.joins.contains(&JoinKey::LandingSite);
    landing || !scenario.expect.iter().any(|expect| matches!(expect, Expect::Payload(_)))
}

/// Nothing about the visit that only a browser can tell.
fn is_plain(visit: &Visit) -> bool {
    visit.late.is_none()
        && visit.ago.is_none()
        && visit.forwarded_spoof.is_none()
        && visit.cookies.is_empty()
        && !visit.gpc
}

/// Whether an order can carry this answer, or a relay that cannot be told does the right thing anyway.
fn can_be_told(answer: Option<&ConsentAnswer>, profile: &Profile) -> bool {
    let carried = main_format(profile).is_some_and(|format| profile.tells_consent(format));
    match answer {
        None | Some(ConsentAnswer::Unknown) => true,
        Some(ConsentAnswer::Granted) => {
            carried || profile.policies.unknown_consent == UnknownConsent::Send
        }
        Some(_) => carried,
    }
}

/// The format that the profile prefers.
fn main_format(profile: &Profile) -> Option<&'static dyn Format> {
    profile.send.formats.first().and_then(|id| inputs::by_id(id))
}

/// A stimulus for which the profile has no way, or a failure of a platform that the relay does not speak to.
fn cannot_be_told(scenario: &Scenario, profile: &Profile) -> Option<String> {
    let named = scenario.steps.iter().find_map(|step| match step {
        Step::Order(order) => order.format.as_deref(),
        _ => None,
    });
    if let Some(format) = named.filter(|format| !profile.send.webhooks.contains_key(*format)) {
        return Some(format!("the relay takes no {format} webhooks"));
    }
    let format = named.and_then(inputs::by_id).or_else(|| main_format(profile))?;
    let id = format.id();
    for step in &scenario.steps {
        let why = match step {
            Step::Consent(_) if profile.send.consent.is_none() => {
                Some("the profile has no call for a later consent answer".to_owned())
            }
            Step::Order(order) => {
                let untold = !is_told(scenario, order, format);
                let untold = untold.then(|| format!("{id} has no message for such an order"));
                untold
                    .or_else(|| foreign_patch(order.patch.is_some(), named, id))
                    .or_else(|| not_joined(order, profile))
            }
            Step::Webhook(step) => webhook_cannot(step, format, named, profile),
            Step::Refund(_) | Step::Cancel(_) => {
                let told = |topic, state| format.tells(topic, About::web(state));
                let refund = told(Topic::Refund, OrderState::Refunded);
                let cancel = told(Topic::Cancelled, OrderState::Cancelled);
                (!(refund || matches!(step, Step::Cancel(_)) && cancel))
                    .then(|| format!("{id} has no message for money given back"))
            }
            _ => None,
        };
        if why.is_some() {
            return why;
        }
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

/// Whether any message of the scenario tells of this order in this format.
fn is_told(scenario: &Scenario, order: &OrderStep, format: &dyn Format) -> bool {
    let about = |state: Option<OrderState>| About {
        state: state.or(order.state).unwrap_or(OrderState::Paid),
        kind: order.kind.unwrap_or(OrderKind::Web),
        test: order.test,
    };
    let usual = [Topic::Create, Topic::Paid];
    let topics = order.topics.as_deref().unwrap_or(&usual);
    topics.iter().any(|topic| format.tells(*topic, about(None)))
        || scenario.steps.iter().any(|step| match step {
            Step::Webhook(step) if step.order.as_ref() == Some(&order.id) => {
                let topic = step.topic.unwrap_or(Topic::Paid);
                let paid = (topic == Topic::Paid).then_some(OrderState::Paid);
                format.tells(topic, about(step.state.or(paid)))
            }
            _ => false,
        })
}

/// The order is to be joined by keys of which the relay reads none.
fn not_joined(order: &OrderStep, profile: &Profile) -> Option<String> {
    let keys = order.join.as_ref().filter(|keys| !keys.is_empty())?;
    let read = keys.iter().any(|key| profile.send.joins.contains(key));
    let words = || {
        let word = |key| serde_json::to_value(key).ok()?.as_str().map(str::to_owned);
        keys.iter().filter_map(word).collect::<Vec<_>>().join(", ")
    };
    (!read).then(|| format!("the relay does not join orders by {}", words()))
}

/// Patches are written for one format's fields: Shopify's, unless the scenario names another.
fn foreign_patch(patched: bool, named: Option<&str>, format: &str) -> Option<String> {
    (patched && named.is_none() && format != "shopify")
        .then(|| format!("it changes fields of a shopify webhook, which {format} does not have"))
}

fn webhook_cannot(
    step: &WebhookStep,
    format: &dyn Format,
    named: Option<&str>,
    profile: &Profile,
) -> Option<String> {
    let id = format.id();
    let signature = step.sign;
    if !format.can_sign(signature) {
        return Some(format!("a {id} delivery cannot be signed like that"));
    }
    if signature == Signature::Previous && matches!(profile.shops, Shops::Fixed(_)) {
        return Some("the profile knows no earlier secret of its shops".to_owned());
    }
    if step.signed_ago.is_some() && !format.signs_time() {
        return Some(format!("{id} does not sign the time"));
    }
    foreign_patch(step.patch.is_some(), named, id)
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
