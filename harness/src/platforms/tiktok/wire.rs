//! Reading requests: Events API 2.0, the older 1.0 shape, and the browser's pixel.
//! <https://github.com/tiktok/gtm-template-eapi/blob/main/template.tpl>
//!
//! The pixel's own wire format is not published. Its hits are written in a neutral form here: the 1.0 shape
//! (`pixel_code`, `event`, `event_id`, ISO `timestamp`, `context`, `properties`) as JSON by POST.

use serde_json::{Value, json};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::super::normalise::sent::{decimal, field, text_field, texts, unix_seconds, whole};
use crate::{
    exchange::Request,
    platforms::{IdentifierKind, Item, ItemKind},
};

/// Most events that TikTok takes in one request; no more are looked at.
pub(super) const MOST_EVENTS: usize = 1000;
/// Host of the pixel.
pub(super) const PIXEL_HOST: &str = "analytics.tiktok.com";
/// Path of the pixel.
pub(super) const PIXEL_PATH: &str = "/api/v2/pixel/track";

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// Events API 2.0.
    Track,
    /// Events API 1.0, one event.
    Single,
    /// Events API 1.0, up to 50.
    Batch,
    /// The browser's pixel.
    Pixel,
    /// Anything else.
    Unknown,
}

impl Route {
    pub(super) fn of(request: &Request) -> Self {
        match request.path.trim_end_matches('/') {
            "/open_api/v1.3/event/track" => Self::Track,
            "/open_api/v1.3/pixel/track" => Self::Single,
            "/open_api/v1.3/pixel/batch" => Self::Batch,
            PIXEL_PATH => Self::Pixel,
            _ => Self::Unknown,
        }
    }
}

/// Events of a 2.0 request.
pub(super) fn events(body: &Value) -> Option<&Vec<Value>> {
    body.get("data").and_then(Value::as_array)
}

/// The time of a 2.0 event: whole Unix seconds within the calendar.
pub(super) fn time_of(event: &Value) -> Option<OffsetDateTime> {
    field(event, "event_time")
        .and_then(whole)
        .filter(|seconds| !is_finer(*seconds))
        .and_then(unix_seconds)
}

/// Beyond any date in seconds: milliseconds or finer.
pub(super) fn is_finer(number: i64) -> bool {
    number.abs() >= 100_000_000_000
}

/// Items of a 2.0 request.
pub(super) fn items(body: &Value) -> Vec<Item> {
    let source = text_field(body, "event_source");
    let target = text_field(body, "event_source_id");
    let test = text_field(body, "test_event_code").is_some();
    let each = events(body).into_iter().flatten().take(MOST_EVENTS).enumerate();
    each.map(|(index, event)| Item {
        pointer: format!("/data/{index}"),
        target: target.clone(),
        source: source.clone(),
        test,
        time: time_of(event),
        limited_data_use: event.get("limited_data_use") == Some(&Value::Bool(true)),
        ..common(
            event,
            event.get("user").unwrap_or(&Value::Null),
            event.get("page").unwrap_or(&Value::Null),
        )
    })
    .collect()
}

/// What 2.0 and 1.0 events have in common.
fn common(event: &Value, user: &Value, page: &Value) -> Item {
    let nothing = Value::Null;
    let properties = event.get("properties").unwrap_or(&nothing);
    let name = text_field(event, "event");
    Item {
        kind: kind_of(name.as_deref()),
        event_name: name,
        key: text_field(event, "event_id"),
        value: field(properties, "value").and_then(decimal),
        currency: text_field(properties, "currency"),
        ids: ["ttclid", "ttp"]
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), text_field(user, key)?)))
            .collect(),
        identifiers: identifiers(user),
        ip: text_field(user, "ip"),
        user_agent: text_field(user, "user_agent"),
        url: text_field(page, "url"),
        ..Item::default()
    }
}

fn kind_of(event_name: Option<&str>) -> ItemKind {
    if matches!(event_name, Some("Purchase" | "CompletePayment")) {
        ItemKind::Purchase
    } else {
        ItemKind::Other
    }
}

fn identifiers(user: &Value) -> Vec<(IdentifierKind, String)> {
    const KINDS: &[(&str, IdentifierKind)] = &[
        ("email", IdentifierKind::Email),
        ("phone", IdentifierKind::Phone),
        ("phone_number", IdentifierKind::Phone),
        ("first_name", IdentifierKind::FirstName),
        ("last_name", IdentifierKind::LastName),
        ("zip_code", IdentifierKind::Postcode),
        ("city", IdentifierKind::City),
        ("state", IdentifierKind::Region),
        ("country", IdentifierKind::Country),
        ("external_id", IdentifierKind::ExternalId),
    ];
    let each = KINDS.iter().filter_map(|(key, kind)| Some((*kind, user.get(*key)?)));
    each.flat_map(|(kind, sent)| texts(sent, "").into_iter().map(move |(_, value)| (kind, value)))
        .collect()
}

/// Items of a 1.0 request or a pixel hit.
pub(super) fn older_items(body: &Value, route: Route) -> Vec<Item> {
    if route != Route::Batch {
        return if body.is_object() {
            vec![older_item(body, String::new(), body)]
        } else {
            Vec::new()
        };
    }
    let batch = body.get("batch").and_then(Value::as_array).into_iter().flatten();
    batch
        .take(MOST_EVENTS)
        .enumerate()
        .map(|(index, event)| older_item(event, format!("/batch/{index}"), body))
        .collect()
}

fn older_item(event: &Value, pointer: String, request: &Value) -> Item {
    let nothing = Value::Null;
    let context = event.get("context").unwrap_or(&nothing);
    let user = context.get("user").unwrap_or(&nothing);
    let mut item = common(event, user, context.get("page").unwrap_or(&nothing));
    let callback = context.get("ad").and_then(|ad| text_field(ad, "callback"));
    if let Some(click) = callback {
        item.ids.entry("ttclid".into()).or_insert(click);
    }
    Item {
        pointer,
        target: text_field(event, "pixel_code").or_else(|| text_field(request, "pixel_code")),
        time: text_field(event, "timestamp")
            .and_then(|text| OffsetDateTime::parse(&text, &Rfc3339).ok()),
        ip: text_field(context, "ip"),
        user_agent: text_field(context, "user_agent"),
        test: text_field(request, "test_event_code").is_some(),
        source: Some("web".into()),
        ..item
    }
}

/// A pixel hit in the neutral form of this module.
pub(super) fn pixel_hit(copy: &crate::platforms::BrowserCopy, pixel_code: &str) -> Value {
    let id = |name: &str| copy.ids.get(name);
    // The pixel script sends a JSON number; an amount has few enough digits to survive as one.
    let value = serde_json::from_str::<Value>(&copy.value.to_string()).unwrap_or(Value::Null);
    json!({
        "pixel_code": pixel_code,
        "event": "Purchase",
        "event_id": copy.event_id,
        "timestamp": copy.at.format(&Rfc3339).ok(),
        "context": {
            "page": {"url": copy.url},
            "user": {"ttclid": id("ttclid"), "ttp": id("_ttp")},
            "ip": copy.ip,
            "user_agent": copy.user_agent,
        },
        "properties": {"value": value, "currency": copy.currency},
    })
}
