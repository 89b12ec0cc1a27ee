//! The track call that Segment, RudderStack and Jitsu share: one event of the ecommerce vocabulary, as a server sends it.
//!
//! Sources: [common fields](https://segment.com/docs/connections/spec/common/),
//! [ecommerce events](https://segment.com/docs/connections/spec/ecommerce/v2/).
//!
//! An event pipeline hears of an order once it is complete: there is no message for an order that waits for its money,
//! none for tills and renewals, and no mark for tests. `Order Completed` alone reports a purchase; `Order Updated` must
//! never become one.
//!
//! Receivers correct the sender's clock: the event's time is received − (sent − original). So `originalTimestamp` is
//! when it happened and `sentAt` when it left, by the same clock. A queue that sends a message again keeps all of it
//! but `sentAt`; `messageId` is what receivers tell repeats by.

mod dialect;

pub(super) use dialect::Dialect;
use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::{
    About, Carried, Delivery, InputFault, OrderView, RefundFacts,
    inspection::{Inspection, is_currency, is_text_within, is_time},
    money,
    page::{Page, campaign},
    times,
};
use crate::scenario::{JoinKey, OrderKind, OrderState, Topic};

/// Longest call that receivers take, in bytes.
const LIMIT: usize = 32 * 1024;

/// Whether there is an event for this topic about such an order.
pub(super) fn tells(topic: Topic, about: About) -> bool {
    use OrderState::{Cancelled, Paid, PartiallyRefunded, Refunded};
    let state = |states: &[OrderState]| states.contains(&about.state);
    if about.kind != OrderKind::Web || about.test {
        return topic == Topic::Unrelated;
    }
    match topic {
        Topic::Create => false,
        Topic::Paid => state(&[Paid]),
        Topic::Updated | Topic::Cancelled => state(&[Paid, PartiallyRefunded, Refunded, Cancelled]),
        Topic::Refund => state(&[PartiallyRefunded, Refunded]),
        Topic::Unrelated => true,
    }
}

/// Whether the call has a place for this fact.
pub(super) fn carries(fact: Carried) -> bool {
    !matches!(
        fact,
        Carried::Attributes
            | Carried::LandingPath
            | Carried::Signals
            | Carried::Presentment
            | Carried::OrderName
            | Carried::Canaries
    )
}

/// The event's name.
fn event(topic: Topic) -> &'static str {
    match topic {
        Topic::Create | Topic::Paid => "Order Completed",
        Topic::Updated => "Order Updated",
        Topic::Cancelled => "Order Cancelled",
        Topic::Refund => "Order Refunded",
        Topic::Unrelated => "Product Viewed",
    }
}

/// The call without the sender's own consent field, which goes into `context`.
fn body(
    delivery: &Delivery<'_>,
    consent: impl Fn(&OrderView<'_>) -> Option<(&'static str, Value)>,
) -> Result<Value, InputFault> {
    let (view, refund) = delivery.order()?;
    let contact = &view.order.contact;
    let mut context = context(delivery, view);
    if let (Some((name, value)), Some(context)) = (consent(view), context.as_object_mut()) {
        context.insert(name.to_owned(), value);
    }
    let at = times::millis(happened_at(delivery.topic, view, refund));
    Ok(json!({
        "type": "track",
        "event": event(delivery.topic),
        "messageId": delivery.delivery_id,
        "anonymousId": anonymous_id(view),
        "userId": contact.customer_id,
        "originalTimestamp": at,
        "timestamp": at,
        "sentAt": times::millis(delivery.signed_at),
        "properties": properties(delivery.topic, view, refund),
        "context": context,
        "integrations": {"All": true},
    }))
}

/// When the event happened, by the sender's clock.
fn happened_at(topic: Topic, view: &OrderView<'_>, refund: Option<&RefundFacts>) -> OffsetDateTime {
    match (topic, refund) {
        (_, Some(refund)) => refund.at,
        (Topic::Cancelled, None) => view.cancelled_at.unwrap_or(view.updated_at),
        (Topic::Updated, None) => view.updated_at,
        _ => view.placed_at,
    }
}

/// The visitor id; where the order is not to carry it, an id that no landing has.
pub(super) fn anonymous_id(view: &OrderView<'_>) -> String {
    if view.joined_by(JoinKey::Attribute) {
        view.person.visitor_id.clone()
    } else {
        format!("server-{}", view.order.token)
    }
}

