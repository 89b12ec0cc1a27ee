//! The relay's own order format, carried by Standard Webhooks. Strict: a wrong type is an error with its field.

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use crate::api::error::ApiError;
use crate::api::fields::{Fields, TEXT};
use crate::clock::millis;
use crate::model::conversion::{Contact, Device, Item};
use crate::model::money;
use crate::model::order::{Order, OrderKind, OrderState, Refund};

/// What a body says.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// An order's state.
    Order(Box<Order>),
    /// A refund with its order's id.
    Refund(String, Refund),
    /// A type that is not for us.
    Ignored,
}

/// Reads a body.
///
/// # Errors
/// 400 with the field at fault.
pub(in crate::api) fn read(body: &Value) -> Result<Event, ApiError> {
    let root = Fields::root(body)?;
    let kind = root.required("type", TEXT)?;
    let state = match kind.as_str() {
        "order.created" | "order.updated" | "order.refunded" => None,
        "order.paid" => Some(OrderState::Paid),
        "order.cancelled" => Some(OrderState::Cancelled),
        _ => return Ok(Event::Ignored),
    };
    let at = root.required_time("timestamp")?;
    let missing = || ApiError::field("data", "expected an object");
    let data = root.object("data")?.ok_or_else(missing)?;
    if kind == "order.refunded" {
        return refund(&data);
    }
    order(&data, at, state).map(|order| Event::Order(Box::new(order)))
}

fn order(
    data: &Fields<'_>,
    at: OffsetDateTime,
    implied: Option<OrderState>,
) -> Result<Order, ApiError> {
    let named = |field: &str| ApiError::field(data.name(field), "not one of the known values");
    let state = match data.text("state")? {
        Some(text) => Some(OrderState::parse(&text).ok_or_else(|| named("state"))?),
        None => implied,
    };
    let cancelled = implied == Some(OrderState::Cancelled) || state == Some(OrderState::Cancelled);
    let kind = match data.text("kind")? {
        Some(text) => OrderKind::parse(&text).ok_or_else(|| named("kind"))?,
        None => OrderKind::Web,
    };
    Ok(Order {
        id: data.required("id", 128)?,
        name: data.text("name")?,
        placed_at: data.required_time("placed_at")?,
        version_ms: millis(at),
        state,
        kind,
        test: data.flag("test")?,
        cancelled_at: cancelled.then_some(at),
        // Missing or unusable money is no reason to refuse an order: it is kept and reported.
        currency: data.text("currency")?.and_then(|c| money::currency(&c)),
        total: amount(data, "total")?,
        subtotal: amount(data, "subtotal")?,
        tax: amount(data, "tax")?,
        shipping: amount(data, "shipping")?,
        items: items(data)?,
        contact: contact(data)?,
        device: device(data)?,
        landing: data.text_up_to("landing_url", 8192)?,
        referrer: None,
        visitor_id: data.text_up_to("visitor_id", 128)?,
        cart_token: data.text("cart_token")?,
        checkout_token: data.text("checkout_token")?,
        consent: data.consent("consent", false)?,
    })
}

fn refund(data: &Fields<'_>) -> Result<Event, ApiError> {
    let order_id = data.required("order_id", 128)?;
    let unusable = |field: &str| ApiError::field(data.name(field), "expected decimal text");
    let amount = amount(data, "amount")?.ok_or_else(|| unusable("amount"))?;
    let code = data.required("currency", 8)?;
    let currency = money::currency(&code)
        .ok_or_else(|| ApiError::field(data.name("currency"), "expected an ISO 4217 code"))?;
    let refund = Refund {
        id: data.required("refund_id", 128)?,
        amount,
        currency: Some(currency),
        at: data.required_time("refunded_at")?,
    };
    Ok(Event::Refund(order_id, refund))
}

fn amount(data: &Fields<'_>, field: &str) -> Result<Option<Decimal>, ApiError> {
    Ok(data.text(field)?.and_then(|text| money::amount(&text)))
}

