//! The generic endpoint: order events signed after [Standard Webhooks](https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md).
//!
//! The envelope is the specification's; `data` is the plain common model of an order that relays with a generic
//! endpoint take.

use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{
    About, Carried, Delivery, Format, InputFault, OrderView, RefundFacts, SecretKind, money,
    signing,
};
use crate::scenario::{Decision, Decisions, JoinKey, OrderKind, OrderState, Signature, Topic};

/// The format.
#[derive(Debug)]
pub struct StandardWebhooks;

impl Format for StandardWebhooks {
    fn id(&self) -> &'static str {
        "standard_webhooks"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::Whsec
    }

    fn tells(&self, _topic: Topic, _about: About) -> bool {
        true
    }

    fn carries(&self, fact: Carried) -> bool {
        !matches!(
            fact,
            Carried::Attributes | Carried::Signals | Carried::Presentment | Carried::Canaries
        )
    }

    fn signs_time(&self) -> bool {
        true
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let data = match delivery.order()? {
            (view, None) => order(view)?,
            (view, Some(facts)) => refund(view, facts)?,
        };
        Ok(json!({
            "type": event_type(delivery.topic),
            "timestamp": rfc3339(delivery.triggered_at)?,
            "data": data,
        }))
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let required: &[&str] = match topic {
            Topic::Refund => &["order_id", "refund_id", "amount", "currency", "refunded_at"],
            _ => &["id", "placed_at", "total", "currency", "state"],
        };
        let mut wrong: Vec<String> = required
            .iter()
            .filter(|name| !body["data"][**name].is_string())
            .map(|name| format!("data.{name} has to be a text"))
            .collect();
        let currency = body["data"]["currency"].as_str().unwrap_or_default();
        if currency.len() != 3 || !currency.bytes().all(|b| b.is_ascii_uppercase()) {
            wrong.push(format!("data.currency has to be an ISO 4217 code, not `{currency}`"));
        }
        wrong
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        let id = format!("msg_{}", delivery.delivery_id);
        let timestamp = delivery.signed_at.unix_timestamp().to_string();
        let signed = |body: &[u8]| [id.as_bytes(), b".", timestamp.as_bytes(), b".", body].concat();
        let digest = signing::digest(self.secret_kind(), delivery, body, other_layout, signed)?;
        let mut headers = vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("User-Agent".to_owned(), "store-webhooks/1.0".to_owned()),
            ("webhook-id".to_owned(), id),
            ("webhook-timestamp".to_owned(), timestamp),
        ];
        if let Some(digest) = digest {
            let value = match delivery.signature {
                Signature::Empty => digest,
                Signature::Second => {
                    let wrong = "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";
                    format!("{wrong} v1,{digest}")
                }
                _ => format!("v1,{digest}"),
            };
            headers.push(("webhook-signature".to_owned(), value));
        }
        Ok(headers)
    }
}

fn event_type(topic: Topic) -> &'static str {
    match topic {
        Topic::Create => "order.created",
        Topic::Paid => "order.paid",
        Topic::Updated => "order.updated",
        Topic::Cancelled => "order.cancelled",
        Topic::Refund => "order.refunded",
        Topic::Unrelated => "inventory.updated",
    }
}

fn rfc3339(at: OffsetDateTime) -> Result<String, InputFault> {
    at.format(&Rfc3339)
        .map_err(|error| InputFault::new(format!("{at} cannot be written as RFC 3339: {error}")))
}

/// Drops what is null: optional fields are left out rather than sent empty.
fn compact(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            Value::Object(map.into_iter().filter(|(_, v)| !v.is_null()).collect::<Map<_, _>>())
        }
        other => other,
    }
}

