//! Answers in the forms of the Google Ads REST interface: row errors at status 200, call errors with the RPC envelope.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::{
    proto::{Body, Fault, error_path, snake, text},
    wire::{self, Method, Route},
};
use crate::exchange::{Reply, Request};

/// One entry of `errors[]`.
#[derive(Debug, Clone)]
pub(super) struct ApiError {
    /// `conversionUploadError`, ...
    pub(super) family: &'static str,
    pub(super) code: &'static str,
    pub(super) text: String,
    /// Pointer into the canonical body; empty: no location.
    pub(super) at: String,
    /// `quotaErrorDetails` and the like.
    pub(super) details: Option<Value>,
}

impl ApiError {
    pub(super) fn new(family: &'static str, code: &'static str, text: &str, at: String) -> Self {
        Self { family, code, text: text.to_owned(), at, details: None }
    }

    fn json(&self, body: &Value) -> Value {
        let mut error = Map::new();
        error.insert("errorCode".into(), json!({ self.family: self.code }));
        error.insert("message".into(), json!(self.text));
        if let Some(trigger @ Value::String(_)) = body.pointer(&self.at) {
            error.insert("trigger".into(), json!({ "stringValue": trigger }));
        }
        if !self.at.is_empty() {
            error.insert("location".into(), json!({ "fieldPathElements": elements(&self.at) }));
        }
        if let Some(details) = &self.details {
            error.insert("details".into(), details.clone());
        }
        Value::Object(error)
    }
}

/// `/conversions/1/gclid` → `[{fieldName: conversions, index: 1}, {fieldName: gclid}]`.
fn elements(at: &str) -> Vec<Value> {
    let mut out: Vec<Map<String, Value>> = Vec::new();
    for segment in at.split('/').skip(1) {
        match (segment.parse::<u64>(), out.last_mut()) {
            (Ok(index), Some(last)) => {
                last.insert("index".into(), json!(index));
            }
            _ => out.push(Map::from_iter([("fieldName".to_owned(), json!(snake(segment)))])),
        }
    }
    out.into_iter().map(Value::Object).collect()
}

/// A trace id that is the same for the same request.
fn trace(request: &Request) -> String {
    let mut hash = Sha256::new();
    hash.update(&request.path);
    for (name, value) in &request.headers {
        hash.update(name);
        hash.update(value);
    }
    hash.update(&request.body);
    URL_SAFE_NO_PAD.encode(hash.finalize()).chars().take(22).collect()
}

fn failure(request: &Request, version: u32, errors: Vec<Value>) -> Value {
    json!({
        "errors": errors,
        "requestId": trace(request),
        "@type": format!("type.googleapis.com/google.ads.googleads.v{version}.errors.GoogleAdsFailure"),
    })
}

fn reply(request: &Request, status: u16, body: &Value) -> Reply {
    Reply::json(status, body).with_header("request-id", trace(request))
}

/// A refusal of the whole call; nothing is stored.
pub(super) fn call_error(
    request: &Request,
    route: &Route,
    status: (u16, &str, &str),
    error: Option<&ApiError>,
) -> Reply {
    let (http, name, message) = status;
    let details: Vec<Value> = error
        .map(|e| failure(request, route.version, vec![e.json(&Value::Null)]))
        .into_iter()
        .collect();
    let mut envelope = json!({ "code": http, "message": message, "status": name });
    if !details.is_empty() {
        envelope["details"] = Value::Array(details);
    }
    reply(request, http, &json!({ "error": envelope }))
}

/// The JSON front end's refusal: no GoogleAdsFailure in it.
pub(crate) fn front_end(faults: &[Fault]) -> Reply {
    let messages: Vec<&str> = faults.iter().map(|f| f.message.as_str()).collect();
    let violations: Vec<Value> =
        faults.iter().map(|f| json!({ "field": f.field, "description": f.message })).collect();
    Reply::json(
        400,
        &json!({
            "error": {
                "code": 400,
                "message": messages.join("\n"),
                "status": "INVALID_ARGUMENT",
                "details": [{
                    "fieldViolations": violations,
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                }],
            }
        }),
    )
}

/// A path that does not exist.
pub(crate) fn no_such_path() -> Reply {
    Reply::text(
        404,
        "text/html; charset=UTF-8",
        "<!DOCTYPE html><html lang=en><title>Error 404 (Not Found)</title><p>The requested URL was not found on this server.</html>",
    )
}

/// Status 200: the rows that went well, and the errors of those that did not, by row.
pub(super) fn rows(
    request: &Request,
    route: &Route,
    body: &Body,
    errors: &[(usize, Vec<ApiError>)],
) -> Reply {
    let mut out = Map::new();
    let all: Vec<&ApiError> = errors.iter().flat_map(|(_, list)| list).collect();
    if let Some(first) = all.first() {
        let place = if first.at.is_empty() {
            String::new()
        } else {
            format!(", at {}", error_path(&first.at))
        };
        let several =
            if all.len() > 1 { "Multiple errors in 'details'. First error: " } else { "" };
        let listed = all.iter().map(|e| e.json(&body.canonical)).collect();
        out.insert(
            "partialFailureError".into(),
            json!({
                "code": 3,
                "message": format!("{several}{}{place}", first.text),
                "details": [failure(request, route.version, listed)],
            }),
        );
    }
    if !wire::validate_only(body) {
        let results: Vec<Value> = wire::rows(body, route.method)
            .iter()
            .enumerate()
            .map(|(index, row)| {
                match errors.iter().any(|(i, list)| *i == index && !list.is_empty()) {
                    true => json!({}),
                    false => echo(row, route.method),
                }
            })
            .collect();
        out.insert("results".into(), Value::Array(results));
    }
    out.insert("jobId".into(), json!(job(request, body)));
    reply(request, 200, &Value::Object(out))
}

/// Status 200 without a single result: the form of a check that stored nothing.
pub(super) fn nothing_taken(request: &Request, body: &Body) -> Reply {
    reply(request, 200, &json!({ "jobId": job(request, body) }))
}

/// The fields of a row that a result repeats. Identifiers are never echoed here.
fn echo(row: &Value, method: Method) -> Value {
    let names: &[&str] = match method {
        Method::Clicks => &["conversionAction", "conversionDateTime", "gclid", "gbraid", "wbraid"],
        Method::Adjustments => &[
            "conversionAction",
            "adjustmentDateTime",
            "adjustmentType",
            "orderId",
            "gclidDateTimePair",
        ],
        Method::Calls => {
            &["callerId", "callStartDateTime", "conversionAction", "conversionDateTime"]
        }
    };
    let pairs = names.iter().filter_map(|name| Some(((*name).to_owned(), row.get(*name)?.clone())));
    Value::Object(pairs.collect())
}

/// The caller's job id, or one of the server's own (from 2^31 up). In answers it is a string.
fn job(request: &Request, body: &Body) -> String {
    if let Some(id) = text(&body.canonical, "jobId") {
        return id.to_owned();
    }
    let digest = Sha256::digest(trace(request));
    let number = digest.iter().take(8).fold(0_u64, |n, byte| (n << 8) | u64::from(*byte));
    (1_000_000_000_000_000_000 + number % 8_000_000_000_000_000_000).to_string()
}
