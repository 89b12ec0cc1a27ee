//! A relay on a free port with wiremock as its platforms, and short ways to play shopper, store and operator.
#![expect(clippy::disallowed_methods, reason = "what a test starts ends with it")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use relay::config::Config;
use serde_json::{Value, json};
use sha2::Sha256;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use wiremock::{MockServer, Request};

pub(crate) const SECRET: &str = "shpss_test_0001";
const OPERATOR: &str = "operator-token";

/// A running relay.
pub(crate) struct Relay {
    pub(crate) base: String,
    http: reqwest::Client,
    stop: Option<oneshot::Sender<()>>,
    task: JoinHandle<Result<(), relay::ServeError>>,
    config: String,
    // Keeps the database's folder until the test ends.
    folder: tempfile::TempDir,
}

/// Settings of one shop that delivers to Meta (here wiremock) with short backoffs.
pub(crate) fn meta_shop(platform: &MockServer) -> String {
    shop(&format!(
        "[shop.meta]\npixel_id = '1'\naccess_token = 'token-1'\nbase_url = '{}'",
        platform.uri()
    ))
}

pub(crate) fn shop(destinations: &str) -> String {
    format!(
        "operator_token = '{OPERATOR}'\nshutdown_grace_ms = 3000\n\
         [policy]\nstitch_grace_ms = 300\n\
         [delivery]\nbackoff_base_ms = 40\nbackoff_cap_ms = 400\ntimeout_ms = 1500\n\
         [test]\nclock = true\n\
         [[shop]]\nid = 'demo'\ndomain = 'demo.myshopify.com'\nshopify_secrets = ['{SECRET}']\n\
         origins = ['https://shop.example']\nevent_source_url = 'https://shop.example/'\n{destinations}\n"
    )
}

