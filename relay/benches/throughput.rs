//! Throughput on this machine: orders accepted durably over HTTP, deliveries to a platform that answers at
//! once, and the raw group-commit rate of SQLite on the same disk in the same run, to compare with.
//!
//! `cargo bench -p relay --bench throughput -- [ORDERS]`
#![expect(clippy::disallowed_methods, reason = "what a test starts ends with it")]
#![expect(clippy::print_stdout, reason = "the table is the result")]

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use axum::{Json, Router, routing::post};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use relay::config::Config;
use rusqlite::{Connection, params};
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

/// Store connections that send at the same time.
const SENDERS: usize = 64;

fn main() -> Result<()> {
    let orders = std::env::args().skip(1).find_map(|a| a.parse().ok()).unwrap_or(5000_usize);
    let folder = tempfile::tempdir()?;
    let raw = raw_commits(&folder.path().join("raw.db"), orders)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let (accepted, delivered) =
        runtime.block_on(relay_rates(&folder.path().join("relay.db"), orders))?;
    println!("orders                           {orders:>9}");
    println!("raw SQLite, 256 rows per commit  {raw:>9.0} /s");
    println!("orders accepted durably          {accepted:>9.0} /s");
    println!("orders delivered                 {delivered:>9.0} /s");
    Ok(())
}

/// One row and one job row per order, 256 orders per transaction, `synchronous=FULL`.
fn raw_commits(path: &std::path::Path, orders: usize) -> Result<f64> {
    let mut db = Connection::open(path)?;
    db.pragma_update(None, "journal_mode", "WAL")?;
    db.pragma_update(None, "synchronous", "FULL")?;
    db.execute_batch("CREATE TABLE o(id TEXT PRIMARY KEY, doc TEXT); CREATE TABLE j(id TEXT)")?;
    let doc = "x".repeat(900);
    let begun = Instant::now();
    let ids: Vec<usize> = (0..orders).collect();
    for group in ids.chunks(256) {
        let transaction = db.transaction()?;
        for id in group {
            let id = id.to_string();
            transaction
                .prepare_cached("INSERT INTO o VALUES(?1, ?2)")?
                .execute(params![id, doc])?;
            transaction.prepare_cached("INSERT INTO j VALUES(?1)")?.execute(params![id])?;
        }
        transaction.commit()?;
    }
    Ok(orders as f64 / begun.elapsed().as_secs_f64())
}

async fn relay_rates(database: &std::path::Path, orders: usize) -> Result<(f64, f64)> {
    let platform = TcpListener::bind("127.0.0.1:0").await?;
    let platform_url = format!("http://{}", platform.local_addr()?);
    let answer = |Json(body): Json<Value>| async move {
        let received = body.get("data").and_then(Value::as_array).map_or(0, Vec::len);
        Json(json!({"events_received": received, "messages": [], "fbtrace_id": "A"}))
    };
    let routes = Router::new().route("/v26.0/1/events", post(answer));
    tokio::spawn(async move { axum::serve(platform, routes).await });

    let mut config = Config::parse(
        &format!(
            "operator_token = 'op'\n[[shop]]\nid = 'demo'\ndomain = 'demo.myshopify.com'\n\
             shopify_secrets = ['secret']\nevent_source_url = 'https://shop.example/'\n\
             [shop.meta]\npixel_id = '1'\naccess_token = 't'\nbase_url = '{platform_url}'"
        ),
        |_| None,
    )?;
    config.database = database.to_owned();
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let base = format!("http://{}", listener.local_addr()?);
    let (stop, stopped) = oneshot::channel::<()>();
    let relay = tokio::spawn(relay::serve(listener, config, async {
        drop(stopped.await);
    }));
    relay::client::install_tls();
    let http = reqwest::Client::new();

    let now = OffsetDateTime::now_utc().format(&Rfc3339)?;
    let begun = Instant::now();
    let senders = (0..SENDERS).map(|sender| {
        let (http, url, now) = (http.clone(), format!("{base}/v1/webhooks/shopify"), now.clone());
        async move {
            for id in (sender + 1..=orders).step_by(SENDERS) {
                let request = webhook(&http, &url, id, &now)?;
                request.send().await?.error_for_status()?;
            }
            anyhow::Ok(())
        }
    });
    futures_util::future::try_join_all(senders).await?;
    let accepted = orders as f64 / begun.elapsed().as_secs_f64();

    let last = format!("{base}/v1/deliveries?state=pending&limit=1");
    loop {
        let answer: Value = http.get(&last).bearer_auth("op").send().await?.json().await?;
        let pending = answer.get("deliveries").and_then(Value::as_array).context("a list")?;
        if pending.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let delivered = orders as f64 / begun.elapsed().as_secs_f64();
    drop(stop);
    relay.await??;
    Ok((accepted, delivered))
}

fn webhook(
    http: &reqwest::Client,
    url: &str,
    id: usize,
    now: &str,
) -> Result<reqwest::RequestBuilder> {
    let body = json!({
        "id": id, "name": format!("#{id}"), "source_name": "web", "financial_status": "paid",
        "created_at": now, "updated_at": now, "currency": "EUR", "total_price": "49.99",
        "email": format!("buyer{id}@example.com"), "customer": {"id": id},
        "note_attributes": [{"name": "relay_consent", "value": "ads=1;ads_user_data=1;store=1"}],
        "client_details": {"browser_ip": "203.0.113.24", "user_agent": "Mozilla/5.0 (bench)"},
        "landing_site": format!("/p?fbclid=Click{id}"),
        "line_items": [{"product_id": 8, "variant_id": 44, "quantity": 1, "price": "49.99"}]
    })
    .to_string();
    let mut mac = Hmac::<Sha256>::new_from_slice(b"secret")?;
    mac.update(body.as_bytes());
    Ok(http
        .post(url)
        .header("x-shopify-topic", "orders/paid")
        .header("x-shopify-shop-domain", "demo.myshopify.com")
        .header("x-shopify-webhook-id", format!("m{id}"))
        .header("x-shopify-hmac-sha256", STANDARD.encode(mac.finalize().into_bytes()))
        .body(body))
}
