//! What the Data Manager API's answers mean
//! (<https://developers.google.com/data-manager/api/devguides/concepts/understand-errors>).
//!
//! One bad event refuses the whole request and nothing is stored (GDM-RESP-FASTFAIL), but the error names it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::answer::{blame, by_status, message, text, trace};
use super::super::{Answer, Outcome, google, reason};

/// How long a used-up daily quota is left alone; the hour of its reset is not in the answer.
const DAILY_QUOTA: Duration = Duration::from_secs(3600);

/// An outcome for each of `count` events.
pub(super) fn outcomes(count: usize, answer: &Answer) -> Vec<Outcome> {
    let Some(object) = answer.object() else { return vec![by_status(answer, count); count] };
    if let Some(error) = object.get("error").and_then(Value::as_object) {
        return refused(count, answer, error);
    }
    match trace(&object, "requestId") {
        // Warnings concern optional fields; the events are taken (GDM-RESP-200).
        Some(id) if answer.is_success() => {
            vec![Outcome::Delivered { trace_id: Some(id) }; count]
        }
        _ => vec![by_status(answer, count); count],
    }
}

fn refused(count: usize, answer: &Answer, error: &Map<String, Value>) -> Vec<Outcome> {
    let trace_id = request_id(error);
    let name = text(error, "status").unwrap_or_default();
    let info = google::details(error).find_map(|detail| text(detail, "reason")).unwrap_or_default();
    let detail = if info.is_empty() || info == name { "" } else { info.as_str() };
    let kind = format!("{} {}", reason::name(&name), reason::name(detail));
    let reason = format!("{}{}", kind.trim_end(), message(error));

    let violations: Vec<Violation> = google::details(error)
        .flat_map(|detail| google::list(detail, "fieldViolations"))
        .map(Violation::read)
        .collect();
    if let Some(violation) = violations.iter().find(|violation| violation.is_set_up()) {
        return vec![Outcome::credentials(violation.reason.clone(), trace_id); count];
    }
    if let Some(violation) = violations.iter().find(|violation| violation.is_too_recent()) {
        let wait = answer.retry_after.max(Some(google::SETTLE));
        return vec![Outcome::retry(violation.reason.clone(), wait, trace_id); count];
    }
    let mut guilty: BTreeMap<usize, String> = BTreeMap::new();
    for violation in &violations {
        if let Some(row) = violation.row.filter(|row| *row < count) {
            guilty.entry(row).or_insert_with(|| violation.reason.clone());
        }
    }
    let all_named = violations.iter().all(|v| v.row.is_some_and(|row| row < count));
    if !guilty.is_empty() && all_named && google::is_about_content(&name) {
        let own = |row: usize| {
            guilty.get(&row).map(|reason| Outcome::rejected(reason.clone(), trace_id.clone()))
        };
        return blame(count, own, &trace_id);
    }
    let reason = violations.first().map_or(reason, |violation| violation.reason.clone());
    if is_set_up(&info) {
        return vec![Outcome::credentials(reason, trace_id); count];
    }
    let daily = used_up_for_the_day(error).then_some(DAILY_QUOTA);
    let wait = answer.retry_after.max(google::retry_info(error)).max(daily);
    let outcome = match google::by_rpc_status(&name, answer, count, &reason, trace_id.clone()) {
        Some(Outcome::Retry { reason, trace_id, .. }) => Outcome::retry(reason, wait, trace_id),
        Some(outcome) => outcome,
        None => by_status(answer, count),
    };
    vec![outcome; count]
}

/// One entry of `BadRequest.fieldViolations` (GDM-RESP-VIOLATION).
struct Violation {
    row: Option<usize>,
    of_destination: bool,
    name: String,
    reason: String,
}

impl Violation {
    fn read(object: &Map<String, Value>) -> Self {
        let field = text(object, "field").unwrap_or_default();
        let name = reason::name(&text(object, "reason").unwrap_or_default());
        let description = text(object, "description").unwrap_or_default();
        let reason = format!("{name} at {}: {}", path(&field), reason::masked(&description));
        Self {
            row: google::index_in(&field, "events"),
            of_destination: field.starts_with("destinations"),
            name,
            reason,
        }
    }

