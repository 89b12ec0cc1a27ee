//! Valid, replaced and expired credentials.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn credentials_are_replaced_and_an_expired_token_lets_only_new_ones_pass() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": { "failure": "token_expired" } }]));
    let mut client = Client::connect(&gateway.door().origin()).await;
    let body = events(&[event(1, "A")]);
    let with = |token: &str| {
        format!(
            "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    assert_eq!(client.raw(&with("token-of-shop-0001")).await.unwrap().status, 401);
    let new = case.replace_credential("ads", 1);
    assert_ne!(new, "token-of-shop-0001");
    assert_eq!(client.raw(&with("token-of-shop-0001")).await.unwrap().status, 401);
    assert_eq!(client.raw(&with(&new)).await.unwrap().status, 200);
    assert_eq!(client.raw(&with("made-up")).await.unwrap().status, 401);
    let newer = case.replace_credential("ads", 1);
    assert_eq!(client.raw(&with(&newer)).await.unwrap().status, 200);
    assert_eq!(case.replace_credential("ads", 99), "");
    wait(&case, |log| log.open == 0).await;
    let sources: Vec<_> = case.look(|log| {
        log.exchanges
            .iter()
            .map(|e| e.reading.as_ref().unwrap().items[0].source.clone().unwrap())
            .collect()
    });
    assert_eq!(sources, ["valid", "valid", "valid", "invalid", "valid"]);
}

#[tokio::test]
async fn tokens_of_the_token_endpoint_are_remembered_also_for_a_replaced_refresh_token() {
    let gateway = gateway().await;
    let fault = json!([{ "answers": { "failure": "token_expired" }, "name": "google_oauth" }]);
    let case = gateway.open(Arc::new(case(1, fault)), &[oauth_shop(1)], None).unwrap();
    let mut client = Client::connect(&gateway.door().origin()).await;
    let old = "refresh_token=1//refresh-of-shop-0001";
    assert_eq!(client.post("/google_oauth/token", old).await.unwrap().status, 400);
    let new = case.replace_credential("ads", 1);
    assert_eq!(client.post("/google_oauth/token", old).await.unwrap().status, 400);
    let seen = client.post("/google_oauth/token", &format!("refresh_token={new}")).await.unwrap();
    assert_eq!(seen.status, 200);
    let token = serde_json::from_str::<Value>(&seen.body).unwrap()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    let body = events(&[event(1, "A")]);
    for (token, good) in [(token.as_str(), "valid"), ("at-for-1//refresh-of-shop-0001", "invalid")]
    {
        let request = format!(
            "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nAuthorization: {token}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.raw(&request).await.unwrap();
        let source = case.look(|log| {
            log.exchanges.last().unwrap().reading.as_ref().unwrap().items[0].source.clone()
        });
        assert_eq!(source.as_deref(), Some(good), "{token}");
    }
    assert_eq!(
        case.look(|log| log.exchanges.len()),
        5,
        "token requests belong to the case as well"
    );
}

#[tokio::test]
async fn an_access_token_that_has_expired_stays_so_until_it_is_handed_out_anew() {
    let gateway = gateway().await;
    let fault = json!([{ "answers": { "failure": "token_expired" }, "times": 1 }]);
    let _case = gateway.open(Arc::new(case(1, fault)), &[oauth_shop(1)], None).unwrap();
    let mut client = Client::connect(&gateway.door().origin()).await;
    let grant = "refresh_token=1//refresh-of-shop-0001";
    let body = events(&[event(1, "A")]);
    let request = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer at-for-1//refresh-of-shop-0001\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut seen = Vec::new();
    for granted in [true, false, true] {
        if granted {
            assert_eq!(client.post("/google_oauth/token", grant).await.unwrap().status, 200);
        }
        seen.push(client.raw(&request).await.unwrap().status);
    }
    assert_eq!(seen, [401, 401, 200], "asking again does not help, asking for a new one does");
}
