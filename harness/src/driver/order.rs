//! Orders and what happens to them: the browser's copy, the store's webhooks, refunds, cancellations, deliveries again.

use std::time::Duration;

use futures_util::future::join_all;
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    Driver, Fault,
    call::{ANSWER_LIMIT, Outgoing},
    consent, named,
};
use crate::{
    exchange::OrderRef,
    history::{Did, Shown},
    inputs::{
        About, Carried, Delivery, Format, OrderView, Prepared, Redaction, RefundFacts, Subject,
    },
    plan::{Order, Shop},
    platforms::{self, BrowserCopy},
    scenario::{
        CancelStep, Decision, Layout, OrderKind, OrderState, OrderStep, RefundStep, Reload,
        Signature, Topic, WebhookStep,
    },
    sut::template,
};

/// A signed time further away than this is refused by receivers of Standard Webhooks.
const TOLERANCE: time::Duration = time::Duration::minutes(5);

/// An order that was placed, as it stands.
#[derive(Debug, Clone)]
pub(super) struct Placed<'a> {
    /// The plan's facts, or a copy for a control order that is played again.
    pub(super) order: Order,
    pub(super) by: String,
    pub(super) shop: usize,
    pub(super) format: &'static dyn Format,
    /// Moment at which its step was played: the time of all its parts.
    pub(super) moment: OffsetDateTime,
    placed_at: OffsetDateTime,
    updated_at: OffsetDateTime,
    cancelled_at: Option<OffsetDateTime>,
    state: OrderState,
    total: Decimal,
    refunds: Vec<RefundFacts>,
    joins: Vec<crate::scenario::JoinKey>,
    landing_url: Option<String>,
    referrer: Option<String>,
    ip: String,
    user_agent: String,
    consent: Option<crate::scenario::Decisions>,
    patch: Option<Value>,
    /// The browser's copy fires on the thank-you page.
    browser: bool,
    /// First delivery by topic, for the store's own retries.
    first: Vec<(Topic, First)>,
    person: &'a crate::plan::Person,
}

/// What a store keeps of a delivery to make it again.
#[derive(Debug, Clone)]
struct First {
    delivery_id: String,
    event_id: String,
    triggered_at: OffsetDateTime,
    /// The order as it stood then.
    state: OrderState,
    total: Decimal,
    updated_at: OffsetDateTime,
    cancelled_at: Option<OffsetDateTime>,
    refunds: usize,
}

/// How one delivery differs from the ordinary.
#[derive(Debug, Clone)]
struct Manner<'s> {
    signature: Signature,
    layout: Layout,
    lower_case: bool,
    redelivery: bool,
    stale: bool,
    /// The moment that the record names, where it is not now: that of the order's step.
    time: Option<OffsetDateTime>,
    /// Shop that it is addressed to, if not the order's.
    addressed: Option<usize>,
    signed_ago: Option<time::Duration>,
    patch: Option<Value>,
    raw: Option<&'s str>,
    answered: Option<&'s [u16]>,
}

impl Default for Manner<'_> {
    fn default() -> Self {
        Self {
            signature: Signature::Right,
            layout: Layout::Minified,
            lower_case: false,
            redelivery: false,
            stale: false,
            time: None,
            addressed: None,
            signed_ago: None,
            patch: None,
            raw: None,
            answered: None,
        }
    }
}

/// A webhook with what its record needs.
struct Webhook {
    outgoing: Outgoing,
    right: Vec<u16>,
}

impl<'a> Driver<'a> {
    pub(super) async fn order(&mut self, index: usize, step: &OrderStep) -> Result<(), Fault> {
        let case = self.stage.case;
        let order = case
            .order(&step.id)
            .ok_or_else(|| Fault(format!("the plan has no order `{}`", step.id)))?;
        let by = named(step.by.as_ref());
        let placed = self.place(order, by, step, 0)?;
        let moment = self.order_at(placed)?.moment;
        self.browser_copy(Some(index), placed, moment, Duration::ZERO)?;
        self.send_topics(Some(index), placed, step).await?;
        self.tell_late(by).await;
        Ok(())
    }

