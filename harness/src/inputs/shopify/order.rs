//! The order as every order topic sends it.

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use url::Url;

use super::shop_number;
use crate::{
    inputs::{OrderView, money, times},
    plan::{Contact, Shop},
    scenario::{JoinKey, OrderKind, OrderState},
};

/// A landing site is noted with at most this many characters.
const LANDING_SITE_LIMIT: usize = 255;
/// Latitude on every address: a fraction that a receiver changes if it writes the JSON anew.
const LATITUDE: f64 = 52.0;

/// The order's fields by topic; real deliveries hold them all in one object.
pub(super) fn order(view: &OrderView<'_>, shop: &Shop) -> Value {
    let parts = [identity(view, shop), amounts(view), visit(view), people(view), lines(view)];
    let mut fields = Map::new();
    for part in parts {
        if let Value::Object(part) = part {
            fields.extend(part);
        }
    }
    Value::Object(fields)
}

fn identity(view: &OrderView<'_>, shop: &Shop) -> Value {
    let order = view.order;
    let id = order.numeric_id;
    let time = |at| times::zoned(at, order.zone);
    let number = 1_000 + id % 1_000_000;
    let key = view.canary("order_status_key").unwrap_or("none");
    let renewal = order.kind == OrderKind::Renewal;
    json!({
        "id": id,
        "admin_graphql_api_id": format!("gid://shopify/Order/{id}"),
        "app_id": 580_111,
        "name": order.name,
        "order_number": number,
        "number": number - 1_000,
        "confirmation_number": format!("C{:08X}", id % 0xFFFF_FFFF),
        "token": order.token,
        "order_status_url": format!(
            "https://{}/{}/orders/{}/authenticate?key={key}", shop.domain, shop_number(shop), order.token),
        "source_name": source_name(order.kind),
        "test": order.test,
        "payment_gateway_names": [if order.test { "bogus" } else { "shopify_payments" }],
        "tags": if renewal { "Subscription, Subscription Recurring Order" } else { "" },
        "financial_status": financial_status(view.state),
        "fulfillment_status": null,
        "cancelled_at": view.cancelled_at.map(time),
        "cancel_reason": view.cancelled_at.map(|_| "customer"),
        "created_at": time(view.placed_at),
        "processed_at": time(view.placed_at),
        "updated_at": time(view.updated_at),
        "note": view.canary("note"),
        "note_attributes": note_attributes(view),
    })
}

/// `current_*` follows edits and refunds, `total_price` does not.
fn amounts(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let amount = |amount: Decimal| money::text(amount, &order.currency);
    let left = view.total - view.refunded;
    let outstanding = match view.state {
        OrderState::Pending | OrderState::Authorized | OrderState::PartiallyPaid => left,
        _ => Decimal::ZERO,
    };
    let (presented, presentment) =
        order.presentment.clone().unwrap_or((order.total, order.currency.clone()));
    // What the customer saw is known for the total; other amounts follow in proportion.
    let in_presentment = |of: Decimal| match presented.checked_div(order.total) {
        Some(rate) => (of * rate).round_dp(money::digits(&presentment)),
        None => of,
    };
    let set = |of: Decimal| {
        json!({
            "shop_money": {"amount": amount(of), "currency_code": order.currency},
            "presentment_money": {
                "amount": money::text(in_presentment(of), &presentment), "currency_code": presentment,
            },
        })
    };
    json!({
        "currency": order.currency,
        "presentment_currency": presentment,
        "total_price": amount(order.total),
        "total_price_set": set(order.total),
        "current_total_price": amount(left),
        "current_total_price_set": set(left),
        "subtotal_price": amount(order.subtotal),
        "total_tax": amount(order.tax),
        "total_discounts": amount(order.discount),
        "total_shipping_price_set": set(order.shipping),
        "total_outstanding": amount(outstanding),
        "taxes_included": order.subtotal + order.tax + order.shipping != order.total,
    })
}

/// What the store knows of the visit; nothing where no browser took part.
fn visit(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let web = order.kind == OrderKind::Web;
    let token = |token: &Option<String>, key| token.clone().filter(|_| web && view.joined_by(key));
    let device = web.then(|| {
        json!({
            "accept_language": "de-DE,de;q=0.9", "browser_height": null, "browser_ip": view.ip,
            "browser_width": null, "session_hash": null, "user_agent": view.user_agent,
        })
    });
    json!({
        "browser_ip": view.ip.as_ref().filter(|_| web),
        "client_details": device,
        "cart_token": token(&order.cart_token, JoinKey::Cart),
        "checkout_id": token(&order.checkout_token, JoinKey::Checkout)
            .map(|_| order.numeric_id.wrapping_add(31_000_000_000_000)),
        "checkout_token": token(&order.checkout_token, JoinKey::Checkout),
        "landing_site": landing_site(view).filter(|_| web),
        "landing_site_ref": null,
        "referring_site": view.referrer.as_ref().filter(|_| web),
        "customer_locale": "de-DE",
    })
}

