//! `order: { id: A, bulk: 50 }`: fifty people, each of whom does what this order's shopper did up to here, and orders.
//!
//! It is written out as ordinary steps before anybody is made up, so that everything behind it (people, truth, checks) sees
//! orders like any others: `A1`, the shopper's own, to `A50`.

use std::sync::Arc;

use crate::scenario::{OrderStep, Scenario, Step};

/// Most orders that one `bulk` stands for.
pub(crate) const MAX_BULK: u32 = 1_000;

/// Id of one order of a bulk, counted from 1.
pub(crate) fn nth_id(id: &str, nth: u32) -> String {
    format!("{id}{nth}")
}

/// The scenario with every bulk written out.
pub(super) fn written_out(scenario: Arc<Scenario>) -> Arc<Scenario> {
    if !scenario.steps.iter().any(|step| matches!(step, Step::Order(order) if order.bulk.is_some()))
    {
        return scenario;
    }
    let mut steps = Vec::new();
    for (index, step) in scenario.steps.iter().enumerate() {
        match step {
            Step::Order(order) if order.bulk.is_some() => {
                let before = scenario.steps.get(..index).unwrap_or_default();
                steps.extend(of_bulk(order, before));
            }
            step => steps.push(step.clone()),
        }
    }
    Arc::new(Scenario { steps, ..Scenario::clone(&scenario) })
}

fn of_bulk(order: &OrderStep, before: &[Step]) -> Vec<Step> {
    let shopper = order.by.as_deref().unwrap_or("shopper");
    let first = nth_id(&order.id, 1);
    let mut steps = Vec::new();
    for nth in 1..=order.bulk.unwrap_or(1) {
        let mut own = order.clone();
        own.id = nth_id(&order.id, nth);
        own.bulk = None;
        if nth > 1 {
            let by = format!("{shopper}_{}", own.id);
            steps.extend(before.iter().filter_map(|step| repeated(step, shopper, &by)));
            own.by = Some(by);
            own.like = Some(first.clone());
        }
        steps.push(Step::Order(Box::new(own)));
    }
    steps
}

/// What somebody else does to be where this shopper is: the same landings and answers.
fn repeated(step: &Step, shopper: &str, by: &str) -> Option<Step> {
    let is = |name: &Option<String>| name.as_deref().unwrap_or("shopper") == shopper;
    match step {
        Step::Visit(visit) if is(&visit.by) => {
            let mut own = visit.clone();
            own.by = Some(by.to_owned());
            Some(Step::Visit(own))
        }
        Step::Consent(consent) if is(&consent.by) => {
            let mut own = consent.clone();
            own.by = Some(by.to_owned());
            Some(Step::Consent(own))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeSet;

    use crate::plan::{
        cases::{PlanOptions, plan},
        tests::{profile, scenario},
        tracers::tests::assert_no_value_is_shared,
    };

    #[test]
    fn everybody_of_a_bulk_lands_and_orders_and_is_somebody_else() {
        let profile = profile();
        let steps = "platforms: [meta, tiktok]\nsteps:\n- visit: { click: paid, consent: granted }\n- visit: { by: other }\n\
                     - order: { id: A, bulk: 300, total: 10.00 EUR }\n- order: { id: B, by: other, bulk: 2 }\n- refund: A7\n";
        let options =
            PlanOptions { seed: 1, profile: &profile, platforms: None, patterns: Vec::new() };
        let plan = plan(&[scenario("bulk/many", steps)], &options).unwrap();
        assert_no_value_is_shared(&plan);
        let case = plan.cases.first().unwrap();
        assert_eq!((case.orders.len(), case.people.len()), (302, 2 + 299 + 1));
        let buyers: BTreeSet<_> = case.orders.iter().map(|order| order.by.as_str()).collect();
        assert_eq!(buyers.len(), 302);
        assert_eq!(case.order("A1").unwrap().by, "shopper");
        assert_eq!(case.order("B2").unwrap().by, "other_B2");
        assert!(case.order("A").is_none());
        // Two visits of its own, 299 and 1 of theirs, 302 orders, the refund.
        assert_eq!(case.scenario.steps.len(), 2 + 299 + 1 + 302 + 1);
        let total = &case.order("A300").unwrap().total;
        assert_eq!(total.to_string(), "10.00");
    }
}