fn order(view: &OrderView<'_>) -> Result<Value, InputFault> {
    let order = view.order;
    let contact = &order.contact;
    let web = order.kind == OrderKind::Web;
    let amount = |amount| money::text(amount, &order.currency);
    let joined = |key, token: &Option<String>| token.clone().filter(|_| web && view.joined_by(key));
    let state = if view.cancelled_at.is_some() { OrderState::Cancelled } else { view.state };
    let device = (web && (view.ip.is_some() || view.user_agent.is_some()))
        .then(|| compact(json!({"ip": view.ip, "user_agent": view.user_agent})));
    Ok(compact(json!({
        "id": order.numeric_id.to_string(),
        "name": order.name,
        "cart_token": joined(JoinKey::Cart, &order.cart_token),
        "checkout_token": joined(JoinKey::Checkout, &order.checkout_token),
        "visitor_id": view.joined_by(JoinKey::Attribute).then_some(&view.person.visitor_id),
        "placed_at": rfc3339(view.placed_at.to_offset(order.zone))?,
        "total": amount(view.total),
        "subtotal": amount(order.subtotal),
        "tax": amount(order.tax),
        "shipping": amount(order.shipping),
        "discount": amount(order.discount),
        "currency": order.currency,
        "state": state,
        "kind": order.kind,
        "test": order.test,
        // Null here means "the store has none": the field itself is always written.
        "contact": {
            "email": contact.email, "phone": contact.phone,
            "first_name": contact.first_name, "last_name": contact.last_name,
            "city": contact.city, "region": contact.region, "postcode": contact.postcode,
            "country": contact.country, "customer_id": contact.customer_id,
        },
        "device": device,
        "landing_url": view.landing_url.as_ref().filter(|_| web && view.joined_by(JoinKey::LandingSite)),
        "consent": view.consent.map(decisions),
        "items": [{"id": order.product_id.to_string(), "quantity": 1, "unit_price": amount(order.subtotal)}],
    })))
}

/// The decisions that were made; those that were not are left out.
fn decisions(consent: Decisions) -> Value {
    let known = |decision| (decision != Decision::Unknown).then_some(decision);
    compact(json!({
        "store": known(consent.store),
        "ads": known(consent.ads),
        "ads_user_data": known(consent.ads_user_data),
        "ads_personalise": known(consent.ads_personalise),
    }))
}

fn refund(view: &OrderView<'_>, facts: &RefundFacts) -> Result<Value, InputFault> {
    Ok(json!({
        "order_id": view.order.numeric_id.to_string(),
        "refund_id": facts.id.to_string(),
        "amount": money::text(facts.amount, &view.order.currency),
        "currency": view.order.currency,
        "refunded_at": rfc3339(facts.at.to_offset(UtcOffset::UTC))?,
    }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use base64::{Engine as _, engine::general_purpose::STANDARD};

    use super::*;
    use crate::inputs::samples::Sample;

    fn header<'a>(headers: &'a [(String, String)], name: &str) -> &'a str {
        headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str()).unwrap()
    }

    #[test]
    fn an_order_is_signed_over_id_time_and_body() {
        let sample = Sample::new();
        let prepared = StandardWebhooks.render(&sample.delivery(Topic::Paid)).unwrap();
        let signed = [
            header(&prepared.headers, "webhook-id").as_bytes(),
            b".1774747805.",
            prepared.body.as_slice(),
        ]
        .concat();
        // The secret's bytes are 0x00 to 0x17.
        let key: Vec<u8> = (0..0x18).collect();
        assert_eq!(
            header(&prepared.headers, "webhook-signature"),
            format!("v1,{}", STANDARD.encode(signing::hmac_sha256(&key, &signed)))
        );
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        assert_eq!(body["type"], "order.paid");
        assert_eq!(body["data"]["id"], "9007199254740993");
        assert_eq!(body["data"]["placed_at"], "2026-03-29T03:30:00+02:00");
        assert_eq!(body["data"]["state"], "paid");
        assert_eq!(body["data"]["consent"], json!({"store": "granted", "ads": "granted"}));
    }

    #[test]
    fn a_list_of_signatures_holds_the_right_one_second() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.signature = Signature::Second;
        let list = StandardWebhooks.render(&delivery).unwrap();
        delivery.signature = Signature::Right;
        let single = StandardWebhooks.render(&delivery).unwrap();
        let list = header(&list.headers, "webhook-signature").to_owned();
        let (wrong, right) = list.split_once(' ').unwrap();
        assert_eq!(right, header(&single.headers, "webhook-signature"));
        assert_ne!(wrong, right);
    }

    #[test]
    fn a_cancelled_order_says_so_and_a_refund_names_its_order() {
        let mut sample = Sample::new();
        sample.cancelled = true;
        let body = StandardWebhooks.body(&sample.delivery(Topic::Cancelled)).unwrap();
        assert_eq!(
            (&body["type"], &body["data"]["state"]),
            (&json!("order.cancelled"), &json!("cancelled"))
        );
        let mut delivery = sample.delivery(Topic::Refund);
        delivery.subject = sample.refund("30");
        let body = StandardWebhooks.body(&delivery).unwrap();
        assert_eq!(body["data"]["order_id"], "9007199254740993");
        assert_eq!(body["data"]["amount"], "30.00");
        assert!(StandardWebhooks.inspect(Topic::Refund, &body).is_empty());
    }
}
