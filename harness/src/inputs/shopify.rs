//! Shopify webhooks: orders, refunds and the erasure topic, as a shop's subscriptions deliver them.
//!
//! Sources: [deliveries](https://shopify.dev/docs/apps/build/webhooks),
//! [signature](https://shopify.dev/docs/apps/build/webhooks/verify-deliveries),
//! [order](https://shopify.dev/docs/api/admin-rest/latest/resources/order),
//! [refund](https://shopify.dev/docs/api/admin-rest/latest/resources/refund),
//! [erasure](https://shopify.dev/docs/apps/build/compliance/privacy-law-compliance).

use rust_decimal::Decimal;
use serde_json::{Map, Value, json};
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use url::Url;

use super::{
    Delivery, Format, InputFault, OrderView, Redaction, RefundFacts, SecretKind, Subject, money,
    signing,
};
use crate::{
    plan::{Contact, Shop},
    scenario::{JoinKey, OrderKind, OrderState, Signature, Topic},
};

/// A landing site is noted with at most this many characters.
const LANDING_SITE_LIMIT: usize = 255;
/// Latitude on every address: a fraction that a receiver changes if it writes the JSON anew.
const LATITUDE: f64 = 52.0;

/// The format.
#[derive(Debug)]
pub struct Shopify;

impl Format for Shopify {
    fn id(&self) -> &'static str {
        "shopify"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::Plain
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        match &delivery.subject {
            Subject::Order(view) => Ok(order(view, delivery.shop)),
            Subject::Refund(view, facts) => Ok(refund(view, facts)),
            Subject::Redact(who) => Ok(redact(who, delivery.shop)),
        }
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut wrong = Vec::new();
        let mut need = |pointer: &str, what: &str, holds: fn(&Value) -> bool| {
            if !body.pointer(pointer).is_some_and(holds) {
                wrong.push(format!("{pointer} has to be {what}"));
            }
        };
        match topic {
            // The erasure topic has no name of its own among the topics: it is told by its content.
            _ if body.get("orders_to_redact").is_some() => {
                need("/shop_id", "an integer", Value::is_u64);
                need("/shop_domain", "a text", Value::is_string);
            }
            Topic::Refund => {
                need("/id", "an integer", Value::is_u64);
                need("/order_id", "an integer", Value::is_u64);
                need("/transactions/0/amount", "decimal text", is_money);
                need("/transactions/0/currency", "a currency", is_currency);
                need("/created_at", "a time with its offset", is_time);
            }
            Topic::Create | Topic::Paid | Topic::Updated | Topic::Cancelled | Topic::Unrelated => {
                need("/id", "an integer", Value::is_u64);
                need("/name", "a text", Value::is_string);
                need("/token", "a text", Value::is_string);
                for field in
                    ["/total_price", "/current_total_price", "/subtotal_price", "/total_tax"]
                {
                    need(field, "decimal text", is_money);
                }
                need("/currency", "a currency", is_currency);
                for field in ["/created_at", "/processed_at", "/updated_at"] {
                    need(field, "a time with its offset", is_time);
                }
                need("/financial_status", "a text", Value::is_string);
                need("/note_attributes", "a list", Value::is_array);
                need("/line_items/0/product_id", "an integer", Value::is_u64);
                need("/test", "true or false", Value::is_boolean);
            }
        }
        wrong
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        if delivery.signature == Signature::Second {
            return Err(InputFault::new("a shopify delivery carries one signature, not a list"));
        }
        let digest =
            signing::digest(self.secret_kind(), delivery, body, other_layout, <[u8]>::to_vec)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut headers = vec![
            header("Content-Type", "application/json"),
            header("User-Agent", "Shopify-Captain-Hook"),
            header("X-Shopify-Topic", topic_name(delivery)),
        ];
        if let Some(digest) = digest {
            headers.push(header("X-Shopify-Hmac-Sha256", &digest));
        }
        headers.extend([
            header("X-Shopify-Shop-Domain", &delivery.shop.domain),
            header("X-Shopify-API-Version", "2026-07"),
            header("X-Shopify-Webhook-Id", &delivery.delivery_id),
            header("X-Shopify-Event-Id", &delivery.event_id),
            header("X-Shopify-Triggered-At", &rfc3339(delivery.triggered_at)?),
        ]);
        Ok(headers)
    }
}

