//! What Google Ads' answers mean. Row errors come with status 200 inside `partialFailureError`
//! (GADS-RESP-200); a request refused as a whole is a `google.rpc.Status` with the same error objects.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::super::answer::{blame, by_status, message, text, trace};
use super::super::{Answer, Outcome, google, reason};
use super::codes::{Class, class};
use crate::model::conversion::{Conversion, ConversionKind};

/// One error object of a `GoogleAdsFailure`.
struct Fault {
    row: Option<usize>,
    class: Class,
    reason: String,
    wait: Option<Duration>,
}

/// An outcome for each conversion, in their order.
pub(super) fn outcomes(conversions: &[Conversion], answer: &Answer) -> Vec<Outcome> {
    let count = conversions.len();
    let Some(object) = answer.object() else { return vec![by_status(answer, count); count] };
    if let Some(error) = object.get("error").and_then(Value::as_object) {
        return refused(conversions, answer, error);
    }
    let failure = object.get("partialFailureError").and_then(Value::as_object);
    let results = object.get("results").and_then(Value::as_array).map(Vec::len);
    if !answer.is_success() || (failure.is_none() && results.is_none()) {
        return vec![by_status(answer, count); count];
    }
    let faults = failure.map(|failure| faults(conversions, failure)).unwrap_or_default();
    let job = trace(&object, "jobId");
    let trace_id = failure.and_then(request_id).or(job);
    if let Some(failure) = failure.filter(|_| faults.is_empty()) {
        return vec![unexplained(count, failure, trace_id); count];
    }
    let by_row = by_row(faults, count);
    (0..count)
        .map(|row| match by_row.get(&Some(row)).or_else(|| by_row.get(&None)) {
            Some(faults) => row_outcome(faults, count, answer, trace_id.clone()),
            None if results == Some(count) => Outcome::Delivered { trace_id: trace_id.clone() },
            // Success is one result per row; anything else is no confirmation.
            None => {
                let seen = results.unwrap_or_default();
                let reason = format!("{seen} results for {count} rows");
                Outcome::retry(reason, answer.retry_after, trace_id.clone())
            }
        })
        .collect()
}

/// A request that was refused as a whole: nothing of it was stored (GADS-RESP-RPCERR).
fn refused(
    conversions: &[Conversion],
    answer: &Answer,
    error: &Map<String, Value>,
) -> Vec<Outcome> {
    let count = conversions.len();
    let trace_id = request_id(error);
    let mut faults = faults(conversions, error);
    faults.extend(violations(error, count));
    let name = text(error, "status").unwrap_or_default();
    let whole = faults.iter().filter(|fault| fault.class >= Class::SetUp).max_by_key(|f| f.class);
    if let Some(fault) = whole {
        return vec![one(fault.class, &faults, count, answer, trace_id); count];
    }
    let by_row = by_row(faults, count);
    let named = !by_row.is_empty() && !by_row.contains_key(&None);
    if named && google::is_about_content(&name) {
        let guilty = |row: usize| {
            by_row.get(&Some(row)).map(|own| row_outcome(own, count, answer, trace_id.clone()))
        };
        return blame(count, guilty, &trace_id);
    }
    let reason = match by_row.values().next() {
        Some(faults) => reasons(faults),
        None => format!("status {} {}{}", answer.status, reason::name(&name), message(error)),
    };
    let wait = google::retry_info(error).max(answer.retry_after);
    let outcome = match google::by_rpc_status(&name, answer, count, &reason, trace_id.clone()) {
        Some(Outcome::Retry { reason, trace_id, .. }) => Outcome::retry(reason, wait, trace_id),
        Some(outcome) => outcome,
        None => by_status(answer, count),
    };
    vec![outcome; count]
}

/// All error objects of the failure inside `status`.
fn faults(conversions: &[Conversion], status: &Map<String, Value>) -> Vec<Fault> {
    let errors = google::details(status).flat_map(|detail| google::list(detail, "errors"));
    errors.filter_map(|error| fault(conversions, error)).collect()
}

fn fault(conversions: &[Conversion], error: &Map<String, Value>) -> Option<Fault> {
    let (family, code) = error.get("errorCode")?.as_object()?.iter().next()?;
    let code = code.as_str().unwrap_or("UNKNOWN");
    let row = row_of(error).filter(|row| *row < conversions.len());
    let retracts = row.and_then(|row| conversions.get(row)).is_some_and(|conversion| {
        matches!(&conversion.kind, ConversionKind::Refund { remaining, .. } if remaining.is_zero())
    });
    let quota = error.get("details").and_then(|details| details.get("quotaErrorDetails"));
    let wait = quota.and_then(Value::as_object).and_then(|quota| text(quota, "retryDelay"));
    // Names of families and codes are the platform's own words, but still come from outside.
    let name = reason::name(&format!("{family}.{code}"));
    Some(Fault {
        row,
        class: class(family, code, retracts),
        reason: format!("{name}{}", message(error)),
        wait: wait.and_then(|wait| google::duration(&wait)),
    })
}

