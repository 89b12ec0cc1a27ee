//! Many clients, hostile clients, long runs, waiting and stopping.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use harness::exchange::{Ending, OrderRef};
use harness::gateway::{BYTES_KEPT, Captured, ENTRIES_KEPT, EXCHANGES_KEPT};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::support::*;

#[tokio::test]
async fn garbage_and_oversized_requests_do_not_hurt() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "a: b\r\n".repeat(5_000));
    for bytes in [
        &b"\x00\xff\xfe garbage"[..],
        b"GET\r\n\r\n",
        b"POST /ads/acc1/events HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /ads/acc1/events HTTP/1.1\r\nHost: \xff\r\nContent-Length: 3\r\n\r\n\xff\xfe\xfd",
        b"POST /ads HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /ads/%ff%00/../..?%zz=%&&== HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        b"CONNECT api.ads.example:443 HTTP/1.1\r\nHost: api.ads.example:443\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        many.as_bytes(),
    ] {
        let mut client = Client::connect(&gateway.door().origin()).await;
        // The gateway may answer and close before all was written.
        client.0.write_all(bytes).await.ok();
        client.0.shutdown().await.ok();
        let mut answer = Vec::new();
        tokio::time::timeout(Duration::from_secs(2), client.0.read_to_end(&mut answer))
            .await
            .unwrap()
            .ok();
    }
    let mut client = Client::connect(&gateway.door().origin()).await;
    let seen = client.post("/ads/acc1/events", &"x".repeat(9 * 1024 * 1024)).await.unwrap();
    assert_eq!((seen.status, seen.header("connection")), (413, Some("close")));
    wait(&case, |log| {
        log.exchanges.last().is_some_and(|e| e.request.body_bytes == 9 * 1024 * 1024)
    })
    .await;
    let (kept, incomplete) = case.look(|log| {
        let request = &log.exchanges.last().unwrap().request;
        (request.body.len(), request.incomplete)
    });
    assert_eq!((kept, incomplete), (harness::exchange::BODY_LIMIT, true));
    let large =
        format!(r#"{{"pad":"{}","events":[{{"id":"{}"}}]}}"#, "ü".repeat(1_000_000), event(1, "A"));
    let seen = post(gateway.door(), "/ads/acc1/events", &large).await.unwrap();
    assert_eq!(seen.body, r#"{"taken":1}"#, "read whole although only a part is kept");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_clients_at_once_lose_nothing_and_one_event_is_taken_once() {
    let gateway = gateway().await;
    let case = open(
        &gateway,
        1,
        json!([{ "answers": { "failure": "rate_limited" }, "after": 100, "times": 50 }]),
    );
    let mut clients = Vec::new();
    for n in 0..64 {
        let door = gateway.door().clone();
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(&door.origin()).await;
            let mut limited = 0;
            for m in 0..10 {
                let ids = [event(1, "A"), format!("own-{n}-{m}")];
                limited += u32::from(
                    client.post("/ads/acc1/events", &events(&ids)).await.unwrap().status == 429,
                );
            }
            limited
        }));
    }
    let mut limited = 0;
    for client in clients {
        limited += client.await.unwrap();
    }
    assert_eq!(limited, 50);
    wait(&case, |log| log.open == 0).await;
    let captured = case.close();
    assert_eq!(captured.exchanges.len(), 640);
    assert!(captured.exchanges.is_sorted_by(|a, b| a.seq < b.seq));
    let once = captured.entries.iter().filter(|e| e.item.key == Some(event(1, "A"))).count();
    assert_eq!((once, captured.entries.len()), (1, 1 + 590));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wait_never_misses_the_change_that_it_waits_for() {
    let gateway = gateway().await;
    for round in 0..1_000 {
        let case = Arc::new(open(&gateway, 1, json!([])));
        let poster = std::thread::spawn({
            let case = Arc::clone(&case);
            move || {
                let copy = pixel("e", case.now());
                case.browser_copy(&Ads, &shop(1), &copy, &OrderRef::Sentinel);
            }
        });
        let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
        let began = Instant::now();
        assert!(
            case.wait_until(deadline, |log| !log.entries.is_empty() && log.open == 0).await,
            "round {round}"
        );
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "found only at the deadline in round {round}"
        );
        poster.join().unwrap();
    }
}

#[tokio::test]
async fn a_wait_ends_at_its_deadline() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let deadline = tokio::time::Instant::now() + Duration::from_millis(50);
    assert!(!case.wait_until(deadline, |log| !log.entries.is_empty()).await);
}

