//! Faults below HTTP: what the client sees of them, and how the journal says the exchange ended.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use harness::exchange::{Ending, OrderRef};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn a_reset_is_seen_as_a_reset_and_nothing_is_taken() {
    for answers in ["refuse", "reset_before_body", "reset_after_body"] {
        let gateway = gateway().await;
        let case = open(&gateway, 1, json!([{ "answers": answers, "times": 1 }]));
        let body = events(&[event(1, "A")]);
        let error = post(gateway.door(), "/ads/acc1/events", &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{answers}: {error}");
        wait(&case, |log| log.exchanges.first().is_some_and(|e| e.ending == Ending::Reset)).await;
        assert!(case.look(|log| log.entries.is_empty() && log.open == 0 && log.fault_hits == [1]));
        let read = case.look(|log| log.exchanges[0].request.body.clone());
        assert_eq!(read == body, answers == "reset_after_body", "{answers}");
        assert_eq!(gateway.served(), 1, "it came, however it ended");
        let seen = post(gateway.door(), "/ads/acc1/events", &body).await.unwrap();
        assert_eq!(seen.body, r#"{"taken":1}"#, "{answers} was meant for one request");
    }
}

#[tokio::test]
async fn a_private_door_refuses_one_platform_at_the_connection_and_not_the_others() {
    let gateway = gateway().await;
    let door = gateway.open_door().await.unwrap();
    let fault = json!([{ "answers": "refuse", "times": 2 }]);
    let case = gateway.open(Arc::new(case(1, fault)), &[shop(1)], Some(&door)).unwrap();
    for _ in 0..2 {
        let mut client = Client::connect(&door.base_url("ads")).await;
        let error = client.0.read_u8().await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "before a byte was sent");
    }
    let mut other = Client::connect(&door.base_url("google_oauth")).await;
    assert_eq!(other.post("/google_oauth/token", "a=b").await.unwrap().status, 400);
    let seen =
        post(&door, "/ads/acc1/events", &events(&["no tracer at all".into()])).await.unwrap();
    assert_eq!(seen.status, 200);
    wait(&case, |log| log.exchanges.len() == 4 && log.open == 0).await;
    assert_eq!(case.look(|log| log.fault_hits.clone()), [2]);
    assert_eq!(case.look(|log| log.exchanges[3].owners[0].as_ref().unwrap().case), 1);
    case.close();
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert!(
        tokio::net::TcpStream::connect(&door.origin()[7..]).await.is_err(),
        "it closed with its case"
    );
    gateway.stop().await;
}

#[tokio::test]
async fn a_silent_platform_takes_nothing_and_commit_then_silence_keeps_the_entry() {
    for (answers, taken) in [("never", 0), ("commit_then_silence", 1)] {
        let gateway = gateway().await;
        let case = open(&gateway, 1, json!([{ "answers": answers }]));
        let mut client = Client::connect(&gateway.door().origin()).await;
        let body = events(&[event(1, "A")]);
        let waiting = client.post("/ads/acc1/events", &body);
        assert!(
            tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err(),
            "silence"
        );
        assert_eq!(case.look(|log| (log.open, log.entries.len())), (1, taken), "{answers}");
        drop(client);
        wait(&case, |log| log.exchanges[0].ending == Ending::Unanswered).await;
        assert_eq!(case.look(|log| log.open), 0);
    }
}

#[tokio::test]
async fn lifting_a_fault_resets_who_waits_and_lets_the_next_pass() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "never" }]));
    let body = events(&[event(1, "A")]);
    let door = gateway.door().clone();
    let waiting = tokio::spawn({
        let (door, body) = (door.clone(), body.clone());
        async move { post(&door, "/ads/acc1/events", &body).await }
    });
    wait(&case, |log| log.open == 1).await;
    case.lift(Some("google_oauth"));
    assert!(!waiting.is_finished(), "another platform was lifted");
    case.lift(None);
    assert_eq!(waiting.await.unwrap().unwrap_err().kind(), ErrorKind::ConnectionReset);
    wait(&case, |log| log.exchanges[0].ending == Ending::Reset).await;
    assert_eq!(post(&door, "/ads/acc1/events", &body).await.unwrap().status, 200);
}