/// The index of the path element that names the list of rows (GADS-RESP-INDEX).
fn row_of(error: &Map<String, Value>) -> Option<usize> {
    let location = error.get("location")?.as_object()?;
    google::list(location, "fieldPathElements")
        .find(|element| {
            let name = element.get("fieldName").and_then(Value::as_str);
            matches!(name, Some("conversions" | "conversion_adjustments"))
        })
        .and_then(|element| index(element.get("index")?))
}

fn index(value: &Value) -> Option<usize> {
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok())?;
    usize::try_from(number).ok()
}

/// Field violations of the JSON front end, which knows no Google Ads errors.
fn violations(error: &Map<String, Value>, count: usize) -> Vec<Fault> {
    google::details(error)
        .flat_map(|detail| google::list(detail, "fieldViolations"))
        .map(|violation| {
            let field = text(violation, "field").unwrap_or_default();
            let row = google::index_in(&field, "conversions")
                .or_else(|| google::index_in(&field, "conversion_adjustments"))
                .or_else(|| google::index_in(&field, "conversionAdjustments"));
            let description = text(violation, "description").unwrap_or_default();
            Fault {
                row: row.filter(|row| *row < count),
                class: Class::Permanent,
                reason: reason::masked(&description),
                wait: None,
            }
        })
        .collect()
}

fn by_row(faults: Vec<Fault>, count: usize) -> BTreeMap<Option<usize>, Vec<Fault>> {
    let mut rows: BTreeMap<Option<usize>, Vec<Fault>> = BTreeMap::new();
    for fault in faults {
        // With a single row there is no doubt whose error it is.
        let row = if count == 1 { Some(0) } else { fault.row };
        rows.entry(row).or_default().push(fault);
    }
    rows
}

/// One outcome from all errors of a row: the smallest class decides (already there, before wrong for good,
/// before set-up, before later).
fn row_outcome(
    faults: &[Fault],
    count: usize,
    answer: &Answer,
    trace_id: Option<String>,
) -> Outcome {
    let nameless = count > 1 && faults.iter().any(|fault| fault.row.is_none());
    match faults.iter().map(|fault| fault.class).min() {
        // Some row is meant, but not necessarily this one.
        Some(class) if nameless && class < Class::SetUp => {
            Outcome::permanent(count, reasons(faults), trace_id)
        }
        Some(class) => one(class, faults, count, answer, trace_id),
        None => by_status(answer, count),
    }
}

fn one(
    class: Class,
    faults: &[Fault],
    count: usize,
    answer: &Answer,
    trace_id: Option<String>,
) -> Outcome {
    let reason = reasons(faults);
    let wait = faults.iter().filter_map(|fault| fault.wait).max().max(answer.retry_after);
    match class {
        Class::Present => Outcome::Delivered { trace_id },
        Class::Twin => Outcome::permanent(count, reason, trace_id),
        Class::Permanent => Outcome::rejected(reason, trace_id),
        Class::SetUp => Outcome::credentials(reason, trace_id),
        Class::TooRecent => Outcome::retry(reason, wait.max(Some(google::SETTLE)), trace_id),
        Class::Transient => Outcome::retry(reason, wait, trace_id),
    }
}

/// A partial failure without readable errors: its own code is all there is.
fn unexplained(count: usize, failure: &Map<String, Value>, trace_id: Option<String>) -> Outcome {
    let code = failure.get("code").and_then(Value::as_u64).unwrap_or_default();
    let reason = format!("partial failure, code {code}{}", message(failure));
    match code {
        // CANCELLED, UNKNOWN, DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL, UNAVAILABLE.
        1 | 2 | 4 | 8 | 10 | 13 | 14 => Outcome::retry(reason, None, trace_id),
        _ => Outcome::permanent(count, reason, trace_id),
    }
}

fn reasons(faults: &[Fault]) -> String {
    let texts: Vec<&str> = faults.iter().take(3).map(|fault| fault.reason.as_str()).collect();
    texts.join("; ")
}

