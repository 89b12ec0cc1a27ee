//! Events in platform-neutral words. Values are given as sent, without the appendix of Meta's parameter builder
//! where a hash, an address or a URL is meant; `fbc` and `fbp` keep theirs, since a relay must pass them through.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{
    super::normalise::sent::{decimal, field, text_field, texts, unix_seconds, whole},
    rules,
    wire::{Call, MOST_EVENTS, Route, without_appendix},
};
use crate::{
    exchange::Request,
    platforms::{IdentifierKind, Item, ItemKind},
};

/// Keys of `user_data` (and of the pixel's `ud[...]`) by kind.
const IDENTIFIERS: &[(&str, IdentifierKind)] = &[
    ("em", IdentifierKind::Email),
    ("ph", IdentifierKind::Phone),
    ("fn", IdentifierKind::FirstName),
    ("ln", IdentifierKind::LastName),
    ("ct", IdentifierKind::City),
    ("st", IdentifierKind::Region),
    ("zp", IdentifierKind::Postcode),
    ("country", IdentifierKind::Country),
    ("external_id", IdentifierKind::ExternalId),
    ("db", IdentifierKind::Other),
    ("ge", IdentifierKind::Other),
];

/// Events of an API call.
pub(super) fn of_call(call: &Call) -> Vec<Item> {
    let Route::Events { pixel, .. } = &call.route else { return Vec::new() };
    let is_test = call.test_code().is_some();
    let events = call.events.iter().flatten().take(MOST_EVENTS).enumerate();
    events.map(|(index, event)| of_event(index, event, pixel, is_test)).collect()
}

fn of_event(index: usize, event: &Value, pixel: &str, test: bool) -> Item {
    let nothing = Value::Null;
    let user = event.get("user_data").unwrap_or(&nothing);
    let custom = event.get("custom_data").unwrap_or(&nothing);
    let name = text_field(event, "event_name");
    let plain = |object: &Value, key: &str| {
        text_field(object, key).map(|value| without_appendix(&value).to_owned())
    };
    Item {
        pointer: format!("/data/{index}"),
        kind: kind_of(name.as_deref()),
        event_name: name,
        key: text_field(event, "event_id"),
        target: Some(pixel.to_owned()),
        time: rules::time_of(event),
        value: field(custom, "value").and_then(decimal),
        currency: text_field(custom, "currency"),
        ids: ["fbc", "fbp"]
            .iter()
            .filter_map(|key| Some(((*key).to_owned(), text_field(user, key)?)))
            .collect(),
        identifiers: identifiers(user),
        ip: plain(user, "client_ip_address"),
        user_agent: text_field(user, "client_user_agent"),
        url: plain(event, "event_source_url"),
        limited_data_use: rules::is_limited(event),
        test,
        source: text_field(event, "action_source"),
        ..Item::default()
    }
}

fn kind_of(event_name: Option<&str>) -> ItemKind {
    if event_name == Some("Purchase") { ItemKind::Purchase } else { ItemKind::Other }
}

fn identifiers(user: &Value) -> Vec<(IdentifierKind, String)> {
    let each = IDENTIFIERS.iter().filter_map(|(key, kind)| Some((*kind, user.get(*key)?)));
    each.flat_map(|(kind, sent)| texts(sent, "").into_iter().map(move |(_, value)| (kind, value)))
        .map(|(kind, value)| (kind, without_appendix(&value).to_owned()))
        .collect()
}

/// Fields of a pixel hit: query, and the body of a long one.
pub(super) fn pixel_fields(request: &Request) -> Vec<(String, String)> {
    let mut fields = request.query_pairs();
    if request.method == "POST" {
        fields.extend(url::form_urlencoded::parse(request.body.as_bytes()).into_owned());
    }
    fields
}

/// The one event of a pixel hit.
pub(super) fn of_pixel(request: &Request, fields: &[(String, String)]) -> Item {
    let sent = |wanted: &str| {
        let found = fields.iter().find(|(name, value)| name == wanted && !value.is_empty());
        found.map(|(_, value)| value.clone())
    };
    let name = sent("ev");
    let identifiers =
        IDENTIFIERS.iter().filter_map(|(key, kind)| Some((*kind, sent(&format!("ud[{key}]"))?)));
    let ids: BTreeMap<String, String> =
        ["fbc", "fbp"].iter().filter_map(|key| Some(((*key).to_owned(), sent(key)?))).collect();
    Item {
        pointer: String::new(),
        kind: kind_of(name.as_deref()),
        event_name: name,
        key: sent("eid"),
        target: sent("id"),
        time: sent("ts")
            .and_then(|ms| whole(&Value::String(ms)))
            .and_then(|ms| unix_seconds(ms / 1000)),
        value: sent("cd[value]").and_then(|value| decimal(&Value::String(value))),
        currency: sent("cd[currency]"),
        ids,
        identifiers: identifiers.collect(),
        ip: request.header("x-forwarded-for").map(str::to_owned),
        user_agent: request.header("user-agent").map(str::to_owned),
        url: sent("dl"),
        limited_data_use: sent("dpo").as_deref() == Some("LDU"),
        source: Some("website".into()),
        ..Item::default()
    }
}