    /// A fault of account or conversion action, not of an event.
    fn is_set_up(&self) -> bool {
        (self.of_destination && !self.is_too_recent()) || is_set_up(&self.name)
    }

    fn is_too_recent(&self) -> bool {
        self.name == "CONVERSION_ACTION_TOO_RECENTLY_CREATED"
    }
}

/// Reasons that stand for account, terms and set-up: every event would fail until somebody acts.
fn is_set_up(reason: &str) -> bool {
    matches!(
        reason,
        "INVALID_DESTINATION"
            | "INVALID_CONVERSION_ACTION_ID"
            | "INVALID_CONVERSION_ACTION_TYPE"
            | "DESTINATION_ACCOUNT_TYPE_MISMATCH"
            | "OPERATING_ACCOUNT_LOGIN_ACCOUNT_MISMATCH"
            | "PERMISSION_DENIED"
            | "SERVICE_DISABLED"
            | "NOT_ALLOWLISTED"
            | "EVENT_SOURCE_AND_DESTINATION_MISMATCH"
            | "TERMS_AND_CONDITIONS_NOT_SIGNED"
            | "DESTINATION_ACCOUNT_ENHANCED_CONVERSIONS_TERMS_NOT_SIGNED"
            | "DESTINATION_ACCOUNT_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS"
            | "DESTINATION_ACCOUNT_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS"
            | "EU_POLITICAL_ADVERTISING_DECLARATION_REQUIRED"
    )
}

/// `ErrorInfo.metadata.quota_limit` tells the minute's quota from the day's (GDM-RETRY-429).
fn used_up_for_the_day(error: &Map<String, Value>) -> bool {
    google::details(error)
        .filter_map(|detail| detail.get("metadata")?.get("quota_limit")?.as_str())
        .any(|limit| limit.contains("PerDay"))
}

/// The id for support: in `RequestInfo`, or in the metadata of `ErrorInfo`.
fn request_id(error: &Map<String, Value>) -> Option<String> {
    google::details(error).find_map(|detail| {
        trace(detail, "requestId")
            .or_else(|| trace(detail.get("metadata")?.as_object()?, "requestId"))
    })
}

/// A field path of names and indices; anything else is masked.
fn path(field: &str) -> String {
    let plain = |c: char| c.is_ascii_lowercase() || "0123456789_.[]".contains(c);
    let is_path = field.len() <= 120 && field.chars().all(plain);
    if is_path { field.to_owned() } else { reason::masked(field) }
}

#[cfg(test)]
mod tests {
    use super::super::super::testing::{answer, words};
    use super::*;

