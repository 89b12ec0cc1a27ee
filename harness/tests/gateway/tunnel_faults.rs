//! Planned faults through tunnels: what the client sees of them, with HTTP/1.1 and with HTTP/2.

use std::{io::ErrorKind, sync::Arc, time::Duration};

use harness::exchange::Ending;
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::{support::*, tunnels::*};

const EVENTS: &str = "https://api.ads.example/acc1/events";
const JSON: &str = "application/json";

#[tokio::test]
async fn a_reset_goes_through_tls_down_to_the_connection() {
    for answers in ["refuse", "reset_before_body", "reset_after_body", "commit_then_reset"] {
        let gateway = gateway().await;
        let case = open(&gateway, 1, json!([{ "answers": answers, "times": 1 }]));
        let body = events(&[event(1, "A")]);
        let mut client = ads(&gateway, gateway.door()).await.unwrap();
        let error = client.post("/acc1/events", &body).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionReset, "{answers}: {error}");
        wait(&case, |log| log.exchanges.first().is_some_and(|e| e.ending == Ending::Reset)).await;
        let committed = usize::from(answers == "commit_then_reset");
        case.look(|log| {
            assert_eq!((log.entries.len(), log.open), (committed, 0), "{answers}");
            assert_eq!(log.fault_hits, [1]);
        });
        let mut client = ads(&gateway, gateway.door()).await.unwrap();
        let seen = client.post("/acc1/events", &body).await.unwrap();
        assert_eq!(seen.status, 200, "{answers} was meant for one request");
    }
}

#[tokio::test]
async fn a_private_door_refuses_a_tunnel_before_it_is_open_and_tls_at_its_first_word() {
    let gateway = gateway().await;
    let door = gateway.open_door().await.unwrap();
    let fault = json!([{ "answers": "refuse", "times": 3 }]);
    let case = gateway.open(Arc::new(case(1, fault)), &[shop(1)], Some(&door)).unwrap();
    let error = tunnel(&door, "API.ads.example:443").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "before 200");
    tunnel(&door, "tokens.example:443").await.expect("another platform is not refused");
    let by_name = Client::connect(&door.origin()).await.0;
    let error = secured(by_name, "api.ads.example", &trusted(&gateway), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "before the server's first word");
    let own = Client::connect(&door.base_url("ads")).await.0;
    let error = secured(own, "api.ads.example", &trusted(&gateway), &[]).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::ConnectionReset, "at the platform's own address");
    assert_eq!(case.look(|log| (log.fault_hits.clone(), log.exchanges.len())), (vec![3], 3));

    let mut client = ads(&gateway, &door).await.unwrap();
    assert_eq!(client.post("/acc1/events", "{}").await.unwrap().status, 200);
    wait(&case, |log| log.exchanges.len() == 4 && log.open == 0).await;
    assert_eq!(case.look(|log| log.exchanges[0].request.host.clone()), "api.ads.example");
    assert!(gateway.tunnels_unread().iter().all(|t| t.platform != Some("ads")));
}

#[tokio::test]
async fn silence_and_its_end_are_the_same_in_a_tunnel() {
    let gateway = gateway().await;
    let case = Arc::new(open(&gateway, 1, json!([{ "answers": "never" }])));
    let body = events(&[event(1, "A")]);
    let mut client = ads(&gateway, gateway.door()).await.unwrap();
    let lifted = async {
        wait(&case, |log| log.open == 1).await;
        case.lift(None);
    };
    let (seen, ()) = tokio::join!(client.post("/acc1/events", &body), lifted);
    assert_eq!(seen.unwrap_err().kind(), ErrorKind::ConnectionReset);
    let mut client = ads(&gateway, gateway.door()).await.unwrap();
    assert_eq!(client.post("/acc1/events", &body).await.unwrap().status, 200);
}

