//! Which error answers which broken rule, in Google's codes and (where they are not recorded) our own words.

use serde_json::Value;

use super::{
    ledger::Refusal,
    proto::text,
    replies::ApiError,
    wire::{self, Action, Method, When},
};
use crate::platforms::Violation;

/// How a call as a whole is refused for breaking a rule; in order of precedence, the front end's faults stand between
/// the token and the rest.
pub(super) fn refused_call(
    rule: &str,
    field: &str,
) -> Option<(u8, (u16, &'static str, &'static str), ApiError)> {
    const INVALID: (u16, &str, &str) =
        (400, "INVALID_ARGUMENT", "Request contains an invalid argument.");
    const DENIED: (u16, &str, &str) =
        (403, "PERMISSION_DENIED", "The caller does not have permission");
    let error = |family, code, text: &str| ApiError::new(family, code, text, String::new());
    Some(match rule {
        "GADS-VERSION-DEAD" => (
            0,
            INVALID,
            error(
                "requestError",
                "UNSUPPORTED_VERSION",
                "This version of the API is no longer supported.",
            ),
        ),
        "GADS-HDR-AUTH" => (1, UNAUTHENTICATED, token_invalid()),
        "GADS-CID-FORMAT" if !field.is_empty() => (
            3,
            INVALID,
            error("requestError", "INVALID_CUSTOMER_ID", "The customer ID is not valid."),
        ),
        "GADS-CID-FORMAT" => (5, DENIED, not_permitted()),
        "GADS-HDR-LOGIN" if !field.is_empty() => (
            4,
            INVALID,
            error(
                "headerError",
                "INVALID_LOGIN_CUSTOMER_ID",
                "The login customer ID is not valid.",
            ),
        ),
        "GADS-HDR-LOGIN" => (5, DENIED, not_permitted()),
        "GADS-PARTIAL-TRUE" => {
            let mut error = error(
                "partialFailureError",
                "PARTIAL_FAILURE_MODE_REQUIRED",
                "The partial failure field was false in the request. This method requires this field be set to true.",
            );
            error.at = "/partialFailure".into();
            (6, INVALID, error)
        }
        _ => return None,
    })
}

pub(super) const UNAUTHENTICATED: (u16, &str, &str) = (
    401,
    "UNAUTHENTICATED",
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project.",
);

pub(super) fn token_invalid() -> ApiError {
    ApiError::new(
        "authenticationError",
        "OAUTH_TOKEN_INVALID",
        "OAuth token in the header is not valid.",
        String::new(),
    )
}

pub(super) fn not_permitted() -> ApiError {
    ApiError::new(
        "authorizationError",
        "USER_PERMISSION_DENIED",
        "User doesn't have permission to access customer. Note: If you're accessing a client customer, the manager's customer ID must be set in the 'login-customer-id' header.",
        String::new(),
    )
}

/// The row error for a broken rule. `at` is the place in the canonical body.
pub(super) fn refused_row(
    violation: &Violation,
    at: String,
    row: &Value,
    method: Method,
) -> ApiError {
    const UPLOAD: &str = "conversionUploadError";
    const ADJUST: &str = "conversionAdjustmentUploadError";
    let field = at.rsplit('/').next().unwrap_or_default().to_owned();
    let (family, code, text) = match violation.rule {
        "GADS-CLICKID-VERBATIM" => match field.as_str() {
            "gbraid" => (UPLOAD, "UNPARSEABLE_GBRAID", "The imported gbraid could not be decoded."),
            "wbraid" => (UPLOAD, "UNPARSEABLE_WBRAID", "The imported wbraid could not be decoded."),
            _ => (UPLOAD, "UNPARSEABLE_GCLID", UNPARSEABLE),
        },
        "GADS-CLICKID-BRAIDS" => {
            (UPLOAD, "GBRAID_WBRAID_BOTH_SET", "A gbraid and a wbraid cannot both be set.")
        }
        "GADS-CLICKID-MIX" => {
            ("fieldError", "VALUE_MUST_BE_UNSET", "The field's value must be unset.")
        }
        "GADS-ACTION-NAME" => match wire::action(row) {
            Action::Missing => REQUIRED,
            Action::Malformed(_) => {
                ("requestError", "RESOURCE_NAME_MALFORMED", "The resource name is malformed.")
            }
            Action::Id(_) => match method {
                Method::Adjustments => (
                    ADJUST,
                    "INVALID_CONVERSION_ACTION",
                    "The specified conversion action was not found or may not be adjusted.",
                ),
                _ => (
                    UPLOAD,
                    "NO_CONVERSION_ACTION_FOUND",
                    "The specified conversion action was not found.",
                ),
            },
        },
        "GADS-DATETIME-FORMAT" | "GADS-ADJ-TIME" => match wire::when(row, &field) {
            When::Missing => REQUIRED,
            When::Impossible => (
                "dateError",
                "INVALID_FIELD_VALUES_IN_DATE_TIME",
                "The date time holds values that do not exist.",
            ),
            _ => (
                "dateError",
                "INVALID_STRING_DATE_TIME_SECONDS_WITH_OFFSET",
                "The string date time's format should be yyyy-mm-dd hh:mm:ss+|-hh:mm.",
            ),
        },
        "GADS-AGE-GCLID" | "GADS-AGE-PII" => (
            UPLOAD,
            "EXPIRED_EVENT",
            "The click is older than the conversion action's window allows.",
        ),
        "GADS-CURRENCY" => {
            ("currencyCodeError", "UNSUPPORTED", "The currency code is not supported.")
        }
        "GADS-ORDERID" => (UPLOAD, "ORDER_ID_CONTAINS_PII", "The order ID contains personal data."),
        "GADS-CUSTVAR" => (
            UPLOAD,
            "CUSTOM_VARIABLE_VALUE_CONTAINS_PII",
            "A custom variable's value contains personal data.",
        ),
        "GADS-EXTATTR" => (
            UPLOAD,
            "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION",
            "External attribution data is set for an action that is not externally attributed.",
        ),
        "GADS-POLICY-IPSESSION" => (
            "notAllowlistedError",
            "CUSTOMER_NOT_ALLOWLISTED_FOR_THIS_FEATURE",
            "The customer is not allowed to use this feature.",
        ),
        "GADS-UID-MAX" => {
            ("collectionSizeError", "TOO_MANY", "There are too many elements in the collection.")
        }
        "GADS-UID-KINDS-CLICK" => (
            UPLOAD,
            "UNSUPPORTED_USER_IDENTIFIER",
            "The user identifier is of a kind that is not supported here.",
        ),
        "GADS-UID-HASH" => {
            (UPLOAD, "INVALID_USER_IDENTIFIER", "The user identifier is not a SHA-256 hash.")
        }
        "GADS-DEDUP-BATCH" => (
            UPLOAD,
            "DUPLICATE_ORDER_ID",
            "The request holds several events with one order ID, so the events were not processed.",
        ),
        "GADS-DEDUP-CLICKTIME" => (
            UPLOAD,
            "DUPLICATE_CLICK_CONVERSION_IN_REQUEST",
            "The request holds the same click conversion more than once.",
        ),
        "GADS-ADJ-ORDERING" => (
            ADJUST,
            "DUPLICATE_ADJUSTMENT_IN_REQUEST",
            "The request holds several adjustments of one conversion at one time.",
        ),
        "GADS-ADJ-ID" if field == "gclidDateTimePair" => (
            ADJUST,
            "GCLID_DATE_TIME_PAIR_AND_ORDER_ID_BOTH_SET",
            "A click id pair and an order ID cannot both be set.",
        ),
        "GADS-ADJ-RESTATE"
            if row.get("restatementValue").is_some()
                && text(row, "adjustmentType") == Some("RETRACTION") =>
        {
            ("fieldError", "VALUE_MUST_BE_UNSET", "The field's value must be unset.")
        }
        _ => REQUIRED,
    };
    ApiError::new(family, code, text, at)
}

