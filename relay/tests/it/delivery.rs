//! What goes out when platforms misbehave: retries, floors, partial failures, parking, restarts, stopping.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;
use wiremock::matchers::{any, header};
use wiremock::{Mock, MockServer, Request, ResponseTemplate};

use crate::support::{Relay, event_ids, events, meta_shop, meta_takes, paid, shop};

/// A platform that fails `times` times with this answer and then takes everything.
async fn failing(times: u64, answer: ResponseTemplate) -> MockServer {
    let platform = MockServer::start().await;
    Mock::given(any()).respond_with(answer).up_to_n_times(times).mount(&platform).await;
    Mock::given(any()).respond_with(meta_takes).mount(&platform).await;
    platform
}

async fn ordered(platform: &MockServer, count: u64) -> Relay {
    let relay = Relay::start(&meta_shop(platform)).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    for id in 1..=count {
        assert_eq!(relay.webhook("orders/paid", &paid(id, "v")).await.0, 200);
    }
    relay
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rate_limited_delivery_is_retried_no_earlier_than_asked_with_the_same_body() {
    let platform = failing(1, ResponseTemplate::new(429).insert_header("retry-after", "1")).await;
    let begun = Instant::now();
    let relay = ordered(&platform, 1).await;
    let delivery = relay.reaches(1, "delivered").await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(delivery["attempts"][0]["outcome"], "retry");
    let requests = platform.received_requests().await.unwrap();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0].body, requests[1].body);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_with_status_200_is_not_a_delivery() {
    let page = ResponseTemplate::new(200).set_body_raw("<html>hello</html>", "text/html");
    let platform = failing(2, page).await;
    let relay = ordered(&platform, 1).await;
    let delivery = relay.reaches(1, "delivered").await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_not_answered_is_sent_again_unchanged() {
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(3));
    let platform = failing(1, slow).await;
    let relay = ordered(&platform, 1).await;
    let delivery = relay.reaches(1, "delivered").await;
    assert_eq!(delivery["attempts"][0]["reason"], "timeout");
    assert_eq!(event_ids(&platform).await, ["order_1", "order_1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn one_bad_event_does_not_take_good_ones_down() {
    let platform = MockServer::start().await;
    let refuse = |request: &Request| {
        if events(request).iter().any(|e| e["event_id"] == "order_3") {
            return ResponseTemplate::new(400).set_body_json(json!({"error": {
                "message": "Invalid parameter", "code": 100, "error_subcode": 2_804_003,
                "is_transient": false, "fbtrace_id": "A"}}));
        }
        meta_takes(request)
    };
    Mock::given(any()).respond_with(refuse).mount(&platform).await;
    let config = meta_shop(&platform).replace("[delivery]\n", "[delivery]\nbatch_delay_ms = 200\n");
    let relay = Relay::start(&config).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    for id in 1..=6 {
        relay.webhook("orders/paid", &paid(id, "v")).await;
    }
    for id in [1, 2, 4, 5, 6] {
        relay.reaches(id, "delivered").await;
    }
    relay.reaches(3, "dead").await;
    let requests = platform.received_requests().await.unwrap();
    assert_eq!(events(&requests[0]).len(), 6, "they travelled together at first");
    assert!(requests.len() <= 1 + 6, "{}", requests.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn refused_credentials_park_the_lane_until_new_ones_arrive() {
    let platform = MockServer::start().await;
    let good = header("authorization", "Bearer token-2");
    Mock::given(good).respond_with(meta_takes).with_priority(1).mount(&platform).await;
    let error = json!({"error": {"message": "expired", "type": "OAuthException", "code": 190, "fbtrace_id": "A"}});
    let refused = ResponseTemplate::new(400).set_body_json(error);
    Mock::given(any()).respond_with(refused).mount(&platform).await;
    let relay = ordered(&platform, 5).await;
    relay.reaches(5, "parked").await;
    let (status, health) = relay.get("/v1/health").await;
    assert_eq!((status, &health["problems"][0]["state"]), (503, &json!("parked")));
    let relay = relay.restart().await;
    relay.reaches(5, "parked").await;
    let path = "/v1/shops/demo/destinations/meta/credentials";
    assert_eq!(relay.put(path, &json!({"access_token": "token-2"})).await.0, 204);
    for id in 1..=5 {
        relay.reaches(id, "delivered").await;
    }
    assert_eq!(relay.get("/v1/health").await.0, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_a_restart_and_keeps_its_key() {
    let platform = failing(3, ResponseTemplate::new(503)).await;
    let relay = ordered(&platform, 3).await;
    let relay = relay.restart().await;
    for id in 1..=3 {
        relay.reaches(id, "delivered").await;
    }
    let mut ids = event_ids(&platform).await;
    ids.sort();
    ids.dedup();
    assert_eq!(ids, ["order_1", "order_2", "order_3"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_lets_the_attempt_in_flight_finish() {
    let platform = MockServer::start().await;
    let slow = |r: &Request| meta_takes(r).set_delay(Duration::from_millis(500));
    Mock::given(any()).respond_with(slow).mount(&platform).await;
    let mut relay = ordered(&platform, 1).await;
    while platform.received_requests().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    relay.stop().await.unwrap();
    let relay = relay.restart_stopped().await;
    let delivery = relay.reaches(1, "delivered").await;
    assert_eq!(delivery["attempts"].as_array().unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_while_queued_stops_the_retry() {
    let platform = failing(1, ResponseTemplate::new(503)).await;
    let config = meta_shop(&platform)
        .replace("backoff_base_ms = 40", "backoff_base_ms = 60000")
        .replace("backoff_cap_ms = 400", "backoff_cap_ms = 60000");
    let relay = Relay::start(&config).await;
    relay.visit("v", "?fbclid=X", "granted").await;
    let mut order = paid(1, "v");
    order["note_attributes"] = json!([{"name": "relay_visitor_id", "value": "v"}]);
    relay.webhook("orders/paid", &order).await;
    while platform.received_requests().await.unwrap().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    relay.consent("v", "denied").await;
    relay.post("/v1/test/clock", &json!({"advance_seconds": 120})).await;
    assert_eq!(relay.reaches(1, "withheld").await["reason"], "consent");
    assert_eq!(event_ids(&platform).await, ["order_1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn refunds_follow_their_purchase_in_order_with_cumulative_values() {
    let platform = MockServer::start().await;
    let tokens = Arc::new(AtomicUsize::new(0));
    let counted = tokens.clone();
    let answer = move |request: &Request| {
        let path = request.url.path();
        if path == "/token" {
            counted.fetch_add(1, Ordering::SeqCst);
            let token = json!({"access_token": "at", "expires_in": 3600, "token_type": "Bearer"});
            return ResponseTemplate::new(200).set_body_json(token);
        }
        if path.ends_with(":uploadClickConversions") {
            let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
            let sent = body["conversions"].as_array().unwrap().clone();
            return ResponseTemplate::new(200).set_body_json(json!({"results": sent}));
        }
        let body: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
        let sent = body["conversionAdjustments"].as_array().unwrap().clone();
        ResponseTemplate::new(200).set_body_json(json!({"results": sent}))
    };
    Mock::given(any()).respond_with(answer).mount(&platform).await;
    let uri = platform.uri();
    let config = shop(&format!(
        "[shop.google_ads]\ncustomer_id = '1234567890'\nconversion_action = '1'\nclient_id = 'c'\n\
         client_secret = 's'\nrefresh_token = 'r'\nbase_url = '{uri}'\ntoken_url = '{uri}/token'"
    ));
    let relay = Relay::start(&config).await;
    relay.visit("v", "?gclid=G", "granted").await;
    let refund = |id: u64, amount: &str, second: u8| {
        json!({"id": id, "order_id": 1, "created_at": format!("2026-11-30T00:00:{second:02}Z"),
               "transactions": [{"kind": "refund", "status": "success", "amount": amount, "currency": "EUR"}]})
    };
    relay.webhook("refunds/create", &refund(8, "9.99", 2)).await;
    relay.webhook("refunds/create", &refund(7, "30.00", 1)).await;
    relay.webhook("orders/paid", &paid(1, "v")).await;
    relay.webhook("refunds/create", &refund(7, "30.00", 1)).await;
    let until = Instant::now() + Duration::from_secs(10);
    while relay.deliveries(1).await.iter().filter(|d| d["state"] == "delivered").count() < 3 {
        assert!(Instant::now() < until, "{:?}", relay.deliveries(1).await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let requests = platform.received_requests().await.unwrap();
    let bodies: Vec<String> = requests
        .iter()
        .filter(|r| r.url.path() != "/token")
        .map(|r| String::from_utf8_lossy(&r.body).into_owned())
        .collect();
    assert_eq!(bodies.len(), 3, "{bodies:?}");
    assert!(bodies[0].contains("49.99"));
    assert!(bodies[1].contains("19.99"));
    assert!(bodies[2].contains("\"adjustedValue\":10"), "{}", bodies[2]);
    assert_eq!(tokens.load(Ordering::SeqCst), 1, "one token for all");
}
