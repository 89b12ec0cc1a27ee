//! Each check with a history that it must pass and histories that it must not.

#![allow(clippy::unwrap_used)]

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::json;

use super::{CHECKS, bench::Bench};
use crate::{
    exchange::OrderRef,
    history::{Did, LogAttempt, LogEntry},
    platforms::{Channel, FailureClass, IdentifierKind, Item, ItemKind, Severity, normalise},
    scenario::{
        Answers, Expect, ExpectAttempts, ExpectPayload, Fault, LogState, SameAcross, units::Span,
    },
    verdict::{Outcome, Status},
};

const ALL: [&str; 4] = ["meta", "google_ads", "data_manager", "tiktok"];

fn fault(answers: Answers, times: Option<u32>) -> Fault {
    Fault {
        name: None,
        answers,
        times,
        after: 0,
        order: None,
        when: Vec::new(),
        retry_after: None,
        retry_after_date: None,
        retry_after_text: None,
        rows: Vec::new(),
    }
}

/// The honest event, bent; who notices, and in which words?
#[track_caller]
fn bent(platform: &'static str, bend: impl FnOnce(&mut Item), check: &str, words: &str) {
    let mut bench = Bench::usual(platform);
    bench.play();
    let mut item = bench.item("A");
    bend(&mut item);
    bench.send("A", item);
    let found = bench.found(check);
    let said: Vec<&str> = found.iter().map(|f| f.message.as_str()).collect();
    assert!(said.iter().any(|m| m.contains(words)), "{check}: {words}: {said:?}");
    assert!(found.iter().all(|f| f.exchanges == [10]), "{found:?}");
}

#[test]
fn checks_have_ids_and_descriptions_of_their_own() {
    let mut ids: Vec<&str> = CHECKS.iter().map(|c| c.about().id).collect();
    ids.sort_unstable();
    ids.dedup();
    assert_eq!(ids.len(), CHECKS.len());
    for check in CHECKS {
        let about = check.about();
        assert!(about.says.len() > 20 && about.source.starts_with("https://"), "{}", about.id);
        assert!(about.covers.iter().all(|c| c.len() == 6 && c.contains('-')), "{}", about.id);
    }
}

#[test]
fn an_honest_relay_passes_on_every_platform() {
    for platform in ALL {
        let mut bench = Bench::usual(platform);
        bench.play().sends("A");
        let verdict = bench.verdict();
        assert_eq!(
            verdict.status,
            Status::Pass,
            "{platform}: {:#?} {:?}",
            verdict.findings,
            verdict.notes
        );
        assert_eq!(verdict.cells[0].outcome, Outcome::CountedOnce);
    }
}

#[test]
fn an_honest_relay_may_send_less_and_other_harmless_things() {
    for platform in ALL {
        let mut bench = Bench::usual(platform);
        bench.play();
        let mut item = bench.item("A");
        item.ip = None;
        item.user_agent = None;
        item.identifiers.truncate(1);
        item.url = Some("https://s.example/".into());
        item.ids.insert("client_id".into(), "1.2".into());
        bench.send("A", item);
        let verdict = bench.verdict();
        assert_eq!(verdict.status, Status::Pass, "{platform}: {:#?}", verdict.findings);
    }
}

#[test]
fn a_lost_order_is_lost_and_an_extra_key_counts_twice() {
    for platform in ALL {
        let mut bench = Bench::usual(platform);
        bench.play();
        assert_eq!(bench.verdict().cells[0].outcome, Outcome::Lost);
        assert_eq!(bench.verdict().status, Status::Fail);
        bench.sends("A");
        let mut second = bench.item("A");
        second.key = Some("other".into());
        bench.send("A", second);
        let verdict = bench.verdict();
        assert_eq!(verdict.cells[0].outcome, Outcome::CountedTwice, "{platform}");
        assert!(
            verdict.findings[0].message.contains("2 different keys"),
            "{:?}",
            verdict.findings[0]
        );
        assert!(bench.found("event_id_shared").iter().any(|f| f.message.contains("under 2 ids")));
    }
}

#[test]
fn a_lost_order_says_that_the_relay_refused_its_webhook() {
    let lost = |status: u16| {
        let mut bench = Bench::usual("meta");
        bench.play();
        for action in &mut bench.history.actions {
            if let Did::Webhook { call, .. } = &mut action.what {
                call.status = Some(status);
            }
        }
        let cell = bench.verdict().cells.swap_remove(0);
        assert_eq!(cell.outcome, Outcome::Lost);
        cell.detail
    };
    assert!(
        lost(401)
            .ends_with("; the relay refused its webhook with 401: does it have the shop's secret?")
    );
    assert!(lost(422).ends_with("; the relay refused its webhook with 422"));
    assert!(!lost(200).contains("refused"));
}

