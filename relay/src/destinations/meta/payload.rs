//! The body of a request: one server event per order
//! (<https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/server-event>).

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::{contact, money};
use crate::model::conversion::{Contact, Conversion};
use crate::model::identity::meta;

/// `user_data` keys that do not identify anybody, alone or together (META-MATCH-BASELINE).
const WEAK_KEYS: [&str; 5] = ["ct", "country", "st", "zp", "client_user_agent"];

/// The whole body. Keys without a value are left out, never `null`.
pub(super) fn body(conversions: &[Conversion], event_source_url: Option<&str>) -> Value {
    let data: Vec<Value> =
        conversions.iter().map(|conversion| event(conversion, event_source_url)).collect();
    json!({ "data": data })
}

/// Whether `user_data` passes Meta's minimum: something beyond coarse location and user agent.
///
/// A first or last name alone counts for Meta only together; the other sets of the rule need keys
/// (`db`, `ge`) that the relay never sends.
pub(super) fn can_be_matched(conversion: &Conversion) -> bool {
    let user_data = user_data(conversion);
    let strong = |key: &String| !WEAK_KEYS.contains(&key.as_str()) && key != "fn" && key != "ln";
    user_data.keys().any(strong) || (user_data.contains_key("fn") && user_data.contains_key("ln"))
}

fn event(conversion: &Conversion, event_source_url: Option<&str>) -> Value {
    let mut event = Map::new();
    event.insert("event_name".to_owned(), json!("Purchase"));
    event.insert("event_time".to_owned(), json!(conversion.occurred_at.unix_timestamp()));
    event.insert("event_id".to_owned(), json!(conversion.event_id));
    if conversion.in_store {
        event.insert("action_source".to_owned(), json!("physical_store"));
    } else {
        let landing = conversion.click.landing_url.as_deref().filter(|url| is_web(url));
        event.insert("action_source".to_owned(), json!("website"));
        if let Some(page) = landing.or(event_source_url) {
            event.insert("event_source_url".to_owned(), json!(page));
        }
        if let Some(referrer) = conversion.click.referrer.as_deref().filter(|url| is_web(url)) {
            event.insert("referrer_url".to_owned(), json!(referrer));
        }
    }
    let user_data = user_data(conversion);
    if conversion.consent.limited_data_use {
        limit_data_use(&mut event, user_data.contains_key("client_ip_address"));
    }
    event.insert("user_data".to_owned(), Value::Object(user_data));
    event.insert("custom_data".to_owned(), custom_data(conversion));
    Value::Object(event)
}

/// Limited Data Use (<https://developers.facebook.com/docs/marketing-api/overview/data-processing-options>).
///
/// With an IP address Meta locates the shopper (0, 0). Without one country and state are required
/// (META-LDU-IP); the relay does not know the state, so it names the one with the strictest law, California.
fn limit_data_use(event: &mut Map<String, Value>, has_ip: bool) {
    let (country, state) = if has_ip { (0, 0) } else { (1, 1000) };
    event.insert("data_processing_options".to_owned(), json!(["LDU"]));
    event.insert("data_processing_options_country".to_owned(), json!(country));
    event.insert("data_processing_options_state".to_owned(), json!(state));
}

fn user_data(conversion: &Conversion) -> Map<String, Value> {
    let mut user_data = Map::new();
    if let Some(contact) = contact(conversion) {
        hashed(&mut user_data, contact);
    }
    let mut plain = |key: &str, value: Option<&String>| {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            user_data.insert(key.to_owned(), json!(value));
        }
    };
    // One address, not a copied X-Forwarded-For list (META-IP-VALID).
    plain(
        "client_ip_address",
        conversion.device.ip.as_ref().filter(|ip| ip.parse::<IpAddr>().is_ok()),
    );
    plain("client_user_agent", conversion.device.user_agent.as_ref());
    // A malformed fbc makes Meta refuse the whole batch (META-FBC-BAD): better none.
    plain("fbc", conversion.click.fbc.as_ref().filter(|id| is_browser_id(id)));
    plain("fbp", conversion.click.fbp.as_ref().filter(|id| is_browser_id(id)));
    user_data
}

