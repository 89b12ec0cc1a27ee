//! The driver against a stand-in for a relay that answers everything and writes nothing down but what it got.
#![allow(clippy::unwrap_used)]

use std::{path::Path, sync::Arc};

use serde_json::{Value, json};
use wiremock::{Mock, MockServer, Request, ResponseTemplate, matchers::any};

use super::*;
use crate::{
    gateway::{Gateway, GatewayOptions},
    plan::cases::{self, PlanOptions},
    platforms::PLATFORMS,
    scenario::{Decision, HealthState, LogState, Topic, load},
    sut::profile,
};

mod senders;

/// A case on its way.
struct Play {
    server: MockServer,
    gateway: Gateway,
    profile: Profile,
    relay: Relay,
    case: Arc<Case>,
    shops: Vec<Shop>,
}

impl Play {
    /// The first case of this scenario on Meta, before a relay that answers 202 to everything.
    async fn of(steps: &str) -> Self {
        Self::on("meta", steps, |_| {}).await
    }

    async fn on(platform: &str, steps: &str, change: impl FnOnce(&mut Profile)) -> Self {
        let server = MockServer::start().await;
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles/reference.yaml");
        let mut profile = profile::load(&path).unwrap_or_else(|error| panic!("{error}"));
        change(&mut profile);
        let text =
            format!("title: A test\ncovers: [TST-01]\nplatforms: [{platform}]\nsteps:\n{steps}");
        let scenario = load::load_str("test/it", &text).unwrap_or_else(|error| panic!("{error}"));
        let options =
            PlanOptions { seed: 7, profile: &profile, platforms: None, patterns: Vec::new() };
        let plan = cases::plan(&[scenario], &options).unwrap_or_else(|error| panic!("{error}"));
        let case =
            Arc::new(plan.cases.into_iter().next().unwrap_or_else(|| panic!("{:?}", plan.skipped)));
        let shops = cases::shops(7, 0, 2, &profile);
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        gateway.add_shops(&shops);
        let relay = Relay::at(&profile, &server.uri(), Duration::from_secs(5)).await.unwrap();
        Self { server, gateway, profile, relay, case, shops }
    }

    async fn answer_all(self) -> Self {
        Mock::given(any()).respond_with(ResponseTemplate::new(202)).mount(&self.server).await;
        self
    }

    /// Plays the steps; what was done and what the relay got.
    async fn steps(&self) -> (Vec<Action>, Vec<Request>) {
        let handle = self.gateway.open(Arc::clone(&self.case), &self.shops, None).unwrap();
        let mut driver = self.driver(&handle);
        let actions = driver.play().await;
        for action in &actions {
            if let Did::Failed { why, .. } = &action.what {
                panic!("{why}");
            }
        }
        (actions, self.server.received_requests().await.unwrap())
    }

    fn driver<'a>(&'a self, handle: &'a CaseHandle) -> Driver<'a> {
        let started = Instant::now();
        Driver::new(&self.relay, &self.profile, &self.case, &self.shops, handle, started)
    }
}

fn body(request: &Request) -> Value {
    serde_json::from_slice(&request.body).unwrap()
}

fn header<'a>(request: &'a Request, name: &str) -> &'a str {
    request.headers.get(name).map_or("", |value| value.to_str().unwrap())
}

fn topics(requests: &[Request]) -> Vec<&str> {
    requests.iter().map(|request| header(request, "x-shopify-topic")).collect()
}

