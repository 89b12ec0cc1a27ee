//! Histories by hand: a case is played by a make-believe driver, and an honest relay answers it; tests then bend one
//! thing and see who notices.

#![allow(clippy::unwrap_used)]

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::Decimal;
use serde_json::json;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use crate::{
    exchange::{Ending, Exchange, OrderRef, Owner, Reply, Request},
    history::{Action, Call, Did, History, Shown, Waited},
    judge::judge,
    plan::{Case, Contact, Order, Person, Shop},
    platforms::{self, Account, Channel, ClickForm, Entry, Item, ItemKind, Platform, Reading},
    scenario::{Fault, Given, OrderKind, OrderState, Scenario, Signature, Step, Topic},
    sut::profile::{Policies, Profile},
    truth::{self, Expected, Presence, Truth},
    verdict::{CaseVerdict, Finding},
};

/// 2026-11-01 10:00 UTC.
pub(crate) const NOON: i64 = 1_793_527_200;

/// A case under construction.
pub(crate) struct Bench {
    pub(crate) case: Case,
    pub(crate) profile: Profile,
    pub(crate) history: History,
    pub(crate) entries: Vec<Entry>,
    platform: &'static dyn Platform,
    at: Duration,
}

impl Bench {
    /// A case on one platform with these steps (as JSON), not yet played.
    pub(crate) fn new(platform: &'static str, steps: serde_json::Value) -> Self {
        let steps: Vec<Step> = serde_json::from_value(steps).unwrap();
        Self::with(platform, steps)
    }

    /// The same with steps made in Rust.
    pub(crate) fn with(platform: &'static str, steps: Vec<Step>) -> Self {
        let mut people = BTreeMap::new();
        people.insert("shopper".to_owned(), person("shopper", 1));
        let mut orders = Vec::new();
        for step in &steps {
            let by = match step {
                Step::Visit(s) => s.by.clone(),
                Step::Order(s) => s.by.clone(),
                _ => None,
            };
            if let Some(by) = by {
                let n = people.len() + 1;
                people.entry(by.clone()).or_insert_with(|| person(&by, n));
            }
            if let Step::Order(s) = step {
                let by = s.by.clone().unwrap_or_else(|| "shopper".into());
                let mut made = order(OrderRef::Named(s.id.clone()), &people[&by], orders.len() + 1);
                if let Some(total) = &s.total {
                    made.total = total.amount;
                    made.subtotal = total.amount;
                    made.currency.clone_from(&total.currency);
                }
                made.state = s.state.unwrap_or(OrderState::Paid);
                made.kind = s.kind.unwrap_or(OrderKind::Web);
                made.test = s.test;
                made.placed = -s.ago.map_or(time::Duration::ZERO, |a| a.signed());
                orders.push(made);
            }
        }
        let control = person("control", 99);
        let sentinel = order(OrderRef::Sentinel, &control, 99);
        let scenario = Scenario {
            name: "bench/case".into(),
            title: "A case by hand".into(),
            covers: vec!["DED-01".into()],
            platforms: crate::scenario::Platforms::All,
            why: None,
            source: Default::default(),
            merged: Default::default(),
            needs: Vec::new(),
            tells: Vec::new(),
            settings: BTreeMap::new(),
            given: Vec::new(),
            steps,
            expect: Vec::new(),
            variants: Vec::new(),
        };
        Self {
            case: Case {
                id: 0,
                name: format!("bench/case/{platform}"),
                scenario: scenario.into(),
                variant: None,
                platform,
                needs: Vec::new(),
                private_relay: false,
                alone: true,
                people,
                orders,
                sentinel,
                sentinel_person: control,
                values: BTreeMap::new(),
            },
            profile: profile(),
            history: History::default(),
            entries: Vec::new(),
            platform: platforms::by_id(platform).unwrap(),
            at: Duration::ZERO,
        }
    }