    /// Places an order: from now on the store knows it. `again`: how often the same control order was placed before.
    pub(super) fn place(
        &mut self,
        order: &Order,
        by: &str,
        step: &OrderStep,
        again: u32,
    ) -> Result<usize, Fault> {
        let person = self.person(by)?;
        let shopper = self.shopper(by).clone();
        let moment = self.stage.gateway.now();
        let mut order = order.clone();
        if again > 0 {
            // Ids are planned with room behind each; the person alone tells whose it is.
            order.numeric_id += u64::from(again);
            order.name = format!("{}-{again}", order.name);
            let tokens =
                [Some(&mut order.token), order.cart_token.as_mut(), order.checkout_token.as_mut()];
            for token in tokens.into_iter().flatten() {
                token.push_str(&again.to_string());
            }
        }
        let answer = step.consent.as_ref().or(shopper.consent.as_ref());
        let placed_at = whole_seconds(moment + order.placed);
        let landing = shopper.landing;
        let patch = match &step.patch {
            Some(patch) => Some(self.stage.case.fill_json(patch).map_err(Fault)?),
            None => None,
        };
        self.orders.push(Placed {
            by: by.to_owned(),
            shop: order.shop,
            format: self.format(step.format.as_deref())?,
            moment,
            placed_at,
            updated_at: placed_at,
            cancelled_at: (order.state == OrderState::Cancelled).then_some(placed_at),
            state: order.state,
            total: order.total,
            refunds: Vec::new(),
            joins: self.joins(step),
            landing_url: landing.as_ref().map(|l| l.url.clone()),
            referrer: landing.as_ref().and_then(|l| l.referrer.clone()),
            ip: landing.as_ref().map_or_else(|| person.ip.clone(), |l| l.ip.clone()),
            user_agent: landing
                .as_ref()
                .map_or_else(|| person.user_agent.clone(), |l| l.user_agent.clone()),
            consent: answer.and_then(consent::decisions),
            patch,
            browser: step.browser != Some(false),
            first: Vec::new(),
            person,
            order,
        });
        Ok(self.orders.len() - 1)
    }

    /// The order's webhooks by topic, each awaited; copies of one go out at the same moment.
    pub(super) async fn send_topics(
        &mut self,
        step: Option<usize>,
        placed: usize,
        order: &OrderStep,
    ) -> Result<(), Fault> {
        let state = self.order_at(placed)?.state;
        let usual = match state {
            OrderState::Paid => vec![Topic::Create, Topic::Paid],
            _ => vec![Topic::Create],
        };
        for topic in order.topics.clone().unwrap_or(usual) {
            let known = self.order_at(placed)?;
            let time = Some(known.moment);
            let manner = Manner { patch: known.patch.clone(), time, ..Manner::default() };
            let copies = order.copies.unwrap_or(1).max(1);
            self.deliver(step, placed, topic, &manner, copies, true).await?;
        }
        Ok(())
    }

