//! What Stripe events look like.
#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::inputs::samples::{Sample, header};

fn body(delivery: &Delivery<'_>) -> Value {
    serde_json::from_slice(&Stripe.render(delivery).unwrap().body).unwrap()
}

fn digest(secret: &str, body: &[u8]) -> String {
    let signed = [&b"1774747805."[..], body].concat();
    hex::encode(signing::hmac_sha256(secret.as_bytes(), &signed))
}

#[test]
fn a_paid_order_is_a_completed_session_in_minor_units() {
    let sample = Sample::new();
    let delivery = sample.delivery(Topic::Paid);
    let body = body(&delivery);
    assert_eq!(body["type"], "checkout.session.completed");
    assert_eq!(body["id"], "evt_100000000000040008000000000000002");
    let session = &body["data"]["object"];
    assert_eq!(session["id"], "cs_live_b3f1c0ffee");
    assert_eq!((&session["amount_total"], &session["currency"]), (&json!(4999), &json!("eur")));
    assert_eq!((&session["payment_status"], &session["livemode"]), (&json!("paid"), &json!(true)));
    assert_eq!(session["client_reference_id"], "v-1");
    assert_eq!(session["metadata"]["relay_visitor_id"], "v-1");
    assert_eq!(session["metadata"]["relay_consent"], "ads=1");
    assert_eq!(session["metadata"]["order_id"], "9007199254740993");
    assert_eq!(session["customer_details"]["name"], "Jane Döe");
    assert!(!Stripe.tells(Topic::Create, About::web(OrderState::Paid)), "one event is enough");
}

#[test]
fn the_whole_secret_signs_time_and_body_in_hex() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Paid);
    let signed = |delivery: &Delivery<'_>| {
        let prepared = Stripe.render(delivery).unwrap();
        (header(&prepared.headers, "Stripe-Signature").map(str::to_owned), prepared.body)
    };
    let (value, body) = signed(&delivery);
    let right = digest(&sample.shop.webhook_secret, &body);
    let previous = digest(&sample.shop.previous_webhook_secret, &body);
    assert_eq!(value.unwrap(), format!("t=1774747805,v1={right}"));
    for (signature, expected) in [
        (Signature::Missing, None),
        (Signature::Empty, Some(String::new())),
        (Signature::Second, Some(format!("t=1774747805,v1={},v1={right}", "0".repeat(64)))),
        (Signature::Previous, Some(format!("t=1774747805,v1={right},v1={previous}"))),
    ] {
        delivery.signature = signature;
        assert_eq!(signed(&delivery).0, expected, "{signature:?}");
    }
    for signature in [
        Signature::WrongEncoding,
        Signature::Flipped,
        Signature::Foreign,
        Signature::OtherShop,
        Signature::OfOtherLayout,
        Signature::OfTrailingNewline,
    ] {
        delivery.signature = signature;
        let value = signed(&delivery).0.unwrap();
        assert!(value.starts_with("t=1774747805,v1=") && !value.contains(&right), "{signature:?}");
    }
    delivery.signature = Signature::UrlSafe;
    Stripe.render(&delivery).unwrap_err();
}

/// Made once with synthetic secrets and another implementation.
#[test]
fn the_published_vector_holds() {
    let mut sample = Sample::new();
    sample.shop.webhook_secret = "whsec_test_stripe_0001".into();
    let mut delivery = sample.delivery(Topic::Paid);
    delivery.raw = Some(r#"{"id":"evt_test_0001","type":"checkout.session.completed"}"#);
    delivery.signed_at = time::OffsetDateTime::from_unix_timestamp(1_767_225_600).unwrap();
    let prepared = Stripe.render(&delivery).unwrap();
    assert_eq!(
        header(&prepared.headers, "Stripe-Signature"),
        Some("t=1767225600,v1=6c557722a7646b56c899c29beb9212529ab20c233f023f482203424a66d72494")
    );
}

#[test]
fn a_delayed_payment_is_two_events_and_a_failed_one_says_so() {
    let mut sample = Sample::new();
    sample.order.state = OrderState::Pending;
    let created = body(&sample.delivery(Topic::Create));
    assert_eq!(created["type"], "checkout.session.completed");
    assert_eq!(created["data"]["object"]["payment_status"], "unpaid");
    let mut delivery = sample.delivery(Topic::Paid);
    if let Subject::Order(view) = &mut delivery.subject {
        view.state = OrderState::Paid;
    }
    let paid = body(&delivery);
    assert_eq!(paid["type"], "checkout.session.async_payment_succeeded");
    assert_eq!(paid["data"]["object"]["payment_status"], "paid");
    let failed = body(&sample.delivery(Topic::Cancelled));
    assert_eq!(failed["type"], "checkout.session.async_payment_failed");
}

#[test]
fn refunds_add_up_on_the_charge() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Refund);
    delivery.subject = sample.refund("30");
    if let Subject::Refund(view, _) = &mut delivery.subject {
        view.refunded = "40".parse().unwrap();
    }
    let partly = body(&delivery);
    let charge = &partly["data"]["object"];
    assert_eq!((&charge["amount_refunded"], &charge["refunded"]), (&json!(4000), &json!(false)));
    assert_eq!(partly["data"]["previous_attributes"]["amount_refunded"], 1000);
    assert_eq!(charge["payment_intent"], "pi_b3f1c0ffee");
    delivery.subject = sample.refund("49.99");
    assert_eq!(body(&delivery)["data"]["object"]["refunded"], true);
}

