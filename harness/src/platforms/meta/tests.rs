//! The contract as stories: one good event, and what becomes of it with one thing wrong.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::{Duration, macros::datetime};

use super::*;
use crate::{
    plan::Contact,
    platforms::{Item, ItemKind, Severity},
};

const NOW: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

/// One account, whose token is its own.
struct One(Account);

impl Accounts for One {
    fn find(&self, key: &str) -> Option<&Account> {
        (key == self.0.key).then_some(&self.0)
    }

    fn is_valid_token(&self, account: &Account, token: &str) -> bool {
        account.field("access_token") == token
    }
}

fn one() -> One {
    One(Meta.account(&AccountSeed { shop: 7, number: 0x1234_5678_9abc_def0 }))
}

fn good_event() -> Value {
    json!({
        "event_name": "Purchase",
        "event_time": NOW.unix_timestamp() - 5,
        "event_id": "order_1001",
        "action_source": "website",
        "event_source_url": "https://shop.example/thank-you",
        "user_data": {
            "em": [sha256_hex("jane.doe@example.com")],
            "client_ip_address": "203.0.113.7",
            "client_user_agent": "Mozilla/5.0",
            "fbc": "fb.1.1764000000000.IwAR_x-Y",
            "fbp": "fb.1.1764000000000.1098115397",
        },
        "custom_data": {"value": 49.99, "currency": "EUR", "contents": [{"id": "sku-1", "quantity": 1}]},
    })
}

fn call(body: &Value) -> Request {
    let account = one().0;
    Request {
        method: "POST".into(),
        host: API_HOST.into(),
        path: format!("/v26.0/{}/events", account.key),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("authorization".into(), format!("Bearer {}", account.field("access_token"))),
        ],
        body: body.to_string(),
        ..Request::default()
    }
}

fn with(change: impl FnOnce(&mut Value)) -> Request {
    let mut event = good_event();
    change(&mut event);
    call(&json!({"data": [event]}))
}

fn read(request: &Request) -> Reading {
    Meta.read(request, NOW, &one())
}

/// Rule ids with whether each is a refusal.
fn broken(request: &Request) -> Vec<(&'static str, bool)> {
    read(request).broken.into_iter().map(|violation| (violation.rule, violation.refused)).collect()
}

fn answer(request: &Request) -> (u16, Value, usize) {
    let answer = Meta.answer(request, &read(request), &[]);
    (answer.reply.status, serde_json::from_str(&answer.reply.body).unwrap(), answer.accepted.len())
}

#[test]
fn a_good_event_breaks_nothing_and_is_taken() {
    let request = with(|_| {});
    let reading = read(&request);
    assert_eq!(reading.broken, []);
    let item = &reading.items[0];
    assert_eq!(item.kind, ItemKind::Purchase);
    assert_eq!(item.key.as_deref(), Some("order_1001"));
    assert_eq!(item.target, Some(one().0.key));
    assert_eq!(item.value, Some(Decimal::new(4999, 2)));
    assert_eq!(item.time, Some(NOW - Duration::seconds(5)));
    assert_eq!(item.ids["fbc"], "fb.1.1764000000000.IwAR_x-Y");
    assert_eq!(item.identifiers, [(IdentifierKind::Email, sha256_hex("jane.doe@example.com"))]);
    let (status, body, taken) = answer(&request);
    assert_eq!((status, taken), (200, 1));
    assert_eq!(body["events_received"], 1);
    let trace = body["fbtrace_id"].as_str().unwrap();
    assert!(trace.len() == 23 && trace.starts_with('A'));
}

