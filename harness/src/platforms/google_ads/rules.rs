//! The contract of conversion uploads, as data. Rules that need the account's past (duplicates, adjustments of unknown
//! orders) are listed here too, so that answers and reports can cite them; [`super::ledger`] finds them.

use crate::platforms::{
    Rule,
    Severity::{self, Must, Should},
};

const CLIENT: &str = "https://pypi.org/project/google-ads/";
const REQUEST: &str =
    "https://developers.google.com/google-ads/api/reference/rpc/v24/UploadClickConversionsRequest";
const CLICKS: &str = "https://developers.google.com/google-ads/api/docs/conversions/upload-clicks";
const TROUBLE: &str =
    "https://developers.google.com/google-ads/api/docs/conversions/troubleshooting";
const ADJUST: &str =
    "https://developers.google.com/google-ads/api/docs/conversions/upload-adjustments";
const SUNSET: &str =
    "https://developers.google.com/ads/blog/posts/2026/09/google-ads-api-v22-sunset-reminder";
const AGE: &str = "https://support.google.com/google-ads/answer/10029210";
const TRANSACTION: &str = "https://support.google.com/google-ads/answer/6386790";

const fn rule(
    id: &'static str,
    severity: Severity,
    says: &'static str,
    source: &'static str,
    covers: &'static [&'static str],
) -> Rule {
    Rule { id, severity, says, source, covers }
}

