//! A platform small enough to see through, cases made by hand, and a client that reports what it saw on the wire.

use std::{
    collections::BTreeMap,
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use harness::{
    exchange::{OrderRef, Reply, Request},
    gateway::{CaseHandle, Door, Gateway, GatewayOptions, Log},
    plan::{Case, Contact, Order, Person, Shop},
    platforms::{
        Account, AccountSeed, Accounts, Answer, BrowserCopy, Channel, ClickField, Counted, Entry,
        FailureClass, IdentityRule, Item, Platform, Reading, Rule,
    },
    scenario::{OrderKind, OrderState},
};
use rust_decimal::Decimal;
use serde_json::{Value, json};
use time::OffsetDateTime;
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
};

/// `POST /ACCOUNT/events` with `{"events": [{"id": "order_1", "token": "..."}]}`.
/// An event sent twice is refused the second time, so that the ledger in view is visible in the answer.
pub(crate) struct Ads;

impl Platform for Ads {
    fn id(&self) -> &'static str {
        "ads"
    }
    fn title(&self) -> &'static str {
        "Test ads"
    }
    fn hosts(&self) -> &'static [&'static str] {
        &["api.ads.example", "pixel.ads.example"]
    }
    fn rules(&self) -> &'static [Rule] {
        &[]
    }
    fn account(&self, _: &AccountSeed) -> Account {
        unreachable!("the tests make accounts themselves")
    }
    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let key = request.path.split('/').nth(1).unwrap_or_default().to_owned();
        assert!(!request.body.contains("make the simulator panic"), "as asked for");
        let body = request.json().unwrap_or_default();
        let events = body.get("events").and_then(Value::as_array).cloned().unwrap_or_default();
        let token = request.header("authorization").unwrap_or_default();
        let valid =
            accounts.find(&key).is_some_and(|account| accounts.is_valid_token(account, token));
        let items = events
            .iter()
            .enumerate()
            .map(|(i, event)| Item {
                pointer: format!("/events/{i}"),
                key: event.get("id").and_then(Value::as_str).map(str::to_owned),
                // Shown to the tests: whether the token was good, and what time it is for the case.
                source: Some(if valid { "valid" } else { "invalid" }.into()),
                url: Some(now.unix_timestamp().to_string()),
                ..Item::default()
            })
            .collect();
        let channel =
            if request.host == "pixel.ads.example" { Channel::Browser } else { Channel::Server };
        Reading { account: Some(key), channel, items, broken: Vec::new() }
    }
    fn answer(&self, _: &Request, reading: &Reading, ledger: &[Entry]) -> Answer {
        // Events of the flood tests are new by their making; looking them up would only take time.
        let is_new = |key: &Option<String>| {
            key.as_ref().is_some_and(|k| k.starts_with("own-"))
                || ledger.iter().all(|e| e.item.key != *key)
        };
        let accepted: Vec<usize> =
            (0..reading.items.len()).filter(|i| is_new(&reading.items[*i].key)).collect();
        Answer { reply: Reply::json(200, &json!({ "taken": accepted.len() })), accepted }
    }
    fn failure(
        &self,
        class: FailureClass,
        _: &Request,
        reading: &Reading,
        rows: &[usize],
    ) -> Option<Answer> {
        let (status, accepted) = match class {
            FailureClass::RateLimited => (429, vec![]),
            FailureClass::TokenExpired => (401, vec![]),
            FailureClass::PartialInvalid => {
                (200, (0..reading.items.len()).filter(|i| !rows.contains(i)).collect())
            }
            // Stands for a class that a platform has no words for.
            FailureClass::Forbidden => return None,
            _ => (500, vec![]),
        };
        Some(Answer { reply: Reply::json(status, &json!({ "rows": rows })), accepted })
    }
    fn count(&self, _: &[Entry]) -> Vec<Counted> {
        Vec::new()
    }
    fn browser_copy(&self, copy: &BrowserCopy, account: &Account) -> Option<Request> {
        Some(Request {
            method: "POST".into(),
            host: "pixel.ads.example".into(),
            path: format!("/{}/events", account.key),
            body: json!({ "events": [{ "id": copy.event_id }] }).to_string(),
            ..Request::default()
        })
    }
    fn identity(&self, _: &Person) -> Vec<IdentityRule> {
        Vec::new()
    }
    fn click_field(&self, _: &str) -> Option<ClickField> {
        None
    }
}

/// The token endpoint: answers `{"access_token": "at-N"}` for a form with `refresh_token`.
pub(crate) struct Tokens;