impl Relay {
    pub(crate) async fn start(config: &str) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        Self::start_in(config, folder).await
    }

    async fn start_in(config: &str, folder: tempfile::TempDir) -> Self {
        let mut parsed = Config::parse(config, |_| None).expect("valid settings");
        parsed.database = Self::database(&folder);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let base = format!("http://{}", listener.local_addr().expect("an address"));
        let (stop, stopped) = oneshot::channel();
        let task = tokio::spawn(relay::serve(listener, parsed, async {
            drop(stopped.await);
        }));
        relay::client::install_tls();
        let http = reqwest::Client::new();
        Self { base, http, stop: Some(stop), task, config: config.to_owned(), folder }
    }

    fn database(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("relay.db")
    }

    /// Asks the relay to stop and waits for it.
    pub(crate) async fn stop(&mut self) -> Result<(), relay::ServeError> {
        drop(self.stop.take());
        (&mut self.task).await.expect("no panic")
    }

    /// Stops and starts again on the same database.
    pub(crate) async fn restart(mut self) -> Self {
        self.stop().await.expect("a clean stop");
        let Self { config, folder, .. } = self;
        Self::start_in(&config, folder).await
    }

    /// Starts a relay that was stopped, on the same database.
    pub(crate) async fn restart_stopped(self) -> Self {
        let Self { config, folder, .. } = self;
        Self::start_in(&config, folder).await
    }

    /// A landing with this query and this answer to everything.
    pub(crate) async fn visit(&self, visitor: &str, query: &str, consent: &str) -> Value {
        let body = json!({
            "visitor_id": visitor,
            "url": format!("https://shop.example/p{query}"),
            "cart_token": format!("cart-{visitor}"),
            "consent": {"store": consent, "ads": consent, "ads_user_data": consent,
                        "ads_personalise": consent},
        });
        let (status, answer) = self.post("/v1/shops/demo/clicks", &body).await;
        assert_eq!(status, 202, "{answer}");
        answer
    }

    pub(crate) async fn consent(&self, visitor: &str, answer: &str) {
        let body = json!({"visitor_id": visitor, "consent": {"store": answer, "ads": answer,
            "ads_user_data": answer, "ads_personalise": answer}});
        let (status, answer) = self.post("/v1/shops/demo/consent", &body).await;
        assert_eq!(status, 204, "{answer}");
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        let request = self
            .http
            .post(format!("{}{path}", self.base))
            .header("user-agent", "Mozilla/5.0 (test)")
            .bearer_auth(OPERATOR)
            .json(body);
        read(request).await
    }

    pub(crate) async fn put(&self, path: &str, body: &Value) -> (u16, Value) {
        let request =
            self.http.put(format!("{}{path}", self.base)).bearer_auth(OPERATOR).json(body);
        read(request).await
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.http.get(format!("{}{path}", self.base)).bearer_auth(OPERATOR)).await
    }

    /// A signed Shopify webhook with a message id of its own.
    pub(crate) async fn webhook(&self, topic: &str, body: &Value) -> (u16, Value) {
        let id = uuid::Uuid::new_v4().to_string();
        read(self.webhook_request(topic, &id, body)).await
    }

    pub(crate) fn webhook_request(
        &self,
        topic: &str,
        id: &str,
        body: &Value,
    ) -> reqwest::RequestBuilder {
        let text = body.to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(SECRET.as_bytes()).expect("any key");
        mac.update(text.as_bytes());
        self.http
            .post(format!("{}/v1/webhooks/shopify", self.base))
            .header("x-shopify-topic", topic)
            .header("x-shopify-shop-domain", "demo.myshopify.com")
            .header("x-shopify-webhook-id", id)
            .header("x-shopify-hmac-sha256", STANDARD.encode(mac.finalize().into_bytes()))
            .body(text)
    }

    /// The deliveries of an order.
    pub(crate) async fn deliveries(&self, order: u64) -> Vec<Value> {
        let (_, answer) = self.get(&format!("/v1/deliveries?order={order}")).await;
        answer.get("deliveries").and_then(Value::as_array).cloned().unwrap_or_default()
    }

    /// Waits until the order's first delivery is in this state, and returns it.
    pub(crate) async fn reaches(&self, order: u64, state: &str) -> Value {
        let until = Instant::now() + Duration::from_secs(10);
        loop {
            let found = self.deliveries(order).await;
            match found.first() {
                Some(d) if d.get("state").and_then(Value::as_str) == Some(state) => {
                    return d.clone();
                }
                _ if Instant::now() > until => panic!("order {order} not {state}: {found:?}"),
                _ => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn read(request: reqwest::RequestBuilder) -> (u16, Value) {
    let response = request.send().await.expect("an answer");
    let status = response.status().as_u16();
    (status, response.json().await.unwrap_or(Value::Null))
}

/// A paid web order of this visitor, placed now.
pub(crate) fn paid(id: u64, visitor: &str) -> Value {
    let now = OffsetDateTime::now_utc().format(&Rfc3339).expect("a time");
    json!({
        "id": id, "name": format!("#{id}"), "source_name": "web", "financial_status": "paid",
        "created_at": now, "updated_at": now, "currency": "EUR", "total_price": "49.99",
        "email": "jane.doe@example.com", "cart_token": format!("cart-{visitor}"),
        "customer": {"id": 7_100_000_000_001_u64},
        "client_details": {"browser_ip": "203.0.113.24", "user_agent": "Mozilla/5.0 (test)"},
        "line_items": [{"product_id": 8, "variant_id": 44, "quantity": 1, "price": "49.99"}]
    })
}

/// Meta's answer to a request that it took whole.
pub(crate) fn meta_takes(request: &Request) -> wiremock::ResponseTemplate {
    let received = events(request).len();
    wiremock::ResponseTemplate::new(200).set_body_json(
        json!({"events_received": received, "messages": [], "fbtrace_id": "AbCdEfGhIjKlMnOpQrStUvW"}),
    )
}

/// The events of a request to Meta.
pub(crate) fn events(request: &Request) -> Vec<Value> {
    let body: Value = serde_json::from_slice(&request.body).unwrap_or_default();
    body.get("data").and_then(Value::as_array).cloned().unwrap_or_default()
}

/// All event ids that the platform was sent, in order.
pub(crate) async fn event_ids(platform: &MockServer) -> Vec<String> {
    let requests = platform.received_requests().await.unwrap_or_default();
    let ids = requests.iter().flat_map(events);
    ids.filter_map(|e| e.get("event_id").and_then(Value::as_str).map(str::to_owned)).collect()
}
