//! Other HTTP services that a relay calls (a store's own API, a consent tool, exchange rates): what their stand-ins answer, and
//! what is expected to be asked of them.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::units::Span;

/// Most stubs of one service.
pub const MAX_STUBS: usize = 100;

/// One kind of request to a service, and its answer.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Stub {
    /// Which requests; all conditions have to hold. Default: every request.
    #[serde(default)]
    pub request: StubRequest,
    /// What they are answered.
    #[serde(default)]
    pub response: StubResponse,
}

/// Conditions on a request to a service.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StubRequest {
    /// HTTP method.
    pub method: Option<String>,
    /// The path is this very one, without its query.
    pub path: Option<String>,
    /// Regular expression on the path.
    pub path_matches: Option<String>,
    /// Query parameters have these values.
    pub query: BTreeMap<String, String>,
    /// Headers have these values.
    pub headers: BTreeMap<String, String>,
}

/// The answer of a service.
#[derive(Debug, Clone, Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct StubResponse {
    /// HTTP status; default 200.
    pub status: u16,
    /// Headers.
    pub headers: BTreeMap<String, String>,
    /// Body: a text as it is, anything else as JSON; default: none.
    pub body: serde_json::Value,
    /// Only after this long.
    pub delay: Option<Span>,
}

impl Default for StubResponse {
    fn default() -> Self {
        Self { status: 200, headers: BTreeMap::new(), body: serde_json::Value::Null, delay: None }
    }
}

/// What a service answers in one scenario, in front of what the profile says.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GivenService {
    /// The service, as the profile names it.
    pub name: String,
    /// Which requests.
    #[serde(default)]
    pub request: StubRequest,
    /// What they are answered.
    pub response: StubResponse,
    /// How often; default: always. After that the profile's own answer comes back.
    #[serde(default)]
    pub times: Option<u32>,
}

/// How often a service is expected to be asked.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExpectService {
    /// The service, as the profile names it.
    pub name: String,
    /// Only requests with this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only requests with this very path.
    #[serde(default)]
    pub path: Option<String>,
    /// Exactly that many.
    #[serde(default)]
    pub calls: Option<u32>,
    /// At least that many.
    #[serde(default)]
    pub at_least: Option<u32>,
    /// At most that many.
    #[serde(default)]
    pub at_most: Option<u32>,
}

/// Something that cannot be right in a stub: field below it, what is wrong, what to write instead.
pub(crate) type StubProblem = (&'static str, String, &'static str);

/// Everything that cannot be right in a stub.
pub(crate) fn problems(request: &StubRequest, response: &StubResponse) -> Vec<StubProblem> {
    let mut all: Vec<StubProblem> = Vec::new();
    if let Some(method) = &request.method
        && http::Method::from_bytes(method.as_bytes()).is_err()
    {
        all.push(("request/method", format!("`{method}` is no HTTP method"), "write it like GET"));
    }
    if let Some(path) = &request.path
        && (!path.starts_with('/') || path.contains(['?', '#']))
    {
        let hint = "write it like /rates; parameters go under `query`";
        all.push(("request/path", format!("`{path}` is no path"), hint));
    }
    if request.path.is_some() && request.path_matches.is_some() {
        let message = "`path` does not go together with `path_matches`".to_owned();
        all.push(("request/path_matches", message, "keep one of them"));
    }
    if let Some(pattern) = &request.path_matches
        && regex::Regex::new(pattern).is_err()
    {
        let hint = "put a backslash before brackets and plus signs that stand for themselves";
        all.push(("request/path_matches", "not a regular expression".into(), hint));
    }
    for (field, headers) in
        [("request/headers", &request.headers), ("response/headers", &response.headers)]
    {
        for (name, value) in headers {
            let good = http::HeaderName::try_from(name.as_str()).is_ok()
                && http::HeaderValue::try_from(value).is_ok();
            if !good {
                let hint = "names have no blanks, values no line ends";
                all.push((field, format!("`{name}` is not a valid HTTP header"), hint));
            }
        }
    }
    if !(200..=599).contains(&response.status) {
        let message = format!("{} is no final HTTP status", response.status);
        all.push(("response/status", message, "write a number from 200 to 599"));
    }
    if let Some(delay) = response.delay.filter(|delay| delay.signed().is_negative()) {
        all.push(("response/delay", format!("`{delay}` is negative"), "write it like 250ms"));
    }
    all
}
