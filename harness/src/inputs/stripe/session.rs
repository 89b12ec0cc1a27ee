//! The checkout session of an order, and what all objects about one order share.

use serde_json::{Map, Value, json};

use super::has_prefix;
use crate::{
    inputs::{InputFault, OrderView, inspection::Inspection, money},
    plan::Contact,
    scenario::{JoinKey, OrderState, Topic},
};

/// Name of the event by which a session tells of this topic.
pub(super) fn event(topic: Topic, view: &OrderView<'_>) -> &'static str {
    match topic {
        Topic::Cancelled => "checkout.session.async_payment_failed",
        // Money that came later: the session was completed before, unpaid.
        Topic::Paid if view.order.state == OrderState::Pending => {
            "checkout.session.async_payment_succeeded"
        }
        _ => "checkout.session.completed",
    }
}

/// The session as it stands.
pub(super) fn object(topic: Topic, view: &OrderView<'_>) -> Result<Value, InputFault> {
    let order = view.order;
    let minor = |amount| money::minor(amount, &order.currency);
    let payment_status = match (topic, view.state) {
        (Topic::Create | Topic::Cancelled, _) if view.state != OrderState::Paid => "unpaid",
        _ if view.total.is_zero() => "no_payment_required",
        (_, OrderState::Paid) => "paid",
        (_, other) => {
            return Err(InputFault::new(format!("a checkout session has no state {other:?}")));
        }
    };
    Ok(json!({
        "id": session_id(view),
        "object": "checkout.session",
        "amount_subtotal": minor(order.subtotal + order.discount)?,
        "amount_total": minor(view.total)?,
        "automatic_tax": {"enabled": true, "status": "complete"},
        "cancel_url": null,
        "client_reference_id": visitor_id(view),
        "consent": null,
        "created": view.placed_at.unix_timestamp(),
        "currency": order.currency.to_ascii_lowercase(),
        "customer": null,
        "customer_details": details(&order.contact, view),
        "customer_email": null,
        "expires_at": view.placed_at.unix_timestamp().saturating_add(86_400),
        "livemode": !order.test,
        "locale": null,
        "metadata": metadata(view),
        "mode": "payment",
        "payment_intent": (!view.total.is_zero()).then(|| payment_intent(view)),
        "payment_method_types": ["card", "sepa_debit"],
        "payment_status": payment_status,
        "status": "complete",
        "subscription": null,
        "success_url": "https://shop.example/thank-you",
        "total_details": {
            "amount_discount": minor(order.discount)?,
            "amount_shipping": minor(order.shipping)?,
            "amount_tax": minor(order.tax)?,
        },
        "ui_mode": "hosted",
        "url": null,
    }))
}

/// Rules for a session.
pub(super) fn inspect(seen: &mut Inspection<'_>) {
    seen.need("/data/object/id", "`cs_` and an id", |id| has_prefix(id, "cs_"));
    for amount in ["amount_total", "amount_subtotal", "total_details/amount_tax", "created"] {
        seen.need(&format!("/data/object/{amount}"), "an integer", Value::is_i64);
    }
    seen.one_of("/data/object/payment_status", &["paid", "unpaid", "no_payment_required"]);
    seen.one_of("/data/object/mode", &["payment", "subscription", "setup"]);
    seen.allow("/data/object/client_reference_id", "at most 200 characters", |id| {
        id.as_str().is_some_and(|id| id.chars().count() <= 200)
    });
    seen.allow("/data/object/customer_details/email", "a text", Value::is_string);
}

/// The session's id: a relay's convention for event ids can be built from the order's token.
pub(super) fn session_id(view: &OrderView<'_>) -> String {
    let mode = if view.order.test { "test" } else { "live" };
    format!("cs_{mode}_{}", view.order.token)
}

/// The payment behind the session; a refund names it.
pub(super) fn payment_intent(view: &OrderView<'_>) -> String {
    format!("pi_{}", view.order.token)
}

/// What the shop wrote along, equal on session, charge and invoice: its own order number, and the storefront's
/// attributes.
pub(super) fn metadata(view: &OrderView<'_>) -> Value {
    let mut pairs = Map::new();
    pairs.insert("order_id".into(), view.order.numeric_id.to_string().into());
    if let (Some(name), Some(visitor)) = (&view.visitor_attribute, visitor_id(view)) {
        pairs.insert(name.clone(), visitor.into());
    }
    if let Some((name, value)) = &view.consent_attribute {
        pairs.insert(name.clone(), value.clone().into());
    }
    if let Some(text) = view.canary("attribute") {
        pairs.insert("gift_message".into(), text.into());
    }
    Value::Object(pairs)
}

/// The visitor, as the storefront handed it to the session.
fn visitor_id<'v>(view: &'v OrderView<'_>) -> Option<&'v str> {
    view.joined_by(JoinKey::Attribute).then_some(view.person.visitor_id.as_str())
}

/// Contact as typed at the checkout. A card's holder has one name, not two.
pub(super) fn details(contact: &Contact, view: &OrderView<'_>) -> Value {
    json!({
        "address": address(contact, view),
        "email": contact.email,
        "name": full_name(contact),
        "phone": contact.phone,
        "tax_exempt": "none",
        "tax_ids": [],
    })
}

pub(super) fn address(contact: &Contact, view: &OrderView<'_>) -> Value {
    json!({
        "city": contact.city,
        "country": contact.country,
        "line1": contact.street.as_deref().or(view.canary("street")),
        "line2": view.canary("address2"),
        "postal_code": contact.postcode,
        "state": contact.region,
    })
}

pub(super) fn full_name(contact: &Contact) -> Option<String> {
    let names: Vec<&str> = [contact.first_name.as_deref(), contact.last_name.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    (!names.is_empty()).then(|| names.join(" "))
}
