//! What is withdrawn while a request is being made ready does not leave any more: here while its access token is fetched.
//! What is withdrawn in another shop changes nothing.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(clippy::disallowed_methods, reason = "what a test starts ends with it")]

use std::time::{Duration, Instant};

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit, Mac};
use relay::config::Config;
use serde_json::{Value, json};
use sha2::Sha256;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};
use tokio::{net::TcpListener, sync::oneshot, task::JoinHandle};
use wiremock::{
    Mock, MockServer, ResponseTemplate,
    matchers::{path, path_regex},
};

/// How long the token endpoint takes: longer than the calls in between.
const TOKEN_TAKES: Duration = Duration::from_millis(900);

struct Running {
    http: reqwest::Client,
    base: String,
    google: MockServer,
    _folder: tempfile::TempDir,
    _stop: oneshot::Sender<()>,
    _relay: JoinHandle<()>,
}

impl Running {
    /// A relay with two shops that report to Google Ads.
    async fn start() -> Self {
        let google = MockServer::start().await;
        let token = json!({"access_token": "ya29.a", "expires_in": 3599, "token_type": "Bearer"});
        Mock::given(path("/token"))
            .respond_with(ResponseTemplate::new(200).set_body_json(token).set_delay(TOKEN_TAKES))
            .mount(&google)
            .await;
        let taken = json!({"results": [{}], "jobId": "1"});
        Mock::given(path_regex(":uploadClickConversions$"))
            .respond_with(ResponseTemplate::new(200).set_body_json(taken))
            .mount(&google)
            .await;
        let url = google.uri();
        let shop = |id: &str, customer: &str| {
            format!(
                "[[shop]]\nid = '{id}'\ndomain = '{id}.myshopify.com'\nshopify_secrets = ['secret']\n\
                 [shop.google_ads]\ncustomer_id = '{customer}'\nconversion_action = '7'\nclient_id = 'c'\n\
                 client_secret = 's'\nrefresh_token = 'r'\nbase_url = '{url}'\ntoken_url = '{url}/token'\n"
            )
        };
        let text = format!(
            "operator_token = 'op'\n{}{}",
            shop("one", "1234567890"),
            shop("two", "1234567891")
        );
        let folder = tempfile::tempdir().unwrap();
        let mut config = Config::parse(&text, |_| None).unwrap();
        config.database = folder.path().join("relay.db");
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel::<()>();
        let relay = tokio::spawn(async move {
            relay::serve(listener, config, async { drop(stopped.await) }).await.unwrap();
        });
        relay::client::install_tls();
        let http = reqwest::Client::new();
        Self { http, base, google, _folder: folder, _stop: stop, _relay: relay }
    }

    async fn post(&self, path: &str, body: &Value) {
        let url = format!("{}{path}", self.base);
        let answer = self.http.post(url).body(body.to_string()).send().await.unwrap();
        assert!(answer.status().is_success(), "{path}: {answer:?}");
    }

    async fn choose(&self, shop: &str, ads: &str) {
        let consent = json!({"store": "granted", "ads": ads, "ads_user_data": "granted"});
        let body = json!({"visitor_id": format!("visitor-{shop}"), "consent": consent});
        self.post(&format!("/v1/shops/{shop}/consent"), &body).await;
    }

    /// An order of the shop's visitor, who has clicked an ad.
    async fn order(&self, shop: &str, id: u64) {
        self.choose(shop, "granted").await;
        let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap();
        let body = json!({
            "id": id, "name": "#1001", "source_name": "web", "financial_status": "paid",
            "created_at": now, "updated_at": now, "currency": "EUR", "total_price": "49.99",
            "email": "buyer@example.com",
            "landing_site": "/p?gclid=EAIaIQobChMIw8-abcdefghijklmnop",
            "note_attributes": [{"name": "relay_visitor_id", "value": format!("visitor-{shop}")}],
        })
        .to_string();
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").unwrap();
        mac.update(body.as_bytes());
        let answer = self
            .http
            .post(format!("{}/v1/webhooks/shopify", self.base))
            .header("x-shopify-topic", "orders/paid")
            .header("x-shopify-shop-domain", format!("{shop}.myshopify.com"))
            .header("x-shopify-webhook-id", format!("m{id}"))
            .header("x-shopify-hmac-sha256", STANDARD.encode(mac.finalize().into_bytes()))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), 200);
    }

    /// The first state of an order's delivery that is an end, with its reason.
    async fn end_of(&self, id: u64) -> (String, String) {
        let url = format!("{}/v1/deliveries?order={id}", self.base);
        let began = Instant::now();
        loop {
            let answer = self.http.get(&url).bearer_auth("op").send().await.unwrap();
            let body: Value = answer.json().await.unwrap();
            let of =
                |name: &str| body["deliveries"][0][name].as_str().unwrap_or_default().to_owned();
            if !["", "pending"].contains(&of("state").as_str()) {
                return (of("state"), of("reason"));
            }
            assert!(began.elapsed() < Duration::from_secs(20), "{body}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn until_token_is_asked_for(&self) {
        let began = Instant::now();
        while self.requests("/token").await == 0 {
            assert!(began.elapsed() < Duration::from_secs(20), "nobody asks for a token");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn requests(&self, ends: &str) -> usize {
        let all = self.google.received_requests().await.unwrap_or_default();
        all.iter().filter(|request| request.url.path().ends_with(ends)).count()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_withdrawal_that_comes_while_the_token_is_fetched_keeps_the_order_back() {
    let relay = Running::start().await;
    relay.order("one", 6_100_000_000_001).await;
    relay.until_token_is_asked_for().await;
    relay.choose("one", "denied").await;
    assert_eq!(relay.end_of(6_100_000_000_001).await, ("withheld".into(), "consent".into()));
    assert_eq!(relay.requests(":uploadClickConversions").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_shops_visitors_decide_nothing() {
    let relay = Running::start().await;
    relay.order("one", 6_100_000_000_002).await;
    relay.until_token_is_asked_for().await;
    relay.choose("two", "denied").await;
    assert_eq!(relay.end_of(6_100_000_000_002).await.0, "delivered");
    assert_eq!(relay.requests(":uploadClickConversions").await, 1);
}
