//! Snowplow's tracker protocol: self-describing ecommerce events in a POST to the collector.
//!
//! Sources: [requests](https://docs.snowplow.io/docs/events/http-requests/),
//! [ecommerce schemas](https://github.com/snowplow/iglu-central/tree/master/schemas/com.snowplowanalytics.snowplow.ecommerce),
//! [consent schema](https://github.com/snowplow/iglu-central/tree/master/schemas/com.snowplowanalytics.snowplow/consent_preferences).
//!
//! All values of the payload are texts. The event and its entities are JSON in URL-safe base64 without padding, as the
//! browser's tracker writes them. `eid` is what repeats are told by; a collector asks for no key. A transaction is
//! reported when it is complete; edits and cancellations have no event.

mod entities;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};

use super::{
    About, Carried, Delivery, Format, InputFault, SecretKind, ga4,
    inspection::{Inspection, is_text_within},
    page::Page,
    times, track,
};
use crate::scenario::Topic;

/// Schema of the POST's body.
const PAYLOAD: &str = "iglu:com.snowplowanalytics.snowplow/payload_data/jsonschema/1-0-4";
/// Schema of the event's wrapper.
const EVENT: &str = "iglu:com.snowplowanalytics.snowplow/unstruct_event/jsonschema/1-0-0";
/// Schema of the entities' wrapper.
const CONTEXTS: &str = "iglu:com.snowplowanalytics.snowplow/contexts/jsonschema/1-0-0";

/// The format.
#[derive(Debug)]
pub struct Snowplow;

impl Format for Snowplow {
    fn id(&self) -> &'static str {
        "snowplow"
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
            Consent, CustomerId, Device, Discount, Items, LandingUrl, OrderId, Parts, PlacedAt,
            VisitorId,
        };
        // An e-mail address has a place, a phone has none: contact data as a whole cannot be told.
        matches!(
            fact,
            VisitorId
                | Consent
                | LandingUrl
                | Device
                | CustomerId
                | PlacedAt
                | OrderId
                | Parts
                | Discount
                | Items
        )
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        let (view, refund) = delivery.order()?;
        let page = Page::of(view, delivery.shop);
        let at = refund.map_or(view.placed_at, |refund| refund.at);
        let mut payload = Map::new();
        let mut put = |name: &str, value: &str| payload.insert(name.to_owned(), value.into());
        put("e", if delivery.topic == Topic::Unrelated { "pv" } else { "ue" });
        put("eid", &delivery.delivery_id);
        put("aid", &delivery.shop.id);
        put("p", "web");
        put("tv", "js-4.6.0");
        put("tna", "sp");
        put("duid", &track::anonymous_id(view));
        put("url", &page.url);
        put("page", page.title());
        if !page.referrer.is_empty() {
            put("refr", &page.referrer);
        }
        for (name, value) in
            [("uid", &view.order.contact.customer_id), ("ip", &view.ip), ("ua", &view.user_agent)]
        {
            if let Some(value) = value {
                put(name, value);
            }
        }
        put("lang", "de-DE");
        put("tz", "Europe/Berlin");
        put("cs", "UTF-8");
        put("res", "1920x1080");
        // The device's clock when it happened and when it left; the moment itself as the shop knows it.
        put("dtm", &times::unix_millis(at).to_string());
        put("ttm", &times::unix_millis(at).to_string());
        put("stm", &times::unix_millis(delivery.signed_at).to_string());
        if delivery.topic != Topic::Unrelated {
            let action = if refund.is_some() { "refund" } else { "transaction" };
            put("ue_px", &encoded(&json!({"schema": EVENT, "data": entities::action(action)})));
            let entities = entities::all(view, refund, &delivery.shop.domain);
            put("cx", &encoded(&json!({"schema": CONTEXTS, "data": entities})));
        }
        Ok(json!({"schema": PAYLOAD, "data": [payload]}))
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = Inspection::of(body);
        seen.one_of("/schema", &[PAYLOAD]);
        let texts =
            body["data"][0].as_object().is_some_and(|all| all.values().all(Value::is_string));
        seen.rule(texts, "every value of the payload has to be a text");
        seen.one_of("/data/0/e", &["pv", "ue"]);
        seen.need("/data/0/eid", "a UUID", |id| is_text_within(id, 36));
        seen.texts(&["/data/0/p", "/data/0/tv", "/data/0/duid", "/data/0/url"]);
        for time in ["dtm", "ttm", "stm"] {
            seen.need(&format!("/data/0/{time}"), "milliseconds in words", |at| {
                at.as_str().is_some_and(|at| at.parse::<u64>().is_ok())
            });
        }
        if topic == Topic::Unrelated {
            return seen.wrong();
        }
        let mut wrong = seen.wrong();
        for (field, schema) in [("ue_px", EVENT), ("cx", CONTEXTS)] {
            match decoded(&body["data"][0][field]) {
                Some(inner) if inner["schema"] == schema => {
                    wrong.extend(entities::inspect(field, &inner["data"]));
                }
                _ => wrong.push(format!("/data/0/{field} has to be base64 of {schema}")),
            }
        }
        wrong
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        Ok(ga4::browser_headers(delivery, "application/json; charset=UTF-8"))
    }
}

fn encoded(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

fn decoded(value: &Value) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(value.as_str()?).ok()?;
    serde_json::from_slice(&bytes).ok()
}

#[cfg(test)]
mod tests;
