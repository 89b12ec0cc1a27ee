//! The messages of the two upload services (and call uploads), as far as JSON reading needs them. They are the same in
//! v23 to v26. Source: message files of the official client, <https://pypi.org/project/google-ads/>.

use super::proto::{
    Field,
    Kind::{Any, Bool, Double, Enum, Int, Message as Sub, Text},
    Message,
};

/// `UploadClickConversionsRequest`. `customerId` is bound in the URL; naming it again does no harm.
pub(super) static CLICKS: Message = Message {
    fields: &[
        Field::one("customerId", Text),
        Field::many("conversions", Sub(&CLICK)),
        Field::one("partialFailure", Bool),
        Field::one("validateOnly", Bool),
        Field::one("jobId", Int),
    ],
    open: false,
};

/// `UploadConversionAdjustmentsRequest`.
pub(super) static ADJUSTMENTS: Message = Message {
    fields: &[
        Field::one("customerId", Text),
        Field::many("conversionAdjustments", Sub(&ADJUSTMENT)),
        Field::one("partialFailure", Bool),
        Field::one("validateOnly", Bool),
        Field::one("jobId", Int),
    ],
    open: false,
};

/// `UploadCallConversionsRequest`.
pub(super) static CALLS: Message = Message {
    fields: &[
        Field::one("customerId", Text),
        Field::many("conversions", Sub(&CALL)),
        Field::one("partialFailure", Bool),
        Field::one("validateOnly", Bool),
    ],
    open: false,
};

static CLICK: Message = Message {
    fields: &[
        Field::one("gclid", Text),
        Field::one("gbraid", Text),
        Field::one("wbraid", Text),
        Field::one("conversionAction", Text),
        Field::one("conversionDateTime", Text),
        Field::one("conversionValue", Double),
        Field::one("currencyCode", Text),
        Field::one("orderId", Text),
        Field::one("externalAttributionData", Sub(&EXTERNAL)),
        Field::many("customVariables", Sub(&VARIABLE)),
        Field::one("cartData", Sub(&CART)),
        Field::many("userIdentifiers", Sub(&IDENTIFIER)),
        Field::one(
            "conversionEnvironment",
            Enum(&[("UNSPECIFIED", 0), ("UNKNOWN", 1), ("APP", 2), ("WEB", 3)]),
        ),
        Field::one("consent", Sub(&CONSENT)),
        Field::one(
            "customerType",
            Enum(&[("UNSPECIFIED", 0), ("UNKNOWN", 1), ("NEW", 2), ("RETURNING", 3)]),
        ),
        Field::one("userIpAddress", Text),
        Field::one("sessionAttributesEncoded", Text).of("session_attributes"),
        Field::one("sessionAttributesKeyValuePairs", Any).of("session_attributes"),
    ],
    open: false,
};

static CALL: Message = Message {
    fields: &[
        Field::one("callerId", Text),
        Field::one("callStartDateTime", Text),
        Field::one("conversionAction", Text),
        Field::one("conversionDateTime", Text),
        Field::one("conversionValue", Double),
        Field::one("currencyCode", Text),
        Field::many("customVariables", Sub(&VARIABLE)),
        Field::one("consent", Sub(&CONSENT)),
    ],
    open: false,
};

static ADJUSTMENT: Message = Message {
    fields: &[
        Field::one("gclidDateTimePair", Sub(&PAIR)),
        Field::one("orderId", Text),
        Field::one("conversionAction", Text),
        Field::one("adjustmentDateTime", Text),
        Field::one(
            "adjustmentType",
            Enum(&[
                ("UNSPECIFIED", 0),
                ("UNKNOWN", 1),
                ("RETRACTION", 2),
                ("RESTATEMENT", 3),
                ("ENHANCEMENT", 4),
            ]),
        ),
        Field::one("restatementValue", Sub(&RESTATEMENT)),
        Field::many("userIdentifiers", Sub(&IDENTIFIER)),
        Field::one("userAgent", Text),
    ],
    open: false,
};

static PAIR: Message = Message {
    fields: &[Field::one("gclid", Text), Field::one("conversionDateTime", Text)],
    open: false,
};

static RESTATEMENT: Message = Message {
    fields: &[Field::one("adjustedValue", Double), Field::one("currencyCode", Text)],
    open: false,
};

static EXTERNAL: Message = Message {
    fields: &[
        Field::one("externalAttributionModel", Text),
        Field::one("externalAttributionCredit", Double),
    ],
    open: false,
};

static VARIABLE: Message = Message {
    fields: &[Field::one("conversionCustomVariable", Text), Field::one("value", Text)],
    open: false,
};

static CART: Message = Message {
    fields: &[
        Field::one("merchantId", Int),
        Field::one("feedCountryCode", Text),
        Field::one("feedLanguageCode", Text),
        Field::one("localTransactionCost", Double),
        Field::many("items", Sub(&CART_ITEM)),
    ],
    open: false,
};

static CART_ITEM: Message = Message {
    fields: &[
        Field::one("productId", Text),
        Field::one("quantity", Int),
        Field::one("unitPrice", Double),
    ],
    open: false,
};

static IDENTIFIER: Message = Message {
    fields: &[
        Field::one(
            "userIdentifierSource",
            Enum(&[("UNSPECIFIED", 0), ("UNKNOWN", 1), ("FIRST_PARTY", 2), ("THIRD_PARTY", 3)]),
        ),
        Field::one("hashedEmail", Text).of("identifier"),
        Field::one("hashedPhoneNumber", Text).of("identifier"),
        Field::one("mobileId", Text).of("identifier"),
        Field::one("thirdPartyUserId", Text).of("identifier"),
        Field::one("addressInfo", Sub(&ADDRESS)).of("identifier"),
    ],
    open: false,
};

static ADDRESS: Message = Message {
    fields: &[
        Field::one("hashedFirstName", Text),
        Field::one("hashedLastName", Text),
        Field::one("city", Text),
        Field::one("state", Text),
        Field::one("countryCode", Text),
        Field::one("postalCode", Text),
        Field::one("hashedStreetAddress", Text),
    ],
    open: false,
};

static CONSENT: Message = Message {
    fields: &[
        Field::one("adUserData", Enum(STATUS)),
        Field::one("adPersonalization", Enum(STATUS)),
    ],
    open: false,
};

/// The Ads API's own names; the Data Manager API has others.
const STATUS: &[(&str, i64)] = &[("UNSPECIFIED", 0), ("UNKNOWN", 1), ("GRANTED", 2), ("DENIED", 3)];
