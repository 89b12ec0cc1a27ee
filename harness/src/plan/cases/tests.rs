//! Equal plans for equal seeds, names, variants, reasons, and values that no two cases share.
#![allow(clippy::unwrap_used)]
use std::path::Path;

use super::*;
use crate::{
    plan::tests::{profile, scenario},
    scenario::{Click, ConsentAnswer, Step, load::load_dir},
};

fn options(profile: &Profile) -> PlanOptions<'_> {
    PlanOptions { seed: 7, profile, platforms: None, patterns: Vec::new() }
}

fn platforms() -> usize {
    PLATFORMS.iter().filter(|p| p.counts_orders()).count()
}

fn some() -> Vec<Scenario> {
    vec![
        scenario(
            "dedup/reload",
            "steps:\n- visit: { click: paid }\n- order: { id: A, total: 49.99 EUR }\n- reload: A\n\
             expect:\n- payload: { order: A, path: item.key, equals: \"{A.event_id}\" }\n",
        ),
        scenario(
            "consent/matrix",
            "steps:\n- visit: { click: paid }\n- order: { id: A }\n- visit: { by: other }\n- order: { id: B, by: other }\n\
             variants:\n- { name: denied, visit: { consent: denied } }\n- { name: no_email, order: { contact: { email: null } } }\n",
        ),
        scenario(
            "restart/kill",
            "steps:\n- order: { id: A }\n- restart: kill\n- order: { id: B }\n",
        ),
    ]
}

#[test]
fn equal_seeds_give_equal_plans_and_selection_changes_no_value() {
    let profile = profile();
    let all = plan(&some(), &options(&profile)).unwrap();
    let again = plan(&some(), &options(&profile)).unwrap();
    assert_eq!(format!("{:?}", all.cases), format!("{:?}", again.cases));
    let few = PlanOptions {
        patterns: vec!["restart".into()],
        platforms: Some(vec!["meta".into()]),
        ..options(&profile)
    };
    let few = plan(&some(), &few).unwrap();
    let [case] = few.cases.as_slice() else { panic!("{:?}", few.cases) };
    let same = all.cases.iter().find(|other| other.name == case.name).unwrap();
    assert_eq!(case.values, same.values);
    assert_eq!(case.sentinel.numeric_id, same.sentinel.numeric_id);
    let other = plan(&some(), &PlanOptions { seed: 8, ..options(&profile) }).unwrap();
    assert_ne!(other.cases.first().unwrap().values, all.cases.first().unwrap().values);
}

#[test]
fn names_are_made_of_scenario_platform_and_variant() {
    let profile = profile();
    let plan = plan(&some(), &options(&profile)).unwrap();
    let names: Vec<_> = plan.cases.iter().map(|case| case.name.as_str()).collect();
    assert_eq!(names.len(), 4 * platforms());
    assert!(names.is_sorted());
    assert_eq!(names.first(), Some(&"consent/matrix/data_manager/denied"));
    assert!(names.contains(&"dedup/reload/tiktok"), "{names:?}");
    assert!(plan.cases.iter().enumerate().all(|(i, case)| case.id == i));
}

#[test]
fn variants_reach_every_step_of_their_kind_and_null_removes() {
    let profile = profile();
    let plan = plan(&some(), &options(&profile)).unwrap();
    let case = plan.cases.iter().find(|case| case.name == "consent/matrix/meta/no_email").unwrap();
    assert!(case.orders.iter().all(|order| order.contact.email.is_none()));
    assert!(case.people.values().all(|person| person.contact.email.is_some()));
    let denied = plan.cases.iter().find(|case| case.name == "consent/matrix/meta/denied").unwrap();
    let answers = denied.scenario.steps.iter().filter(
        |step| matches!(step, Step::Visit(visit) if visit.consent == Some(ConsentAnswer::Denied)),
    );
    assert_eq!(answers.count(), 2);
}

#[test]
fn what_the_relay_does_not_declare_is_skipped_with_the_reason() {
    let mut profile = profile();
    profile.capabilities.retain(|capability| *capability != Capability::Restart);
    profile.platforms.retain(|id| id != "tiktok");
    let plan = plan(&some(), &options(&profile)).unwrap();
    let reason =
        |name: &str| plan.skipped.iter().find(|s| s.name == name).map(|s| s.reason.as_str());
    assert_eq!(reason("restart/kill/meta"), Some("the relay does not declare: restart"));
    assert_eq!(reason("dedup/reload/tiktok"), Some("the relay does not deliver to tiktok"));
    assert_eq!(reason("dedup/reload/meta"), None);
    assert_eq!(plan.cases.len() + plan.skipped.len(), 4 * platforms());
}