fn hashed(user_data: &mut Map<String, Value>, contact: &Contact) {
    let country = contact.country.as_deref();
    let of = |text: &Option<String>, hash: &dyn Fn(&str) -> Option<String>| {
        text.as_deref().and_then(hash)
    };
    let values = [
        ("em", of(&contact.email, &meta::email)),
        ("ph", of(&contact.phone, &|phone| meta::phone(phone, country))),
        ("fn", of(&contact.first_name, &meta::name)),
        ("ln", of(&contact.last_name, &meta::name)),
        ("ct", of(&contact.city, &meta::city)),
        ("st", of(&contact.region, &|region| meta::state(region, country))),
        ("zp", of(&contact.postcode, &|zip| meta::zip(zip, country))),
        ("country", of(&contact.country, &meta::country)),
        ("external_id", of(&contact.customer_id, &meta::external_id)),
    ];
    for (key, value) in values {
        if let Some(hash) = value {
            user_data.insert(key.to_owned(), json!([hash]));
        }
    }
}

fn custom_data(conversion: &Conversion) -> Value {
    let mut data = Map::new();
    data.insert("value".to_owned(), json!(money::number(conversion.value, &conversion.currency)));
    data.insert("currency".to_owned(), json!(conversion.currency));
    data.insert("order_id".to_owned(), json!(conversion.order_id));
    // An item without an id sinks the batch (META-CONTENTS-LIST).
    let items = || conversion.items.iter().filter(|item| !item.id.trim().is_empty());
    let contents: Vec<Value> = items()
        .map(|item| {
            let mut content = json!({ "id": item.id, "quantity": item.quantity });
            if let Some(price) = money::number(item.unit_price, &conversion.currency) {
                content["item_price"] = json!(price);
            }
            content
        })
        .collect();
    if !contents.is_empty() {
        let ids: Vec<&str> = items().map(|item| item.id.as_str()).collect();
        data.insert("content_type".to_owned(), json!("product"));
        data.insert("content_ids".to_owned(), json!(ids));
        data.insert("contents".to_owned(), json!(contents));
    }
    Value::Object(data)
}

fn is_web(url: &str) -> bool {
    url.starts_with("https://") || url.starts_with("http://")
}

