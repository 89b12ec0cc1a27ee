//! Whose a request is, with several cases, none, or one that is over.

use std::sync::Arc;

use harness::exchange::BODY_LIMIT;
use serde_json::json;

use crate::support::*;

#[tokio::test]
async fn a_batch_of_two_cases_is_in_both_logs_and_each_has_its_own_entries() {
    let gateway = gateway().await;
    let one = open(&gateway, 1, json!([]));
    let two = open(&gateway, 2, json!([{ "answers": { "failure": "rate_limited" }, "times": 1 }]));
    let both = events(&[event(1, "A"), event(2, "A"), "stranger".into()]);
    assert_eq!(post(gateway.door(), "/ads/acc1/events", &both).await.unwrap().status, 429);
    assert_eq!(post(gateway.door(), "/ads/acc1/events", &both).await.unwrap().status, 200);
    wait(&one, |log| log.open == 0).await;
    wait(&two, |log| log.open == 0).await;
    let (one, two) = (one.close(), two.close());
    assert_eq!((one.exchanges.len(), two.exchanges.len()), (2, 2));
    assert_eq!(two.exchanges[0].fault, Some((0, 1)));
    assert_eq!(one.exchanges[0].fault, None);
    assert_eq!(one.exchanges[0].seq, two.exchanges[0].seq);
    let owners: Vec<_> = one.exchanges[1]
        .owners
        .iter()
        .map(|o| o.as_ref().map(|o| (o.case, o.order.clone())))
        .collect();
    assert_eq!(
        owners,
        [Some((1, named("A"))), None, Some((1, None))],
        "the other's is not its own"
    );
    assert!(!one.exchanges[1].request.body.contains(&event(2, "A")));
    assert_eq!((one.entries.len(), two.entries.len()), (2, 1));
}

#[tokio::test]
async fn a_long_batch_is_taken_apart_before_it_is_cut() {
    let gateway = gateway().await;
    let one = open(&gateway, 1, json!([]));
    let two = open(&gateway, 2, json!([]));
    let long = "x".repeat(2 * BODY_LIMIT);
    let batch =
        json!({ "events": [{ "id": event(1, "A") }, { "id": event(2, "A"), "pad": long }] });
    post(gateway.door(), "/ads/acc1/events", &batch.to_string()).await.unwrap();
    wait(&one, |log| log.open == 0).await;
    wait(&two, |log| log.open == 0).await;
    let (one, two) = (one.close(), two.close());
    let request = &one.exchanges[0].request;
    assert!(request.body.contains(&event(1, "A")) && !request.body.contains(&event(2, "A")));
    assert_eq!(request.body_bytes, request.body.len(), "its own part is short and whole");
    let request = &two.exchanges[0].request;
    assert!(!request.body.contains(&event(1, "A")));
    assert!(request.body.len() <= BODY_LIMIT && request.body_bytes > long.len());
}

#[tokio::test]
async fn a_late_retry_does_not_take_a_reset_that_is_planned_for_the_next_case() {
    let gateway = gateway().await;
    let door = gateway.door();
    let first = open(&gateway, 1, json!([]));
    let late = events(&[event(1, "A")]);
    post(door, "/ads/acc1/events", &late).await.unwrap();
    wait(&first, |log| log.open == 0).await;
    first.close();

    let fault = json!([{ "answers": "reset_before_body", "times": 1 }]);
    let second = gateway.open(Arc::new(case(2, fault)), &[shop(1)], None).unwrap();
    assert_eq!(post(door, "/ads/acc1/events", &late).await.unwrap().status, 200);
    assert_eq!(second.look(|log| log.fault_hits.clone()), [0]);
    let own = events(&[event(2, "A")]);
    let error = post(door, "/ads/acc1/events", &own).await.unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    wait(&second, |log| log.exchanges.len() == 1 && log.open == 0).await;
    assert!(second.look(|log| log.fault_hits == [1] && log.entries.is_empty()));
    assert_eq!(post(door, "/ads/acc1/events", &own).await.unwrap().status, 200);
}

#[tokio::test]
async fn what_belongs_to_nobody_is_an_orphan_and_late_retries_are_not_taken_for_others() {
    let gateway = gateway().await;
    let door = gateway.door();
    post(door, "/ads/unknown/events", &events(&["x".into()])).await.unwrap();
    assert_eq!(gateway.orphans().0, 1);

    let first = open(&gateway, 1, json!([]));
    let body = events(&[event(1, "A")]);
    post(door, "/ads/acc1/events", &body).await.unwrap();
    wait(&first, |log| log.open == 0).await;
    first.close();
    post(door, "/ads/acc1/events", &body).await.unwrap();
    assert_eq!((gateway.orphans().0, gateway.late()), (1, 1));

    // The shop is leased anew: a late retry of the first case stays late, an event without tracers is the new case's.
    let second = gateway.open(Arc::new(case(2, json!([]))), &[shop(1)], None).unwrap();
    post(door, "/ads/acc1/events", &body).await.unwrap();
    post(door, "/ads/acc1/events", &events(&["mangled".into()])).await.unwrap();
    wait(&second, |log| log.exchanges.len() == 1 && log.open == 0).await;
    assert_eq!(gateway.late(), 2);
    for n in 0..100 {
        post(door, "/ads/unknown/events", &events(&[format!("x{n}")])).await.unwrap();
        post(door, &format!("/ads/unknown{n}/events"), "").await.unwrap();
    }
    let (count, kept) = gateway.orphans();
    assert_eq!((count, kept.len()), (201, 50), "the first for each account");
}