#[test]
fn each_fault_of_an_event_breaks_its_own_rule() {
    let hash = sha256_hex("x");
    let cases: Vec<(&str, Value, &str, bool)> = vec![
        ("/event_name", json!(null), "META-BODY-DATA", true),
        ("/event_name", json!("purchase"), "META-DEDUP-KEY", false),
        ("/event_time", json!(null), "META-TIME-SECONDS", true),
        ("/event_time", json!(NOW.unix_timestamp() * 1000), "META-TIME-SECONDS", true),
        ("/event_time", json!("2026-11-25T11:59:00Z"), "META-TIME-ISO", false),
        ("/event_time", json!(NOW.unix_timestamp() - 8 * 86_400), "META-TIME-7D", true),
        ("/event_time", json!(NOW.unix_timestamp() - 2 * 86_400), "META-FRESH", false),
        ("/event_time", json!(NOW.unix_timestamp() + 120), "META-TIME-FUTURE", false),
        ("/event_time", json!(NOW.unix_timestamp() + 3600), "META-TIME-FUTURE", true),
        ("/event_id", json!(""), "META-MIN-DATA", false),
        ("/action_source", json!("web"), "META-ACTION-SOURCE", false),
        ("/event_source_url", json!(null), "META-WEB-REQUIRED", false),
        (
            "/event_source_url",
            json!("https://shop.example/wp-admin/admin-ajax.php"),
            "META-URL-CLEAN",
            false,
        ),
        (
            "/event_source_url",
            json!("https://shop.example/?email=jane%40example.com"),
            "META-PII-IN-CUSTOM",
            false,
        ),
        ("/user_data/client_user_agent", json!(null), "META-WEB-REQUIRED", false),
        ("/user_data/em/0", json!("jane.doe@example.com"), "META-HASH-REQUIRED", true),
        ("/user_data/em/0", json!(hash.to_uppercase()), "META-HASH-FORM", false),
        ("/user_data/em/0", json!("d41d8cd98f00b204e9800998ecf8427e"), "META-HASH-MD5", false),
        (
            "/user_data/em/0",
            json!("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
            "META-HASH-FORM",
            true,
        ),
        ("/user_data/em/0", json!(sha256_hex("")), "META-HASH-EMPTY", false),
        ("/user_data/em/0", json!(sha256_hex("undefined")), "META-HASH-JUNK", false),
        ("/user_data/client_user_agent", json!(hash), "META-HASH-NEVER", false),
        ("/user_data/client_ip_address", json!("203.0.113.7, 198.51.100.1"), "META-IP-VALID", true),
        ("/user_data/fbc", json!("fb.1.1764000000000"), "META-FBC-BAD", true),
        ("/user_data/fbc", json!("IwAR_x-Y"), "META-FBC-BAD", true),
        ("/user_data/fbc", json!(""), "META-FBC-BAD", false),
        ("/user_data/fbc", json!("fb.1.1764000000.IwAR_x-Y"), "META-FBC-FORMAT", false),
        ("/user_data/fbc", json!("fb.1.1964000000000.IwAR_x-Y"), "META-FBC-TIME", false),
        ("/user_data/fbp", json!("fb.1.1764000000000.abc"), "META-FBP-FORMAT", false),
        ("/user_data", json!({}), "META-MATCH-BASELINE", true),
        ("/custom_data/value", json!(null), "META-PURCHASE-VALUE", true),
        ("/custom_data/value", json!("49,99"), "META-PURCHASE-VALUE", true),
        ("/custom_data/currency", json!(null), "META-PURCHASE-CURRENCY", true),
        ("/custom_data/currency", json!("EURO"), "META-CURRENCY-ISO", false),
        ("/custom_data/contents", json!("[{\"id\":\"a\"}]"), "META-CONTENTS-LIST", true),
        ("/custom_data/contents/0/id", json!(null), "META-CONTENTS-LIST", true),
    ];
    for (pointer, value, rule, refused) in cases {
        let request = with(|event| *event.pointer_mut(pointer).unwrap() = value.clone());
        assert!(
            broken(&request).contains(&(rule, refused)),
            "{pointer} {value}: {:?}",
            broken(&request)
        );
        let (status, body, taken) = answer(&request);
        assert_eq!(status, if refused { 400 } else { 200 }, "{pointer} {value} {body}");
        assert_eq!(taken, usize::from(!refused));
    }
}

#[test]
fn fields_that_should_not_be_there_are_reported() {
    let add = |name: &'static str, value: Value| with(move |event| event[name] = value);
    assert!(
        broken(&add("test_event_code", json!("TEST1"))).contains(&("META-TEST-CODE-PLACE", false))
    );
    assert!(
        broken(&add("consent_status", json!("denied"))).contains(&("META-CONSENT-NO-FIELD", false))
    );
    assert!(
        broken(&add("data_processing_options", json!(["CCPA"])))
            .contains(&("META-LDU-FIELDS", false))
    );
    assert_eq!(broken(&add("data_processing_options", json!([]))), []);
    let request = with(|event| {
        event["data_processing_options"] = json!(["LDU"]);
        event["data_processing_options_country"] = json!(2);
        event["data_processing_options_state"] = json!(999);
    });
    assert!(read(&request).items[0].limited_data_use);
    assert_eq!(broken(&request), [("META-LDU-COUNTRY", false), ("META-LDU-STATE", false)]);
    let request = with(|event| {
        event["data_processing_options"] = json!(["LDU"]);
        event["user_data"]["client_ip_address"] = json!(null);
    });
    assert_eq!(broken(&request), [("META-LDU-IP", false)]);
    let request = with(|event| event["user_data"]["external_id"] = json!("jane@example.com"));
    assert_eq!(broken(&request), [("META-EXTID", false)]);
    let request = with(|event| event["custom_data"]["note"] = json!("call jane@example.com"));
    assert_eq!(broken(&request), [("META-PII-IN-CUSTOM", false)]);
    let request = with(|event| {
        event["event_name"] = json!("Lead");
        event["custom_data"]["currency"] = json!(null);
    });
    assert_eq!(broken(&request), [("META-VALUE-NEEDS-CURRENCY", false)]);
}

#[test]
fn a_shop_event_may_be_older() {
    let at = |days: i64| {
        with(move |event| {
            event["action_source"] = json!("physical_store");
            event["event_time"] = json!(NOW.unix_timestamp() - days * 86_400);
        })
    };
    assert_eq!(broken(&at(40)), [("META-FRESH", false)]);
    assert!(broken(&at(63)).contains(&("META-TIME-62D", true)));
}

#[test]
fn weak_combinations_match_nobody() {
    let hash = sha256_hex("x");
    let user = |user: Value| broken(&with(|event| event["user_data"] = user));
    let weak = |found: &[(&str, bool)]| found.contains(&("META-MATCH-BASELINE", true));
    for too_weak in [
        json!({"client_user_agent": "M"}),
        json!({"ct": hash, "country": hash, "client_user_agent": "M"}),
        json!({"fn": hash, "ge": hash}),
        json!({"em": [null], "client_user_agent": "M"}),
    ] {
        assert!(weak(&user(too_weak.clone())), "{too_weak}");
    }
    for enough in [
        json!({"em": hash}),
        json!({"fn": hash, "ln": hash}),
        json!({"client_ip_address": "203.0.113.7", "client_user_agent": "M"}),
        json!({"fbp": "fb.1.1764000000000.1"}),
        json!({"external_id": "user-42"}),
    ] {
        assert!(!weak(&user(enough.clone())), "{enough}");
    }
}

#[test]
fn appendices_are_no_fault() {
    let request = with(|event| {
        event["user_data"]["em"] = json!([format!("{}.AQQCAQMC", sha256_hex("jane@example.com"))]);
        event["user_data"]["client_ip_address"] = json!("203.0.113.7.AQQAAQMC");
        event["user_data"]["fbc"] = json!("fb.1.1764000000000.IwAR_x-Y.AQQCAQMC");
        event["user_data"]["fbp"] = json!("fb.1.1764000000000.1098115397.Bg");
    });
    let reading = read(&request);
    assert_eq!(reading.broken, []);
    assert_eq!(reading.items[0].ip.as_deref(), Some("203.0.113.7"));
    assert_eq!(reading.items[0].identifiers[0].1, sha256_hex("jane@example.com"));
    assert_eq!(reading.items[0].ids["fbc"], "fb.1.1764000000000.IwAR_x-Y.AQQCAQMC");
}

#[test]
fn the_request_as_a_whole_is_judged() {
    let good = with(|_| {});
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        (broken(&request), answer(&request))
    };
    let key = one().0.key;
    let (found, (status, body, _)) =
        changed(&|r| r.headers.retain(|(name, _)| name != "authorization"));
    assert_eq!((found, status), (vec![("META-AUTH-QUERY", true)], 400));
    assert_eq!(body["error"]["code"], 104);
    let (found, (status, body, _)) = changed(&|r| r.headers[1].1 = "Bearer EAABother".into());
    assert_eq!((found, status), (vec![("META-AUTH-QUERY", true)], 401));
    assert_eq!(body["error"]["code"], 190);
    let (found, (_, body, _)) = changed(&|r| r.path = "/v26.0/999/events".into());
    assert_eq!(found, [("META-URL", true)]);
    assert_eq!(
        (&body["error"]["code"], &body["error"]["error_subcode"]),
        (&json!(100), &json!(33))
    );
    assert_eq!(changed(&|r| r.path = format!("/{key}/events")).0, [("META-VERSION-NONE", true)]);
    assert_eq!(changed(&|r| r.path = format!("/v20.0/{key}/events")).0, [("META-VERSION", false)]);
    assert_eq!(changed(&|r| r.path = format!("/v21.0/{key}/events")).0, []);
    assert_eq!(changed(&|r| r.path = format!("/v27.0/{key}/events")).0, [("META-URL", true)]);
    assert_eq!(changed(&|r| r.path = "/v26.0/me".into()).0, [("META-URL", true)]);
    assert_eq!(changed(&|r| r.method = "GET".into()).0, [("META-URL", true)]);
    assert_eq!(changed(&|r| r.body = "{}".into()).0, [("META-BODY-DATA", true)]);
    assert_eq!(changed(&|r| r.body = "{\"data\":[]}".into()).0, [("META-BATCH-MAX", true)]);
    let test =
        call(&json!({"data": [good_event()], "test_event_code": "TEST1", "partner_agent": "7"}));
    assert_eq!(broken(&test), [("META-TEST-CODE", false), ("META-PARTNER-AGENT", false)]);
    assert!(read(&test).items[0].test);
}

