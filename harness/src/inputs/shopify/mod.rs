//! Shopify webhooks: orders, refunds and the erasure topic, as a shop's subscriptions deliver them.
//!
//! Sources: [deliveries](https://shopify.dev/docs/apps/build/webhooks),
//! [signature](https://shopify.dev/docs/apps/build/webhooks/verify-deliveries),
//! [order](https://shopify.dev/docs/api/admin-rest/latest/resources/order),
//! [refund](https://shopify.dev/docs/api/admin-rest/latest/resources/refund),
//! [erasure](https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance).

mod order;
mod refund;

use serde_json::Value;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use super::{
    About, Carried, Delivery, Format, InputFault, SecretKind, Subject,
    inspection::{Inspection, is_currency, is_money, is_time},
    signing,
};
use crate::{plan::Shop, scenario::Topic};

/// The format.
#[derive(Debug)]
pub struct Shopify;

impl Format for Shopify {
    fn id(&self) -> &'static str {
        "shopify"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::Plain
    }

    fn tells(&self, _topic: Topic, _about: About) -> bool {
        true
    }

    fn carries(&self, fact: Carried) -> bool {
        !matches!(fact, Carried::VisitorId | Carried::Consent | Carried::Signals)
    }

    fn redacts(&self) -> bool {
        true
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        match &delivery.subject {
            Subject::Order(view) => Ok(order::order(view, delivery.shop)),
            Subject::Refund(view, facts) => Ok(refund::refund(view, facts)),
            Subject::Redact(who) => Ok(refund::redact(who, delivery.shop)),
        }
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        match topic {
            // The erasure topic has no name of its own among the topics: it is told by its content.
            _ if body.get("orders_to_redact").is_some() => {
                seen.need("/shop_id", "an integer", Value::is_u64);
                seen.need("/shop_domain", "a text", Value::is_string);
            }
            Topic::Refund => {
                seen.need("/id", "an integer", Value::is_u64);
                seen.need("/order_id", "an integer", Value::is_u64);
                seen.need("/transactions/0/amount", "decimal text", is_money);
                seen.need("/transactions/0/currency", "a currency", is_currency);
                seen.need("/created_at", "a time with its offset", is_time);
            }
            Topic::Create | Topic::Paid | Topic::Updated | Topic::Cancelled | Topic::Unrelated => {
                seen.need("/id", "an integer", Value::is_u64);
                seen.need("/name", "a text", Value::is_string);
                seen.need("/token", "a text", Value::is_string);
                for field in
                    ["/total_price", "/current_total_price", "/subtotal_price", "/total_tax"]
                {
                    seen.need(field, "decimal text", is_money);
                }
                seen.need("/currency", "a currency", is_currency);
                for field in ["/created_at", "/processed_at", "/updated_at"] {
                    seen.need(field, "a time with its offset", is_time);
                }
                seen.need("/financial_status", "a text", Value::is_string);
                seen.need("/note_attributes", "a list", Value::is_array);
                seen.need("/line_items/0/product_id", "an integer", Value::is_u64);
                seen.need("/test", "true or false", Value::is_boolean);
            }
        }
        seen.wrong()
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        let digest =
            signing::digest(self.secret_kind(), delivery, body, other_layout, <[u8]>::to_vec)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header("Content-Type", "application/json"),
            header("User-Agent", "Shopify-Captain-Hook"),
            header("X-Shopify-Topic", topic_name(delivery)),
        ];
        if let Some(digest) = digest {
            headers.push(header("X-Shopify-Hmac-Sha256", &digest));
        }
        headers.extend([
            header("X-Shopify-Shop-Domain", &delivery.shop.domain),
            header("X-Shopify-API-Version", "2026-07"),
            header("X-Shopify-Webhook-Id", &delivery.delivery_id),
            header("X-Shopify-Event-Id", &delivery.event_id),
            header("X-Shopify-Triggered-At", &rfc3339(delivery.triggered_at)?),
        ]);
        Ok(headers)
    }
}

fn topic_name(delivery: &Delivery<'_>) -> &'static str {
    match (&delivery.subject, delivery.topic) {
        (Subject::Redact(_), _) => "customers/redact",
        (_, Topic::Create) => "orders/create",
        (_, Topic::Paid) => "orders/paid",
        (_, Topic::Updated) => "orders/updated",
        (_, Topic::Cancelled) => "orders/cancelled",
        (_, Topic::Refund) => "refunds/create",
        (_, Topic::Unrelated) => "fulfillments/create",
    }
}

/// Nanoseconds and `Z`, as in `X-Shopify-Triggered-At`.
fn rfc3339(at: OffsetDateTime) -> Result<String, InputFault> {
    at.to_offset(UtcOffset::UTC)
        .format(&Rfc3339)
        .map_err(|error| InputFault::new(format!("{at} cannot be written as RFC 3339: {error}")))
}

/// The shop's own number.
fn shop_number(shop: &Shop) -> usize {
    954_889 + shop.index
}

#[cfg(test)]
mod tests;