#[tokio::test]
async fn stopping_ends_all_connections_also_held_ones() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "never" }]));
    let mut idle = Client::connect(&gateway.door().origin()).await;
    let door = gateway.door().clone();
    let held =
        tokio::spawn(
            async move { post(&door, "/ads/acc1/events", &events(&[event(1, "A")])).await },
        );
    wait(&case, |log| log.open == 1).await;
    tokio::time::timeout(Duration::from_secs(2), gateway.stop()).await.unwrap();
    held.await.unwrap().unwrap_err();
    assert_eq!(idle.0.read(&mut [0; 8]).await.unwrap_or(0), 0);
    assert_eq!(case.look(|log| log.exchanges[0].ending.clone()), Ending::Unanswered);
}

#[tokio::test]
async fn two_hundred_thousand_events_of_one_case_leave_a_bounded_log() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let (at, shop) = (case.now(), shop(1));
    for n in 0..200_000 {
        case.browser_copy(&Ads, &shop, &pixel(&format!("own-{n}"), at), &OrderRef::Sentinel);
    }
    assert!(case.look(|log| log.open == 0 && log.exchanges.len() == EXCHANGES_KEPT));
    let captured = case.close();
    assert_eq!(captured.entries.len(), ENTRIES_KEPT);
    let beyond = (200_000 - EXCHANGES_KEPT) + (200_000 - ENTRIES_KEPT);
    assert_eq!(captured.not_kept, beyond as u64);
    assert!(captured.entries[EXCHANGES_KEPT - 1].item.url.is_some());
    assert!(captured.entries[EXCHANGES_KEPT].item.url.is_none(), "slim where no exchange is kept");
}

#[tokio::test]
async fn large_bodies_of_one_case_are_kept_up_to_a_bound() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let (at, shop) = (case.now(), shop(1));
    for n in 0..40 {
        let id = format!("{n}-{}", "x".repeat(900_000));
        case.browser_copy(&Ads, &shop, &pixel(&id, at), &OrderRef::Sentinel);
    }
    let captured = case.close();
    let bytes: usize = captured.exchanges.iter().map(|e| e.request.body.len()).sum();
    assert!(bytes <= BYTES_KEPT && captured.exchanges.len() >= 10, "{bytes}");
    assert_eq!(captured.not_kept as usize, 40 - captured.exchanges.len());
}

#[tokio::test]
async fn a_simulator_that_panics_is_noticed() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let error = post(gateway.door(), "/ads/acc1/events", "make the simulator panic").await;
    assert!(error.is_err());
    assert_eq!(gateway.panics(), 1);
    let seen = post(gateway.door(), "/ads/acc1/events", &events(&[event(1, "A")])).await.unwrap();
    assert_eq!(seen.body, r#"{"taken":1}"#, "others are served as before");
    assert_eq!(case.look(|log| log.entries.len()), 1);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn twenty_thousand_requests_of_one_case_are_answered_and_the_log_stays_bounded() {
    let captured = flood(20_000).await;
    assert_eq!(captured.exchanges.len(), EXCHANGES_KEPT);
    assert_eq!(captured.not_kept, 20_000 - 2_000);
    assert_eq!(captured.entries.len(), 20_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "minutes: run it alone, it prints the memory used"]
async fn a_million_requests_leave_memory_flat() {
    let captured = flood(1_000_000).await;
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default();
    eprintln!("{peak}, {} entries kept", captured.entries.len());
    assert_eq!(captured.exchanges.len(), EXCHANGES_KEPT);
    assert_eq!(captured.entries.len(), ENTRIES_KEPT);
    let kib: u64 = peak.split_whitespace().nth(1).and_then(|k| k.parse().ok()).unwrap_or(0);
    assert!(kib < 400 * 1024, "{peak}");
}

async fn flood(requests: usize) -> Captured {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([]));
    let mut clients = Vec::new();
    for n in 0..8 {
        let door = gateway.door().clone();
        clients.push(tokio::spawn(async move {
            let mut client = Client::connect(&door.origin()).await;
            for m in 0..requests / 8 {
                let id = format!("own-{n}-{m}");
                let seen = client.post("/ads/acc1/events", &events(&[id])).await.unwrap();
                assert_eq!(seen.status, 200);
            }
        }));
    }
    for client in clients {
        client.await.unwrap();
    }
    wait(&case, |log| log.open == 0).await;
    case.close()
}