    pub(super) async fn webhook(&mut self, index: usize, step: &WebhookStep) -> Result<(), Fault> {
        let topic = step.topic.unwrap_or(Topic::Paid);
        let patch = match &step.patch {
            Some(patch) => Some(self.stage.case.fill_json(patch).map_err(Fault)?),
            None => None,
        };
        let raw =
            step.raw.as_deref().map(|raw| self.stage.case.fill(raw)).transpose().map_err(Fault)?;
        let addressed = match step.shop.as_deref() {
            None => None,
            Some("one") => Some(0),
            Some("two") => Some(1),
            Some(other) => return Err(Fault(format!("there is no shop `{other}`"))),
        };
        let manner = Manner {
            signature: step.sign,
            layout: step.layout,
            lower_case: step.lower_case_headers,
            redelivery: step.redelivery,
            stale: step.stale,
            time: None,
            addressed,
            signed_ago: step.signed_ago.map(|span| span.signed()),
            patch,
            raw: raw.as_deref(),
            answered: step.answered.as_deref(),
        };
        let times = step.times.unwrap_or(1).max(1);
        let Some(order) = &step.order else {
            return self.deliver_raw(index, topic, &manner, times, step.parallel).await;
        };
        let placed = self.placed(order)?;
        let now = self.stage.gateway.now();
        let known = self.order_at(placed)?;
        if !step.stale && !step.redelivery {
            known.state = match (step.state, topic, known.state) {
                (Some(state), ..) => state,
                (None, Topic::Paid, OrderState::Pending | OrderState::Authorized) => {
                    OrderState::Paid
                }
                (None, _, state) => state,
            };
            if let Some(total) = &step.total {
                known.total = total.amount;
            }
            if topic == Topic::Cancelled || known.state == OrderState::Cancelled {
                known.cancelled_at.get_or_insert(now);
            }
            known.updated_at = now;
        }
        self.deliver(Some(index), placed, topic, &manner, times, step.parallel).await
    }

    pub(super) async fn refund(&mut self, index: usize, step: &RefundStep) -> Result<(), Fault> {
        let placed = self.placed(&step.order)?;
        let now = self.stage.gateway.now();
        let known = self.order_at(placed)?;
        let left = known.total - known.refunded();
        let amount = step.amount.as_ref().map_or(left, |money| money.amount);
        self.refund_of(index, placed, amount, now, step.times.unwrap_or(1)).await
    }

    pub(super) async fn cancel(&mut self, index: usize, step: &CancelStep) -> Result<(), Fault> {
        let placed = self.placed(&step.order)?;
        let now = self.stage.gateway.now();
        let known = self.order_at(placed)?;
        let paid = matches!(
            known.state,
            OrderState::Paid | OrderState::PartiallyPaid | OrderState::PartiallyRefunded
        );
        known.cancelled_at = Some(now);
        known.updated_at = now;
        if !paid {
            known.state = OrderState::Voided;
        }
        let left = known.total - known.refunded();
        self.deliver(Some(index), placed, Topic::Cancelled, &Manner::default(), 1, false).await?;
        if paid && step.refund.unwrap_or(true) && left > Decimal::ZERO {
            self.refund_of(index, placed, left, now, 1).await?;
        }
        Ok(())
    }

    pub(super) fn reload(&mut self, index: usize, step: &Reload) -> Result<(), Fault> {
        let placed = self.placed(&step.order)?;
        let after = step.after.map_or(Duration::ZERO, |span| span.unsigned());
        let moment = self.order_at(placed)?.moment;
        for _ in 0..step.times.unwrap_or(1) {
            self.browser_copy(Some(index), placed, moment, after)?;
        }
        Ok(())
    }

    /// The pixel or tag on the thank-you page, where the visitor allowed it.
    fn browser_copy(
        &mut self,
        step: Option<usize>,
        placed: usize,
        moment: OffsetDateTime,
        after: Duration,
    ) -> Result<(), Fault> {
        let Some(platform) = platforms::by_id(self.stage.case.platform) else { return Ok(()) };
        let known = self.order_at(placed)?.clone();
        let order = &known.order;
        let allowed = self
            .shopper(&known.by)
            .consent
            .as_ref()
            .and_then(consent::decisions)
            .is_some_and(|decisions| decisions.ads == Decision::Granted);
        let has_page = order.kind == OrderKind::Web && !order.test;
        if !known.browser || !allowed || !has_page || !platform.has_browser_copy() {
            return Ok(());
        }
        let event_id = template::event_id(&self.stage.profile.policies, order)
            .map_err(|error| Fault(error.to_string()))?;
        let shop = self.shop(known.shop)?;
        let copy = BrowserCopy {
            event_id: event_id.clone(),
            value: order.total,
            currency: order.currency.clone(),
            url: format!("https://{}/thank-you", shop.domain),
            ids: self.page_ids(&known),
            ip: known.ip.clone(),
            user_agent: known.user_agent.clone(),
            at: moment + after,
        };
        self.stage.gateway.browser_copy(platform, shop, &copy, &order.id);
        let what = Did::BrowserCopy { order: order.id.clone(), platform: platform.id(), event_id };
        // Told at the order's own moment, or after it where the reload is.
        self.note_at(step, moment + after, what);
        Ok(())
    }

