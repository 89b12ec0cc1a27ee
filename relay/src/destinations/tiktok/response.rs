//! What TikTok's answers mean. Failures come with status 200; `code` decides (TIKTOK-CODE-NOT-STATUS;
//! <https://business-api.tiktok.com/portal/docs?id=1737172488964097>).

use serde_json::{Map, Value};

use super::super::answer::{blame, by_status, message, trace};
use super::super::{Answer, Outcome};

/// An outcome for each of `count` events.
pub(super) fn outcomes(count: usize, answer: &Answer) -> Vec<Outcome> {
    let all = |outcome: Outcome| vec![outcome; count];
    let Some(object) = answer.object() else { return all(by_status(answer, count)) };
    let Some(code) = object.get("code").and_then(Value::as_i64) else {
        return all(by_status(answer, count));
    };
    let trace_id = trace(&object, "request_id");
    let reason = format!("code {code}{}", message(&object));
    match code {
        0 if answer.is_success() => all(Outcome::Delivered { trace_id }),
        // "Partly": a single event cannot be taken in part, several are told apart by sending them alone.
        20001 if answer.is_success() && count == 1 => all(Outcome::Delivered { trace_id }),
        20001 if answer.is_success() => all(Outcome::permanent(count, reason, trace_id)),
        // No permission for the pixel; token missing, expired, malformed or revoked: keep the events.
        40001 | 40101 | 40102 | 40104 | 40105 => all(Outcome::credentials(reason, trace_id)),
        40100 | 50000.. => all(Outcome::retry(reason, answer.retry_after, trace_id)),
        40000 | 40002 => refused(count, &object, &reason, &trace_id),
        // Not in the tables: an error status says more, behind a success it is about the events.
        1..50000 => match by_status(answer, count) {
            Outcome::Retry { not_before, .. } if !answer.is_success() => {
                all(Outcome::retry(reason, not_before, trace_id))
            }
            Outcome::Credentials { .. } => all(Outcome::credentials(reason, trace_id)),
            _ => refused(count, &object, &reason, &trace_id),
        },
        _ => all(by_status(answer, count)),
    }
}

/// An invalid event: nothing of the request is stored (TIKTOK-WHOLE-BATCH), the message may name it.
fn refused(
    count: usize,
    object: &Map<String, Value>,
    reason: &str,
    trace_id: &Option<String>,
) -> Vec<Outcome> {
    let text = object.get("message").and_then(Value::as_str).unwrap_or_default();
    match named_event(text).filter(|row| *row < count) {
        Some(guilty) => {
            let own = |row| {
                (row == guilty).then(|| Outcome::rejected(reason.to_owned(), trace_id.clone()))
            };
            blame(count, own, trace_id)
        }
        None => vec![Outcome::permanent(count, reason, trace_id.clone()); count],
    }
}

/// The index in `Batch.3.properties...` or `data.3.properties...`.
fn named_event(text: &str) -> Option<usize> {
    ["Batch.", "data."].into_iter().find_map(|prefix| {
        let (_, rest) = text.split_once(prefix)?;
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        rest.get(..end)?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::super::testing::{answer, words};
    use super::*;

    fn body(code: i64, message: &str) -> String {
        format!(r#"{{"code":{code},"message":"{message}","request_id":"2026112001","data":{{}}}}"#)
    }

    fn judged(count: usize, status: u16, code: i64, message: &str) -> Vec<&'static str> {
        words(&outcomes(count, &answer(status, &body(code, message))))
    }

    #[test]
    fn code_zero_is_a_delivery() {
        let delivered = Outcome::Delivered { trace_id: Some("2026112001".to_owned()) };
        assert_eq!(outcomes(2, &answer(200, &body(0, "OK"))), vec![delivered; 2]);
        assert_eq!(judged(1, 502, 0, "OK"), ["retry"]);
    }

    #[test]
    fn a_success_status_is_not_a_delivery() {
        assert_eq!(judged(1, 200, 40001, "No permission to operate pixel code"), ["credentials"]);
        assert_eq!(words(&outcomes(1, &answer(200, "<html></html>"))), ["retry"]);
        assert_eq!(words(&outcomes(1, &answer(200, r#"{"message":"OK"}"#))), ["retry"]);
    }

    #[test]
    fn token_errors_keep_the_events() {
        for code in [40101, 40102, 40104, 40105] {
            assert_eq!(judged(2, 200, code, "Access token is incorrect"), ["credentials"; 2]);
        }
        assert_eq!(judged(1, 401, 40999, "unknown"), ["credentials"]);
    }

    #[test]
    fn throttling_and_server_faults_are_retried_with_the_servers_wish() {
        for code in [40100, 50000, 50002, 51010] {
            assert_eq!(judged(2, 200, code, "Too many requests"), ["retry"; 2]);
        }
        let mut busy = answer(429, &body(40100, "Too many requests"));
        busy.retry_after = Some(Duration::from_secs(2));
        let outcomes = outcomes(1, &busy);
        let Some(Outcome::Retry { not_before, .. }) = outcomes.first() else {
            panic!("{outcomes:?}")
        };
        assert_eq!(*not_before, Some(Duration::from_secs(2)));
        assert_eq!(judged(1, 503, 40999, "odd"), ["retry"]);
    }

    #[test]
    fn an_invalid_event_is_found_by_its_path_or_by_sending_apart() {
        let message = "Batch.1.properties.contents.0.content_id: Not a valid string";
        assert_eq!(judged(3, 200, 40002, message), ["retry", "rejected", "retry"]);
        assert_eq!(judged(2, 200, 40002, "data.0.event_time: wrong"), ["rejected", "retry"]);
        assert_eq!(judged(2, 200, 40002, "Invalid parameter"), ["split", "split"]);
        assert_eq!(judged(1, 200, 40002, "Invalid parameter"), ["rejected"]);
        assert_eq!(judged(2, 200, 40002, "Batch.9.event: wrong"), ["split", "split"]);
        assert_eq!(judged(1, 200, 40000, "Bad request"), ["rejected"]);
        assert_eq!(judged(1, 503, 40002, "Invalid parameter"), ["rejected"], "the body decides");
    }

    #[test]
    fn a_partial_success_of_several_is_told_apart() {
        assert_eq!(judged(2, 200, 20001, "Partial success"), ["split", "split"]);
        assert_eq!(judged(1, 200, 20001, "Partial success"), ["delivered"]);
    }
}
