//! Whose event it is, told by every kind of value and by several at once.
#![allow(clippy::unwrap_used)]

use super::{
    values::{phone_forms, sha256},
    *,
};
use crate::{
    plan::{
        Plan,
        cases::{PlanOptions, plan, shops},
        tests::{profile, scenario},
    },
    scenario::Step,
};

/// Every value that the plan made belongs to one case alone.
pub(crate) fn assert_no_value_is_shared(plan: &Plan) {
    let mut seen: HashMap<u64, &str> = HashMap::new();
    for case in &plan.cases {
        // Values that a scenario names itself may be shared: take them out.
        let mut case_values = Values::default();
        let mut bare = case.clone();
        for order in &mut bare.orders {
            let person = case.people.get(&order.by);
            order.contact = person.map(|person| person.contact.clone()).unwrap_or_default();
            let id = order.id.to_string();
            let named = case.scenario.steps.iter().any(
                |step| matches!(step, Step::Order(step) if step.id == id && step.same_id_as.is_some()),
            );
            if named {
                order.numeric_id = order.product_id + 1_000_000_000_000;
                bare.values.remove(&format!("{id}.event_id"));
            }
        }
        case_values.of_case(&bare);
        for key in case_values.found.keys() {
            if let Some(other) = seen.insert(*key, &case.name) {
                panic!("{} and {other} share a value", case.name);
            }
        }
    }
}

fn planned() -> Plan {
    let profile = profile();
    let scenarios = [
        scenario("one/order", "steps:\n- visit: { click: paid }\n- order: { id: A }\n"),
        scenario(
            "two/orders",
            "steps:\n- visit: { click: { gclid: \"SharedBySeveralCases\" } }\n- order: { id: A }\n- order: { id: B }\n",
        ),
    ];
    plan(&scenarios, &PlanOptions { seed: 3, profile: &profile, platforms: None, patterns: vec![] })
        .unwrap()
}

fn index(plan: &Plan) -> Index {
    let mut index = Index::new();
    let shops = shops(3, 0, plan.cases.len(), &profile());
    for (case, shop) in plan.cases.iter().zip(shops) {
        index.add(case, &[shop]);
    }
    index
}

fn owner(index: &Index, texts: &[&str]) -> Option<(CaseId, Option<String>)> {
    let owner = index.owner(texts.iter().copied())?;
    Some((owner.case, owner.order.map(|order| order.to_string())))
}

fn owns(case: &Case, order: Option<&str>) -> Option<(CaseId, Option<String>)> {
    Some((case.id, order.map(str::to_owned)))
}

#[test]
fn every_value_of_an_order_leads_to_it() {
    let plan = planned();
    let index = index(&plan);
    let case = plan.cases.iter().find(|case| case.name == "one/order/meta").unwrap();
    let shopper = &case.people["shopper"];
    let order = case.order("A").unwrap();
    let email = shopper.contact.email.clone().unwrap();
    let full_phone =
        phone_forms(shopper.contact.phone.as_deref().unwrap(), shopper.contact.country.as_deref())
            [2]
        .clone();
    for text in [
        order.numeric_id.to_string(),
        format!("gid://shopify/Order/{}", order.numeric_id),
        format!("order_{}", order.numeric_id),
        order.name.clone(),
        format!("https://shop.example/done?t={}&x=1", order.token),
        order.canaries["note"].to_lowercase(),
        format!("x {} y", order.canaries["page_email"]),
        shopper.ids["fbclid"].clone(),
        shopper.ids["fbclid"].to_lowercase(),
        format!("fb.1.1760000000000.{}", shopper.ids["fbclid"]),
        format!("?q=1&ttclid={}", shopper.ids["ttclid"].replace('_', "%5F")),
        shopper.ids["_fbp"].clone(),
        shopper.ids["gclid_2"].clone(),
        email.clone(),
        email.replace('@', "%2540"),
        sha256(&email.to_lowercase()),
        sha256(&email).to_uppercase(),
        sha256(&email.to_uppercase()),
        sha256(&full_phone),
        sha256(&format!("+{full_phone}")),
        shopper.visitor_id.clone(),
        sha256(shopper.contact.customer_id.as_deref().unwrap()),
        shopper.user_agent.clone(),
    ] {
        assert_eq!(owner(&index, &[&text]), owns(case, Some("A")), "{text}");
    }
    // Addresses and hosts lead to the case.
    assert_eq!(owner(&index, &[&shopper.ip]), owns(case, None));
    let url = format!("https://{}/", shops(3, 0, plan.cases.len(), &profile())[case.id].domain);
    assert_eq!(
        owner(&index, &[url.trim_start_matches("https://").trim_end_matches('/')]),
        owns(case, None)
    );
    let control = case.sentinel.numeric_id.to_string();
    assert_eq!(owner(&index, &[&control]), owns(case, Some("sentinel")));
}

