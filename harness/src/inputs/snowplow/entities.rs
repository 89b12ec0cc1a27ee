//! The ecommerce action and the entities that say what it was about.

use serde_json::{Value, json};

use crate::inputs::{
    OrderView, RefundFacts, consent,
    inspection::{Inspection, is_currency, is_text_within},
    money,
};

/// Where the ecommerce schemas are.
const ECOMMERCE: &str = "iglu:com.snowplowanalytics.snowplow.ecommerce";
/// A visitor's answer to the banner.
const CONSENT: &str = "iglu:com.snowplowanalytics.snowplow/consent_preferences/jsonschema/1-0-0";

/// What was done.
pub(super) fn action(kind: &str) -> Value {
    json!({
        "schema": format!("{ECOMMERCE}/snowplow_ecommerce_action/jsonschema/1-0-2"),
        "data": {"type": kind},
    })
}

/// The entities of an order's event.
pub(super) fn all(view: &OrderView<'_>, refund: Option<&RefundFacts>, domain: &str) -> Vec<Value> {
    let entity = |name: &str, data: Value| json!({"schema": format!("{ECOMMERCE}/{name}/jsonschema/1-0-0"), "data": data});
    let order = view.order;
    let id = order.numeric_id.to_string();
    let mut entities = match refund {
        Some(refund) => vec![entity(
            "refund",
            json!({
                "transaction_id": id, "currency": order.currency,
                "refund_amount": money::number(refund.amount), "refund_reason": null,
            }),
        )],
        None => vec![
            entity("transaction", transaction(view, &id)),
            entity(
                "product",
                json!({
                    "id": order.product_id.to_string(), "name": "Mug", "category": "Kitchen",
                    "price": money::number(order.subtotal), "quantity": 1, "currency": order.currency,
                }),
            ),
        ],
    };
    if let Some(customer) = &order.contact.customer_id {
        let user = json!({"id": customer, "is_guest": false, "email": order.contact.email});
        entities.push(entity("user", user));
    }
    entities.extend(consent(view, domain));
    entities
}

fn transaction(view: &OrderView<'_>, id: &str) -> Value {
    let order = view.order;
    json!({
        "transaction_id": id,
        "revenue": money::number(view.total),
        "currency": order.currency,
        "payment_method": "card",
        "total_quantity": 1,
        "tax": money::number(order.tax),
        "shipping": money::number(order.shipping),
        "discount_amount": money::number(order.discount),
        "credit_order": false,
    })
}

/// The answer by allowed scopes. What is necessary is always among them: the schema asks for one, and a visitor who
/// refused all has no other.
fn consent(view: &OrderView<'_>, domain: &str) -> Option<Value> {
    let answers = consent::by_category(view.consent, &view.categories)?;
    let allowed = answers.iter().filter(|(_, allowed)| *allowed).count();
    let kind = match allowed {
        0 => "deny_all",
        // A purpose without an answer is not allowed: who reads `allow_all` would take it for a yes.
        n if n == view.categories.names().len() => "allow_all",
        _ => "allow_selected",
    };
    let mut scopes = vec!["necessary"];
    scopes.extend(answers.iter().filter(|(_, allowed)| *allowed).map(|(name, _)| name.as_str()));
    Some(json!({
        "schema": CONSENT,
        "data": {
            "eventType": kind,
            "basisForProcessing": "consent",
            "consentUrl": format!("https://{domain}/privacy"),
            "consentVersion": "1.0",
            "consentScopes": scopes,
            "domainsApplied": [format!("https://{domain}")],
            "gdprApplies": true,
        },
    }))
}

/// Rules for what is inside the event (`ue_px`) and the entities (`cx`).
pub(super) fn inspect(field: &str, data: &Value) -> Vec<String> {
    let Some(entities) = data.as_array() else {
        let mut seen = Inspection::of(data);
        seen.one_of("/data/type", &["transaction", "refund"]);
        return inside(field, seen);
    };
    let mut wrong = Vec::new();
    let mut orders = 0;
    for entity in entities {
        let mut seen = Inspection::of(entity);
        match entity["schema"].as_str().and_then(|schema| schema.split('/').nth(1)) {
            Some("transaction") => {
                orders += 1;
                seen.numbers(&["/data/revenue"]);
                seen.need("/data/transaction_id", "an id", |id| is_text_within(id, 4096));
                seen.need("/data/currency", "a currency", is_currency);
                seen.texts(&["/data/payment_method"]);
                seen.need("/data/total_quantity", "an integer", Value::is_u64);
            }
            Some("refund") => {
                orders += 1;
                seen.numbers(&["/data/refund_amount"]);
                seen.need("/data/transaction_id", "an id", |id| is_text_within(id, 4096));
                seen.need("/data/currency", "a currency", is_currency);
            }
            Some("product") => {
                seen.texts(&["/data/id", "/data/category"]);
                seen.numbers(&["/data/price"]);
                seen.need("/data/currency", "a currency", is_currency);
            }
            Some("user") => seen.need("/data/id", "an id", |id| is_text_within(id, 128)),
            Some("consent_preferences") => {
                let kinds = ["deny_all", "allow_all", "allow_selected"];
                seen.one_of("/data/eventType", &kinds);
                seen.need("/data/consentScopes", "a list that is not empty", |scopes| {
                    scopes.as_array().is_some_and(|scopes| !scopes.is_empty())
                });
            }
            other => seen.rule(false, format!("no schema {other:?} is known")),
        }
        wrong.extend(inside(field, seen));
    }
    if orders != 1 {
        wrong.push(format!("{field}: holds {orders} transactions or refunds, not one"));
    }
    wrong
}

fn inside(field: &str, seen: Inspection<'_>) -> Vec<String> {
    seen.wrong().into_iter().map(|text| format!("{field}: {text}")).collect()
}
