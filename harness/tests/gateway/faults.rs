//! Faults in the answer, and which requests they hit.

use std::sync::Arc;

use serde_json::{Value, json};

use crate::support::*;

#[tokio::test]
async fn lying_successes_and_http_answers_take_nothing() {
    let gateway = gateway().await;
    let faults = json!([
        { "answers": "html_ok", "times": 1 },
        { "answers": "empty_ok", "times": 1 },
        { "answers": { "http": { "status": 418, "headers": { "x-why": "tea", "content-length": "999" }, "body": "short" } }, "times": 1 },
        { "answers": { "failure": "rate_limited" }, "retry_after": "1500ms", "times": 1 },
        { "answers": { "failure": "server_error" }, "retry_after_date": "30s", "times": 1 },
        { "answers": { "failure": "server_error" }, "retry_after_text": "soon", "times": 1 },
        { "answers": { "failure": "forbidden" } },
    ]);
    let case = open(&gateway, 1, faults);
    let mut client = Client::connect(&gateway.door().origin()).await;
    let body = events(&[event(1, "A")]);
    let mut seen = Vec::new();
    for _ in 0..7 {
        seen.push(client.post("/ads/acc1/events", &body).await.unwrap());
    }
    let statuses: Vec<u16> = seen.iter().map(|s| s.status).collect();
    assert_eq!(statuses, [200, 200, 418, 429, 500, 500, 200]);
    assert!(seen[0].body.contains("<html>") && seen[1].body.is_empty());
    assert_eq!((seen[2].body.as_str(), seen[2].header("x-why")), ("short", Some("tea")));
    assert_eq!(seen[3].header("retry-after"), Some("2"), "whole seconds, never earlier than asked");
    let due = httpdate::parse_http_date(seen[4].header("retry-after").unwrap()).unwrap();
    let span = due.duration_since(std::time::SystemTime::now()).unwrap();
    assert!((29..=31).contains(&span.as_secs()), "{span:?}");
    assert_eq!(seen[5].header("retry-after"), Some("soon"));
    assert_eq!(
        seen[6].body, r#"{"taken":1}"#,
        "a platform without such a failure answers as usual"
    );
    wait(&case, |log| log.open == 0).await;
    assert_eq!(case.look(|log| log.fault_hits.clone()), [1, 1, 1, 1, 1, 1, 0]);
    assert_eq!(case.look(|log| log.entries.len()), 1);
}

#[tokio::test]
async fn a_redirect_leads_to_the_canary_which_tells_on_who_follows() {
    let gateway = gateway().await;
    let case = open(&gateway, 1, json!([{ "answers": "redirect", "times": 1 }]));
    let seen = post(gateway.door(), "/ads/acc1/events", &events(&[event(1, "A")])).await.unwrap();
    assert_eq!(seen.status, 302);
    let target = seen.header("location").unwrap().to_owned();
    let path = target.strip_prefix(&gateway.door().origin()).unwrap();
    let mut client = Client::connect(&target).await;
    assert_eq!(client.post(path, "no tracer in here").await.unwrap().status, 502);
    let undeclared = gateway.undeclared();
    assert_eq!(undeclared[0].request.host, "canary.invalid");
    assert!(undeclared[0].platform.is_none());
    wait(&case, |log| log.exchanges.len() == 2).await;
    assert!(case.look(|log| log.entries.is_empty()));
}

#[tokio::test]
async fn faults_hit_after_some_for_some_orders_and_under_conditions() {
    let gateway = gateway().await;
    let rule = |answers: Value, more: Value| {
        let mut fault = json!({ "answers": answers });
        fault.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        fault
    };
    let http = |status: u16| json!({ "http": { "status": status } });
    let faults = json!([
        rule(http(501), json!({ "after": 1, "times": 1, "order": "A" })),
        rule(http(502), json!({ "when": [{ "query": { "q": "1" } }, { "method": "post" }] })),
        rule(http(503), json!({ "when": [{ "header": { "x-mode": "odd" } }] })),
        rule(http(504), json!({ "when": [{ "path": "/v9/" }] })),
        rule(
            http(505),
            json!({ "when": [{ "body_json": { "mode": "odd" } }, { "body_contains": "odd" }] })
        ),
        rule(http(506), json!({ "name": "google_oauth" })),
    ]);
    let case = open(&gateway, 1, faults);
    let door = gateway.door();
    let (a, b) = (events(&[event(1, "A")]), events(&[event(1, "B")]));
    let mut statuses = Vec::new();
    for body in [&b, &a, &b, &a, &a] {
        statuses.push(post(door, "/ads/acc1/events", body).await.unwrap().status);
    }
    assert_eq!(statuses, [200, 200, 200, 501, 200]);
    assert_eq!(post(door, "/ads/acc1/events?q=1", &b).await.unwrap().status, 502);
    assert_eq!(post(door, "/ads/acc1/v9/events", &b).await.unwrap().status, 504);
    let odd = format!(r#"{{"mode":"odd","events":[{{"id":"{}"}}]}}"#, event(1, "B"));
    assert_eq!(post(door, "/ads/acc1/events", &odd).await.unwrap().status, 505);
    let mut client = Client::connect(&door.origin()).await;
    let request = format!(
        "POST /ads/acc1/events HTTP/1.1\r\nHost: x\r\nX-Mode: odd\r\nContent-Length: {}\r\n\r\n{b}",
        b.len()
    );
    assert_eq!(client.raw(&request).await.unwrap().status, 503);
    assert_eq!(case.look(|log| log.fault_hits.clone()), [1, 1, 1, 1, 1, 0]);
}

#[tokio::test]
async fn faults_that_cannot_be_carried_out_are_refused_at_the_start() {
    let gateway = gateway().await;
    for fault in [
        json!({ "answers": "html_ok", "when": [{ "path": "(" }] }),
        json!({ "answers": "html_ok", "when": [{ "method": "no method" }] }),
        json!({ "answers": "html_ok", "when": [{ "header": { "no name": "x" } }] }),
        json!({ "answers": { "http": { "status": 99 } } }),
        json!({ "answers": { "http": { "status": 200, "headers": { "x": "a\nb" } } } }),
        json!({ "answers": "html_ok", "retry_after_text": "a\r\nb" }),
    ] {
        let opened = gateway.open(Arc::new(case(1, json!([fault.clone()]))), &[shop(1)], None);
        assert!(opened.unwrap_err().contains("planned fault 1"), "{fault}");
    }
    let first = open(&gateway, 1, json!([]));
    assert!(gateway.open(Arc::new(case(1, json!([]))), &[shop(1)], None).is_err());
    drop(first);
    open(&gateway, 1, json!([])).close();
}

#[tokio::test]
async fn a_partial_failure_hits_the_rows_of_its_orders() {
    let gateway = gateway().await;
    let faults = json!([{ "answers": { "failure": "partial_invalid" }, "rows": ["B"] }]);
    let case = open(&gateway, 1, faults);
    let door = gateway.door();
    let alone = post(door, "/ads/acc1/events", &events(&[event(1, "S")])).await.unwrap();
    assert_eq!(alone.body, r#"{"taken":1}"#, "no row of B in it");
    let both = events(&[event(1, "A"), event(1, "B")]);
    assert_eq!(post(door, "/ads/acc1/events", &both).await.unwrap().body, r#"{"rows":[1]}"#);
    wait(&case, |log| log.open == 0).await;
    let captured = case.close();
    assert_eq!(captured.exchanges[1].accepted, [0]);
    assert_eq!(captured.entries.len(), 2);
}