/// Every rule of this API that can be judged from one request or from the account's past.
pub(super) static RULES: &[Rule] = &[
    rule(
        "GADS-URL-CLICK",
        Must,
        "Conversions are posted to /v<version>/customers/<id>:uploadClickConversions.",
        CLIENT,
        &[],
    ),
    rule(
        "GADS-VERSION-LIVE",
        Must,
        "The path names a version that answers: v23 to v26.",
        SUNSET,
        &[],
    ),
    rule(
        "GADS-VERSION-DEAD",
        Must,
        "No stopped version (v22 and older) is called: such calls fail.",
        SUNSET,
        &["REL-04"],
    ),
    rule(
        "GADS-CID-FORMAT",
        Must,
        "The path names the account that owns the conversion action: ten digits, no hyphens.",
        CLICKS,
        &["WHK-05", "DED-12"],
    ),
    rule(
        "GADS-HDR-AUTH",
        Must,
        "Authorization carries a bearer token that is valid for the account.",
        CLIENT,
        &["REL-16"],
    ),
    rule(
        "GADS-HDR-LOGIN",
        Must,
        "login-customer-id, if sent, is the ten-digit id of the manager that gives access.",
        CLIENT,
        &[],
    ),
    rule(
        "GADS-HDR-CT",
        Must,
        "The body is announced as application/json.",
        "https://protobuf.dev/programming-guides/json/",
        &[],
    ),
    rule(
        "GADS-JSON-NAMES",
        Must,
        "Only fields of the message are sent, each in its JSON type: one unknown name fails the whole request.",
        "https://protobuf.dev/programming-guides/json/",
        &["REL-03"],
    ),
    rule(
        "GADS-JSON-ONEOF",
        Must,
        "One user identifier object holds one identifier.",
        "https://protobuf.dev/programming-guides/json/",
        &[],
    ),
    rule("GADS-BATCH-2000", Must, "A request has 1 to 2000 rows.", REQUEST, &["REL-03"]),
    rule(
        "GADS-PARTIAL-TRUE",
        Must,
        "partialFailure is true: any other request is refused whole.",
        REQUEST,
        &["REL-03"],
    ),
    rule(
        "GADS-VALIDATE-ONLY",
        Must,
        "validateOnly is off in live traffic: it stores nothing.",
        REQUEST,
        &["PAY-13"],
    ),
    rule("GADS-ID-NEEDED", Must, "A row has a click id or user identifiers.", CLICKS, &["STI-12"]),
    rule(
        "GADS-ACTION-NAME",
        Must,
        "conversionAction is the resource name of one of the account's upload actions.",
        CLIENT,
        &["DED-03"],
    ),
    rule(
        "GADS-DATETIME-FORMAT",
        Must,
        "Times are written yyyy-mm-dd hh:mm:ss+hh:mm: no T, no Z, no fraction, always an offset.",
        CLIENT,
        &["PAY-11"],
    ),
    rule(
        "GADS-DATETIME-FUTURE",
        Should,
        "The conversion does not lie in the future.",
        CLICKS,
        &["PAY-10"],
    ),
    rule(
        "GADS-AGE-GCLID",
        Must,
        "The conversion is not older than a click may be: 90 days.",
        AGE,
        &["PAY-10", "STI-10"],
    ),
    rule(
        "GADS-AGE-PII",
        Must,
        "A conversion matched by contact data alone is at most 63 days old.",
        AGE,
        &["PAY-10"],
    ),
    rule(
        "GADS-CURRENCY",
        Must,
        "currencyCode is an ISO 4217 code in capitals.",
        CLIENT,
        &["PAY-04", "PAY-05"],
    ),
    rule(
        "GADS-ORDERID",
        Must,
        "orderId holds an order's id and no personal data.",
        CLIENT,
        &["PRV-01"],
    ),
    rule(
        "GADS-CONSENT-ENUM",
        Must,
        "Consent is GRANTED or DENIED, the names of this API (the Data Manager names are other ones).",
        CLIENT,
        &["CON-12"],
    ),
    rule(
        "GADS-CONSENT-DENIED",
        Must,
        "A row whose adUserData is denied carries no contact data.",
        "https://www.google.com/about/company/user-consent-policy/",
        &["CON-06", "CON-15"],
    ),
    rule("GADS-CUSTVAR", Must, "Custom variables hold no personal data.", CLIENT, &["PRV-01"]),
    rule(
        "GADS-EXTATTR",
        Must,
        "External attribution data goes to externally attributed actions alone.",
        CLIENT,
        &[],
    ),
    rule(
        "GADS-POLICY-IPSESSION",
        Must,
        "userIpAddress and session attributes are for accounts on Google's allow-list.",
        CLIENT,
        &["PRV-13"],
    ),
    rule(
        "GADS-CLICKID-VERBATIM",
        Must,
        "Click ids are sent byte for byte: not escaped, cut, hashed or re-cased.",
        TROUBLE,
        &["STI-01", "STI-08", "PRV-08"],
    ),
    rule(
        "GADS-CLICKID-BRAIDS",
        Must,
        "gbraid and wbraid are not sent together.",
        CLIENT,
        &["STI-09"],
    ),
    rule(
        "GADS-CLICKID-MIX",
        Must,
        "A gbraid or wbraid stands alone: no user identifiers or custom variables, no gclid beside a wbraid.",
        CLICKS,
        &["STI-09"],
    ),
    rule(
        "GADS-CLICKID-GCLID-GBRAID",
        Should,
        "gclid and gbraid together: sources disagree; one id (gclid first) is safe.",
        CLICKS,
        &["STI-09"],
    ),
    rule("GADS-UID-MAX", Must, "A row has at most five user identifiers.", CLIENT, &[]),
    rule(
        "GADS-UID-KINDS-CLICK",
        Must,
        "Click uploads take hashed e-mail and phone: no mobile or third-party ids.",
        CLIENT,
        &[],
    ),
    rule(
        "GADS-UID-ADDRESS",
        Should,
        "Click uploads make no use of addresses: sources disagree whether they are refused.",
        CLIENT,
        &["PRV-13"],
    ),
    rule(
        "GADS-UID-KINDS-ENH",
        Must,
        "An address in an enhancement has first and last name, postal code and country.",
        ADJUST,
        &[],
    ),
    rule(
        "GADS-UID-HASH",
        Must,
        "Contact data is SHA-256 of the normalised text, 64 lower-case hex digits.",
        CLIENT,
        &["PRV-01", "PRV-07"],
    ),
    rule(
        "GADS-UID-EMPTY",
        Must,
        "No hash of an empty text or of a placeholder such as undefined.",
        CLIENT,
        &["PRV-03", "PRV-04"],
    ),
    rule(
        "GADS-UID-EMAIL",
        Must,
        "E-mail: trimmed, lower case; gmail.com and googlemail.com lose dots and the part from +, others keep both.",
        "https://developers.google.com/data-manager/api/devguides/concepts/formatting",
        &["PRV-05"],
    ),
    rule("GADS-UID-PHONE", Must, "Phone: E.164 with its plus sign.", CLIENT, &["PRV-06"]),
    rule(
        "GADS-UID-NAMES",
        Must,
        "Names: trimmed, lower case, hashed; postal code and country stay plain.",
        CLIENT,
        &["PRV-08", "PRV-09"],
    ),
    rule(
        "GADS-DEDUP-ORDER",
        Must,
        "One conversion action takes an orderId once.",
        CLIENT,
        &["DED-06"],
    ),
    rule(
        "GADS-DEDUP-CLICKTIME",
        Must,
        "Without orderId a click id and time count once per action; in one request the copy is refused.",
        CLIENT,
        &["DED-02", "PAY-08"],
    ),
    rule(
        "GADS-DEDUP-BATCH",
        Must,
        "An orderId stands once in a request: else every row with it is refused.",
        CLIENT,
        &["DED-08", "REL-03"],
    ),
    rule(
        "GADS-ADJ-TYPE",
        Must,
        "adjustmentType is RETRACTION, RESTATEMENT or ENHANCEMENT.",
        CLIENT,
        &["PAY-17"],
    ),
    rule(
        "GADS-ADJ-ID",
        Must,
        "An adjustment names its conversion by orderId, or by gclid and time, not by both.",
        ADJUST,
        &["PAY-16"],
    ),
    rule(
        "GADS-ADJ-TIME",
        Must,
        "A retraction or restatement has its own time, after the conversion's.",
        ADJUST,
        &["PAY-17"],
    ),
    rule(
        "GADS-ADJ-RESTATE",
        Must,
        "restatementValue is the new total and belongs to RESTATEMENT alone.",
        CLIENT,
        &["PAY-17"],
    ),
    rule(
        "GADS-ADJ-ORDERING",
        Must,
        "One conversion is not adjusted twice at the same time, nor behind a later adjustment.",
        CLIENT,
        &["PAY-17"],
    ),
    rule(
        "GADS-ADJ-REFUND",
        Should,
        "After a retraction nothing more can be adjusted.",
        CLIENT,
        &["PAY-17"],
    ),
    rule(
        "GADS-ADJ-WINDOW",
        Must,
        "Adjustments come within 54 days of the conversion.",
        CLIENT,
        &["PAY-16"],
    ),
    rule(
        "GADS-ADJ-NOTFOUND",
        Should,
        "The adjusted conversion was uploaded before.",
        ADJUST,
        &["REL-19"],
    ),
    rule(
        "GADS-ADJ-ACTIONTYPE",
        Must,
        "Enhancements go to website actions, not to upload actions.",
        CLIENT,
        &[],
    ),
    rule("GADS-ADJ-ENH", Must, "An enhancement has orderId and user identifiers.", ADJUST, &[]),
    rule(
        "GADS-DEDUP-SAMEID",
        Must,
        "orderId is the transaction id of the browser's copy, and stays the same over repeats.",
        TRANSACTION,
        &["DED-01", "DED-04"],
    ),
];
