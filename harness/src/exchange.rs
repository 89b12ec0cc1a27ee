//! One captured request with its answer. Owned, bounded copies: keeping hyper's buffers would pin far more memory.

use std::time::Duration;

use serde::Serialize;
use time::OffsetDateTime;

use crate::platforms::{self, Reading};

/// Bytes of a body that are kept; longer ones are cut and marked.
pub const BODY_LIMIT: usize = 1024 * 1024;

/// Host that a planned redirect leads to, as the journal names it: nobody calls it but who follows one.
pub const CANARY_HOST: &str = "canary.invalid";

/// A request as it reached the gateway, after routing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Request {
    /// `POST`, `GET`, ...
    pub method: String,
    /// Host the client asked for, as [`bare_host`] writes it, or the platform's own host if the base URL was used.
    pub host: String,
    /// Path as that platform would see it (without the gateway's prefix), not decoded.
    pub path: String,
    /// Raw query without `?`.
    pub query: String,
    /// Names in lower case, in order of arrival.
    pub headers: Vec<(String, String)>,
    /// Body as text (lossy if it is not UTF-8), cut at [`BODY_LIMIT`].
    pub body: String,
    /// Bytes that the client sent as body.
    pub body_bytes: usize,
    /// The body did not end as announced (client went away).
    pub incomplete: bool,
}

/// A host as hosts are compared: in lower case, without port, without an IPv6 address's brackets and without the dot at the
/// end of a full name.
pub fn bare_host(authority: &str) -> String {
    let is_port = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
    let name = match authority.rsplit_once(':') {
        // An IPv6 address without brackets has colons of its own and no port.
        Some((name, port)) if is_port(port) && (!name.contains(':') || name.ends_with(']')) => name,
        _ => authority,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase()
}

impl Request {
    /// First value of a header, by lower-case name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str())
    }

    /// How the body is compressed, if it is in a way that the gateway does not undo (`br`): nothing of it can be read then.
    pub fn compression(&self) -> Option<&str> {
        let named = self.header("content-encoding").map(str::trim);
        named.filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case("identity"))
    }

    /// The body as JSON, if it is JSON.
    pub fn json(&self) -> Option<serde_json::Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Decoded query pairs, in order.
    pub fn query_pairs(&self) -> Vec<(String, String)> {
        url::form_urlencoded::parse(self.query.as_bytes()).into_owned().collect()
    }
}

/// What goes back to the client, before any wire fault.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Extra headers.
    pub headers: Vec<(String, String)>,
    /// Body text.
    pub body: String,
}

impl Reply {
    /// A JSON answer.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), "application/json; charset=utf-8".into())],
            body: body.to_string(),
        }
    }

    /// An answer of another content type.
    pub fn text(status: u16, content_type: &str, body: impl Into<String>) -> Self {
        Self {
            status,
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
        }
    }

    /// The same answer with one more header.
    pub fn with_header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }
}

/// What became of the exchange on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// Not answered yet.
    Open,
    /// The reply was handed to the socket whole.
    Answered,
    /// The connection was reset on purpose, before or after the body was read.
    Reset,
    /// The answer was cut on purpose.
    Cut,
    /// No answer was given on purpose; the client left or the run ended.
    Unanswered,
    /// The client went away by itself before the answer was out.
    ClientLeft,
}

/// One request and what was answered, in journal order.
#[derive(Debug, Clone, Serialize)]
pub struct Exchange {
    /// Position in the journal of the run; also its name in reports (`#17`).
    pub seq: u64,
    /// When the request was read, since the run began.
    pub at: Duration,
    /// When the answer was out, since the run began.
    pub ended_at: Option<Duration>,
    /// The case's own time (real time plus what its clock was advanced by).
    pub time: OffsetDateTime,
    /// Platform that the request was for; `None`: nobody declared this host.
    pub platform: Option<&'static str>,
    /// As read.
    pub request: Request,
    /// What the platform makes of it; `None` for undeclared hosts.
    pub reading: Option<Reading>,
    /// Owner of each item of the reading, same order.
    pub owners: Vec<Option<Owner>>,
    /// Planned fault that hit: index into the case's `faults`, and the how-manieth hit it was (from 1).
    pub fault: Option<(usize, u32)>,
    /// Items (by index) that the platform took into its ledger.
    pub accepted: Vec<usize>,
    /// What was (or would have been) answered.
    pub reply: Reply,
    /// How it ended.
    pub ending: Ending,
}

impl Exchange {
    /// Items of one order, with their index.
    pub fn items_of<'a>(
        &'a self,
        order: &'a OrderRef,
    ) -> impl Iterator<Item = (usize, &'a crate::platforms::Item)> + 'a {
        self.reading.iter().flat_map(|reading| reading.items.iter().enumerate()).filter(
            move |(i, _)| {
                self.owners.get(*i).and_then(Option::as_ref).and_then(|o| o.order.as_ref())
                    == Some(order)
            },
        )
    }

    /// The body that the pointers of the items lead into.
    pub fn body(&self) -> Option<serde_json::Value> {
        match self.platform.and_then(platforms::by_id) {
            Some(platform) => platform.body(&self.request),
            None => self.request.json(),
        }
    }

    /// True if the answer, as the client saw it, was a whole HTTP answer.
    pub fn was_answered(&self) -> bool {
        self.ending == Ending::Answered
    }
}

/// Index of a case in the plan of the run.
pub type CaseId = usize;

/// Which order of a case: by its id in the scenario, or the sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderRef {
    /// `id:` of an order step.
    Named(String),
    /// The consenting control order that the harness adds at the end of every case.
    Sentinel,
}

impl std::fmt::Display for OrderRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Named(id) => f.write_str(id),
            Self::Sentinel => f.write_str("sentinel"),
        }
    }
}

/// Whom a captured value belongs to, found by its tracers.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Owner {
    /// The case.
    pub case: CaseId,
    /// The order, if the tracer (or the person having just one) tells.
    pub order: Option<OrderRef>,
}

#[cfg(test)]
mod tests {
    use super::bare_host;

    #[test]
    fn a_host_is_bare_however_it_is_written() {
        for (written, bare) in [
            ("Telemetry.Example:443", "telemetry.example"),
            ("telemetry.example.", "telemetry.example"),
            ("telemetry.example.:8443", "telemetry.example"),
            ("[2001:DB8::1]:443", "2001:db8::1"),
            ("[::1]", "::1"),
            ("2001:db8::1", "2001:db8::1"),
            ("192.0.2.7:80", "192.0.2.7"),
            ("", ""),
        ] {
            assert_eq!(bare_host(written), bare, "{written}");
        }
    }
}
