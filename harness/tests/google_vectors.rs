//! The simulators of Google's APIs against requests that the official clients sent and answers in their recorded forms.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use harness::{
    exchange::{Reply, Request},
    platforms::{
        Account, Accounts, Answer, Channel, Entry, FailureClass, ItemKind, Platform, Reading,
        Severity, data_manager::DataManager, google_ads::GoogleAds,
    },
};
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

const NOW: OffsetDateTime = datetime!(2026-11-24 08:00 UTC);

/// The account that the recorded requests are for; its token is any that starts as the recorded ones do.
struct Recorded(Account);

impl Recorded {
    fn new() -> Self {
        Self(Account {
            key: "1234567890".into(),
            fields: BTreeMap::from([
                ("login_customer_id", "9998887777".to_owned()),
                ("login_account", "9998887777".to_owned()),
                ("conversion_action", "987654321".to_owned()),
            ]),
            secret: &[],
        })
    }
}

impl Accounts for Recorded {
    fn find(&self, key: &str) -> Option<&Account> {
        (key == self.0.key).then_some(&self.0)
    }

    fn is_valid_token(&self, _: &Account, token: &str) -> bool {
        token == "<access token>" || token == "ya29.loopback"
    }
}

fn vectors() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../tests/vectors/google-wire.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

fn request(case: &str) -> Request {
    let vectors = vectors();
    let found = vectors["requests"].as_array().unwrap().iter().find(|r| r["case"] == case);
    of(&found.unwrap_or_else(|| panic!("no vector {case}"))["http"])
}

fn of(http: &Value) -> Request {
    let text = |name: &str| http[name].as_str().unwrap_or_default().to_owned();
    Request {
        method: text("method"),
        path: text("path"),
        query: text("query"),
        headers: http["headers"]
            .as_object()
            .unwrap()
            .iter()
            .map(|(n, v)| (n.to_lowercase(), v.as_str().unwrap().to_owned()))
            .collect(),
        body: if http["body"].is_null() { String::new() } else { http["body"].to_string() },
        ..Request::default()
    }
}

fn recorded(case: &str) -> (u16, Value) {
    let vectors = vectors();
    let found = vectors["answers"].as_array().unwrap().iter().find(|r| r["case"] == case).unwrap();
    (u16::try_from(found["status"].as_u64().unwrap()).unwrap(), found["body"].clone())
}

/// A request like a recorded one with its body changed.
fn changed(case: &str, change: impl FnOnce(&mut Value)) -> Request {
    let mut request = request(case);
    let mut body: Value = serde_json::from_str(&request.body).unwrap();
    change(&mut body);
    request.body = body.to_string();
    request
}

fn ask(platform: &dyn Platform, request: &Request, ledger: &[Entry]) -> (Reading, Answer) {
    let reading = platform.read(request, NOW, &Recorded::new());
    let answer = platform.answer(request, &reading, ledger);
    (reading, answer)
}

fn body(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

/// Names and types, without values: what a client's parser sees.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let mut names: Vec<_> = members.iter().map(|(n, v)| (n.clone(), shape(v))).collect();
            names.sort_by(|a, b| a.0.cmp(&b.0));
            Value::Object(names.into_iter().collect())
        }
        Value::Array(list) => Value::Array(list.iter().map(shape).collect()),
        Value::String(_) => json!("text"),
        Value::Number(_) => json!("number"),
        Value::Bool(_) => json!("bool"),
        Value::Null => Value::Null,
    }
}

fn assert_like(reply: &Reply, case: &str) {
    let (status, wanted) = recorded(case);
    assert_eq!(reply.status, status, "{case}");
    assert_eq!(shape(&body(reply)), shape(&wanted), "{case}");
}

