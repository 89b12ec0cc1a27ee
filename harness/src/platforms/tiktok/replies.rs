//! TikTok's answers: an envelope with a code of its own, nearly always at status 200.
//! <https://github.com/tiktok/tiktok-business-api-sdk/tree/main/js_sdk/docs>

use serde_json::json;

use super::super::normalise::sha256_hex;
use crate::{
    exchange::{Reply, Request},
    platforms::{FailureClass, Violation},
};

fn envelope(status: u16, code: u32, message: impl Into<String>, request: &Request) -> Reply {
    let body = json!({"code": code, "message": message.into(), "request_id": request_id(request), "data": {}});
    Reply::json(status, &body)
}

/// All events were taken.
pub(super) fn accepted(request: &Request) -> Reply {
    envelope(200, 0, "OK", request)
}

/// What the pixel gets.
pub(super) fn pixel() -> Reply {
    Reply::text(200, "text/plain", "")
}

/// What a path that does not exist gets: no JSON.
fn not_found() -> Reply {
    Reply::text(404, "text/plain; charset=utf-8", "Not Found")
}

/// The refusal for the first fault that TikTok would notice.
pub(super) fn refusal(request: &Request, why: &Violation) -> Reply {
    let (code, message) = match why.rule {
        "TIKTOK-ENDPOINT" if why.message.starts_with("no such path") => return not_found(),
        "TIKTOK-ENDPOINT" => (40000, "The method is not supported.".to_owned()),
        "TIKTOK-AUTH-HEADER" if why.message.starts_with("there is no") => {
            (40104, "The access token is missing.".to_owned())
        }
        "TIKTOK-AUTH-HEADER" => (40105, "The access token is wrong or was revoked.".to_owned()),
        "TIKTOK-SOURCE-REQUIRED" if why.message.starts_with("no permission") => (
            40001,
            "No permission for this pixel code: be an admin or operator of its advertiser account."
                .to_owned(),
        ),
        _ => (40002, format!("{}: {}", path_of(&why.at), why.message)),
    };
    envelope(200, code, message, request)
}

/// `data.0.event_time` of `/data/0/event_time`.
fn path_of(pointer: &str) -> String {
    pointer.trim_start_matches('/').replace('/', ".")
}

/// A planned failure in TikTok's words; `None` for what TikTok does not have: it takes all events or none.
/// `row`: the event that is at fault.
pub(super) fn failure(class: FailureClass, request: &Request, row: usize) -> Option<Reply> {
    let say = |status, code, message: &str| Some(envelope(status, code, message, request));
    match class {
        FailureClass::RateLimited => say(200, 40100, "Too many requests, try again in a while."),
        FailureClass::Transient => say(200, 50000, "System error, try again in some minutes."),
        FailureClass::ServerError => say(500, 50000, "System error."),
        FailureClass::Unavailable => say(503, 50002, "The service is not available."),
        FailureClass::TokenExpired => say(200, 40105, "The access token is wrong or was revoked."),
        FailureClass::Forbidden => say(
            200,
            40001,
            "No permission for this pixel code: be an admin or operator of its advertiser account.",
        ),
        FailureClass::Invalid => {
            let at = format!("data.{row}.properties.contents.0.content_id");
            say(200, 40002, &format!("{at}: not a valid string"))
        }
        // A success status without the envelope: `code` 0 is what says that the events were taken.
        FailureClass::TookNothing => Some(Reply::json(200, &json!({}))),
        FailureClass::PartialInvalid | FailureClass::PartialTransient => None,
    }
}

/// The same for the same request; real ones begin with the date.
fn request_id(request: &Request) -> String {
    let digest = sha256_hex(&format!("{}\n{}", request.path, request.body));
    format!("20261101{}", digest.get(..24).unwrap_or_default().to_uppercase())
}
