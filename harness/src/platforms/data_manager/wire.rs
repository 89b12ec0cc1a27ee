//! Reads `events:ingest` requests: each event as an [`Item`], once per destination that it goes to.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::schema;
use crate::{
    exchange::Request,
    platforms::{
        IdentifierKind, Item, ItemKind,
        google_ads::proto::{self, Body, decimal, list, text},
    },
};

/// Events that one request may have; more are refused as a whole and not read.
pub(super) const EVENT_LIMIT: usize = 2000;
/// Destinations that one request may have.
pub(super) const DESTINATION_LIMIT: usize = 10;

/// Which call it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Route {
    /// `POST /v1/events:ingest`.
    Ingest,
    /// `GET /v1/requestStatus:retrieve`.
    Status,
    /// A browser tag's hit.
    Tag,
}

/// Where the request goes; `None`: nowhere that we know.
pub(super) fn route(request: &Request) -> Option<Route> {
    let path = request.path.replace("%3A", ":").replace("%3a", ":");
    match (request.method.as_str(), path.as_str()) {
        ("POST", "/v1/events:ingest") => Some(Route::Ingest),
        ("GET", "/v1/requestStatus:retrieve") => Some(Route::Status),
        ("GET" | "POST", path) if super::tag::conversion_id(path).is_some() => Some(Route::Tag),
        _ => None,
    }
}

/// Reads the body.
pub(super) fn body(request: &Request) -> Body {
    proto::read(&request.body, &schema::INGEST)
}

/// The events, at most [`EVENT_LIMIT`].
pub(super) fn events(body: &Body) -> &[Value] {
    let events = list(&body.canonical, "events");
    events.get(..EVENT_LIMIT).unwrap_or(events)
}

/// The destinations, at most [`DESTINATION_LIMIT`].
pub(super) fn destinations(body: &Body) -> &[Value] {
    let all = list(&body.canonical, "destinations");
    all.get(..DESTINATION_LIMIT).unwrap_or(all)
}

/// The account that a destination names.
pub(super) fn account_id(destination: &Value) -> Option<&str> {
    text(destination.get("operatingAccount")?, "accountId")
}

/// How hashes are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base64,
}

/// The request's encoding, if it names one.
pub(super) fn encoding(body: &Body) -> Option<Encoding> {
    match text(&body.canonical, "encoding")? {
        "HEX" => Some(Encoding::Hex),
        "BASE64" => Some(Encoding::Base64),
        _ => None,
    }
}

/// Whether the request only asks for a check.
pub(super) fn validate_only(body: &Body) -> bool {
    body.canonical.get("validateOnly").and_then(Value::as_bool) == Some(true)
}

/// Destinations of an event: those it refers to, or all.
pub(super) fn destinations_of<'a>(body: &'a Body, event: &Value) -> Vec<&'a Value> {
    let wanted: Vec<&str> =
        list(event, "destinationReferences").iter().filter_map(Value::as_str).collect();
    destinations(body)
        .iter()
        .filter(|d| wanted.is_empty() || text(d, "reference").is_some_and(|r| wanted.contains(&r)))
        .collect()
}

/// Every event as an item, once per destination, with the event's index.
pub(super) fn items(body: &Body) -> Vec<(usize, Item)> {
    let mut out = Vec::new();
    for (index, event) in events(body).iter().enumerate() {
        let mut item = self::event(body, event);
        item.pointer = body.pointer(&format!("/events/{index}"));
        let destinations = destinations_of(body, event);
        if destinations.is_empty() {
            out.push((index, item));
            continue;
        }
        for destination in destinations {
            let target = text(destination, "productDestinationId").map(str::to_owned);
            out.push((index, Item { target, ..item.clone() }));
        }
    }
    out
}