#[test]
fn a_wrong_hash_is_put_beside_what_was_to_be_hashed() {
    let mut bench = Bench::usual("meta");
    bench.play();
    let mut item = bench.item("A");
    for (kind, value) in &mut item.identifiers {
        if *kind == IdentifierKind::Email {
            *value = normalise::sha256_hex("somebody@else.example");
        }
    }
    bench.send("A", item);
    let found = bench.found("identifiers_right");
    let expected = found[0].expected.as_deref().unwrap_or_default();
    assert!(
        expected.ends_with(": SHA-256 of the customer's e-mail, in this platform's form"),
        "{expected}"
    );
    // Neither the address itself nor a part of it.
    assert!(!expected.contains('@'), "{expected}");
}

#[test]
fn the_browser_copy_must_have_the_same_id_and_name() {
    let mut good = Bench::usual("meta");
    good.play_to(2);
    let key = good.expected("A").event_id;
    good.browser("A", &key);
    good.play().sends("A");
    assert_eq!(good.verdict().status, Status::Pass, "{:#?}", good.verdict().findings);

    let mut bad = Bench::usual("meta");
    bad.play_to(2);
    bad.browser("A", &key);
    bad.play();
    let mut item = bad.item("A");
    item.key = Some("random-1".into());
    bad.send("A", item);
    let verdict = bad.verdict();
    assert_eq!(verdict.cells[0].outcome, Outcome::CountedTwice, "{:#?}", verdict.findings);
    assert!(bad.found("event_id_shared").iter().any(|f| f.message.contains("another id")));

    let mut alone = Bench::usual("meta");
    alone.play_to(2);
    alone.browser("A", &key);
    alone.play();
    assert_eq!(alone.verdict().cells[0].outcome, Outcome::Lost);
}

#[test]
fn a_browser_copy_without_a_name_agrees_with_any() {
    let mut bench = Bench::usual("data_manager");
    bench.play_to(2);
    let key = bench.expected("A").event_id;
    bench.browser("A", &key);
    let tag = bench.history.exchanges.last_mut().unwrap();
    tag.reading.as_mut().unwrap().items[0].event_name = None;
    bench.play().sends("A");
    assert_eq!(bench.verdict().status, Status::Pass, "{:#?}", bench.verdict().findings);

    let mut other = Bench::usual("meta");
    other.play_to(2);
    other.browser("A", &key);
    other.play();
    let mut item = other.item("A");
    item.event_name = Some("CompletePayment".into());
    other.send("A", item);
    assert!(
        other.found("event_id_shared").iter().any(|f| f.message.contains("another event name"))
    );
}

#[test]
fn missing_and_stringified_ids_are_noticed() {
    bent("meta", |i| i.key = None, "event_id_shared", "no usable id");
    bent("meta", |i| i.key = Some("undefined".into()), "event_id_shared", "no usable id");
}

#[test]
fn values_currencies_and_times_are_compared_and_the_mistake_is_named() {
    bent("meta", |i| i.value = Some(Decimal::from(4999)), "value_right", "100 times too large");
    bent("meta", |i| i.value = None, "value_right", "no value");
    bent("tiktok", |i| i.value = Some(Decimal::from(49)), "value_right", "decimals");
    bent("meta", |i| i.currency = Some("USD".into()), "currency_right", "a default");
    bent("meta", |i| i.currency = None, "currency_right", "no currency");
    bent("meta", |i| i.time = i.time.map(|t| t + time::Duration::hours(3)), "time_right", "wrong");
    bent("meta", |i| i.time = None, "time_right", "no readable time");
    // Rounding errors of binary fractions are no finding.
    let mut bench = Bench::usual("meta");
    bench.play();
    let mut item = bench.item("A");
    item.value = Some("49.990000000000002".parse().unwrap());
    bench.send("A", item);
    assert!(bench.found("value_right").is_empty());
}

#[test]
fn click_ids_are_compared_byte_for_byte_and_the_mistake_is_named() {
    let lower = |i: &mut Item, f: &str| {
        let v = i.ids[f].to_lowercase();
        i.ids.insert(f.into(), v);
    };
    bent("google_ads", |i| lower(i, "gclid"), "click_id_carried", "upper and lower case");
    bent("tiktok", |i| i.ids.get_mut("ttclid").unwrap().truncate(9), "click_id_carried", "was cut");
    bent("google_ads", |i| drop(i.ids.remove("gclid")), "click_id_carried", "missing");
    let fbc = |part: usize, value: &'static str| {
        move |i: &mut Item| {
            let old = i.ids["fbc"].clone();
            let mut parts: Vec<&str> = old.splitn(4, '.').collect();
            parts[part] = value;
            i.ids.insert("fbc".into(), parts.join("."));
        }
    };
    bent("meta", fbc(2, "1793527200"), "click_id_carried", "seconds");
    bent("meta", fbc(2, "1793500000000"), "click_id_carried", "first observation");
    bent("meta", fbc(3, ""), "click_id_carried", "malformed");
    bent("meta", |i| drop(i.ids.insert("fbp".into(), "fb.1.1.2".into())), "browser_id_kept", "fbp");
    // The vendor's own builder appends eight characters.
    let mut bench = Bench::usual("meta");
    bench.play();
    let mut item = bench.item("A");
    for field in ["fbc", "fbp"] {
        item.ids.get_mut(field).unwrap().push_str(".AQICAQMC");
    }
    bench.send("A", item);
    assert_eq!(bench.verdict().status, Status::Pass, "{:#?}", bench.verdict().findings);
}

