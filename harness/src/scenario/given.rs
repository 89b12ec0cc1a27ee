//! What is out of the ordinary from the start: planned misbehaviour of platforms, planned answers of other services.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{forms, service::GivenService, units::Span};
use crate::platforms::FailureClass;

/// Something that is out of the ordinary.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case", remote = "Self")]
pub enum Given {
    /// A platform misbehaves towards this case's requests.
    Platform(Fault),
    /// Another service that the relay calls answers in this way, in front of what the profile says.
    Service(GivenService),
}

/// One planned misbehaviour of one platform.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Platform; default: the one that the case is for. `google_oauth` for the token endpoint.
    #[serde(default)]
    pub name: Option<String>,
    /// What it does instead of its ordinary answer.
    pub answers: Answers,
    /// How often; default: until a `recovers` step lifts it (or the case ends).
    #[serde(default)]
    pub times: Option<u32>,
    /// How many matching requests pass untouched before.
    #[serde(default)]
    pub after: u32,
    /// Only requests that carry this order.
    #[serde(default)]
    pub order: Option<String>,
    /// Only requests that match all of these.
    #[serde(default)]
    pub when: Vec<When>,
    /// `Retry-After` header added to the answer: seconds.
    #[serde(default)]
    pub retry_after: Option<Span>,
    /// The same as an HTTP date (rounded up to whole seconds).
    #[serde(default)]
    pub retry_after_date: Option<Span>,
    /// `Retry-After` with this very text.
    #[serde(default)]
    pub retry_after_text: Option<String>,
    /// Orders (by id) whose rows a partial failure hits; others in the same request pass.
    #[serde(default)]
    pub rows: Vec<String>,
}

/// How a platform misbehaves. Classes are phrased as that platform phrases them.
#[derive(Debug, Clone, Deserialize)]
#[serde(from = "forms::AnswersForm")]
pub enum Answers {
    /// A failure in the platform's own words; in YAML by its bare name: `rate_limited`.
    Failure(FailureClass),
    /// Any status with headers and body.
    Http(HttpAnswer),
    /// Connections are refused.
    Refuse,
    /// Connection reset after the request's head, before its body is read.
    ResetBeforeBody,
    /// Connection reset after the request was read, nothing taken.
    ResetAfterBody,
    /// Never answers; nothing taken.
    Never,
    /// The ordinary answer, its body one byte at a time over this long.
    SlowBody(Span),
    /// The ordinary answer, cut in the middle of its body; the event is taken.
    CutBody,
    /// The event is taken, then the connection is reset without an answer.
    CommitThenReset,
    /// The event is taken, but no answer ever comes.
    CommitThenSilence,
    /// The event is taken, but a proxy in between answers 502 with HTML.
    CommitThenBadGateway,
    /// The ordinary answer, but only after this long.
    Delay(Span),
    /// Status 200 with an HTML page, nothing taken.
    HtmlOk,
    /// Status 200 (or 204) with an empty body, nothing taken.
    EmptyOk,
    /// Status 302 to a host that must never see the payload.
    Redirect,
}

/// Any HTTP answer.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpAnswer {
    /// Status code.
    pub status: u16,
    /// Headers.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body text.
    #[serde(default)]
    pub body: String,
}

/// A condition on a request; decided by wiremock's matchers.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// HTTP method.
    Method(String),
    /// Regular expression on the path.
    Path(String),
    /// Header has this value.
    Header(BTreeMap<String, String>),
    /// Query parameter has this value.
    Query(BTreeMap<String, String>),
    /// Body holds this text.
    BodyContains(String),
    /// Body, as JSON, holds at least this.
    BodyJson(serde_json::Value),
}