fn request_id(status: &Map<String, Value>) -> Option<String> {
    google::details(status).find_map(|detail| trace(detail, "requestId"))
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;

    use super::super::super::testing::{self, answer, words};
    use super::*;

    /// Outcomes for `count` purchases, a word each.
    fn judged(count: usize, status: u16, body: &str) -> Vec<&'static str> {
        words(&outcomes(&vec![testing::full(); count], &answer(status, body)))
    }

    fn row_error(row: usize, family: &str, code: &str) -> String {
        format!(
            r#"{{"errorCode":{{"{family}":"{code}"}},"message":"Refused.","trigger":{{"stringValue":"x"}},
            "location":{{"fieldPathElements":[{{"fieldName":"conversions","index":{row}}},{{"fieldName":"gclid"}}]}}}}"#
        )
    }

    fn partial(results: usize, errors: &[String]) -> String {
        let rows = vec!["{}"; results].join(",");
        format!(
            r#"{{"partialFailureError":{{"code":3,"message":"Refused., at conversions[0]","details":[
            {{"@type":"type.googleapis.com/google.ads.googleads.v26.errors.GoogleAdsFailure",
            "errors":[{}],"requestId":"req-1"}}]}},"results":[{rows}],"jobId":"7"}}"#,
            errors.join(",")
        )
    }

    fn rpc(status: &str, errors: &str) -> String {
        format!(
            r#"{{"error":{{"code":0,"message":"Refused.","status":"{status}","details":[{{"errors":[{errors}],
            "requestId":"req-2"}}]}}}}"#
        )
    }

    #[test]
    fn one_result_per_row_is_a_delivery() {
        assert_eq!(
            judged(2, 200, r#"{"results":[{},{}],"jobId":"7"}"#),
            ["delivered", "delivered"]
        );
    }

    #[test]
    fn a_success_that_confirms_nothing_is_no_delivery() {
        assert_eq!(judged(2, 200, r#"{"results":[{}]}"#), ["retry", "retry"]);
        assert_eq!(judged(1, 200, "{}"), ["retry"]);
        assert_eq!(judged(1, 200, r#"{"jobId":"7"}"#), ["retry"]);
        assert_eq!(judged(1, 200, "<html>login</html>"), ["retry"]);
    }

    #[test]
    fn each_row_gets_its_own_outcome() {
        let body = partial(
            5,
            &[
                row_error(0, "conversionUploadError", "UNPARSEABLE_GCLID"),
                row_error(1, "conversionUploadError", "ORDER_ID_ALREADY_IN_USE"),
                row_error(2, "internalError", "INTERNAL_ERROR"),
                row_error(4, "conversionUploadError", "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS"),
            ],
        );
        assert_eq!(
            judged(5, 200, &body),
            ["rejected", "delivered", "retry", "delivered", "credentials"]
        );
    }

    #[test]
    fn several_errors_of_a_row_become_one_outcome() {
        let body = partial(
            3,
            &[
                row_error(0, "internalError", "INTERNAL_ERROR"),
                row_error(0, "dateError", "INVALID_FIELD_VALUES_IN_DATE_TIME"),
                row_error(2, "conversionUploadError", "UNPARSEABLE_GCLID"),
                row_error(2, "conversionUploadError", "CLICK_CONVERSION_ALREADY_EXISTS"),
            ],
        );
        assert_eq!(judged(3, 200, &body), ["rejected", "delivered", "delivered"]);
    }

    #[test]
    fn too_recent_rows_wait_for_hours() {
        let body = partial(1, &[row_error(0, "conversionUploadError", "TOO_RECENT_EVENT")]);
        let outcomes = outcomes(&[testing::full()], &answer(200, &body));
        let Some(Outcome::Retry { not_before, reason, trace_id }) = outcomes.first() else {
            panic!("{outcomes:?}");
        };
        assert_eq!(*not_before, Some(google::SETTLE));
        assert_eq!(reason, "conversionUploadError.TOO_RECENT_EVENT: Refused.");
        assert_eq!(trace_id.as_deref(), Some("req-1"));
    }

    #[test]
    fn twins_in_one_request_are_sent_apart() {
        let errors = [
            row_error(0, "conversionUploadError", "DUPLICATE_ORDER_ID"),
            row_error(1, "conversionUploadError", "DUPLICATE_ORDER_ID"),
        ];
        assert_eq!(judged(3, 200, &partial(3, &errors)), ["split", "split", "delivered"]);
    }

    #[test]
    fn an_error_without_a_row_is_searched_or_taken_by_the_only_row() {
        let nowhere = r#"{"errorCode":{"fieldError":"REQUIRED"},"message":"Missing."}"#.to_owned();
        assert_eq!(judged(2, 200, &partial(2, std::slice::from_ref(&nowhere))), ["split", "split"]);
        assert_eq!(judged(1, 200, &partial(1, &[nowhere])), ["rejected"]);
        let present =
            r#"{"errorCode":{"conversionUploadError":"ORDER_ID_ALREADY_IN_USE"},"message":"m"}"#;
        assert_eq!(judged(2, 200, &partial(2, &[present.to_owned()])), ["split", "split"]);
        assert_eq!(judged(1, 200, &partial(1, &[present.to_owned()])), ["delivered"]);
        let beyond = row_error(9, "conversionUploadError", "UNPARSEABLE_GCLID");
        assert_eq!(judged(2, 200, &partial(2, &[beyond])), ["split", "split"]);
        assert_eq!(judged(2, 200, &partial(2, &[])), ["split", "split"]);
    }

    #[test]
    fn quota_errors_wait_as_long_as_asked() {
        let error = r#"{"errorCode":{"quotaError":"RESOURCE_TEMPORARILY_EXHAUSTED"},"message":"Too many.",
            "details":{"quotaErrorDetails":{"rateScope":"ACCOUNT","rateName":"n","retryDelay":"5s"}}}"#;
        let outcomes =
            outcomes(&[testing::full()], &answer(429, &rpc("RESOURCE_EXHAUSTED", error)));
        let Some(Outcome::Retry { not_before, .. }) = outcomes.first() else {
            panic!("{outcomes:?}")
        };
        assert_eq!(*not_before, Some(Duration::from_secs(5)));
    }

    #[test]
    fn refused_requests_are_classified_by_their_errors_and_then_by_their_status() {
        let auth = r#"{"errorCode":{"authenticationError":"OAUTH_TOKEN_INVALID"},"message":"m"}"#;
        assert_eq!(judged(2, 401, &rpc("UNAUTHENTICATED", auth)), ["credentials", "credentials"]);
        assert_eq!(judged(1, 403, &rpc("PERMISSION_DENIED", "")), ["credentials"]);
        assert_eq!(judged(1, 503, &rpc("UNAVAILABLE", "")), ["retry"]);
        assert_eq!(judged(1, 500, &rpc("INTERNAL", "")), ["retry"]);
        assert_eq!(judged(1, 409, &rpc("ABORTED", "")), ["retry"]);
        assert_eq!(judged(1, 404, &rpc("NOT_FOUND", "")), ["rejected"]);
        assert_eq!(judged(2, 400, &rpc("INVALID_ARGUMENT", "")), ["split", "split"]);
        let new = r#"{"errorCode":{"somethingNew":"ODD"},"message":"m"}"#;
        assert_eq!(judged(1, 503, &rpc("UNAVAILABLE", new)), ["retry"], "the status decides");
        let mode = r#"{"errorCode":{"partialFailureError":"PARTIAL_FAILURE_MODE_REQUIRED"},"message":"m"}"#;
        assert_eq!(judged(1, 400, &rpc("INVALID_ARGUMENT", mode)), ["rejected"]);
        let allow = r#"{"errorCode":{"notAllowlistedError":"CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE"},"message":"m"}"#;
        assert_eq!(judged(1, 400, &rpc("INVALID_ARGUMENT", allow)), ["credentials"]);
        assert_eq!(judged(1, 404, "<html>not found</html>"), ["rejected"]);
        assert_eq!(judged(1, 502, "<html>bad gateway</html>"), ["retry"]);
    }

    #[test]
    fn a_refusal_that_names_a_row_spares_the_others() {
        let body = r#"{"error":{"code":400,"message":"Invalid JSON","status":"INVALID_ARGUMENT","details":[
            {"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[
            {"field":"conversions[1]","description":"Unknown name \"gclidd\""}]}]}}"#;
        let outcomes = outcomes(&vec![testing::full(); 3], &answer(400, body));
        assert_eq!(words(&outcomes), ["retry", "rejected", "retry"]);
        let Some(Outcome::Retry { not_before, .. }) = outcomes.first() else { panic!() };
        assert_eq!(*not_before, Some(Duration::ZERO));
    }

    #[test]
    fn adjustments_know_what_is_done_already() {
        let error = r#"{"errorCode":{"conversionAdjustmentUploadError":"CONVERSION_ALREADY_RETRACTED"},
            "message":"m","location":{"fieldPathElements":[{"fieldName":"conversion_adjustments","index":ROW}]}}"#;
        let body = partial(2, &[error.replace("ROW", "0"), error.replace("ROW", "1")]);
        let refunds = [testing::refund(Decimal::ZERO), testing::refund(Decimal::ONE)];
        assert_eq!(words(&outcomes(&refunds, &answer(200, &body))), ["delivered", "rejected"]);
    }
}