#[test]
fn ids_that_no_landing_had_are_invented() {
    let mut bench = Bench::new(
        "meta",
        json!([
            {"visit": {"click": "direct", "consent": "granted", "cookies": {"_fbp": null}}},
            {"order": {"id": "A"}},
        ]),
    );
    bench.play().sends("A");
    assert!(bench.found("no_invented_ids").is_empty());
    let mut item = bench.item("A");
    item.ids.insert("fbp".into(), "fb.1.1793527100000.999".into());
    bench.send("A", item);
    assert_eq!(bench.found("no_invented_ids").len(), 1);
}

#[test]
fn an_id_in_the_place_of_one_that_must_not_be_used_is_invented() {
    let start = || {
        let steps = json!([
            {"visit": {"consent": {"decisions": {"store": "denied", "ads": "granted"}}}},
            {"order": {"id": "A"}},
        ]);
        let mut bench = Bench::new("meta", steps);
        bench.play();
        bench
    };
    let sent = |fbp: &str| {
        let mut bench = start();
        let mut item = bench.item("A");
        assert!(!item.ids.contains_key("fbp"));
        item.ids.insert("fbp".into(), fbp.to_owned());
        bench.send("A", item);
        bench
    };
    let own = start().case.people["shopper"].ids["_fbp"].clone();
    assert!(sent(&own).found("no_invented_ids").is_empty());
    assert_eq!(sent(&own).found("consent_respected").len(), 1);
    assert_eq!(sent("fb.1.1793527100000.999").found("no_invented_ids").len(), 1);
}

#[test]
fn the_device_is_the_shoppers() {
    bent("meta", |i| i.ip = Some("127.0.0.1".into()), "shopper_device", "caller");
    bent("meta", |i| i.user_agent = Some("relay/1".into()), "shopper_device", "user agent");
    let mut bench = Bench::usual("meta");
    bench.play();
    let mut item = bench.item("A");
    item.ip = Some("::ffff:192.0.2.1".into());
    bench.send("A", item);
    assert!(bench.found("shopper_device").is_empty());
}

#[test]
fn wrong_hashes_are_explained() {
    let email =
        |value: String| move |i: &mut Item| i.identifiers = vec![(IdentifierKind::Email, value)];
    let typed = "Jane.shopper.1@Example.com";
    let right = normalise::sha256_hex(&typed.to_lowercase());
    let check = "identifiers_right";
    bent("meta", email(normalise::sha256_hex(typed)), check, "as typed");
    bent("meta", email(right.to_uppercase()), check, "upper-case");
    bent("meta", email(normalise::sha256_hex(&right)), check, "hashed twice");
    bent("meta", email("0".repeat(32)), check, "MD5");
    bent("meta", email(normalise::sha256_hex("")), check, "missing value");
    bent("meta", email(typed.to_lowercase()), check, "plain");
    bent(
        "meta",
        |i| i.identifiers = vec![(IdentifierKind::Phone, normalise::sha256_hex("2025550101"))],
        check,
        "country code",
    );
}

