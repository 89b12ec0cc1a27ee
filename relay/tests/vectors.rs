//! The relay's normalisation against the published vectors of `tests/vectors/`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;

use relay::destinations::data_manager::{self, DataManager};
use relay::destinations::google_ads::{self, GoogleAds};
use relay::destinations::{Answer, Destination, Outcome};
use relay::model::conversion::Conversion;
use relay::model::identity::{google, meta};
use serde_json::{Value, json};

fn vectors(file: &str, list: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors").join(file);
    let text = std::fs::read_to_string(&path).expect("vector file");
    let parsed: Value = serde_json::from_str(&text).expect("vector file is JSON");
    let rows = parsed[list].as_array().expect("list of vectors").clone();
    assert!(rows.len() > 5, "{file} holds {} vectors", rows.len());
    rows
}

const SENT_TO_META: [&str; 9] =
    ["em", "ph", "fn", "ln", "ct", "st", "zp", "country", "external_id"];

/// What the relay sends to Meta for one vector; the vectors name no country.
fn for_meta(key: &str, given: &str) -> Option<String> {
    match key {
        "em" => meta::email(given),
        "ph" => meta::phone(given, None),
        "fn" | "ln" => meta::name(given),
        "ct" => meta::city(given),
        "st" => meta::state(given, None),
        "zp" => meta::zip(given, None),
        "country" => meta::country(given),
        "external_id" => meta::external_id(given),
        other => panic!("unknown key {other}"),
    }
}

