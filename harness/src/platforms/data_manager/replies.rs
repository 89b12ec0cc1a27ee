//! Answers in the forms of the Data Manager API. One bad event refuses the whole request; the field path tells which.

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::wire::{self, Encoding, Undecodable};
use crate::{
    exchange::{Reply, Request},
    platforms::{
        Violation,
        google_ads::{
            judge::ten_digits,
            proto::{Body, error_path, short, text},
        },
    },
};

/// HTTP status, status name, message.
pub(super) type Status = (u16, &'static str, &'static str);

pub(super) const INVALID: Status =
    (400, "INVALID_ARGUMENT", "There was a problem with the request.");
pub(super) const UNAUTHENTICATED: Status = (
    401,
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential.",
);
pub(super) const DENIED: Status = (403, "PERMISSION_DENIED", "The caller does not have permission");

/// One entry of `fieldViolations[]`.
pub(super) struct FieldViolation {
    pub(super) field: String,
    pub(super) description: &'static str,
    pub(super) reason: &'static str,
}

fn hex_of(request: &Request) -> String {
    hex::encode(Sha256::digest(format!("{}?{}\n{}", request.path, request.query, request.body)))
}

fn uuid(hex: &str, second: &str, last: &str) -> String {
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default().to_owned();
    format!("{}-{second}-4{}-8{}-{last}", part(0, 8), part(8, 11), part(11, 14))
}

/// An error answer. A trace id stands in it wherever the platform itself, and not the gateway before it, answers.
pub(super) fn error(
    request: &Request,
    status: Status,
    reason: &str,
    violations: &[FieldViolation],
) -> Reply {
    let (code, name, message) = status;
    let hex = hex_of(request);
    let trace = format!(
        "t-{}",
        uuid(&hex, hex.get(20..24).unwrap_or_default(), hex.get(24..36).unwrap_or_default())
    );
    let mut details = vec![
        json!({
            "reason": reason,
            "domain": "datamanager.googleapis.com",
            "metadata": { "requestId": trace },
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        }),
        json!({ "requestId": trace, "@type": "type.googleapis.com/google.rpc.RequestInfo" }),
    ];
    if !violations.is_empty() {
        let listed: Vec<Value> = violations
            .iter()
            .map(|v| json!({ "field": v.field, "description": v.description, "reason": v.reason }))
            .collect();
        details.push(json!({
            "fieldViolations": listed,
            "@type": "type.googleapis.com/google.rpc.BadRequest",
        }));
    }
    Reply::json(
        code,
        &json!({
            "error": { "code": code, "message": message, "status": name, "details": details }
        }),
    )
}

/// An error answer without details.
pub(super) fn bare(status: Status) -> Reply {
    let (code, name, message) = status;
    Reply::json(code, &json!({ "error": { "code": code, "message": message, "status": name } }))
}