#[tokio::test]
async fn a_visit_and_an_order_are_told_as_the_profile_says() {
    let play = Play::of(
        "  - visit: { click: paid, consent: granted }\n  - order: { id: A, total: 49.99 EUR, zone: '+02:00' }\n",
    );
    let play = play.await.answer_all().await;
    let (actions, requests) = play.steps().await;
    let person = &play.case.people["shopper"];
    let order = play.case.order("A").unwrap();

    let landing = &requests[0];
    assert_eq!(landing.url.path(), format!("/v1/shops/{}/clicks", play.shops[0].id));
    assert_eq!(header(landing, "x-forwarded-for"), person.ip);
    assert_eq!(header(landing, "user-agent"), person.user_agent);
    assert!(landing.headers.get("sec-gpc").is_none(), "empty headers are left out");
    let told = body(landing);
    let expected =
        format!("https://{}/products/mug?fbclid={}", play.shops[0].domain, person.ids["fbclid"]);
    assert_eq!(told["url"], expected);
    assert_eq!(told["cookies"]["_fbp"], person.ids["_fbp"].as_str());
    assert_eq!(told["consent"]["ads_user_data"], "granted");
    assert_eq!(told["cart_token"].as_str(), order.cart_token.as_deref());
    assert!(told.get("observed_at").is_none());

    assert_eq!(topics(&requests[1..]), ["orders/create", "orders/paid"]);
    let paid = body(&requests[2]);
    assert_eq!(paid["id"], order.numeric_id);
    let attributes = paid["note_attributes"].to_string();
    assert!(attributes.contains(&person.visitor_id), "{attributes}");
    assert!(attributes.contains("ads=1;ads_user_data=1;ads_personalise=1;store=1"), "{attributes}");
    assert_eq!(paid["landing_site"], format!("/products/mug?fbclid={}", person.ids["fbclid"]));

    // The browser's copy came first, and all parts of the order's step share its moment.
    let kinds: Vec<_> = actions.iter().map(|action| &action.what).collect();
    assert!(matches!(
        kinds.as_slice(),
        [
            Did::Landing { .. },
            Did::BrowserCopy { .. },
            Did::Webhook { topic: Topic::Create, .. },
            Did::Webhook { topic: Topic::Paid, .. }
        ]
    ));
    assert!(actions[1..].iter().all(|action| action.time == actions[1].time));
    let created = OffsetDateTime::parse(
        paid["created_at"].as_str().unwrap(),
        &time::format_description::well_known::Rfc3339,
    );
    let skew = actions[1].time - created.unwrap();
    assert!((time::Duration::ZERO..time::Duration::SECOND).contains(&skew), "{skew}");
}

#[tokio::test]
async fn without_consent_no_pixel_fires_and_nothing_is_told_of_consent() {
    let play =
        Play::of("  - visit: { click: paid }\n  - order: { id: A }\n").await.answer_all().await;
    let (actions, requests) = play.steps().await;
    assert!(body(&requests[0]).get("consent").is_none());
    assert!(!body(&requests[1])["note_attributes"].to_string().contains("relay_consent"));
    assert!(!actions.iter().any(|action| matches!(action.what, Did::BrowserCopy { .. })));
}

#[tokio::test]
async fn join_keys_are_those_of_the_step() {
    let play =
        Play::of("  - visit: { consent: granted }\n  - order: { id: A, join: [checkout] }\n");
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    let (told, order) = (body(&requests[0]), body(&requests[1]));
    assert!(told.get("cart_token").is_none());
    assert_eq!(told["checkout_token"], order["checkout_token"]);
    assert!(order["checkout_token"].is_string());
    assert_eq!((&order["cart_token"], &order["landing_site"]), (&Value::Null, &Value::Null));
    assert!(!order["note_attributes"].to_string().contains("relay_visitor_id"));
}

