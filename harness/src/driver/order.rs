//! Orders and what happens to them: the browser's copy, the store's webhooks, refunds, cancellations, deliveries again.

use std::time::Duration;

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use super::{Driver, Fault, consent, delivery::Manner, named};
use crate::{
    history::Did,
    inputs::{Format, RefundFacts},
    plan::Order,
    platforms::{self, BrowserCopy},
    scenario::{
        CancelStep, ConsentAnswer, Decision, OrderKind, OrderState, OrderStep, RefundStep, Reload,
        Topic, WebhookStep,
    },
    sut::template,
};

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
    pub(super) placed_at: OffsetDateTime,
    pub(super) updated_at: OffsetDateTime,
    pub(super) cancelled_at: Option<OffsetDateTime>,
    pub(super) state: OrderState,
    pub(super) total: Decimal,
    pub(super) refunds: Vec<RefundFacts>,
    pub(super) joins: Vec<crate::scenario::JoinKey>,
    pub(super) landing_url: Option<String>,
    pub(super) referrer: Option<String>,
    pub(super) ip: String,
    pub(super) user_agent: String,
    pub(super) consent: Option<crate::scenario::Decisions>,
    pub(super) signals: Option<crate::scenario::Signals>,
    pub(super) patch: Option<Value>,
    /// The browser's copy fires on the thank-you page.
    pub(super) browser: bool,
    /// First delivery by topic, for the store's own retries.
    pub(super) first: Vec<(Topic, First)>,
    pub(super) person: &'a crate::plan::Person,
}

/// What a store keeps of a delivery to make it again.
#[derive(Debug, Clone)]
pub(super) struct First {
    pub(super) delivery_id: String,
    pub(super) event_id: String,
    pub(super) triggered_at: OffsetDateTime,
    /// The order as it stood then.
    pub(super) state: OrderState,
    pub(super) total: Decimal,
    pub(super) updated_at: OffsetDateTime,
    pub(super) cancelled_at: Option<OffsetDateTime>,
    pub(super) refunds: usize,
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
            format: self.format(step)?,
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
            signals: match answer {
                Some(ConsentAnswer::Signals(signals)) => Some(signals.clone()),
                _ => None,
            },
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
}

impl Placed<'_> {
    /// What was given back so far.
    pub(super) fn refunded(&self) -> Decimal {
        self.refunds.iter().map(|refund| refund.amount).sum()
    }

    /// The order as it was placed, whatever was told of it by now.
    pub(super) fn created(&self) -> First {
        let (state, at) = (self.order.state, self.placed_at);
        First {
            delivery_id: String::new(),
            event_id: String::new(),
            triggered_at: at,
            state,
            total: self.order.total,
            updated_at: at,
            cancelled_at: (state == OrderState::Cancelled).then_some(at),
            refunds: 0,
        }
    }

    /// The order as it stands, with the ids of a delivery.
    pub(super) fn facts(
        &self,
        delivery_id: String,
        event_id: String,
        triggered_at: OffsetDateTime,
    ) -> First {
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