fn topic_name(delivery: &Delivery<'_>) -> &'static str {
    match (&delivery.subject, delivery.topic) {
        (Subject::Redact(_), _) => "customers/redact",
        (_, Topic::Create) => "orders/create",
        (_, Topic::Paid) => "orders/paid",
        (_, Topic::Updated) => "orders/updated",
        (_, Topic::Cancelled) => "orders/cancelled",
        (_, Topic::Refund) => "refunds/create",
        (_, Topic::Unrelated) => "fulfillments/create",
    }
}

/// Nanoseconds and `Z`, as in `X-Shopify-Triggered-At`.
fn rfc3339(at: OffsetDateTime) -> Result<String, InputFault> {
    at.to_offset(UtcOffset::UTC)
        .format(&Rfc3339)
        .map_err(|error| InputFault::new(format!("{at} cannot be written as RFC 3339: {error}")))
}

/// Whole seconds with the shop's offset.
fn shop_time(at: OffsetDateTime, zone: UtcOffset) -> Value {
    let at = at.to_offset(zone);
    let sign = if zone.is_negative() { '-' } else { '+' };
    Value::String(format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}{sign}{:02}:{:02}",
        at.year(),
        u8::from(at.month()),
        at.day(),
        at.hour(),
        at.minute(),
        at.second(),
        zone.whole_hours().unsigned_abs(),
        zone.minutes_past_hour().unsigned_abs(),
    ))
}

fn shop_number(shop: &Shop) -> usize {
    954_889 + shop.index
}

/// The order's fields by topic; real deliveries hold them all in one object.
fn order(view: &OrderView<'_>, shop: &Shop) -> Value {
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
    let time = |at| shop_time(at, order.zone);
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

fn refund(view: &OrderView<'_>, facts: &RefundFacts) -> Value {
    let order = view.order;
    let amount = money::text(facts.amount, &order.currency);
    let at = shop_time(facts.at, order.zone);
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

fn redact(who: &Redaction, shop: &Shop) -> Value {
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

fn is_money(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Decimal::from_str_exact(text).is_ok())
}

fn is_currency(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()))
}

fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| OffsetDateTime::parse(text, &Rfc3339).is_ok())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{layout, samples},
        scenario::Layout,
    };

    fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
        headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
    }

    #[test]
    fn a_paid_order_looks_like_the_stores() {
        let sample = samples::Sample::new();
        let prepared = Shopify.render(&sample.delivery(Topic::Paid)).unwrap();
        let text = String::from_utf8(prepared.body.clone()).unwrap();
        let body: Value = serde_json::from_str(&text).unwrap();
        assert!(text.contains(r#""id":9007199254740993,"#), "ids are exact integers");
        assert_eq!(body["total_price"], "49.99");
        assert_eq!(body["created_at"], "2026-03-29T03:30:00+02:00");
        assert_eq!(body["landing_site"], "/products/mug?fbclid=IwAR0_Ab-Cd");
        assert_eq!(body["note_attributes"][0], json!({"name": "relay_visitor_id", "value": "v-1"}));
        assert_eq!(body["client_details"]["browser_ip"], "203.0.113.24");
        assert_eq!(body["test"], false);
        assert_eq!(header(&prepared.headers, "X-Shopify-Topic"), Some("orders/paid"));
        assert_eq!(header(&prepared.headers, "X-Shopify-Shop-Domain"), Some("one.myshopify.com"));
        assert_eq!(
            header(&prepared.headers, "X-Shopify-Triggered-At"),
            Some("2026-03-29T01:30:05.000000007Z")
        );
        let mac = signing::hmac_sha256(b"shpss_one", &prepared.body);
        use base64::Engine as _;
        let expected = base64::engine::general_purpose::STANDARD.encode(mac);
        assert_eq!(header(&prepared.headers, "X-Shopify-Hmac-Sha256"), Some(expected.as_str()));
    }

    #[test]
    fn join_keys_that_the_step_excludes_are_not_there() {
        let mut sample = samples::Sample::new();
        sample.joins = vec![JoinKey::Cart];
        let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
        assert_eq!(body["cart_token"], "cart-1");
        assert_eq!(body["checkout_token"], Value::Null);
        assert_eq!(body["landing_site"], Value::Null);
        assert!(!body["note_attributes"].to_string().contains("relay_visitor_id"));
    }

    #[test]
    fn a_long_landing_is_cut_where_the_store_cuts_it() {
        let mut sample = samples::Sample::new();
        sample.landing = format!("https://shop.example/p?pad={}&fbclid=END", "x".repeat(300));
        let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
        assert_eq!(body["landing_site"].as_str().unwrap().len(), 255);
    }

    #[test]
    fn orders_made_without_a_browser_have_no_device_and_no_cart() {
        for kind in [OrderKind::Pos, OrderKind::Draft, OrderKind::Api, OrderKind::Renewal] {
            let mut sample = samples::Sample::new();
            sample.order.kind = kind;
            let body = Shopify.body(&sample.delivery(Topic::Create)).unwrap();
            for field in
                ["client_details", "browser_ip", "cart_token", "checkout_token", "landing_site"]
            {
                assert_eq!(body[field], Value::Null, "{kind:?} {field}");
            }
        }
    }

    #[test]
    fn wrong_signatures_are_wrong_in_the_way_asked_for() {
        let sample = samples::Sample::new();
        let signed = |signature| {
            let mut delivery = sample.delivery(Topic::Paid);
            delivery.signature = signature;
            let prepared = Shopify.render(&delivery).unwrap();
            header(&prepared.headers, "X-Shopify-Hmac-Sha256").map(str::to_owned)
        };
        let right = signed(Signature::Right).unwrap();
        assert_eq!(signed(Signature::Missing), None);
        assert_eq!(signed(Signature::Empty).as_deref(), Some(""));
        assert_eq!(signed(Signature::WrongEncoding).unwrap().len(), 64);
        assert!(signed(Signature::UrlSafe).unwrap().contains(['-', '_']));
        for signature in [
            Signature::Previous,
            Signature::Flipped,
            Signature::Foreign,
            Signature::OtherShop,
            Signature::OfOtherLayout,
            Signature::OfTrailingNewline,
        ] {
            let digest = signed(signature).unwrap();
            assert_eq!(digest.len(), right.len());
            assert_ne!(digest, right, "{signature:?}");
        }
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.signature = Signature::Second;
        Shopify.render(&delivery).unwrap_err();
    }

    #[test]
    fn the_signature_is_over_the_bytes_sent_in_every_layout() {
        let sample = samples::Sample::new();
        for layout in [Layout::Minified, Layout::Pretty, Layout::Unusual] {
            let mut delivery = sample.delivery(Topic::Paid);
            delivery.layout = layout;
            delivery.lower_case_headers = true;
            let prepared = Shopify.render(&delivery).unwrap();
            use base64::Engine as _;
            let mac = signing::hmac_sha256(b"shpss_one", &prepared.body);
            assert_eq!(
                header(&prepared.headers, "x-shopify-hmac-sha256").unwrap(),
                base64::engine::general_purpose::STANDARD.encode(mac)
            );
            let body = layout::write(&Shopify.body(&delivery).unwrap(), layout);
            assert_eq!(body.as_bytes(), prepared.body);
        }
    }

    #[test]
    fn a_refund_names_its_order_and_a_successful_transaction() {
        let sample = samples::Sample::new();
        let mut delivery = sample.delivery(Topic::Refund);
        delivery.subject = sample.refund("30.00");
        let body: Value = serde_json::from_slice(&Shopify.render(&delivery).unwrap().body).unwrap();
        assert_eq!(body["order_id"], 9_007_199_254_740_993_u64);
        assert_eq!(body["transactions"][0]["amount"], "30.00");
        assert_eq!(body["transactions"][0]["status"], "success");
    }

    #[test]
    fn an_erasure_names_the_person_and_the_orders() {
        let sample = samples::Sample::new();
        let mut delivery = sample.delivery(Topic::Updated);
        delivery.subject = Subject::Redact(Redaction {
            customer_id: Some("7100000000001".into()),
            email: Some("jane@example.com".into()),
            phone: None,
            orders: vec![6_100_000_000_001],
        });
        let prepared = Shopify.render(&delivery).unwrap();
        assert_eq!(header(&prepared.headers, "X-Shopify-Topic"), Some("customers/redact"));
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        assert_eq!(body["customer"]["id"], 7_100_000_000_001_u64);
        assert_eq!(body["orders_to_redact"], json!([6_100_000_000_001_u64]));
    }

    #[test]
    fn a_body_that_breaks_the_format_is_a_fault_unless_it_was_asked_for() {
        let mut sample = samples::Sample::new();
        sample.order.currency = "euro".into();
        let fault = Shopify.render(&sample.delivery(Topic::Paid)).unwrap_err();
        assert!(fault.to_string().contains("/currency"), "{fault}");
        let sample = samples::Sample::new();
        let patch = json!({"currency": null, "id": "not a number"});
        let mut delivery = sample.delivery(Topic::Paid);
        delivery.patch = Some(&patch);
        let body: Value = serde_json::from_slice(&Shopify.render(&delivery).unwrap().body).unwrap();
        assert_eq!((body.get("currency"), &body["id"]), (None, &json!("not a number")));
        delivery.raw = Some("{not json");
        assert_eq!(Shopify.render(&delivery).unwrap().body, b"{not json");
    }
}