    fn judged(count: usize, status: u16, body: &str) -> Vec<&'static str> {
        words(&outcomes(count, &answer(status, body)))
    }

    fn error(status: &str, reason: &str, more: &str) -> String {
        format!(
            r#"{{"error":{{"code":400,"message":"There was a problem.","status":"{status}","details":[
            {{"@type":"type.googleapis.com/google.rpc.ErrorInfo","reason":"{reason}","metadata":{{"requestId":"t-1"}}}}
            {more}]}}}}"#
        )
    }

    fn violation(field: &str, reason: &str) -> String {
        format!(
            r#"{{"field":"{field}","description":"The value is malformed.","reason":"{reason}"}}"#
        )
    }

    fn bad_request(violations: &[String]) -> String {
        let details = format!(r#",{{"fieldViolations":[{}]}}"#, violations.join(","));
        error("INVALID_ARGUMENT", "INVALID_ARGUMENT", &details)
    }

    #[test]
    fn a_request_id_is_a_delivery_even_with_warnings() {
        let body =
            r#"{"requestId":"126365e1","fieldWarnings":[{"reason":"WARNING_REASON_GENERIC"}]}"#;
        let delivered = Outcome::Delivered { trace_id: Some("126365e1".to_owned()) };
        assert_eq!(outcomes(2, &answer(200, body)), vec![delivered; 2]);
    }

    #[test]
    fn a_success_without_request_id_is_no_delivery() {
        assert_eq!(judged(1, 200, "{}"), ["retry"]);
        assert_eq!(judged(1, 200, "<html>login</html>"), ["retry"]);
        assert_eq!(judged(1, 503, r#"{"requestId":"1"}"#), ["retry"]);
    }

    #[test]
    fn named_events_are_final_and_the_others_go_again_at_once() {
        let body = bad_request(&[
            violation("events.events[0].user_data.user_identifiers[1]", "INVALID_HEX_ENCODING"),
            violation("events.events[2].event_source", "REQUIRED_FIELD_MISSING"),
        ]);
        let outcomes = outcomes(3, &answer(400, &body));
        assert_eq!(words(&outcomes), ["rejected", "retry", "rejected"]);
        let Some(Outcome::Retry { not_before, trace_id, .. }) = outcomes.get(1) else { panic!() };
        assert_eq!(*not_before, Some(Duration::ZERO));
        assert_eq!(trace_id.as_deref(), Some("t-1"));
        let Some(Outcome::Rejected { reason, .. }) = outcomes.first() else { panic!() };
        assert!(reason.starts_with("INVALID_HEX_ENCODING at events.events[0]"), "{reason}");
    }

    #[test]
    fn a_fault_that_names_no_event_is_searched() {
        let body = bad_request(&[violation("encoding", "REQUIRED_FIELD_MISSING")]);
        assert_eq!(judged(2, 400, &body), ["split", "split"]);
        assert_eq!(judged(1, 400, &body), ["rejected"]);
        let beyond =
            bad_request(&[violation("events.events[7].currency", "INVALID_CURRENCY_CODE")]);
        assert_eq!(judged(2, 400, &beyond), ["split", "split"]);
        assert_eq!(
            judged(2, 400, &error("INVALID_ARGUMENT", "INVALID_ARGUMENT", "")),
            ["split", "split"]
        );
    }

    #[test]
    fn account_and_terms_keep_the_events() {
        let body = bad_request(&[violation(
            "destinations[0].login_account.account_id",
            "INVALID_NUMBER_FORMAT",
        )]);
        assert_eq!(judged(2, 400, &body), ["credentials", "credentials"]);
        assert_eq!(
            judged(1, 403, &error("PERMISSION_DENIED", "SERVICE_DISABLED", "")),
            ["credentials"]
        );
        assert_eq!(judged(1, 401, &error("UNAUTHENTICATED", "", "")), ["credentials"]);
        let terms = error("FAILED_PRECONDITION", "TERMS_AND_CONDITIONS_NOT_SIGNED", "");
        assert_eq!(judged(1, 400, &terms), ["credentials"]);
    }

    #[test]
    fn a_new_conversion_action_needs_time() {
        let body =
            bad_request(&[violation("destinations[0]", "CONVERSION_ACTION_TOO_RECENTLY_CREATED")]);
        let outcomes = outcomes(1, &answer(400, &body));
        let Some(Outcome::Retry { not_before, .. }) = outcomes.first() else {
            panic!("{outcomes:?}")
        };
        assert_eq!(*not_before, Some(google::SETTLE));
    }

    #[test]
    fn a_daily_quota_waits_longer_than_a_minutes_quota() {
        let quota = |limit: &str| {
            let info = format!(
                r#",{{"reason":"RATE_LIMIT_EXCEEDED","metadata":{{"quota_limit":"{limit}"}}}}"#
            );
            let body = error("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED", &info);
            outcomes(1, &answer(429, &body))
        };
        for (limit, expected) in [
            ("IngestionMutateRequestsPerMinutePerProject", None),
            ("IngestionMutateRequestsPerDayPerProject", Some(DAILY_QUOTA)),
        ] {
            let outcomes = quota(limit);
            let Some(Outcome::Retry { not_before, .. }) = outcomes.first() else {
                panic!("{outcomes:?}")
            };
            assert_eq!(*not_before, expected);
        }
    }

    #[test]
    fn passing_faults_are_retried() {
        for (status, name) in [
            (503, "UNAVAILABLE"),
            (504, "DEADLINE_EXCEEDED"),
            (500, "INTERNAL"),
            (500, "UNKNOWN"),
            (409, "ABORTED"),
        ] {
            assert_eq!(judged(2, status, &error(name, "", "")), ["retry", "retry"], "{name}");
        }
        assert_eq!(judged(1, 404, &error("NOT_FOUND", "", "")), ["rejected"]);
        assert_eq!(judged(1, 502, "<html></html>"), ["retry"]);
    }
}
