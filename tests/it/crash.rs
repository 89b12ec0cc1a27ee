//! `kill -9` at random moments under load: every order that the relay acknowledged is counted exactly once afterwards.
//!
//! `KILLS` sets how many (default 6).

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::Path,
    process::Stdio,
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use axum::{Json, Router, extract::State, routing::any};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    net::TcpListener,
    process::{Child, Command},
    sync::Notify,
    task::JoinSet,
};

const SECRET: &str = "shpss_crash";
const DOMAIN: &str = "crash.example.com";

/// The platform's side: how often each event id was taken.
#[derive(Default)]
struct Platform {
    taken: Mutex<BTreeMap<String, u32>>,
    changed: Notify,
}

async fn take(State(platform): State<Arc<Platform>>, body: String) -> Json<Value> {
    let events =
        serde_json::from_str::<Value>(&body).map(|b| b["data"].clone()).unwrap_or_default();
    let ids: Vec<String> = events
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|e| e["event_id"].as_str().map(str::to_owned))
        .collect();
    {
        let mut taken = platform.taken.lock().expect("no panic holds it");
        for id in &ids {
            *taken.entry(id.clone()).or_default() += 1;
        }
    }
    platform.changed.notify_waiters();
    Json(
        json!({ "events_received": ids.len(), "messages": [], "fbtrace_id": "AbCdEfGhIjKlMnOpQrStUvW" }),
    )
}

fn config(dir: &Path, platform: SocketAddr) -> String {
    format!(
        r#"
listen = "127.0.0.1:0"
database = "{}"
operator_token = "crash-operator"
[delivery]
backoff_base_ms = 20
backoff_cap_ms = 200
timeout_ms = 2000
[[shop]]
id = "crash"
domain = "{DOMAIN}"
origins = []
shopify_secrets = ["{SECRET}"]
webhook_secrets = []
event_source_url = "https://{DOMAIN}/"
[shop.meta]
pixel_id = "1234567890123456"
access_token = "crash-token"
base_url = "http://{platform}"
"#,
        dir.join("relay.db").display()
    )
}

async fn start(config: &Path, listen: &str) -> (Child, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_defective-relay"))
        .args(["--as-it-is", "--config"])
        .arg(config)
        .args(["--listen", listen])
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("the relay starts");
    let stdout = child.stdout.take().expect("it is piped");
    let mut lines = BufReader::new(stdout).lines();
    let line = lines.next_line().await.expect("readable").expect("it says where it listens");
    let url = line.strip_prefix("listening on ").expect("as documented").to_owned();
    (child, url)
}

fn order(id: u64) -> String {
    let at = time::OffsetDateTime::now_utc()
        .format(&time::format_description::well_known::Rfc3339)
        .expect("a time");
    json!({
        "id": id, "name": format!("#{id}"), "source_name": "web", "test": false, "financial_status": "paid",
        "created_at": at, "processed_at": at, "updated_at": at, "currency": "EUR", "total_price": "10.00",
        "subtotal_price": "10.00", "total_tax": "0.00", "email": format!("buyer{id}@example.com"),
        "note_attributes": [{ "name": "relay_consent", "value": "ads=1;ads_user_data=1;ads_personalise=1;store=1" }],
        "line_items": []
    })
    .to_string()
}

async fn send(client: &reqwest::Client, url: &str, id: u64) -> bool {
    let body = order(id);
    let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any length");
    mac.update(body.as_bytes());
    client
        .post(format!("{url}/v1/webhooks/shopify"))
        .header("content-type", "application/json")
        .header("x-shopify-topic", "orders/paid")
        .header("x-shopify-shop-domain", DOMAIN)
        .header("x-shopify-webhook-id", format!("w-{id}"))
        .header("x-shopify-hmac-sha256", STANDARD.encode(mac.finalize().into_bytes()))
        .body(body)
        .send()
        .await
        .is_ok_and(|answer| answer.status().is_success())
}

/// A number below `limit`, unlike the last (xorshift: the moments need be spread, not secret).
fn next(state: &mut u64, limit: u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state % limit
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_counted_once_whenever_the_relay_is_killed() {
    let kills: u64 = std::env::var("KILLS").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let platform = Arc::new(Platform::default());
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    let app = Router::new().fallback(any(take)).with_state(Arc::clone(&platform));
    let mut server = JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await });

    let dir = tempfile::tempdir().expect("a folder");
    let config_path = dir.path().join("relay.toml");
    std::fs::write(&config_path, config(dir.path(), address)).expect("writable");
    // Somebody else in this process may have installed it.
    drop(rustls::crypto::ring::default_provider().install_default());
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");

    let mut acknowledged = Vec::new();
    let mut id = 7_000_000_000_000_u64;
    let mut random = 0x9E37_79B9_7F4A_7C15_u64;
    let mut listen = "127.0.0.1:0".to_owned();
    for _ in 0..kills {
        let (mut child, url) = start(&config_path, &listen).await;
        listen = url.trim_start_matches("http://").to_owned();
        let mut calls = JoinSet::new();
        for _ in 0..8 {
            let (client, url, first) = (client.clone(), url.clone(), id);
            id += 1_000;
            calls.spawn(async move {
                let mut done = Vec::new();
                for order in first..first + 1_000 {
                    if !send(&client, &url, order).await {
                        break;
                    }
                    done.push(order);
                }
                done
            });
        }
        tokio::time::sleep(Duration::from_micros(next(&mut random, 250_000))).await;
        child.kill().await.expect("it can be killed");
        while let Some(done) = calls.join_next().await {
            acknowledged.extend(done.expect("no panic"));
        }
    }
    let (mut child, _) = start(&config_path, &listen).await;
    let deadline = Instant::now() + Duration::from_secs(60);
    let missing = loop {
        let changed = platform.changed.notified();
        let missing = {
            let taken = platform.taken.lock().expect("no panic holds it");
            acknowledged.iter().filter(|id| !taken.contains_key(&format!("order_{id}"))).count()
        };
        if missing == 0 || Instant::now() > deadline {
            break missing;
        }
        let _woken = tokio::time::timeout(Duration::from_secs(1), changed).await;
    };
    child.kill().await.expect("it can be killed");
    let taken = platform.taken.lock().expect("no panic holds it");
    // The platform counts by id: an order counts once if it came under one id, however often.
    let again = taken.values().filter(|n| **n > 1).count();
    println!(
        "{kills} kills, {} orders acknowledged, {missing} missing, {again} sent again under their id",
        acknowledged.len()
    );
    assert!(!acknowledged.is_empty(), "the load reached the relay");
    assert_eq!(missing, 0, "acknowledged orders that never arrived");
    let strange = taken.keys().filter(|k| !k.starts_with("order_7")).count();
    assert_eq!(strange, 0, "ids that no order has");
}
