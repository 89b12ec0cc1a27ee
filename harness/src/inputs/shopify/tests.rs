//! What a Shopify delivery looks like, signature by signature.
#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::{
    inputs::{Redaction, layout, samples},
    scenario::{JoinKey, Layout, OrderKind, Signature},
};

fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

#[test]
fn a_paid_order_looks_like_the_stores() {
    let sample = samples::Sample::new();
    let prepared = Shopify.render(&sample.delivery(Topic::Paid)).unwrap();
    let text = String::from_utf8(prepared.body.clone()).unwrap();
    let body: Value = serde_json::from_str(&text).unwrap();
    assert!(text.contains(r#""id":9007199254740993,"#), "ids are exact integers");
    assert_eq!(body["total_price"], "49.99");
    assert_eq!(body["created_at"], "2026-03-29T03:30:00+02:00");
    assert_eq!(body["landing_site"], "/products/mug?fbclid=IwAR0_Ab-Cd");
    assert_eq!(body["note_attributes"][0], json!({"name": "relay_visitor_id", "value": "v-1"}));
    assert_eq!(body["client_details"]["browser_ip"], "203.0.113.24");
    assert_eq!(body["test"], false);
    assert_eq!(header(&prepared.headers, "X-Shopify-Topic"), Some("orders/paid"));
    assert_eq!(header(&prepared.headers, "X-Shopify-Shop-Domain"), Some("one.myshopify.com"));
    assert_eq!(
        header(&prepared.headers, "X-Shopify-Triggered-At"),
        Some("2026-03-29T01:30:05.000000007Z")
    );
    let mac = signing::hmac_sha256(b"shpss_one", &prepared.body);
    use base64::Engine as _;
    let expected = base64::engine::general_purpose::STANDARD.encode(mac);
    assert_eq!(header(&prepared.headers, "X-Shopify-Hmac-Sha256"), Some(expected.as_str()));
}

#[test]
fn join_keys_that_the_step_excludes_are_not_there() {
    let mut sample = samples::Sample::new();
    sample.joins = vec![JoinKey::Cart];
    let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
    assert_eq!(body["cart_token"], "cart-1");
    assert_eq!(body["checkout_token"], Value::Null);
    assert_eq!(body["landing_site"], Value::Null);
    assert!(!body["note_attributes"].to_string().contains("relay_visitor_id"));
}

#[test]
fn a_long_landing_is_cut_where_the_store_cuts_it() {
    let mut sample = samples::Sample::new();
    sample.landing = format!("https://shop.example/p?pad={}&fbclid=END", "x".repeat(300));
    let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
    assert_eq!(body["landing_site"].as_str().unwrap().len(), 255);
}

#[test]
fn orders_made_without_a_browser_have_no_device_and_no_cart() {
    for kind in [OrderKind::Pos, OrderKind::Draft, OrderKind::Api, OrderKind::Renewal] {
        let mut sample = samples::Sample::new();
        sample.order.kind = kind;
        let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
        for field in
            ["client_details", "browser_ip", "cart_token", "checkout_token", "landing_site"]
        {
            assert_eq!(body[field], Value::Null, "{kind:?} {field}");
        }
    }
}

#[test]
fn wrong_signatures_are_wrong_in_the_way_asked_for() {
    let sample = samples::Sample::new();
    let signed = |signature| {
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.signature = signature;
        let prepared = Shopify.render(&delivery).unwrap();
        header(&prepared.headers, "X-Shopify-Hmac-Sha256").map(str::to_owned)
    };
    let right = signed(Signature::Right).unwrap();
    assert_eq!(signed(Signature::Missing), None);
    assert_eq!(signed(Signature::Empty).as_deref(), Some(""));
    assert_eq!(signed(Signature::WrongEncoding).unwrap().len(), 64);
    assert!(signed(Signature::UrlSafe).unwrap().contains(['-', '_']));
    for signature in [
        Signature::Previous,
        Signature::Flipped,
        Signature::Foreign,
        Signature::OtherShop,
        Signature::OfOtherLayout,
        Signature::OfTrailingNewline,
    ] {
        let digest = signed(signature).unwrap();
        assert_eq!(digest.len(), right.len());
        assert_ne!(digest, right, "{signature:?}");
    }
    let mut delivery = sample.delivery(Topic::Paid);
    delivery.signature = Signature::Second;
    Shopify.render(&delivery).unwrap_err();
}

#[test]
fn the_signature_is_over_the_bytes_sent_in_every_layout() {
    let sample = samples::Sample::new();
    for layout in [Layout::Minified, Layout::Pretty, Layout::Unusual] {
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.layout = layout;
        delivery.lower_case_headers = true;
        let prepared = Shopify.render(&delivery).unwrap();
        use base64::Engine as _;
        let mac = signing::hmac_sha256(b"shpss_one", &prepared.body);
        assert_eq!(
            header(&prepared.headers, "x-shopify-hmac-sha256").unwrap(),
            base64::engine::general_purpose::STANDARD.encode(mac)
        );
        let body = layout::write(&Shopify.body(&delivery).unwrap(), layout);
        assert_eq!(body.as_bytes(), prepared.body);
    }
}

#[test]
fn a_refund_names_its_order_and_a_successful_transaction() {
    let sample = samples::Sample::new();
    let mut delivery = sample.delivery(Topic::Refund);
    delivery.subject = sample.refund("30.00");
    let body: Value = serde_json::from_slice(&Shopify.render(&delivery).unwrap().body).unwrap();
    assert_eq!(body["order_id"], 9_007_199_254_740_993_u64);
    assert_eq!(body["transactions"][0]["amount"], "30.00");
    assert_eq!(body["transactions"][0]["status"], "success");
}

#[test]
fn an_erasure_names_the_person_and_the_orders() {
    let sample = samples::Sample::new();
    let mut delivery = sample.delivery(Topic::Updated);
    delivery.subject = Subject::Redact(Redaction {
        customer_id: Some("7100000000001".into()),
        email: Some("jane@example.com".into()),
        phone: None,
        orders: vec![6_100_000_000_001],
    });
    let prepared = Shopify.render(&delivery).unwrap();
    assert_eq!(header(&prepared.headers, "X-Shopify-Topic"), Some("customers/redact"));
    let body: Value = serde_json::from_slice(&prepared.body).unwrap();
    assert_eq!(body["customer"]["id"], 7_100_000_000_001_u64);
    assert_eq!(body["orders_to_redact"], json!([6_100_000_000_001_u64]));
}

#[test]
fn a_body_that_breaks_the_format_is_a_fault_unless_it_was_asked_for() {
    let mut sample = samples::Sample::new();
    sample.order.currency = "euro".into();
    let fault = Shopify.render(&sample.delivery(Topic::Paid)).unwrap_err();
    assert!(fault.to_string().contains("/currency"), "{fault}");
    let sample = samples::Sample::new();
    let patch = json!({"currency": null, "id": "not a number"});
    let mut delivery = sample.delivery(Topic::Paid);
    delivery.patch = Some(&patch);
    let body: Value = serde_json::from_slice(&Shopify.render(&delivery).unwrap().body).unwrap();
    assert_eq!((body.get("currency"), &body["id"]), (None, &json!("not a number")));
    delivery.raw = Some("{not json");
    assert_eq!(Shopify.render(&delivery).unwrap().body, b"{not json");
}
