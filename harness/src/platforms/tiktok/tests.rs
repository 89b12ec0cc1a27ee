//! The contract as stories: one good event, and what becomes of it with one thing wrong.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::{Duration, macros::datetime};

use super::*;
use crate::{
    plan::Contact,
    platforms::{ItemKind, Severity},
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
    One(TikTok.account(&AccountSeed { shop: 7, number: 0x1234_5678_9abc_def0 }))
}

fn good_event() -> Value {
    json!({
        "event": "Purchase",
        "event_time": NOW.unix_timestamp() - 5,
        "event_id": "order_1001",
        "user": {
            "email": sha256_hex("jane.doe@example.com"),
            "phone": [sha256_hex("+4915112345678")],
            "ip": "203.0.113.7",
            "user_agent": "Mozilla/5.0",
            "ttclid": "E.C.P.AbC-_9",
            "ttp": "2abCdeFgHiJkLmNoPqRsTuVwXyZ",
        },
        "page": {"url": "https://shop.example/thank-you"},
        "properties": {
            "value": 49.99,
            "currency": "EUR",
            "contents": [{"content_id": "sku-1", "price": 49.99, "quantity": 1}],
        },
    })
}

fn body_of(events: Value) -> Value {
    json!({"event_source": "web", "event_source_id": one().0.key, "data": events})
}

fn post(path: &str, body: &Value) -> Request {
    Request {
        method: "POST".into(),
        host: API_HOST.into(),
        path: path.into(),
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("access-token".into(), one().0.field("access_token").to_owned()),
        ],
        body: body.to_string(),
        ..Request::default()
    }
}

fn call(body: &Value) -> Request {
    post("/open_api/v1.3/event/track/", body)
}

fn with(change: impl FnOnce(&mut Value)) -> Request {
    let mut event = good_event();
    change(&mut event);
    call(&body_of(json!([event])))
}

fn read(request: &Request) -> Reading {
    TikTok.read(request, NOW, &one())
}

/// Rule ids with whether each is a refusal.
fn broken(request: &Request) -> Vec<(&'static str, bool)> {
    read(request).broken.into_iter().map(|violation| (violation.rule, violation.refused)).collect()
}

/// Status, code of the envelope, number of events taken.
fn answer(request: &Request) -> (u16, i64, usize) {
    let answer = TikTok.answer(request, &read(request), &[]);
    let body: Value = serde_json::from_str(&answer.reply.body).unwrap();
    (answer.reply.status, body["code"].as_i64().unwrap(), answer.accepted.len())
}

#[test]
fn a_good_event_breaks_nothing_and_is_taken() {
    let request = with(|_| {});
    let reading = read(&request);
    assert_eq!(reading.broken, []);
    let item = &reading.items[0];
    assert_eq!((&item.kind, item.key.as_deref()), (&ItemKind::Purchase, Some("order_1001")));
    assert_eq!(
        (item.target.as_ref(), item.value),
        (Some(&one().0.key), Some(Decimal::new(4999, 2)))
    );
    assert_eq!(item.time, Some(NOW - Duration::seconds(5)));
    assert_eq!((item.ids["ttclid"].as_str(), item.ids.len()), ("E.C.P.AbC-_9", 2));
    assert_eq!(item.identifiers.len(), 2);
    assert_eq!(item.url.as_deref(), Some("https://shop.example/thank-you"));
    assert_eq!(answer(&request), (200, 0, 1));
}

