//! Helpers for defects at the outlet: the events of a request in each platform's form.

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

use super::{Answered, Outgoing};

impl Outgoing {
    /// `meta`, `google_ads`, ...
    pub fn platform(&self) -> &str {
        self.path.trim_start_matches('/').split('/').next().unwrap_or_default()
    }

    /// Changes each event of the request.
    pub fn each_event(&mut self, mut change: impl FnMut(&str, &mut Value)) {
        let platform = self.platform().to_owned();
        let list = match platform.as_str() {
            "meta" | "tiktok" => "data",
            "google_ads" if self.path.contains("Adjustments") => "conversionAdjustments",
            "google_ads" => "conversions",
            "data_manager" => "events",
            _ => return,
        };
        self.edit(|body| {
            for event in body[list].as_array_mut().into_iter().flatten() {
                change(&platform, event);
            }
        });
    }

    /// Changes the body, if it is JSON.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        if let Ok(mut body) = serde_json::from_slice::<Value>(&self.body) {
            change(&mut body);
            self.body = body.to_string().into_bytes();
        }
    }
}

/// Name of the field that the platform deduplicates on.
pub(super) fn key_field(platform: &str) -> &'static str {
    match platform {
        "google_ads" => "orderId",
        "data_manager" => "transactionId",
        _ => "event_id",
    }
}

/// The event's key.
pub(super) fn key(platform: &str, event: &Value) -> String {
    event[key_field(platform)].as_str().unwrap_or_default().to_owned()
}

/// A success answer as the platform would give it to all events of this request, of which a batch has several.
pub(super) fn success(out: &Outgoing) -> Value {
    let events = events(&out.body);
    match out.platform() {
        "meta" => {
            json!({ "events_received": events, "messages": [], "fbtrace_id": "AbCdEfGhIjKlMnOpQrStUvW" })
        }
        "tiktok" => json!({ "code": 0, "message": "OK", "request_id": "1", "data": {} }),
        "google_ads" => json!({ "results": vec![json!({}); events], "jobId": "1" }),
        _ => json!({ "requestId": "1" }),
    }
}

/// How many events a body has.
fn events(body: &[u8]) -> usize {
    let body: Value = serde_json::from_slice(body).unwrap_or_default();
    let lists = ["data", "events", "conversions", "conversionAdjustments"];
    lists.iter().find_map(|list| body[*list].as_array()).map_or(1, Vec::len)
}

impl Answered {
    /// Another status and JSON body.
    pub fn replace(&mut self, status: u16, body: &Value) {
        self.status = status;
        self.headers = vec![("content-type".to_owned(), "application/json".to_owned())];
        self.body = body.to_string().into_bytes();
    }

    /// Changes the body as text.
    pub fn rewrite(&mut self, from: &str, to: &str) {
        self.body = String::from_utf8_lossy(&self.body).replace(from, to).into_bytes();
    }
}

/// SHA-256 in lower-case hex.
pub(super) fn sha256(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|b| format!("{b:02x}")).collect()
}