    /// Click ids of the landing and the browser's cookies: what a pixel reads.
    fn page_ids(&self, known: &Placed<'_>) -> std::collections::BTreeMap<String, String> {
        let landing = self.shoppers.get(&known.by).and_then(|shopper| shopper.landing.as_ref());
        let mut ids = landing.map(|landing| landing.cookies.clone()).unwrap_or_default();
        if let Some(url) = landing.and_then(|landing| url::Url::parse(&landing.url).ok()) {
            for (name, value) in url.query_pairs() {
                ids.insert(name.to_ascii_lowercase(), value.into_owned());
            }
        }
        ids
    }

    async fn refund_of(
        &mut self,
        index: usize,
        placed: usize,
        amount: Decimal,
        at: OffsetDateTime,
        times: u32,
    ) -> Result<(), Fault> {
        let known = self.order_at(placed)?;
        // Behind the order's own id; refunds of one order are counted.
        let nth = known.refunds.len();
        let id = known.order.numeric_id.wrapping_add(900_000_000_000 + nth as u64);
        // Platforms tell adjustments apart by their second, so no two refunds of an order share one: ten minutes apart
        // where the order is old enough, a second where it is not.
        let minutes = i64::try_from(nth + 1).unwrap_or(i64::MAX).saturating_mul(10);
        let apart = known.placed_at.saturating_add(time::Duration::minutes(minutes)).min(at);
        let refunded_at = match known.refunds.last() {
            Some(earlier) => apart.max(earlier.at + time::Duration::SECOND),
            None => apart,
        };
        known.refunds.push(RefundFacts { id, amount, at: refunded_at });
        known.state = if known.refunded() >= known.total {
            OrderState::Refunded
        } else {
            OrderState::PartiallyRefunded
        };
        known.updated_at = at;
        self.deliver(Some(index), placed, Topic::Refund, &Manner::default(), 1, false).await?;
        let again = Manner { redelivery: true, ..Manner::default() };
        for _ in 1..times {
            self.deliver(Some(index), placed, Topic::Refund, &again, 1, false).await?;
        }
        Ok(())
    }

    /// Makes and sends deliveries about an order: one after the other, or all at the same moment.
    async fn deliver(
        &mut self,
        step: Option<usize>,
        placed: usize,
        topic: Topic,
        manner: &Manner<'_>,
        times: u32,
        parallel: bool,
    ) -> Result<(), Fault> {
        let known = self.order_at(placed)?.clone();
        let first = self.first(placed, topic, manner.redelivery)?;
        let shown = match known.first.first() {
            Some((_, created)) if manner.stale => created.state,
            _ => first.state,
        };
        let about = About { state: shown, kind: known.order.kind, test: known.order.test };
        if manner.raw.is_none() && !known.format.tells(topic, about) {
            // This sender has no message for it: nothing goes out, as in life.
            return Ok(());
        }
        let mut ready = Vec::new();
        for copy in 0..times {
            let fresh = !manner.redelivery && copy > 0;
            let delivery_id =
                if fresh { self.next_id(&known.order.token) } else { first.delivery_id.clone() };
            ready.push(self.prepare(&known, &first, delivery_id, topic, manner)?);
        }
        let time = manner.time.unwrap_or_else(|| self.stage.gateway.now());
        let order = Some(known.order.id.clone());
        let shown = match manner.raw {
            Some(_) => Shown::default(),
            None => Shown {
                format: known.format.id(),
                state: Some(shown),
                placed_at: known.format.carries(Carried::PlacedAt).then_some(known.placed_at),
            },
        };
        self.send_all(step, order, topic, manner.signature, shown, ready, parallel, time).await;
        Ok(())
    }

