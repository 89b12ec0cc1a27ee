//! Every rule once, each broken alone; the account's past; hostile input; the ledger's invariants.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use serde_json::{Value, json};
use time::{Duration, OffsetDateTime, macros::datetime};

use super::*;
use crate::platforms::{Severity, normalise::sha256_hex};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

struct Shop(Account);

impl Accounts for Shop {
    fn find(&self, key: &str) -> Option<&Account> {
        (self.0.key == key).then_some(&self.0)
    }

    fn is_valid_token(&self, _: &Account, token: &str) -> bool {
        token == "ya29.good"
    }
}

fn shop() -> Shop {
    Shop(GoogleAds.account(&AccountSeed { shop: 12, number: 987_654_321_987 }))
}

fn request(method: &str, body: &Value) -> Request {
    Request {
        method: "POST".into(),
        host: "googleads.googleapis.com".into(),
        path: format!("/v26/customers/{}:{method}", shop().0.key),
        headers: vec![
            ("authorization".into(), "Bearer ya29.good".into()),
            ("content-type".into(), "application/json".into()),
            ("login-customer-id".into(), shop().0.field("login_customer_id").into()),
        ],
        body: body.to_string(),
        ..Request::default()
    }
}

fn action() -> String {
    format!("customers/{}/conversionActions/{}", shop().0.key, shop().0.field("conversion_action"))
}

fn sale(order: &str) -> Value {
    json!({
        "gclid": "Cj0KCQiA-Test_0123456789",
        "conversionAction": action(),
        "conversionDateTime": "2026-11-25 12:30:00+01:00",
        "conversionValue": 49.99,
        "currencyCode": "EUR",
        "orderId": order,
        "consent": { "adUserData": "GRANTED", "adPersonalization": "DENIED" },
    })
}

fn refund(order: &str, at: &str, remaining: Option<f64>) -> Value {
    let mut row = json!({
        "adjustmentType": if remaining.is_some() { "RESTATEMENT" } else { "RETRACTION" },
        "conversionAction": action(),
        "adjustmentDateTime": at,
        "orderId": order,
    });
    if let Some(value) = remaining {
        row["restatementValue"] = json!({ "adjustedValue": value, "currencyCode": "EUR" });
    }
    row
}

fn clicks(rows: &[Value]) -> Request {
    request("uploadClickConversions", &json!({ "conversions": rows, "partialFailure": true }))
}

fn adjustments(rows: &[Value]) -> Request {
    request(
        "uploadConversionAdjustments",
        &json!({ "conversionAdjustments": rows, "partialFailure": true }),
    )
}

fn ask(request: &Request, ledger: &[Entry]) -> (Reading, Answer) {
    let reading = GoogleAds.read(request, NOW, &shop());
    let answer = GoogleAds.answer(request, &reading, ledger);
    (reading, answer)
}

/// Sends the request and puts what was taken into the ledger; gives the codes of the row errors.
fn send(request: &Request, ledger: &mut Vec<Entry>) -> Vec<String> {
    let (reading, answer) = ask(request, ledger);
    for index in &answer.accepted {
        ledger.push(Entry {
            exchange: ledger.len() as u64,
            channel: Channel::Server,
            at: NOW,
            item: reading.items[*index].clone(),
            owner: None,
        });
    }
    codes(&answer.reply)
}

fn codes(reply: &Reply) -> Vec<String> {
    let body: Value = serde_json::from_str(&reply.body).unwrap();
    let errors = &body["partialFailureError"]["details"][0]["errors"];
    let of = |e: &Value| {
        e["errorCode"].as_object().unwrap().values().next().unwrap().as_str().unwrap().to_owned()
    };
    errors.as_array().map_or_else(Vec::new, |list| list.iter().map(of).collect())
}

#[test]
fn a_good_row_breaks_nothing_and_is_taken() {
    let (reading, answer) = ask(&clicks(&[sale("a")]), &[]);
    assert_eq!(reading.broken, []);
    assert_eq!((answer.reply.status, answer.accepted), (200, vec![0]));
    assert!(answer.reply.headers.iter().any(|(name, _)| name == "request-id"));
}

