//! Money given back, and people to be forgotten.

use serde_json::{Map, Value, json};

use super::shop_number;
use crate::{
    inputs::{OrderView, Redaction, RefundFacts, money, times},
    plan::Shop,
};

pub(super) fn refund(view: &OrderView<'_>, facts: &RefundFacts) -> Value {
    let order = view.order;
    let amount = money::text(facts.amount, &order.currency);
    let at = times::zoned(facts.at, order.zone);
    json!({
        "id": facts.id,
        "order_id": order.numeric_id,
        "admin_graphql_api_id": format!("gid://shopify/Refund/{}", facts.id),
        "created_at": at,
        "processed_at": at,
        "note": view.canary("note"),
        "restock": true,
        "user_id": 799_407_056,
        "order_adjustments": [],
        "refund_line_items": [],
        "transactions": [{
            "id": facts.id.wrapping_add(1_000_000_000_000),
            "order_id": order.numeric_id,
            "parent_id": order.numeric_id.wrapping_add(2_000_000_000_000),
            "kind": "refund",
            "status": "success",
            "amount": amount,
            "currency": order.currency,
            "gateway": "shopify_payments",
            "test": order.test,
            "created_at": at,
            "processed_at": at,
        }],
    })
}

pub(super) fn redact(who: &Redaction, shop: &Shop) -> Value {
    let mut customer = Map::new();
    if let Some(id) = who.customer_id.as_deref().and_then(|id| id.parse::<u64>().ok()) {
        customer.insert("id".into(), id.into());
    }
    customer.insert("email".into(), who.email.clone().into());
    customer.insert("phone".into(), who.phone.clone().into());
    json!({
        "shop_id": shop_number(shop),
        "shop_domain": shop.domain,
        "customer": customer,
        "orders_to_redact": who.orders,
    })
}