fn items(data: &Fields<'_>) -> Result<Vec<Item>, ApiError> {
    let mut items = Vec::new();
    for item in data.list("items")?.into_iter().take(500) {
        let bad = |field: &str, what: &str| ApiError::field(item.name(field), what);
        let quantity = item.get("quantity").and_then(Value::as_u64);
        let quantity = quantity.and_then(|q| u32::try_from(q).ok());
        items.push(Item {
            id: item.required("id", 128)?,
            quantity: quantity.ok_or_else(|| bad("quantity", "expected a whole number"))?,
            unit_price: amount(&item, "unit_price")?
                .ok_or_else(|| bad("unit_price", "expected decimal text"))?,
        });
    }
    Ok(items)
}

fn contact(data: &Fields<'_>) -> Result<Contact, ApiError> {
    let Some(c) = data.object("contact")? else { return Ok(Contact::default()) };
    Ok(Contact {
        email: c.text("email")?,
        phone: c.text("phone")?,
        first_name: c.text("first_name")?,
        last_name: c.text("last_name")?,
        city: c.text("city")?,
        region: c.text("region")?,
        postcode: c.text("postcode")?,
        country: c.text("country")?,
        customer_id: c.text("customer_id")?,
    })
}

fn device(data: &Fields<'_>) -> Result<Device, ApiError> {
    let Some(d) = data.object("device")? else { return Ok(Device::default()) };
    Ok(Device { ip: d.text("ip")?, user_agent: d.text("user_agent")? })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    fn body(kind: &str, data: Value) -> Value {
        json!({"type": kind, "timestamp": "2026-03-02T09:15:31Z", "data": data})
    }

    fn minimal() -> Value {
        json!({"id": "o-1", "placed_at": "2026-03-02T10:15:30+01:00", "total": "49.99", "currency": "EUR"})
    }

    fn read_order(v: &Value) -> Order {
        match read(v).unwrap() {
            Event::Order(order) => *order,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_type_implies_the_state_and_the_state_may_be_said() {
        assert_eq!(read_order(&body("order.paid", minimal())).state, Some(OrderState::Paid));
        assert_eq!(read_order(&body("order.created", minimal())).state, None);
        assert!(read_order(&body("order.cancelled", minimal())).cancelled_at.is_some());
        assert_eq!(read(&body("cart.created", json!({}))), Ok(Event::Ignored));
    }

    #[test]
    fn mistakes_name_their_field() {
        let with = |field: &str, value: Value| {
            let mut data = minimal();
            data.as_object_mut().unwrap().insert(field.into(), value);
            read(&body("order.paid", data)).unwrap_err()
        };
        assert_eq!(with("total", json!(49.99)).at(), (400, Some("data.total")));
        assert_eq!(with("id", json!(17)).at(), (400, Some("data.id")));
        assert_eq!(
            with("placed_at", json!("2026-03-02 10:15")).at(),
            (400, Some("data.placed_at"))
        );
        assert_eq!(with("contact", json!({"email": 1})).at(), (400, Some("data.contact.email")));
        assert_eq!(with("items", json!([{"id": "a"}])).at(), (400, Some("data.items[0].quantity")));
        assert_eq!(with("state", json!("open")).at(), (400, Some("data.state")));
    }

    #[test]
    fn unusable_money_is_kept_and_nulls_are_absent() {
        let mut data = minimal();
        let map = data.as_object_mut().unwrap();
        map.insert("total".into(), json!("1.234,56"));
        map.insert("currency".into(), Value::Null);
        map.insert("contact".into(), json!({"email": null}));
        let order = read_order(&body("order.paid", data));
        assert_eq!((order.total, order.currency, order.contact.email), (None, None, None));
    }

    #[test]
    fn a_refund() {
        let data = json!({"order_id": "o-1", "refund_id": "r-1", "amount": "30.00", "currency": "EUR",
                          "refunded_at": "2026-03-03T00:00:00Z"});
        let Event::Refund(order, refund) = read(&body("order.refunded", data)).unwrap() else {
            panic!("no refund")
        };
        assert_eq!((order.as_str(), refund.amount.to_string().as_str()), ("o-1", "30.00"));
    }
}
