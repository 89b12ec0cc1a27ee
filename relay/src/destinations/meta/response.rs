//! What Meta's answers mean (<https://developers.facebook.com/docs/graph-api/guides/error-handling>,
//! <https://developers.facebook.com/docs/marketing-api/error-reference>).
//!
//! The body decides, not the status: throttling and bad tokens both arrive as 400 (META-ERR-NOT-BY-STATUS).
//! A request is taken or refused as a whole, and an error never names the event (META-BATCH-ATOMIC,
//! META-BATCH-NO-INDEX), therefore one outcome stands for all conversions.

use std::time::Duration;

use serde_json::{Map, Value};

use super::super::answer::{by_status, message, trace};
use super::super::{Answer, Outcome};

/// How long to leave an account alone that is blocked for a time (code 368).
const BLOCKED: Duration = Duration::from_secs(600);

/// How long to wait when a shop's clock runs ahead.
const AHEAD: Duration = Duration::from_secs(600);

/// The outcome for each of `count` conversions.
pub(super) fn outcome(count: usize, answer: &Answer) -> Outcome {
    let Some(object) = answer.object() else { return by_status(answer, count) };
    if let Some(error) = object.get("error").and_then(Value::as_object) {
        return refused(count, answer, error);
    }
    let trace_id = trace(&object, "fbtrace_id");
    match object.get("events_received").and_then(Value::as_u64) {
        Some(received) if answer.is_success() && usize::try_from(received) == Ok(count) => {
            Outcome::Delivered { trace_id }
        }
        Some(received) if answer.is_success() => {
            Outcome::retry(format!("{received} of {count} events received"), None, trace_id)
        }
        _ => by_status(answer, count),
    }
}

fn refused(count: usize, answer: &Answer, error: &Map<String, Value>) -> Outcome {
    let number = |name: &str| error.get(name).and_then(Value::as_i64);
    let trace_id = trace(error, "fbtrace_id");
    let Some(code) = number("code") else { return by_status(answer, count) };
    let subcode = number("error_subcode");
    let name = subcode.map_or_else(|| format!("code {code}"), |sub| format!("code {code}/{sub}"));
    let reason = format!("{name}{}", message(error));
    let transient = error.get("is_transient").and_then(Value::as_bool) == Some(true);
    match class(code, subcode) {
        Class::Token => Outcome::credentials(reason, trace_id),
        Class::Blocked => Outcome::retry(reason, answer.retry_after.max(Some(BLOCKED)), trace_id),
        Class::Transient => Outcome::retry(reason, answer.retry_after, trace_id),
        // The flag turns any error into a passing one (META-ERR-TRANSIENT-FLAG).
        _ if transient => Outcome::retry(reason, answer.retry_after, trace_id),
        Class::Early if count == 1 => {
            Outcome::retry(reason, answer.retry_after.max(Some(AHEAD)), trace_id)
        }
        Class::Early | Class::Permanent => Outcome::permanent(count, reason, trace_id),
        Class::Unknown => match by_status(answer, count) {
            Outcome::Retry { not_before, .. } => Outcome::retry(reason, not_before, trace_id),
            Outcome::Credentials { .. } => Outcome::credentials(reason, trace_id),
            _ => Outcome::permanent(count, reason, trace_id),
        },
    }
}

/// What a refusal is about.
enum Class {
    /// Access is at fault; the events are kept until it is repaired.
    Token,
    /// Throttled or down for a moment.
    Transient,
    /// Blocked for policy reasons, for a time.
    Blocked,
    /// The event's time is ahead of Meta's clock: the one fault that waiting cures (META-TIME-FUTURE).
    Early,
    /// An event is wrong.
    Permanent,
    /// Not in the tables; the status has to do.
    Unknown,
}

