//! PostHog's capture call: one event of a name that the shop chose, with the project's key in the body.
//!
//! Source: [capture](https://posthog.com/docs/api/capture). Events have free names; these are the ones of the ecommerce
//! vocabulary of analytics tags: `purchase`, `refund`, `order_cancelled`. `uuid` is what repeats are told by.

use serde_json::{Map, Value, json};
use url::Url;

use super::{
    About, Carried, Delivery, Format, InputFault, OrderView, SecretKind,
    inspection::{Inspection, is_currency, is_text_within, is_time},
    money, page,
    page::Page,
    signing, times, track,
};
use crate::scenario::Topic;

/// Landing parameters that the tag copies into properties of their own.
const COPIED: &[&str] = &[
    "utm_source",
    "utm_medium",
    "utm_campaign",
    "utm_content",
    "utm_term",
    "gclid",
    "gbraid",
    "wbraid",
    "fbclid",
    "ttclid",
    "msclkid",
    "twclid",
    "li_fat_id",
    "rdt_cid",
    "epik",
];

/// The format.
#[derive(Debug)]
pub struct PostHog;

impl Format for PostHog {
    fn id(&self) -> &'static str {
        "posthog"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::WriteKey
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        topic != Topic::Updated && track::tells(topic, about)
    }

    fn reports_purchase(&self, topic: Topic) -> bool {
        topic == Topic::Paid
    }

    fn carries(&self, fact: Carried) -> bool {
        match fact {
            // Properties have free names.
            Carried::Attributes => true,
            Carried::Consent | Carried::Signals | Carried::Cart | Carried::Checkout => false,
            other => track::carries(other),
        }
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let (view, refund) = delivery.order()?;
        let (event, value, at) = match (delivery.topic, refund) {
            (Topic::Unrelated, _) => ("$pageview", None, view.placed_at),
            (_, Some(refund)) => ("refund", Some(refund.amount), refund.at),
            (Topic::Cancelled, None) => {
                ("order_cancelled", Some(view.total), view.cancelled_at.unwrap_or(view.updated_at))
            }
            _ => ("purchase", Some(view.total), view.placed_at),
        };
        let mut properties = properties(delivery, view);
        if let Some(value) = value {
            properties.insert("order_id".into(), view.order.numeric_id.to_string().into());
            properties.insert("value".into(), money::number(value));
            properties.insert("currency".into(), view.order.currency.as_str().into());
        }
        if event == "purchase" {
            properties.extend(purchase(view));
        }
        let mut body = Map::new();
        if let Some(key) = signing::write_key(delivery)? {
            body.insert("api_key".into(), key.into());
        }
        body.insert("event".into(), event.into());
        body.insert("distinct_id".into(), track::anonymous_id(view).into());
        body.insert("uuid".into(), delivery.delivery_id.as_str().into());
        body.insert("timestamp".into(), times::millis(at).into());
        body.insert("properties".into(), properties.into());
        Ok(body.into())
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        seen.allow("/api_key", "a text", Value::is_string);
        seen.need("/event", "a name of at most 200 characters", |name| is_text_within(name, 200));
        seen.need("/distinct_id", "an id of at most 200 characters", |id| is_text_within(id, 200));
        seen.need("/uuid", "an id", |id| is_text_within(id, 36));
        seen.need("/timestamp", "an ISO 8601 time", is_time);
        seen.texts(&["/properties/$current_url"]);
        if topic != Topic::Unrelated {
            seen.texts(&["/properties/order_id"]);
            seen.numbers(&["/properties/value"]);
            seen.need("/properties/currency", "a currency", is_currency);
        }
        seen.wrong()
    }

    fn headers(
        &self,
        _delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        Ok(vec![
            ("Content-Type".to_owned(), "application/json".to_owned()),
            ("User-Agent".to_owned(), "posthog-node/4.11.1".to_owned()),
        ])
    }
}