#[tokio::test]
async fn commit_then_reset_and_commit_then_bad_gateway_keep_the_entry() {
    let gateway = gateway().await;
    let faults = json!([
        { "answers": "commit_then_reset", "times": 1 },
        { "answers": "commit_then_bad_gateway", "times": 1 },
    ]);
    let case = open(&gateway, 1, faults);
    let door = gateway.door();
    let error = post(door, "/ads/acc1/events", &events(&[event(1, "A")])).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset);
    let seen = post(door, "/ads/acc1/events", &events(&[event(1, "B")])).await.unwrap();
    assert_eq!(seen.status, 502);
    assert!(seen.body.contains("<h1>"));
    wait(&case, |log| log.exchanges.len() == 2 && log.open == 0).await;
    let captured = case.close();
    assert_eq!(captured.entries.len(), 2);
    assert_eq!(captured.exchanges[0].ending, Ending::Reset);
    assert_eq!(captured.exchanges[0].reply.status, 200, "what would have been answered");
    assert_eq!(captured.exchanges[1].fault, Some((1, 1)));
}

#[tokio::test]
async fn slow_cut_and_delayed_answers_are_the_ordinary_ones() {
    let gateway = gateway().await;
    let faults = json!([
        { "answers": { "slow_body": "300ms" }, "times": 1 },
        { "answers": "cut_body", "times": 1 },
        { "answers": { "delay": "200ms" }, "times": 1 },
    ]);
    let case = open(&gateway, 1, faults);
    let mut client = Client::connect(&gateway.door().origin()).await;
    let slow = client.post("/ads/acc1/events", &events(&[event(1, "A")])).await.unwrap();
    assert_eq!(slow.body, r#"{"taken":1}"#);
    assert!(slow.took >= Duration::from_millis(280), "{:?}", slow.took);
    let cut = client.post("/ads/acc1/events", &events(&[event(1, "B")])).await.unwrap();
    assert!(cut.cut && cut.body == r#"{"tak"#, "{cut:?}");
    let mut client = Client::connect(&gateway.door().origin()).await;
    let late = client.post("/ads/acc1/events", &events(&[event(1, "S")])).await.unwrap();
    assert_eq!(late.body, r#"{"taken":1}"#);
    assert!(late.took >= Duration::from_millis(200));
    wait(&case, |log| log.open == 0 && log.exchanges.len() == 3).await;
    let captured = case.close();
    let endings: Vec<_> = captured.exchanges.iter().map(|e| e.ending.clone()).collect();
    assert_eq!(endings, [Ending::Answered, Ending::Cut, Ending::Answered]);
    let took = captured.exchanges[0].ended_at.unwrap() - captured.exchanges[0].at;
    assert!(took >= Duration::from_millis(280), "ended when the last byte was out: {took:?}");
    assert_eq!(captured.entries.len(), 3);
    assert_eq!(captured.exchanges[2].owners[0].as_ref().unwrap().order, Some(OrderRef::Sentinel));
}

#[tokio::test]
async fn a_client_that_leaves_is_told_from_an_answer() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": { "delay": "20s" } }]));
    let body = events(&[event(1, "A")]);
    let mut client = Client::connect(&gateway.door().origin()).await;
    let half = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n{body}",
        body.len() + 10
    );
    client.0.write_all(half.as_bytes()).await.unwrap();
    drop(client);
    wait(&case, |log| log.exchanges.len() == 1 && log.open == 0).await;
    assert!(case.look(|log| log.exchanges[0].request.incomplete && log.entries.is_empty()));
    assert_eq!(case.look(|log| log.exchanges[0].ending.clone()), Ending::ClientLeft);

    let mut client = Client::connect(&gateway.door().origin()).await;
    let waiting = client.post("/ads/acc1/events", &body);
    assert!(tokio::time::timeout(Duration::from_millis(50), waiting).await.is_err());
    assert_eq!(case.look(|log| log.entries.len()), 1, "taken, only the answer is late");
    drop(client);
    wait(&case, |log| log.exchanges[1].ending == Ending::ClientLeft && log.open == 0).await;
    gateway.stop().await;
}
