//! The Data Tag of a server container: one JSON object by event, as a browser posts it.
//!
//! Sources: [tag](https://github.com/stape-io/data-tag), [client](https://github.com/stape-io/data-client). The client
//! adds the time of receipt: an event has none of its own.

use serde_json::{Map, Value, json};

use super::{
    About, Carried, Delivery, Format, InputFault, OrderView, SecretKind, Written,
    consent::ConsentMode,
    ga4,
    inspection::{Inspection, is_currency, is_text_within},
    layout, money,
    page::Page,
    track,
};
use crate::scenario::{Decision, Layout, Topic};

/// The format.
#[derive(Debug)]
pub struct DataTag;

impl Format for DataTag {
    fn id(&self) -> &'static str {
        "data_tag"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::None
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        ga4::tells(topic, about)
    }

    fn reports_purchase(&self, topic: Topic) -> bool {
        topic == Topic::Paid
    }

    fn carries(&self, fact: Carried) -> bool {
        use Carried::{
            Address, Consent, Contact, Device, Items, LandingUrl, Name, OrderId, VisitorId,
        };
        matches!(
            fact,
            VisitorId | Consent | LandingUrl | Device | Contact | Name | Address | OrderId | Items
        )
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let (view, refund) = delivery.order()?;
        let order = view.order;
        let mut event = base(delivery, view);
        let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
        let (name, value) = match (delivery.topic, refund) {
            (Topic::Unrelated, _) => ("page_view", None),
            (_, Some(refund)) => ("refund", Some(refund.amount)),
            _ => ("purchase", Some(view.total)),
        };
        put("event_name", name.into());
        if let Some(value) = value {
            put("transaction_id", order.numeric_id.to_string().into());
            put("value", money::number(value));
            put("currency", order.currency.as_str().into());
        }
        if name == "purchase" {
            let item = json!({
                "item_id": order.product_id.to_string(), "item_name": "Mug",
                "price": money::number(order.subtotal), "quantity": 1, "currency": order.currency,
            });
            put("items", json!([item]));
        }
        Ok(Value::Object(event))
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        seen.one_of("/event_name", &["purchase", "refund", "page_view"]);
        seen.need("/client_id", "an id", |id| is_text_within(id, 200));
        seen.texts(&["/page_location", "/event_id"]);
        seen.allow("/consent_state", "true or false by name", |state| {
            state.as_object().is_some_and(|state| state.values().all(Value::is_boolean))
        });
        if topic != Topic::Unrelated {
            seen.numbers(&["/value"]);
            seen.texts(&["/transaction_id"]);
            seen.need("/currency", "a currency", is_currency);
        }
        seen.wrong()
    }

    fn write(&self, body: &Value, layout: Layout) -> Written {
        let name = body["event_name"].as_str().unwrap_or_default();
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("v", "2").append_pair("event", name);
        Written { query: Some(query.finish()), body: layout::write(body, layout) }
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        Ok(ga4::browser_headers(delivery, "application/json"))
    }
}

/// What every event of a page shares. Only what is known is there.
fn base(delivery: &Delivery<'_>, view: &OrderView<'_>) -> Map<String, Value> {
    let page = Page::of(view, delivery.shop);
    let contact = &view.order.contact;
    let address = known([
        ("first_name", &contact.first_name),
        ("last_name", &contact.last_name),
        ("city", &contact.city),
        ("region", &contact.region),
        ("postal_code", &contact.postcode),
        ("country", &contact.country),
    ]);
    let mut person = known([("email_address", &contact.email), ("phone_number", &contact.phone)]);
    if !address.is_empty() {
        person.insert("address".into(), address.into());
    }
    let consent = ConsentMode::of(view.consent);
    let answers: Map<String, Value> = [
        ("ad_storage", consent.ad_storage),
        ("ad_user_data", consent.ad_user_data),
        ("ad_personalization", consent.ad_personalization),
        ("analytics_storage", consent.analytics_storage),
    ]
    .into_iter()
    .filter(|(_, decision)| *decision != Decision::Unknown)
    .map(|(name, decision)| (name.to_owned(), (decision == Decision::Granted).into()))
    .collect();
    let mut event = Map::new();
    let mut put = |name: &str, value: Value| event.insert(name.to_owned(), value);
    put("event_name", Value::Null);
    put("event_id", delivery.delivery_id.as_str().into());
    put("client_id", track::anonymous_id(view).into());
    put("page_location", page.url.as_str().into());
    put("page_hostname", delivery.shop.domain.as_str().into());
    put("page_referrer", page.referrer.as_str().into());
    put("page_title", page.title().into());
    put("page_encoding", "UTF-8".into());
    put("screen_resolution", "1920x1080".into());
    put("viewport_size", "1200x900".into());
    for (name, value) in [("ip_override", &view.ip), ("user_agent", &view.user_agent)] {
        if let Some(value) = value {
            put(name, value.as_str().into());
        }
    }
    if !person.is_empty() {
        put("user_data", person.into());
    }
    if !answers.is_empty() {
        put("consent_state", answers.into());
        put("x-ga-gcs", consent.gcs().into());
    }
    event
}

fn known<const N: usize>(fields: [(&str, &Option<String>); N]) -> Map<String, Value> {
    fields
        .into_iter()
        .filter_map(|(name, value)| Some((name.to_owned(), value.clone()?.into())))
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{Subject, samples::Sample},
        plan::all,
    };

    #[test]
    fn a_purchase_is_named_in_the_query_and_told_in_the_body() {
        let sample = Sample::new();
        let prepared = DataTag.render(&sample.delivery(Topic::Paid)).unwrap();
        assert_eq!(prepared.query.as_deref(), Some("v=2&event=purchase"));
        let body: Value = serde_json::from_slice(&prepared.body).unwrap();
        assert_eq!((&body["value"], &body["currency"]), (&json!(49.99), &json!("EUR")));
        assert_eq!(body["transaction_id"], "9007199254740993");
        assert_eq!(body["user_data"]["email_address"], "Jane.Doe@Example.com");
        assert_eq!(body["user_data"]["address"].get("region"), None);
        // Keeping identifiers and advertising were allowed, the rest was not answered.
        assert_eq!(body["consent_state"], json!({"ad_storage": true, "analytics_storage": true}));
    }

    #[test]
    fn consent_is_true_or_false_or_not_there() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        let mut told = |consent| {
            if let Subject::Order(view) = &mut delivery.subject {
                view.consent = consent;
            }
            DataTag.body(&delivery).unwrap().get("consent_state").cloned()
        };
        assert_eq!(told(None), None);
        let refused = told(Some(all(Decision::Denied))).unwrap();
        assert!(refused.as_object().unwrap().values().all(|answer| answer == false), "{refused}");
        assert_eq!(refused["ad_user_data"], false);
    }

    #[test]
    fn an_event_that_breaks_the_rules_is_found() {
        let sample = Sample::new();
        let good = DataTag.body(&sample.delivery(Topic::Paid)).unwrap();
        assert!(DataTag.inspect(Topic::Paid, &good).is_empty());
        for (name, value) in
            [("value", json!("49.99")), ("currency", json!("eur")), ("event_name", json!("x"))]
        {
            let mut bad = good.clone();
            bad[name] = value;
            assert_eq!(DataTag.inspect(Topic::Paid, &bad).len(), 1, "{name}");
        }
    }
}
