//! Every rule once, each broken alone; joining with the tag; hostile input; the ledger's invariants.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use base64::{
    Engine,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use proptest::prelude::*;
use serde_json::{Value, json};
use time::{OffsetDateTime, macros::datetime};

use super::*;
use crate::platforms::{Item, ItemKind, normalise::sha256_hex};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

struct Shops(Vec<Account>);

impl Accounts for Shops {
    fn find(&self, key: &str) -> Option<&Account> {
        self.0.iter().find(|a| a.key == key)
    }

    fn is_valid_token(&self, _: &Account, token: &str) -> bool {
        token == "ya29.good"
    }
}

fn shops() -> Shops {
    let account = |shop| DataManager.account(&AccountSeed { shop, number: 987_654_321_987 });
    Shops(vec![account(12), account(13)])
}

fn account() -> Account {
    shops().0.remove(0)
}

fn good() -> Value {
    json!({
        "destinations": [{
            "operatingAccount": { "accountType": "GOOGLE_ADS", "accountId": account().key },
            "loginAccount": { "accountType": "GOOGLE_ADS", "accountId": account().field("login_account") },
            "productDestinationId": account().field("conversion_action"),
        }],
        "encoding": "HEX",
        "events": [event("order_1")],
    })
}

fn event(id: &str) -> Value {
    json!({
        "transactionId": id,
        "eventTimestamp": "2026-11-25T12:30:00+01:00",
        "eventSource": "WEB",
        "conversionValue": 49.99,
        "currency": "EUR",
        "adIdentifiers": { "gclid": "Cj0KCQiA-Test_0123456789" },
        "userData": { "userIdentifiers": [{ "emailAddress": sha256_hex("a@example.com") }] },
        "consent": { "adUserData": "CONSENT_GRANTED", "adPersonalization": "CONSENT_DENIED" },
    })
}

fn post(body: &Value) -> Request {
    Request {
        method: "POST".into(),
        path: "/v1/events:ingest".into(),
        headers: vec![("authorization".into(), "Bearer ya29.good".into())],
        body: body.to_string(),
        ..Request::default()
    }
}

fn ask(request: &Request) -> (Reading, Answer) {
    let reading = DataManager.read(request, NOW, &shops());
    let answer = DataManager.answer(request, &reading, &[]);
    (reading, answer)
}

fn taken(request: &Request, ledger: &mut Vec<Entry>) {
    let (reading, answer) = ask(request);
    for index in answer.accepted {
        ledger.push(Entry {
            exchange: ledger.len() as u64,
            channel: reading.channel,
            at: NOW,
            item: reading.items[index].clone(),
            owner: None,
        });
    }
}

fn copy(event_id: &str) -> BrowserCopy {
    BrowserCopy {
        event_id: event_id.into(),
        value: "45.00".parse().unwrap(),
        currency: "USD".into(),
        url: "https://shop.example.com/thanks?order=1&x=ä".into(),
        ids: BTreeMap::from([
            ("gclid".to_owned(), "Cj0KCQiA+Test/=".to_owned()),
            ("_fbp".to_owned(), "fb.1.2.3".to_owned()),
        ]),
        ip: "192.0.2.7".into(),
        user_agent: "Mozilla/5.0 (traceable)".into(),
        at: NOW,
    }
}

fn violations(answer: &Answer) -> Vec<(String, String)> {
    let body: Value = serde_json::from_str(&answer.reply.body).unwrap();
    let list =
        body["error"]["details"][2]["fieldViolations"].as_array().cloned().unwrap_or_default();
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    list.iter().map(|v| (text(&v["reason"]), text(&v["field"]))).collect()
}

#[test]
fn a_good_request_breaks_nothing_and_is_taken() {
    let (reading, answer) = ask(&post(&good()));
    assert_eq!(reading.broken, []);
    assert_eq!((answer.reply.status, answer.accepted), (200, vec![0]));
    assert_eq!(reading.account, Some(account().key));
    assert_eq!(reading.items[0].consent_personalise, Some(false));
}

