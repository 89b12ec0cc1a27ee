//! Meta's answers in its envelope, in our own words.
//! <https://developers.facebook.com/docs/graph-api/guides/error-handling>

use serde_json::{Value, json};

use super::super::normalise::sha256_hex;
use crate::{
    exchange::{Reply, Request},
    platforms::{FailureClass, Violation},
};

/// All events were received.
pub(super) fn received(request: &Request, events: usize) -> Reply {
    Reply::json(
        200,
        &json!({"events_received": events, "messages": [], "fbtrace_id": trace_id(request)}),
    )
}

/// What the pixel gets: a transparent image.
pub(super) fn pixel() -> Reply {
    Reply::text(200, "image/gif", "")
}

/// One error in the envelope.
struct Fault {
    status: u16,
    code: i64,
    subcode: Option<i64>,
    transient: Option<bool>,
    kind: &'static str,
    message: &'static str,
    /// Title and text for people.
    user: Option<(&'static str, String)>,
}

impl Fault {
    const fn new(status: u16, code: i64, message: &'static str) -> Self {
        Self {
            status,
            code,
            subcode: None,
            transient: None,
            kind: "OAuthException",
            message,
            user: None,
        }
    }

    const fn transient(mut self, is: bool) -> Self {
        self.transient = Some(is);
        self
    }

    const fn subcode(mut self, subcode: i64) -> Self {
        self.subcode = Some(subcode);
        self
    }

    /// An event that fails validation.
    fn invalid(subcode: i64, title: &'static str, text: String) -> Self {
        let mut fault = Self::new(400, 100, "Invalid parameter").subcode(subcode).transient(false);
        fault.user = Some((title, text));
        fault
    }

    fn reply(&self, request: &Request) -> Reply {
        let mut error = json!({"message": self.message, "type": self.kind, "code": self.code});
        if let Some(subcode) = self.subcode {
            error["error_subcode"] = json!(subcode);
        }
        if let Some(transient) = self.transient {
            error["is_transient"] = json!(transient);
        }
        if let Some((title, text)) = &self.user {
            error["error_user_title"] = json!(title);
            error["error_user_msg"] = json!(text);
        }
        error["fbtrace_id"] = Value::String(trace_id(request));
        let reply = Reply::json(self.status, &json!({ "error": error }));
        if self.code == 190 {
            return reply.with_header(
                "www-authenticate",
                "OAuth \"Facebook Platform\" \"invalid_token\" \"The access token could not be used\"",
            );
        }
        reply
    }
}

/// The refusal for the first fault that Meta would notice.
pub(super) fn refusal(request: &Request, why: &Violation, has_bearer: bool) -> Reply {
    let invalid =
        |subcode, title| Fault::invalid(subcode, title, format!("{}: {}", why.at, why.message));
    let fault = match why.rule {
        "META-URL" if why.message.starts_with("pixel") => {
            let mut fault = Fault::new(
                400,
                100,
                "Unsupported post request: the object does not exist or may not be used",
            );
            fault.kind = "GraphMethodException";
            fault.subcode(33)
        }
        "META-URL" => Fault::new(400, 100, "Unsupported request"),
        "META-VERSION-NONE" => {
            Fault::new(400, 2635, "A version is needed in the path of this call")
        }
        "META-AUTH-QUERY" if why.message.starts_with("there is no") => {
            Fault::new(400, 104, "An access token is needed for this call")
        }
        "META-AUTH-QUERY" => bad_token(has_bearer),
        "META-BODY-DATA" if why.item.is_none() => {
            Fault::new(400, 100, "(#100) The parameter data is required")
        }
        "META-BATCH-MAX" => {
            Fault::new(400, 100, "(#100) The parameter data takes 1 to 1000 events")
        }
        "META-FBC-BAD" => invalid(2_804_001, "Click ID Incorrectly Formatted"),
        "META-TIME-7D" | "META-TIME-62D" => invalid(2_804_003, "Event Timestamp Too Old"),
        "META-TIME-FUTURE" => invalid(2_804_004, "Event Timestamp In The Future"),
        "META-TIME-SECONDS" if why.message.contains("milliseconds") => {
            invalid(2_804_004, "Event Timestamp In The Future")
        }
        "META-CONTENTS-LIST" => invalid(2_804_008, "Invalid Contents Parameter"),
        "META-PURCHASE-VALUE" => invalid(2_804_009, "Missing Value for Purchase Event"),
        "META-PURCHASE-CURRENCY" => invalid(2_804_010, "Missing Currency for Purchase Event"),
        "META-HASH-REQUIRED" | "META-HASH-FORM" => invalid(2_804_016, "User Parameter Not Hashed"),
        "META-MATCH-BASELINE" => invalid(2_804_050, "Not Enough Customer Information"),
        _ => Fault::new(400, 100, "Invalid parameter").transient(false),
    };
    fault.reply(request)
}

fn bad_token(has_bearer: bool) -> Fault {
    Fault::new(
        if has_bearer { 401 } else { 400 },
        190,
        "The access token is expired or was replaced",
    )
    .subcode(463)
}

/// A planned failure in Meta's words; `None` for what Meta does not have: it takes all events or none.
pub(super) fn failure(
    class: FailureClass,
    request: &Request,
    pixel: &str,
    has_bearer: bool,
) -> Option<Reply> {
    let fault = match class {
        FailureClass::RateLimited => {
            let reply = Fault::new(400, 4, "(#4) The application made too many calls")
                .transient(true)
                .reply(request);
            return Some(with_usage(reply, pixel));
        }
        FailureClass::Transient => {
            Fault::new(400, 2, "The service cannot be reached for the moment, try again later")
                .transient(true)
        }
        FailureClass::ServerError => Fault::new(500, 1, "Something unknown went wrong"),
        FailureClass::Unavailable => {
            Fault::new(503, 2, "The service is down for the moment").transient(true)
        }
        FailureClass::TokenExpired => bad_token(has_bearer),
        FailureClass::Forbidden => {
            Fault::new(403, 200, "(#200) The token has no permission for this object")
        }
        FailureClass::Invalid => Fault::invalid(
            2_804_003,
            "Event Timestamp Too Old",
            "The event is outside of the time in which events are taken".into(),
        ),
        FailureClass::TookNothing => return Some(received(request, 0)),
        FailureClass::PartialInvalid | FailureClass::PartialTransient => return None,
    };
    Some(fault.reply(request))
}

/// The usage headers that come with throttling.
/// <https://developers.facebook.com/docs/graph-api/overview/rate-limiting/>
fn with_usage(reply: Reply, pixel: &str) -> Reply {
    let app = json!({"call_count": 100, "total_cputime": 40, "total_time": 35});
    let business = json!({pixel: [{
        "type": "ads_management",
        "call_count": 100,
        "total_cputime": 40,
        "total_time": 35,
        // Minutes.
        "estimated_time_to_regain_access": 1,
        "ads_api_access_tier": "standard_access",
    }]});
    reply
        .with_header("x-app-usage", app.to_string())
        .with_header("x-business-use-case-usage", business.to_string())
}

/// 23 characters that start with `A`, the same for the same request.
fn trace_id(request: &Request) -> String {
    let digest = sha256_hex(&format!("{}\n{}", request.path, request.body));
    digest.chars().take(22).fold(String::from("A"), |mut id, c| {
        id.push(c);
        id
    })
}