#[test]
fn a_platform_without_such_an_answer_is_skipped_if_all_were_meant() {
    let profile = profile();
    let steps = "given:\n- platform: { answers: partial_invalid }\nsteps:\n- order: { id: A }\n";
    let plan = plan(&[scenario("partial/rows", steps)], &options(&profile)).unwrap();
    let skipped = plan.skipped.iter().find(|skipped| skipped.name == "partial/rows/meta").unwrap();
    assert_eq!(skipped.reason, "meta has no such answer");
    assert!(plan.cases.iter().any(|case| case.name == "partial/rows/google_ads"));
}

#[test]
fn a_paid_click_is_one_of_the_cases_platform() {
    let profile = profile();
    let plan = plan(&some(), &options(&profile)).unwrap();
    for (platform, name) in [
        ("meta", "fbclid"),
        ("google_ads", "gclid"),
        ("data_manager", "gclid"),
        ("tiktok", "ttclid"),
    ] {
        let case = plan.cases.iter().find(|case| case.platform == platform).unwrap();
        let landing = case.landing("shopper", &Click::Paid).unwrap();
        let own = case.people["shopper"].ids[name].clone();
        assert_eq!(landing, [(name.to_owned(), own)]);
        let auto = Click::Ids([("GCLID".to_owned(), "auto".to_owned())].into());
        let gclid = case.values["gclid"].clone();
        assert_eq!(case.landing("shopper", &auto).unwrap(), [("GCLID".to_owned(), gclid)]);
        case.landing("nobody", &Click::Paid).unwrap_err();
    }
}

#[test]
fn a_relay_of_its_own_only_where_the_case_would_disturb_others() {
    let profile = profile();
    let plan = plan(&some(), &options(&profile)).unwrap();
    for case in &plan.cases {
        assert_eq!(case.private_relay, case.name.starts_with("restart/"), "{}", case.name);
    }
}

#[test]
fn unknown_values_platforms_and_patterns_are_refused_before_anything_is_sent() {
    let profile = profile();
    let wrong = scenario(
        "a/b",
        "platforms: [meta]\nsteps:\n- order: { id: A, patch: { note: \"{fbclidd}\" } }\n",
    );
    let error = plan(&[wrong], &options(&profile)).unwrap_err().to_string();
    assert!(
        error.starts_with(
            "a/b/meta: there is no value `{fbclidd}`; did you mean `{fbclid}`? known: A."
        ),
        "{error}"
    );
    let nobody = PlanOptions { platforms: Some(vec!["metta".into()]), ..options(&profile) };
    assert!(matches!(plan(&some(), &nobody), Err(PlanError::UnknownPlatform { .. })));
    let nothing = PlanOptions { patterns: vec!["dedup/relaod".into()], ..options(&profile) };
    let error = plan(&some(), &nothing).unwrap_err().to_string();
    assert!(error.contains("nearest names: dedup/reload"), "{error}");
    assert!(matches!(
        plan(&[some(), some()].concat(), &options(&profile)),
        Err(PlanError::Twice(_))
    ));
}

#[test]
fn values_are_unique_in_the_run_for_many_seeds() {
    let profile = profile();
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios");
    let mut scenarios = some();
    // The folder ships with the project; it is empty only while it is being written.
    scenarios.extend(load_dir(&shipped).unwrap_or_default());
    for seed in 0..4 {
        let plan = plan(&scenarios, &PlanOptions { seed, ..options(&profile) }).unwrap();
        crate::plan::tracers::tests::assert_no_value_is_shared(&plan);
    }
}

#[test]
fn money_parts_add_up_and_keep_the_currencys_digits() {
    let profile = profile();
    let steps = "platforms: [meta]\nsteps:\n- order: { id: A, total: 12.345 KWD }\n- order: { id: B, total: 5000 JPY }\n\
                 - order: { id: C, total: 10.00 EUR, money: { subtotal: 8.00 EUR, shipping: 1.50 EUR } }\n- order: { id: D }\n";
    let plan = plan(&[scenario("pay/parts", steps)], &options(&profile)).unwrap();
    let case = plan.cases.first().unwrap();
    for order in case.all_orders() {
        assert_eq!(order.subtotal + order.tax + order.shipping, order.total, "{order:?}");
    }
    let text = |id| case.order(id).unwrap().tax.to_string();
    assert_eq!(
        (text("A").as_str(), text("B").as_str(), text("C").as_str()),
        ("1.975", "800", "0.50")
    );
    assert_ne!(case.order("D").unwrap().total, case.sentinel.total);
}