fn class(code: i64, subcode: Option<i64>) -> Class {
    match (code, subcode) {
        // The object does not exist for this token.
        (100, Some(33)) => Class::Token,
        (100, Some(2_804_004)) => Class::Early,
        (100, _) => Class::Permanent,
        (190 | 102 | 104 | 10 | 3 | 294 | 200..=299, _) => Class::Token,
        (1 | 2 | 4 | 17 | 32 | 341 | 613 | 5000 | 21009 | 80000..=80099, _) => Class::Transient,
        (368, _) => Class::Blocked,
        // Internal; the subcode would say more.
        (..=-1, _) => Class::Transient,
        _ => Class::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{answer, words};
    use super::*;

    fn word(count: usize, status: u16, body: &str) -> &'static str {
        words(&[outcome(count, &answer(status, body))]).first().copied().unwrap_or_default()
    }

    fn error(code: i64, subcode: Option<i64>, transient: bool) -> String {
        let subcode = subcode.map_or_else(String::new, |sub| format!(r#""error_subcode":{sub},"#));
        format!(
            r#"{{"error":{{"message":"Invalid parameter","type":"OAuthException","code":{code},{subcode}
            "is_transient":{transient},"fbtrace_id":"AbCdEf"}}}}"#
        )
    }

    #[test]
    fn all_events_received_is_a_delivery() {
        let body = r#"{"events_received":2,"messages":[],"fbtrace_id":"AbCdEf"}"#;
        assert_eq!(
            outcome(2, &answer(200, body)),
            Outcome::Delivered { trace_id: Some("AbCdEf".to_owned()) }
        );
    }

    #[test]
    fn a_success_that_confirms_nothing_is_no_delivery() {
        assert_eq!(word(2, 200, r#"{"events_received":1,"messages":[]}"#), "retry");
        assert_eq!(word(1, 200, r#"{"events_received":0}"#), "retry");
        assert_eq!(word(1, 200, r#"{"ok":true}"#), "retry");
        assert_eq!(word(1, 200, "<html>sign in</html>"), "retry");
        assert_eq!(word(1, 200, ""), "retry");
        assert_eq!(word(1, 500, r#"{"events_received":1}"#), "retry");
    }

    #[test]
    fn an_invalid_event_is_final_alone_and_searched_in_a_batch() {
        for subcode in [2_804_003, 2_804_009, 2_804_010, 2_804_016, 2_804_050] {
            assert_eq!(word(1, 400, &error(100, Some(subcode), false)), "rejected");
            assert_eq!(word(3, 400, &error(100, Some(subcode), false)), "split");
        }
        assert_eq!(word(1, 400, &error(100, None, false)), "rejected");
    }

    #[test]
    fn throttling_is_retried_although_it_comes_as_400_or_403() {
        for code in [1, 2, 4, 17, 32, 341, 613, 5000, 21009, 80000, 80003, 80004, 80014, -1] {
            assert_eq!(word(3, 400, &error(code, None, false)), "retry", "{code}");
            assert_eq!(word(3, 403, &error(code, None, true)), "retry", "{code}");
        }
        assert_eq!(word(1, 400, &error(100, Some(2_804_003), true)), "retry");
        assert_eq!(word(1, 400, &error(9999, None, true)), "retry");
    }

    #[test]
    fn a_blocked_account_is_left_alone_for_a_while() {
        let blocked = outcome(1, &answer(400, &error(368, None, false)));
        let Outcome::Retry { not_before, .. } = blocked else { panic!("{blocked:?}") };
        assert_eq!(not_before, Some(BLOCKED));
    }

    #[test]
    fn an_event_ahead_of_the_clock_is_found_and_waits() {
        assert_eq!(word(2, 400, &error(100, Some(2_804_004), false)), "split");
        let early = outcome(1, &answer(400, &error(100, Some(2_804_004), false)));
        let Outcome::Retry { not_before, .. } = early else { panic!("{early:?}") };
        assert_eq!(not_before, Some(AHEAD));
    }

    #[test]
    fn access_errors_keep_the_events() {
        for (code, subcode) in [
            (190, Some(463)),
            (190, None),
            (102, None),
            (104, None),
            (10, None),
            (200, None),
            (299, None),
            (100, Some(33)),
        ] {
            assert_eq!(word(2, 400, &error(code, subcode, false)), "credentials", "{code}");
            assert_eq!(word(2, 401, &error(code, subcode, false)), "credentials", "{code}");
        }
        assert_eq!(word(1, 401, "{}"), "credentials");
    }

    #[test]
    fn unknown_codes_follow_the_status() {
        assert_eq!(word(1, 503, &error(99_999, None, false)), "retry");
        assert_eq!(word(1, 403, &error(99_999, None, false)), "credentials");
        assert_eq!(word(2, 400, &error(99_999, None, false)), "split");
        assert_eq!(word(1, 400, &error(99_999, None, false)), "rejected");
        assert_eq!(word(1, 502, "<html>bad gateway</html>"), "retry");
    }

    #[test]
    fn reasons_name_the_code_and_hide_the_value() {
        let body = r#"{"error":{"message":"em 'joe' is joe@example.com","code":100,"error_subcode":2804016}}"#;
        let Outcome::Rejected { reason, .. } = outcome(1, &answer(400, body)) else { panic!() };
        assert_eq!(reason, "code 100/2804016: em [value] is [address]");
    }
}