#[test]
fn each_rule_on_click_rows_is_found_and_answered_with_its_code() {
    let hash = sha256_hex("a@example.com");
    let email = |h: &str| json!([{ "hashedEmail": h }]);
    // What is changed, the rule it breaks, and the row error; none: the row is taken all the same.
    let table: Vec<(&str, Value, &str, Option<&str>)> = vec![
        ("gclid", json!("Cj0%2BKCQ"), "GADS-CLICKID-VERBATIM", Some("UNPARSEABLE_GCLID")),
        ("gclid", json!("has blank"), "GADS-CLICKID-VERBATIM", Some("UNPARSEABLE_GCLID")),
        ("gclid", json!(hash), "GADS-CLICKID-VERBATIM", Some("UNPARSEABLE_GCLID")),
        ("gclid", Value::Null, "GADS-ID-NEEDED", Some("REQUIRED")),
        ("gbraid", json!("0AAA"), "GADS-CLICKID-GCLID-GBRAID", None),
        ("wbraid", json!("CkAK"), "GADS-CLICKID-MIX", Some("VALUE_MUST_BE_UNSET")),
        ("conversionAction", Value::Null, "GADS-ACTION-NAME", Some("REQUIRED")),
        ("conversionAction", json!("987"), "GADS-ACTION-NAME", Some("RESOURCE_NAME_MALFORMED")),
        (
            "conversionAction",
            json!("customers/1/conversionActions/9"),
            "GADS-ACTION-NAME",
            Some("NO_CONVERSION_ACTION_FOUND"),
        ),
        (
            "conversionDateTime",
            json!("2026-11-25T11:30:00Z"),
            "GADS-DATETIME-FORMAT",
            Some("INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET"),
        ),
        (
            "conversionDateTime",
            json!("2026-11-31 12:30:00+01:00"),
            "GADS-DATETIME-FORMAT",
            Some("INVALID_FIELD_VALUES_IN_DATE_TIME"),
        ),
        ("conversionDateTime", Value::Null, "GADS-DATETIME-FORMAT", Some("REQUIRED")),
        ("conversionDateTime", json!("2026-11-25 14:30:00+01:00"), "GADS-DATETIME-FUTURE", None),
        (
            "conversionDateTime",
            json!("2026-08-01 12:30:00+01:00"),
            "GADS-AGE-GCLID",
            Some("EXPIRED_EVENT"),
        ),
        ("currencyCode", json!("eur"), "GADS-CURRENCY", Some("UNSUPPORTED")),
        ("orderId", json!("a@example.com"), "GADS-ORDERID", Some("ORDER_ID_CONTAINS_PII")),
        (
            "userIpAddress",
            json!("192.0.2.1"),
            "GADS-POLICY-IPSESSION",
            Some("CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"),
        ),
        (
            "externalAttributionData",
            json!({}),
            "GADS-EXTATTR",
            Some("EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION"),
        ),
        (
            "customVariables",
            json!([{ "value": "a@example.com" }]),
            "GADS-CUSTVAR",
            Some("CUSTOM_VARIABLE_VALUE_CONTAINS_PII"),
        ),
        ("consent", json!({ "adUserData": "UNKNOWN" }), "GADS-CONSENT-ENUM", None),
        (
            "userIdentifiers",
            email("a@example.com"),
            "GADS-UID-HASH",
            Some("INVALID_USER_IDENTIFIER"),
        ),
        ("userIdentifiers", email(&hash.to_uppercase()), "GADS-UID-HASH", None),
        ("userIdentifiers", email(&sha256_hex("")), "GADS-UID-EMPTY", None),
        ("userIdentifiers", email(&sha256_hex("undefined")), "GADS-UID-EMPTY", None),
        (
            "userIdentifiers",
            json!([{ "mobileId": "x" }]),
            "GADS-UID-KINDS-CLICK",
            Some("UNSUPPORTED_USER_IDENTIFIER"),
        ),
        (
            "userIdentifiers",
            json!([{ "addressInfo": { "hashedFirstName": hash } }]),
            "GADS-UID-ADDRESS",
            None,
        ),
        (
            "userIdentifiers",
            json!(vec![json!({ "hashedEmail": hash }); 6]),
            "GADS-UID-MAX",
            Some("TOO_MANY"),
        ),
    ];
    for (field, value, rule, code) in table {
        let mut row = sale("a");
        row[field] = value.clone();
        let (reading, answer) = ask(&clicks(&[sale("b"), row]), &[]);
        let broken: Vec<_> = reading.broken.iter().map(|v| (v.rule, v.item, v.refused)).collect();
        assert_eq!(broken, [(rule, Some(1), code.is_some())], "{field}: {value}");
        assert_eq!(answer.reply.status, 200, "{field}: {value}");
        assert_eq!(codes(&answer.reply), code.into_iter().collect::<Vec<_>>(), "{field}: {value}");
        assert_eq!(answer.accepted, if code.is_some() { vec![0] } else { vec![0, 1] }, "{field}");
    }
}

