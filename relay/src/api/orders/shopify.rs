//! Shopify orders and refunds. Every optional field may be null, empty, missing or of another type: it is
//! then absent. Only the id is needed. <https://shopify.dev/docs/api/admin-rest/latest/resources/order>

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::clock::millis;
use crate::model::consent::Consent;
use crate::model::conversion::{Contact, Device, Item};
use crate::model::money;
use crate::model::order::{Order, OrderKind, OrderState, Refund};

/// Longest text that is taken from an order.
const TEXT: usize = 2048;
/// Most lines and refunds that are read.
const LINES: usize = 500;

/// Reads an order; `None` without a usable id. `received` stands in for missing times.
#[must_use]
pub fn order(
    v: &Value,
    triggered: Option<OffsetDateTime>,
    received: OffsetDateTime,
) -> Option<Order> {
    let id = exact_id(v.get("id"))?;
    let placed_at = time(v, "created_at").or_else(|| time(v, "processed_at"));
    let version = time(v, "updated_at").or(triggered).or(placed_at).unwrap_or(received);
    let total = amount(v, "total_price");
    let gateways = v.get("payment_gateway_names").and_then(Value::as_array);
    let bogus = gateways.is_some_and(|g| g.iter().any(|n| n.as_str() == Some("bogus")));
    let attribute = |name: &str| {
        let list = v.get("note_attributes").and_then(Value::as_array)?;
        let entry = list.iter().find(|a| a.get("name").and_then(Value::as_str) == Some(name))?;
        text(entry, "value")
    };
    Some(Order {
        id,
        name: text(v, "name"),
        placed_at: placed_at.unwrap_or(received),
        version_ms: millis(version),
        state: text(v, "financial_status").and_then(|s| OrderState::parse(&s)),
        kind: kind(v),
        test: v.get("test").and_then(Value::as_bool).unwrap_or(false) || bogus,
        cancelled_at: time(v, "cancelled_at"),
        currency: text(v, "currency").and_then(|c| money::currency(&c)),
        total,
        subtotal: amount(v, "subtotal_price"),
        tax: amount(v, "total_tax"),
        shipping: shipping(v),
        items: items(v),
        contact: contact(v),
        device: device(v),
        landing: text(v, "landing_site").map(|site| whole_parameters(&site)),
        referrer: text(v, "referring_site"),
        visitor_id: attribute("relay_visitor_id").filter(|id| id.len() <= 128),
        cart_token: text(v, "cart_token"),
        checkout_token: text(v, "checkout_token"),
        consent: attribute("relay_consent").map(|c| Consent::from_attribute(&c)),
    })
}

/// Refunds that an order body carries along.
#[must_use]
pub fn refunds_of_order(v: &Value, received: OffsetDateTime) -> Vec<(String, Refund)> {
    let list = v.get("refunds").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let Some(order_id) = exact_id(v.get("id")) else { return Vec::new() };
    list.iter()
        .take(LINES)
        .filter_map(|r| Some((order_id.clone(), read_refund(r, received)?)))
        .collect()
}

/// A refund with its order; `None` if ids are missing or no money went back (yet).
#[must_use]
pub fn refund(v: &Value, received: OffsetDateTime) -> Option<(String, Refund)> {
    Some((exact_id(v.get("order_id"))?, read_refund(v, received)?))
}

/// Money given back is the sum of successful refund transactions: lines alone miss shipping and goodwill.
fn read_refund(v: &Value, received: OffsetDateTime) -> Option<Refund> {
    let id = exact_id(v.get("id"))?;
    let transactions = v.get("transactions").and_then(Value::as_array)?;
    let mut sum = Decimal::ZERO;
    let mut currency = None;
    for t in transactions.iter().take(LINES) {
        let is = |key: &str, value: &str| t.get(key).and_then(Value::as_str) == Some(value);
        if !is("kind", "refund") || !is("status", "success") {
            continue;
        }
        let shop = t.pointer("/amount_set/shop_money");
        let (amount, code) = match shop {
            Some(shop) => (amount(shop, "amount"), text(shop, "currency_code")),
            None => (amount(t, "amount"), text(t, "currency")),
        };
        sum += amount?;
        currency = code.and_then(|c| money::currency(&c)).or(currency);
    }
    let at = time(v, "processed_at").or_else(|| time(v, "created_at")).unwrap_or(received);
    (!sum.is_zero()).then_some(Refund { id, amount: sum, currency, at })
}