    /// The usual: a paid visit with consent, then order A.
    pub(crate) fn usual(platform: &'static str) -> Self {
        Self::new(
            platform,
            json!([{"visit": {"consent": "granted"}}, {"order": {"id": "A", "total": "49.99 EUR"}}]),
        )
    }

    pub(crate) fn fault(mut self, fault: Fault) -> Self {
        std::sync::Arc::make_mut(&mut self.case.scenario).given.push(Given::Platform(fault));
        self
    }

    pub(crate) fn policies(mut self, change: impl FnOnce(&mut Policies)) -> Self {
        change(&mut self.profile.policies);
        self
    }

    pub(crate) fn now(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp(NOON).unwrap() + self.at
    }

    pub(crate) fn wait(&mut self, ms: u64) -> &mut Self {
        self.at += Duration::from_millis(ms);
        self
    }

    fn note(&mut self, step: Option<usize>, what: Did) {
        self.wait(3);
        let (at, time) = (self.at, self.now());
        self.history.actions.push(Action { step, at, time, what });
    }

    /// Plays every step that was not played yet, up to (not including) this one.
    pub(crate) fn play_to(&mut self, end: usize) -> &mut Self {
        let done = self.history.actions.iter().filter_map(|a| a.step).max().map_or(0, |s| s + 1);
        let steps = self.case.scenario.steps.clone();
        for (index, step) in steps.iter().enumerate().take(end).skip(done) {
            self.play_step(index, step);
        }
        self
    }

    /// Plays everything, the control order included.
    pub(crate) fn play(&mut self) -> &mut Self {
        self.play_to(usize::MAX);
        let body = self.body(&self.case.sentinel.clone(), OrderState::Paid);
        self.webhook(None, OrderRef::Sentinel, Topic::Paid, body);
        self.history.waited = Waited {
            decided: true,
            sentinel: true,
            quiet: Duration::from_millis(300),
            ..Waited::default()
        };
        self
    }

    fn play_step(&mut self, index: usize, step: &Step) {
        match step {
            Step::Visit(visit) => {
                let by = visit.by.clone().unwrap_or_else(|| "shopper".into());
                let own = self.case.people[&by].clone();
                let url = match &visit.click {
                    Some(crate::scenario::Click::Direct) => "https://s.example/".to_owned(),
                    Some(crate::scenario::Click::Ids(ids)) => {
                        let pairs: Vec<String> = ids
                            .iter()
                            .map(|(k, v)| {
                                format!("{k}={}", if v == "auto" { &own.ids[k] } else { v })
                            })
                            .collect();
                        format!("https://s.example/?{}", pairs.join("&"))
                    }
                    Some(crate::scenario::Click::Query(raw)) => format!("https://s.example/?{raw}"),
                    _ => format!(
                        "https://s.example/?fbclid={}&gclid={}&ttclid={}",
                        own.ids["fbclid"], own.ids["gclid"], own.ids["ttclid"]
                    ),
                };
                let mut cookies: BTreeMap<&str, String> = BTreeMap::new();
                for name in ["_fbp", "_ttp"] {
                    cookies.insert(name, own.ids[name].clone());
                }
                for (name, value) in &visit.cookies {
                    match value {
                        Some(value) => drop(cookies.insert(name, value.clone())),
                        None => drop(cookies.remove(name.as_str())),
                    }
                }
                let call = call(json!({"url": url, "cookies": cookies}), 202);
                self.note(Some(index), Did::Landing { by, call });
            }
            Step::Consent(step) => {
                let by = step.by.clone().unwrap_or_else(|| "shopper".into());
                let decisions = crate::scenario::Decisions::default();
                let call = Some(call(json!({}), 204));
                self.note(Some(index), Did::Consent { by, decisions, call });
            }
            Step::Order(step) => {
                let order = self.case.order(&step.id).unwrap().clone();
                let topics = step.topics.clone().unwrap_or(vec![Topic::Create, Topic::Paid]);
                let body = self.body(&order, order.state);
                for topic in topics {
                    self.webhook(Some(index), order.id.clone(), topic, body.clone());
                }
            }
            Step::Webhook(step) => {
                let Some(id) = &step.order else { return };
                let order = self.case.order(id).unwrap().clone();
                let body = self.body(&order, step.state.unwrap_or(OrderState::Paid));
                self.webhook(Some(index), order.id, step.topic.unwrap_or(Topic::Paid), body);
                if let Did::Webhook { signature, .. } = self.last_webhook() {
                    *signature = step.sign;
                }
            }
            Step::Refund(step) => {
                let id = OrderRef::Named(step.order.clone());
                self.webhook(Some(index), id, Topic::Refund, json!({"id": 1}));
            }
            Step::Cancel(step) => {
                let id = OrderRef::Named(step.order.clone());
                self.webhook(
                    Some(index),
                    id,
                    Topic::Cancelled,
                    json!({"financial_status": "paid"}),
                );
            }
            Step::Erase(_) => {
                let call = call(json!({}), 202);
                self.note(Some(index), Did::Operator { name: "erase", call });
            }
            Step::Replay(_) => {
                let call = call(json!({}), 202);
                self.note(Some(index), Did::Operator { name: "replay", call });
            }
            Step::Until(_) => {
                self.note(Some(index), Did::Waited { until: "it".into(), happened: true });
            }
            _ => self.note(Some(index), Did::Recovered { platform: None }),
        }
    }

