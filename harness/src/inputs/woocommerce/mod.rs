//! WooCommerce webhooks: the whole order with every save.
//!
//! Sources: [webhooks](https://developer.woocommerce.com/docs/apis/rest-api/v2/webhooks/),
//! [order](https://woocommerce.github.io/woocommerce-rest-api-docs/#order-properties),
//! [headers as logged](https://github.com/woocommerce/woocommerce/issues/28329).
//!
//! What a receiver has to know, and what the harness does not send by itself:
//! - Saving a webhook posts a ping (the step `ping`): `webhook_id=<n>`, form-encoded and not signed. It wants a 2xx and means
//!   nothing.
//! - WooCommerce does not send a failed delivery again, and switches a webhook off after five failures in a row.
//!   `redelivery` stands for the queue or the person who does.
//! - There is no topic for payment, cancellation or refund: all of them are `order.updated`, and one checkout saves an
//!   order several times.

mod order;

use serde_json::Value;

use super::{
    About, Carried, Delivery, Format, InputFault, Prepared, SecretKind, Subject,
    inspection::{Inspection, is_currency, is_money},
    signing,
};
use crate::scenario::{OrderKind, OrderState, Topic};

const USER_AGENT: &str = "WooCommerce/9.8.5 Hookshot (WordPress/6.8.1)";

/// The format.
#[derive(Debug)]
pub struct WooCommerce;

impl Format for WooCommerce {
    fn id(&self) -> &'static str {
        "woocommerce"
    }

    /// The old secret signs until the shop is told the new one, which the relay knows first.
    fn secret_kind(&self) -> SecretKind {
        SecretKind::Plain
    }

    /// There is no part payment, no till and no test order in its own words.
    fn tells(&self, _topic: Topic, about: About) -> bool {
        about.state != OrderState::PartiallyPaid && about.kind != OrderKind::Pos && !about.test
    }

    /// The order key is made with the order: no landing can name it, so it is no checkout token.
    fn carries(&self, fact: Carried) -> bool {
        !matches!(
            fact,
            Carried::VisitorId
                | Carried::Consent
                | Carried::Signals
                | Carried::Checkout
                | Carried::Presentment
        )
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        match &delivery.subject {
            Subject::Order(view) if delivery.topic == Topic::Unrelated => Ok(order::product(view)),
            Subject::Order(view) | Subject::Refund(view, _) => Ok(order::order(view)),
            Subject::Redact(_) => Err(InputFault::new("WooCommerce has no webhook for erasure")),
        }
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        seen.need("/id", "an integer", Value::is_u64);
        if topic == Topic::Unrelated {
            seen.texts(&["/name", "/sku", "/price"]);
            return seen.wrong();
        }
        seen.need("/customer_id", "an integer", Value::is_u64);
        seen.texts(&["/number", "/order_key", "/created_via", "/cart_hash", "/customer_note"]);
        seen.one_of("/status", order::STATUSES);
        seen.need("/currency", "a currency", is_currency);
        for field in ["/total", "/total_tax", "/shipping_total", "/discount_total"] {
            seen.need(field, "decimal text", is_money);
        }
        for field in ["/date_created", "/date_created_gmt", "/date_modified", "/date_modified_gmt"]
        {
            seen.need(field, "a time without offset", is_naive_time);
        }
        for field in ["/date_paid", "/date_paid_gmt", "/date_completed"] {
            seen.allow(field, "a time without offset", is_naive_time);
        }
        for field in ["email", "phone", "first_name", "last_name", "address_1", "city", "country"] {
            seen.texts(&[format!("/billing/{field}").as_str()]);
        }
        seen.need("/meta_data", "a list of attributes", |list| {
            list.as_array().is_some_and(|all| all.iter().all(|meta| meta["key"].is_string()))
        });
        seen.need("/line_items/0/product_id", "an integer", Value::is_u64);
        seen.numbers(&["/line_items/0/price"]);
        seen.need("/refunds", "a list of negative amounts", |list| {
            list.as_array().is_some_and(|all| all.iter().all(is_negative))
        });
        if topic == Topic::Refund {
            seen.need("/refunds/0/id", "an integer", Value::is_u64);
        }
        seen.wrong()
    }

    fn ping(&self, shop: usize) -> Option<Prepared> {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        Some(Prepared {
            query: None,
            headers: vec![
                header("Content-Type", "application/x-www-form-urlencoded"),
                header("User-Agent", USER_AGENT),
            ],
            body: format!("webhook_id={}", hook(shop, "order", "updated")).into_bytes(),
        })
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        let digest =
            signing::digest(self.secret_kind(), delivery, body, other_layout, <[u8]>::to_vec)?;
        let (resource, event) = resource_and_event(delivery.topic);
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header("Content-Type", "application/json"),
            header("User-Agent", USER_AGENT),
            header("X-WC-Webhook-Source", &format!("https://{}/", delivery.shop.domain)),
            header("X-WC-Webhook-Topic", &format!("{resource}.{event}")),
            header("X-WC-Webhook-Resource", resource),
            header("X-WC-Webhook-Event", event),
        ];
        if let Some(digest) = digest {
            headers.push(header("X-WC-Webhook-Signature", &digest));
        }
        let hook = hook(delivery.shop.index, resource, event);
        headers.extend([
            header("X-WC-Webhook-ID", &hook.to_string()),
            header("X-WC-Webhook-Delivery-ID", &delivery.delivery_id.replace('-', "")),
        ]);
        Ok(headers)
    }
}

/// A shop has one webhook for each topic.
fn hook(shop: usize, resource: &str, event: &str) -> usize {
    let of_topic = match (resource, event) {
        ("order", "created") => 1,
        ("order", _) => 2,
        _ => 3,
    };
    of_topic + 10 * shop
}

fn resource_and_event(topic: Topic) -> (&'static str, &'static str) {
    match topic {
        Topic::Create => ("order", "created"),
        Topic::Paid | Topic::Updated | Topic::Cancelled | Topic::Refund => ("order", "updated"),
        Topic::Unrelated => ("product", "updated"),
    }
}

fn is_negative(refund: &Value) -> bool {
    is_money(&refund["total"]) && refund["total"].as_str().is_some_and(|text| text.starts_with('-'))
}

/// `2026-03-29T03:30:00`: neither `Z` nor an offset.
fn is_naive_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| {
        text.len() == 19
            && text.bytes().enumerate().all(|(i, byte)| match i {
                4 | 7 => byte == b'-',
                10 => byte == b'T',
                13 | 16 => byte == b':',
                _ => byte.is_ascii_digit(),
            })
    })
}

#[cfg(test)]
mod tests;