    /// A body that is no order's.
    async fn deliver_raw(
        &mut self,
        index: usize,
        topic: Topic,
        manner: &Manner<'_>,
        times: u32,
        parallel: bool,
    ) -> Result<(), Fault> {
        if manner.raw.is_none() {
            return Err(Fault("a webhook step needs an order or a raw body".into()));
        }
        let case = self.stage.case;
        // Headers name ids only; any order lends the rest.
        let order = case.orders.first().unwrap_or(&case.sentinel);
        let by = if case.orders.is_empty() { super::CONTROL } else { order.by.as_str() };
        let placed = self.place(order, by, &OrderStep::default(), 0)?;
        let known = self.orders.remove(placed);
        let mut ready = Vec::new();
        for _ in 0..times {
            let id = self.next_id("raw");
            let first =
                known.facts(id.clone(), self.next_id("raw event"), self.stage.gateway.now());
            ready.push(self.prepare(&known, &first, id, topic, manner)?);
        }
        let now = self.stage.gateway.now();
        let shown = Shown::default();
        self.send_all(Some(index), None, topic, manner.signature, shown, ready, parallel, now)
            .await;
        Ok(())
    }

    /// The store's record of the first delivery of a topic: found for a redelivery, made otherwise.
    fn first(&mut self, placed: usize, topic: Topic, redelivery: bool) -> Result<First, Fault> {
        let now = self.stage.gateway.now();
        let key = self.order_at(placed)?.order.token.clone();
        let (delivery_id, event_id) = (self.next_id(&key), self.next_id(&format!("{key} event")));
        let known = self.order_at(placed)?;
        let earlier =
            known.first.iter().rev().find(|(t, _)| *t == topic).map(|(_, first)| first.clone());
        match earlier {
            Some(first) if redelivery => Ok(first),
            _ => {
                let first = known.facts(delivery_id, event_id, now);
                known.first.push((topic, first.clone()));
                Ok(first)
            }
        }
    }

    fn prepare(
        &self,
        known: &Placed<'_>,
        first: &First,
        delivery_id: String,
        topic: Topic,
        manner: &Manner<'_>,
    ) -> Result<Webhook, Fault> {
        let own = self.shop(known.shop)?;
        let addressed = manner.addressed.map_or(Ok(own), |index| self.shop(index))?;
        // Delivered to another shop's address it is still signed by the order's own shop.
        let signer = own;
        let format = known.format;
        let view = self.view(known, first, manner.stale)?;
        let subject = match topic {
            Topic::Refund => {
                let facts = known.refunds.get(first.refunds.saturating_sub(1)).cloned();
                let facts =
                    facts.ok_or_else(|| Fault("the order has no refund to tell of".into()))?;
                Subject::Refund(view, facts)
            }
            _ => Subject::Order(view),
        };
        let now = self.stage.gateway.now();
        let triggered_at = if manner.stale { known.placed_at } else { first.triggered_at };
        let delivery = Delivery {
            shop: addressed,
            signer,
            other_shop: self.stage.shops.iter().find(|shop| shop.id != signer.id),
            topic,
            subject,
            delivery_id,
            event_id: first.event_id.clone(),
            triggered_at,
            // Receivers compare with their own clock, which is the wall's unless it was moved with the case's.
            signed_at: now - manner.signed_ago.unwrap_or_default(),
            signature: manner.signature,
            layout: manner.layout,
            lower_case_headers: manner.lower_case,
            patch: manner.patch.as_ref(),
            raw: manner.raw,
        };
        let prepared = format.render(&delivery).map_err(|fault| Fault(fault.to_string()))?;
        let right = right_answers(manner, topic, addressed.id == signer.id);
        Ok(Webhook { outgoing: self.outgoing(format, addressed, prepared, manner)?, right })
    }