#[test]
fn plain_contact_data_and_canaries_are_found_anywhere() {
    for (text, check) in [
        ("?email=jane.shopper.1%40example.com", "no_plain_contact"),
        (r#"{"n":"Jane Doeshopper"}"#, "no_plain_contact"),
        ("ph=2025550101", "no_plain_contact"),
        (r#"{"note":"CANARYnote1"}"#, "minimal"),
        ("CANARYstreet1", "minimal"),
    ] {
        let mut bench = Bench::usual("meta");
        bench.play();
        let item = bench.item("A");
        bench.send("A", item).request.body = text.into();
        assert_eq!(bench.found(check).len(), 1, "{text}");
    }
}

#[test]
fn broken_rules_of_the_platform_are_findings_with_their_source() {
    let mut bench = Bench::usual("meta");
    bench.play();
    let item = bench.item("A");
    let rule = crate::platforms::by_id("meta").unwrap().rules()[0];
    let exchange = bench.send("A", item);
    exchange.reading.as_mut().unwrap().broken.push(crate::platforms::Violation {
        rule: rule.id,
        item: Some(0),
        at: "/data/0".into(),
        message: "broken".into(),
        refused: false,
    });
    let found = bench.found("contract");
    assert_eq!((&*found[0].rule, &*found[0].source), (rule.id, rule.source));
    assert_eq!(found[0].order.as_deref(), Some("A"));
}

#[test]
fn a_refused_visitor_is_left_alone_by_every_platform_request() {
    let steps = json!([{"visit": {"consent": "denied"}}, {"order": {"id": "A"}}]);
    let mut good = Bench::new("meta", steps.clone());
    good.play();
    let verdict = good.verdict();
    assert_eq!(
        (verdict.status, verdict.cells[0].outcome),
        (Status::Pass, Outcome::Withheld),
        "{:?}",
        verdict.notes
    );

    // Silence without a control order proves nothing.
    good.history.waited.sentinel = false;
    good.history.waited.decided = false;
    let verdict = good.verdict();
    assert_eq!(
        (verdict.status, verdict.cells[0].outcome),
        (Status::Inconclusive, Outcome::Unknown)
    );

    let mut leaks = Bench::new("meta", steps.clone());
    leaks.play().sends("A");
    let verdict = leaks.verdict();
    assert_eq!((verdict.status, verdict.cells[0].outcome), (Status::Fail, Outcome::Leaked));

    // Another platform was sent it: the case fails, but this platform was not leaked to.
    let mut elsewhere = Bench::new("meta", steps.clone());
    elsewhere.play().sends("A");
    elsewhere.history.exchanges.last_mut().unwrap().platform = Some("tiktok");
    let verdict = elsewhere.verdict();
    assert_eq!((verdict.status, verdict.cells[0].outcome), (Status::Fail, Outcome::Withheld));
    let finding = &elsewhere.found("consent_respected")[0];
    assert!(finding.message.starts_with("at tiktok: sent, though"), "{}", finding.message);

    // Not about the order, but about the person.
    let mut traces = Bench::new("meta", steps);
    traces.play();
    let id = traces.case.people["shopper"].ids["fbclid"].clone();
    let exchange = traces.request(OrderRef::Sentinel, Item::default(), Channel::Server, false);
    exchange.request.body = format!("{{\"event_name\":\"PageView\",\"fbc\":\"fb.1.1.{id}\"}}");
    assert!(traces.found("consent_respected")[0].message.contains("who refused"));
}

#[test]
fn what_is_queued_stops_when_consent_is_withdrawn() {
    let steps = json!([
        {"visit": {"consent": "granted"}},
        {"order": {"id": "A"}},
        {"until": {"attempted": {"order": "A", "times": 1}}},
        {"consent": {"answer": "denied"}},
        {"recovers": {}},
    ]);
    let down = || fault(Answers::Failure(FailureClass::Unavailable), None);
    let start = || {
        let mut bench = Bench::new("meta", steps.clone()).fault(down());
        bench.play_to(2);
        bench.fails("A", 0, 503);
        bench.play();
        bench
    };
    let good = start();
    let verdict = good.verdict();
    assert_eq!(
        (verdict.status, verdict.cells[0].outcome),
        (Status::Pass, Outcome::Reported),
        "{:#?} {:?}",
        verdict.findings,
        verdict.notes
    );

    // A request that was refused and may have been on its way: longer where calls take longer.
    let refused_after = |took: u64, ms: u64| {
        let mut bench = start();
        let consent = bench.history.actions.iter_mut().find(|a| a.step == Some(3)).unwrap();
        let Did::Consent { call: Some(call), .. } = &mut consent.what else { unreachable!() };
        call.took = Duration::from_millis(took);
        bench.wait(ms).fails("A", 0, 503);
        bench.found("consent_respected").len()
    };
    assert_eq!((refused_after(2, 100), refused_after(2, 300)), (0, 1));
    assert_eq!((refused_after(200, 300), refused_after(200, 500)), (0, 1));
    assert_eq!(refused_after(5_000, 700), 1, "a retry that was due is none of these");

    let mut bad = start();
    bad.wait(500).sends("A");
    assert_eq!(bad.verdict().cells[0].outcome, Outcome::Leaked);
    assert!(bad.found("consent_respected")[0].message.contains("withdrawn"));
}

#[test]
fn what_was_asked_for_after_the_withdrawal_was_not_under_way_then() {
    let replayed = |order: &str| {
        let steps = json!([
            {"visit": {"consent": "granted"}},
            {"order": {"id": "A"}},
            {"order": {"id": "B"}},
            {"until": {"attempted": {"order": "A", "times": 1}}},
            {"consent": {"answer": "denied"}},
            {"replay": {"order": order}},
        ]);
        let down = fault(Answers::Failure(FailureClass::Unavailable), None);
        let mut bench = Bench::new("meta", steps).fault(down);
        bench.play_to(3);
        bench.fails("A", 0, 503);
        bench.play().sends("A");
        bench
    };
    assert!(replayed("A").found("consent_respected")[0].message.contains("withdrawn"));
    // Another order's replay says nothing about this one, which may have been tried again by itself.
    assert!(replayed("B").found("consent_respected").is_empty());
}

#[test]
fn consent_flags_may_not_claim_more_than_was_said() {
    let partly = json!({"decisions": {"store": "granted", "ads": "granted", "ads_user_data": "denied", "ads_personalise": "denied"}});
    let visit = crate::scenario::Visit {
        consent: Some(crate::scenario::ConsentAnswer::Decisions(
            serde_json::from_value(partly["decisions"].clone()).unwrap(),
        )),
        ..Default::default()
    };
    let order = crate::scenario::OrderStep { id: "A".into(), ..Default::default() };
    let steps = || {
        vec![
            crate::scenario::Step::Visit(visit.clone()),
            crate::scenario::Step::Order(Box::new(order.clone())),
        ]
    };
    let mut good = Bench::with("google_ads", steps());
    good.play().sends("A");
    assert_eq!(good.verdict().status, Status::Pass, "{:#?}", good.verdict().findings);

    let mut bad = Bench::with("google_ads", steps());
    bad.play();
    let mut item = bad.item("A");
    item.consent_user_data = Some(true);
    item.identifiers = vec![(IdentifierKind::Email, normalise::sha256_hex("x"))];
    bad.send("A", item);
    assert!(bad.found("consent_flags_true")[0].message.contains("denied it"));
    assert!(bad.found("consent_respected")[0].message.contains("contact data"));
}

#[test]
fn passing_failures_are_retried_no_earlier_than_asked() {
    let mut limited = fault(Answers::Failure(FailureClass::RateLimited), Some(1));
    limited.retry_after = Some(Span::from_secs(2));
    let mut good = Bench::usual("meta").fault(limited.clone());
    good.play();
    good.fails("A", 0, 429);
    good.wait(2_000).sends("A");
    assert_eq!(good.verdict().status, Status::Pass, "{:#?}", good.verdict().findings);

    let mut early = Bench::usual("meta").fault(limited.clone());
    early.play();
    early.fails("A", 0, 429);
    early.wait(900).sends("A");
    assert!(early.found("retries")[0].message.contains("earlier"));

    let mut never = Bench::usual("meta").fault(limited.clone());
    never.play();
    never.fails("A", 0, 429);
    assert!(never.found("retries")[0].message.contains("not tried again"));

    let mut renamed = Bench::usual("meta").fault(limited);
    renamed.play();
    renamed.fails("A", 0, 429);
    renamed.wait(3_000);
    let mut item = renamed.item("A");
    item.key = Some("attempt-2".into());
    item.time = item.time.map(|t| t + time::Duration::seconds(3));
    renamed.send("A", item);
    let said: Vec<String> = renamed.found("retries").into_iter().map(|f| f.message).collect();
    assert!(said.iter().any(|m| m.contains("the id changed")), "{said:?}");
    assert!(said.iter().any(|m| m.contains("the event time changed")), "{said:?}");
}

#[test]
fn permanent_refusals_are_not_asked_for_again() {
    let refused = || fault(Answers::Failure(FailureClass::Invalid), None);
    let mut good = Bench::usual("meta").fault(refused());
    good.play();
    good.fails("A", 0, 400);
    let verdict = good.verdict();
    assert_eq!(
        (verdict.status, verdict.cells[0].outcome),
        (Status::Pass, Outcome::Reported),
        "{:#?}",
        verdict.findings
    );

    let mut bad = Bench::usual("meta").fault(refused());
    bad.play();
    for _ in 0..4 {
        bad.wait(300).fails("A", 0, 400);
    }
    assert!(bad.found("retries")[0].message.contains("refused for good"));
}

#[test]
fn a_replay_that_a_relay_rightly_refuses_did_what_the_case_is_about() {
    let refused = |consent: &str, status: u16, state: Option<LogState>| {
        let steps = json!([
            {"visit": {"consent": "granted"}},
            {"order": {"id": "A"}},
            {"until": {"attempted": {"order": "A", "times": 1}}},
            {"consent": {"answer": consent}},
            {"replay": {"order": "A"}},
        ]);
        let refusal = fault(Answers::Failure(FailureClass::Invalid), None);
        let mut bench = Bench::new("meta", steps).fault(refusal);
        bench.play_to(2);
        bench.fails("A", 0, 400);
        bench.play();
        let replay = bench.history.actions.iter_mut().find(|a| a.step == Some(4)).unwrap();
        let Did::Operator { call, .. } = &mut replay.what else { unreachable!() };
        call.status = Some(status);
        let mut failed = replay.clone();
        failed.what = Did::Failed { why: "the replay was not taken".into(), harness: false };
        bench.history.actions.push(failed);
        bench.history.readings.log = state.map(|state| {
            vec![LogEntry {
                order: OrderRef::Named("A".into()),
                platform: "meta".into(),
                state: Some(state),
                reason: Some("consent was withdrawn".into()),
                attempts: vec![LogAttempt { status: Some(400), trace_id: None, outcome: None }],
            }]
        });
        bench.verdict().status
    };
    assert_eq!(refused("denied", 409, None), Status::Pass);
    assert_eq!(refused("denied", 202, Some(LogState::Withheld)), Status::Pass);
    assert_eq!(refused("denied", 500, None), Status::Inconclusive);
    assert_eq!(refused("denied", 404, None), Status::Inconclusive, "it may be the profile's path");
    assert_eq!(refused("denied", 202, Some(LogState::Dead)), Status::Inconclusive);
    assert_eq!(refused("granted", 409, None), Status::Inconclusive);
}

#[test]
fn a_failure_that_never_hit_is_no_pass() {
    let mut bench =
        Bench::usual("meta").fault(fault(Answers::Failure(FailureClass::Unavailable), Some(2)));
    bench.play().sends("A");
    let verdict = bench.verdict();
    assert_eq!(verdict.status, Status::Inconclusive);
    assert!(verdict.notes[0].contains("hit 0 of 2"), "{:?}", verdict.notes);
}

#[test]
fn expectations_of_attempts_and_payload_are_judged() {
    let attempts = ExpectAttempts { order: "A".into(), exactly: Some(1), ..Default::default() };
    let payload = |path: &str, value| ExpectPayload {
        order: "A".into(),
        path: path.into(),
        equals: Some(value),
        ..Default::default()
    };
    let mut bench = Bench::usual("meta");
    std::sync::Arc::make_mut(&mut bench.case.scenario).expect = vec![
        Expect::Attempts(attempts),
        Expect::Payload(payload("item.value", json!(49.99))),
        Expect::Payload(payload("$.data[0].value", json!("49.99"))),
    ];
    bench.play().sends("A");
    assert_eq!(bench.verdict().status, Status::Pass, "{:#?}", bench.verdict().findings);
    std::sync::Arc::make_mut(&mut bench.case.scenario)
        .expect
        .push(Expect::Payload(payload("item.currency", json!("SEK"))));
    bench.sends("A");
    assert_eq!(bench.found("expectations").len(), 2, "{:#?}", bench.found("expectations"));
}

#[test]
fn wrong_late_and_missing_answers_to_webhooks_are_noticed() {
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    assert!(bench.found("acknowledgements").is_empty());
    let Did::Webhook { call, .. } = bench.last_webhook() else { unreachable!() };
    call.took = Duration::from_secs(6);
    assert!(bench.found("acknowledgements")[0].message.contains("too late"));
    let Did::Webhook { call, .. } = bench.last_webhook() else { unreachable!() };
    (call.took, call.status) = (Duration::ZERO, Some(500));
    assert!(bench.found("acknowledgements")[0].message.contains("wrong status"));
}

#[test]
fn forged_webhooks_make_no_orders() {
    let forged = |taken: bool| {
        let mut bench = Bench::new(
            "meta",
            json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A", "topics": ["paid"]}}]),
        );
        bench.play();
        if taken {
            bench.sends("A");
        }
        let Did::Webhook { right, signature, call, .. } = bench.last_webhook() else {
            unreachable!()
        };
        *right = vec![401];
        *signature = crate::scenario::Signature::Flipped;
        call.status = Some(if taken { 200 } else { 401 });
        bench.verdict()
    };
    let good = forged(false);
    assert_eq!(
        (good.status, good.cells[0].outcome),
        (Status::Pass, Outcome::Withheld),
        "{:?}",
        good.findings
    );
    let bad = forged(true);
    assert_eq!(bad.cells[0].outcome, Outcome::Leaked);
    assert!(bad.findings.iter().any(|f| f.check == "acknowledgements"));
}

#[test]
fn test_orders_and_test_marks_do_not_mix_with_live_traffic() {
    bent("meta", |i| i.test = true, "test_marks", "marked as a test");
    let steps = json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A", "test": true}}]);
    let mut good = Bench::new("meta", steps.clone());
    good.play();
    assert_eq!(good.verdict().status, Status::Pass);
    let mut bad = Bench::new("meta", steps);
    bad.play().sends("A");
    assert_eq!(bad.found("test_marks").len(), 1);
    assert!(bad.found("exactly_once")[0].message.contains("test order"));
}

#[test]
fn refunds_end_in_what_is_left() {
    let steps = json!([
        {"visit": {"consent": "granted"}},
        {"order": {"id": "A", "total": "100 EUR"}},
        {"until": {"delivered": "A"}},
        {"refund": {"order": "A", "amount": "30 EUR"}},
        {"refund": {"order": "A", "amount": "20 EUR"}},
    ]);
    let start = || {
        let mut bench = Bench::new("google_ads", steps.clone());
        bench.play_to(2);
        bench.sends("A");
        bench.play();
        bench
    };
    let adjust = |bench: &mut Bench, value: i64| {
        let mut item = bench.item("A");
        item.kind = ItemKind::Restatement { at: Some(bench.now()) };
        item.value = Some(Decimal::from(value));
        bench.send("A", item);
    };
    let mut good = start();
    adjust(&mut good, 70);
    adjust(&mut good, 50);
    assert_eq!(good.verdict().status, Status::Pass, "{:#?}", good.verdict().findings);
    let none = start();
    assert!(none.found("adjustments_right")[0].message.contains("never reached"));
    let mut wrong = start();
    adjust(&mut wrong, 20);
    assert!(wrong.found("adjustments_right")[0].message.contains("wrong value"));
    let mut foreign = start();
    let mut item = foreign.item("A");
    item.kind = ItemKind::Restatement { at: Some(foreign.now()) };
    (item.value, item.currency) = (Some(Decimal::from(50)), Some("USD".into()));
    foreign.send("A", item);
    assert!(foreign.found("adjustments_right")[0].message.contains("another currency"));
}

#[test]
fn the_log_must_tell_the_truth() {
    let entry = |state, reason: Option<&str>, attempts: usize| LogEntry {
        order: OrderRef::Named("A".into()),
        platform: "meta".into(),
        state: Some(state),
        reason: reason.map(str::to_owned),
        attempts: vec![
            LogAttempt {
                status: Some(200),
                trace_id: None,
                outcome: Some("delivered".into())
            };
            attempts
        ],
    };
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    bench.history.readings.log = Some(vec![entry(LogState::Delivered, None, 1)]);
    assert_eq!(bench.verdict().status, Status::Pass, "{:#?}", bench.verdict().findings);
    bench.history.readings.log = Some(Vec::new());
    assert!(bench.found("log_truthful")[0].message.contains("no entry"));
    bench.history.readings.log = Some(vec![entry(LogState::Dead, None, 1)]);
    assert_eq!(bench.found("log_truthful").len(), 2);

    let mut hasty = Bench::usual("meta");
    hasty.play().sends("A");
    hasty.history.readings.log = Some(vec![entry(LogState::Delivered, None, 1)]);
    let sent = hasty.history.exchanges[0].at;
    let early = |ms| (sent + Duration::from_millis(ms), entry(LogState::Delivered, None, 1));
    hasty.history.readings.early_log = vec![early(1)];
    assert!(hasty.found("log_truthful").is_empty());
    hasty.history.readings.early_log[0].0 = sent - Duration::from_millis(1);
    assert!(hasty.found("log_truthful")[0].message.contains("before the platform had taken"));

    let mut liar = Bench::usual("meta");
    liar.play();
    liar.history.readings.log = Some(vec![entry(LogState::Delivered, None, 1)]);
    assert!(liar.found("log_truthful")[0].message.contains("took nothing"));
}

#[test]
fn of_a_person_who_was_erased_the_log_need_not_tell() {
    let log = |steps: serde_json::Value| {
        let mut bench = Bench::new("meta", steps);
        bench.play_to(2);
        bench.sends("A");
        bench.play();
        bench.history.readings.log = Some(Vec::new());
        bench.found("log_truthful").len()
    };
    let steps = json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A"}}]);
    assert_eq!(log(steps), 1);
    let steps = json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A"}}, {"erase": {}}]);
    assert_eq!(log(steps), 0);
}

#[test]
fn logs_hold_no_contact_data_and_no_secrets() {
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    bench.history.readings.texts = vec![("stderr".into(), "delivered order_1".into())];
    assert!(bench.found("no_contact_in_logs").is_empty());
    bench.history.readings.texts[0].1 = "jane.shopper.1@example.com EAABsecret-token-1".into();
    assert_eq!(bench.found("no_contact_in_logs").len(), 2);
}

#[test]
fn what_scrolled_out_of_reach_was_not_searched() {
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    bench.history.readings.texts = vec![("stdout".into(), String::new())];
    assert_eq!(bench.verdict().status, Status::Pass);
    bench.history.readings.unsearched.push("stdout".into());
    let verdict = bench.verdict();
    assert_eq!(verdict.status, Status::Inconclusive);
    assert!(verdict.notes[0].contains("more than 4 MB to stdout"), "{:?}", verdict.notes);
    let email = bench.case.people["shopper"].contact.email.clone().unwrap();
    bench.history.readings.texts = vec![("stdout".into(), email)];
    assert_eq!(bench.verdict().status, Status::Fail);
}

#[test]
fn undeclared_hosts_are_egress() {
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    assert!(bench.found("egress").is_empty());
    let exchange = bench.request(OrderRef::Sentinel, Item::default(), Channel::Server, false);
    (exchange.platform, exchange.reading) = (None, None);
    exchange.request.host = "telemetry.example".into();
    assert_eq!(bench.found("egress").len(), 1);
    let bench = bench.policies(|p| p.hosts = vec!["Telemetry.example:443".into()]);
    assert!(bench.found("egress").is_empty());
}

#[test]
fn a_redirect_that_was_followed_tells_what_went_along() {
    let told = |body_bytes, header: Option<&str>, query: &str| {
        let mut bench = Bench::usual("meta");
        bench.play().sends("A");
        let exchange = bench.request(OrderRef::Sentinel, Item::default(), Channel::Server, false);
        (exchange.platform, exchange.reading) = (None, None);
        exchange.request.host = "canary.invalid".into();
        exchange.request.body_bytes = body_bytes;
        exchange.request.headers = header.map(|h| (h.to_owned(), "x".into())).into_iter().collect();
        exchange.request.query = query.to_owned();
        bench.found("egress").remove(0).message
    };
    assert_eq!(told(9, None, ""), "a redirect was followed with the payload: canary.invalid");
    for message in
        [told(0, Some("authorization"), ""), told(0, None, "a=1&access_token=EAABsecret-token-1")]
    {
        assert_eq!(message, "a redirect was followed with a credential: canary.invalid");
    }
    assert_eq!(told(0, None, "a=1"), "a redirect was followed to another host: canary.invalid");
}

#[test]
fn an_event_that_changed_between_attempts_names_the_field_without_secrets() {
    let attempts =
        ExpectAttempts { order: "A".into(), same: vec![SameAcross::Body], ..Default::default() };
    let mut bench = Bench::usual("meta");
    std::sync::Arc::make_mut(&mut bench.case.scenario).expect = vec![Expect::Attempts(attempts)];
    bench.play();
    for (n, token) in [(1, "EAABsecret-token-1"), (2, "other")] {
        let item = bench.item("A");
        let request = &mut bench.send("A", item).request;
        let event = json!({ "event_id": "x", "n": n, "note": token, "access_token": n });
        request.body = json!({ "data": [event] }).to_string();
    }
    let found = bench.found("expectations");
    assert_eq!(found[0].message, "the event changed between attempts");
    let side = |n, note: &str| Some(format!("/n {n}; /note \"{note}\"; /access_token [redacted]"));
    assert_eq!(found[0].expected, side(1, "[redacted]"));
    assert_eq!(found[0].actual, side(2, "other"));
    // Where the event's place is not there, the whole body is shown.
    for exchange in &mut bench.history.exchanges {
        exchange.request.body = exchange.request.body.replace("data", "events");
    }
    let found = bench.found("expectations");
    let shown = found[0].expected.as_deref().unwrap_or_default();
    assert!(shown.contains("\"access_token\":\"[redacted]\""), "{shown}");
}

#[test]
fn evidence_is_shown_without_credentials() {
    let mut bench = Bench::usual("meta");
    bench.play();
    let mut item = bench.item("A");
    item.value = None;
    let request = &mut bench.send("A", item).request;
    request.query = "access_token=EAABsecret-token-1".into();
    request.body = json!({"access_token": "abc", "x": "EAABsecret-token-1"}).to_string();
    let verdict = bench.verdict();
    let shown = format!("{:?}", verdict.evidence);
    assert!(!shown.contains("secret-token") && !shown.contains("abc"), "{shown}");
    assert_eq!(verdict.findings[0].severity, Severity::Must);
}

#[test]
fn a_harness_fault_says_nothing_about_the_relay() {
    let mut bench = Bench::usual("meta");
    bench.play();
    let Some(action) = bench.history.actions.first_mut() else { unreachable!() };
    action.what = Did::Failed { why: "no such template".into(), harness: true };
    assert_eq!(bench.verdict().status, Status::HarnessFault);
}

#[test]
fn the_time_to_the_platform_begins_with_the_acknowledgement_and_counts_no_planned_failure() {
    let mut bench = Bench::usual("meta");
    bench.play_to(2);
    // Two webhooks tell of the order, at 6 and 9 ms; a request takes 10.
    bench.wait(250).sends("A");
    bench.play();
    let cell = bench.verdict().cells.remove(0);
    assert_eq!((cell.attempts, cell.taken_after_ms), (1, Some(263)));

    let first = bench.history.actions.iter_mut().find_map(|action| match &mut action.what {
        Did::Webhook { call, .. } => Some(call),
        _ => None,
    });
    first.unwrap().status = Some(500);
    assert_eq!(bench.verdict().cells[0].taken_after_ms, Some(260), "the second was acknowledged");
    bench.history.actions.insert(2, bench.history.actions[0].clone());
    bench.history.actions[2].what = Did::Restarted { away: Duration::ZERO };
    assert_eq!(bench.verdict().cells[0].taken_after_ms, None);

    let down = fault(Answers::Failure(FailureClass::Unavailable), None);
    let mut retried = Bench::usual("meta").fault(down);
    retried.play_to(2);
    retried.fails("A", 0, 503);
    retried.sends("A").play();
    let cell = retried.verdict().cells.remove(0);
    assert_eq!((cell.attempts, cell.taken_after_ms), (2, None));
}

#[test]
fn a_finding_about_an_order_points_at_its_event_where_it_does_not_say_so_itself() {
    let mut bench = Bench::usual("meta");
    bench.play().sends("A");
    let mut item = bench.item("A");
    item.key = Some("another".into());
    item.pointer = "/data/7".into();
    bench.send("A", item);
    let doubled = bench.found("exactly_once");
    let counted = doubled.iter().find(|f| f.severity == Severity::Must).unwrap();
    assert_eq!((counted.order.as_deref(), counted.at.as_deref()), (Some("A"), Some("/data/0")));
}

#[test]
fn a_large_request_is_kept_whole_for_reports_and_a_huge_one_says_that_it_is_cut() {
    for (events, is_cut) in [(300, false), (20_000, true)] {
        let mut bench = Bench::usual("meta");
        bench.play();
        let mut item = bench.item("A");
        item.value = None;
        let body = json!({ "data": (0..events).map(|n| json!({ "n": n })).collect::<Vec<_>>() });
        bench.send("A", item).request.body = body.to_string();
        let verdict = bench.verdict();
        let evidence = &verdict.evidence[0];
        assert_eq!(evidence.is_cut, is_cut);
        assert!(evidence.request_body.len() < 300 * 1024);
        let parsed = serde_json::from_str::<serde_json::Value>(&evidence.request_body);
        assert_eq!(parsed.is_ok(), !is_cut);
    }
}