/// What every event tells of the page and the person.
fn properties(delivery: &Delivery<'_>, view: &OrderView<'_>) -> Map<String, Value> {
    let page = Page::of(view, delivery.shop);
    let contact = &view.order.contact;
    let mut all = Map::new();
    let mut put = |name: &str, value: Value| all.insert(name.to_owned(), value);
    put("$current_url", page.url.as_str().into());
    put("$host", delivery.shop.domain.as_str().into());
    put("$pathname", page.path().into());
    put("$referrer", page.referrer.as_str().into());
    put("$ip", view.ip.clone().into());
    put("$raw_user_agent", view.user_agent.clone().into());
    put("$lib", "posthog-node".into());
    put("$insert_id", delivery.delivery_id.as_str().into());
    if let Some(url) = page::landing_url(view).and_then(|url| Url::parse(url).ok()) {
        for (name, value) in url.query_pairs().filter(|(name, _)| COPIED.contains(&name.as_ref())) {
            put(&name, value.into_owned().into());
        }
    }
    // Consent has no field: it travels as the property that the profile names.
    if let Some((name, value)) = &view.consent_attribute {
        put(name, value.as_str().into());
    }
    let person: Map<String, Value> = [
        ("email", &contact.email),
        ("phone", &contact.phone),
        ("first_name", &contact.first_name),
        ("last_name", &contact.last_name),
        ("city", &contact.city),
        ("region", &contact.region),
        ("postcode", &contact.postcode),
        ("country", &contact.country),
        ("customer_id", &contact.customer_id),
    ]
    .into_iter()
    .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
    .collect();
    put("$set", person.into());
    all
}

/// What a purchase tells beyond its value.
fn purchase(view: &OrderView<'_>) -> Map<String, Value> {
    let order = view.order;
    let products = json!([{
        "product_id": order.product_id.to_string(), "sku": "MUG-1", "name": "Mug",
        "price": money::number(order.subtotal), "quantity": 1,
    }]);
    [
        ("subtotal", money::number(order.subtotal)),
        ("tax", money::number(order.tax)),
        ("shipping", money::number(order.shipping)),
        ("discount", money::number(order.discount)),
        ("products", products),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{inputs::samples::Sample, scenario::Signature};

    #[test]
    fn a_purchase_carries_key_person_and_click_ids() {
        let sample = Sample::new();
        let prepared = PostHog.render(&sample.delivery(Topic::Paid)).unwrap();
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        assert_eq!((&body["api_key"], &body["event"]), (&json!("wk_one"), &json!("purchase")));
        assert_eq!(
            (&body["distinct_id"], &body["timestamp"]),
            (&json!("v-1"), &json!("2026-03-29T01:30:00.000Z"))
        );
        let properties = &body["properties"];
        assert_eq!((&properties["value"], &properties["currency"]), (&json!(49.99), &json!("EUR")));
        assert_eq!(properties["fbclid"], "IwAR0_Ab-Cd");
        assert!(properties["$current_url"].as_str().unwrap().contains("fbclid=IwAR0_Ab-Cd"));
        assert_eq!(properties["relay_consent"], "ads=1");
        assert_eq!(properties["$set"]["email"], "Jane.Doe@Example.com");
        assert_eq!(properties["$insert_id"], body["uuid"]);
    }

    #[test]
    fn a_wrong_key_is_missing_empty_or_foreign() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        let mut key = |signature| {
            delivery.signature = signature;
            PostHog.body(&delivery).unwrap().get("api_key").cloned()
        };
        assert_eq!(key(Signature::Missing), None);
        assert_eq!(key(Signature::Empty), Some(json!("")));
        assert!(![Some(json!("wk_one")), None].contains(&key(Signature::Foreign)));
    }

    #[test]
    fn a_refund_and_a_cancellation_have_events_of_their_own() {
        let mut sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Refund);
        delivery.subject = sample.refund("30");
        let body = PostHog.body(&delivery).unwrap();
        assert_eq!((&body["event"], &body["properties"]["value"]), (&json!("refund"), &json!(30)));
        assert!(PostHog.inspect(Topic::Refund, &body).is_empty());
        sample.cancelled = true;
        let body = PostHog.body(&sample.delivery(Topic::Cancelled)).unwrap();
        assert_eq!(body["event"], "order_cancelled");
    }
}