    fn outgoing(
        &self,
        format: &dyn Format,
        shop: &Shop,
        prepared: Prepared,
        manner: &Manner<'_>,
    ) -> Result<Outgoing, Fault> {
        let field = format!("send.webhooks.{}", format.id());
        let target = self.stage.profile.send.webhooks.get(format.id());
        let target = target
            .ok_or_else(|| Fault(format!("the profile says not where {} goes", format.id())))?;
        let template = crate::sut::profile::CallTemplate {
            method: None,
            path: target.path.clone(),
            headers: target.headers.clone(),
            body: None,
        };
        let mut outgoing = self.render(&field, &template, self.facts(shop), ANSWER_LIMIT)?;
        let path = prepared.path(&outgoing.path);
        let further = std::mem::replace(&mut outgoing.headers, prepared.headers);
        outgoing.headers.extend(further);
        outgoing.path = path;
        outgoing.body = Some(prepared.body);
        outgoing.lower_case = manner.lower_case;
        Ok(outgoing)
    }

    /// The order as the store shows it, now or as it was at its first delivery.
    fn view<'v>(
        &self,
        known: &'v Placed<'_>,
        first: &First,
        stale: bool,
    ) -> Result<OrderView<'v>, Fault> {
        let attributes = &self.stage.profile.send.attributes;
        let consent_attribute = match (&attributes.consent, known.consent) {
            (Some(attribute), Some(decisions)) => {
                let value = self
                    .stage
                    .relay
                    .templates()
                    .render(
                        "send.attributes.consent.value",
                        &serde_json::json!({ "consent": decisions }),
                    )
                    .map_err(|error| Fault(error.to_string()))?;
                Some((attribute.name.clone(), value.trim().to_owned()))
            }
            _ => None,
        };
        let refunds: Vec<_> = known.refunds.iter().take(first.refunds).cloned().collect();
        let refunded = refunds.iter().map(|refund| refund.amount).sum();
        let created = known.first.first().map_or(first, |(_, first)| first);
        let at = if stale { created } else { first };
        Ok(OrderView {
            order: &known.order,
            person: known.person,
            placed_at: known.placed_at,
            updated_at: at.updated_at,
            cancelled_at: at.cancelled_at,
            state: at.state,
            total: at.total,
            refunded: if stale { Decimal::ZERO } else { refunded },
            refunds: if stale { Vec::new() } else { refunds },
            joins: known.joins.clone(),
            landing_url: known.landing_url.clone(),
            referrer: known.referrer.clone(),
            visitor_attribute: attributes.visitor.clone(),
            consent_attribute,
            consent: known.consent,
            categories: attributes.categories.clone(),
            ip: Some(known.ip.clone()),
            user_agent: Some(known.user_agent.clone()),
        })
    }

    #[expect(clippy::too_many_arguments, reason = "the parts of one record")]
    async fn send_all(
        &mut self,
        step: Option<usize>,
        order: Option<OrderRef>,
        topic: Topic,
        signature: Signature,
        shown: Shown,
        ready: Vec<Webhook>,
        parallel: bool,
        time: OffsetDateTime,
    ) {
        let mut done = Vec::new();
        if parallel {
            let calls = ready
                .into_iter()
                .map(async |webhook| (self.send(webhook.outgoing).await, webhook.right));
            done = join_all(calls).await;
        } else {
            for webhook in ready {
                done.push((self.send(webhook.outgoing).await, webhook.right));
            }
        }
        for (call, right) in done {
            self.note_at(
                step,
                time,
                Did::Webhook {
                    order: order.clone(),
                    topic,
                    signature,
                    shown: shown.clone(),
                    right,
                    call,
                },
            );
        }
    }

    /// The store's erasure webhook, as a call that is ready to go.
    pub(super) fn erasure_webhook(
        &mut self,
        shop: usize,
        who: Redaction,
    ) -> Result<Outgoing, Fault> {
        let format =
            crate::inputs::by_id("shopify").ok_or_else(|| Fault("no shopify format".into()))?;
        let addressed = self.shop(shop)?;
        let now = self.stage.gateway.now();
        let manner = Manner::default();
        let delivery = Delivery {
            shop: addressed,
            signer: addressed,
            other_shop: None,
            topic: Topic::Updated,
            subject: Subject::Redact(who),
            delivery_id: self.next_id("erasure"),
            event_id: self.next_id("erasure event"),
            triggered_at: now,
            signed_at: now,
            signature: manner.signature,
            layout: manner.layout,
            lower_case_headers: false,
            patch: None,
            raw: None,
        };
        let prepared = format.render(&delivery).map_err(|fault| Fault(fault.to_string()))?;
        self.outgoing(format, addressed, prepared, &manner)
    }

    /// A UUID that no other delivery of any run has.
    fn next_id(&mut self, of: &str) -> String {
        self.deliveries += 1;
        let text = format!("{}|{}|{}|{of}", self.salt, self.stage.case.name, self.deliveries);
        let hex = hex::encode(Sha256::digest(text.as_bytes()));
        let part = |range: std::ops::Range<usize>| hex.get(range).unwrap_or_default().to_owned();
        format!(
            "{}-{}-4{}-8{}-{}",
            part(0..8),
            part(8..12),
            part(13..16),
            part(17..20),
            part(20..32)
        )
    }
}

