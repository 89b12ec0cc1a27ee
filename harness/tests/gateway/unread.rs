//! What the gateway cannot read: it is written down, and nobody is told that an order was lost.

use harness::{
    exchange::Ending,
    gateway::{Authority, Gateway, UnreadTunnel, WhyUnread},
};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{support::*, tunnels::*};

async fn unread(gateway: &Gateway, why: WhyUnread) -> UnreadTunnel {
    noted(|| gateway.tunnels_unread().into_iter().find(|t| t.why == why)).await
}

#[tokio::test]
async fn a_client_that_trusts_somebody_else_is_noted_with_its_host() {
    let gateway = gateway().await;
    let other = Authority::default().certificate_pem().unwrap();
    for _ in 0..3 {
        let stream = tunnel(gateway.door(), "api.ads.example:443").await.unwrap();
        secured(stream, "api.ads.example", &other, &["h2"]).await.unwrap_err();
    }
    let found = noted(|| {
        let all = gateway.tunnels_unread();
        all.first().filter(|t| t.count == 3).cloned()
    })
    .await;
    assert_eq!((found.host.as_str(), found.platform), ("api.ads.example", Some("ads")));
    assert_eq!(found.why, WhyUnread::Untrusted);
    assert!(found.detail.contains("UnknownCA"), "{}", found.detail);
    assert!(found.why.hint().contains("trust"));
    assert!(gateway.undeclared().is_empty());
}

#[tokio::test]
async fn what_could_not_be_read_before_a_case_was_opened_is_no_excuse_for_it() {
    let gateway = gateway().await;
    let other = Authority::default().certificate_pem().unwrap();
    let untrusted = async |nth: u64| {
        let stream = tunnel(gateway.door(), "api.ads.example:443").await.unwrap();
        secured(stream, "api.ads.example", &other, &["h2"]).await.unwrap_err();
        noted(|| gateway.tunnels_unread().into_iter().find(|t| t.count == nth)).await;
    };
    let first = open(&gateway, 1, json!([]));
    assert_eq!(first.unread(), None);
    untrusted(1).await;
    assert!(first.unread().unwrap().contains("api.ads.example"));
    let second = open(&gateway, 2, json!([]));
    assert_eq!(second.unread(), None);
    drop(tunnel(gateway.door(), "telemetry.example:443").await.unwrap());
    unread(&gateway, WhyUnread::Left).await;
    assert_eq!(second.unread(), None, "another host's");
    untrusted(2).await;
    assert!(second.unread().is_some());
}

#[tokio::test]
async fn a_tunnel_to_an_address_is_for_the_host_that_the_handshake_names() {
    let gateway = gateway().await;
    let other = Authority::default().certificate_pem().unwrap();
    let stream = tunnel(gateway.door(), "192.0.2.7:443").await.unwrap();
    secured(stream, "API.ads.example", &other, &["h2"]).await.unwrap_err();
    let found = unread(&gateway, WhyUnread::Untrusted).await;
    assert_eq!((found.host.as_str(), found.platform), ("api.ads.example", Some("ads")));

    let stream = tunnel(gateway.door(), "192.0.2.7:443").await.unwrap();
    drop(secured(stream, "192.0.2.7", &trusted(&gateway), &[]).await.unwrap());
    let found = unread(&gateway, WhyUnread::NoRequest).await;
    assert_eq!((found.host.as_str(), found.platform), ("192.0.2.7", None), "no name was said");
}

#[tokio::test]
async fn a_tunnel_that_is_refused_is_noted_with_its_host_as_far_as_it_can_be_read() {
    let gateway = gateway().await;
    for (asks, host) in [
        ("CONNECT API.ads.example HTTP/1.1\r\n\r\n", "api.ads.example"),
        ("CONNECT telemetry.example:99999 HTTP/1.1\r\n\r\n", "telemetry.example"),
        ("CONNECT  HTTP/1.1\r\n\r\n", ""),
    ] {
        let mut client = Client::connect(&gateway.door().origin()).await;
        assert_eq!(client.raw(asks).await.unwrap().status, 400, "{asks}");
        let found = noted(|| gateway.tunnels_unread().into_iter().find(|t| t.host == host)).await;
        assert_eq!(found.why, WhyUnread::NoTarget);
        assert_eq!(found.platform, (host == "api.ads.example").then_some("ads"));
    }
}

