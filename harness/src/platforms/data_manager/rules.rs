//! The contract of `events:ingest` and of the browser tag that shares its conversion action, as data.

use crate::platforms::{
    Rule,
    Severity::{self, Must, Should},
};

const CLIENT: &str = "https://pypi.org/project/google-ads-datamanager/";
const SEND: &str = "https://developers.google.com/data-manager/api/devguides/events/send-events";
const DEST: &str = "https://developers.google.com/data-manager/api/devguides/concepts/destinations";
const FORMAT: &str = "https://developers.google.com/data-manager/api/devguides/concepts/formatting";
const ERRORS: &str =
    "https://developers.google.com/data-manager/api/devguides/concepts/understand-errors";
const LIMITS: &str = "https://developers.google.com/data-manager/api/devguides/limits";
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

/// Every rule that can be judged from one request or from what the account took.
pub(super) static RULES: &[Rule] = &[
    rule("GDM-URL", Must, "Events are posted to /v1/events:ingest.", SEND, &[]),
    rule(
        "GDM-AUTH",
        Must,
        "Authorization carries a bearer token that is valid for the account.",
        SEND,
        &["REL-16"],
    ),
    rule(
        "GDM-AUTH-SELFJWT",
        Must,
        "A self-signed bearer is for https://datamanager.googleapis.com/ and lives an hour.",
        CLIENT,
        &["REL-16"],
    ),
    rule(
        "GDM-JSON-NAMES",
        Must,
        "Only fields of the message are sent, each in its JSON type.",
        ERRORS,
        &["REL-03"],
    ),
    rule("GDM-DEST-COUNT", Must, "A request has 1 to 10 destinations.", CLIENT, &[]),
    rule("GDM-EVENTS-2000", Must, "A request has 1 to 2000 events.", LIMITS, &["REL-03"]),
    rule(
        "GDM-ENCODING",
        Must,
        "encoding is HEX or BASE64 where there is user data.",
        FORMAT,
        &["PRV-07"],
    ),
    rule(
        "GDM-VALIDATE",
        Must,
        "validateOnly is off in live traffic: it stores nothing.",
        CLIENT,
        &["PAY-13"],
    ),
    rule(
        "GDM-DEST-OPERATING",
        Must,
        "operatingAccount is the Google Ads account that owns the action: its type, and ten digits without hyphens.",
        DEST,
        &["WHK-05", "DED-12"],
    ),
    rule(
        "GDM-DEST-LOGIN",
        Must,
        "loginAccount, if sent, is an account that gives access.",
        DEST,
        &[],
    ),
    rule(
        "GDM-DEST-LINKED",
        Must,
        "linkedAccount stands beside a data partner's login account alone.",
        CLIENT,
        &[],
    ),
    rule(
        "GDM-DEST-ID",
        Must,
        "productDestinationId is the numeric id of the account's conversion action, no resource name.",
        DEST,
        &["DED-03"],
    ),
    rule("GDM-DEST-REF", Must, "References of destinations are unique in a request.", CLIENT, &[]),
    rule("GDM-REFS", Must, "An event refers to destinations of its request.", CLIENT, &[]),
    rule(
        "GDM-TIME-RFC3339",
        Must,
        "eventTimestamp is there, in RFC 3339.",
        SEND,
        &["PAY-09", "PAY-11"],
    ),
    rule(
        "GDM-TXN",
        Must,
        "An event that joins a browser tag's conversion has a transactionId.",
        SEND,
        &["DED-02"],
    ),
    rule(
        "GDM-TXN-NUMERIC",
        Should,
        "A transactionId is more than digits: one integrator saw such ids refused.",
        "https://developers.google.com/data-manager/api/reference",
        &[],
    ),
    rule("GDM-SOURCE", Must, "eventSource is one of the known sources.", CLIENT, &["PAY-14"]),
    rule(
        "GDM-ID-NEEDED",
        Must,
        "An event has a click id, user data, session attributes or an address.",
        SEND,
        &["STI-12"],
    ),
    rule(
        "GDM-CURRENCY",
        Must,
        "currency is an ISO 4217 code in capitals, and stands with every value.",
        SEND,
        &["PAY-04", "PAY-05"],
    ),
    rule(
        "GDM-CONSENT-EVENT",
        Must,
        "Consent is CONSENT_GRANTED or CONSENT_DENIED, the names of this API (the Ads API has other ones).",
        CLIENT,
        &["CON-12"],
    ),
    rule(
        "GDM-ADIDS",
        Must,
        "Click ids are sent byte for byte: not escaped, cut, hashed or re-cased.",
        SEND,
        &["STI-01", "STI-08"],
    ),
    rule(
        "GDM-UID-MAX",
        Must,
        "An event has at most ten user identifiers, each of one kind.",
        CLIENT,
        &[],
    ),
    rule(
        "GDM-HASH",
        Must,
        "Contact data is SHA-256 of the normalised text, in the request's encoding; never of an empty text or placeholder.",
        FORMAT,
        &["PRV-01", "PRV-03", "PRV-04", "PRV-07"],
    ),
    rule(
        "GDM-HASH-MIX",
        Must,
        "All hashes of a request have its one encoding.",
        FORMAT,
        &["PRV-07"],
    ),
    rule(
        "GDM-NOHASH",
        Must,
        "Click ids, addresses of devices, region and postal code are not hashed.",
        FORMAT,
        &["PRV-08"],
    ),
    rule(
        "GDM-EMAIL",
        Must,
        "E-mail: trimmed, lower case; gmail.com and googlemail.com lose dots and the part from +, others keep both.",
        FORMAT,
        &["PRV-05"],
    ),
    rule("GDM-PHONE", Must, "Phone: E.164 with its plus sign.", FORMAT, &["PRV-06"]),
    rule("GDM-NAMES", Must, "Names: trimmed, lower case, hashed.", FORMAT, &["PRV-09"]),
    rule("GDM-REGION", Must, "regionCode is two capitals, plain.", FORMAT, &["PRV-08"]),
    rule("GDM-POSTAL", Must, "postalCode is trimmed and plain.", FORMAT, &["PRV-08"]),
    rule(
        "GDM-ADDRESS-ALL",
        Must,
        "An address has given name, family name, region and postal code.",
        CLIENT,
        &[],
    ),
    rule("GDM-3P", Must, "thirdPartyUserData is for data partners.", CLIENT, &["PRV-13"]),
    rule(
        "GDM-CART",
        Should,
        "Cart data does not stand beside gbraid or wbraid: it is ignored.",
        CLIENT,
        &[],
    ),
    rule(
        "GDM-LIMIT-AGE",
        Must,
        "The event is not older than a click may be: 90 days.",
        SEND,
        &["PAY-10", "STI-10"],
    ),
    rule(
        "GDM-DEDUP-TXN",
        Must,
        "One action counts a transactionId once; a repeat is taken and dropped later.",
        CLIENT,
        &["DED-06"],
    ),
    rule(
        "GDM-DEDUP-GCLID",
        Must,
        "Without transactionId a gclid and time count once per action.",
        CLIENT,
        &["DED-02"],
    ),
    rule(
        "GDM-MULTI-NOMATCH",
        Must,
        "The transactionId is the one of the browser tag: any other counts the purchase again.",
        SEND,
        &["DED-01"],
    ),
    rule(
        "GTAG-SENDTO",
        Must,
        "A tag's hit names the id and label of one conversion action.",
        TRANSACTION,
        &["DED-03"],
    ),
    rule(
        "GTAG-DEDUP-TID",
        Must,
        "A tag's hit has a transaction id, so that a reload counts once.",
        TRANSACTION,
        &["DED-05"],
    ),
    rule("GTAG-ADS-PARAMS", Should, "A tag's value has a currency code.", TRANSACTION, &["PAY-05"]),
];
