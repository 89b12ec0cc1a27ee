//! What a track call says, whoever sends it.
#![allow(clippy::unwrap_used)]
use super::*;
use crate::inputs::samples::Sample;

fn call(delivery: &Delivery<'_>) -> Value {
    body(delivery, |_| None).unwrap()
}

#[test]
fn a_paid_order_is_completed_with_numbers_for_amounts() {
    let mut sample = Sample::new();
    sample.order.tax = "7.98".parse().unwrap();
    sample.order.subtotal = "42.01".parse().unwrap();
    let call = call(&sample.delivery(Topic::Paid));
    assert_eq!(call["event"], "Order Completed");
    let properties = &call["properties"];
    assert_eq!((&properties["total"], &properties["revenue"]), (&json!(49.99), &json!(42.01)));
    assert_eq!(properties["order_id"], "9007199254740993");
    assert_eq!(properties["checkout_id"], "checkout-1");
    assert_eq!(call["anonymousId"], "v-1");
    assert_eq!(call["context"]["page"]["search"], "?fbclid=IwAR0_Ab-Cd");
    assert_eq!(call["context"]["traits"]["email"], "Jane.Doe@Example.com");
    assert!(inspect(Topic::Paid, &call).wrong().is_empty());
}

#[test]
fn times_are_when_it_happened_and_when_it_left() {
    let sample = Sample::new();
    let call = call(&sample.delivery(Topic::Paid));
    assert_eq!(call["originalTimestamp"], "2026-03-29T01:30:00.000Z");
    assert_eq!(call["sentAt"], "2026-03-29T01:30:05.000Z");
}

#[test]
fn an_unpaid_order_a_renewal_and_a_test_are_not_told() {
    assert!(tells(Topic::Paid, About::web(OrderState::Paid)));
    assert!(!tells(Topic::Create, About::web(OrderState::Paid)));
    assert!(!tells(Topic::Paid, About::web(OrderState::Pending)));
    assert!(!tells(Topic::Updated, About::web(OrderState::Pending)));
    let paid = About::web(OrderState::Paid);
    assert!(!tells(Topic::Paid, About { kind: OrderKind::Renewal, ..paid }));
    assert!(!tells(Topic::Paid, About { test: true, ..paid }));
}

#[test]
fn an_order_without_the_visitor_id_has_one_that_no_landing_has() {
    let mut sample = Sample::new();
    sample.joins = vec![];
    let call = call(&sample.delivery(Topic::Paid));
    assert_eq!(call["anonymousId"], "server-b3f1c0ffee");
    assert_eq!(call["properties"]["checkout_id"], Value::Null);
    assert_eq!(call["context"]["page"]["search"], "");
}

#[test]
fn campaigns_come_from_the_landing() {
    let mut sample = Sample::new();
    sample.landing = "https://s.example/?utm_campaign=spring&utm_source=facebook".into();
    let call = call(&sample.delivery(Topic::Paid));
    assert_eq!(call["context"]["campaign"], json!({"name": "spring", "source": "facebook"}));
}

#[test]
fn a_call_that_breaks_the_rules_is_found() {
    let sample = Sample::new();
    let good = call(&sample.delivery(Topic::Paid));
    for (pointer, value) in [
        ("/messageId", json!("x".repeat(101))),
        ("/properties/total", json!("49.99")),
        ("/properties/currency", json!("eur")),
        ("/sentAt", json!(1_772_442_930)),
        ("/type", json!("page")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let wrong = inspect(Topic::Paid, &bad).wrong();
        assert!(wrong.iter().any(|text| text.starts_with(pointer)), "{pointer}: {wrong:?}");
    }
    let mut long = good;
    long["context"]["locale"] = json!("x".repeat(LIMIT));
    assert!(inspect(Topic::Paid, &long).wrong()[0].contains("bytes"));
}
