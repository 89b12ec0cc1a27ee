//! What a case asks of a relay, read off its scenario: capabilities, a process or an account of its own.

use crate::scenario::{Answers, Capability, Expect, ExpectedOutcome, Given, Scenario, Step, Topic};

/// Capabilities that the steps, expectations and settings imply, and those declared; sorted.
pub(super) fn needs(scenario: &Scenario) -> Vec<Capability> {
    let mut needs = scenario.needs.clone();
    if !scenario.settings.is_empty() {
        needs.push(Capability::Settings);
    }
    for step in &scenario.steps {
        match step {
            Step::Visit(_) => needs.push(Capability::Clicks),
            Step::Consent(_) => needs.push(Capability::Consent),
            Step::Order(order) => {
                needs.extend(order.topics.iter().flatten().copied().filter_map(of_topic));
                needs.extend(of_shop(order.shop.as_deref()));
            }
            Step::Webhook(webhook) => {
                needs.extend(webhook.topic.and_then(of_topic));
                needs.extend(of_shop(webhook.shop.as_deref()));
            }
            Step::Refund(_) | Step::Cancel(_) => needs.push(Capability::Refunds),
            Step::Erase(_) => needs.push(Capability::Erasure),
            Step::Clock(_) => needs.push(Capability::Clock),
            Step::Restart(_) => needs.push(Capability::Restart),
            Step::Credentials(_) => needs.push(Capability::Credentials),
            Step::Replay(_) => needs.extend([Capability::Replay, Capability::DeadLetters]),
            Step::Reload(_) | Step::Ping(_) | Step::Until(_) | Step::Recovers(_) => {}
        }
    }
    for expect in &scenario.expect {
        match expect {
            Expect::Log(_) => needs.push(Capability::DeliveryLog),
            Expect::Health(_) => needs.push(Capability::Health),
            Expect::ExportLacks(_) => needs.push(Capability::Export),
            // What was kept and why is seen in the log alone.
            Expect::Outcome(outcome) if outcome.is == ExpectedOutcome::Reported => {
                needs.push(Capability::DeliveryLog);
            }
            Expect::Outcome(_) | Expect::Attempts(_) | Expect::Payload(_) | Expect::Service(_) => {}
        }
    }
    needs.sort();
    needs.dedup();
    needs
}

fn of_topic(topic: Topic) -> Option<Capability> {
    matches!(topic, Topic::Refund | Topic::Cancelled).then_some(Capability::Refunds)
}

fn of_shop(shop: Option<&str>) -> Option<Capability> {
    (shop == Some("two")).then_some(Capability::Shops)
}

/// True if the case would disturb others in the same relay: it is played on a process that no other case uses.
pub(super) fn own_relay(scenario: &Scenario) -> bool {
    let disturbs = |step: &Step| matches!(step, Step::Restart(_) | Step::Clock(_));
    let refuses = |given: &Given| matches!(given, Given::Platform(fault) if matches!(fault.answers, Answers::Refuse));
    let is_health = |expect: &Expect| matches!(expect, Expect::Health(_));
    // The stand-ins of a process are its own: what is planned for one case must not meet another. And its health is that of
    // all who use it.
    scenario.services().next().is_some()
        || scenario.expect.iter().any(is_health)
        || !scenario.settings.is_empty()
        || scenario.steps.iter().any(disturbs)
        || scenario.given.iter().any(refuses)
}

/// True if the case changes how an account's other traffic fares: planned failures, replaced credentials, a health answer
/// that other cases' failures would change as well.
pub(super) fn alone_at_its_account(scenario: &Scenario) -> bool {
    let disturbs = |step: &Step| matches!(step, Step::Credentials(_) | Step::Replay(_));
    let is_health = |expect: &Expect| matches!(expect, Expect::Health(_));
    !scenario.given.is_empty()
        || scenario.steps.iter().any(disturbs)
        || scenario.expect.iter().any(is_health)
}
