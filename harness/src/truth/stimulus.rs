//! Facts read from what the harness itself sent: the order's own times and state as the store told them, and which
//! facts a scenario's patch may have changed.

use serde::Deserialize;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    history::{Call, Shown},
    inputs::Format,
    scenario::{OrderState, OrderStep, WebhookStep},
    truth::Fact,
};

/// What a webhook's body says of its order, where its format is known.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// The moments at which the store says that the order was placed.
    pub(super) times: Vec<OffsetDateTime>,
    /// The state in which it shows the order.
    pub(super) state: Option<OrderState>,
}

/// The members of a body that are read here; a body has a hundred.
#[derive(Deserialize)]
struct Words {
    processed_at: Option<Value>,
    created_at: Option<Value>,
    cancelled_at: Option<Value>,
    financial_status: Option<Value>,
    data: Option<Value>,
}

/// What a delivery told, as its body says where a scenario may have patched it, else as the driver noted it.
pub(super) fn told(call: &Call, shown: &Shown, at: OffsetDateTime) -> Told {
    let own_words = matches!(shown.format, "shopify" | "standard_webhooks");
    let words = || serde_json::from_str::<Words>(&call.request.body).ok();
    match own_words.then(words).flatten() {
        Some(words) => Told { times: times(&words), state: state(words) },
        None if own_words || shown.format.is_empty() => Told::default(),
        // Without a time of its own an event happens when it is told.
        None => Told { times: vec![shown.placed_at.unwrap_or(at)], state: shown.state },
    }
}

fn times(words: &Words) -> Vec<OffsetDateTime> {
    let placed_at = words.data.as_ref().and_then(|data| data.get("placed_at"));
    let mut times: Vec<OffsetDateTime> =
        [words.processed_at.as_ref(), words.created_at.as_ref(), placed_at]
            .into_iter()
            .filter_map(|at| OffsetDateTime::parse(at?.as_str()?, &Rfc3339).ok())
            .collect();
    times.dedup();
    times
}

fn state(words: Words) -> Option<OrderState> {
    if words.cancelled_at.is_some() {
        return Some(OrderState::Cancelled);
    }
    let state = words.financial_status.or_else(|| words.data?.get("state").cloned())?;
    serde_json::from_value(state).ok()
}

/// Every fact that an order's own words decide.
const ALL: &[Fact] = &[
    Fact::Value,
    Fact::Currency,
    Fact::Time,
    Fact::Identity,
    Fact::Device,
    Fact::Join,
    Fact::Id,
    Fact::Count,
    Fact::Consent,
    Fact::Adjustments,
];

/// Facts that a scenario may have changed: by the patch of the order, or by the patch or the whole body of a webhook about
/// it that the relay had to take.
pub(super) fn unsure<'s>(
    format: Option<&dyn Format>,
    step: &OrderStep,
    webhooks: impl Iterator<Item = &'s WebhookStep>,
) -> Vec<Fact> {
    let mut facts = Vec::new();
    let mut add = |touched: &[Fact]| {
        for fact in touched {
            if !facts.contains(fact) {
                facts.push(*fact);
            }
        }
    };
    if let Some(patch) = &step.patch {
        add(&touched(format, patch));
    }
    for webhook in webhooks {
        match (&webhook.raw, &webhook.patch) {
            (Some(_), _) => add(ALL),
            (None, Some(patch)) => add(&touched(format, patch)),
            (None, None) => {}
        }
    }
    facts
}

/// Facts that a patch may have changed. Only the fields of these two formats are known; elsewhere it may be any.
fn touched(format: Option<&dyn Format>, patch: &Value) -> Vec<Fact> {
    let known = format.is_some_and(|format| matches!(format.id(), "shopify" | "standard_webhooks"));
    let Value::Object(patch) = patch else { return ALL.to_vec() };
    if !known {
        return ALL.to_vec();
    }
    let mut facts = Vec::new();
    let inner = patch.get("data").and_then(Value::as_object);
    for key in patch.keys().chain(inner.into_iter().flat_map(|data| data.keys())) {
        let touched: &[Fact] = match key.as_str() {
            "note_attributes" => &[Fact::Join, Fact::Count],
            "visitor_id" | "cart_token" | "checkout_token" | "landing_site" | "landing_url" => {
                &[Fact::Join]
            }
            "consent" => &[Fact::Count],
            "currency" => &[Fact::Currency, Fact::Value, Fact::Count],
            "presentment_currency" => &[Fact::Currency, Fact::Value],
            "created_at" | "processed_at" | "placed_at" => &[Fact::Time, Fact::Count],
            "email" | "phone" | "contact_email" | "customer" | "billing_address"
            | "shipping_address" | "contact" | "default_address" => &[Fact::Identity, Fact::Count],
            "browser_ip" | "client_details" | "device" => &[Fact::Device],
            "id" | "order_number" | "name" => &[Fact::Id],
            "financial_status"
            | "cancelled_at"
            | "source_name"
            | "test"
            | "gateway"
            | "payment_gateway_names"
            | "state"
            | "kind"
            | "type" => &[Fact::Count],
            key if key.contains("price") || key.contains("total") => &[Fact::Value, Fact::Count],
            _ => &[],
        };
        facts.extend(touched.iter().copied().filter(|f| !facts.contains(f)).collect::<Vec<_>>());
    }
    facts
}