    fn body(&self, order: &Order, state: OrderState) -> serde_json::Value {
        let placed = (self.now() + order.placed).replace_nanosecond(0).unwrap();
        json!({
            "id": order.numeric_id,
            "created_at": placed.format(&Rfc3339).unwrap(),
            "financial_status": state,
        })
    }

    /// A webhook that the relay takes.
    pub(crate) fn webhook(
        &mut self,
        step: Option<usize>,
        order: OrderRef,
        topic: Topic,
        body: serde_json::Value,
    ) {
        let right = vec![200, 201, 202, 204];
        let call = call(body, 200);
        let signature = Signature::Right;
        self.note(
            step,
            Did::Webhook {
                order: Some(order),
                topic,
                signature,
                shown: Shown { format: "shopify", ..Shown::default() },
                right,
                call,
            },
        );
    }

    /// The last webhook's record.
    pub(crate) fn last_webhook(&mut self) -> &mut Did {
        self.history
            .actions
            .iter_mut()
            .rev()
            .map(|a| &mut a.what)
            .find(|w| matches!(w, Did::Webhook { order: Some(OrderRef::Named(_)), .. }))
            .unwrap()
    }

    pub(crate) fn truth(&self) -> Truth {
        truth::truth(&self.case, self.platform, &self.profile, &self.history.actions)
    }

    pub(crate) fn expected(&self, order: &str) -> Expected {
        self.truth().of(&OrderRef::Named(order.into())).unwrap().clone()
    }

    /// The event that an honest relay sends for an order.
    pub(crate) fn item(&self, order: &str) -> Item {
        right_item(&self.expected(order), self.platform)
    }

    /// A request with this event, taken by the platform.
    pub(crate) fn send(&mut self, order: &str, item: Item) -> &mut Exchange {
        self.request(OrderRef::Named(order.into()), item, Channel::Server, true)
    }

    /// A request with the right event.
    pub(crate) fn sends(&mut self, order: &str) -> &mut Self {
        let item = self.item(order);
        self.send(order, item);
        self
    }

    /// The browser's copy.
    pub(crate) fn browser(&mut self, order: &str, key: &str) -> &mut Self {
        let mut item = self.item(order);
        item.key = Some(key.to_owned());
        item.identifiers.clear();
        let id = OrderRef::Named(order.into());
        self.request(id.clone(), item, Channel::Browser, true);
        let platform = self.platform.id();
        self.note(None, Did::BrowserCopy { order: id, platform, event_id: key.to_owned() });
        self
    }