#[test]
fn meta_hashes_are_the_right_or_a_tolerated_one() {
    let mut judged = 0;
    let mut wrong = Vec::new();
    for row in vectors("meta-normalization.json", "vectors") {
        let (key, given) = (row["key"].as_str().unwrap(), row["given"].as_str().unwrap_or(""));
        // The relay sends no birthday, gender or SDK-only key, and a currency is no identifier.
        if !SENT_TO_META.contains(&key) {
            continue;
        }
        let sent = for_meta(key, given);
        let tolerated = |hash: &String| {
            row["tolerated"].as_array().is_some_and(|list| list.iter().any(|h| h == hash.as_str()))
        };
        let holds = match (row["right"].as_str(), &sent) {
            (Some(right), sent) => sent.as_deref() == Some(right),
            (None, Some(hash)) => tolerated(hash) && row["leave_out"] != true,
            // Leaving out what nobody can read for certain is always fine.
            (None, None) => true,
        };
        if !holds {
            wrong.push(format!("{key} {given:?} -> {sent:?}, vector {row}"));
        }
        judged += 1;
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(judged > 150, "only {judged} vectors were judged");
}

#[test]
fn meta_identifiers_that_can_be_read_are_not_left_out() {
    for (key, given) in [
        ("fn", "Mary Jane"),
        ("ln", "García Márquez"),
        ("ct", "São Paulo"),
        ("ct", "東京"),
        ("st", "Île-de-France"),
        ("country", "XK"),
    ] {
        assert!(for_meta(key, given).is_some(), "{key} {given:?}");
    }
}

#[test]
fn google_forms_and_hashes_are_those_of_the_official_utility() {
    let mut judged = 0;
    for row in vectors("google-normalization.json", "vectors") {
        let (kind, given) = (row["kind"].as_str().unwrap(), row["given"].as_str().unwrap_or(""));
        let (sent, expected) = match kind {
            "email" => (google::email(given), &row["hex"]),
            "phone" => (google::phone(given, Some("US")), &row["hex"]),
            "given_name" | "family_name" => (google::name(given), &row["hex"]),
            "postal_code" => (google::postal_code(given), &row["form"]),
            "region_code" => (google::region_code(given), &row["form"]),
            // Not sent by the relay.
            "address_line" | "city" | "administrative_area" => continue,
            other => panic!("unknown kind {other}"),
        };
        if row["unsound"].is_string() {
            assert_ne!(sent.as_deref(), expected.as_str(), "{row}");
        } else {
            assert_eq!(sent.as_deref(), expected.as_str(), "{row}");
        }
        judged += 1;
    }
    assert!(judged > 90, "only {judged} vectors were judged");
}

#[test]
fn google_hashes_are_not_those_of_the_sample_code() {
    for row in vectors("google-normalization.json", "sample_code") {
        let given = row["given"].as_str().unwrap();
        let sent = match row["kind"].as_str().unwrap() {
            "email" => google::email(given),
            "phone" => google::phone(given, None),
            other => panic!("unknown kind {other}"),
        };
        assert_eq!(sent.as_deref(), row["hex"].as_str(), "{row}");
    }
}

/// A purchase as the core hands it over, with what both Google platforms need.
fn purchase() -> Conversion {
    serde_json::from_value(json!({
        "event_id": "order_1001",
        "kind": { "type": "purchase" },
        "occurred_at": [2026, 324, 10, 15, 30, 0, 1, 0, 0],
        "value": "129.90",
        "currency": "EUR",
        "order_id": "1001",
        "order_name": null,
        "items": [],
        "click": { "gclid": "Cj0KCQiA-type-CaseSensitive" },
        "device": {},
        "contact": { "email": "dana@example.com", "phone": "+1 800 555 0100", "first_name": "Dana",
            "last_name": "Reed", "postcode": "94043", "country": "US" },
        "consent": { "ads_user_data": "granted", "ads_personalise": "denied", "limited_data_use": false },
        "in_store": false
    }))
    .expect("conversion")
}

fn google_ads() -> GoogleAds {
    let settings: google_ads::Settings = serde_json::from_value(json!({
        "customer_id": "1234567890", "login_customer_id": "9998887777", "conversion_action": "987654321",
        "client_id": "id", "client_secret": "secret", "refresh_token": "refresh"
    }))
    .expect("settings");
    GoogleAds::new(settings).expect("destination")
}

fn data_manager() -> DataManager {
    let settings: data_manager::Settings = serde_json::from_value(json!({
        "operating_account": "1234567890", "login_account": "9998887777", "conversion_action": "987654322",
        "client_id": "id", "client_secret": "secret", "refresh_token": "refresh"
    }))
    .expect("settings");
    DataManager::new(settings).expect("destination")
}

/// One letter per outcome: Delivered, Retry, Credentials, Split, reJected.
fn letters(outcomes: &[Outcome]) -> String {
    let letter = |outcome: &Outcome| match outcome {
        Outcome::Delivered { .. } => 'D',
        Outcome::Retry { .. } => 'R',
        Outcome::Credentials { .. } => 'C',
        Outcome::Split { .. } => 'S',
        Outcome::Rejected { .. } => 'J',
    };
    outcomes.iter().map(letter).collect()
}

#[test]
fn recorded_google_answers_are_understood() {
    let expected = [
        ("ads-ok", "D"),
        ("ads-partial", "DJD"),
        ("ads-partial-multi", "JDR"),
        ("ads-dup-order", "D"),
        // Without results nothing is confirmed; the relay never asks for validation only.
        ("ads-validate-only", "R"),
        ("ads-401", "CC"),
        ("ads-403", "CC"),
        ("ads-429", "RR"),
        ("ads-partial-false", "J"),
        ("ads-unknown-field", "JR"),
        ("dm-ok", "DD"),
        ("dm-warn", "DD"),
        ("dm-400-hex", "JJR"),
        ("dm-400-source", "JR"),
        ("dm-403-disabled", "CC"),
        ("dm-429", "RR"),
    ];
    let answers = vectors("google-wire.json", "answers");
    for (case, letters_expected) in expected {
        let row = answers.iter().find(|row| row["case"] == case).expect(case);
        let answer = Answer {
            status: u16::try_from(row["status"].as_u64().unwrap()).unwrap(),
            retry_after: None,
            content_type: Some("application/json".to_owned()),
            body: row["body"].to_string(),
            truncated: false,
        };
        let sent = vec![purchase(); letters_expected.len()];
        let outcomes = if case.starts_with("ads-") {
            google_ads().outcomes(&sent, &answer)
        } else {
            data_manager().outcomes(&sent, &answer)
        };
        assert_eq!(letters(&outcomes), letters_expected, "{case}: {outcomes:?}");
    }
}

/// Every path of object keys in a value, list indices left out.
fn paths(value: &Value, prefix: &str, found: &mut std::collections::BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let path = format!("{prefix}.{name}");
                paths(member, &path, found);
                found.insert(path);
            }
        }
        Value::Array(members) => members.iter().for_each(|member| paths(member, prefix, found)),
        _ => {}
    }
}

#[test]
fn google_requests_use_only_fields_of_the_official_clients() {
    for (api, request) in [
        ("googleads", google_ads().request(&[purchase()])),
        ("datamanager", data_manager().request(&[purchase()])),
    ] {
        let mut known = std::collections::BTreeSet::new();
        for row in vectors("google-wire.json", "requests").iter().filter(|row| row["api"] == api) {
            paths(&row["http"]["body"], "", &mut known);
        }
        // The consent of a request and of an event are the same message.
        let of_events: Vec<String> = known.iter().map(|path| format!(".events{path}")).collect();
        known.extend(of_events.into_iter().filter(|path| path.starts_with(".events.consent")));
        let mut sent = std::collections::BTreeSet::new();
        let body: Value = serde_json::from_str(&request.body.0).expect("body is JSON");
        paths(&body, "", &mut sent);
        assert!(sent.len() > 10, "{sent:?}");
        let unknown: Vec<&String> = sent.difference(&known).collect();
        assert!(unknown.is_empty(), "{api}: {unknown:?}");
    }
}
