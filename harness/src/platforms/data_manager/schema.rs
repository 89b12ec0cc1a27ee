//! The messages of `events:ingest`. Where we do not know all members of a message it is open: unknown names pass.
//! Source: message files of the official client, <https://pypi.org/project/google-ads-datamanager/>.

use crate::platforms::google_ads::proto::{
    Field,
    Kind::{Any, Bool, Double, Enum, Int, Message as Sub, Text, Timestamp},
    Message,
};

/// `IngestEventsRequest`.
pub(super) static INGEST: Message = Message {
    fields: &[
        Field::many("destinations", Sub(&DESTINATION)),
        Field::many("events", Sub(&EVENT)),
        Field::one("consent", Sub(&CONSENT)),
        Field::one("validateOnly", Bool),
        Field::one("encoding", Enum(&[("ENCODING_UNSPECIFIED", 0), ("HEX", 1), ("BASE64", 2)])),
        Field::one("encryptionInfo", Any),
    ],
    open: false,
};

static DESTINATION: Message = Message {
    fields: &[
        Field::one("reference", Text),
        Field::one("loginAccount", Sub(&ACCOUNT)),
        Field::one("linkedAccount", Sub(&ACCOUNT)),
        Field::one("operatingAccount", Sub(&ACCOUNT)),
        Field::one("productDestinationId", Text),
    ],
    open: false,
};

static ACCOUNT: Message = Message {
    fields: &[
        Field::one("product", Any),
        Field::one("accountId", Text),
        Field::one(
            "accountType",
            Enum(&[
                ("ACCOUNT_TYPE_UNSPECIFIED", 0),
                ("GOOGLE_ADS", 1),
                ("DISPLAY_VIDEO_PARTNER", 2),
                ("DISPLAY_VIDEO_ADVERTISER", 3),
                ("DATA_PARTNER", 4),
                ("GOOGLE_ANALYTICS_PROPERTY", 5),
                ("GOOGLE_AD_MANAGER_AUDIENCE_LINK", 6),
                ("FLOODLIGHT_CONFIG", 7),
                ("GOOGLE_AD_MANAGER", 8),
            ]),
        ),
    ],
    open: false,
};

static EVENT: Message = Message {
    fields: &[
        Field::many("destinationReferences", Text),
        Field::one("transactionId", Text),
        Field::one("eventTimestamp", Timestamp),
        Field::one("lastUpdatedTimestamp", Timestamp),
        Field::one("userData", Sub(&USER_DATA)),
        Field::one("thirdPartyUserData", Any),
        Field::one("consent", Sub(&CONSENT)),
        Field::one("adIdentifiers", Sub(&AD_IDENTIFIERS)),
        Field::one("currency", Text),
        Field::one("conversionValue", Double),
        Field::one("conversionCount", Double),
        Field::one(
            "eventSource",
            Enum(&[
                ("EVENT_SOURCE_UNSPECIFIED", 0),
                ("WEB", 1),
                ("APP", 2),
                ("IN_STORE", 3),
                ("PHONE", 4),
                ("OTHER", 5),
                ("MESSAGE", 6),
            ]),
        ),
        Field::one("eventDeviceInfo", Sub(&DEVICE)),
        Field::one("eventLocation", Any),
        Field::one("cartData", Sub(&CART)),
        Field::many("customVariables", Sub(&VARIABLE)),
        Field::many("experimentalFields", Any),
        Field::one("userProperties", Any),
        Field::one("eventName", Text),
        Field::one("clientId", Text),
        Field::one("appInstanceId", Text),
        Field::one("userId", Text),
        Field::many("additionalEventParameters", Any),
    ],
    open: false,
};

static USER_DATA: Message =
    Message { fields: &[Field::many("userIdentifiers", Sub(&IDENTIFIER))], open: false };

static IDENTIFIER: Message = Message {
    fields: &[
        Field::one("emailAddress", Text).of("identifier"),
        Field::one("phoneNumber", Text).of("identifier"),
        Field::one("address", Sub(&ADDRESS)).of("identifier"),
    ],
    open: false,
};

static ADDRESS: Message = Message {
    fields: &[
        Field::one("givenName", Text),
        Field::one("familyName", Text),
        Field::one("regionCode", Text),
        Field::one("postalCode", Text),
        Field::one("addressLine", Text),
        Field::one("city", Text),
        Field::one("administrativeArea", Text),
    ],
    open: false,
};

static AD_IDENTIFIERS: Message = Message {
    fields: &[
        Field::one("sessionAttributes", Text),
        Field::one("gclid", Text),
        Field::one("gbraid", Text),
        Field::one("wbraid", Text),
        Field::one("landingPageDeviceInfo", Sub(&DEVICE)),
        Field::one("dclid", Text),
        Field::one("impressionId", Text),
        Field::one("matchId", Text),
        Field::one("mobileDeviceId", Text),
        Field::many("encryptedUserIds", Any),
        Field::one("ppid", Text),
        Field::one("visitorPpid", Text),
    ],
    open: false,
};

static DEVICE: Message =
    Message { fields: &[Field::one("userAgent", Text), Field::one("ipAddress", Text)], open: true };

static CART: Message = Message {
    fields: &[
        Field::one("merchantId", Int),
        Field::one("merchantFeedLabel", Text),
        Field::one("merchantFeedLanguageCode", Text),
        Field::one("transactionDiscount", Double),
        Field::many("couponCodes", Text),
        Field::many("items", Sub(&CART_ITEM)),
    ],
    open: false,
};

static CART_ITEM: Message = Message {
    fields: &[
        Field::one("merchantProductId", Text),
        Field::one("quantity", Int),
        Field::one("unitPrice", Double),
        Field::one("itemId", Text),
    ],
    open: true,
};

static VARIABLE: Message = Message {
    fields: &[
        Field::one("variable", Text),
        Field::one("value", Text),
        Field::many("destinationReferences", Text),
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

/// This API's own names; the Ads API has others.
const STATUS: &[(&str, i64)] =
    &[("CONSENT_STATUS_UNSPECIFIED", 0), ("CONSENT_GRANTED", 1), ("CONSENT_DENIED", 2)];
