//! The body of `event/track` in its 2.0 form.
//!
//! City, state and country would go in the clear; the relay leaves them out, they add little to a match.

use std::net::IpAddr;

use serde_json::{Map, Value, json};

use super::super::{contact, money};
use crate::model::conversion::Conversion;
use crate::model::identity::tiktok;

/// The whole body: all events belong to one pixel (TIKTOK-ONE-SOURCE-PER-REQUEST).
pub(super) fn body(
    conversions: &[Conversion],
    pixel_code: &str,
    event_source_url: Option<&str>,
) -> Value {
    let data: Vec<Value> =
        conversions.iter().map(|conversion| event(conversion, event_source_url)).collect();
    json!({ "event_source": "web", "event_source_id": pixel_code, "data": data })
}

/// Whether TikTok has anything to recognise the shopper by: an identifier, or IP address and user agent together.
pub(super) fn can_be_matched(conversion: &Conversion) -> bool {
    let user = user(conversion);
    let has = |key: &str| user.contains_key(key);
    ["ttclid", "ttp", "email", "phone", "external_id"].into_iter().any(has)
        || (has("ip") && has("user_agent"))
}

fn event(conversion: &Conversion, event_source_url: Option<&str>) -> Value {
    let mut event = Map::new();
    event.insert("event".to_owned(), json!("Purchase"));
    event.insert("event_time".to_owned(), json!(conversion.occurred_at.unix_timestamp()));
    event.insert("event_id".to_owned(), json!(conversion.event_id));
    event.insert("user".to_owned(), Value::Object(user(conversion)));
    let landing = conversion.click.landing_url.as_deref().filter(|url| url.starts_with("http"));
    let mut page = Map::new();
    if let Some(url) = landing.or(event_source_url) {
        page.insert("url".to_owned(), json!(url));
    }
    if let Some(referrer) = conversion.click.referrer.as_deref().filter(|url| !url.is_empty()) {
        page.insert("referrer".to_owned(), json!(referrer));
    }
    if !page.is_empty() {
        event.insert("page".to_owned(), Value::Object(page));
    }
    event.insert("properties".to_owned(), properties(conversion));
    if conversion.consent.limited_data_use {
        event.insert("limited_data_use".to_owned(), json!(true));
    }
    Value::Object(event)
}

fn user(conversion: &Conversion) -> Map<String, Value> {
    let mut user = Map::new();
    let mut put = |key: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.trim().is_empty()) {
            user.insert(key.to_owned(), json!(value));
        }
    };
    if let Some(contact) = contact(conversion) {
        let country = contact.country.as_deref();
        put("email", contact.email.as_deref().and_then(tiktok::email));
        put("phone", contact.phone.as_deref().and_then(|phone| tiktok::phone(phone, country)));
        put("external_id", contact.customer_id.as_deref().and_then(tiktok::external_id));
        put("first_name", contact.first_name.as_deref().and_then(tiktok::name));
        put("last_name", contact.last_name.as_deref().and_then(tiktok::name));
        put("zip_code", contact.postcode.as_deref().and_then(tiktok::zip));
    }
    put("ttclid", conversion.click.ttclid.clone());
    put("ttp", conversion.click.ttp.clone());
    put("ip", conversion.device.ip.clone().filter(|ip| ip.parse::<IpAddr>().is_ok()));
    put("user_agent", conversion.device.user_agent.clone());
    user
}

fn properties(conversion: &Conversion) -> Value {
    let mut properties = Map::new();
    let value = money::number(conversion.value, &conversion.currency);
    properties.insert("value".to_owned(), json!(value));
    properties.insert("currency".to_owned(), json!(conversion.currency));
    properties.insert("order_id".to_owned(), json!(conversion.order_id));
    let contents: Vec<Value> = conversion
        .items
        .iter()
        .filter(|item| !item.id.trim().is_empty())
        .map(|item| {
            // A text even when the shop's ids are numbers (TIKTOK-CONTENT-ID-STRING).
            let mut content = json!({ "content_id": item.id, "quantity": item.quantity });
            if let Some(price) = money::number(item.unit_price, &conversion.currency) {
                content["price"] = json!(price);
            }
            content
        })
        .collect();
    if !contents.is_empty() {
        properties.insert("content_type".to_owned(), json!("product"));
        properties.insert("contents".to_owned(), json!(contents));
    }
    Value::Object(properties)
}

#[cfg(test)]
mod tests {
    use super::super::super::testing;
    use super::*;

    fn only_event(conversion: Conversion) -> Value {
        body(&[conversion], "C4ABC", Some("https://demo-shop.example/"))["data"][0].clone()
    }

    #[test]
    fn a_full_order_carries_everything_hashed_and_nothing_in_the_clear() {
        let expected = json!({
            "event_source": "web",
            "event_source_id": "C4ABC",
            "data": [{
                "event": "Purchase",
                "event_time": 1_763_630_130_i64 + 365 * 86_400,
                "event_id": "order_1001",
                "user": {
                    "email": "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976",
                    "phone": "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
                    "external_id": tiktok::external_id("777"),
                    "first_name": "6915771be1c5aa0c886870b6951b03d7eafc121fea0e80a5ea83beb7c449f4ec",
                    "last_name": tiktok::name("o'neil"),
                    "zip_code": tiktok::zip("94035-1234"),
                    "ttclid": "E.C.P.CaseSensitive",
                    "ttp": "2a1b_ttp",
                    "ip": "203.0.113.7",
                    "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"
                },
                "page": {
                    "url": "https://demo-shop.example/shoes?utm_source=x",
                    "referrer": "https://search.example/"
                },
                "properties": {
                    "value": 129.9,
                    "currency": "EUR",
                    "order_id": "1001",
                    "content_type": "product",
                    "contents": [
                        { "content_id": "sku-1", "quantity": 1, "price": 99.9 },
                        { "content_id": "42", "quantity": 2, "price": 15 }
                    ]
                }
            }]
        });
        assert_eq!(body(&[testing::full()], "C4ABC", Some("https://demo-shop.example/")), expected);
    }

    #[test]
    fn without_user_data_consent_only_click_and_device_are_sent() {
        assert_eq!(
            only_event(testing::user_data_denied())["user"],
            json!({
                "ttclid": "E.C.P.CaseSensitive",
                "ttp": "2a1b_ttp",
                "ip": "203.0.113.7",
                "user_agent": "Mozilla/5.0 (X11; Linux x86_64)"
            })
        );
    }

    #[test]
    fn an_order_with_click_ids_only_uses_the_shops_page() {
        let event = only_event(testing::only_click());
        assert_eq!(event["page"], json!({ "url": "https://demo-shop.example/" }));
        assert_eq!(event["user"], json!({ "ttclid": "E.C.P.CaseSensitive", "ttp": "2a1b_ttp" }));
        assert_eq!(
            event["properties"],
            json!({ "value": 129.9, "currency": "EUR", "order_id": "1001" })
        );
        assert!(event.get("limited_data_use").is_none());
    }

    #[test]
    fn an_opt_out_limits_the_use() {
        let mut order = testing::full();
        order.consent.limited_data_use = true;
        assert_eq!(only_event(order)["limited_data_use"], true);
    }
}