/// Identity of an order as text, exact beyond 2^53.
#[must_use]
pub fn exact_id(v: Option<&Value>) -> Option<String> {
    match v? {
        Value::Number(n) => {
            n.as_u64().map(|n| n.to_string()).or_else(|| n.as_i64().map(|n| n.to_string()))
        }
        Value::String(s) if !s.is_empty() && s.len() <= 64 => {
            s.bytes().all(|b| b.is_ascii_digit()).then(|| s.clone())
        }
        _ => None,
    }
}

fn kind(v: &Value) -> OrderKind {
    let source = text(v, "source_name").unwrap_or_default();
    match source.as_str() {
        "pos" => OrderKind::Pos,
        "shopify_draft_order" => OrderKind::Draft,
        s if s.starts_with("subscription_contract") => OrderKind::Renewal,
        "" | "web" | "iphone" | "android" | "shop_app" | "shop" => OrderKind::Web,
        // A numeric app id, or a name that an app gave itself.
        _ => OrderKind::Api,
    }
}

fn shipping(v: &Value) -> Option<Decimal> {
    let price = v
        .pointer("/total_shipping_price_set/shop_money")
        .and_then(|money| amount(money, "amount"))?;
    let included = v.get("taxes_included").and_then(Value::as_bool).unwrap_or(false);
    if !included {
        return Some(price);
    }
    let lines = v.get("shipping_lines").and_then(Value::as_array);
    let taxes = lines.into_iter().flatten().take(LINES).filter_map(|l| l.get("tax_lines"));
    let tax: Decimal =
        taxes.filter_map(Value::as_array).flatten().filter_map(|t| amount(t, "price")).sum();
    Some((price - tax).max(Decimal::ZERO))
}

fn items(v: &Value) -> Vec<Item> {
    let lines =
        v.get("line_items").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    lines
        .iter()
        .take(LINES)
        .filter_map(|line| {
            let id =
                exact_id(line.get("variant_id")).or_else(|| exact_id(line.get("product_id")))?;
            let quantity = line.get("quantity").and_then(Value::as_u64)?;
            let unit_price = amount(line, "price")?;
            Some(Item { id, quantity: u32::try_from(quantity).ok()?, unit_price })
        })
        .collect()
}

fn contact(v: &Value) -> Contact {
    let nothing = Value::Null;
    let part = |name: &str| v.get(name).unwrap_or(&nothing);
    let (customer, billing, shipping) =
        (part("customer"), part("billing_address"), part("shipping_address"));
    let address = if billing.is_object() { billing } else { shipping };
    let default = customer.get("default_address").unwrap_or(&nothing);
    let address = if address.is_object() { address } else { default };
    let first = |places: &[(&Value, &str)]| places.iter().find_map(|(v, key)| text(v, key));
    Contact {
        email: first(&[(v, "email"), (v, "contact_email"), (customer, "email")]),
        phone: first(&[
            (v, "phone"),
            (customer, "phone"),
            (billing, "phone"),
            (shipping, "phone"),
            (default, "phone"),
        ]),
        first_name: first(&[(customer, "first_name"), (address, "first_name")]),
        last_name: first(&[(customer, "last_name"), (address, "last_name")]),
        city: text(address, "city"),
        region: first(&[(address, "province_code"), (address, "province")]),
        postcode: text(address, "zip"),
        country: text(address, "country_code"),
        customer_id: exact_id(customer.get("id")),
    }
}

fn device(v: &Value) -> Device {
    let client = v.get("client_details").unwrap_or(&Value::Null);
    Device {
        ip: text(client, "browser_ip").or_else(|| text(v, "browser_ip")),
        user_agent: text(client, "user_agent"),
    }
}

fn text(v: &Value, key: &str) -> Option<String> {
    let text = v.get(key)?.as_str()?;
    (!text.is_empty() && text.len() <= TEXT).then(|| text.to_owned())
}

fn time(v: &Value, key: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(v.get(key)?.as_str()?, &Rfc3339).ok()
}

fn amount(v: &Value, key: &str) -> Option<Decimal> {
    v.get(key)?.as_str().and_then(money::amount)
}

/// Shopify notes at most so many characters of the first page's address.
const LANDING_SITE_LIMIT: usize = 255;

