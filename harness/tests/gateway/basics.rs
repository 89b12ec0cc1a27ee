//! Routing, reading and attribution of ordinary requests.

use std::{io::Write as _, time::Duration};

use harness::exchange::{Ending, OrderRef};
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn an_ordinary_request_is_attributed_taken_and_answered() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let seen =
        post(gateway.door(), "/ads/acc1/events?x=1", &events(&[event(1, "A")])).await.unwrap();
    assert_eq!((seen.status, seen.body.as_str()), (200, r#"{"taken":1}"#));
    assert!(seen.header("date").is_some_and(|d| httpdate::parse_http_date(d).is_ok()));
    wait(&case, |log| log.open == 0 && log.exchanges.len() == 1).await;
    let captured = case.close();
    let exchange = &captured.exchanges[0];
    assert_eq!(exchange.platform, Some("ads"));
    assert_eq!(exchange.request.path, "/acc1/events");
    assert_eq!(exchange.request.host, "api.ads.example");
    assert_eq!(exchange.request.query, "x=1");
    assert_eq!(exchange.owners[0].as_ref().unwrap().order, named("A"));
    assert_eq!(exchange.accepted, [0]);
    assert_eq!(exchange.ending, Ending::Answered);
    assert!(exchange.ended_at.unwrap() >= exchange.at);
    assert_eq!(captured.entries.len(), 1);
    assert_eq!(gateway.orphans().0, 0);
    gateway.stop().await;
}

#[tokio::test]
async fn connections_are_kept_alive_and_chunked_bodies_are_read() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let mut client = Client::connect(&gateway.door().origin()).await;
    let body = events(&[event(1, "A")]);
    assert_eq!(client.post("/ads/acc1/events", &body).await.unwrap().status, 200);
    let (front, back) = body.split_at(7);
    let chunked = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{front}\r\n{:x}\r\n{back}\r\n0\r\n\r\n",
        front.len(),
        back.len()
    );
    assert_eq!(client.raw(&chunked).await.unwrap().body, r#"{"taken":0}"#, "a known event");
    let expects = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    assert_eq!(client.raw(&expects).await.unwrap().status, 100);
    assert_eq!(client.raw(&body).await.unwrap().status, 200);
    let head = client.raw("HEAD /ads/acc1/events HTTP/1.1\r\nHost: x\r\n\r\n").await;
    assert_eq!(head.unwrap().status, 200);
    wait(&case, |log| log.exchanges.len() == 4 && log.open == 0).await;
    assert!(case.look(|log| log.exchanges[..3].iter().all(|e| e.request.body == body)));
}

#[tokio::test]
async fn a_compressed_body_is_read_as_if_it_had_come_plain() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let body = events(&[event(1, "A")]);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body.as_bytes()).unwrap();
    let packed = gzip.finish().unwrap();
    let head = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let mut client = Client::connect(&gateway.door().origin()).await;
    let seen = client.bytes(&[head.as_bytes(), &packed].concat()).await.unwrap();
    assert_eq!((seen.status, seen.body.as_str()), (200, r#"{"taken":1}"#));
    wait(&case, |log| log.open == 0 && log.exchanges.len() == 1).await;
    let captured = case.close();
    let request = &captured.exchanges[0].request;
    assert_eq!((request.body.as_str(), request.body_bytes), (body.as_str(), body.len()));
    assert_eq!(request.compression(), None);
    assert_eq!(captured.exchanges[0].owners[0].as_ref().unwrap().order, named("A"));
}

#[tokio::test]
async fn platforms_are_found_by_host_too_and_other_hosts_are_undeclared() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let body = events(&[event(1, "A")]);
    let mut client = Client::connect(&gateway.door().origin()).await;
    let by_host = |host: &str, target: &str| {
        format!(
            "POST {target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        )
    };
    let seen = client.raw(&by_host("API.ads.example:443", "/acc1/events")).await.unwrap();
    assert_eq!(seen.status, 200);
    let proxied = by_host("x", "http://pixel.ads.example/acc1/events");
    assert_eq!(client.raw(&proxied).await.unwrap().status, 200);
    let seen = client.raw(&by_host("Telemetry.Example.:8443", "/acc1/events")).await.unwrap();
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("telemetry.example"), "{}", seen.body);

    let undeclared = gateway.undeclared();
    assert_eq!(undeclared.len(), 1);
    assert_eq!(undeclared[0].request.host, "telemetry.example", "bare, however it was written");
    assert_eq!(gateway.orphans().0, 0);
    wait(&case, |log| log.exchanges.len() == 3).await;
    assert!(case.look(|log| log.exchanges[2].platform.is_none() && log.entries.len() == 1));
}

#[tokio::test]
async fn the_cases_clock_is_what_the_platform_reads_and_dates_its_answers_with() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    case.advance(time::Duration::days(3));
    let seen = post(gateway.door(), "/ads/acc1/events", &events(&[event(1, "A")])).await.unwrap();
    let ahead = httpdate::parse_http_date(seen.header("date").unwrap()).unwrap();
    assert!(
        ahead.duration_since(std::time::SystemTime::now()).unwrap()
            > Duration::from_secs(2 * 86_400)
    );
    wait(&case, |log| log.open == 0).await;
    let now = case.now().unix_timestamp();
    let captured = case.close();
    let read: i64 = captured.entries[0].item.url.clone().unwrap().parse().unwrap();
    assert!((now - read).abs() < 10, "{now} {read}");
    assert!((now - captured.entries[0].at.unix_timestamp()).abs() < 10);
}

#[tokio::test]
async fn the_browsers_copy_is_journaled_with_its_owner_and_no_fault_hits_it() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "html_ok", "times": 1 }]));
    let at = case.now() + time::Duration::hours(26);
    let copy = pixel("an id without a tracer", at);
    case.browser_copy(&Ads, &shop(1), &copy, &OrderRef::Named("B".into()));
    let captured = case.close();
    assert_eq!(captured.exchanges[0].ending, Ending::Answered);
    assert_eq!(captured.entries[0].channel, harness::platforms::Channel::Browser);
    assert_eq!(captured.entries[0].owner.as_ref().unwrap().order, named("B"));
    assert_eq!(captured.entries[0].at, at, "in the platform's time the page was loaded then");
}