#[test]
fn each_fault_of_an_event_breaks_its_own_rule() {
    let hash = sha256_hex("x");
    let cases: Vec<(&str, Value, &str, bool)> = vec![
        ("/event", json!(null), "TIKTOK-EVENT-CASE", true),
        ("/event", json!("purchase"), "TIKTOK-EVENT-CASE", false),
        ("/event_id", json!(""), "TIKTOK-DEDUP-KEY", false),
        ("/event_time", json!(null), "TIKTOK-TIME-SECONDS", true),
        ("/event_time", json!(NOW.unix_timestamp() * 1000), "TIKTOK-TIME-SECONDS", true),
        ("/event_time", json!("2026-11-25T11:59:00Z"), "TIKTOK-TIME-SECONDS", true),
        ("/event_time", json!(NOW.unix_timestamp().to_string()), "TIKTOK-TIME-SECONDS", false),
        ("/event_time", json!(NOW.unix_timestamp() - 8 * 86_400), "TIKTOK-AGE", false),
        ("/page", json!(null), "TIKTOK-PAGE-URL", false),
        ("/properties/value", json!("49.99"), "TIKTOK-VALUE-NUMBER", false),
        ("/properties/value", json!(null), "TIKTOK-VALUE-NUMBER", false),
        ("/properties/currency", json!(null), "TIKTOK-CURRENCY", false),
        ("/properties/currency", json!("eur"), "TIKTOK-CURRENCY", false),
        ("/properties/contents/0/content_id", json!(1), "TIKTOK-CONTENT-ID-STRING", true),
        ("/properties/contents/0/price", json!("1.00"), "TIKTOK-VALUE-NUMBER", false),
        ("/user/email", json!("jane@example.com"), "TIKTOK-NO-PLAIN-PII", false),
        ("/user/email", json!(hash.to_uppercase()), "TIKTOK-HASH-FORM", false),
        ("/user/email", json!("d41d8cd98f00b204e9800998ecf8427e"), "TIKTOK-HASH-FORM", false),
        ("/user/phone/0", json!(sha256_hex("")), "TIKTOK-NO-EMPTY-HASH", false),
        ("/user/ttclid", json!(hash), "TIKTOK-TTCLID", false),
        ("/user/ttp", json!(hash), "TIKTOK-TTP", false),
        ("/user/ip", json!(null), "TIKTOK-IP-UA-PAIR", false),
    ];
    for (pointer, value, rule, refused) in cases {
        let request = with(|event| *event.pointer_mut(pointer).unwrap() = value.clone());
        assert!(
            broken(&request).contains(&(rule, refused)),
            "{pointer} {value}: {:?}",
            broken(&request)
        );
        let expected = if refused { (200, 40002, 0) } else { (200, 0, 1) };
        assert_eq!(answer(&request), expected, "{pointer} {value}");
    }
}

#[test]
fn fields_that_should_not_be_there_are_reported() {
    let add = |name: &'static str, value: Value| broken(&with(move |event| event[name] = value));
    assert_eq!(add("LDU", json!(true)), [("TIKTOK-LDU-NAME", false)]);
    assert_eq!(add("limited_data_use", json!("yes")), [("TIKTOK-LDU", false)]);
    assert_eq!(add("limited_data_use", json!(true)), []);
    assert_eq!(add("pixel_code", json!("COTHER")), [("TIKTOK-ONE-SOURCE-PER-REQUEST", false)]);
    assert_eq!(
        broken(&with(|event| event["user"]["phone_number"] = json!(sha256_hex("x")))),
        [("TIKTOK-PHONE-HASH", false)],
    );
    let callback = with(|event| {
        event["user"]["ttclid"] = json!(null);
        event["ad"] = json!({"callback": "E.C.P.x"});
    });
    assert_eq!(broken(&callback), [("TIKTOK-V1-CALLBACK", false)]);
    assert!(read(&with(|event| event["limited_data_use"] = json!(true))).items[0].limited_data_use);
}

#[test]
fn the_request_as_a_whole_is_judged() {
    let good = with(|_| {});
    let changed = |change: &dyn Fn(&mut Request)| {
        let mut request = good.clone();
        change(&mut request);
        (broken(&request), answer(&request))
    };
    assert_eq!(
        changed(&|r| r.headers[1] = ("authorization".into(), "Bearer x".into())),
        (vec![("TIKTOK-AUTH-HEADER", true)], (200, 40104, 0)),
    );
    assert_eq!(
        changed(&|r| r.headers[1].1 = "x".into()),
        (vec![("TIKTOK-AUTH-HEADER", true)], (200, 40105, 0))
    );
    assert_eq!(
        changed(&|r| r.method = "PUT".into()),
        (vec![("TIKTOK-ENDPOINT", true)], (200, 40000, 0))
    );
    assert_eq!(
        changed(&|r| r.path = r.path.trim_end_matches('/').to_owned()),
        (vec![("TIKTOK-ENDPOINT", false)], (200, 0, 1)),
    );
    assert_eq!(
        changed(&|r| r.body = "<html>".into()),
        (vec![("TIKTOK-CONTENT-TYPE", true)], (200, 40002, 0))
    );
    assert_eq!(
        changed(&|r| r.headers[0].1 = "text/plain".into()).0,
        [("TIKTOK-CONTENT-TYPE", false)]
    );
    let whole = |change: &dyn Fn(&mut Value)| {
        let mut body = body_of(json!([good_event()]));
        change(&mut body);
        let request = call(&body);
        (broken(&request), answer(&request))
    };
    let source = ("TIKTOK-SOURCE-REQUIRED", true);
    assert_eq!(whole(&|b| b["event_source"] = json!("shop")), (vec![source], (200, 40002, 0)));
    assert_eq!(
        whole(&|b| b["event_source_id"] = json!("CUNKNOWN")),
        (vec![source], (200, 40001, 0))
    );
    assert!(whole(&|b| b["event_source_id"] = json!(null)).0.contains(&source));
    assert_eq!(whole(&|b| b["data"] = json!([])).0, [("TIKTOK-BATCH-MAX", true)]);
    assert_eq!(whole(&|b| b["data"] = json!({})).0, [("TIKTOK-BATCH-MAX", true)]);
    assert_eq!(
        whole(&|b| b["test_event_code"] = json!("T")),
        (vec![("TIKTOK-TEST-CODE-LEAK", false)], (200, 0, 1))
    );
}