fn people(view: &OrderView<'_>) -> Value {
    let contact = &view.order.contact;
    let address = address(contact, view);
    json!({
        "email": contact.email,
        "contact_email": contact.email,
        "phone": contact.phone,
        "buyer_accepts_marketing": false,
        "billing_address": address,
        "shipping_address": address,
        "customer": customer(contact),
    })
}

fn lines(view: &OrderView<'_>) -> Value {
    let order = view.order;
    let amount = |amount: Decimal| money::text(amount, &order.currency);
    let properties = match view.canary("line_property") {
        Some(text) => json!([{"name": "Engraving", "value": text}]),
        None => json!([]),
    };
    json!({
        "line_items": [{
            "id": order.numeric_id.wrapping_add(9_000_000_000_000),
            "product_id": order.product_id,
            "variant_id": order.product_id.wrapping_add(36_000_000_000_000),
            "sku": "MUG-1", "title": "Mug", "name": "Mug", "vendor": "Example",
            "quantity": 1, "current_quantity": 1, "gift_card": false,
            "price": amount(order.subtotal), "total_discount": amount(Decimal::ZERO),
            "properties": properties,
            "tax_lines": [{"title": "MwSt", "price": amount(order.tax), "rate": 0.19}],
        }],
        "discount_codes": [], "discount_applications": [], "fulfillments": [], "refunds": [],
        "shipping_lines": [], "tax_lines": [],
    })
}

/// Path and query of the first page, cut as the shop cuts it.
fn landing_site(view: &OrderView<'_>) -> Option<String> {
    if !view.joined_by(JoinKey::LandingSite) {
        return None;
    }
    let url = Url::parse(view.landing_url.as_deref()?).ok()?;
    let site = match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    };
    Some(site.chars().take(LANDING_SITE_LIMIT).collect())
}

fn note_attributes(view: &OrderView<'_>) -> Value {
    let mut attributes = Vec::new();
    if let Some(name) =
        view.visitor_attribute.as_ref().filter(|_| view.joined_by(JoinKey::Attribute))
    {
        attributes.push(json!({"name": name, "value": view.person.visitor_id}));
    }
    if let Some((name, value)) = &view.consent_attribute {
        attributes.push(json!({"name": name, "value": value}));
    }
    if let Some(text) = view.canary("attribute") {
        attributes.push(json!({"name": "Gift message", "value": text}));
    }
    Value::Array(attributes)
}

fn customer(contact: &Contact) -> Value {
    if contact.customer_id.is_none() && contact.email.is_none() && contact.phone.is_none() {
        return Value::Null;
    }
    json!({
        "id": contact.customer_id.as_deref().and_then(|id| id.parse::<u64>().ok()),
        "email": contact.email,
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "phone": contact.phone,
        "verified_email": true,
        "email_marketing_consent": {"state": "not_subscribed", "opt_in_level": "single_opt_in", "consent_updated_at": null},
        "sms_marketing_consent": null,
    })
}

fn address(contact: &Contact, view: &OrderView<'_>) -> Value {
    if contact.city.is_none() && contact.postcode.is_none() && contact.country.is_none() {
        return Value::Null;
    }
    let code = contact.region.as_deref().filter(|region| {
        (1..=3).contains(&region.len()) && region.bytes().all(|b| b.is_ascii_uppercase())
    });
    json!({
        "first_name": contact.first_name,
        "last_name": contact.last_name,
        "company": view.canary("company"),
        "address1": contact.street.as_deref().or(view.canary("street")),
        "address2": view.canary("address2"),
        "city": contact.city,
        "zip": contact.postcode,
        "province": contact.region,
        "province_code": code,
        "country": contact.country.as_deref().map(country_name),
        "country_code": contact.country,
        "phone": contact.phone,
        "latitude": LATITUDE,
        "longitude": 13.5,
    })
}

fn country_name(code: &str) -> &str {
    match code {
        "AT" => "Austria",
        "CA" => "Canada",
        "CH" => "Switzerland",
        "DE" => "Germany",
        "ES" => "Spain",
        "FR" => "France",
        "GB" => "United Kingdom",
        "IT" => "Italy",
        "JP" => "Japan",
        "NL" => "Netherlands",
        "PL" => "Poland",
        "SE" => "Sweden",
        "US" => "United States",
        other => other,
    }
}

fn financial_status(state: OrderState) -> &'static str {
    match state {
        OrderState::Pending => "pending",
        OrderState::Authorized => "authorized",
        OrderState::PartiallyPaid => "partially_paid",
        OrderState::Paid => "paid",
        OrderState::PartiallyRefunded => "partially_refunded",
        OrderState::Refunded => "refunded",
        OrderState::Voided | OrderState::Cancelled => "voided",
    }
}

fn source_name(kind: OrderKind) -> &'static str {
    match kind {
        OrderKind::Web => "web",
        OrderKind::Pos => "pos",
        OrderKind::Draft => "shopify_draft_order",
        OrderKind::Api => "1354745",
        OrderKind::Renewal => "subscription_contract_checkout_one",
    }
}
