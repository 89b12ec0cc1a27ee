//! Stripe events about checkout sessions, charges and invoices: amounts in minor units, currencies in lower case.
//!
//! Sources: [webhooks and signatures](https://docs.stripe.com/webhooks),
//! [event](https://docs.stripe.com/api/events/object), [session](https://docs.stripe.com/api/checkout/sessions/object),
//! [charge](https://docs.stripe.com/api/charges/object), [invoice](https://docs.stripe.com/api/invoices/object),
//! [delayed payments](https://docs.stripe.com/payments/checkout/fulfill-orders).
//!
//! | what happened | event |
//! |---|---|
//! | an order paid at once | `checkout.session.completed`, `payment_status: paid` (or `no_payment_required`) |
//! | an order by a delayed method | `checkout.session.completed`, `payment_status: unpaid` |
//! | ... and its money came | `checkout.session.async_payment_succeeded` |
//! | ... and it did not | `checkout.session.async_payment_failed` |
//! | a renewal was paid | `invoice.paid`, `billing_reason: subscription_cycle` |
//! | money was given back | `charge.refunded`, with the sum of all refunds so far |
//!
//! An order paid at once is one event, so it is told by the topic `paid` alone. A paid order that is cancelled is a
//! refund; an order is never edited. A failed delivery is made again for three days, with the same event id and body
//! but a new time and signature; the order of events is not kept.

mod charge;
mod session;

use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{
    About, Carried, Delivery, Format, InputFault, SecretKind, Subject,
    inspection::{Inspection, is_text_within},
    signing,
};
use crate::scenario::{OrderKind, OrderState, Signature, Topic};

/// Version of the interface in which the events are written.
const API_VERSION: &str = "2024-06-20";

/// The format.
#[derive(Debug)]
pub struct Stripe;

