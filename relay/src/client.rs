//! The HTTP client that calls platforms: no redirects (a payload must not follow one to another host),
//! bounded answers, one timeout, and one classification of what can go wrong on the wire.

use std::time::Duration;

use crate::delivery::retry::retry_after;
use crate::destinations::Answer;

/// Bytes of an answer that are read; what comes after is cut.
const ANSWER_LIMIT: usize = 1024 * 1024;

/// Installs the TLS provider once per process. `reqwest` is built without one and panics if none is there.
pub fn install_tls() {
    // An error only means that a provider is already installed, which is all that is wanted.
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        tracing::trace!("a TLS provider was already installed");
    }
}

/// A client shared by all lanes. Proxies come from the usual environment variables only. `tls`: it is to trust the
/// machine's certificates; to load them takes longer than anything else at the start.
///
/// # Errors
/// When the machine's certificates cannot be loaded.
pub fn build(timeout: Duration, tls: bool) -> Result<reqwest::Client, reqwest::Error> {
    let builder = reqwest::Client::builder();
    let builder = if tls { builder } else { builder.tls_certs_only([]) };
    builder
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .connect_timeout(timeout.min(Duration::from_secs(5)))
        .user_agent(concat!("relay/", env!("CARGO_PKG_VERSION")))
        .pool_idle_timeout(Duration::from_secs(30))
        .build()
}

/// Sends a request and reads the answer whole; else a short reason free of URLs and contents.
///
/// # Errors
/// The reason why no answer could be read; the platform may or may not have got the request.
pub async fn exchange(
    request: reqwest::RequestBuilder,
    retry_after_cap: Duration,
) -> Result<Answer, &'static str> {
    let mut response = request.send().await.map_err(|error| describe(&error))?;
    let header = |name: http::HeaderName| {
        response.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
    };
    let date = header(http::header::DATE);
    let wait = header(http::header::RETRY_AFTER)
        .and_then(|value| retry_after(&value, date.as_deref(), retry_after_cap));
    let content_type = header(http::header::CONTENT_TYPE)
        .map(|v| v.split(';').next().unwrap_or_default().trim().to_ascii_lowercase());
    let status = response.status().as_u16();
    let mut body = Vec::new();
    let mut truncated = false;
    while let Some(chunk) = response.chunk().await.map_err(|error| describe(&error))? {
        let room = ANSWER_LIMIT - body.len();
        if chunk.len() > room {
            body.extend(chunk.iter().take(room));
            truncated = true;
            break;
        }
        body.extend_from_slice(&chunk);
    }
    let body = String::from_utf8_lossy(&body).into_owned();
    Ok(Answer { status, retry_after: wait, content_type, body, truncated })
}

fn describe(error: &reqwest::Error) -> &'static str {
    if error.is_timeout() {
        "timeout"
    } else if error.is_connect() {
        "cannot connect"
    } else if error.is_body() || error.is_decode() {
        "answer cut off"
    } else if error.is_builder() {
        "request cannot be built"
    } else {
        "connection lost"
    }
}
