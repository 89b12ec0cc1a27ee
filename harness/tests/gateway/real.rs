//! The gateway with the real simulators: base URLs, accounts and credentials fit together.

use std::{sync::Arc, time::Instant};

use harness::{
    exchange::Ending,
    gateway::{Gateway, GatewayOptions},
    plan::Shop,
    platforms::{AccountSeed, BrowserCopy, PLATFORMS},
};
use serde_json::{Value, json};

use crate::support::*;

fn shop_with_all_accounts(index: usize) -> Shop {
    let seed = AccountSeed { shop: index, number: 123_456_789 };
    let accounts = PLATFORMS.iter().map(|p| (p.id(), p.account(&seed))).collect();
    Shop { accounts, ..shop(index) }
}

fn form(fields: &[(&str, &str)]) -> String {
    url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish()
}

#[tokio::test]
async fn google_tokens_are_valid_where_they_belong_and_nowhere_else() {
    let options = GatewayOptions {
        started: Instant::now(),
        platforms: PLATFORMS,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let gateway = Gateway::start(options).await.unwrap();
    let shop = shop_with_all_accounts(1);
    let other = shop_with_all_accounts(2);
    gateway.add_shops(&[shop.clone(), other.clone()]);
    let fault = json!([{ "name": "google_oauth", "answers": { "failure": "token_expired" } }]);
    let mut planned = case(1, fault);
    planned.platform = "google_ads";
    let case = gateway.open(Arc::new(planned), std::slice::from_ref(&shop), None).unwrap();

    let login = &shop.accounts["google_oauth"];
    let ask = |refresh: &str| {
        form(&[
            ("grant_type", "refresh_token"),
            ("client_id", login.field("client_id")),
            ("client_secret", login.field("client_secret")),
            ("refresh_token", refresh),
        ])
    };
    let mut client = Client::connect(&gateway.door().origin()).await;
    let expired = client.post("/google_oauth/token", &ask(login.field("refresh_token"))).await;
    assert_eq!(expired.unwrap().status, 400);
    let new = case.replace_credential("google_ads", 1);
    assert!(new.starts_with("1//"), "{new}");
    let seen = client.post("/google_oauth/token", &ask(&new)).await.unwrap();
    assert_eq!(seen.status, 200, "{}", seen.body);
    let answer: Value = serde_json::from_str(&seen.body).unwrap();
    let token = answer["access_token"].as_str().unwrap();

    let body = json!({
        "partialFailure": true,
        "conversions": [{
            "conversionAction": format!("customers/{}/conversionActions/{}",
                shop.accounts["google_ads"].key, shop.accounts["google_ads"].field("conversion_action")),
            "orderId": event(1, "A"), "gclid": "Cj0KCQiA-synthetic", "conversionValue": 10.0,
            "currencyCode": "EUR", "conversionDateTime": "2026-11-25 12:00:00+00:00",
        }],
    })
    .to_string();
    let upload = |shop: &Shop, token: &str| {
        let customer = &shop.accounts["google_ads"].key;
        format!(
            "POST /google_ads/v25/customers/{customer}:uploadClickConversions HTTP/1.1\r\nHost: x\r\n\
             Authorization: Bearer {token}\r\ndeveloper-token: dev-token-of-the-test\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let refused = client.raw(&upload(&shop, "ya29.made-up")).await.unwrap();
    assert_eq!(refused.status, 401, "{}", refused.body);
    let crossed = client.raw(&upload(&other, token)).await.unwrap();
    assert_eq!(crossed.status, 401, "another shop's account: {}", crossed.body);
    let right = client.raw(&upload(&shop, token)).await.unwrap();
    assert_ne!(right.status, 401, "{}", right.body);

    wait(&case, |log| log.open == 0).await;
    let captured = case.close();
    assert_eq!(captured.exchanges.len(), 5, "token requests and the crossed one belong to it too");
    assert!(captured.exchanges.iter().all(|e| e.ending == Ending::Answered));
    let orders = captured.exchanges.iter().flat_map(|e| &e.owners).flatten();
    assert!(orders.filter(|o| o.order == named("A")).count() >= 1);
    assert_eq!(gateway.orphans().0, 0);
}

#[tokio::test]
async fn every_platform_answers_hostile_requests_and_takes_its_browser_copies() {
    let options = GatewayOptions {
        started: Instant::now(),
        platforms: PLATFORMS,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    let gateway = Gateway::start(options).await.unwrap();
    let shop = shop_with_all_accounts(1);
    for (id, platform) in PLATFORMS.iter().enumerate() {
        let mut planned = case(id, json!([]));
        planned.platform = platform.id();
        let shops = std::slice::from_ref(&shop);
        let case = gateway.open(Arc::new(planned), shops, None).unwrap();
        let copy =
            BrowserCopy { value: "12.34".parse().unwrap(), ..pixel(&event(id, "A"), case.now()) };
        case.browser_copy(*platform, &shop, &copy, &named("A").unwrap());
        let taken = case.look(|log| log.entries.len());
        assert_eq!(taken, usize::from(platform.has_browser_copy()), "{}", platform.id());

        let mut client = Client::connect(&gateway.door().origin()).await;
        for (path, body) in [
            ("", ""),
            ("/", "{"),
            ("/v21.0/%00/events?access_token=%ff", r#"{"data":[null,1,{"user_data":[]}]}"#),
            ("/v1/events:ingest", r#"{"events":{"a":[[[[]]]]}}"#),
            ("/open_api/v1.3/event/track/", r#"{"data":"x","event_source_id":{}}"#),
            ("/v25/customers/x:uploadClickConversions", r#"{"conversions":[{"orderId":1e400}]}"#),
        ] {
            let seen = client.post(&format!("/{}{path}", platform.id()), body).await.unwrap();
            assert!((200..=599).contains(&seen.status), "{} {path}", platform.id());
        }
        case.close();
    }
    assert_eq!(gateway.panics(), 0);
    gateway.stop().await;
}