impl Platform for Tokens {
    fn id(&self) -> &'static str {
        "google_oauth"
    }
    fn title(&self) -> &'static str {
        "Test tokens"
    }
    fn hosts(&self) -> &'static [&'static str] {
        &["tokens.example"]
    }
    fn counts_orders(&self) -> bool {
        false
    }
    fn rules(&self) -> &'static [Rule] {
        &[]
    }
    fn account(&self, _: &AccountSeed) -> Account {
        unreachable!("the tests make accounts themselves")
    }
    fn read(&self, request: &Request, _: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let refresh = url::form_urlencoded::parse(request.body.as_bytes())
            .find(|(name, _)| name == "refresh_token")
            .map(|(_, value)| value.into_owned());
        let account = refresh.filter(|key| accounts.find(key).is_some());
        Reading { account, channel: Channel::Other, items: Vec::new(), broken: Vec::new() }
    }
    fn answer(&self, _: &Request, reading: &Reading, _: &[Entry]) -> Answer {
        let reply = match &reading.account {
            Some(key) => Reply::json(200, &json!({ "access_token": format!("at-for-{key}") })),
            None => Reply::json(400, &json!({ "error": "invalid_grant" })),
        };
        Answer { reply, accepted: Vec::new() }
    }
    fn failure(&self, _: FailureClass, _: &Request, _: &Reading, _: &[usize]) -> Option<Answer> {
        Some(Answer {
            reply: Reply::json(400, &json!({ "error": "invalid_grant" })),
            accepted: vec![],
        })
    }
    fn count(&self, _: &[Entry]) -> Vec<Counted> {
        Vec::new()
    }
    fn browser_copy(&self, _: &BrowserCopy, _: &Account) -> Option<Request> {
        None
    }
    fn identity(&self, _: &Person) -> Vec<IdentityRule> {
        Vec::new()
    }
    fn click_field(&self, _: &str) -> Option<ClickField> {
        None
    }
}

static TEST_PLATFORMS: &[&dyn Platform] = &[&Ads, &Tokens];

pub(crate) async fn gateway() -> Gateway {
    let options = GatewayOptions {
        started: Instant::now(),
        platforms: TEST_PLATFORMS,
        listen: ([127, 0, 0, 1], 0).into(),
    };
    Gateway::start(options).await.expect("a free port")
}

/// A shop with the account `acc<index>`.
pub(crate) fn shop(index: usize) -> Shop {
    let fields = BTreeMap::from([("access_token", format!("token-of-shop-{index:04}"))]);
    let key = format!("acc{index}");
    Shop {
        index,
        id: format!("s{index:04}"),
        domain: format!("s{index:04}.example"),
        secret: String::new(),
        previous_secret: String::new(),
        webhook_secret: String::new(),
        previous_webhook_secret: String::new(),
        write_key: String::new(),
        accounts: BTreeMap::from([("ads", Account { key, fields, secret: &["access_token"] })]),
    }
}

/// A shop whose account has its access tokens from the token endpoint.
pub(crate) fn oauth_shop(index: usize) -> Shop {
    let refresh = format!("1//refresh-of-shop-{index:04}");
    let fields = BTreeMap::from([("refresh_token", refresh.clone())]);
    let account = |key: String| Account { key, fields: fields.clone(), secret: &["refresh_token"] };
    let accounts = BTreeMap::from([
        ("ads", account(format!("acc{index}"))),
        ("google_oauth", account(refresh)),
    ]);
    Shop { accounts, ..shop(index) }
}

/// A case of shop `id` with the orders A and B and these planned faults.
pub(crate) fn case(id: usize, faults: Value) -> Case {
    let given: Vec<Value> = faults
        .as_array()
        .expect("a list of faults")
        .iter()
        .map(|fault| json!({ "platform": fault }))
        .collect();
    let scenario: harness::scenario::Scenario = serde_json::from_value(json!({
        "title": "made by hand", "covers": [], "given": given, "steps": [],
    }))
    .expect("a scenario");
    Case {
        id,
        name: format!("test/{id}/ads"),
        scenario: scenario.into(),
        variant: None,
        platform: "ads",
        needs: Vec::new(),
        private_relay: false,
        alone: true,
        people: BTreeMap::new(),
        orders: vec![order(id, 1, "A"), order(id, 2, "B")],
        sentinel: Order { id: OrderRef::Sentinel, ..order(id, 3, "S") },
        sentinel_person: Person {
            name: "sentinel".into(),
            visitor_id: format!("visitor-{id}-sentinel"),
            contact: Contact::default(),
            ip: "192.0.2.1".into(),
            user_agent: format!("Test/{id}"),
            ids: BTreeMap::new(),
        },
        values: BTreeMap::new(),
    }
}