#[test]
fn rows_that_break_several_things_name_them_all() {
    let mut row = sale("a");
    row["gclid"] = Value::Null;
    row["gbraid"] = json!("0AAA");
    row["wbraid"] = json!("CkAK");
    row["userIdentifiers"] = json!([{ "hashedEmail": sha256_hex("a@example.com") }]);
    row["consent"] = json!({ "adUserData": "DENIED" });
    let (reading, answer) = ask(&clicks(&[row]), &[]);
    let rules: Vec<_> = reading.broken.iter().map(|v| v.rule).collect();
    assert_eq!(rules, ["GADS-CLICKID-BRAIDS", "GADS-CLICKID-MIX", "GADS-CONSENT-DENIED"]);
    assert_eq!(codes(&answer.reply), ["GBRAID_WBRAID_BOTH_SET", "VALUE_MUST_BE_UNSET"]);
}

#[test]
fn the_front_end_refuses_the_whole_request_and_names_the_place_as_sent() {
    for (field, value, rule) in [
        ("oderId", json!("a"), "GADS-JSON-NAMES"),
        ("orderId", json!(1001), "GADS-JSON-NAMES"),
        ("consent", json!({ "adUserData": "CONSENT_GRANTED" }), "GADS-CONSENT-ENUM"),
        (
            "userIdentifiers",
            json!([{ "hashedEmail": "a", "hashedPhoneNumber": "b" }]),
            "GADS-JSON-ONEOF",
        ),
    ] {
        let mut row = sale("a");
        row[field] = value;
        let (reading, answer) = ask(&clicks(&[sale("b"), row]), &[]);
        assert_eq!((answer.reply.status, answer.accepted), (400, vec![]));
        assert!(
            reading.broken.iter().any(|v| v.rule == rule && v.refused && v.item == Some(1)),
            "{field}"
        );
    }
    let snake = json!({ "conversions": [{ "order_id": "a@example.com", "gclid": "x" }], "partial_failure": true });
    let reading = ask(&request("uploadClickConversions", &snake), &[]).0;
    assert!(
        reading.broken.iter().any(|v| v.at == "/conversions/0/order_id"),
        "{:?}",
        reading.broken
    );
}

#[test]
fn calls_are_refused_for_path_token_manager_and_size() {
    let status = |change: &dyn Fn(&mut Request)| {
        let mut request = clicks(&[sale("a")]);
        change(&mut request);
        let (reading, answer) = ask(&request, &[]);
        assert!(answer.accepted.is_empty());
        (answer.reply.status, reading.broken.into_iter().find(|v| v.refused).unwrap().rule)
    };
    let header = |name: &'static str, value: &'static str| {
        move |r: &mut Request| {
            r.headers.retain(|(n, _)| n != name);
            r.headers.push((name.into(), value.into()));
        }
    };
    assert_eq!(status(&|r| r.method = "GET".into()), (404, "GADS-URL-CLICK"));
    assert_eq!(status(&|r| r.path = r.path.replace("v26", "v27")), (404, "GADS-VERSION-LIVE"));
    assert_eq!(status(&|r| r.path = r.path.replace("v26", "v21")), (400, "GADS-VERSION-DEAD"));
    assert_eq!(
        status(&|r| r.path = "/v26/customers/123-456-7890:uploadClickConversions".into()),
        (400, "GADS-CID-FORMAT")
    );
    assert_eq!(status(&header("authorization", "Bearer ya29.old")), (401, "GADS-HDR-AUTH"));
    assert_eq!(status(&header("login-customer-id", "999-888-7777")), (400, "GADS-HDR-LOGIN"));
    assert_eq!(status(&header("login-customer-id", "1111111111")), (403, "GADS-HDR-LOGIN"));
    assert_eq!(status(&|r| r.body = "{\"partialFailure\":true}".into()), (400, "GADS-BATCH-2000"));
    assert_eq!(status(&|r| r.body = "[]".into()), (400, "GADS-JSON-NAMES"));
    assert_eq!(status(&|r| r.body = clicks(&vec![sale("a"); 2001]).body), (400, "GADS-BATCH-2000"));
    let mut colon = clicks(&[sale("a")]);
    colon.path = colon.path.replace(':', "%3A");
    assert_eq!(ask(&colon, &[]).1.accepted, [0]);
}