impl Format for Stripe {
    fn id(&self) -> &'static str {
        "stripe"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::WhsecText
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        use OrderState::{Authorized, Paid, PartiallyRefunded, Pending, Refunded, Voided};
        let state = |states: &[OrderState]| states.contains(&about.state);
        match (about.kind, topic) {
            (_, Topic::Unrelated) => true,
            (OrderKind::Web, Topic::Create) => state(&[Pending]),
            (OrderKind::Web | OrderKind::Renewal, Topic::Paid) => state(&[Paid]),
            (OrderKind::Web, Topic::Cancelled) => state(&[Pending, Authorized, Voided]),
            (OrderKind::Web | OrderKind::Renewal, Topic::Refund) => {
                state(&[PartiallyRefunded, Refunded])
            }
            _ => false,
        }
    }

    fn carries(&self, fact: Carried) -> bool {
        !matches!(
            fact,
            Carried::Consent
                | Carried::Signals
                | Carried::LandingUrl
                | Carried::LandingPath
                | Carried::Cart
                | Carried::Checkout
                | Carried::Device
                | Carried::CustomerId
                | Carried::OrderName
                | Carried::Presentment
                | Carried::Items
        )
    }

    fn signs_time(&self) -> bool {
        true
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let (kind, object, previous) = match &delivery.subject {
            _ if delivery.topic == Topic::Unrelated => (
                "product.updated",
                json!({"id": "prod_1", "object": "product", "name": "Mug"}),
                None,
            ),
            Subject::Order(view) if view.order.kind == OrderKind::Renewal => {
                ("invoice.paid", charge::invoice(view)?, None)
            }
            Subject::Order(view) => {
                (session::event(delivery.topic, view), session::object(delivery.topic, view)?, None)
            }
            Subject::Refund(view, facts) => {
                let (object, previous) = charge::refunded(view, facts)?;
                ("charge.refunded", object, Some(previous))
            }
            Subject::Redact(_) => return Err(InputFault::new("Stripe has no event for erasure")),
        };
        let mut data = json!({ "object": object });
        if let (Some(previous), Some(data)) = (previous, data.as_object_mut()) {
            data.insert("previous_attributes".into(), previous);
        }
        let test = match &delivery.subject {
            Subject::Order(view) | Subject::Refund(view, _) => view.order.test,
            Subject::Redact(_) => false,
        };
        Ok(json!({
            "id": format!("evt_1{}", delivery.event_id.replace('-', "")),
            "object": "event",
            "api_version": API_VERSION,
            "created": created(delivery).unix_timestamp(),
            "livemode": !test,
            "pending_webhooks": 1,
            "request": {"id": null, "idempotency_key": null},
            "type": kind,
            "data": data,
        }))
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        seen.need("/id", "`evt_` and an id", |id| has_prefix(id, "evt_"));
        seen.one_of("/object", &["event"]);
        seen.need("/created", "seconds since 1970", Value::is_i64);
        seen.need("/livemode", "true or false", Value::is_boolean);
        seen.texts(&["/api_version", "/type", "/data/object/id", "/data/object/object"]);
        if topic == Topic::Unrelated {
            return seen.wrong();
        }
        seen.need("/data/object/currency", "an ISO 4217 code in lower case", |code| {
            code.as_str().is_some_and(|c| c.len() == 3 && c.bytes().all(|b| b.is_ascii_lowercase()))
        });
        seen.need("/data/object/metadata", "texts by name, within the limits", is_metadata);
        match body["data"]["object"]["object"].as_str() {
            Some("checkout.session") => session::inspect(&mut seen),
            Some("charge") => charge::inspect_charge(&mut seen),
            Some("invoice") => charge::inspect_invoice(&mut seen),
            other => seen.rule(false, format!("no event about an order has the object {other:?}")),
        }
        seen.wrong()
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        let timestamp = delivery.signed_at.unix_timestamp().to_string();
        let signed = |body: &[u8]| [timestamp.as_bytes(), b".", body].concat();
        let sign = |signature| {
            let delivery = Delivery { signature, ..delivery.clone() };
            signing::hex_digest(self.secret_kind(), &delivery, body, other_layout, signed)
        };
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json; charset=utf-8".to_owned()),
            ("User-Agent".to_owned(), "Stripe/1.0 (+https://stripe.com/docs/webhooks)".to_owned()),
        ];
        let value = match (delivery.signature, sign(delivery.signature)?) {
            (_, None) => None,
            (Signature::Empty, Some(empty)) => Some(empty),
            (Signature::Second, Some(digest)) => {
                let wrong = "0".repeat(64);
                Some(format!("t={timestamp},v1={wrong},v1={digest}"))
            }
            // While a secret is rolled every delivery carries a signature by each.
            (Signature::Previous, Some(previous)) => {
                let current = sign(Signature::Right)?.unwrap_or_default();
                Some(format!("t={timestamp},v1={current},v1={previous}"))
            }
            (_, Some(digest)) => Some(format!("t={timestamp},v1={digest}")),
        };
        headers.extend(value.map(|value| ("Stripe-Signature".to_owned(), value)));
        Ok(headers)
    }
}

/// When the event happened: an order is paid at the moment it is placed, unless its money came later.
fn created(delivery: &Delivery<'_>) -> OffsetDateTime {
    match (&delivery.subject, delivery.topic) {
        (Subject::Order(view), Topic::Create) => view.placed_at,
        (Subject::Order(view), Topic::Paid) if view.order.state == OrderState::Paid => {
            view.placed_at
        }
        _ => delivery.triggered_at,
    }
}

/// Metadata holds at most 50 pairs, names of 40 characters and texts of 500.
fn is_metadata(value: &Value) -> bool {
    value.as_object().is_some_and(|pairs| {
        pairs.len() <= 50
            && pairs.iter().all(|(name, text)| {
                name.chars().count() <= 40
                    && text.as_str().is_some_and(|text| text.chars().count() <= 500)
            })
    })
}

fn has_prefix(value: &Value, prefix: &str) -> bool {
    is_text_within(value, 255) && value.as_str().is_some_and(|text| text.starts_with(prefix))
}

#[cfg(test)]
mod tests;