#[test]
fn a_request_is_taken_whole_or_not_at_all() {
    let mut bad = good_event();
    bad["user_data"]["em"] = json!("jane@example.com");
    let (status, body, taken) = answer(&call(&json!({"data": [good_event(), bad, good_event()]})));
    assert_eq!((status, taken), (400, 0));
    assert_eq!(body["error"]["error_subcode"], 2_804_016);
    assert!(!body.to_string().contains("jane@example.com"));
}

#[test]
fn a_hostile_batch_has_bounded_findings() {
    let events = vec![json!({"event_name": 1, "user_data": {"em": vec!["x"; 50]}}); 10_000];
    let reading = read(&call(&json!({"data": events})));
    assert!(reading.broken.len() <= 100 && reading.items.len() <= 1000);
    assert!(reading.broken.iter().any(|violation| violation.refused));
}

#[test]
fn planned_failures_speak_as_meta_does() {
    let request = with(|_| {});
    let reading = read(&request);
    let fail = |class| {
        let answer = Meta.failure(class, &request, &reading, &[])?;
        assert_eq!(answer.accepted, [0; 0]);
        let body: Value = serde_json::from_str(&answer.reply.body).unwrap();
        Some((answer.reply.status, body["error"]["code"].as_i64(), body))
    };
    let short = |class| fail(class).map(|(status, code, _)| (status, code));
    assert_eq!(short(FailureClass::RateLimited), Some((400, Some(4))));
    assert_eq!(short(FailureClass::Transient), Some((400, Some(2))));
    assert_eq!(short(FailureClass::ServerError), Some((500, Some(1))));
    assert_eq!(short(FailureClass::Unavailable), Some((503, Some(2))));
    assert_eq!(short(FailureClass::TokenExpired), Some((401, Some(190))));
    assert_eq!(short(FailureClass::Forbidden), Some((403, Some(200))));
    assert_eq!(short(FailureClass::Invalid), Some((400, Some(100))));
    assert_eq!(fail(FailureClass::TookNothing).unwrap().2["events_received"], 0);
    assert_eq!(short(FailureClass::PartialInvalid), None);
    let limited = Meta.failure(FailureClass::RateLimited, &request, &reading, &[]).unwrap();
    assert!(limited.reply.headers.iter().any(|(name, _)| name == "x-business-use-case-usage"));
}

