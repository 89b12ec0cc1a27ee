//! Webhook deliveries: made of an order as the store shows it, signed rightly or wrongly, sent once, again, or many at the
//! same moment.

use futures_util::future::join_all;
use rust_decimal::Decimal;
use serde_json::Value;
use sha2::{Digest, Sha256};
use time::OffsetDateTime;

use super::{
    Driver, Fault,
    call::{ANSWER_LIMIT, Outgoing},
    order::{First, Placed},
};
use crate::{
    exchange::OrderRef,
    history::{Did, Shown},
    inputs::{About, Carried, Delivery, Format, OrderView, Prepared, Redaction, Subject},
    plan::Shop,
    scenario::{Layout, OrderStep, Signature, Topic},
};

/// A signed time further away than this is refused by receivers of Standard Webhooks.
const TOLERANCE: time::Duration = time::Duration::minutes(5);

/// How one delivery differs from the ordinary.
#[derive(Debug, Clone)]
pub(super) struct Manner<'s> {
    pub(super) signature: Signature,
    pub(super) layout: Layout,
    pub(super) lower_case: bool,
    pub(super) redelivery: bool,
    pub(super) stale: bool,
    /// The moment that the record names, where it is not now: that of the order's step.
    pub(super) time: Option<OffsetDateTime>,
    /// Shop that it is addressed to, if not the order's.
    pub(super) addressed: Option<usize>,
    pub(super) signed_ago: Option<time::Duration>,
    pub(super) patch: Option<Value>,
    pub(super) raw: Option<&'s str>,
    pub(super) answered: Option<&'s [u16]>,
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
    /// Makes and sends deliveries about an order: one after the other, or all at the same moment.
    pub(super) async fn deliver(
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
        let shown = if manner.stale { known.order.state } else { first.state };
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
    pub(super) async fn deliver_raw(
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
    pub(super) fn first(
        &mut self,
        placed: usize,
        topic: Topic,
        redelivery: bool,
    ) -> Result<First, Fault> {
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

    /// The sender tries the address of the first shop.
    pub(super) async fn ping(&mut self, index: usize) -> Result<(), Fault> {
        let shop = self.shop(0)?;
        let format = self.stage.profile.format_with_ping();
        let (format, prepared) = format
            .and_then(|format| Some((format, format.ping(shop.index)?)))
            .ok_or_else(|| Fault("no format of the profile tries its address".into()))?;
        let outgoing = self.outgoing(format, shop, prepared, &Manner::default())?;
        let call = self.send(outgoing).await;
        self.note(Some(index), Did::Ping { format: format.id(), call });
        Ok(())
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

    /// The order as the store shows it, now or as it was when it was placed.
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
                        &serde_json::json!({ "consent": decisions }).into(),
                    )
                    .map_err(|error| Fault(error.to_string()))?;
                Some((attribute.name.clone(), value.trim().to_owned()))
            }
            _ => None,
        };
        let refunds: Vec<_> = known.refunds.iter().take(first.refunds).cloned().collect();
        let refunded = refunds.iter().map(|refund| refund.amount).sum();
        let created = known.created();
        let at = if stale { &created } else { first };
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
            signals: known.signals.clone(),
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
    pub(super) fn next_id(&mut self, of: &str) -> String {
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
