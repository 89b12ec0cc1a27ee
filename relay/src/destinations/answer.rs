//! What every platform's answer has in common: JSON or not, and what a bare status means.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{Answer, Outcome, reason};

impl Answer {
    /// Whether the status promises success; the body still has to confirm it.
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body if it is a JSON object and arrived whole; HTML error pages and the like are `None`.
    pub(super) fn object(&self) -> Option<Map<String, Value>> {
        if self.truncated {
            return None;
        }
        serde_json::from_str(&self.body).ok()
    }
}

impl Outcome {
    /// Try again; `not_before` is a floor for the wait.
    pub(super) fn retry(
        reason: impl Into<String>,
        not_before: Option<Duration>,
        trace_id: Option<String>,
    ) -> Self {
        Self::Retry { reason: reason.into(), not_before, trace_id }
    }

    /// Keep the conversions until somebody repairs access or set-up.
    pub(super) fn credentials(reason: impl Into<String>, trace_id: Option<String>) -> Self {
        Self::Credentials { reason: reason.into(), trace_id }
    }

    /// A permanent fault of one conversion.
    pub(super) fn rejected(reason: impl Into<String>, trace_id: Option<String>) -> Self {
        Self::Rejected { reason: reason.into(), trace_id }
    }

    /// A permanent fault somewhere in a request of `count` conversions: it is found by sending them apart.
    pub(super) fn permanent(
        count: usize,
        reason: impl Into<String>,
        trace_id: Option<String>,
    ) -> Self {
        if count > 1 {
            Self::Split { reason: reason.into(), trace_id }
        } else {
            Self::rejected(reason, trace_id)
        }
    }
}

/// What the status alone means, for an answer whose body says nothing of the platform's own.
///
/// A redirect is not followed (it would carry the payload elsewhere) and not held against the conversions:
/// somebody has to correct the base URL, until then they are kept. A 2xx that is not the API's own JSON is a
/// captive portal, a proxy or a cut body, never a delivery.
pub(super) fn by_status(answer: &Answer, count: usize) -> Outcome {
    let status = answer.status;
    match status {
        200..=299 => Outcome::retry(
            format!("status {status} without the platform's own answer{}", describe(answer)),
            answer.retry_after,
            None,
        ),
        300..=399 => {
            Outcome::retry(format!("status {status}: redirect refused"), answer.retry_after, None)
        }
        401 | 403 => Outcome::credentials(format!("status {status}"), None),
        407 | 408 | 425 | 429 | 500.. => {
            Outcome::retry(format!("status {status}"), answer.retry_after, None)
        }
        404 | 405 | 410 | 415 => Outcome::rejected(format!("status {status}"), None),
        // 413 and the other 4xx may be the fault of one conversion.
        400..=499 => Outcome::permanent(count, format!("status {status}"), None),
        _ => Outcome::retry(format!("status {status} is no answer"), answer.retry_after, None),
    }
}

fn describe(answer: &Answer) -> String {
    let kind = answer.content_type.as_deref().unwrap_or("no content type");
    let cut = if answer.truncated { ", cut" } else { "" };
    format!(" ({}{cut})", reason::masked(kind))
}

/// Outcomes after a refusal of the whole request that names the guilty rows: the others go again at once.
pub(super) fn blame(
    count: usize,
    guilty: impl Fn(usize) -> Option<Outcome>,
    trace_id: &Option<String>,
) -> Vec<Outcome> {
    let innocent = || {
        let reason = "refused because of another event in the batch";
        Outcome::retry(reason, Some(Duration::ZERO), trace_id.clone())
    };
    (0..count).map(|row| guilty(row).unwrap_or_else(innocent)).collect()
}

/// Text of a member, if it is a non-empty string of bearable length.
pub(super) fn text(object: &Map<String, Value>, name: &str) -> Option<String> {
    let text = object.get(name)?.as_str()?;
    (!text.is_empty() && text.len() <= 2000).then(|| text.to_owned())
}

/// A trace or request id of the platform, made harmless for logs.
pub(super) fn trace(object: &Map<String, Value>, name: &str) -> Option<String> {
    text(object, name).map(|id| id.chars().filter(char::is_ascii_graphic).take(128).collect())
}

/// The message of an error, masked; empty if there is none.
pub(super) fn message(object: &Map<String, Value>) -> String {
    text(object, "message")
        .map(|message| format!(": {}", reason::masked(&message)))
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::super::testing::answer;
    use super::*;

    #[test]
    fn transient_statuses_keep_the_servers_wish() {
        for status in [408, 425, 429, 500, 502, 503, 504] {
            let mut busy = answer(status, "<html>busy</html>");
            busy.retry_after = Some(Duration::from_secs(3));
            let Outcome::Retry { not_before, .. } = by_status(&busy, 1) else {
                panic!("{status} is not retried");
            };
            assert_eq!(not_before, Some(Duration::from_secs(3)));
        }
    }

    #[test]
    fn a_success_status_alone_is_no_delivery() {
        for body in ["", "OK", "<html></html>", "[]"] {
            assert!(matches!(by_status(&answer(200, body), 1), Outcome::Retry { .. }), "{body}");
        }
    }

    #[test]
    fn redirects_keep_the_conversion() {
        let Outcome::Retry { reason, .. } = by_status(&answer(302, ""), 1) else {
            panic!("a redirect lost the conversion");
        };
        assert_eq!(reason, "status 302: redirect refused");
    }

    #[test]
    fn refusals_are_split_before_they_are_final() {
        assert!(matches!(by_status(&answer(413, ""), 2), Outcome::Split { .. }));
        assert!(matches!(by_status(&answer(413, ""), 1), Outcome::Rejected { .. }));
        assert!(matches!(by_status(&answer(400, ""), 3), Outcome::Split { .. }));
        assert!(matches!(by_status(&answer(404, ""), 3), Outcome::Rejected { .. }));
        assert!(matches!(by_status(&answer(401, ""), 3), Outcome::Credentials { .. }));
        assert!(matches!(by_status(&answer(403, ""), 3), Outcome::Credentials { .. }));
    }

    #[test]
    fn a_cut_body_is_not_read() {
        let mut cut = answer(200, r#"{"events_received":1}"#);
        cut.truncated = true;
        assert!(cut.object().is_none());
    }
}