#[tokio::test]
async fn every_way_not_to_be_read_has_its_name() {
    let gateway = gateway().await;
    let door = gateway.door();

    drop(tunnel(door, "left.example:443").await.unwrap());
    assert_eq!(unread(&gateway, WhyUnread::Left).await.host, "left.example");

    let stream = tunnel(door, "silent.example:443").await.unwrap();
    drop(secured(stream, "silent.example", &trusted(&gateway), &["h2"]).await.unwrap());
    assert_eq!(unread(&gateway, WhyUnread::NoRequest).await.host, "silent.example");

    let mut database = tunnel(door, "db.example:5432").await.unwrap();
    database.write_all(&[0, 0, 0, 8, 4, 210, 22, 47]).await.unwrap();
    assert_eq!(database.read(&mut [0; 8]).await.unwrap_or(0), 0, "closed");
    let found = unread(&gateway, WhyUnread::NotHttp).await;
    assert_eq!((found.host.as_str(), found.platform), ("db.example", None));

    let mut old = tunnel(door, "old.example:443").await.unwrap();
    old.write_all(b"\x16\x03\x01\x00\x05hello").await.unwrap();
    old.read_to_end(&mut Vec::new()).await.ok();
    assert_eq!(unread(&gateway, WhyUnread::Tls).await.host, "old.example");

    let inside = tunnel(door, "outer.example:443").await.unwrap();
    let asks = "CONNECT inner.example:443 HTTP/1.1\r\nHost: inner.example\r\n\r\n";
    Client(inside).raw(asks).await.unwrap_err();
    assert_eq!(unread(&gateway, WhyUnread::Nested).await.host, "outer.example");
    let mut used = Client::connect(&door.origin()).await;
    used.raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    assert_eq!(used.raw(asks).await.unwrap().status, 400);
    noted(|| gateway.tunnels_unread().into_iter().find(|t| t.host == "inner.example")).await;
}

#[tokio::test]
async fn grpc_is_answered_as_unimplemented_and_counted_as_unread() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "html_ok" }]));
    let client = Client2::ads(&gateway).await;
    let mut message = vec![0, 0, 0, 0, 20, 0x0a, 18];
    message.extend(event(1, "A").as_bytes());
    let method = "https://api.ads.example/ads.v1.Conversions/Upload";
    for _ in 0..2 {
        let seen = client.post(method, "application/grpc", message.clone()).await.unwrap();
        let header = |name: &str| seen.head.headers.get(name).and_then(|v| v.to_str().ok());
        assert_eq!(seen.head.status, 200);
        assert_eq!(header("grpc-status"), Some("12"));
        assert_eq!(header("content-type"), Some("application/grpc"));
        assert!(header("grpc-message").unwrap().contains("REST"));
        assert_eq!(header("content-length"), None);
        assert!(seen.body.is_empty() && !seen.cut);
    }
    let elsewhere = client.post("https://api.ads.example/x", "application/json", "{}").await;
    assert_eq!(elsewhere.unwrap().head.status, 200);
    let unread = gateway.unreadable();
    assert_eq!(unread.len(), 1);
    assert_eq!((unread[0].platform, unread[0].protocol, unread[0].count), (Some("ads"), "grpc", 2));

    wait(&case, |log| log.exchanges.len() == 2 && log.open == 0).await;
    let captured = case.close();
    assert!(captured.entries.is_empty());
    for exchange in &captured.exchanges {
        assert_eq!(exchange.platform, Some("ads"), "found by the order id in the message");
        assert!(exchange.reading.is_none() && exchange.fault.is_none());
        assert_eq!(exchange.ending, Ending::Answered);
        assert_eq!(harness::gateway::unread_protocol(&exchange.request), Some("grpc"));
    }
    assert!(gateway.served() >= 3, "it does call its platforms");
}