impl Placed<'_> {
    /// What was given back so far.
    fn refunded(&self) -> Decimal {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// The order as it stands, with the ids of a delivery.
    fn facts(&self, delivery_id: String, event_id: String, triggered_at: OffsetDateTime) -> First {
        First {
            delivery_id,
            event_id,
            triggered_at,
            state: self.state,
            total: self.total,
            updated_at: self.updated_at,
            cancelled_at: self.cancelled_at,
            refunds: self.refunds.len(),
        }
    }
}

/// Stores keep whole seconds.
fn whole_seconds(at: OffsetDateTime) -> OffsetDateTime {
    at.replace_nanosecond(0).unwrap_or(at)
}

/// Statuses that are right for a delivery.
fn right_answers(manner: &Manner<'_>, topic: Topic, own_address: bool) -> Vec<u16> {
    if let Some(answered) = manner.answered {
        return answered.to_vec();
    }
    let too_old = manner.signed_ago.is_some_and(|ago| ago.abs() > TOLERANCE);
    if !manner.signature.is_good() || !own_address || too_old {
        // A shop that does not exist for this signature may also be said not to be there.
        return if own_address { vec![401, 403, 400] } else { vec![401, 403, 400, 404] };
    }
    let mut right: Vec<u16> = (200..=208).collect();
    if topic == Topic::Unrelated {
        right.push(404);
    }
    if manner.raw.is_some() || manner.patch.is_some() {
        // Changed on purpose: refusing it as unreadable is right as well.
        right.extend([400, 422]);
    }
    right
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_answers_follow_the_signature_and_the_body() {
        let plain = Manner::default();
        assert!(right_answers(&plain, Topic::Paid, true).contains(&200));
        assert!(!right_answers(&plain, Topic::Paid, true).contains(&404));
        assert!(right_answers(&plain, Topic::Unrelated, true).contains(&404));
        assert_eq!(right_answers(&plain, Topic::Paid, false), [401, 403, 400, 404]);
        for signature in [Signature::Missing, Signature::Flipped, Signature::UrlSafe] {
            let manner = Manner { signature, ..Manner::default() };
            assert_eq!(right_answers(&manner, Topic::Paid, true), [401, 403, 400]);
        }
        let old = Manner { signed_ago: Some(time::Duration::minutes(6)), ..Manner::default() };
        assert_eq!(right_answers(&old, Topic::Paid, true), [401, 403, 400]);
        let raw = Manner { raw: Some("{"), ..Manner::default() };
        assert!(right_answers(&raw, Topic::Paid, true).contains(&400));
        let said = Manner { answered: Some(&[413]), ..Manner::default() };
        assert_eq!(right_answers(&said, Topic::Paid, true), [413]);
    }
}
