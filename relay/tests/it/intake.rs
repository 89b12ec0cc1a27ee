//! What comes in: duplicates, signatures, consent, stitching.

use serde_json::{Value, json};
use wiremock::matchers::any;
use wiremock::{Mock, MockServer};

use crate::support::{Relay, event_ids, events, meta_shop, meta_takes, paid};

async fn platform() -> MockServer {
    let platform = MockServer::start().await;
    Mock::given(any()).respond_with(meta_takes).mount(&platform).await;
    platform
}

#[tokio::test(flavor = "multi_thread")]
async fn a_landing_and_an_order_become_one_event_with_the_click_id() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    assert_eq!(relay.visit("v", "?fbclid=Ab-_C", "granted").await, json!({"stored": true}));
    assert_eq!(relay.webhook("orders/paid", &paid(9_007_199_254_740_993, "v")).await.0, 200);
    let delivery = relay.reaches(9_007_199_254_740_993, "delivered").await;
    assert_eq!(delivery["event_id"], "order_9007199254740993");
    assert_eq!(delivery["attempts"][0]["status"], 200);
    assert_eq!(delivery["attempts"][0]["trace_id"], "AbCdEfGhIjKlMnOpQrStUvW");
    let requests = platform.received_requests().await.unwrap();
    let event = events(requests.first().unwrap()).remove(0);
    assert_eq!(event["event_id"], "order_9007199254740993");
    assert!(event["user_data"]["fbc"].as_str().unwrap().ends_with(".Ab-_C"));
    assert_eq!(event["custom_data"]["value"], json!(49.99));
}

#[tokio::test(flavor = "multi_thread")]
async fn thirty_two_concurrent_copies_on_two_topics_are_delivered_once() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    let order = paid(1, "v");
    let copies = (0..32).map(|i| {
        let topic = if i % 2 == 0 { "orders/paid" } else { "orders/create" };
        let id = format!("message-{}", i % 5);
        relay.webhook_request(topic, &id, &order).send()
    });
    for answer in futures_util::future::join_all(copies).await {
        assert_eq!(answer.unwrap().status(), 200);
    }
    relay.reaches(1, "delivered").await;
    let relay = relay.restart().await;
    assert_eq!(relay.webhook("orders/updated", &order).await.1, json!({"duplicate": true}));
    assert_eq!(relay.deliveries(1).await.len(), 1);
    assert_eq!(event_ids(&platform).await, ["order_1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_signatures_shops_topics_and_bodies_get_the_status_of_the_contract() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    let request = |topic: &str| relay.webhook_request(topic, "m", &json!({"id": 1}));
    let status = |r: reqwest::RequestBuilder| async { r.send().await.unwrap().status().as_u16() };
    assert_eq!(status(request("orders/paid").body("{}")).await, 401);
    let twice = request("orders/paid").header("x-shopify-hmac-sha256", "AAAA");
    assert_eq!(status(twice).await, 401);
    let other = relay.webhook_request("orders/paid", "m", &json!([]));
    assert_eq!(status(other).await, 400);
    assert_eq!(status(request("carts/update")).await, 200);
    let http = reqwest::Client::new();
    let unsigned = http.post(format!("{}/v1/webhooks/shopify", relay.base)).body("{}");
    assert_eq!(status(unsigned).await, 404);
    let large = http.post(format!("{}/v1/shops/demo/clicks", relay.base)).body("x".repeat(70_000));
    assert_eq!(status(large).await, 413);
    let no_token = http.get(format!("{}/v1/deliveries", relay.base));
    assert_eq!(status(no_token).await, 401);
    assert_eq!(
        relay.post("/v1/shops/demo/clicks", &json!({"visitor_id": 1})).await.1["error"]["field"],
        "visitor_id"
    );
    let foreign = http
        .post(format!("{}/v1/shops/demo/clicks", relay.base))
        .header("origin", "https://evil.example")
        .json(&json!({"visitor_id": "v"}));
    assert_eq!(status(foreign).await, 403);
    assert_eq!(event_ids(&platform).await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_consent_nothing_is_sent_and_the_sentinel_arrives() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    let refused = relay.visit("no", "?fbclid=NO", "denied").await;
    assert_eq!(refused, json!({"stored": false, "reason": "consent"}));
    relay.visit("yes", "?fbclid=YES", "granted").await;
    relay.visit("withdrawn", "?fbclid=W", "granted").await;
    relay.consent("withdrawn", "denied").await;
    for (id, visitor) in [(1, "no"), (2, "stranger"), (3, "withdrawn"), (4, "yes")] {
        assert_eq!(relay.webhook("orders/paid", &paid(id, visitor)).await.0, 200);
    }
    relay.reaches(4, "delivered").await;
    let reason = |d: Value| d["reason"].as_str().unwrap_or_default().to_owned();
    // Without store consent no cart is joined: the order's own consent is unknown.
    assert_eq!(reason(relay.reaches(1, "withheld").await), "consent_unknown");
    assert_eq!(reason(relay.reaches(2, "withheld").await), "consent_unknown");
    assert_eq!(reason(relay.reaches(3, "withheld").await), "consent");
    assert_eq!(event_ids(&platform).await, ["order_4"]);
    let (_, export) = relay.get("/v1/export?shop=demo&visitor_id=withdrawn").await;
    assert!(!export.to_string().contains("fbclid"), "{export}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_order_waits_a_moment_for_its_late_click() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    relay.webhook("orders/paid", &paid(1, "late")).await;
    relay.visit("late", "?fbclid=Late", "granted").await;
    relay.reaches(1, "delivered").await;
    let requests = platform.received_requests().await.unwrap();
    let fbc = events(requests.first().unwrap())[0]["user_data"]["fbc"].clone();
    assert!(fbc.as_str().unwrap().ends_with(".Late"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_withhold_and_a_later_payment_counts() {
    let platform = platform().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    let mut order = paid(1, "v");
    order["financial_status"] = json!("pending");
    relay.webhook("orders/create", &order).await;
    assert_eq!(relay.reaches(1, "withheld").await["reason"], "state_pending");
    relay.webhook("orders/paid", &paid(1, "v")).await;
    relay.reaches(1, "delivered").await;
    let mut test = paid(2, "v");
    test["test"] = json!(true);
    relay.webhook("orders/paid", &test).await;
    assert_eq!(relay.reaches(2, "withheld").await["reason"], "test_order");
    let mut no_currency = paid(3, "v");
    no_currency["currency"] = Value::Null;
    relay.webhook("orders/paid", &no_currency).await;
    assert_eq!(relay.reaches(3, "dead").await["reason"], "no_currency");
    assert_eq!(event_ids(&platform).await, ["order_1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erased_person_is_not_delivered_even_when_the_store_sends_the_order_again() {
    let platform = MockServer::start().await;
    let relay = Relay::start(&meta_shop(&platform)).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    relay.webhook("orders/paid", &paid(1, "v")).await;
    relay.reaches(1, "dead").await;
    let redact =
        json!({"customer": {"id": 1, "email": "Jane.Doe@EXAMPLE.com"}, "orders_to_redact": []});
    assert_eq!(relay.webhook("customers/redact", &redact).await.0, 200);
    assert_eq!(relay.reaches(1, "withheld").await["reason"], "erased");
    let mut again = paid(1, "v");
    again["updated_at"] = json!("2030-01-01T00:00:00Z");
    relay.webhook("orders/updated", &again).await;
    assert_eq!(relay.reaches(1, "withheld").await["reason"], "erased");
    let (_, export) = relay.get("/v1/export?shop=demo&email=jane.doe@example.com").await;
    assert_eq!(export["orders"], json!([]));
}