#[tokio::test]
async fn slow_cut_and_delayed_answers_come_through_tls() {
    let gateway = gateway().await;
    let faults = json!([
        { "answers": { "slow_body": "200ms" }, "times": 1 },
        { "answers": { "delay": "100ms" }, "times": 1 },
        { "answers": "cut_body", "times": 1 },
    ]);
    let case = open(&gateway, 1, faults);
    let mut client = ads(&gateway, gateway.door()).await.unwrap();
    let slow = client.post("/acc1/events", &events(&[event(1, "A")])).await.unwrap();
    assert!(slow.body == r#"{"taken":1}"# && slow.took >= Duration::from_millis(180), "{slow:?}");
    let late = client.post("/acc1/events", &events(&[event(1, "B")])).await.unwrap();
    assert!(late.took >= Duration::from_millis(100), "{late:?}");
    // TLS knows an end that was not meant (no close_notify), so the client library says more than "short".
    let cut = client.post("/acc1/events", &events(&[event(1, "S")])).await;
    assert_eq!(cut.unwrap_err().kind(), ErrorKind::UnexpectedEof);
    wait(&case, |log| log.exchanges.len() == 3 && log.open == 0).await;
    let endings =
        case.look(|log| log.exchanges.iter().map(|e| e.ending.clone()).collect::<Vec<_>>());
    assert_eq!(endings, [Ending::Answered, Ending::Answered, Ending::Cut]);
}

#[tokio::test]
async fn with_http2_a_fault_strikes_one_request_and_not_its_neighbours() {
    for (answers, ending, taken) in [
        (json!("reset_after_body"), Ending::Reset, 0),
        (json!("reset_before_body"), Ending::Reset, 0),
        (json!("commit_then_reset"), Ending::Reset, 1),
        (json!("cut_body"), Ending::Cut, 1),
    ] {
        let gateway = gateway().await;
        // Its neighbour is answered only when the fault has struck.
        let case = open(
            &gateway,
            1,
            json!([{ "answers": { "delay": "300ms" }, "times": 1, "when": [{ "path": "/acc1/slow" }] },
                   { "answers": answers, "times": 1 }]),
        );
        let client = Client2::ads(&gateway).await;
        let neighbour = tokio::spawn(client.post(
            "https://api.ads.example/acc1/slow",
            JSON,
            events(&["own-neighbour".into()]),
        ));
        wait(&case, |log| log.open == 1).await;
        let struck = client.post(EVENTS, JSON, events(&[event(1, "A")])).await;
        match struck {
            Err(error) => assert_ne!(ending, Ending::Cut, "{error}"),
            Ok(seen) => {
                assert_eq!((seen.body.as_slice(), seen.cut), (&br#"{"tak"#[..], true), "{answers}");
                assert_eq!(ending, Ending::Cut, "{answers}");
            }
        }
        let seen = neighbour.await.unwrap().unwrap();
        assert_eq!((seen.head.status.as_u16(), seen.cut), (200, false), "{answers}");
        let after = client.post(EVENTS, JSON, events(&[event(1, "A")])).await.unwrap();
        assert_eq!(after.head.status, 200, "the connection lives on");
        wait(&case, |log| log.exchanges.len() == 3 && log.open == 0).await;
        case.look(|log| {
            assert_eq!(log.exchanges[1].ending, ending, "{answers}");
            assert_eq!(log.exchanges[1].accepted.len(), taken, "{answers}");
            assert_eq!(log.exchanges[0].ending, Ending::Answered);
            assert_eq!(log.fault_hits, [1, 1]);
        });
    }
}

#[tokio::test]
async fn with_http2_a_body_that_does_not_come_to_its_end_is_taken_by_nobody() {
    // A stream reset with NO_ERROR ends its body without an error.
    for reset in [true, false] {
        let gateway = gateway().await;
        let case = open(&gateway, 1, json!([]));
        let body = events(&[event(1, "A")]);
        let mut client = Client::connect(&gateway.door().origin()).await.0;
        let text = |name: u8, value: &str| {
            [&[name, u8::try_from(value.len()).unwrap()], value.as_bytes()].concat()
        };
        // `POST`, `http`, then a path and a host written out (RFC 7541, appendix A).
        let head = [vec![0x83, 0x86], text(0x04, "/ads/acc1/events"), text(0x01, "127.0.0.1")];
        let parts = [
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            frame(SETTINGS, 0, 0, &[]),
            frame(HEADERS, END_HEADERS, 1, &head.concat()),
            frame(DATA, 0, 1, body.as_bytes()),
        ];
        client.write_all(&parts.concat()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(100)).await;
        assert!(case.look(|log| log.exchanges.is_empty()), "more may come");
        if reset {
            client.write_all(&frame(RST_STREAM, 0, 1, &[0; 4])).await.unwrap();
        } else {
            client.shutdown().await.unwrap();
        }
        wait(&case, |log| log.exchanges.len() == 1 && log.open == 0).await;
        case.look(|log| {
            let exchange = &log.exchanges[0];
            assert_eq!(exchange.ending, Ending::ClientLeft, "{reset}");
            assert!(exchange.request.incomplete && exchange.accepted.is_empty(), "{reset}");
            assert_eq!(exchange.request.body, body, "as far as it came");
            assert_eq!(exchange.owners[0].as_ref().unwrap().order, named("A"));
        });
    }
}

// Kinds of frames and a flag, RFC 9113, section 6.
const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const END_HEADERS: u8 = 4;

fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn with_http2_silence_holds_one_request_and_who_leaves_is_told_apart() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "never", "times": 1 }]));
    let client = Client2::ads(&gateway).await;
    let held = tokio::spawn(client.post(EVENTS, JSON, events(&[event(1, "A")])));
    wait(&case, |log| log.open == 1).await;
    let other = client.post(EVENTS, JSON, events(&[event(1, "B")])).await.unwrap();
    assert_eq!(other.head.status, 200);
    case.lift(None);
    held.await.unwrap().unwrap_err();
    wait(&case, |log| log.open == 0 && log.exchanges.len() == 2).await;
    assert_eq!(case.look(|log| log.exchanges[0].ending.clone()), Ending::Reset);
    drop(case);

    let case = open(&gateway, 2, json!([{ "answers": { "delay": "20s" } }]));
    let body = events(&[event(2, "A")]);
    let leaving = tokio::spawn(client.post(EVENTS, JSON, body));
    wait(&case, |log| log.open == 1).await;
    leaving.abort();
    wait(&case, |log| log.open == 0).await;
    assert_eq!(case.look(|log| log.exchanges[0].ending.clone()), Ending::ClientLeft);

    let staying = tokio::spawn(client.post(EVENTS, JSON, events(&[event(2, "B")])));
    wait(&case, |log| log.open == 1).await;
    tokio::time::timeout(Duration::from_secs(2), gateway.stop()).await.unwrap();
    staying.await.unwrap().unwrap_err();
    assert_eq!(case.look(|log| log.open), 0);
}