/// The minute's quota is used up.
pub(super) fn rate_limited() -> Reply {
    Reply::json(
        429,
        &json!({
            "error": {
                "code": 429,
                "message": "Quota exceeded.",
                "status": "RESOURCE_EXHAUSTED",
                "details": [{
                    "reason": "RATE_LIMIT_EXCEEDED",
                    "domain": "googleapis.com",
                    "metadata": {
                        "quota_limit": "IngestionMutateRequestsPerMinutePerProject",
                        "service": "datamanager.googleapis.com",
                        "consumer": "projects/123",
                    },
                    "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                }],
            }
        }),
    )
}

/// Received. The id names the account and the number of events, so that a status call can be answered from it alone;
/// the id of a mere check is not usable there.
pub(super) fn received(request: &Request, body: &Body, broken: &[Violation]) -> Reply {
    let account = wire::destinations(body).first().and_then(wire::account_id).unwrap_or_default();
    let mark = if wire::validate_only(body) { "0f" } else { "00" };
    let count = format!("{:04x}", wire::events(body).len());
    let id = uuid(&hex_of(request), &count, &format!("{mark}{account:0>10}"));
    let warnings: Vec<Value> = broken
        .iter()
        .filter(|v| v.rule == "GDM-CART")
        .map(|v| {
            json!({
                "reason": "WARNING_REASON_CART_DATA_NOT_SUPPORTED_WITH_GBRAID_OR_WBRAID",
                "description": "Cart data is not supported with gbraid or wbraid.",
                "field": field(&v.at),
            })
        })
        .collect();
    let mut out = Map::from_iter([("requestId".to_owned(), json!(id))]);
    if !warnings.is_empty() {
        out.insert("fieldWarnings".into(), Value::Array(warnings));
    }
    Reply::json(200, &Value::Object(out))
}

/// Account and number of events of a request id of ours.
pub(super) fn request_id(id: &str) -> Option<(String, u64)> {
    let parts: Vec<&str> = id.split('-').collect();
    let [_, count, _, _, last] = parts.as_slice() else { return None };
    let account = last.strip_prefix("00").filter(|a| ten_digits(a))?;
    Some((account.to_owned(), u64::from_str_radix(count, 16).ok()?))
}

/// The status of a request: still being processed, as it is for the first half hour.
pub(super) fn status(request: &Request) -> Reply {
    let id = request.query_pairs().into_iter().find(|(n, _)| n == "requestId" || n == "request_id");
    let Some((account, count)) = id.and_then(|(_, id)| request_id(&id)) else {
        let violation = FieldViolation {
            field: "request_id".into(),
            description: "The request ID is not valid.",
            reason: "INVALID_REQUEST_ID",
        };
        return error(request, INVALID, "INVALID_ARGUMENT", &[violation]);
    };
    Reply::json(
        200,
        &json!({
            "requestStatusPerDestination": [{
                "destination": { "operatingAccount": { "accountId": account, "accountType": "GOOGLE_ADS" } },
                "requestStatus": "PROCESSING",
                "eventsIngestionStatus": { "recordCount": count.to_string() },
            }]
        }),
    )
}

/// `/events/0/userData/userIdentifiers/1/emailAddress` → `events.events[0].user_data.user_identifiers[1]`.
pub(super) fn field(at: &str) -> String {
    let path = error_path(at);
    let path = path
        .split_once("user_identifiers[")
        .and_then(|(start, rest)| {
            Some(format!("{start}user_identifiers[{}]", rest.split(']').next()?))
        })
        .unwrap_or(path);
    if path.starts_with("events[") { format!("events.{path}") } else { path }
}

/// The field violation for a broken rule. `at` is the place in the canonical body.
pub(super) fn violation(rule: &str, at: &str, body: &Body) -> FieldViolation {
    let sent = body.canonical.pointer(at);
    let missing =
        sent.is_none_or(|v| v.as_str() == Some("") || v.as_array().is_some_and(Vec::is_empty));
    let (reason, description) = match rule {
        "GDM-ID-NEEDED" => ("NO_IDENTIFIERS_PROVIDED", "No identifiers are provided."),
        "GDM-HASH" | "GDM-HASH-MIX" => {
            hash(sent.and_then(Value::as_str).unwrap_or_default(), wire::encoding(body))
        }
        _ if missing => ("REQUIRED_FIELD_MISSING", "Required field is missing."),
        "GDM-EVENTS-2000" => ("TOO_MANY_EVENTS", "There are too many events."),
        "GDM-DEST-COUNT" => ("TOO_MANY_DESTINATIONS", "There are too many destinations."),
        "GDM-DEST-REF" => {
            ("DUPLICATE_DESTINATION_REFERENCE", "The destination reference is not unique.")
        }
        "GDM-REFS" => ("INVALID_DESTINATION", "The destination reference is not known."),
        "GDM-DEST-LINKED" => (
            "LINKED_ACCOUNT_ONLY_ALLOWED_WITH_DATA_PARTNER_LOGIN_ACCOUNT",
            "The linked account needs a data partner's login account.",
        ),
        "GDM-DEST-ID" => ("INVALID_CONVERSION_ACTION_ID", "The conversion action ID is not valid."),
        "GDM-DEST-OPERATING" if at.ends_with("accountType") => {
            ("DESTINATION_ACCOUNT_TYPE_MISMATCH", "The account is of another type.")
        }
        "GDM-DEST-OPERATING" | "GDM-DEST-LOGIN" => {
            ("INVALID_NUMBER_FORMAT", "The value is not a number.")
        }
        "GDM-CURRENCY" => ("INVALID_CURRENCY_CODE", "The currency code is not valid."),
        "GDM-UID-MAX" => ("TOO_MANY_USER_IDENTIFIERS", "There are too many user identifiers."),
        "GDM-REGION" => ("INVALID_REGION_CODE", "The region code is not valid."),
        "GDM-NOHASH" => ("INVALID_POSTAL_CODE", "The postal code is not valid."),
        "GDM-3P" => ("THIRD_PARTY_USER_DATA_NOT_ALLOWED", "Third-party user data is not allowed."),
        _ => ("INVALID_ARGUMENT", "The value is not valid."),
    };
    FieldViolation { field: field(at), description, reason }
}

fn hash(sent: &str, encoding: Option<Encoding>) -> (&'static str, &'static str) {
    match encoding.map(|e| (e, wire::digest(sent, e))) {
        Some((Encoding::Hex, Err(Undecodable::Encoding))) => {
            ("INVALID_HEX_ENCODING", "The HEX encoded value is malformed.")
        }
        Some((Encoding::Base64, Err(Undecodable::Encoding))) => {
            ("INVALID_BASE64_ENCODING", "The BASE64 encoded value is malformed.")
        }
        _ => ("INVALID_SHA256_FORMAT", "The value is not a SHA-256 hash."),
    }
}

/// Whether a broken rule about a destination is a matter of permission: the id is well-formed, but not the caller's.
pub(super) fn is_denial(rule: &str, at: &str, body: &Body) -> bool {
    matches!(rule, "GDM-DEST-OPERATING" | "GDM-DEST-LOGIN")
        && at.rsplit_once('/').is_some_and(|(holder, field)| {
            field == "accountId"
                && body
                    .canonical
                    .pointer(holder)
                    .and_then(|h| text(h, field))
                    .is_some_and(ten_digits)
        })
}

/// A planned refusal of one event.
pub(super) fn invalid_event(event: usize) -> FieldViolation {
    FieldViolation {
        field: short(&format!("events.events[{event}]")),
        description: "The event is not valid.",
        reason: "INVALID_EVENT",
    }
}
