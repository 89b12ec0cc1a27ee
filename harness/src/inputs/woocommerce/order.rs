//! The order as the REST interface shows it: texts are never null, only times are.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset};

use crate::{
    inputs::{OrderView, money, page, times},
    scenario::{JoinKey, OrderKind, OrderState},
};

/// Every status that an order can have.
pub(super) const STATUSES: &[&str] = &[
    "pending",
    "on-hold",
    "processing",
    "completed",
    "cancelled",
    "refunded",
    "failed",
    "checkout-draft",
];

/// The order's fields by topic; real deliveries hold them all in one object.
pub(super) fn order(view: &OrderView<'_>) -> Value {
    let parts = [identity(view), dates(view), amounts(view), people(view), lines(view)];
    let mut fields = Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            fields.extend(part);
        }
    }
    Value::Object(fields)
}

/// A product: nothing that a relay of orders has to care for.
pub(super) fn product(view: &OrderView<'_>) -> Value {
    let price = money::text(view.order.subtotal, &view.order.currency);
    json!({
        "id": view.order.product_id, "name": "Mug", "slug": "mug", "sku": "MUG-1", "type": "simple",
        "status": "publish", "price": price, "regular_price": price, "sale_price": "",
    })
}

fn identity(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let web = order.kind == OrderKind::Web;
    let cart = order.cart_token.as_deref().filter(|_| web && view.joined_by(JoinKey::Cart));
    // Secret: whoever has it sees the order. It holds what must not leave.
    let key = view.canary("order_status_key").unwrap_or(&order.token);
    json!({
        "id": order.numeric_id,
        "parent_id": 0,
        "number": order.name.trim_start_matches('#'),
        "order_key": format!("wc_order_{key}"),
        "created_via": created_via(order.kind),
        "version": "9.8.5",
        "status": status(view),
        "currency": order.currency,
        "customer_id": order.contact.customer_id.as_deref().and_then(|id| id.parse::<u64>().ok()).unwrap_or(0),
        "customer_ip_address": view.ip.as_deref().filter(|_| web).unwrap_or_default(),
        "customer_user_agent": view.user_agent.as_deref().filter(|_| web).unwrap_or_default(),
        "customer_note": view.canary("note").unwrap_or_default(),
        "payment_method": "stripe",
        "payment_method_title": "Card",
        "transaction_id": if is_paid(view.state) { format!("pi_{}", order.token) } else { String::new() },
        "cart_hash": cart.unwrap_or_default(),
        "meta_data": meta_data(view),
    })
}

/// Each moment twice: in the site's own zone and in UTC, both without saying so.
fn dates(view: &OrderView<'_>) -> Value {
    let zone = view.order.zone;
    // When it was paid is not kept apart: with the order, or with the change that shows it paid.
    let paid_at = if is_paid(view.order.state) { view.placed_at } else { view.updated_at };
    let mut fields = Map::new();
    for (name, at) in [
        ("date_created", Some(view.placed_at)),
        ("date_modified", Some(view.updated_at)),
        ("date_paid", is_paid(view.state).then_some(paid_at)),
        ("date_completed", None::<OffsetDateTime>),
    ] {
        fields.insert(name.to_owned(), at.map(|at| times::naive(at, zone)).into());
        fields.insert(format!("{name}_gmt"), at.map(|at| times::naive(at, UtcOffset::UTC)).into());
    }
    Value::Object(fields)
}

/// `total` follows edits; refunds stand beside it.
fn amounts(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let amount = |amount: Decimal| money::text(amount, &order.currency);
    let refunds: Vec<Value> = view
        .refunds
        .iter()
        .map(|refund| json!({"id": refund.id, "reason": "", "total": amount(-refund.amount)}))
        .collect();
    json!({
        "prices_include_tax": order.subtotal + order.tax + order.shipping != order.total,
        "discount_total": amount(order.discount),
        "discount_tax": amount(Decimal::ZERO),
        "shipping_total": amount(order.shipping),
        "shipping_tax": amount(Decimal::ZERO),
        "cart_tax": amount(order.tax),
        "total": amount(view.total),
        "total_tax": amount(order.tax),
        "refunds": refunds,
    })
}