const REQUIRED: (&str, &str, &str) =
    ("fieldError", "REQUIRED", "The required field was not present.");
const UNPARSEABLE: &str = "The imported gclid could not be decoded.";

/// The row error for what the account already has.
pub(super) fn refused_by_past(refusal: Refusal, row: &str) -> ApiError {
    const UPLOAD: &str = "conversionUploadError";
    const ADJUST: &str = "conversionAdjustmentUploadError";
    let (family, code, field, text) = match refusal {
        Refusal::OrderTaken => (
            UPLOAD,
            "ORDER_ID_ALREADY_IN_USE",
            "orderId",
            "The imported event includes an order ID that was previously recorded, so the event was not processed.",
        ),
        Refusal::ClickTaken => (
            UPLOAD,
            "CLICK_CONVERSION_ALREADY_EXISTS",
            "conversionDateTime",
            "The click conversion was uploaded before.",
        ),
        Refusal::NotFound => {
            (ADJUST, "CONVERSION_NOT_FOUND", "orderId", "The conversion to adjust was not found.")
        }
        Refusal::Retracted => (
            ADJUST,
            "CONVERSION_ALREADY_RETRACTED",
            "adjustmentType",
            "The conversion was retracted before.",
        ),
        Refusal::SameTime => (
            ADJUST,
            "RESTATEMENT_ALREADY_EXISTS",
            "adjustmentDateTime",
            "A restatement with this time was recorded before.",
        ),
        Refusal::Behind => (
            ADJUST,
            "MORE_RECENT_RESTATEMENT_FOUND",
            "adjustmentDateTime",
            "A restatement with a later time was recorded before.",
        ),
        Refusal::Precedes => (
            ADJUST,
            "ADJUSTMENT_PRECEDES_CONVERSION",
            "adjustmentDateTime",
            "The adjustment lies before its conversion.",
        ),
        Refusal::Expired => (
            ADJUST,
            "CONVERSION_EXPIRED",
            "adjustmentDateTime",
            "The conversion is too old to be adjusted.",
        ),
    };
    ApiError::new(family, code, text, format!("{row}/{field}"))
}

/// Enhancements need a website action; the account's is an upload action.
pub(super) fn not_eligible(row: &str) -> ApiError {
    ApiError::new(
        "conversionAdjustmentUploadError",
        "CONVERSION_ACTION_NOT_ELIGIBLE_FOR_ENHANCEMENT",
        "The conversion action does not take enhancements.",
        format!("{row}/conversionAction"),
    )
}

/// A planned row error that will always come.
pub(super) fn row_invalid(method: Method, row: &str) -> ApiError {
    match method {
        Method::Adjustments => refused_by_past(Refusal::Expired, row),
        _ => ApiError::new(
            "conversionUploadError",
            "UNPARSEABLE_GCLID",
            UNPARSEABLE,
            format!("{row}/gclid"),
        ),
    }
}

/// A planned row error that passes.
pub(super) fn row_transient(row: &str) -> ApiError {
    ApiError::new(
        "internalError",
        "TRANSIENT_ERROR",
        "A transient internal error has occurred.",
        row.to_owned(),
    )
}