fn taken(
    platform: &dyn Platform,
    request: &Request,
    exchange: u64,
    ledger: &[Entry],
) -> Vec<Entry> {
    let (reading, answer) = ask(platform, request, ledger);
    answer
        .accepted
        .iter()
        .map(|i| Entry {
            exchange,
            channel: reading.channel,
            at: NOW,
            item: reading.items[*i].clone(),
            owner: None,
        })
        .collect()
}

#[test]
fn requests_of_the_official_clients_break_no_rule_that_fails_a_relay() {
    for vector in vectors()["requests"].as_array().unwrap() {
        let case = vector["case"].as_str().unwrap();
        let platform: &dyn Platform =
            if vector["api"] == "googleads" { &GoogleAds } else { &DataManager };
        let (reading, answer) = ask(platform, &of(&vector["http"]), &[]);
        let failing: Vec<_> = reading
            .broken
            .iter()
            .filter(|v| {
                platform.rules().iter().find(|r| r.id == v.rule).unwrap().severity == Severity::Must
            })
            .map(|v| v.rule)
            .collect();
        // The vectors say so themselves: the one is a transport example, the others only ask for a check.
        let expected: &[&str] = match case {
            "ads-click-gclid-ids-denied" => &["GADS-CONSENT-DENIED"],
            "ads-click-validate" => &["GADS-VALIDATE-ONLY"],
            "dm-validate" => &["GDM-VALIDATE"],
            _ => &[],
        };
        assert_eq!(failing, expected, "{case}");
        assert!(reading.broken.iter().all(|v| !v.refused), "{case}: {:?}", reading.broken);
        let status = if case == "dm-status" { 400 } else { 200 };
        assert_eq!(answer.reply.status, status, "{case}");
    }
}

#[test]
fn ads_rows_are_read_in_full() {
    let (reading, answer) = ask(&GoogleAds, &request("ads-click-order"), &[]);
    let item = &reading.items[0];
    assert_eq!(reading.account.as_deref(), Some("1234567890"));
    assert_eq!((item.kind.clone(), item.pointer.as_str()), (ItemKind::Purchase, "/conversions/0"));
    assert_eq!(item.key.as_deref(), Some("SHOP-10001"));
    assert_eq!(item.target.as_deref(), Some("987654321"));
    assert_eq!(item.time, Some(datetime!(2026-11-20 10:15:30 +01:00)));
    assert_eq!(item.value.unwrap().to_string(), "129.9");
    assert_eq!((item.consent_user_data, item.consent_personalise), (Some(true), Some(true)));
    assert_eq!(answer.accepted, [0]);

    let (reading, _) = ask(&GoogleAds, &request("ads-adj-gclidpair"), &[]);
    let item = &reading.items[0];
    assert_eq!(item.kind, ItemKind::Retraction { at: Some(datetime!(2026-11-23 00:00 UTC)) });
    assert_eq!(
        (item.key.as_deref(), item.time),
        (None, Some(datetime!(2026-11-20 10:15:30 +01:00)))
    );
}

#[test]
fn data_manager_reads_names_and_numbers_hex_and_base64_alike() {
    let hex = ask(&DataManager, &request("dm-ids-hex"), &[]).0;
    let base64 = ask(&DataManager, &request("dm-ids-b64"), &[]).0;
    assert_eq!(hex.items[0].identifiers[0], base64.items[0].identifiers[0]);
    let named = changed("dm-min", |b| {
        b["consent"] = json!({"ad_user_data": "CONSENT_DENIED"});
        b["events"][0]["consent"] = json!({"adPersonalization": 1});
    });
    let item = &ask(&DataManager, &named, &[]).0.items[0];
    assert_eq!((item.consent_user_data, item.consent_personalise), (Some(false), Some(true)));
    assert_eq!(item.target.as_deref(), Some("987654321"));
}