#[test]
fn an_unknown_path_is_plain_text() {
    let request = post("/open_api/v1.2/event/track/", &json!({}));
    let reply = TikTok.answer(&request, &read(&request), &[]).reply;
    assert_eq!((reply.status, reply.body.as_str()), (404, "Not Found"));
    assert_eq!(broken(&request), [("TIKTOK-ENDPOINT", true)]);
}

#[test]
fn the_older_shape_is_read_but_not_on_the_newer_path() {
    let event = json!({
        "pixel_code": one().0.key,
        "event": "CompletePayment",
        "event_id": "order_1001",
        "timestamp": "2026-11-25T11:59:00Z",
        "properties": {"value": 5, "currency": "EUR"},
        "context": {"ad": {"callback": "E.C.P.x"}, "user": {"email": sha256_hex("x")}, "ip": "203.0.113.7"},
    });
    let older = post("/open_api/v1.3/pixel/track/", &event);
    assert_eq!((broken(&older), answer(&older)), (vec![("TIKTOK-LEGACY-V1", false)], (200, 0, 1)));
    let item = &read(&older).items[0];
    assert_eq!((item.ids["ttclid"].as_str(), item.kind.clone()), ("E.C.P.x", ItemKind::Purchase));
    let batch = json!({"pixel_code": one().0.key, "batch": [{"type": "track", "event": "Purchase"}, {"event": null}]});
    let batch = post("/open_api/v1.3/pixel/batch/", &batch);
    assert_eq!(broken(&batch), [("TIKTOK-LEGACY-V1", false), ("TIKTOK-EVENT-CASE", true)]);
    assert!(broken(&call(&event)).contains(&("TIKTOK-SOURCE-REQUIRED", true)));
}

#[test]
fn a_request_is_taken_whole_or_not_at_all() {
    let mut bad = good_event();
    bad["properties"]["contents"][0]["content_id"] = json!(7);
    assert_eq!(answer(&call(&body_of(json!([good_event(), bad, good_event()])))), (200, 40002, 0));
}

#[test]
fn a_hostile_batch_has_bounded_findings() {
    let reading =
        read(&call(&body_of(json!(vec![json!({"user": {"email": vec!["x"; 50]}}); 10_000]))));
    assert!(reading.broken.len() <= 100 && reading.items.len() <= 1000);
    assert!(reading.broken.iter().any(|violation| violation.refused));
}

#[test]
fn planned_failures_speak_as_tiktok_does() {
    let request = with(|_| {});
    let reading = read(&request);
    let fail = |class| {
        let answer = TikTok.failure(class, &request, &reading, &[])?;
        assert_eq!(answer.accepted, [0; 0]);
        let body: Value = serde_json::from_str(&answer.reply.body).unwrap();
        Some((answer.reply.status, body["code"].as_i64()))
    };
    assert_eq!(fail(FailureClass::RateLimited), Some((200, Some(40100))));
    assert_eq!(fail(FailureClass::Transient), Some((200, Some(50000))));
    assert_eq!(fail(FailureClass::ServerError), Some((500, Some(50000))));
    assert_eq!(fail(FailureClass::Unavailable).map(|(status, _)| status), Some(503));
    assert_eq!(fail(FailureClass::TokenExpired), Some((200, Some(40105))));
    assert_eq!(fail(FailureClass::Forbidden), Some((200, Some(40001))));
    assert_eq!(fail(FailureClass::Invalid), Some((200, Some(40002))));
    assert_eq!(fail(FailureClass::TookNothing), Some((200, None)));
    assert_eq!(fail(FailureClass::PartialTransient), None);
}

