//! From a draft to a case: people, orders and traceable values of its own.

use std::collections::BTreeMap;

use super::{
    PlanOptions,
    draft::{Draft, names, order_steps},
};
use crate::{
    plan::{
        Case, Order, Person, needs,
        people::{self, Source},
        values::values,
    },
    scenario::{Click, Expect, Step},
};

/// The case with its people, orders and values.
///
/// # Errors
/// In words: a name that nobody has.
pub(super) fn concrete(draft: Draft, options: &PlanOptions<'_>) -> Result<Case, String> {
    let Draft { name, scenario, variant, platform, at } = draft;
    let source = Source::new(options.seed, &name);
    let names = names(&scenario);
    let person = |(nth, name): (usize, &String)| {
        let person =
            people::person(&source, name, u64::try_from(nth).unwrap_or(0), nth == 0, at, false);
        (name.clone(), person)
    };
    let people: BTreeMap<String, Person> = names.iter().enumerate().map(person).collect();
    let sentinel_person = people::person(
        &source,
        "control",
        u64::try_from(names.len()).unwrap_or(0),
        false,
        at,
        true,
    );
    let mut orders: Vec<Order> = Vec::new();
    for (nth, step) in (0..).zip(order_steps(&scenario)) {
        let by = step.by.as_deref().unwrap_or("shopper");
        let person = people.get(by).ok_or_else(|| format!("there is no person `{by}`"))?;
        let mut order = people::order(&source, step, person, nth, at);
        if let Some(other) = &step.same_id_as {
            let earlier = |o: &&Order| o.id == crate::exchange::OrderRef::Named(other.clone());
            let earlier = orders.iter().find(earlier);
            let earlier = earlier.ok_or_else(|| {
                format!("`same_id_as: {other}` of order `{}` names no earlier order", step.id)
            })?;
            order.numeric_id = earlier.numeric_id;
        }
        orders.push(order);
    }
    let nth = u64::try_from(orders.len()).unwrap_or(0);
    let sentinel = people::control(&source, &sentinel_person, nth, at);
    let values = values(&people, orders.iter().chain([&sentinel]), options.profile)?;
    let mut case = Case {
        id: 0,
        name,
        private_relay: needs::own_relay(&scenario),
        alone: needs::alone_at_its_account(&scenario),
        scenario,
        variant,
        platform: platform.id(),
        needs: Vec::new(),
        people,
        orders,
        sentinel,
        sentinel_person,
        values,
    };
    // Contact data that a step gives may name values too.
    let filled: Vec<_> =
        case.orders.iter().map(|order| fill_contact(&case, order)).collect::<Result<_, _>>()?;
    case.orders = filled;
    Ok(case)
}

fn fill_contact(case: &Case, order: &Order) -> Result<Order, String> {
    let mut order = order.clone();
    for name in crate::scenario::rules::CONTACT_FIELDS {
        if let Some(Some(text)) = people::contact_field(&mut order.contact, name) {
            *text = case.fill(text)?;
        }
    }
    Ok(order)
}

/// Fills every text of a case once, so that an unknown name is an error before anything is sent.
///
/// # Errors
/// In words: the name, and those that the case knows.
pub(super) fn check_texts(case: &Case) -> Result<(), String> {
    for step in &case.scenario.steps {
        match step {
            Step::Visit(visit) => {
                let by = visit.by.as_deref().unwrap_or("shopper");
                match &visit.click {
                    Some(Click::Query(query)) => drop(case.fill(query)?),
                    Some(click) => drop(case.landing(by, click)?),
                    None => {}
                }
                let cookies = visit.cookies.values().flatten();
                for text in cookies
                    .chain(&visit.page)
                    .chain(&visit.ip)
                    .chain(&visit.user_agent)
                    .chain(&visit.forwarded_spoof)
                {
                    case.fill(text)?;
                }
            }
            Step::Order(order) => {
                drop(order.patch.as_ref().map(|patch| case.fill_json(patch)).transpose()?)
            }
            Step::Webhook(webhook) => {
                drop(webhook.patch.as_ref().map(|patch| case.fill_json(patch)).transpose()?);
                drop(webhook.raw.as_ref().map(|raw| case.fill(raw)).transpose()?);
            }
            _ => {}
        }
    }
    for expect in &case.scenario.expect {
        match expect {
            Expect::Payload(payload) => {
                drop(payload.equals.as_ref().map(|value| case.fill_json(value)).transpose()?);
                drop(payload.matches.as_ref().map(|pattern| case.fill(pattern)).transpose()?);
                case.fill(&payload.path)?;
            }
            Expect::ExportLacks(lacks) => {
                let by = lacks.by.as_deref().unwrap_or("shopper");
                for name in &lacks.values {
                    let known = case.values.contains_key(name)
                        || case.values.contains_key(&format!("{by}.{name}"));
                    if !known {
                        case.fill(&format!("{{{name}}}"))?;
                    }
                }
            }
            _ => {}
        }
    }
    Ok(())
}
