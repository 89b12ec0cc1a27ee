//! A scenario's conditions on a request (`when`), decided by wiremock's matchers.

use std::{cell::OnceCell, str::FromStr};

use http::{HeaderMap, HeaderName, HeaderValue, Method};
use wiremock::{
    Match,
    matchers::{body_partial_json, body_string_contains, header, method, path_regex, query_param},
};

use crate::{exchange::Request, scenario::When};

/// All conditions of one fault, compiled.
pub(super) struct Conditions {
    matchers: Vec<Box<dyn Match>>,
    /// Whether one of them needs the body.
    pub(super) need_body: bool,
}

impl Conditions {
    /// Compiles conditions. wiremock's constructors panic on bad input, so it is checked here first.
    pub(super) fn compile(when: &[When]) -> Result<Self, String> {
        let mut matchers: Vec<Box<dyn Match>> = Vec::new();
        let mut need_body = false;
        for condition in when {
            match condition {
                When::Method(name) => {
                    Method::from_str(&name.to_ascii_uppercase())
                        .map_err(|e| format!("`{name}` is no HTTP method: {e}"))?;
                    matchers.push(Box::new(method(name)));
                }
                When::Path(pattern) => {
                    regex::Regex::new(pattern)
                        .map_err(|e| format!("`{pattern}` is no regular expression: {e}"))?;
                    matchers.push(Box::new(path_regex(pattern.as_str())));
                }
                When::Header(wanted) => {
                    for (name, value) in wanted {
                        let key = HeaderName::from_str(name)
                            .map_err(|e| format!("`{name}` is no header name: {e}"))?;
                        let value = HeaderValue::from_str(value)
                            .map_err(|e| format!("`{name}` cannot have this value: {e}"))?;
                        matchers.push(Box::new(header(key, value)));
                    }
                }
                When::Query(wanted) => {
                    for (name, value) in wanted {
                        matchers.push(Box::new(query_param(name.as_str(), value.as_str())));
                    }
                }
                When::BodyContains(text) => {
                    need_body = true;
                    matchers.push(Box::new(body_string_contains(text.as_str())));
                }
                When::BodyJson(value) => {
                    need_body = true;
                    matchers.push(Box::new(body_partial_json(value)));
                }
            }
        }
        Ok(Self { matchers, need_body })
    }

    pub(super) fn is_empty(&self) -> bool {
        self.matchers.is_empty()
    }

    /// True if all hold. A request that cannot be put in wiremock's words matches nothing.
    pub(super) fn hold(&self, subject: &Subject<'_>) -> bool {
        self.matchers.is_empty()
            || subject.get().is_some_and(|r| self.matchers.iter().all(|m| m.matches(r)))
    }
}

/// A request in wiremock's words, made only if a condition asks.
pub(super) struct Subject<'a> {
    request: &'a Request,
    made: OnceCell<Option<wiremock::Request>>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(request: &'a Request) -> Self {
        Self { request, made: OnceCell::new() }
    }

    fn get(&self) -> Option<&wiremock::Request> {
        self.made.get_or_init(|| translate(self.request)).as_ref()
    }
}

fn translate(request: &Request) -> Option<wiremock::Request> {
    let mut headers = HeaderMap::new();
    for (name, value) in &request.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::from_str(name), HeaderValue::from_str(value)) {
            headers.append(name, value);
        }
    }
    let query = if request.query.is_empty() { "" } else { "?" };
    Some(wiremock::Request {
        url: format!("http://{}{}{query}{}", request.host, request.path, request.query)
            .parse()
            .ok()?,
        method: Method::from_str(&request.method).ok()?,
        headers,
        body: request.body.clone().into_bytes(),
    })
}