#[test]
fn each_rule_on_events_refuses_the_whole_request_and_names_the_event() {
    let hash = sha256_hex("a@example.com");
    let base64 = STANDARD.encode(hex::decode(&hash).unwrap());
    let user = |identifier: Value| json!({ "userIdentifiers": [identifier] });
    let address = |change: &dyn Fn(&mut Value)| {
        let mut address = json!({ "givenName": hash, "familyName": hash, "regionCode": "US", "postalCode": "94045" });
        change(&mut address);
        json!({ "userIdentifiers": [{ "address": address }] })
    };
    let at = |rest: &str| format!("events.events[1]{rest}");
    let uid = at(".user_data.user_identifiers[0]");
    // What is changed, the rule, and reason and field of the answer; none: taken all the same.
    type Row = (&'static str, Value, &'static str, Option<(&'static str, String)>);
    let table: Vec<Row> = vec![
        (
            "transactionId",
            Value::Null,
            "GDM-TXN",
            Some(("REQUIRED_FIELD_MISSING", at(".transaction_id"))),
        ),
        ("transactionId", json!("12345"), "GDM-TXN-NUMERIC", None),
        (
            "eventTimestamp",
            Value::Null,
            "GDM-TIME-RFC3339",
            Some(("REQUIRED_FIELD_MISSING", at(".event_timestamp"))),
        ),
        ("eventTimestamp", json!("2026-08-01T00:00:00Z"), "GDM-LIMIT-AGE", None),
        (
            "currency",
            json!("eur"),
            "GDM-CURRENCY",
            Some(("INVALID_CURRENCY_CODE", at(".currency"))),
        ),
        ("currency", Value::Null, "GDM-CURRENCY", None),
        ("adIdentifiers", json!({ "gclid": "a%2Bb" }), "GDM-ADIDS", None),
        (
            "userData",
            user(json!({ "emailAddress": "a@example.com" })),
            "GDM-HASH",
            Some(("INVALID_HEX_ENCODING", uid.clone())),
        ),
        (
            "userData",
            user(json!({ "emailAddress": "abcd" })),
            "GDM-HASH",
            Some(("INVALID_SHA256_FORMAT", uid.clone())),
        ),
        (
            "userData",
            user(json!({ "emailAddress": base64 })),
            "GDM-HASH-MIX",
            Some(("INVALID_HEX_ENCODING", uid.clone())),
        ),
        ("userData", user(json!({ "phoneNumber": sha256_hex("null") })), "GDM-HASH", None),
        (
            "userData",
            address(&|a| a["postalCode"] = Value::Null),
            "GDM-ADDRESS-ALL",
            Some(("REQUIRED_FIELD_MISSING", uid.clone())),
        ),
        (
            "userData",
            address(&|a| a["regionCode"] = json!("us")),
            "GDM-REGION",
            Some(("INVALID_REGION_CODE", uid.clone())),
        ),
        (
            "userData",
            address(&|a| a["postalCode"] = json!(hash)),
            "GDM-NOHASH",
            Some(("INVALID_POSTAL_CODE", uid.clone())),
        ),
        ("userData", address(&|a| a["postalCode"] = json!(" 94045")), "GDM-POSTAL", None),
        (
            "userData",
            json!({ "userIdentifiers": vec![json!({ "emailAddress": hash }); 11] }),
            "GDM-UID-MAX",
            Some(("TOO_MANY_USER_IDENTIFIERS", at(".user_data.user_identifiers"))),
        ),
        (
            "thirdPartyUserData",
            json!({}),
            "GDM-3P",
            Some(("THIRD_PARTY_USER_DATA_NOT_ALLOWED", at(".third_party_user_data"))),
        ),
        (
            "destinationReferences",
            json!(["x"]),
            "GDM-REFS",
            Some(("INVALID_DESTINATION", at(".destination_references[0]"))),
        ),
        ("eventDeviceInfo", json!({ "ipAddress": hash }), "GDM-NOHASH", None),
    ];
    for (field, value, rule, answered) in table {
        let mut body = good();
        let mut bad = event("order_2");
        bad[field] = value.clone();
        body["events"].as_array_mut().unwrap().push(bad);
        let (reading, answer) = ask(&post(&body));
        let broken: Vec<_> = reading.broken.iter().map(|v| (v.rule, v.item, v.refused)).collect();
        assert_eq!(broken, [(rule, Some(1), answered.is_some())], "{field}: {value}");
        let wanted: Vec<_> = answered.iter().map(|(r, f)| ((*r).to_owned(), f.clone())).collect();
        assert_eq!(violations(&answer), wanted, "{field}: {value}");
        assert_eq!(
            answer.accepted,
            if answered.is_some() { vec![] } else { vec![0, 1] },
            "{field}"
        );
    }
}

#[test]
fn an_event_without_any_identifier_is_refused() {
    let mut body = good();
    let event = body["events"][0].as_object_mut().unwrap();
    event.remove("adIdentifiers");
    event.remove("userData");
    assert_eq!(
        violations(&ask(&post(&body)).1),
        [("NO_IDENTIFIERS_PROVIDED".into(), "events.events[0]".into())]
    );
}

#[test]
fn each_rule_on_the_envelope_is_answered() {
    let second = DataManager.account(&AccountSeed { shop: 99, number: 1 });
    let to = |path: &'static str, value: Value| {
        let mut body = good();
        *body.pointer_mut(path).unwrap() = value;
        let (reading, answer) = ask(&post(&body));
        assert!(answer.accepted.is_empty(), "{path}");
        let rule = reading.broken.iter().find(|v| v.refused).unwrap().rule;
        (
            rule,
            answer.reply.status,
            violations(&answer).first().map(|(r, _)| r.clone()).unwrap_or_default(),
        )
    };
    let is = |rule, status, reason: &str| (rule, status, reason.to_owned());
    assert_eq!(to("/events", json!([])), is("GDM-EVENTS-2000", 400, "REQUIRED_FIELD_MISSING"));
    assert_eq!(
        to("/events", json!(vec![event("a"); 2001])),
        is("GDM-EVENTS-2000", 400, "TOO_MANY_EVENTS")
    );
    assert_eq!(
        to("/destinations", json!(vec![good()["destinations"][0].clone(); 11])),
        is("GDM-DEST-COUNT", 400, "TOO_MANY_DESTINATIONS")
    );
    assert_eq!(to("/encoding", Value::Null), is("GDM-ENCODING", 400, "REQUIRED_FIELD_MISSING"));
    assert_eq!(
        to("/destinations/0/operatingAccount/accountId", json!("500-001-2987")),
        is("GDM-DEST-OPERATING", 400, "INVALID_NUMBER_FORMAT")
    );
    assert_eq!(
        to("/destinations/0/operatingAccount/accountId", json!(second.key)),
        is("GDM-DEST-OPERATING", 403, "")
    );
    assert_eq!(
        to("/destinations/0/operatingAccount/accountType", json!("DATA_PARTNER")),
        is("GDM-DEST-OPERATING", 400, "DESTINATION_ACCOUNT_TYPE_MISMATCH")
    );
    assert_eq!(
        to("/destinations/0/loginAccount/accountId", json!("1112223333")),
        is("GDM-DEST-LOGIN", 403, "")
    );
    assert_eq!(
        to("/destinations/0/productDestinationId", json!("customers/1/conversionActions/2")),
        is("GDM-DEST-ID", 400, "INVALID_CONVERSION_ACTION_ID")
    );
    assert_eq!(
        to("/events/0/consent/adUserData", json!("GRANTED")),
        is("GDM-CONSENT-EVENT", 400, "")
    );
    assert_eq!(
        to("/events/0/eventTimestamp", json!("2026-11-25 12:30:00+01:00")),
        is("GDM-TIME-RFC3339", 400, "")
    );
    assert_eq!(
        to("/events/0/eventTimestamp", json!(1_795_000_000)),
        is("GDM-TIME-RFC3339", 400, "")
    );
    assert_eq!(to("/events/0/eventSource", json!("web")), is("GDM-SOURCE", 400, ""));
    assert_eq!(to("/events/0/userData", json!({ "email": "x" })), is("GDM-JSON-NAMES", 400, ""));
}

#[test]
fn only_valid_bearers_may_call_and_self_signed_ones_may() {
    let status = |bearer: &str| {
        let mut request = post(&good());
        request.headers = vec![("authorization".into(), bearer.into())];
        let (reading, answer) = ask(&request);
        (answer.reply.status, reading.broken.first().map(|v| v.rule))
    };
    assert_eq!(status("Bearer ya29.old"), (401, Some("GDM-AUTH")));
    assert_eq!(status("Basic x"), (401, Some("GDM-AUTH")));
    let part = |value: Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let own = |aud: &str, from: i64| {
        let start = NOW.unix_timestamp() + from;
        let claims =
            json!({ "iss": "a@b", "sub": "a@b", "aud": aud, "iat": start, "exp": start + 3600 });
        format!("Bearer {}.{}.c2ln", part(json!({ "alg": "RS256" })), part(claims))
    };
    assert_eq!(status(&own("https://datamanager.googleapis.com/", -60)), (200, None));
    assert_eq!(
        status(&own("https://googleads.googleapis.com/", 0)),
        (401, Some("GDM-AUTH-SELFJWT"))
    );
    assert_eq!(
        status(&own("https://datamanager.googleapis.com/", -7200)),
        (401, Some("GDM-AUTH-SELFJWT"))
    );
}

#[test]
fn a_check_stores_nothing() {
    let mut body = good();
    body["validateOnly"] = json!(true);
    let (reading, answer) = ask(&post(&body));
    assert_eq!((answer.reply.status, answer.accepted), (200, vec![]));
    assert!(reading.items[0].test && reading.broken[0].rule == "GDM-VALIDATE");
    let id: Value = serde_json::from_str(&answer.reply.body).unwrap();
    assert_eq!(replies::request_id(id["requestId"].as_str().unwrap()), None);
}

#[test]
fn an_event_for_two_destinations_is_two_items_and_two_counts() {
    let mut body = good();
    let other = &shops().0[1];
    let mut first = body["destinations"][0].clone();
    first["reference"] = json!("one");
    let second = json!({
        "reference": "two",
        "operatingAccount": { "accountType": 1, "accountId": other.key },
        "productDestinationId": other.field("conversion_action"),
    });
    body["destinations"] = json!([first, second]);
    let mut only_one = event("order_2");
    only_one["destinationReferences"] = json!(["two"]);
    body["events"].as_array_mut().unwrap().push(only_one);
    let mut ledger = Vec::new();
    taken(&post(&body), &mut ledger);
    let pointers: Vec<_> = ledger.iter().map(|e| e.item.pointer.as_str()).collect();
    assert_eq!(pointers, ["/events/0", "/events/0", "/events/1"]);
    assert_eq!(DataManager.count(&ledger).len(), 3);
    let one = DataManager
        .failure(FailureClass::PartialInvalid, &post(&body), &ask(&post(&body)).0, &[2])
        .unwrap();
    assert_eq!(violations(&one), [("INVALID_EVENT".into(), "events.events[1]".into())]);
}

#[test]
fn the_tags_hit_reads_back_as_it_was_written() {
    let request = DataManager.browser_copy(&copy("order_1"), &account()).unwrap();
    let (reading, answer) = ask(&request);
    assert_eq!(reading.broken, []);
    assert_eq!((reading.channel, reading.account), (Channel::Browser, Some(account().key)));
    let item = &reading.items[0];
    assert_eq!(item.key.as_deref(), Some("order_1"));
    assert_eq!(item.target.as_deref(), Some(account().field("conversion_action")));
    assert_eq!(
        (item.value.unwrap().to_string(), item.currency.as_deref()),
        ("45.00".into(), Some("USD"))
    );
    assert_eq!(item.ids, BTreeMap::from([("gclid".into(), "Cj0KCQiA+Test/=".into())]));
    assert_eq!(item.url.as_deref(), Some("https://shop.example.com/thanks?order=1&x=ä"));
    assert_eq!(answer.accepted, [0]);
    let mut foreign = request.clone();
    foreign.query = foreign.query.replace("label=Lbl", "label=Other");
    assert!(ask(&foreign).1.accepted.is_empty());
    assert_eq!(ask(&foreign).0.broken[0].rule, "GTAG-SENDTO");
    // The API's planned failures do not touch the tag.
    let reading = ask(&request).0;
    let planned = DataManager.failure(FailureClass::ServerError, &request, &reading, &[]).unwrap();
    assert_eq!((planned.reply.status, planned.accepted), (200, vec![0]));
}

#[test]
fn tag_and_server_are_one_conversion_with_the_servers_value() {
    let tag = DataManager.browser_copy(&copy("order_1"), &account()).unwrap();
    let server = post(&good());
    for (requests, winner) in
        [([&tag, &server, &tag, &server], 0), ([&server, &tag, &server, &tag], 1)]
    {
        let mut ledger = Vec::new();
        for request in requests {
            taken(request, &mut ledger);
        }
        let counted = DataManager.count(&ledger);
        let [one] = counted.as_slice() else { panic!("one conversion: {counted:?}") };
        assert_eq!((one.winner, one.entries.len()), (winner, 4));
        assert_eq!(
            (one.value.unwrap().to_string(), one.currency.as_deref()),
            ("49.99".into(), Some("EUR"))
        );
    }
}

#[test]
fn another_id_on_the_server_counts_twice() {
    let mut ledger = Vec::new();
    taken(&DataManager.browser_copy(&copy("1"), &account()).unwrap(), &mut ledger);
    taken(&post(&good()), &mut ledger);
    assert_eq!(DataManager.count(&ledger).len(), 2);
}

#[test]
fn every_rule_that_the_code_names_is_in_the_contract() {
    let ids = regex::Regex::new("\"((GDM|GTAG)-[A-Z0-9-]+)\"").unwrap();
    for code in [
        include_str!("judge.rs"),
        include_str!("judge/event.rs"),
        include_str!("replies.rs"),
        include_str!("mod.rs"),
        include_str!("tag.rs"),
    ] {
        for found in ids.captures_iter(code) {
            assert!(rules::RULES.iter().any(|r| r.id == &found[1]), "{}", &found[1]);
        }
    }
    let mut seen = BTreeSet::new();
    for rule in rules::RULES {
        assert!(
            seen.insert(rule.id) && rule.says.ends_with('.') && rule.source.starts_with("https://"),
            "{}",
            rule.id
        );
    }
}

#[test]
fn a_request_that_did_not_arrive_whole_is_no_fault_of_the_relay() {
    let mut request = post(&good());
    request.body.truncate(30);
    request.incomplete = true;
    let (reading, answer) = ask(&request);
    assert!(reading.broken.is_empty() && answer.accepted.is_empty());
}

fn entries() -> impl Strategy<Value = Vec<Entry>> {
    let one = (0_u8..5, any::<bool>(), any::<bool>(), 0_i64..100).prop_map(
        |(order, browser, clicked, n)| Entry {
            exchange: 0,
            channel: if browser { Channel::Browser } else { Channel::Server },
            at: NOW,
            item: Item {
                kind: ItemKind::Purchase,
                key: (order > 0).then(|| format!("o{order}")),
                target: Some("1".into()),
                time: Some(NOW),
                value: Some(n.into()),
                ids: clicked.then(|| ("gclid".to_owned(), "g".to_owned())).into_iter().collect(),
                ..Item::default()
            },
            owner: None,
        },
    );
    prop::collection::vec(one, 0..24)
}

proptest! {
    #[test]
    fn what_was_taken_is_in_the_count_once(taken in entries()) {
        let counted = DataManager.count(&taken);
        let mut all: Vec<usize> = counted.iter().flat_map(|c| c.entries.clone()).collect();
        all.sort_unstable();
        prop_assert_eq!(all, (0..taken.len()).collect::<Vec<_>>());
        let keys: BTreeSet<_> = taken.iter().filter_map(|e| e.item.key.clone()).collect();
        prop_assert!(counted.len() >= keys.len());
        for one in &counted {
            prop_assert!(one.entries.contains(&one.winner));
        }
    }

    #[test]
    fn a_repeat_with_a_key_changes_neither_number_nor_values(taken in entries(), pick in any::<prop::sample::Index>()) {
        prop_assume!(!taken.is_empty());
        let again = taken[pick.index(taken.len())].clone();
        prop_assume!(again.item.key.is_some());
        let facts = |e: &[Entry]| -> Vec<_> { DataManager.count(e).iter().map(|c| (c.winner, c.value)).collect() };
        let repeated: Vec<Entry> = taken.iter().cloned().chain([again]).collect();
        prop_assert_eq!(facts(&taken), facts(&repeated));
    }

    #[test]
    fn the_number_does_not_depend_on_the_order(taken in entries().prop_shuffle()) {
        let mut sorted = taken.clone();
        sorted.sort_by_key(|e| (e.item.key.clone(), e.channel));
        prop_assert_eq!(DataManager.count(&taken).len(), DataManager.count(&sorted).len());
    }

    #[test]
    fn no_request_makes_it_panic(
        method in "POST|GET",
        path in "/v1/events:ingest|/v1/requestStatus:retrieve|/pagead/conversion/[0-9]{0,12}/?|\\PC*",
        query in "(requestId=[0-9a-f-]{0,40})?|\\PC*",
        body in "\\PC*|\\{\"destinations\":\\[\\{\\}\\],\"events\":\\[\\{\"(transactionId|eventTimestamp|userData|adIdentifiers)\":(\"\\PC{0,30}\"|[0-9e.+-]{1,20}|\\{\"userIdentifiers\":\\[\\{\"emailAddress\":\"\\PC{0,30}\"\\}\\]\\}|null)\\}\\],\"encoding\":\"(HEX|BASE64)\"\\}",
        token in "(Bearer )?[\\w.]{0,40}",
    ) {
        let request = Request { method, path, query, body, headers: vec![("authorization".into(), token)], ..Request::default() };
        let (reading, answer) = ask(&request);
        prop_assert!(answer.accepted.iter().all(|i| *i < reading.items.len()));
        for class in [FailureClass::Invalid, FailureClass::PartialInvalid, FailureClass::Transient, FailureClass::TookNothing] {
            DataManager.failure(class, &request, &reading, &[0, 7]);
        }
    }
}
