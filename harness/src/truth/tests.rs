//! What the steps alone imply.

#![allow(clippy::unwrap_used)]

use serde_json::json;

use super::{Count, Presence, Reason, decisions_of_signals};
use crate::{
    checks::bench::Bench,
    scenario::{
        Click, ConsentAnswer, ConsentStep, Decision, Decisions, OrderStep, Signals, Step, Visit,
        units::Span,
    },
    sut::profile::UnknownConsent,
};

fn visit(consent: Option<ConsentAnswer>) -> Step {
    Step::Visit(Visit { consent, ..Visit::default() })
}

fn order() -> Step {
    Step::Order(Box::new(OrderStep { id: "A".into(), ..OrderStep::default() }))
}

fn answer(answer: ConsentAnswer) -> Step {
    Step::Consent(ConsentStep { by: None, answer })
}

fn expected(steps: Vec<Step>, policy: UnknownConsent) -> super::Expected {
    let mut bench = Bench::with("meta", steps).policies(|p| p.unknown_consent = policy);
    bench.play();
    bench.expected("A")
}

#[test]
fn signals_amount_to_decisions() {
    use Decision::{Denied as D, Granted as G, Unknown as U};
    for (gcs, gcd, right) in [
        ("G111", "", [G, G, U, U]),
        ("G110", "", [G, G, U, U]),
        ("G101", "", [D, D, U, U]),
        ("G100", "", [D, D, U, U]),
        ("G1--", "", [U, U, U, U]),
        ("", "11t1t1t1t5", [G, G, G, G]),
        ("", "11p1p1p1p5", [D, D, D, D]),
        ("", "11r1p1r1p5", [G, G, G, D]),
        ("", "11u1t1u1u5", [D, D, D, D]),
        ("", "11t1t1p1p5", [G, G, D, D]),
        ("", "13l3l3l3l1", [U, U, U, U]),
        ("", "11t1t1t5", [U, U, U, U]),
        ("", "11x1t1t1t5", [U, U, U, U]),
        ("G100", "11t1t1t1t5", [D, D, G, G]),
    ] {
        let text = |s: &str| (!s.is_empty()).then(|| s.to_owned());
        let d = decisions_of_signals(&Signals { gcs: text(gcs), gcd: text(gcd) });
        assert_eq!([d.store, d.ads, d.ads_user_data, d.ads_personalise], right, "{gcs} {gcd}");
    }
}

#[test]
fn consent_decides_whether_an_order_counts() {
    use ConsentAnswer::{Denied, Granted, Unknown};
    use UnknownConsent::{Send, Undeclared, Withhold};
    let gcs = |s: &str| ConsentAnswer::Signals(Signals { gcs: Some(s.into()), gcd: None });
    let no_contact = Decisions {
        store: Decision::Granted,
        ads: Decision::Granted,
        ads_user_data: Decision::Denied,
        ads_personalise: Decision::Denied,
    };
    let table: Vec<(&str, Vec<Step>, UnknownConsent, Count)> = vec![
        ("granted", vec![visit(Some(Granted)), order()], Withhold, Count::Once),
        ("denied", vec![visit(Some(Denied)), order()], Withhold, Count::Never),
        ("denied, sends unknown", vec![visit(Some(Denied)), order()], Send, Count::Never),
        ("no answer", vec![visit(None), order()], Withhold, Count::Never),
        ("unknown", vec![visit(Some(Unknown)), order()], Withhold, Count::Never),
        ("no answer, undeclared", vec![visit(None), order()], Undeclared, Count::Either),
        ("no visit", vec![order()], Withhold, Count::Never),
        ("statistics only", vec![visit(Some(gcs("G101"))), order()], Withhold, Count::Never),
        (
            "advertising, no word on contact",
            vec![visit(Some(gcs("G110"))), order()],
            Withhold,
            Count::Either,
        ),
        (
            "no contact",
            vec![visit(Some(ConsentAnswer::Decisions(no_contact))), order()],
            Withhold,
            Count::Either,
        ),
        (
            "withdrawn before",
            vec![visit(Some(Granted)), answer(Denied), order()],
            Withhold,
            Count::Never,
        ),
        (
            "granted at checkout",
            vec![visit(Some(Denied)), answer(Granted), order()],
            Withhold,
            Count::Either,
        ),
        (
            "withdrawn after",
            vec![visit(Some(Granted)), order(), answer(Denied)],
            Withhold,
            Count::Either,
        ),
        (
            "granted after a denial",
            vec![visit(Some(Denied)), order(), answer(Granted)],
            Withhold,
            Count::Never,
        ),
    ];
    for (name, steps, policy, count) in table {
        let found = expected(steps, policy);
        // Without its click id an order may still be matched by contact data.
        let right =
            found.count == count || (name == "granted at checkout" && found.count == Count::Once);
        assert!(right, "{name}: {:?} because {}", found.count, found.because);
        if found.count == Count::Never {
            assert_eq!(found.reason, Reason::Consent, "{name}");
        }
    }
    let stops = expected(vec![visit(Some(Granted)), order(), answer(Denied)], Withhold);
    assert!(stops.must_stop.is_some());
}