#[test]
fn a_request_that_did_not_arrive_whole_is_no_fault_of_the_relay() {
    let mut request = clicks(&[sale("a")]);
    request.body.truncate(20);
    request.incomplete = true;
    let (reading, answer) = ask(&request, &[]);
    assert!(reading.broken.is_empty() && answer.accepted.is_empty());
}

#[test]
fn copies_in_one_request_are_all_refused() {
    let (reading, answer) = ask(&clicks(&[sale("a"), sale("b"), sale("a")]), &[]);
    assert_eq!(codes(&answer.reply), ["DUPLICATE_ORDER_ID", "DUPLICATE_ORDER_ID"]);
    assert_eq!(answer.accepted, [1]);
    assert!(reading.broken.iter().all(|v| v.rule == "GADS-DEDUP-BATCH"));
    let mut nameless = sale("a");
    nameless["orderId"] = Value::Null;
    let (_, answer) = ask(&clicks(&[nameless.clone(), nameless]), &[]);
    assert_eq!(codes(&answer.reply), vec!["DUPLICATE_CLICK_CONVERSION_IN_REQUEST"; 2]);
    let twice = refund("a", "2026-11-25 13:00:00+01:00", None);
    let (_, answer) = ask(&adjustments(&[twice.clone(), twice]), &[]);
    assert_eq!(codes(&answer.reply), vec!["DUPLICATE_ADJUSTMENT_IN_REQUEST"; 2]);
}

#[test]
fn an_order_is_taken_once_and_adjusted_in_order() {
    let mut ledger = Vec::new();
    let adjust = |at: &str, remaining| adjustments(&[refund("a", at, remaining)]);
    assert_eq!(
        send(&adjust("2026-11-25 13:00:00+01:00", None), &mut ledger),
        ["CONVERSION_NOT_FOUND"]
    );
    assert!(send(&clicks(&[sale("a")]), &mut ledger).is_empty());
    assert_eq!(send(&clicks(&[sale("a")]), &mut ledger), ["ORDER_ID_ALREADY_IN_USE"]);
    assert_eq!(
        send(&adjust("2026-11-25 12:29:59+01:00", None), &mut ledger),
        ["ADJUSTMENT_PRECEDES_CONVERSION"]
    );
    assert_eq!(
        send(&adjust("2027-01-25 12:00:00+01:00", None), &mut ledger),
        ["CONVERSION_EXPIRED"]
    );
    assert!(send(&adjust("2026-11-25 14:00:00+01:00", Some(30.0)), &mut ledger).is_empty());
    assert_eq!(
        send(&adjust("2026-11-25 14:00:00+01:00", Some(30.0)), &mut ledger),
        ["RESTATEMENT_ALREADY_EXISTS"]
    );
    assert_eq!(
        send(&adjust("2026-11-25 13:30:00+01:00", Some(40.0)), &mut ledger),
        ["MORE_RECENT_RESTATEMENT_FOUND"]
    );
    let counted = GoogleAds.count(&ledger);
    let [one] = counted.as_slice() else { panic!("one conversion: {counted:?}") };
    assert_eq!((one.value, one.retracted), (Some(30.into()), false));
    assert!(send(&adjust("2026-11-25 15:00:00+01:00", None), &mut ledger).is_empty());
    assert_eq!(
        send(&adjust("2026-11-25 16:00:00+01:00", None), &mut ledger),
        ["CONVERSION_ALREADY_RETRACTED"]
    );
    let one = GoogleAds.count(&ledger).remove(0);
    assert_eq!((one.value, one.retracted, one.entries), (Some(0.into()), true, vec![0, 1, 2]));
}

