//! The relay's normalisation against the published vectors of `tests/vectors/`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a failed unwrap is the failed test")]

use std::path::Path;

use relay::model::identity::{google, meta};
use serde_json::Value;

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
