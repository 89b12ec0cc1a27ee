//! Whose a request is, with several cases, none, or one that is over.

use std::sync::Arc;

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
    }
    let (count, kept) = gateway.orphans();
    assert_eq!((count, kept.len()), (101, 50));
}
