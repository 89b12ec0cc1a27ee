//! What a WooCommerce delivery looks like.
#![allow(clippy::unwrap_used)]
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

use super::*;
use crate::inputs::samples::{Sample, header};

fn body(sample: &Sample, topic: Topic) -> Value {
    let prepared = WooCommerce.render(&sample.delivery(topic)).unwrap();
    serde_json::from_slice(&prepared.body).unwrap()
}

fn meta<'a>(body: &'a Value, key: &str) -> Option<&'a str> {
    body["meta_data"].as_array()?.iter().find(|meta| meta["key"] == key)?["value"].as_str()
}

#[test]
fn a_ping_is_an_unsigned_form() {
    let ping = WooCommerce.ping(3).unwrap();
    assert_eq!(ping.body, b"webhook_id=32");
    assert_eq!(header(&ping.headers, "Content-Type"), Some("application/x-www-form-urlencoded"));
    assert!(ping.headers.iter().all(|(name, _)| !name.starts_with("X-WC-")), "{:?}", ping.headers);
}

#[test]
fn a_paid_order_is_an_update_of_a_processing_order() {
    let sample = Sample::new();
    let prepared = WooCommerce.render(&sample.delivery(Topic::Paid)).unwrap();
    let text = std::str::from_utf8(&prepared.body).unwrap();
    assert!(text.contains(r#""id":9007199254740993,"#), "ids are exact integers");
    let body = body(&sample, Topic::Paid);
    assert_eq!((&body["status"], &body["number"]), (&json!("processing"), &json!("1001")));
    assert_eq!((&body["total"], &body["line_items"][0]["price"]), (&json!("49.99"), &json!(49.99)));
    // The site's own time and UTC, both bare.
    assert_eq!(body["date_created"], "2026-03-29T03:30:00");
    assert_eq!(body["date_created_gmt"], "2026-03-29T01:30:00");
    assert_eq!(body["date_paid_gmt"], "2026-03-29T01:30:00");
    assert_eq!(body["date_completed"], Value::Null);
    assert_eq!(meta(&body, "relay_visitor_id"), Some("v-1"));
    assert_eq!(meta(&body, "relay_consent"), Some("ads=1"));
    assert_eq!(
        meta(&body, "_wc_order_attribution_session_entry"),
        Some("https://shop.example/products/mug?fbclid=IwAR0_Ab-Cd")
    );
    let topic = |name| header(&prepared.headers, name).unwrap();
    assert_eq!(topic("X-WC-Webhook-Topic"), "order.updated");
    assert_eq!((topic("X-WC-Webhook-Resource"), topic("X-WC-Webhook-Event")), ("order", "updated"));
    assert_eq!(topic("X-WC-Webhook-Source"), "https://one.myshopify.com/");
    assert_eq!(topic("X-WC-Webhook-Delivery-ID"), "00000000000040008000000000000001");
    let mac = signing::hmac_sha256(b"shpss_one", &prepared.body);
    assert_eq!(topic("X-WC-Webhook-Signature"), STANDARD.encode(mac));
}

#[test]
fn what_the_shop_does_not_know_is_empty_text_and_a_guest_is_zero() {
    let mut sample = Sample::new();
    sample.order.contact = crate::plan::Contact::default();
    sample.joins = vec![];
    let body = body(&sample, Topic::Create);
    assert_eq!((&body["billing"]["email"], &body["billing"]["city"]), (&json!(""), &json!("")));
    assert_eq!((&body["customer_id"], &body["cart_hash"]), (&json!(0), &json!("")));
    assert_eq!(meta(&body, "_wc_order_attribution_session_entry"), None);
}

#[test]
fn an_unpaid_order_has_no_date_of_payment() {
    let mut sample = Sample::new();
    for (state, status) in [
        (OrderState::Pending, "pending"),
        (OrderState::Authorized, "on-hold"),
        (OrderState::Voided, "cancelled"),
    ] {
        sample.order.state = state;
        let body = body(&sample, Topic::Create);
        assert_eq!((&body["status"], &body["date_paid"]), (&json!(status), &Value::Null));
    }
    sample.order.state = OrderState::Paid;
    sample.cancelled = true;
    assert_eq!(body(&sample, Topic::Cancelled)["status"], "cancelled");
}

#[test]
fn refunds_are_negative_and_leave_the_total() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Refund);
    delivery.subject = sample.refund("30");
    let body: Value = serde_json::from_slice(&WooCommerce.render(&delivery).unwrap().body).unwrap();
    assert_eq!(body["refunds"], json!([{"id": 929_361_464, "reason": "", "total": "-30.00"}]));
    assert_eq!((&body["total"], &body["status"]), (&json!("49.99"), &json!("processing")));
    delivery.subject = sample.refund("49.99");
    let body: Value = serde_json::from_slice(&WooCommerce.render(&delivery).unwrap().body).unwrap();
    assert_eq!(body["status"], "refunded");
}

#[test]
fn a_body_that_breaks_the_rules_is_found() {
    let sample = Sample::new();
    let good = WooCommerce.body(&sample.delivery(Topic::Paid)).unwrap();
    for (field, value, word) in [
        ("status", json!("paid"), "/status"),
        ("total", json!(49.99), "/total"),
        ("date_created", json!("2026-03-29T03:30:00Z"), "/date_created"),
        ("refunds", json!([{"total": "30.00"}]), "/refunds"),
        ("meta_data", json!({}), "/meta_data"),
    ] {
        let mut bad = good.clone();
        bad[field] = value;
        let wrong = WooCommerce.inspect(Topic::Paid, &bad);
        assert!(wrong.iter().any(|text| text.starts_with(word)), "{field}: {wrong:?}");
    }
    assert!(WooCommerce.inspect(Topic::Paid, &good).is_empty());
}