/// The landing page without a parameter that was cut off at the end: half a click id is nobody's click.
fn whole_parameters(site: &str) -> String {
    if site.chars().count() < LANDING_SITE_LIMIT {
        return site.to_owned();
    }
    let whole = site.rsplit_once(['?', '&']).map_or(site, |(before, _)| before);
    whole.to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    const NOW: OffsetDateTime = OffsetDateTime::UNIX_EPOCH;

    fn full() -> Value {
        json!({
            "id": 9_007_199_254_740_993_u64, "name": "#1001", "source_name": "web", "test": false,
            "financial_status": "paid", "created_at": "2026-03-29T03:30:00+02:00",
            "updated_at": "2026-03-29T03:30:01+02:00", "currency": "EUR", "total_price": "49.99",
            "presentment_currency": "SEK", "total_tax": "7.98", "taxes_included": true,
            "total_shipping_price_set": {"shop_money": {"amount": "11.90", "currency_code": "EUR"}},
            "shipping_lines": [{"tax_lines": [{"price": "1.90"}]}],
            "email": "", "contact_email": "jane@example.com", "customer": {"id": 7, "phone": null},
            "note_attributes": [{"name": "relay_visitor_id", "value": "v-1"},
                                {"name": "relay_consent", "value": "ads=1;store=1"}],
            "billing_address": {"country_code": "DE", "zip": "50667"},
            "client_details": {"browser_ip": "203.0.113.24", "user_agent": "UA"},
            "line_items": [{"product_id": 8, "variant_id": 44, "quantity": 2, "price": "20.00"},
                           {"product_id": null, "variant_id": null, "quantity": 1, "price": "9.99"}]
        })
    }

    #[test]
    fn a_full_order() {
        let o = order(&full(), None, NOW).unwrap();
        assert_eq!(o.id, "9007199254740993");
        assert_eq!(o.placed_at.offset().whole_hours(), 2);
        assert_eq!(o.total.unwrap().to_string(), "49.99");
        assert_eq!(o.shipping.unwrap().to_string(), "10.00");
        assert_eq!(o.contact.email.as_deref(), Some("jane@example.com"));
        assert_eq!(o.visitor_id.as_deref(), Some("v-1"));
        assert!(o.consent.unwrap().ads.granted());
        assert_eq!(o.items.len(), 1);
    }

    #[test]
    fn a_landing_page_that_was_cut_off_loses_its_last_parameter() {
        let id = "x".repeat(300);
        let site: String = format!("/p?utm_source=a&gclid={id}").chars().take(255).collect();
        assert_eq!(whole_parameters(&site), "/p?utm_source=a");
        let only: String = format!("/p?gclid={id}").chars().take(255).collect();
        assert_eq!(whole_parameters(&only), "/p");
        assert_eq!(whole_parameters("/p?gclid=short"), "/p?gclid=short");
    }

    #[test]
    fn kinds_of_orders() {
        for (source, expected) in [
            (json!("iphone"), OrderKind::Web),
            (json!("pos"), OrderKind::Pos),
            (json!("shopify_draft_order"), OrderKind::Draft),
            (json!("subscription_contract_checkout_one"), OrderKind::Renewal),
            (json!("1354745"), OrderKind::Api),
            (json!(null), OrderKind::Web),
        ] {
            assert_eq!(
                order(&json!({"id": 1, "source_name": source}), None, NOW).unwrap().kind,
                expected
            );
        }
        let bogus = json!({"id": 1, "payment_gateway_names": ["bogus"]});
        assert!(order(&bogus, None, NOW).unwrap().test);
    }

    #[test]
    fn only_successful_refund_transactions_are_money() {
        let v = json!({"id": 5, "order_id": 1, "created_at": "2026-03-30T00:00:00Z", "transactions": [
            {"kind": "refund", "status": "success", "amount": "30.00", "currency": "EUR"},
            {"kind": "refund", "status": "failure", "amount": "5.00", "currency": "EUR"},
            {"kind": "void", "status": "success", "amount": "7.00", "currency": "EUR"}]});
        let (order_id, r) = refund(&v, NOW).unwrap();
        assert_eq!((order_id.as_str(), r.amount.to_string().as_str()), ("1", "30.00"));
        assert_eq!(refund(&json!({"id": 5, "order_id": 1, "transactions": []}), NOW), None);
    }

    proptest! {
        #[test]
        fn any_field_may_be_null_missing_or_of_another_type(which in 1_usize..30, how in 0_u8..4) {
            let mut v = full();
            let map = v.as_object_mut().unwrap();
            let keys: Vec<String> = map.keys().cloned().collect();
            let key = keys.get(which % keys.len()).unwrap().clone();
            prop_assume!(key != "id");
            match how {
                0 => drop(map.remove(&key)),
                1 => drop(map.insert(key, Value::Null)),
                2 => drop(map.insert(key, json!(17.5))),
                _ => drop(map.insert(key, json!([{"x": []}]))),
            }
            prop_assert!(order(&v, None, NOW).is_some());
        }
    }
}