#[test]
fn ads_answers_have_the_recorded_forms() {
    let reply = |request: &Request| ask(&GoogleAds, request, &[]).1.reply;
    assert_like(&reply(&request("ads-click-min")), "ads-ok");
    assert_like(&reply(&request("ads-click-validate")), "ads-validate-only");
    let refund = request("ads-adj-retract");
    let sale = taken(&GoogleAds, &request("ads-click-order"), 1, &[]);
    assert_like(&ask(&GoogleAds, &refund, &sale).1.reply, "ads-adj-ok");

    let broken = changed("ads-click-batch", |b| {
        b["conversions"][1]["gclid"] = json!("bro%6Ben");
        let rows = b["conversions"].as_array_mut().unwrap();
        rows[2] = rows[0].clone();
        rows[2]["orderId"] = json!("A9");
    });
    let answer = ask(&GoogleAds, &broken, &[]).1;
    assert_like(&answer.reply, "ads-partial");
    assert_eq!(answer.accepted, [0, 2]);
    let partial = &body(&answer.reply)["partialFailureError"];
    assert_eq!(partial["message"], recorded("ads-partial").1["partialFailureError"]["message"]);
    assert_eq!(
        partial["details"][0]["errors"][0]["errorCode"],
        json!({"conversionUploadError": "UNPARSEABLE_GCLID"})
    );

    let again = ask(&GoogleAds, &request("ads-click-order"), &sale).1;
    assert_like(&again.reply, "ads-dup-order");
    assert_eq!(
        body(&again.reply)["partialFailureError"]["message"],
        recorded("ads-dup-order").1["partialFailureError"]["message"]
    );
    assert!(again.accepted.is_empty());
}

#[test]
fn ads_calls_are_refused_whole_in_the_recorded_forms() {
    let same = |request: &Request, case: &str| {
        let answer = ask(&GoogleAds, request, &[]).1;
        assert_like(&answer.reply, case);
        let message = |v: &Value| v["error"]["message"].clone();
        assert_eq!(message(&body(&answer.reply)), message(&recorded(case).1), "{case}");
        assert!(answer.accepted.is_empty(), "{case}");
    };
    same(&changed("ads-click-min", |b| b["partialFailure"] = json!(false)), "ads-partial-false");
    same(
        &changed("ads-click-min", |b| b["conversions"][0]["gclidd"] = json!("x")),
        "ads-unknown-field",
    );
    let mut other_token = request("ads-click-min");
    other_token.headers.retain(|(n, _)| n != "authorization");
    same(&other_token, "ads-401");
    let mut foreign = request("ads-click-min");
    foreign.path = foreign.path.replace("1234567890", "1234567891");
    same(&foreign, "ads-403");
    let mut dead = request("ads-click-min");
    dead.path = dead.path.replace("v26", "v22");
    let (reading, answer) = ask(&GoogleAds, &dead, &[]);
    assert_eq!(answer.reply.status, 400);
    assert!(reading.broken.iter().any(|v| v.rule == "GADS-VERSION-DEAD" && v.refused));
}

#[test]
fn data_manager_answers_have_the_recorded_forms() {
    let reply = |request: &Request| ask(&DataManager, request, &[]).1.reply;
    assert_like(&reply(&request("dm-min")), "dm-ok");
    let cart =
        changed("dm-cart", |b| b["events"][0]["adIdentifiers"] = json!({"gbraid": "0AAAAAo_x"}));
    assert_like(&reply(&cart), "dm-warn");
    assert_eq!(
        body(&reply(&cart))["fieldWarnings"][0]["field"],
        recorded("dm-warn").1["fieldWarnings"][0]["field"]
    );

    let hex = changed("dm-ids-hex", |b| {
        let good = b["events"][0]["userData"]["userIdentifiers"][0].clone();
        let bad = json!({"emailAddress": "not hex"});
        let mut second = b["events"][0].clone();
        b["events"][0]["userData"]["userIdentifiers"] = json!([good, bad]);
        second["transactionId"] = json!("SHOP-2");
        second["userData"]["userIdentifiers"] = json!([good, good, bad]);
        b["events"].as_array_mut().unwrap().push(second);
    });
    let answer = ask(&DataManager, &hex, &[]).1;
    assert_like(&answer.reply, "dm-400-hex");
    let violations = |v: &Value| v["error"]["details"][2]["fieldViolations"].clone();
    assert_eq!(violations(&body(&answer.reply)), violations(&recorded("dm-400-hex").1));
    assert!(answer.accepted.is_empty());

    let missing = changed("dm-min", |b| {
        b["events"][0].as_object_mut().unwrap().remove("transactionId");
    });
    assert_like(&reply(&missing), "dm-400-source");
}