#[tokio::test]
async fn a_late_landing_is_told_after_the_order() {
    let play = Play::of(
        "  - visit: { click: paid, consent: granted, late: 30ms }\n  - order: { id: A }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    assert_eq!(requests.len(), 3);
    assert!(requests[2].url.path().ends_with("/clicks"));
    assert!(!body(&requests[1])["landing_site"].is_null(), "the store saw it all the same");
}

#[tokio::test]
async fn a_redelivery_is_the_first_delivery_again_and_a_new_one_is_not() {
    let play = Play::of(
        "  - visit: { consent: granted }\n  - order: { id: A, topics: [paid] }\n  - webhook: { order: A, redelivery: true }\n  - webhook: { order: A }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    let ids: Vec<_> = requests[1..].iter().map(|r| header(r, "x-shopify-webhook-id")).collect();
    let times: Vec<_> = requests[1..].iter().map(|r| header(r, "x-shopify-triggered-at")).collect();
    assert_eq!((ids[0], times[0]), (ids[1], times[1]));
    assert_eq!(requests[1].body, requests[2].body, "the original payload");
    assert_ne!(ids[0], ids[2]);
    assert_ne!(times[0], times[2]);
}

#[tokio::test]
async fn copies_go_out_with_ids_of_their_own_and_one_event() {
    let play =
        Play::of("  - order: { id: A, topics: [paid], copies: 8 }\n").await.answer_all().await;
    let (actions, requests) = play.steps().await;
    let ids: std::collections::BTreeSet<_> =
        requests.iter().map(|r| header(r, "x-shopify-webhook-id")).collect();
    let events: std::collections::BTreeSet<_> =
        requests.iter().map(|r| header(r, "x-shopify-event-id")).collect();
    assert_eq!((requests.len(), ids.len(), events.len()), (8, 8, 1));
    assert_eq!(actions.len(), 8);
}

#[tokio::test]
async fn refunds_and_cancellations_follow_what_is_left() {
    let play = Play::of(
        "  - order: { id: A, total: 100.00 EUR }\n  - refund: { order: A, amount: 30.00 EUR, times: 2 }\n  - cancel: { order: A }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    assert_eq!(
        topics(&requests),
        [
            "orders/create",
            "orders/paid",
            "refunds/create",
            "refunds/create",
            "orders/cancelled",
            "refunds/create"
        ]
    );
    let refunds: Vec<Value> = [2, 3, 5].map(|i| body(&requests[i])).into();
    assert_eq!(refunds[0], refunds[1], "told twice, it is one refund");
    assert_eq!(refunds[0]["transactions"][0]["amount"], "30.00");
    assert_eq!(refunds[2]["transactions"][0]["amount"], "70.00");
    assert_ne!(refunds[0]["id"], refunds[2]["id"]);
    let cancelled = body(&requests[4]);
    assert!(cancelled["cancelled_at"].is_string());
    assert_eq!(
        (&cancelled["total_price"], &cancelled["current_total_price"]),
        (&json!("100.00"), &json!("70.00"))
    );
}

#[tokio::test]
async fn a_stale_delivery_shows_the_order_as_it_was() {
    let play = Play::of(
        "  - order: { id: A, state: pending }\n  - webhook: { order: A, topic: paid }\n  - webhook: { order: A, topic: updated, stale: true }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    let states: Vec<_> = requests.iter().map(|r| body(r)["financial_status"].clone()).collect();
    assert_eq!(states, ["pending", "paid", "pending"]);
    assert_eq!(body(&requests[0])["updated_at"], body(&requests[2])["updated_at"]);
}

#[tokio::test]
async fn a_stale_delivery_shows_the_order_as_it_was_placed_although_nothing_was_told_of_it_then() {
    let play = Play::of(
        "  - order: { id: A, state: pending, browser: false, topics: [] }\n  - webhook: { order: A, topic: paid, state: paid, total: 9.00 EUR }\n  - webhook: { order: A, topic: create, stale: true }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    assert_eq!(topics(&requests), ["orders/paid", "orders/create"]);
    let bodies: Vec<_> = requests.iter().map(body).collect();
    let states: Vec<_> = bodies.iter().map(|order| &order["financial_status"]).collect();
    assert_eq!(states, ["paid", "pending"]);
    assert_eq!(bodies[1]["updated_at"], bodies[1]["created_at"]);
}

#[tokio::test]
async fn wrong_signatures_are_noted_with_the_answers_that_are_right() {
    let play = Play::of(
        "  - order: { id: A, topics: [] }\n  - webhook: { order: A, sign: flipped }\n  - webhook: { order: A, sign: previous, layout: unusual, lower_case_headers: true }\n",
    );
    let play = play.await.answer_all().await;
    let (actions, _) = play.steps().await;
    let right: Vec<_> = actions
        .iter()
        .filter_map(|action| match &action.what {
            Did::Webhook { right, .. } => Some(right.contains(&202)),
            _ => None,
        })
        .collect();
    assert_eq!(right, [false, true]);
}

#[tokio::test]
async fn the_generic_format_is_spoken_where_the_order_asks_for_it() {
    let play = Play::of(
        "  - visit: { consent: { ads: granted, store: denied } }\n  - order: { id: A, format: standard_webhooks }\n",
    );
    let play = play.await.answer_all().await;
    let (_, requests) = play.steps().await;
    assert!(requests[1].url.path().ends_with("/webhooks/orders"));
    let data = body(&requests[2])["data"].clone();
    assert_eq!(data["consent"], json!({"store": "denied", "ads": "granted"}));
    assert_eq!(data["visitor_id"], play.case.people["shopper"].visitor_id.as_str());
}

#[tokio::test]
async fn the_control_order_consents_and_is_another_one_each_time() {
    let play = Play::of("  - order: { id: A }\n").await.answer_all().await;
    let handle = play.gateway.open(Arc::clone(&play.case), &play.shops, None).unwrap();
    let mut driver = play.driver(&handle);
    let first = driver.control_order().await;
    driver.control_order().await;
    assert_eq!(driver.controls(), 2);
    assert!(matches!(&first[0].what, Did::Landing { by, .. } if by == CONTROL));
    assert!(first.iter().all(|action| action.step.is_none()));
    let requests = play.server.received_requests().await.unwrap();
    assert_eq!(body(&requests[0])["consent"]["ads"], "granted");
    let ids = [1, 2, 4, 5].map(|i| body(&requests[i])["id"].as_u64().unwrap());
    assert_eq!(ids[0], play.case.sentinel.numeric_id);
    assert_eq!((ids[1], ids[2], ids[3]), (ids[0], ids[0] + 1, ids[0] + 1));
    assert_eq!(body(&requests[3])["cart_token"], body(&requests[4])["cart_token"]);
}

#[tokio::test]
async fn consent_is_told_before_the_landing_where_the_landing_cannot_carry_it() {
    let change = |profile: &mut Profile| {
        if let Some(click) = &mut profile.send.click {
            click.body = Some("{{ {'url': url} | json }}".into());
        }
    };
    let play = Play::on(
        "meta",
        "  - visit: { consent: denied }\n  - consent: { answer: granted }\n",
        change,
    );
    let play = play.await.answer_all().await;
    let (actions, requests) = play.steps().await;
    let paths: Vec<_> =
        requests.iter().map(|r| r.url.path().rsplit('/').next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["consent", "clicks", "consent"]);
    let told: Vec<_> = actions
        .iter()
        .filter_map(|action| match &action.what {
            Did::Consent { decisions, call: Some(_), .. } => Some(decisions.ads),
            _ => None,
        })
        .collect();
    assert_eq!(told, [Decision::Denied, Decision::Granted]);
}

#[tokio::test]
async fn the_log_is_read_for_the_cases_own_orders() {
    let play = Play::of("  - order: { id: A }\n").await;
    let id = play.case.order("A").unwrap().numeric_id.to_string();
    let entry = |order: &str, state: &str| {
        json!({"id": "d1", "order_id": order, "destination": "meta", "state": state, "reason": "why",
            "attempts": [{"status": 400, "trace_id": "T", "outcome": "rejected"}, {"status": null}]})
    };
    let listing = json!({"deliveries": [entry(&id, "dead"), entry("999", "delivered"), entry(&id, "napping")]});
    Mock::given(wiremock::matchers::path("/v1/deliveries"))
        .respond_with(ResponseTemplate::new(200).set_body_json(listing))
        .mount(&play.server)
        .await;
    Mock::given(any()).respond_with(ResponseTemplate::new(503)).mount(&play.server).await;
    let handle = play.gateway.open(Arc::clone(&play.case), &play.shops, None).unwrap();
    let of_this = play.driver(&handle).read_back().await;
    assert_eq!(of_this.health, None, "nothing goes wrong by plan: nobody asks");
    let mut driver = play.driver(&handle).asking_for_health();
    driver.play().await;
    let readings = driver.read_back().await;
    let log = readings.log.unwrap();
    assert_eq!(log.len(), 2);
    assert_eq!((log[0].state, log[1].state), (Some(LogState::Dead), None));
    assert_eq!(log[0].attempts.len(), 2);
    assert_eq!((log[0].attempts[0].status, log[0].attempts[1].status), (Some(400), None));
    assert_eq!(readings.health, Some(HealthState::Unhealthy));
    assert!(readings.unreadable.is_empty(), "{:?}", readings.unreadable);
}

#[tokio::test]
async fn a_relay_that_does_not_answer_costs_two_waits_and_no_more() {
    let quick = |profile: &mut Profile| {
        profile.policies.acknowledge_within = crate::scenario::units::Span::from_millis(-1_900);
    };
    let steps: String = (0..6).map(|i| format!("  - order: {{ id: A{i} }}\n")).collect();
    let play = Play::on("meta", &steps, quick).await;
    Mock::given(any())
        .respond_with(ResponseTemplate::new(202).set_delay(Duration::from_secs(60)))
        .mount(&play.server)
        .await;
    let begin = Instant::now();
    let (actions, requests) = play.steps().await;
    assert_eq!(requests.len(), 2);
    assert_eq!(actions.len(), 12, "what was not sent is on the record");
    assert!(begin.elapsed() < Duration::from_secs(8));
}

#[tokio::test]
async fn everybody_of_a_bulk_lands_and_orders() {
    let steps = "  - visit: { click: paid, consent: granted }\n  - order: { id: A, bulk: 10 }\n";
    let play = Play::of(steps).await.answer_all().await;
    let (actions, requests) = play.steps().await;
    let count = |is: fn(&Did) -> bool| actions.iter().filter(|a| is(&a.what)).count();
    assert_eq!(count(|did| matches!(did, Did::Landing { .. })), 10);
    assert_eq!(count(|did| matches!(did, Did::Webhook { .. })), 20);
    assert_eq!(count(|did| matches!(did, Did::Failed { .. })), 0);
    assert_eq!(requests.len(), 30);
}

#[tokio::test]
async fn every_secret_of_a_shop_is_looked_for_in_the_relays_output() {
    let play = Play::of("  - order: { id: A }\n").await;
    let handle = play.gateway.open(Arc::clone(&play.case), &play.shops, None).unwrap();
    let needles = play.driver(&handle).secrets();
    let secrets = play.shops.iter().flat_map(Shop::secrets).filter(|(_, s)| s.len() >= 5);
    for (name, secret) in secrets {
        assert!(needles.contains(&secret.to_lowercase()), "{name}");
    }
}

#[tokio::test]
async fn a_header_that_cannot_be_sent_is_no_silence_of_the_relay() {
    let steps = "  - visit: { click: paid, consent: granted }\n";
    let play = Play::on("meta", steps, |profile| {
        let click = profile.send.click.as_mut().unwrap();
        click.headers.insert("X-Pages".into(), "{{ url }}\n{{ url }}".into());
    });
    let play = play.await.answer_all().await;
    let handle = play.gateway.open(Arc::clone(&play.case), &play.shops, None).unwrap();
    let actions = play.driver(&handle).play().await;
    let failed = actions.iter().find_map(|action| match &action.what {
        Did::Failed { why, harness: true } => Some(why.as_str()),
        _ => None,
    });
    let why = failed.unwrap_or_default();
    assert!(why.contains("send.click.headers.X-Pages cannot be sent"), "{actions:#?}");
    assert!(!actions.iter().any(|action| matches!(action.what, Did::Landing { .. })));
}