#[test]
fn nothing_traceable_has_no_owner() {
    let index = index(&planned());
    for text in [
        "",
        "  ",
        "Purchase",
        "49.99",
        "EUR",
        "%",
        "%%%ff",
        "6100000000001234567",
        "é",
        "example.com",
    ] {
        assert_eq!(owner(&index, &[text]), None, "{text}");
    }
}

#[test]
fn what_stands_in_the_place_of_contact_data_is_nobodys() {
    let scenarios: Vec<_> = [("\"\"", "\"\""), ("\"null\"", "\"-\""), ("undefined", "\"N/A\"")]
        .iter()
        .enumerate()
        .map(|(i, (email, phone))| {
            let contact = format!("{{ email: {email}, phone: {phone}, country: US }}");
            let steps =
                format!("platforms: [meta]\nsteps:\n- order: {{ id: A, contact: {contact} }}\n");
            scenario(&format!("missing/contact_{i}"), &steps)
        })
        .collect();
    let profile = profile();
    let plan = plan(
        &scenarios,
        &PlanOptions { seed: 3, profile: &profile, platforms: None, patterns: vec![] },
    )
    .unwrap();
    let index = index(&plan);
    // Behind the percent-encoded text stands an empty one, where a form may have its value.
    for text in
        ["", "1%2F%2F0KthdwSkxwZnR9R6x40W775xcSf5XkuFJar", "null", "undefined", "N/A", "1", "@"]
    {
        assert_eq!(owner(&index, &[text]), None, "{text}");
        assert_eq!(owner(&index, &[&sha256(text)]), None, "{text}, hashed");
    }
}

#[test]
fn better_evidence_beats_more_of_it_and_a_draw_is_no_evidence() {
    let plan = planned();
    let index = index(&plan);
    let [a, b] = ["one/order/meta", "one/order/tiktok"]
        .map(|name| plan.cases.iter().find(|c| c.name == name).unwrap());
    let order = a.order("A").unwrap().numeric_id.to_string();
    let other = &b.people["shopper"];
    let texts =
        [order.as_str(), &other.ip, &other.user_agent, &other.ids["_fbp"], &other.ids["fbclid"]];
    assert_eq!(owner(&index, &texts), owns(a, Some("A")));
    let order_of_b = b.order("A").unwrap().numeric_id.to_string();
    assert_eq!(owner(&index, &[&order, &order_of_b]), None);
    assert_eq!(owner(&index, &[&order, &order_of_b, &other.ip]), owns(b, Some("A")));
}

#[test]
fn a_person_with_two_orders_leads_to_the_case_alone() {
    let plan = planned();
    let index = index(&plan);
    let case = plan.cases.iter().find(|case| case.name == "two/orders/meta").unwrap();
    let click = &case.people["shopper"].ids["fbclid"];
    assert_eq!(owner(&index, &[click]), owns(case, None));
    let name = &case.order("B").unwrap().name;
    assert_eq!(owner(&index, &[click, name]), owns(case, Some("B")));
    let both: Vec<_> =
        ["A", "B"].iter().map(|id| case.order(id).unwrap().numeric_id.to_string()).collect();
    assert_eq!(owner(&index, &[&both[0], &both[1]]), owns(case, None));
}

#[test]
fn a_value_that_open_cases_share_says_nothing_until_one_is_left() {
    let plan = planned();
    let mut index = index(&plan);
    let sharing: Vec<_> = plan.cases.iter().filter(|case| case.name.starts_with("two/")).collect();
    assert_eq!(owner(&index, &["SharedBySeveralCases"]), None);
    for case in &sharing[1..] {
        index.retire(case.id);
    }
    assert_eq!(owner(&index, &["SharedBySeveralCases"]), owns(sharing[0], None));
}

#[test]
fn what_comes_late_is_still_known_to_be_its_case_s() {
    let plan = planned();
    let mut index = index(&plan);
    let case = plan.cases.iter().find(|case| case.name == "two/orders/meta").unwrap();
    index.retire(case.id);
    let number = case.order("B").unwrap().numeric_id.to_string();
    assert_eq!(owner(&index, &[&number]), owns(case, Some("B")));
}

#[test]
fn adding_a_case_again_leaves_nothing_of_the_first_time() {
    let plan = planned();
    let (mut once, mut again) = (Index::new(), Index::new());
    for case in &plan.cases {
        once.add(case, &[]);
        again.add(case, &[]);
        again.add(case, &[]);
    }
    let claims = |index: &Index| index.claims.values().map(Vec::len).sum::<usize>();
    assert_eq!(claims(&again), claims(&once));
    assert_eq!(again.cases.len(), once.cases.len());
}
