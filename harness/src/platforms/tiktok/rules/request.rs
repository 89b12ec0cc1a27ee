//! The request as a whole: path, token, source, and how many events there are.

use serde_json::Value;

use super::super::{
    super::normalise::sent::{Findings, excerpt, text_field},
    wire::{Route, events, older_items},
};
use crate::{exchange::Request, platforms::Accounts};

const SOURCES: &[&str] = &["web", "app", "offline", "crm"];
/// Most events of one 1.0 batch.
const MOST_OLDER: usize = 50;

pub(super) fn judge(
    request: &Request,
    body: &Value,
    route: Route,
    accounts: &dyn Accounts,
    findings: &mut Findings,
) {
    if request.method != "POST" {
        findings.refuse(
            "TIKTOK-ENDPOINT",
            None,
            "path",
            format!("takes POST, this is {}", excerpt(&request.method)),
        );
    } else if !request.path.ends_with('/') {
        findings.note(
            "TIKTOK-ENDPOINT",
            None,
            "path",
            "the slash at the end of the path is missing",
        );
    }
    let is_json = request
        .header("content-type")
        .is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
    if !is_json {
        findings.note(
            "TIKTOK-CONTENT-TYPE",
            None,
            "header:content-type",
            "the content type is not application/json",
        );
    }
    if !body.is_object() {
        findings.refuse("TIKTOK-CONTENT-TYPE", None, "", "the body is no JSON object");
        return;
    }
    let source_id = match route {
        Route::Track => source_of(body, findings),
        _ => older_source_of(body, route, findings),
    };
    judge_token(request, source_id.as_deref(), accounts, findings);
    if let Some(code) = text_field(body, "test_event_code") {
        let message = format!("test code {} is set", excerpt(&code));
        findings.note("TIKTOK-TEST-CODE-LEAK", None, "/test_event_code", message);
    }
}

/// The source of a 2.0 request.
fn source_of(body: &Value, findings: &mut Findings) -> Option<String> {
    match text_field(body, "event_source") {
        Some(source) if SOURCES.contains(&source.as_str()) => {}
        Some(source) => {
            let message = format!("`{}` is none of {}", excerpt(&source), SOURCES.join(", "));
            findings.refuse("TIKTOK-SOURCE-REQUIRED", None, "/event_source", message);
        }
        None => findings.refuse(
            "TIKTOK-SOURCE-REQUIRED",
            None,
            "/event_source",
            "there is no `event_source`",
        ),
    }
    let id = text_field(body, "event_source_id");
    if id.is_none() {
        findings.refuse(
            "TIKTOK-SOURCE-REQUIRED",
            None,
            "/event_source_id",
            "there is no `event_source_id`",
        );
    }
    match events(body).map(Vec::len) {
        None => findings.refuse(
            "TIKTOK-BATCH-MAX",
            None,
            "/data",
            "there is no list of events in `data`",
        ),
        Some(0) => findings.refuse("TIKTOK-BATCH-MAX", None, "/data", "`data` is empty"),
        Some(1..=1000) => {}
        Some(many) => findings.refuse(
            "TIKTOK-BATCH-MAX",
            None,
            "/data",
            format!("{many} events in one request"),
        ),
    }
    id
}

/// The source of a 1.0 request.
fn older_source_of(body: &Value, route: Route, findings: &mut Findings) -> Option<String> {
    findings.note("TIKTOK-LEGACY-V1", None, "path", "this is the path of Events API 1.0");
    let items = older_items(body, route);
    if items.is_empty() || items.len() > MOST_OLDER {
        let message = format!("{} events, 1 to {MOST_OLDER} are allowed", items.len());
        findings.refuse("TIKTOK-BATCH-MAX", None, "/batch", message);
    }
    let id = items.first().and_then(|item| item.target.clone());
    if id.is_none() || items.iter().any(|item| item.target != id) {
        findings.refuse(
            "TIKTOK-SOURCE-REQUIRED",
            None,
            "/pixel_code",
            "there is not one `pixel_code` for all events",
        );
    }
    for (index, item) in items.iter().enumerate().filter(|(_, item)| item.event_name.is_none()) {
        let at = format!("{}/event", item.pointer);
        findings.refuse("TIKTOK-EVENT-CASE", Some(index), at, "the event has no name");
    }
    id
}

fn judge_token(
    request: &Request,
    source_id: Option<&str>,
    accounts: &dyn Accounts,
    findings: &mut Findings,
) {
    let at = "header:access-token";
    let Some(token) = request.header("access-token").filter(|token| !token.is_empty()) else {
        let hint = if request.header("authorization").is_some() {
            "; `Authorization` is not read"
        } else {
            ""
        };
        return findings.refuse(
            "TIKTOK-AUTH-HEADER",
            None,
            at,
            format!("there is no access token{hint}"),
        );
    };
    // Without a source there is nothing that the token could be valid for; that has its own rule.
    let Some(source_id) = source_id else { return };
    match accounts.find(source_id) {
        None => {
            let message =
                format!("no permission for source {}: it does not exist", excerpt(source_id));
            findings.refuse("TIKTOK-SOURCE-REQUIRED", None, "/event_source_id", message);
        }
        Some(account) if !accounts.is_valid_token(account, token) => {
            findings.refuse(
                "TIKTOK-AUTH-HEADER",
                None,
                at,
                "the access token is not valid for this source",
            );
        }
        Some(_) => {}
    }
}
