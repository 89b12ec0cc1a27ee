//! One HTTP call to the relay, recorded as it was sent and answered.

use std::{error::Error as _, sync::atomic::Ordering, time::Instant};

use super::{Driver, Fault};
use crate::{
    exchange::{BODY_LIMIT, Request},
    history::Call,
    sut::{header_problem, profile::CallTemplate, template::Facts},
};

/// Bytes of an ordinary answer that are kept.
pub(super) const ANSWER_LIMIT: usize = 64 * 1024;
/// Bytes of a listing that are kept: it has to be read as JSON.
pub(super) const LISTING_LIMIT: usize = 4 * 1024 * 1024;

/// Reason of a call that ran out of time.
const TIMED_OUT: &str = "no answer in time";

/// A call that is ready to go.
#[derive(Debug, Clone)]
pub(super) struct Outgoing {
    pub(super) method: String,
    /// Path and query below the relay's URL.
    pub(super) path: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Option<Vec<u8>>,
    /// Header names in lower case on the wire.
    pub(super) lower_case: bool,
    /// Bytes of the answer to keep.
    pub(super) limit: usize,
}

impl Driver<'_> {
    /// Renders a call template and sends it.
    pub(super) async fn call(
        &self,
        field: &str,
        template: &CallTemplate,
        facts: Facts,
    ) -> Result<Call, Fault> {
        Ok(self.send(self.render(field, template, facts, ANSWER_LIMIT)?).await)
    }

    /// Renders a call template.
    pub(super) fn render(
        &self,
        field: &str,
        template: &CallTemplate,
        facts: Facts,
        limit: usize,
    ) -> Result<Outgoing, Fault> {
        let text = |part: &str| {
            self.stage
                .relay
                .templates()
                .render(&format!("{field}.{part}"), &facts)
                .map_err(|error| Fault(error.to_string()))
        };
        let mut headers = Vec::new();
        for name in template.headers.keys() {
            let value = text(&format!("headers.{name}"))?.trim().to_owned();
            if let Some(why) = header_problem(name, &value) {
                // Nothing was sent: that is no silence of the relay's.
                return Err(Fault(format!("{field}.headers.{name} cannot be sent: {why}")));
            }
            if !value.is_empty() {
                headers.push((name.clone(), value));
            }
        }
        let body = match template.body {
            Some(_) => Some(text("body")?.trim().as_bytes().to_vec()),
            None => None,
        };
        let method = template.method.clone().unwrap_or_else(|| "POST".into());
        let path = text("path")?.trim().to_owned();
        Ok(Outgoing { method, path, headers, body, lower_case: false, limit })
    }

    /// Sends a call. No answer is an answer too: it stands in the record with its reason.
    pub(super) async fn send(&self, outgoing: Outgoing) -> Call {
        let url = format!("{}{}", self.stage.relay.base_url(), outgoing.path);
        let mut call = Call {
            request: recorded(&url, &outgoing),
            status: None,
            body: String::new(),
            took: std::time::Duration::ZERO,
            error: None,
        };
        if self.unanswered.load(Ordering::Relaxed) >= self.stage.patience {
            call.error = Some("not sent: the relay did not answer the calls before in time".into());
            return call;
        }
        let begin = Instant::now();
        match self.exchange(&url, outgoing).await {
            Ok((status, body)) => {
                self.unanswered.store(0, Ordering::Relaxed);
                (call.status, call.body) = (Some(status), body);
            }
            Err(why) => {
                if why == TIMED_OUT {
                    self.unanswered.fetch_add(1, Ordering::Relaxed);
                }
                call.error = Some(why);
            }
        }
        call.took = begin.elapsed();
        call
    }

    async fn exchange(&self, url: &str, outgoing: Outgoing) -> Result<(u16, String), String> {
        let method = reqwest::Method::from_bytes(outgoing.method.as_bytes())
            .map_err(|_| format!("`{}` is no HTTP method", outgoing.method))?;
        let http = self.stage.relay.http();
        let client = if outgoing.lower_case { &http.lower_case } else { &http.title_case };
        let mut request = client.request(method, url);
        for (name, value) in &outgoing.headers {
            // Values travel as the bytes they are: a shopper's user agent need not be ASCII.
            let value = reqwest::header::HeaderValue::from_bytes(value.as_bytes())
                .map_err(|_| format!("the header {name} cannot be sent: {value:?}"))?;
            request = request.header(name, value);
        }
        if let Some(body) = outgoing.body {
            request = request.body(body);
        }
        let mut answer = request.send().await.map_err(|error| reason(&error))?;
        let status = answer.status().as_u16();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| reason(&error))? {
            let room = outgoing.limit.saturating_sub(body.len());
            body.extend_from_slice(chunk.get(..room).unwrap_or(&chunk));
            if body.len() >= outgoing.limit {
                break;
            }
        }
        Ok((status, String::from_utf8_lossy(&body).into_owned()))
    }
}

fn recorded(url: &str, outgoing: &Outgoing) -> Request {
    let (host, path, query) = match url::Url::parse(url) {
        Ok(url) => (
            url.authority().to_owned(),
            url.path().to_owned(),
            url.query().unwrap_or_default().to_owned(),
        ),
        Err(_) => (String::new(), outgoing.path.clone(), String::new()),
    };
    let body = outgoing.body.as_deref().unwrap_or_default();
    Request {
        method: outgoing.method.clone(),
        host,
        path,
        query,
        headers: outgoing
            .headers
            .iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value.clone()))
            .collect(),
        body: String::from_utf8_lossy(body.get(..BODY_LIMIT).unwrap_or(body)).into_owned(),
        body_bytes: body.len(),
        incomplete: false,
    }
}

/// The innermost cause first: it says what happened (`connection refused`).
fn reason(error: &reqwest::Error) -> String {
    let mut innermost: &dyn std::error::Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    if error.is_timeout() {
        TIMED_OUT.to_owned()
    } else if error.source().is_some() {
        innermost.to_string()
    } else {
        error.to_string()
    }
}