#[test]
fn the_browsers_copy_is_read_back_as_it_was_meant() {
    let account = one().0;
    let copy = BrowserCopy {
        event_id: "order_1001".into(),
        value: Decimal::new(4999, 2),
        currency: "EUR".into(),
        url: "https://shop.example/thank-you".into(),
        ids: [("ttclid".to_owned(), "E.C.P.x".to_owned()), ("_ttp".into(), "2ab".into())].into(),
        ip: "203.0.113.7".into(),
        user_agent: "Mozilla/5.0".into(),
        at: NOW,
    };
    let request = TikTok.browser_copy(&copy, &account).unwrap();
    let reading = read(&request);
    assert_eq!((reading.channel, reading.account.as_ref()), (Channel::Browser, Some(&account.key)));
    let item = &reading.items[0];
    assert_eq!(
        (item.key.as_deref(), item.event_name.as_deref()),
        (Some("order_1001"), Some("Purchase"))
    );
    assert_eq!(
        (item.value, item.currency.as_deref(), item.time),
        (Some(copy.value), Some("EUR"), Some(NOW))
    );
    assert_eq!((item.ids["ttclid"].as_str(), item.ids["ttp"].as_str()), ("E.C.P.x", "2ab"));
    assert_eq!(item.target.as_ref(), Some(&account.key));
    assert_eq!(TikTok.answer(&request, &reading, &[]).accepted, [0]);
    assert!(TikTok.failure(FailureClass::ServerError, &request, &reading, &[]).is_none());
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
            city: Some("São Paulo".into()),
            ..Contact::default()
        },
        ip: "203.0.113.7".into(),
        user_agent: "M".into(),
        ids: std::collections::BTreeMap::new(),
    };
    let rules = TikTok.identity(&person);
    let accepted = |kind| {
        rules.iter().find(|rule| rule.kind == kind).map(|rule| rule.accepted.clone()).unwrap()
    };
    assert_eq!(accepted(IdentifierKind::Email), [sha256_hex("jane.doe@example.com")]);
    assert_eq!(accepted(IdentifierKind::Phone), [sha256_hex("+4915112345678")]);
    assert!(accepted(IdentifierKind::City).contains(&"sãopaulo".to_owned()));
    for rule in &rules {
        assert!(TikTok.rules().iter().any(|known| known.id == rule.rule), "{}", rule.rule);
    }
}

#[test]
fn rules_are_well_formed() {
    for (index, rule) in TikTok.rules().iter().enumerate() {
        assert!(
            rule.id.starts_with("TIKTOK-") && rule.source.starts_with("https://"),
            "{}",
            rule.id
        );
        assert!(
            !rule.says.is_empty()
                && TikTok.rules().iter().skip(index + 1).all(|other| other.id != rule.id)
        );
    }
    let click = TikTok.click_field("ttclid").unwrap();
    assert!(
        TikTok.rules().iter().any(|rule| rule.id == click.rule && rule.severity == Severity::Must)
    );
}

#[test]
fn pixel_codes_are_twenty_characters_and_differ() {
    let code = |shop, number| TikTok.account(&AccountSeed { shop, number }).key;
    assert_ne!(code(1, 5), code(2, 5));
    assert!(
        code(1, u64::MAX).len() == 20
            && code(1, 5).bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit())
    );
}

proptest! {
    #[test]
    fn reading_never_panics(path in "(/open_api/v1.3/(event/track|pixel/track|pixel/batch)/|/api/v2/pixel/track|.{0,20})", body in any::<Vec<u8>>()) {
        let request = Request { body: String::from_utf8_lossy(&body).into_owned(), ..post(&path, &json!({})) };
        let reading = read(&request);
        let _answer = TikTok.answer(&request, &reading, &[]);
    }

    #[test]
    fn reading_odd_json_never_panics(event in json_value(), path in prop::sample::select(vec!["/open_api/v1.3/event/track/", "/open_api/v1.3/pixel/track/", "/open_api/v1.3/pixel/batch/", "/api/v2/pixel/track"])) {
        for body in [body_of(json!([event])), body_of(event.clone()), json!({"batch": [event]}), event] {
            let request = post(path, &body);
            let reading = read(&request);
            prop_assert!(reading.broken.len() <= 100);
            let _answer = TikTok.answer(&request, &reading, &[]);
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
        "event",
        "event_time",
        "user",
        "properties",
        "email",
        "phone",
        "ttclid",
        "value",
        "currency",
        "contents",
        "content_id",
        "page",
        "context",
        "timestamp",
        "ad",
        "callback",
        "pixel_code",
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