#[test]
fn a_grant_does_not_reach_back_to_earlier_clicks() {
    let steps = vec![visit(Some(ConsentAnswer::Denied)), answer(ConsentAnswer::Granted), order()];
    let found = expected(steps, UnknownConsent::Withhold);
    let fbc = found.ids.iter().find(|id| id.field == "fbc").unwrap();
    assert_eq!(fbc.presence, Presence::Forbidden);
}

#[test]
fn the_last_paid_click_wins_and_a_direct_visit_erases_nothing() {
    let paid = |id: &str| {
        Step::Visit(Visit {
            consent: Some(ConsentAnswer::Granted),
            click: Some(Click::Ids([("fbclid".to_owned(), id.to_owned())].into())),
            ..Visit::default()
        })
    };
    let direct = Step::Visit(Visit { click: Some(Click::Direct), ..Visit::default() });
    let first = "FirstClick-AAAAAAAAAAAA";
    let second = "SecondClick-BBBBBBBBBBBB";
    let required = |steps: Vec<Step>| {
        expected(steps, UnknownConsent::Withhold)
            .ids
            .into_iter()
            .filter(|id| id.click && id.presence == Presence::Required)
            .map(|id| id.value)
            .collect::<Vec<_>>()
    };
    assert_eq!(required(vec![paid(first), direct, order()]), [first]);
    assert_eq!(required(vec![paid(first), paid(second), order()]), [second]);
}

#[test]
fn landing_queries_are_decoded_once_and_names_are_read_in_any_case() {
    let raw = Step::Visit(Visit {
        consent: Some(ConsentAnswer::Granted),
        click: Some(Click::Query("FBCLID=&FbClid=Ab%2Bc%2525-+d".into())),
        ..Visit::default()
    });
    let found = expected(vec![raw, order()], UnknownConsent::Withhold);
    let fbc = found.ids.iter().find(|id| id.click).unwrap();
    assert_eq!(fbc.value, "Ab+c%25-+d");
}

#[test]
fn old_clicks_are_not_used_and_kept_cookies_are() {
    let old = Step::Visit(Visit {
        consent: Some(ConsentAnswer::Granted),
        ago: Some(Span::from_secs(91 * 86_400)),
        ..Visit::default()
    });
    let found = expected(vec![old, order()], UnknownConsent::Withhold);
    assert_eq!(found.ids.iter().find(|id| id.click).unwrap().presence, Presence::Forbidden);

    let cookie = "fb.1.1793000000000.Known_Click-1";
    let kept = Step::Visit(Visit {
        consent: Some(ConsentAnswer::Granted),
        click: Some(Click::Ids([("fbclid".to_owned(), "Known_Click-1".to_owned())].into())),
        cookies: [("_fbc".to_owned(), Some(cookie.to_owned()))].into(),
        ..Visit::default()
    });
    let found = expected(vec![kept, order()], UnknownConsent::Withhold);
    let fbc = found.ids.iter().find(|id| id.click).unwrap();
    assert_eq!((fbc.value.as_str(), fbc.presence), (cookie, Presence::Required));
}

#[test]
fn when_a_click_was_seen_that_comes_after_its_order_is_left_open() {
    let observed = |ago: i64| {
        let order = OrderStep { ago: Some(Span::from_secs(ago)), ..OrderStep::default() };
        let order = Step::Order(Box::new(OrderStep { id: "A".into(), ..order }));
        let visit = Visit { consent: Some(ConsentAnswer::Granted), ..Visit::default() };
        let found = expected(vec![Step::Visit(visit), order], UnknownConsent::Withhold);
        found.ids.iter().find(|id| id.click).unwrap().observed
    };
    assert!(observed(0).is_some());
    assert_eq!(observed(3 * 3_600), None);
}