/// `fb.<subdomain index>.<milliseconds>.<rest>`, with or without the appendix of Meta's parameter builder
/// (META-FBC-FORMAT, META-APX-FORM). The rest is sent byte for byte.
fn is_browser_id(id: &str) -> bool {
    let mut parts = id.splitn(4, '.');
    let number = |part: Option<&str>| {
        part.is_some_and(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
    };
    parts.next() == Some("fb")
        && number(parts.next())
        && number(parts.next())
        && parts.next().is_some_and(|rest| !rest.is_empty() && !rest.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    #[test]
    fn a_full_order_carries_everything_hashed_and_nothing_in_the_clear() {
        let expected = json!({ "data": [{
            "event_name": "Purchase",
            "event_time": 1_763_630_130_i64 + 365 * 86_400,
            "event_id": "order_1001",
            "action_source": "website",
            "event_source_url": "https://demo-shop.example/shoes?utm_source=x",
            "referrer_url": "https://search.example/",
            "user_data": {
                "em": ["ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976"],
                "ph": ["1f81adb30e11317806be982cc82769fbf8627833a89dd87cb24d282f71828830"],
                "fn": ["6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec"],
                "ln": [sha("oneil")],
                "ct": [sha("menlopark")],
                "st": [sha("ca")],
                "zp": [sha("94035")],
                "country": ["79adb2a2fce5c6ba215fe5f27f532d4e7edbac4b6a5e09e1ef3a08084a904621"],
                "external_id": [sha("777")],
                "client_ip_address": "203.0.113.7",
                "client_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "fbc": "fb.1.1763629000000.IwAR2-CaseSensitive_x",
                "fbp": "fb.1.1763629000000.1098115397"
            },
            "custom_data": {
                "value": 129.9,
                "currency": "EUR",
                "order_id": "1001",
                "content_type": "product",
                "content_ids": ["sku-1", "42"],
                "contents": [
                    { "id": "sku-1", "quantity": 1, "item_price": 99.9 },
                    { "id": "42", "quantity": 2, "item_price": 15 }
                ]
            }
        }] });
        assert_eq!(body(&[testing::full()], Some("https://demo-shop.example/")), expected);
    }

    #[test]
    fn without_user_data_consent_only_click_and_device_are_sent() {
        let body = body(&[testing::user_data_denied()], Some("https://demo-shop.example/"));
        assert_eq!(
            body["data"][0]["user_data"],
            json!({
                "client_ip_address": "203.0.113.7",
                "client_user_agent": "Mozilla/5.0 (X11; Linux x86_64)",
                "fbc": "fb.1.1763629000000.IwAR2-CaseSensitive_x",
                "fbp": "fb.1.1763629000000.1098115397"
            })
        );
    }

    #[test]
    fn an_order_with_click_ids_only_uses_the_shops_page() {
        let body = body(&[testing::only_click()], Some("https://demo-shop.example/"));
        let event = &body["data"][0];
        assert_eq!(event["event_source_url"], "https://demo-shop.example/");
        assert_eq!(
            event["custom_data"],
            json!({"value": 129.9, "currency": "EUR", "order_id": "1001"})
        );
        assert_eq!(
            event["user_data"],
            json!({
                "fbc": "fb.1.1763629000000.IwAR2-CaseSensitive_x",
                "fbp": "fb.1.1763629000000.1098115397"
            })
        );
        assert!(
            event.get("referrer_url").is_none() && event.get("data_processing_options").is_none()
        );
    }

    #[test]
    fn limited_data_use_lets_meta_locate_or_names_the_strictest_state() {
        let mut order = testing::full();
        order.consent.limited_data_use = true;
        let located = body(std::slice::from_ref(&order), None)["data"][0].clone();
        assert_eq!(located["data_processing_options"], json!(["LDU"]));
        assert_eq!(located["data_processing_options_country"], 0);
        assert_eq!(located["data_processing_options_state"], 0);
        order.device.ip = None;
        let named = body(&[order], None)["data"][0].clone();
        assert_eq!(named["data_processing_options_country"], 1);
        assert_eq!(named["data_processing_options_state"], 1000);
    }

    #[test]
    fn a_sale_in_the_shop_has_no_page() {
        let mut order = testing::full();
        order.in_store = true;
        let event = body(&[order], Some("https://demo-shop.example/"))["data"][0].clone();
        assert_eq!(event["action_source"], "physical_store");
        assert!(event.get("event_source_url").is_none());
    }

    #[test]
    fn values_that_would_sink_the_batch_are_left_out() {
        let mut order = testing::full();
        order.click.fbc = Some("fb.1.1763629000000".to_owned());
        order.click.fbp = Some("null".to_owned());
        order.device.ip = Some("203.0.113.7, 10.0.0.1".to_owned());
        if let Some(item) = order.items.first_mut() {
            item.id = " ".to_owned();
        }
        let body = body(&[order], Some("https://demo-shop.example/"));
        let event = &body["data"][0];
        for key in ["fbc", "fbp", "client_ip_address"] {
            assert!(event["user_data"].get(key).is_none(), "{key}");
        }
        assert_eq!(event["custom_data"]["content_ids"], json!(["42"]));
    }

    #[test]
    fn browser_ids_keep_their_appendix() {
        assert!(is_browser_id("fb.1.1700000000000.Click_A-1.AQICAQMC"));
        assert!(is_browser_id("fb.2.1700000000000.1098115397"));
        for id in ["", "fb.1.17", "xx.1.17.a", "fb..17.a", "fb.1.17.", "fb.1.x.a", "fb.1.17.a b"] {
            assert!(!is_browser_id(id), "{id}");
        }
    }

    #[test]
    fn weak_identifiers_do_not_match() {
        let mut order = testing::full();
        order.click = Default::default();
        order.device.ip = None;
        order.contact.email = None;
        order.contact.phone = None;
        order.contact.customer_id = None;
        assert!(can_be_matched(&order), "first and last name together");
        order.contact.last_name = None;
        assert!(!can_be_matched(&order), "a first name and coarse location");
    }

    fn sha(text: &str) -> String {
        use sha2::{Digest, Sha256};
        hex::encode(Sha256::digest(text.as_bytes()))
    }
}
