//! What a hit looks like.
#![allow(clippy::unwrap_used)]
use std::collections::BTreeMap;

use serde_json::json;

use super::*;
use crate::{
    inputs::samples::{Sample, header},
    plan::all,
};

fn decoded(query: &str) -> BTreeMap<String, String> {
    url::form_urlencoded::parse(query.as_bytes()).into_owned().collect()
}

#[test]
fn a_purchase_travels_in_the_query() {
    let sample = Sample::new();
    let prepared = Ga4.render(&sample.delivery(Topic::Paid)).unwrap();
    let query = prepared.query.clone().unwrap();
    assert!(prepared.body.is_empty() && !query.contains(['+', ' ']), "{query}");
    let hit = decoded(&query);
    assert_eq!((hit["en"].as_str(), hit["cu"].as_str()), ("purchase", "EUR"));
    assert_eq!(
        (hit["epn.value"].as_str(), hit["ep.transaction_id"].as_str()),
        ("49.99", "9007199254740993")
    );
    assert_eq!(hit["cid"], "v-1");
    assert!(hit["dl"].ends_with("/thank-you?fbclid=IwAR0_Ab-Cd"), "{}", hit["dl"]);
    assert_eq!(hit["pr1"], "id8100000000001~nmMug~brExample~qt1~pr49.99");
    assert_eq!(header(&prepared.headers, "User-Agent"), Some("Mozilla/5.0 (test)"));
    assert_eq!(header(&prepared.headers, "X-Forwarded-For"), Some("203.0.113.24"));
    assert_eq!(prepared.path("/g/collect"), format!("/g/collect?{query}"));
    assert_eq!(prepared.path("/c?x=1"), format!("/c?x=1&{query}"));
}

#[test]
fn the_other_layouts_put_the_event_on_a_line_of_the_body() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Paid);
    let whole = decoded(&Ga4.render(&delivery).unwrap().query.unwrap());
    delivery.layout = Layout::Pretty;
    let prepared = Ga4.render(&delivery).unwrap();
    let line = String::from_utf8(prepared.body).unwrap();
    assert!(line.starts_with("en=purchase&") && !line.contains('\n'), "{line}");
    let mut parts = decoded(&prepared.query.unwrap());
    assert!(!parts.contains_key("en") && parts.contains_key("tid"));
    parts.extend(decoded(&line));
    assert_eq!(parts, whole);
}

#[test]
fn consent_is_told_by_signals() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Paid);
    let mut signals = |consent| {
        if let Subject::Order(view) = &mut delivery.subject {
            view.consent = consent;
        }
        let body = Ga4.body(&delivery).unwrap();
        ["gcs", "gcd", "npa"].map(|name| body[name].as_str().unwrap().to_owned())
    };
    assert_eq!(signals(Some(all(Decision::Granted))), ["G111", "11t1t1t1t5", "0"]);
    assert_eq!(signals(Some(all(Decision::Denied))), ["G100", "11p1p1p1p5", "1"]);
    assert_eq!(signals(None), ["G1--", "13l3l3l3l1", "0"]);
}

#[test]
fn a_refund_names_its_transaction_and_amount() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Refund);
    delivery.subject = sample.refund("30");
    let hit = decoded(&Ga4.render(&delivery).unwrap().query.unwrap());
    assert_eq!((hit["en"].as_str(), hit["epn.value"].as_str()), ("refund", "30"));
    assert_eq!(hit["ep.transaction_id"], "9007199254740993");
}

#[test]
fn the_streams_id_is_the_shops_own_if_it_has_one() {
    let mut sample = Sample::new();
    let made = measurement_id(&sample.shop);
    assert!(made.starts_with("G-") && made.len() == 12, "{made}");
    assert_ne!(made, measurement_id(&sample.other));
    sample.shop.write_key = "G-ABC123".into();
    assert_eq!(measurement_id(&sample.shop), "G-ABC123");
}

#[test]
fn a_hit_that_breaks_the_rules_is_found() {
    let sample = Sample::new();
    let good = Ga4.body(&sample.delivery(Topic::Paid)).unwrap();
    assert!(Ga4.inspect(Topic::Paid, &good).is_empty());
    for (name, value) in [
        ("v", json!("1")),
        ("tid", json!("UA-1")),
        ("epn.value", json!("49,99")),
        ("dl", json!("/thanks")),
        ("en", json!("add_to_cart")),
    ] {
        let mut bad = good.clone();
        bad[name] = value;
        assert!(!Ga4.inspect(Topic::Paid, &bad).is_empty(), "{name}");
    }
}