#[test]
fn declared_rules_keep_orders_out() {
    for (field, value) in
        [("state", json!("pending")), ("kind", json!("pos")), ("test", json!(true))]
    {
        let mut step = json!({"id": "A"});
        step[field] = value;
        let mut bench =
            Bench::new("meta", json!([{"visit": {"consent": "granted"}}, {"order": step}]));
        bench.play();
        let found = bench.expected("A");
        assert_eq!((found.count, found.reason), (Count::Never, Reason::OrderRule), "{field}");
    }
    let mut later = Bench::new(
        "meta",
        json!([
            {"visit": {"consent": "granted"}},
            {"order": {"id": "A", "state": "pending"}},
            {"webhook": {"order": "A", "topic": "paid", "state": "paid"}},
        ]),
    );
    later.play();
    assert_eq!(later.expected("A").count, Count::Once);
}

#[test]
fn erasure_stops_what_is_queued() {
    let mut bench = Bench::new(
        "meta",
        json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A"}}, {"erase": {}}]),
    );
    bench.play();
    let found = bench.expected("A");
    assert_eq!(found.count, Count::Either);
    assert!(found.must_stop.unwrap().because.contains("erased"));
}

#[test]
fn an_order_taken_back_before_it_was_surely_sent_is_left_open() {
    let steps = |seen: bool| {
        let mut steps =
            vec![json!({"visit": {"consent": "granted"}}), json!({"order": {"id": "A"}})];
        if seen {
            steps.push(json!({"until": {"delivered": "A"}}));
        }
        steps.push(json!({"refund": {"order": "A"}}));
        let mut bench = Bench::new("google_ads", json!(steps));
        bench.play();
        bench.expected("A")
    };
    assert_eq!(steps(false).count, Count::Either);
    let sure = steps(true);
    assert_eq!(sure.count, Count::Once);
    assert!(sure.adjustments[0].remaining.is_zero());
}

/// Whether order A counts, told in this format with these further fields, after this visit and before these steps.
fn count_of(
    visit: serde_json::Value,
    order: serde_json::Value,
    more: &[serde_json::Value],
) -> (Count, String) {
    let mut steps = vec![json!({ "visit": visit }), json!({ "order": order })];
    steps.extend(more.iter().cloned());
    let mut bench = Bench::new("meta", json!(steps));
    bench.play();
    let found = bench.expected("A");
    (found.count, found.because)
}

#[test]
fn an_order_is_joined_by_keys_that_its_own_format_has_a_place_for() {
    let visit = || json!({"consent": "granted"});
    let by_cart = |format: &str| {
        count_of(visit(), json!({"id": "A", "format": format, "join": ["cart"]}), &[]).0
    };
    assert_eq!(by_cart("shopify"), Count::Once);
    assert_eq!(by_cart("stripe"), Count::Either, "a session names no cart");
}

#[test]
fn contact_data_identifies_a_shopper_only_where_the_format_has_a_place_for_it() {
    let nameless =
        json!({"consent": "granted", "click": "direct", "cookies": {"_fbp": null, "_ttp": null}});
    let told = |format: &str| count_of(nameless.clone(), json!({"id": "A", "format": format}), &[]);
    assert_eq!(told("segment").0, Count::Once);
    assert_eq!(told("snowplow"), (Count::Either, "nothing identifies the shopper".to_owned()));
}

#[test]
fn what_a_scenario_wrote_itself_is_not_judged_as_if_the_plan_had_written_it() {
    let visit = || json!({"consent": "granted"});
    let order = || json!({"id": "A"});
    let about_a = |fields: serde_json::Value| {
        let mut webhook = json!({"order": "A", "topic": "updated"});
        webhook.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        count_of(visit(), order(), &[json!({ "webhook": webhook })]).0
    };
    assert_eq!(about_a(json!({})), Count::Once);
    assert_eq!(about_a(json!({"patch": {"tags": "vip"}})), Count::Once);
    assert_eq!(about_a(json!({"patch": {"financial_status": "voided"}})), Count::Either);
    assert_eq!(about_a(json!({"raw": "{}"})), Count::Either);
    // What was refused for its signature changed nothing.
    assert_eq!(about_a(json!({"raw": "{}", "sign": "flipped"})), Count::Once);
    let patched = |format: &str| {
        let order = json!({"id": "A", "format": format, "patch": {"status": "on-hold"}});
        count_of(visit(), order, &[]).0
    };
    assert_eq!(patched("shopify"), Count::Once, "a field that Shopify does not have");
    assert_eq!(patched("woocommerce"), Count::Either);
}
