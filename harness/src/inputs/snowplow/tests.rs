//! What an event in the tracker protocol looks like.
#![allow(clippy::unwrap_used)]
use serde_json::json;

use super::*;
use crate::{
    inputs::{
        Subject,
        samples::{Sample, header},
    },
    plan::all,
    scenario::{Decision, Decisions},
};

fn entity<'a>(entities: &'a Value, name: &str) -> Option<&'a Value> {
    let named = |entity: &&Value| entity["schema"].as_str().unwrap().contains(&format!("/{name}/"));
    entities["data"].as_array().unwrap().iter().find(named).map(|entity| &entity["data"])
}

fn payload(delivery: &Delivery<'_>) -> Value {
    let body: Value = serde_json::from_slice(&Snowplow.render(delivery).unwrap().body).unwrap();
    body["data"][0].clone()
}

#[test]
fn a_purchase_is_a_transaction_with_its_entities() {
    let sample = Sample::new();
    let delivery = sample.delivery(Topic::Paid);
    let payload = payload(&delivery);
    assert_eq!((&payload["e"], &payload["eid"]), (&json!("ue"), &json!(delivery.delivery_id)));
    assert_eq!(payload["duid"], "v-1");
    assert_eq!(
        (&payload["ttm"], &payload["stm"]),
        (&json!("1774747800000"), &json!("1774747805000"))
    );
    assert!(payload["url"].as_str().unwrap().ends_with("?fbclid=IwAR0_Ab-Cd"));
    assert!(!payload["cx"].as_str().unwrap().contains(['+', '/', '=']));
    let event = decoded(&payload["ue_px"]).unwrap();
    assert_eq!(event["data"]["data"], json!({"type": "transaction"}));
    let entities = decoded(&payload["cx"]).unwrap();
    let transaction = entity(&entities, "transaction").unwrap();
    assert_eq!((&transaction["revenue"], &transaction["currency"]), (&json!(49.99), &json!("EUR")));
    assert_eq!(transaction["transaction_id"], "9007199254740993");
    assert_eq!(entity(&entities, "user").unwrap()["email"], "Jane.Doe@Example.com");
    let headers = Snowplow.render(&delivery).unwrap().headers;
    assert_eq!(header(&headers, "Content-Type"), Some("application/json; charset=UTF-8"));
}

#[test]
fn consent_lists_the_scopes_that_were_allowed() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Paid);
    let mut told = |consent| {
        if let Subject::Order(view) = &mut delivery.subject {
            view.consent = consent;
        }
        let entities = decoded(&payload(&delivery)["cx"]).unwrap();
        entity(&entities, "consent_preferences")
            .map(|told| (told["eventType"].clone(), told["consentScopes"].clone()))
    };
    assert_eq!(told(None), None);
    assert_eq!(told(Some(all(Decision::Denied))), Some((json!("deny_all"), json!(["necessary"]))));
    let scopes = json!(["necessary", "Storage", "Advertising", "AdUserData", "AdPersonalization"]);
    assert_eq!(told(Some(all(Decision::Granted))), Some((json!("allow_all"), scopes)));
    // What was not asked was not allowed.
    let some = Decisions { ads_user_data: Decision::Unknown, ..all(Decision::Granted) };
    let scopes = json!(["necessary", "Storage", "Advertising", "AdPersonalization"]);
    assert_eq!(told(Some(some)), Some((json!("allow_selected"), scopes)));
}

#[test]
fn a_refund_has_an_entity_of_its_own() {
    let sample = Sample::new();
    let mut delivery = sample.delivery(Topic::Refund);
    delivery.subject = sample.refund("30");
    let entities = decoded(&payload(&delivery)["cx"]).unwrap();
    assert_eq!(entity(&entities, "refund").unwrap()["refund_amount"], 30);
    assert_eq!(entity(&entities, "transaction"), None);
}

#[test]
fn an_event_that_breaks_the_rules_is_found() {
    let sample = Sample::new();
    let good = Snowplow.body(&sample.delivery(Topic::Paid)).unwrap();
    assert!(Snowplow.inspect(Topic::Paid, &good).is_empty());
    let inner = json!({"schema": CONTEXTS, "data": [
        {"schema": "iglu:com.snowplowanalytics.snowplow.ecommerce/transaction/jsonschema/1-0-0",
         "data": {"transaction_id": "1", "revenue": "49.99", "currency": "EUR", "payment_method": "card", "total_quantity": 1}},
    ]});
    for (pointer, value, word) in [
        ("/data/0/dtm", json!(1_774_747_800_000_u64), "text"),
        ("/data/0/ue_px", json!("e30"), "ue_px"),
        ("/data/0/cx", json!(encoded(&inner)), "revenue"),
        ("/schema", json!("iglu:other"), "/schema"),
    ] {
        let mut bad = good.clone();
        *bad.pointer_mut(pointer).unwrap() = value;
        let wrong = Snowplow.inspect(Topic::Paid, &bad).join("; ");
        assert!(wrong.contains(word), "{pointer}: {wrong}");
    }
}