#[test]
fn a_conversion_without_order_id_is_known_by_click_and_time() {
    let mut nameless = sale("a");
    nameless["orderId"] = Value::Null;
    let mut ledger = Vec::new();
    assert!(send(&clicks(&[nameless.clone()]), &mut ledger).is_empty());
    assert_eq!(
        send(&clicks(&[nameless.clone()]), &mut ledger),
        ["CLICK_CONVERSION_ALREADY_EXISTS"]
    );
    nameless["conversionDateTime"] = json!("2026-11-25 12:30:01+01:00");
    assert!(send(&clicks(&[nameless]), &mut ledger).is_empty());
    assert_eq!(GoogleAds.count(&ledger).len(), 2);
    let mut by_pair = refund("", "2026-11-25 13:00:00+01:00", None);
    // The same moment in another offset.
    by_pair["gclidDateTimePair"] = json!({ "gclid": "Cj0KCQiA-Test_0123456789", "conversionDateTime": "2026-11-25 11:30:00+00:00" });
    assert!(send(&adjustments(&[by_pair]), &mut ledger).is_empty());
    let retracted: Vec<bool> = GoogleAds.count(&ledger).iter().map(|c| c.retracted).collect();
    assert_eq!(retracted, [true, false]);
}

#[test]
fn each_rule_on_adjustments_is_found() {
    let at = "2026-11-25 13:00:00+01:00";
    let with = |mut row: Value, field: &str, value: Value| {
        row[field] = value;
        row
    };
    let full = || refund("a", at, None);
    let pair = json!({ "gclid": "x", "conversionDateTime": at });
    for (row, rule, code) in [
        (with(full(), "adjustmentType", Value::Null), "GADS-ADJ-TYPE", "REQUIRED"),
        (with(full(), "orderId", Value::Null), "GADS-ADJ-ID", "REQUIRED"),
        (
            with(full(), "gclidDateTimePair", pair),
            "GADS-ADJ-ID",
            "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET",
        ),
        (with(full(), "adjustmentDateTime", Value::Null), "GADS-ADJ-TIME", "REQUIRED"),
        (
            with(full(), "adjustmentDateTime", json!("2026-11-25")),
            "GADS-DATETIME-FORMAT",
            "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
        ),
        (
            with(full(), "restatementValue", json!({ "adjustedValue": 1 })),
            "GADS-ADJ-RESTATE",
            "VALUE_MUST_BE_UNSET",
        ),
        (
            with(refund("a", at, Some(1.0)), "restatementValue", Value::Null),
            "GADS-ADJ-RESTATE",
            "REQUIRED",
        ),
        (
            with(full(), "conversionAction", json!("customers/1/conversionActions/9")),
            "GADS-ACTION-NAME",
            "INVALID_CONVERSION_ACTION",
        ),
        (with(full(), "adjustmentType", json!("ENHANCEMENT")), "GADS-ADJ-ENH", "REQUIRED"),
    ] {
        let (reading, answer) = ask(&adjustments(std::slice::from_ref(&row)), &[]);
        let broken: Vec<_> = reading.broken.iter().map(|v| v.rule).collect();
        assert_eq!((broken, codes(&answer.reply)), (vec![rule], vec![code.to_owned()]), "{row}");
    }
}

#[test]
fn every_rule_that_the_code_names_is_in_the_contract() {
    let ids = regex::Regex::new("\"(GADS-[A-Z0-9-]+)\"").unwrap();
    for code in [
        include_str!("judge.rs"),
        include_str!("judge/rows.rs"),
        include_str!("errors.rs"),
        include_str!("mod.rs"),
    ] {
        for found in ids.captures_iter(code) {
            assert!(rules::RULES.iter().any(|r| r.id == &found[1]), "{}", &found[1]);
        }
    }
    let mut seen = std::collections::BTreeSet::new();
    for rule in rules::RULES {
        assert!(
            seen.insert(rule.id) && rule.says.ends_with('.') && rule.source.starts_with("https://"),
            "{}",
            rule.id
        );
    }
    assert!(rules::RULES.iter().any(|r| r.severity == Severity::Should));
}

#[test]
fn violations_are_bounded_and_every_bad_row_stays_refused() {
    let mut bad = sale("");
    bad["gclid"] = json!("has blank");
    bad["currencyCode"] = json!("euro");
    let rows: Vec<Value> = (0..1500)
        .map(|n| {
            let mut row = bad.clone();
            row["orderId"] = json!(format!("o{n}"));
            row
        })
        .collect();
    let (reading, answer) = ask(&clicks(&rows), &[]);
    assert!(reading.broken.len() <= 1600);
    assert!(answer.accepted.is_empty());
}