#[test]
fn the_browsers_copy_is_read_back_as_it_was_meant() {
    let account = one().0;
    let copy = BrowserCopy {
        event_id: "order_1001".into(),
        value: Decimal::new(4990, 2),
        currency: "EUR".into(),
        url: "https://shop.example/thank-you?a=1&b=2".into(),
        ids: [
            ("_fbp".to_owned(), "fb.1.1764000000000.11".to_owned()),
            ("fbclid".into(), "Iw-A_r".into()),
        ]
        .into(),
        ip: "203.0.113.7".into(),
        user_agent: "Mozilla/5.0".into(),
        at: NOW,
    };
    let request = Meta.browser_copy(&copy, &account).unwrap();
    let reading = read(&request);
    assert_eq!((reading.channel, reading.account.as_ref()), (Channel::Browser, Some(&account.key)));
    assert_eq!(reading.broken, []);
    let item = &reading.items[0];
    assert_eq!(
        (item.key.as_deref(), item.event_name.as_deref()),
        (Some("order_1001"), Some("Purchase"))
    );
    assert_eq!((item.value, item.currency.as_deref()), (Some(copy.value), Some("EUR")));
    assert_eq!(item.ids["fbc"], format!("fb.1.{}.Iw-A_r", NOW.unix_timestamp() * 1000));
    assert_eq!((item.time, item.url.as_ref()), (Some(NOW), Some(&copy.url)));
    assert_eq!(Meta.answer(&request, &reading, &[]).accepted, [0]);
    let misplaced = Request { query: "id=1&ev=Purchase&cd%5BeventID%5D=x".into(), ..request };
    assert_eq!(broken(&misplaced), [("META-PIXEL-EVENTID", false)]);
}

