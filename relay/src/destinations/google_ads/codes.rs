//! Google Ads error codes and what a relay does about them
//! (<https://developers.google.com/google-ads/api/docs/conversions/troubleshooting>).

/// What one error means for its row.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// Google has it already (or something newer).
    Present,
    /// Two rows of one request stand for the same thing: neither was taken (GADS-DEDUP-BATCH).
    Twin,
    /// The row is wrong for good.
    Permanent,
    /// Account, permission or set-up: every row would fail until somebody repairs it.
    SetUp,
    /// Click or action too young: try again hours later (GADS-AGE-RECENT).
    TooRecent,
    /// A passing fault or a quota.
    Transient,
}

/// The class of one `errorCode` entry. `retracts` tells whether the row is a retraction.
///
/// Unknown codes are permanent: enums grow, and an error newer than this list is about the row
/// (GADS-RESP-UNPUBLISHED).
pub(super) fn class(family: &str, code: &str, retracts: bool) -> Class {
    match (family, code) {
        ("internalError", "ERROR_CODE_NOT_PUBLISHED") => Class::Permanent,
        ("internalError", _) | ("databaseError", "CONCURRENT_MODIFICATION") => Class::Transient,
        ("quotaError", "ACCESS_PROHIBITED") => Class::SetUp,
        ("quotaError", _) => Class::Transient,
        (
            "authenticationError" | "authorizationError" | "headerError" | "notAllowlistedError",
            _,
        ) => Class::SetUp,
        (
            "requestError",
            "INVALID_CUSTOMER_ID" | "UNSUPPORTED_VERSION" | "RESOURCE_NAME_MALFORMED",
        ) => Class::SetUp,
        ("conversionUploadError", code) => upload(code),
        ("conversionAdjustmentUploadError", code) => adjustment(code, retracts),
        _ => Class::Permanent,
    }
}

fn upload(code: &str) -> Class {
    match code {
        "ORDER_ID_ALREADY_IN_USE"
        | "CLICK_CONVERSION_ALREADY_EXISTS"
        | "CALL_CONVERSION_ALREADY_EXISTS" => Class::Present,
        "DUPLICATE_ORDER_ID"
        | "DUPLICATE_CLICK_CONVERSION_IN_REQUEST"
        | "DUPLICATE_CALL_CONVERSION_IN_REQUEST" => Class::Twin,
        "TOO_RECENT_EVENT" | "TOO_RECENT_CONVERSION_ACTION" | "TOO_RECENT_CALL" => Class::TooRecent,
        code => set_up(code).unwrap_or(Class::Permanent),
    }
}

fn adjustment(code: &str, retracts: bool) -> Class {
    match code {
        // A newer total includes the earlier refunds.
        "RESTATEMENT_ALREADY_EXISTS" | "MORE_RECENT_RESTATEMENT_FOUND" => Class::Present,
        "CONVERSION_ALREADY_RETRACTED" if retracts => Class::Present,
        "DUPLICATE_ADJUSTMENT_IN_REQUEST" => Class::Twin,
        "TOO_RECENT_CONVERSION" | "TOO_RECENT_CONVERSION_ACTION" => Class::TooRecent,
        code => set_up(code).unwrap_or(Class::Permanent),
    }
}

/// Errors that say nothing about the row: the same would happen to the next one.
fn set_up(code: &str) -> Option<Class> {
    matches!(
        code,
        "NO_CONVERSION_ACTION_FOUND"
            | "INVALID_CONVERSION_ACTION"
            | "INVALID_CONVERSION_ACTION_TYPE"
            | "CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS"
            | "CUSTOMER_NOT_ENABLED_ENHANCED_CONVERSIONS_FOR_LEADS"
            | "CUSTOMER_DATA_POLICY_PROHIBITS_ENHANCED_CONVERSIONS"
            | "EXTERNAL_ATTRIBUTION_DATA_SET_FOR_NON_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION"
            | "EXTERNAL_ATTRIBUTION_DATA_NOT_SET_FOR_EXTERNALLY_ATTRIBUTED_CONVERSION_ACTION"
    )
    .then_some(Class::SetUp)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_fall_into_their_classes() {
        let click = |code| class("conversionUploadError", code, false);
        assert_eq!(click("ORDER_ID_ALREADY_IN_USE"), Class::Present);
        assert_eq!(click("DUPLICATE_ORDER_ID"), Class::Twin);
        assert_eq!(click("TOO_RECENT_EVENT"), Class::TooRecent);
        assert_eq!(click("UNPARSEABLE_GCLID"), Class::Permanent);
        assert_eq!(click("EXPIRED_EVENT"), Class::Permanent);
        assert_eq!(click("CUSTOMER_NOT_ACCEPTED_CUSTOMER_DATA_TERMS"), Class::SetUp);
        assert_eq!(click("SOMETHING_NEW"), Class::Permanent);
        assert_eq!(class("internalError", "TRANSIENT_ERROR", false), Class::Transient);
        assert_eq!(class("internalError", "ERROR_CODE_NOT_PUBLISHED", false), Class::Permanent);
        assert_eq!(class("databaseError", "CONCURRENT_MODIFICATION", false), Class::Transient);
        assert_eq!(class("quotaError", "RESOURCE_EXHAUSTED", false), Class::Transient);
        assert_eq!(class("authorizationError", "USER_PERMISSION_DENIED", false), Class::SetUp);
        assert_eq!(
            class("dateError", "INVALID_FIELD_VALUES_IN_DATE_TIME", false),
            Class::Permanent
        );
    }

    #[test]
    fn a_retraction_of_a_retracted_conversion_is_done_and_a_restatement_is_not() {
        let code = "CONVERSION_ALREADY_RETRACTED";
        assert_eq!(class("conversionAdjustmentUploadError", code, true), Class::Present);
        assert_eq!(class("conversionAdjustmentUploadError", code, false), Class::Permanent);
    }
}