fn properties(topic: Topic, view: &OrderView<'_>, refund: Option<&RefundFacts>) -> Value {
    let order = view.order;
    let product = json!({
        "product_id": order.product_id.to_string(), "sku": "MUG-1", "name": "Mug",
        "price": money::number(order.subtotal), "quantity": 1,
    });
    let id = order.numeric_id.to_string();
    if topic == Topic::Unrelated {
        return product;
    }
    if let Some(refund) = refund {
        // Without products: money was given back for the order, not for one of its lines.
        let total = money::number(refund.amount);
        return json!({"order_id": id, "total": total, "currency": order.currency});
    }
    let joined = |key, token: &Option<String>| token.clone().filter(|_| view.joined_by(key));
    json!({
        "checkout_id": joined(JoinKey::Checkout, &order.checkout_token),
        "cart_id": joined(JoinKey::Cart, &order.cart_token),
        "order_id": id,
        "affiliation": "web",
        // What the customer pays; `revenue` is without tax and shipping.
        "total": money::number(view.total),
        "subtotal": money::number(order.subtotal),
        "revenue": money::number(view.total - order.tax - order.shipping),
        "shipping": money::number(order.shipping),
        "tax": money::number(order.tax),
        "discount": money::number(order.discount),
        "coupon": null,
        "currency": order.currency,
        "products": [product],
    })
}

fn context(delivery: &Delivery<'_>, view: &OrderView<'_>) -> Value {
    let page = Page::of(view, delivery.shop);
    let contact = &view.order.contact;
    let traits = json!({
        "email": contact.email,
        "phone": contact.phone,
        "firstName": contact.first_name,
        "lastName": contact.last_name,
        "address": {
            "city": contact.city,
            "state": contact.region,
            "postalCode": contact.postcode,
            "country": contact.country,
        },
    });
    let mut context = json!({
        "ip": view.ip,
        "userAgent": view.user_agent,
        "locale": "de-DE",
        "timezone": "Europe/Berlin",
        "library": {"name": "analytics-node", "version": "2.2.1"},
        "page": {
            "url": page.url, "path": page.path(), "search": page.search, "referrer": page.referrer,
            "title": page.title(),
        },
        "traits": traits,
    });
    let fields = ["name", "source", "medium", "content", "term"];
    let campaign: Map<String, Value> = fields
        .into_iter()
        .filter_map(|name| {
            let parameter =
                if name == "name" { "utm_campaign".into() } else { format!("utm_{name}") };
            Some((name.to_owned(), campaign(view, &parameter)?.into()))
        })
        .collect();
    if let (false, Some(context)) = (campaign.is_empty(), context.as_object_mut()) {
        context.insert("campaign".into(), campaign.into());
    }
    context
}

/// Rules of a track call.
fn inspect(topic: Topic, body: &Value) -> Inspection<'_> {
    let mut seen = Inspection::of(body);
    seen.one_of("/type", &["track"]);
    seen.need("/event", "a name", |event| is_text_within(event, 200));
    seen.need("/messageId", "an id of at most 100 characters", |id| is_text_within(id, 100));
    let named = ["anonymousId", "userId"].iter().any(|id| is_text_within(&body[*id], 300));
    seen.rule(named, "one of /anonymousId and /userId has to be a text");
    for time in ["/originalTimestamp", "/timestamp", "/sentAt"] {
        seen.need(time, "an ISO 8601 time", is_time);
    }
    seen.texts(&["/context/page/url", "/context/library/name"]);
    for text in ["/context/ip", "/context/userAgent", "/context/traits/email"] {
        seen.allow(text, "a text", Value::is_string);
    }
    match topic {
        Topic::Unrelated => seen.numbers(&["/properties/price"]),
        Topic::Refund => {
            seen.numbers(&["/properties/total"]);
            seen.texts(&["/properties/order_id"]);
            seen.need("/properties/currency", "a currency", is_currency);
        }
        Topic::Create | Topic::Paid | Topic::Updated | Topic::Cancelled => {
            let amounts = ["total", "revenue", "subtotal", "shipping", "tax", "discount"];
            for amount in amounts {
                seen.numbers(&[format!("/properties/{amount}").as_str()]);
            }
            seen.texts(&["/properties/order_id"]);
            seen.need("/properties/currency", "a currency", is_currency);
            seen.need("/properties/products", "a list", Value::is_array);
        }
    }
    let length = body.to_string().len();
    seen.rule(length <= LIMIT, format!("{length} bytes are more than the {LIMIT} that are taken"));
    seen
}

#[cfg(test)]
mod tests;