fn event(body: &Body, event: &Value) -> Item {
    let ads = event.get("adIdentifiers").unwrap_or(&Value::Null);
    let landing = ads.get("landingPageDeviceInfo").unwrap_or(&Value::Null);
    let device = event.get("eventDeviceInfo").unwrap_or(&Value::Null);
    let consent = |name: &str| {
        // The event's own word goes before the request's.
        [event, &body.canonical].into_iter().find_map(|holder| {
            match text(holder.get("consent")?, name)? {
                "CONSENT_GRANTED" => Some(true),
                "CONSENT_DENIED" => Some(false),
                _ => None,
            }
        })
    };
    let either = |name: &str| text(device, name).or_else(|| text(landing, name)).map(str::to_owned);
    Item {
        kind: ItemKind::Purchase,
        event_name: text(event, "eventName").map(str::to_owned),
        key: text(event, "transactionId").map(str::to_owned),
        time: text(event, "eventTimestamp").and_then(|t| OffsetDateTime::parse(t, &Rfc3339).ok()),
        value: decimal(event, "conversionValue"),
        currency: text(event, "currency").map(str::to_owned),
        ids: ["gclid", "gbraid", "wbraid", "dclid"]
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), text(ads, name)?.to_owned())))
            .collect(),
        identifiers: identifiers(event, encoding(body)),
        ip: either("ipAddress"),
        user_agent: either("userAgent"),
        consent_user_data: consent("adUserData"),
        consent_personalise: consent("adPersonalization"),
        test: validate_only(body),
        source: text(event, "eventSource").map(str::to_lowercase),
        ..Item::default()
    }
}

/// The user identifiers of an event, as sent.
pub(super) fn user_identifiers(event: &Value) -> &[Value] {
    event.get("userData").map_or(&[], |data| list(data, "userIdentifiers"))
}

/// Members that are hashed, by where they are.
pub(super) const HASHED: &[(&str, IdentifierKind)] =
    &[("emailAddress", IdentifierKind::Email), ("phoneNumber", IdentifierKind::Phone)];
/// Likewise, of an address.
pub(super) const HASHED_ADDRESS: &[(&str, IdentifierKind)] = &[
    ("givenName", IdentifierKind::FirstName),
    ("familyName", IdentifierKind::LastName),
    ("addressLine", IdentifierKind::Other),
];
const PLAIN_ADDRESS: &[(&str, IdentifierKind)] = &[
    ("regionCode", IdentifierKind::Country),
    ("postalCode", IdentifierKind::Postcode),
    ("city", IdentifierKind::City),
    ("administrativeArea", IdentifierKind::Region),
];

/// Both encodings are right and hex may be in either case, so that hashes come out as lower-case hex wherever they
/// can be decoded; what cannot be decoded stays as sent.
fn identifiers(event: &Value, encoding: Option<Encoding>) -> Vec<(IdentifierKind, String)> {
    let mut found = Vec::new();
    for identifier in user_identifiers(event) {
        let address = identifier.get("address").unwrap_or(&Value::Null);
        for (holder, names) in [(identifier, HASHED), (address, HASHED_ADDRESS)] {
            for (name, kind) in names {
                let Some(sent) = text(holder, name) else { continue };
                let decoded = encoding.and_then(|e| digest(sent, e).ok());
                found.push((*kind, decoded.map_or_else(|| sent.to_owned(), hex::encode)));
            }
        }
        for (name, kind) in PLAIN_ADDRESS {
            if let Some(sent) = text(address, name) {
                found.push((*kind, sent.to_owned()));
            }
        }
    }
    found
}

/// The reasons why a hash cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Undecodable {
    Encoding,
    Length,
}

/// The bytes of a hash.
pub(super) fn digest(sent: &str, encoding: Encoding) -> Result<Vec<u8>, Undecodable> {
    let bytes = match encoding {
        Encoding::Hex => hex::decode(sent).map_err(|_| Undecodable::Encoding)?,
        Encoding::Base64 => STANDARD.decode(sent).map_err(|_| Undecodable::Encoding)?,
    };
    if bytes.len() == 32 { Ok(bytes) } else { Err(Undecodable::Length) }
}