#[test]
fn a_renewal_is_an_invoice_and_a_test_is_not_live() {
    let mut sample = Sample::new();
    sample.order.kind = OrderKind::Renewal;
    let renewal = body(&sample.delivery(Topic::Paid));
    assert_eq!(renewal["type"], "invoice.paid");
    assert_eq!(renewal["data"]["object"]["billing_reason"], "subscription_cycle");
    assert_eq!(renewal["data"]["object"]["amount_paid"], 4999);
    let mut sample = Sample::new();
    sample.order.test = true;
    let test = body(&sample.delivery(Topic::Paid));
    assert_eq!(
        (&test["livemode"], &test["data"]["object"]["livemode"]),
        (&json!(false), &json!(false))
    );
    let mut sample = Sample::new();
    sample.order.total = rust_decimal::Decimal::ZERO;
    let free = body(&sample.delivery(Topic::Paid));
    assert_eq!(free["data"]["object"]["payment_status"], "no_payment_required");
    assert_eq!(free["data"]["object"]["payment_intent"], Value::Null);
}

#[test]
fn a_redelivery_is_the_same_event_signed_anew() {
    let sample = Sample::new();
    let first = Stripe.render(&sample.delivery(Topic::Paid)).unwrap();
    let mut delivery = sample.delivery(Topic::Paid);
    delivery.signed_at += time::Duration::HOUR;
    let again = Stripe.render(&delivery).unwrap();
    assert_eq!(first.body, again.body);
    assert_ne!(first.headers, again.headers);
}

#[test]
fn a_body_that_breaks_the_rules_is_found() {
    let sample = Sample::new();
    let good = Stripe.body(&sample.delivery(Topic::Paid)).unwrap();
    for (pointer, value) in [
        ("/data/object/currency", json!("EUR")),
        ("/data/object/amount_total", json!("4999")),
        ("/data/object/payment_status", json!("open")),
        ("/data/object/metadata", json!({"n": 1})),
        ("/data/object/metadata", json!({"n": "x".repeat(501)})),
        ("/id", json!("event-1")),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let wrong = Stripe.inspect(Topic::Paid, &bad);
        assert!(wrong.iter().any(|text| text.starts_with(pointer)), "{pointer}: {wrong:?}");
    }
}

#[test]
fn an_order_that_is_paid_at_once_is_an_event_of_that_moment() {
    let mut sample = Sample::new();
    // Told three hours after it was placed.
    let event = |sample: &Sample, topic| {
        let mut delivery = sample.delivery(topic);
        delivery.triggered_at += time::Duration::hours(3);
        if let (Topic::Paid, Subject::Order(view)) = (topic, &mut delivery.subject) {
            view.state = OrderState::Paid;
        }
        let event = body(&delivery);
        let told = delivery.triggered_at.unix_timestamp();
        let at = |value: &Value| value.as_i64().unwrap() - told;
        (at(&event["created"]), at(&event["data"]["object"]["created"]))
    };
    let (created, session) = event(&sample, Topic::Paid);
    assert_eq!(created, session);
    // Money that comes later is an event of its own moment.
    sample.order.state = OrderState::Pending;
    let (created, session) = event(&sample, Topic::Paid);
    assert!(created == 0 && session < 0, "{created} {session}");
    let (created, session) = event(&sample, Topic::Create);
    assert_eq!(created, session);
}