#[test]
fn a_request_id_answers_the_status_call() {
    let id = body(&ask(&DataManager, &request("dm-braids"), &[]).1.reply)["requestId"].clone();
    let mut status = request("dm-status");
    status.query = format!("requestId={}", id.as_str().unwrap());
    let (reading, answer) = ask(&DataManager, &status, &[]);
    assert_eq!((reading.channel, reading.account.as_deref()), (Channel::Other, Some("1234567890")));
    let answer = body(&answer.reply);
    let state = &answer["requestStatusPerDestination"][0];
    assert_eq!(state["requestStatus"], "PROCESSING");
    assert_eq!(state["eventsIngestionStatus"]["recordCount"], "2");
}

#[test]
fn planned_failures_are_googles_own_words() {
    let fail = |platform: &dyn Platform, case: &str, class, rows: &[usize]| {
        let request = request(case);
        let reading = platform.read(&request, NOW, &Recorded::new());
        platform.failure(class, &request, &reading, rows)
    };
    let ads = |class, rows: &[usize]| fail(&GoogleAds, "ads-click-batch", class, rows).unwrap();
    let dm = |class, rows: &[usize]| fail(&DataManager, "dm-braids", class, rows).unwrap();

    assert_like(&ads(FailureClass::RateLimited, &[]).reply, "ads-429");
    assert_like(&ads(FailureClass::TokenExpired, &[]).reply, "ads-401");
    assert_like(&ads(FailureClass::Forbidden, &[]).reply, "ads-403");
    assert_like(&dm(FailureClass::RateLimited, &[]).reply, "dm-429");

    let partial = ads(FailureClass::PartialTransient, &[1]);
    assert_eq!((partial.reply.status, partial.accepted), (200, vec![0, 2]));
    let errors = &body(&partial.reply)["partialFailureError"]["details"][0]["errors"];
    assert_eq!(errors[0]["errorCode"], json!({"internalError": "TRANSIENT_ERROR"}));
    assert_eq!(
        errors[0]["location"]["fieldPathElements"][0],
        json!({"fieldName": "conversions", "index": 1})
    );
    let all = ads(FailureClass::Transient, &[]);
    assert_eq!(body(&all.reply)["results"], json!([{}, {}, {}]));
    assert!(all.accepted.is_empty());
    let nothing = ads(FailureClass::TookNothing, &[]);
    assert_eq!(nothing.reply.status, 200);
    assert!(nothing.accepted.is_empty() && body(&nothing.reply).get("results").is_none());

    let one = dm(FailureClass::PartialInvalid, &[1]);
    assert_eq!(one.reply.status, 400);
    assert!(one.accepted.is_empty());
    let violations = &body(&one.reply)["error"]["details"][2]["fieldViolations"];
    assert_eq!(violations.as_array().unwrap().len(), 1);
    assert_eq!(violations[0]["field"], "events.events[1]");
    assert_eq!(dm(FailureClass::Transient, &[]).reply.status, 409);
    assert!(fail(&DataManager, "dm-min", FailureClass::PartialTransient, &[0]).is_none());
    for class in [FailureClass::ServerError, FailureClass::Unavailable] {
        let wanted = if class == FailureClass::ServerError { 500 } else { 503 };
        assert_eq!(ads(class, &[]).reply.status, wanted);
        assert_eq!(dm(class, &[]).reply.status, wanted);
    }
}