fn order(case: usize, nth: u64, id: &str) -> Order {
    Order {
        id: OrderRef::Named(id.into()),
        by: "shopper".into(),
        shop: 0,
        numeric_id: number(case, nth),
        name: format!("#{}", number(case, nth)),
        token: format!("tok{}", number(case, nth)),
        checkout_token: None,
        cart_token: None,
        placed: time::Duration::ZERO,
        zone: time::UtcOffset::UTC,
        total: Decimal::ONE,
        currency: "EUR".into(),
        subtotal: Decimal::ONE,
        tax: Decimal::ZERO,
        shipping: Decimal::ZERO,
        discount: Decimal::ZERO,
        presentment: None,
        state: OrderState::Paid,
        kind: OrderKind::Web,
        test: false,
        contact: Contact::default(),
        product_id: 1,
        canaries: BTreeMap::new(),
    }
}

fn number(case: usize, nth: u64) -> u64 {
    5_000_000_000_000 + case as u64 * 1_000 + nth
}

/// The event id of order A, B or S of a case.
pub(crate) fn event(case: usize, order: &str) -> String {
    let nth = match order {
        "A" => 1,
        "B" => 2,
        _ => 3,
    };
    format!("order_{}", number(case, nth))
}

/// A body with these events.
pub(crate) fn events(ids: &[String]) -> String {
    let list: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    json!({ "events": list }).to_string()
}

/// What a client saw of an answer.
#[derive(Debug)]
pub(crate) struct Seen {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) body: String,
    /// Shorter than announced.
    pub(crate) cut: bool,
    pub(crate) took: Duration,
}

impl Seen {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }
}

/// One connection.
pub(crate) struct Client<S = TcpStream>(pub(crate) S);

impl Client {
    pub(crate) async fn connect(url: &str) -> Self {
        let address =
            url.strip_prefix("http://").unwrap_or(url).split('/').next().expect("an address");
        Self(TcpStream::connect(address).await.expect("a listening door"))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Client<S> {
    pub(crate) async fn post(&mut self, path: &str, body: &str) -> io::Result<Seen> {
        self.raw(&format!(
            "POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ))
        .await
    }

    pub(crate) async fn raw(&mut self, request: &str) -> io::Result<Seen> {
        self.bytes(request.as_bytes()).await
    }

    pub(crate) async fn bytes(&mut self, request: &[u8]) -> io::Result<Seen> {
        let began = Instant::now();
        self.0.write_all(request).await?;
        self.answer(began).await
    }

    pub(crate) async fn answer(&mut self, began: Instant) -> io::Result<Seen> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(self.0.read_u8().await?);
        }
        let head = String::from_utf8(head).expect("an ASCII head");
        let status = head.split(' ').nth(1).and_then(|s| s.parse().ok()).expect("a status line");
        let mut seen = Seen { status, head, body: String::new(), cut: false, took: Duration::ZERO };
        let length: usize =
            seen.header("content-length").map_or(0, |l| l.parse().expect("a length"));
        let mut body = Vec::new();
        while body.len() < length {
            let mut buffer = vec![0; length - body.len()];
            let n = self.0.read(&mut buffer).await?;
            if n == 0 {
                seen.cut = true;
                break;
            }
            body.extend_from_slice(&buffer[..n]);
        }
        seen.body = String::from_utf8(body).expect("UTF-8");
        seen.took = began.elapsed();
        Ok(seen)
    }
}

/// One request on a connection of its own.
pub(crate) async fn post(door: &Door, path: &str, body: &str) -> io::Result<Seen> {
    Client::connect(&door.base_url("ads")).await.post(path, body).await
}

/// Waits for a condition, at most five seconds.
pub(crate) async fn wait(handle: &CaseHandle, condition: impl FnMut(&Log) -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(5);
    let happened = handle.wait_until(deadline, condition).await;
    assert!(happened, "not in time; the log is {:#?}", handle.look(|log| format!("{log:?}")));
}

/// Opens case `id` of shop `id`.
pub(crate) fn open(gateway: &Gateway, id: usize, faults: Value) -> CaseHandle {
    gateway.open(Arc::new(case(id, faults)), &[shop(id)], None).expect("an opened case")
}

/// The `id` of an order as a case's owner.
pub(crate) fn named(id: &str) -> Option<OrderRef> {
    Some(OrderRef::Named(id.into()))
}

/// What the browser's pixel sends with this event id.
pub(crate) fn pixel(event_id: &str, at: OffsetDateTime) -> BrowserCopy {
    BrowserCopy {
        event_id: event_id.into(),
        value: Decimal::ONE,
        currency: "EUR".into(),
        url: String::new(),
        ids: BTreeMap::new(),
        ip: String::new(),
        user_agent: String::new(),
        at,
    }
}