fn people(view: &OrderView<'_>) -> Value {
    let contact = &view.order.contact;
    let text = |field: &Option<String>| field.clone().unwrap_or_default();
    let mut address = json!({
        "first_name": text(&contact.first_name),
        "last_name": text(&contact.last_name),
        "company": view.canary("company").unwrap_or_default(),
        "address_1": contact.street.as_deref().or(view.canary("street")).unwrap_or_default(),
        "address_2": view.canary("address2").unwrap_or_default(),
        "city": text(&contact.city),
        "state": text(&contact.region),
        "postcode": text(&contact.postcode),
        "country": text(&contact.country),
        "phone": text(&contact.phone),
    });
    let shipping = address.clone();
    if let Some(billing) = address.as_object_mut() {
        billing.insert("email".into(), text(&contact.email).into());
    }
    json!({ "billing": address, "shipping": shipping })
}

fn lines(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let amount = |amount: Decimal| money::text(amount, &order.currency);
    let properties = match view.canary("line_property") {
        Some(text) => json!([{"id": 31, "key": "Engraving", "value": text}]),
        None => json!([]),
    };
    json!({
        "line_items": [{
            "id": order.numeric_id % 1_000_000_000,
            "name": "Mug",
            "product_id": order.product_id,
            "variation_id": 0,
            "quantity": 1,
            "subtotal": amount(order.subtotal + order.discount),
            "subtotal_tax": amount(order.tax),
            "total": amount(order.subtotal),
            "total_tax": amount(order.tax),
            "sku": "MUG-1",
            // The only amount that is a number.
            "price": money::number(order.subtotal),
            "meta_data": properties,
        }],
        "tax_lines": [], "shipping_lines": [], "fee_lines": [], "coupon_lines": [],
    })
}

/// Attributes of the storefront and those that the shop's own order attribution writes.
fn meta_data(view: &OrderView<'_>) -> Value {
    let mut meta: Vec<(String, String)> = Vec::new();
    let mut put = |name: &str, value: &str| meta.push((name.to_owned(), value.to_owned()));
    if let Some(name) =
        view.visitor_attribute.as_ref().filter(|_| view.joined_by(JoinKey::Attribute))
    {
        put(name, &view.person.visitor_id);
    }
    if let Some((name, value)) = &view.consent_attribute {
        put(name, value);
    }
    if let Some(text) = view.canary("attribute") {
        put("Gift message", text);
    }
    if let Some(url) = page::landing_url(view) {
        let own = |name: &str| format!("_wc_order_attribution_{name}");
        let source = page::campaign(view, "utm_source");
        put(&own("source_type"), if source.is_some() { "utm" } else { "typein" });
        put(&own("utm_source"), source.as_deref().unwrap_or("(direct)"));
        for name in ["utm_medium", "utm_campaign"] {
            if let Some(value) = page::campaign(view, name) {
                put(&own(name), &value);
            }
        }
        put(&own("referrer"), view.referrer.as_deref().unwrap_or_default());
        put(&own("session_entry"), url);
        put(&own("user_agent"), view.user_agent.as_deref().unwrap_or_default());
        put(&own("device_type"), "Desktop");
    }
    let listed = meta.into_iter().zip(1_u64..);
    listed
        .map(|((key, value), nth)| json!({"id": view.order.numeric_id % 1_000_000 * 100 + nth, "key": key, "value": value}))
        .collect()
}

fn is_paid(state: OrderState) -> bool {
    matches!(state, OrderState::Paid | OrderState::PartiallyRefunded | OrderState::Refunded)
}

/// An authorised payment waits `on-hold`; a partly refunded order stays what it was.
fn status(view: &OrderView<'_>) -> &'static str {
    match view.state {
        OrderState::Refunded => "refunded",
        _ if view.cancelled_at.is_some() => "cancelled",
        OrderState::Pending => "pending",
        OrderState::Authorized | OrderState::PartiallyPaid => "on-hold",
        OrderState::Paid | OrderState::PartiallyRefunded => "processing",
        OrderState::Voided | OrderState::Cancelled => "cancelled",
    }
}

fn created_via(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Web => "checkout",
        OrderKind::Pos | OrderKind::Api => "rest-api",
        OrderKind::Draft => "admin",
        OrderKind::Renewal => "subscription",
    }
}