#[test]
fn accounts_of_two_shops_share_nothing() {
    let fields = |shop| GoogleAds.account(&AccountSeed { shop, number: 5 }).fields;
    for (name, value) in fields(1) {
        assert_ne!(Some(&value), fields(2).get(name), "{name}");
    }
}

fn entry(order: Option<u8>, kind: ItemKind, value: i64) -> Entry {
    Entry {
        exchange: 0,
        channel: Channel::Server,
        at: NOW,
        item: Item {
            kind,
            key: order.map(|o| format!("o{o}")),
            target: Some("1".into()),
            time: Some(NOW),
            value: Some(value.into()),
            ..Item::default()
        },
        owner: None,
    }
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (0_u8..5, 0_u8..4, 0_i64..100).prop_map(|(order, kind, n)| {
        let at = Some(NOW + Duration::seconds(n));
        match kind {
            0 => entry(None, ItemKind::Purchase, n),
            1 => entry(Some(order), ItemKind::Restatement { at }, n),
            2 => entry(Some(order), ItemKind::Retraction { at }, n),
            _ => entry(Some(order), ItemKind::Purchase, n),
        }
    });
    prop::collection::vec(one, 0..24)
}

proptest! {
    #[test]
    fn counting_never_counts_more_than_was_taken(taken in entries()) {
        let counted = GoogleAds.count(&taken);
        let purchases = taken.iter().filter(|e| e.item.kind == ItemKind::Purchase).count();
        prop_assert!(counted.len() <= purchases);
        for one in &counted {
            prop_assert!(one.entries.contains(&one.winner) && one.entries.is_sorted());
        }
    }

    #[test]
    fn a_repeat_changes_neither_number_nor_values(taken in entries(), pick in any::<prop::sample::Index>()) {
        prop_assume!(!taken.is_empty());
        let again = taken[pick.index(taken.len())].clone();
        prop_assume!(again.item.key.is_some());
        let facts = |e: &[Entry]| -> Vec<_> {
            GoogleAds.count(e).iter().map(|c| (c.winner, c.value, c.retracted)).collect()
        };
        let before = facts(&taken);
        prop_assume!(again.item.kind != ItemKind::Purchase || before.iter().any(|(w, ..)| taken[*w].item.key == again.item.key));
        // A later restatement of the same time replaces an equal one.
        let same_time = |e: &Entry| matches!((&e.item.kind, &again.item.kind), (ItemKind::Restatement { at: a }, ItemKind::Restatement { at: b }) if a == b);
        prop_assume!(taken.iter().filter(|e| same_time(e) && e.item.key == again.item.key).count() <= 1);
        let repeated: Vec<Entry> = taken.iter().cloned().chain([again]).collect();
        prop_assert_eq!(before, facts(&repeated));
    }

    #[test]
    fn no_request_makes_it_panic(
        path in "/v2[0-9]/customers/[0-9]{9,11}:upload(Click|Call)Conversions|/v26/customers/[0-9-]{10}:uploadConversionAdjustments|\\PC*",
        body in "\\PC*|\\{\"conversions\":\\[\\{\"(gclid|orderId|conversionDateTime|userIdentifiers)\":(\"\\PC{0,30}\"|[0-9e.+-]{1,20}|\\[\\{\\}\\]|null)\\}\\],\"partialFailure\":true\\}",
        token in "\\PC{0,20}",
        class in 0_usize..10,
    ) {
        let request = Request { method: "POST".into(), path, body, headers: vec![("authorization".into(), token)], ..Request::default() };
        let reading = GoogleAds.read(&request, NOW, &shop());
        let answer = GoogleAds.answer(&request, &reading, &[]);
        prop_assert!(answer.accepted.iter().all(|i| *i < reading.items.len()));
        use FailureClass as F;
        let class = [F::RateLimited, F::Transient, F::ServerError, F::Unavailable, F::TokenExpired, F::Forbidden, F::Invalid, F::PartialInvalid, F::PartialTransient, F::TookNothing][class];
        GoogleAds.failure(class, &request, &reading, &[0, 7]);
    }
}