    /// A request that a planned fault hit; nothing taken.
    pub(crate) fn fails(&mut self, order: &str, fault: usize, status: u16) -> &mut Exchange {
        let item = self.item(order);
        let nth = self.history.exchanges.iter().filter(|e| e.fault.is_some()).count() as u32 + 1;
        let exchange = self.request(OrderRef::Named(order.into()), item, Channel::Server, false);
        exchange.fault = Some((fault, nth));
        exchange.reply.status = status;
        exchange
    }

    pub(crate) fn request(
        &mut self,
        order: OrderRef,
        item: Item,
        channel: Channel,
        taken: bool,
    ) -> &mut Exchange {
        self.wait(10);
        let seq = self.history.exchanges.len() as u64 + 10;
        let owner = Owner { case: 0, order: Some(order) };
        let body = json!({"data": [{"value": item.value, "event_id": item.key}]}).to_string();
        let reading = Reading {
            account: Some("acc".into()),
            channel,
            items: vec![item.clone()],
            broken: Vec::new(),
        };
        let (at, time) = (self.at, self.now());
        self.history.exchanges.push(Exchange {
            seq,
            at,
            ended_at: Some(at + Duration::from_millis(1)),
            time,
            platform: Some(self.platform.id()),
            request: Request {
                method: "POST".into(),
                host: "graph.facebook.com".into(),
                path: "/v26.0/1/events".into(),
                body,
                ..Request::default()
            },
            reading: Some(reading),
            owners: vec![Some(owner.clone())],
            fault: None,
            accepted: if taken { vec![0] } else { Vec::new() },
            reply: Reply { status: 200, ..Reply::default() },
            ending: Ending::Answered,
        });
        if taken {
            self.entries.push(Entry { exchange: seq, channel, at: time, item, owner: Some(owner) });
        }
        self.history.exchanges.last_mut().unwrap()
    }

    pub(crate) fn verdict(&self) -> CaseVerdict {
        let (history, entries, truth) = (&self.history, &self.entries, self.truth());
        judge(&self.case, self.platform, &[shop()], history, entries, &self.profile, &truth)
    }

    /// Findings of one check.
    pub(crate) fn found(&self, check: &str) -> Vec<Finding> {
        self.verdict().findings.into_iter().filter(|f| f.check == check).collect()
    }
}

/// What an honest relay sends.
fn right_item(expected: &Expected, platform: &dyn Platform) -> Item {
    let mut ids = BTreeMap::new();
    for id in expected.ids.iter().filter(|id| id.presence == Presence::Required) {
        let value = match id.form {
            ClickForm::Verbatim => id.value.clone(),
            ClickForm::Fbc => {
                let at = id.observed.unwrap_or(expected.time);
                format!("fb.1.{}.{}", at.unix_timestamp_nanos() / 1_000_000, id.value)
            }
        };
        ids.insert(id.field.to_owned(), value);
    }
    let identifiers = if expected.contact_allowed {
        expected
            .identity
            .iter()
            .filter_map(|rule| Some((rule.kind, rule.accepted.first()?.clone())))
            .collect()
    } else {
        Vec::new()
    };
    let has_consent = platform.has_consent_field();
    Item {
        pointer: "/data/0".into(),
        kind: ItemKind::Purchase,
        event_name: Some("Purchase".into()),
        key: Some(expected.event_id.clone()),
        target: Some("target".into()),
        time: Some(expected.time.replace_nanosecond(0).unwrap()),
        value: Some(expected.value),
        currency: Some(expected.currency.clone()),
        ids,
        identifiers,
        ip: expected.ips.first().cloned(),
        user_agent: expected.user_agents.first().cloned(),
        consent_user_data: expected.consent_user_data.filter(|_| has_consent),
        consent_personalise: expected.consent_personalise.filter(|_| has_consent),
        limited_data_use: expected.limited_data_use,
        ..Item::default()
    }
}