#[test]
fn identity_holds_the_hashes_of_the_person() {
    let person = Person {
        name: "shopper".into(),
        visitor_id: "v1".into(),
        contact: Contact {
            email: Some(" Jane.Doe@Example.com".into()),
            phone: Some("0151 123456-78".into()),
            country: Some("DE".into()),
            ..Contact::default()
        },
        ip: "203.0.113.7".into(),
        user_agent: "M".into(),
        ids: std::collections::BTreeMap::new(),
    };
    let rules = Meta.identity(&person);
    let accepted = |kind| {
        rules.iter().find(|rule| rule.kind == kind).map(|rule| rule.accepted.clone()).unwrap()
    };
    assert_eq!(accepted(IdentifierKind::Email), [sha256_hex("jane.doe@example.com")]);
    assert_eq!(accepted(IdentifierKind::Phone), [sha256_hex("4915112345678")]);
    assert_eq!(accepted(IdentifierKind::City), Vec::<String>::new());
    for rule in &rules {
        assert!(Meta.rules().iter().any(|known| known.id == rule.rule), "{}", rule.rule);
    }
}

#[test]
fn rules_are_well_formed() {
    for (index, rule) in Meta.rules().iter().enumerate() {
        assert!(rule.id.starts_with("META-") && rule.source.starts_with("https://"), "{}", rule.id);
        assert!(
            !rule.says.is_empty()
                && Meta.rules().iter().skip(index + 1).all(|other| other.id != rule.id)
        );
    }
    for name in ["fbclid", "_fbc", "_fbp"] {
        let field = Meta.click_field(name).unwrap();
        assert!(
            Meta.rules()
                .iter()
                .any(|rule| rule.id == field.rule && rule.severity == Severity::Must)
        );
    }
}

#[test]
fn accounts_of_two_shops_differ() {
    let account = |shop, number| Meta.account(&AccountSeed { shop, number });
    assert_ne!(account(1, 5).key, account(2, 5).key);
    assert_ne!(account(1, 5).field("access_token"), account(2, 5).field("access_token"));
    assert_eq!(account(1, u64::MAX).key.len(), 16);
}

proptest! {
    #[test]
    fn reading_never_panics(path in ".{0,40}", query in ".{0,60}", kind in "(application/json|multipart/form-data; boundary=.{0,5}|application/x-www-form-urlencoded)", body in any::<Vec<u8>>()) {
        let request = Request {
            method: "POST".into(),
            path,
            query,
            headers: vec![("content-type".into(), kind)],
            body: String::from_utf8_lossy(&body).into_owned(),
            ..Request::default()
        };
        let reading = read(&request);
        let _answer = Meta.answer(&request, &reading, &[]);
    }

    #[test]
    fn reading_odd_json_never_panics(event in json_value()) {
        let key = one().0.key;
        for body in [json!({"data": [event]}), json!({"data": event}), event] {
            let mut request = call(&body);
            prop_assert!(read(&request).broken.len() <= 100);
            request.path = format!("/v26.0/{key}/events");
            let _answer = Meta.answer(&request, &read(&request), &[]);
        }
    }
}

/// JSON whose keys are those that are looked at.
fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,20}".prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "event_name",
        "event_time",
        "user_data",
        "custom_data",
        "em",
        "fbc",
        "fbp",
        "client_ip_address",
        "value",
        "currency",
        "contents",
        "data_processing_options",
        "event_source_url",
        "external_id",
        "action_source",
    ]);
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((key.clone(), inner), 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

#[test]
fn deep_json_is_no_event() {
    let deep = format!("{{\"data\":{}1{}}}", "[".repeat(10_000), "]".repeat(10_000));
    let request = Request { body: deep, ..with(|_| {}) };
    assert_eq!(broken(&request), [("META-BODY-DATA", true)]);
}

#[test]
fn items_are_plain_facts_for_other_events() {
    let request = with(|event| event["event_name"] = json!("PageView"));
    assert_eq!(read(&request).items[0].kind, ItemKind::Other);
    assert_eq!(Item::default().kind, ItemKind::Purchase);
}