pub(crate) fn call(body: serde_json::Value, status: u16) -> Call {
    Call {
        request: Request { method: "POST".into(), body: body.to_string(), ..Request::default() },
        status: Some(status),
        body: String::new(),
        took: Duration::from_millis(2),
        error: None,
    }
}

fn person(name: &str, n: usize) -> Person {
    let id = |prefix: &str| format!("{prefix}Ab-_{name}{n:04}XyZ0123456789");
    Person {
        name: name.to_owned(),
        visitor_id: format!("visitor-{name}-{n:04}"),
        contact: Contact {
            email: Some(format!("Jane.{name}.{n}@Example.com")),
            phone: Some(format!("(202) 555-01{n:02}")),
            first_name: Some("Jane".into()),
            last_name: Some(format!("Doe{name}")),
            street: Some(format!("CANARYstreet{n}")),
            city: Some("Springfield".into()),
            region: Some("IL".into()),
            postcode: Some("62701".into()),
            country: Some("US".into()),
            customer_id: Some(format!("70000{n}")),
        },
        ip: format!("192.0.2.{n}"),
        user_agent: format!("Mozilla/5.0 (build {name}{n})"),
        ids: [
            ("fbclid", id("Iw")),
            ("gclid", id("Cj")),
            ("gbraid", id("0A")),
            ("wbraid", id("Ck")),
            ("ttclid", id("E.C.P.")),
            ("_fbp", format!("fb.1.1793527100000.11164464{n:02}")),
            ("_ttp", id("2Tp")),
        ]
        .into_iter()
        .map(|(k, v)| (k.to_owned(), v))
        .collect(),
    }
}

fn order(id: OrderRef, person: &Person, n: usize) -> Order {
    Order {
        id,
        by: person.name.clone(),
        shop: 0,
        numeric_id: 6_100_000_000_000 + n as u64,
        name: format!("#{n}"),
        token: format!("token{n}"),
        checkout_token: Some(format!("checkout{n}")),
        cart_token: Some(format!("cart{n}")),
        placed: time::Duration::ZERO,
        zone: UtcOffset::UTC,
        total: Decimal::new(4999, 2),
        currency: "EUR".into(),
        subtotal: Decimal::new(4999, 2),
        tax: Decimal::ZERO,
        shipping: Decimal::ZERO,
        discount: Decimal::ZERO,
        presentment: None,
        state: OrderState::Paid,
        kind: OrderKind::Web,
        test: false,
        contact: person.contact.clone(),
        product_id: 1,
        canaries: [("note", format!("CANARYnote{n}"))].into_iter().collect(),
    }
}

fn shop() -> Shop {
    let account = Account {
        key: "acc".into(),
        fields: [("access_token", "EAABsecret-token-1".to_owned())].into_iter().collect(),
        secret: &["access_token"],
    };
    Shop {
        index: 0,
        id: "s0001".into(),
        domain: "s0001.example".into(),
        secret: "shop-secret-0001".into(),
        previous_secret: "shop-secret-0000".into(),
        webhook_secret: "whsec_0001".into(),
        previous_webhook_secret: "whsec_0000".into(),
        write_key: "wk_0000".into(),
        accounts: [("meta", account)].into_iter().collect(),
    }
}

fn profile() -> Profile {
    let policies = json!({});
    let mut profile: Profile = serde_json::from_value(json!({
        "name": "bench",
        "shops": "as_needed",
        "platforms": ["meta", "google_ads", "data_manager", "tiktok"],
        "send": {
            "click": {"path": "/clicks"},
            "consent": {"path": "/consent"},
            "webhooks": {"shopify": {"path": "/webhooks"}},
            "formats": ["shopify"],
            "attributes": {"visitor": "visitor"},
            "joins": ["attribute", "cart", "checkout", "landing_site"],
        },
        "policies": policies,
    }))
    .unwrap();
    profile.policies.unknown_consent = crate::sut::profile::UnknownConsent::Withhold;
    profile.policies.stitch_grace = crate::scenario::units::Span::from_millis(150);
    profile
}
