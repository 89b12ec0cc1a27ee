//! Meta's contract: the rules as data, and (one file each) the judging of a request, of an event, and of the person
//! in it. What needs a whole history, such as stable event ids, is judged elsewhere.

mod custom;
mod event;
mod person;
mod request;

pub(super) use event::{is_limited, time_of};

use time::OffsetDateTime;

use super::{super::normalise::sent::Findings, wire::Call};
use crate::{
    exchange::Request,
    platforms::{Accounts, Rule, Severity, Violation},
};

macro_rules! vendor {
    ($page:literal) => {
        concat!(
            "https://developers.facebook.com/documentation/ads-commerce/conversions-api/",
            $page
        )
    };
}

const API: &str = vendor!("using-the-api");
const BODY: &str = vendor!("parameters/main-body");
const EVENT: &str = vendor!("parameters/server-event");
const PERSON: &str = vendor!("parameters/customer-information-parameters");
const CUSTOM: &str = vendor!("parameters/custom-data");
const COOKIES: &str = vendor!("parameters/fbp-and-fbc");
const EXTERNAL: &str = vendor!("parameters/external-id");
const DEDUP: &str = vendor!("deduplicate-pixel-and-server-events");
const BEST: &str = vendor!("best-practices");
const PLATFORM: &str = vendor!("set-up-conversions-api-as-a-platform");
const LDU: &str =
    "https://developers.facebook.com/docs/marketing-api/overview/data-processing-options";
const VERSIONS: &str = "https://developers.facebook.com/docs/graph-api/changelog/versions/";
const TERMS: &str = "https://www.facebook.com/legal/technology_terms";

/// Judges a call to the events edge.
pub(super) fn judge(
    request: &Request,
    call: &Call,
    now: OffsetDateTime,
    accounts: &dyn Accounts,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    request::judge(request, call, now, accounts, &mut findings);
    for (index, event) in call.events.iter().flatten().take(super::wire::MOST_EVENTS).enumerate() {
        if findings.is_full() {
            break;
        }
        event::judge(index, event, now, &mut findings);
    }
    findings.into_broken()
}

/// Judges a hit of the browser's pixel.
pub(super) fn judge_pixel(fields: &[(String, String)]) -> Vec<Violation> {
    let mut findings = Findings::default();
    let has = |wanted: &str| fields.iter().any(|(name, value)| name == wanted && !value.is_empty());
    for misplaced in ["cd[eventID]", "cd[event_id]"] {
        if has(misplaced) && !has("eid") {
            findings.note(
                "META-PIXEL-EVENTID",
                Some(0),
                format!("?{misplaced}"),
                "the id is a custom property here: it belongs in the fourth argument of `fbq`, which becomes `eid`",
            );
        }
    }
    findings.into_broken()
}

use Severity::{Must, Should};

const fn rule(
    id: &'static str,
    severity: Severity,
    says: &'static str,
    source: &'static str,
    covers: &'static [&'static str],
) -> Rule {
    Rule { id, severity, says, source, covers }
}

/// The rules, in the order of the vendor's pages.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("META-URL", Must, "events go by POST to /v{N}.0/{pixel id}/events of an existing pixel", API, &[]),
    rule("META-VERSION", Should, "the version in the path has not ended", VERSIONS, &[]),
    rule("META-VERSION-NONE", Must, "the path names a version", VERSIONS, &[]),
    rule("META-AUTH-QUERY", Must, "a valid access token comes along: query, body key or bearer header", API, &["REL-16"]),
    rule("META-BODY-DATA", Must, "the body has `data`, a list of events, each an object with a name", BODY, &[]),
    rule("META-BATCH-MAX", Must, "a request holds 1 to 1000 events", API, &["REL-03"]),
    rule("META-TEST-CODE", Must, "`test_event_code` is not in live traffic: such events count all the same", API, &["PAY-13"]),
    rule("META-TEST-CODE-PLACE", Must, "`test_event_code` stands beside `data`, not inside an event", BODY, &["PAY-13"]),
    rule("META-PARTNER-AGENT", Should, "`partner_agent` has at least two letters and is shorter than 23 characters", PLATFORM, &[]),
    rule("META-TIME-7D", Must, "`event_time` is at most 7 days before receipt", API, &["PAY-10"]),
    rule("META-TIME-62D", Must, "`event_time` of a `physical_store` event is at most 62 days before receipt", API, &["PAY-10"]),
    rule("META-TIME-FUTURE", Should, "`event_time` does not lie in the future", EVENT, &["PAY-10"]),
    rule("META-TIME-SECONDS", Must, "`event_time` is a whole number of Unix seconds, not milliseconds", EVENT, &["PAY-09"]),
    rule("META-TIME-ISO", Should, "`event_time` is a number; dates as text are accepted by observation only", EVENT, &[]),
    rule("META-FRESH", Should, "events arrive within a day, better within an hour: later ones lose attribution", API, &[]),
    rule("META-WEB-REQUIRED", Should, "a `website` event has `event_source_url` and `client_user_agent`", BEST, &[]),
    rule("META-ACTION-SOURCE", Should, "`action_source` is one of the documented values", EVENT, &["PAY-14"]),
    rule("META-URL-CLEAN", Should, "`event_source_url` is the shopper's page, not an endpoint of the shop's machinery", EVENT, &[]),
    rule("META-PURCHASE-VALUE", Must, "a `Purchase` has a numeric `value`", CUSTOM, &["PAY-03", "PAY-06"]),
    rule("META-PURCHASE-CURRENCY", Must, "a `Purchase` has a `currency`", CUSTOM, &["PAY-05"]),
    rule("META-VALUE-NEEDS-CURRENCY", Should, "`value` never comes without `currency`", CUSTOM, &["PAY-05"]),
    rule("META-CURRENCY-ISO", Should, "`currency` is an ISO 4217 code", CUSTOM, &[]),
    rule("META-CONTENTS-LIST", Must, "`contents` is a list of objects, each with an `id`", CUSTOM, &[]),
    rule("META-PII-IN-CUSTOM", Must, "no contact data in `custom_data` or URLs", TERMS, &["PRV-01", "PRV-10"]),
    rule("META-HASH-REQUIRED", Must, "contact data is never sent as clear text", PERSON, &["PRV-01"]),
    rule("META-HASH-FORM", Must, "hashes are SHA-256 in 64 lower-case hex digits", PERSON, &["PRV-07"]),
    rule("META-HASH-NEVER", Must, "address, user agent, `fbc` and `fbp` are not hashed", PERSON, &["PRV-08"]),
    rule("META-HASH-MD5", Should, "hashes are SHA-256, not MD5", PERSON, &["PRV-07"]),
    rule("META-HASH-EMPTY", Must, "the hash of nothing is never sent", PERSON, &["PRV-03"]),
    rule("META-HASH-JUNK", Should, "hashes of placeholder words such as `null` are never sent", PERSON, &["PRV-04"]),
    rule("META-HASH-ONCE", Must, "a value that is a hash already is not hashed again", PERSON, &["PRV-02"]),
    rule("META-IP-VALID", Must, "`client_ip_address` is one valid IPv4 or IPv6 address", PERSON, &["STI-14"]),
    rule("META-EMAIL-HASH", Must, "`em` is the hash of the address, trimmed and in lower case; dots and tags stay", PERSON, &["PRV-05"]),
    rule("META-PHONE-HASH", Must, "`ph` is the hash of the digits with country code, without `+` and leading zeros", PERSON, &["PRV-06"]),
    rule("META-NAME-HASH", Must, "`fn` and `ln` are hashes of the name in lower case without punctuation", PERSON, &["PRV-09"]),
    rule("META-CITY-HASH", Must, "`ct` is the hash of the city in lower case without blanks and punctuation", PERSON, &["PRV-09"]),
    rule("META-STATE-HASH", Must, "`st` is the hash of the state: two letters in the USA, elsewhere its name in lower case", PERSON, &["PRV-09"]),
    rule("META-ZIP-HASH", Must, "`zp` is the hash of the code in lower case without blank and dash, five digits in the USA", PERSON, &[]),
    rule("META-COUNTRY-HASH", Must, "`country` is the hash of the ISO 3166-1 alpha-2 code in lower case", PERSON, &[]),
    rule("META-EXTID", Should, "`external_id` is an id of the shop, best hashed, and no clear contact data", EXTERNAL, &["PRV-01"]),
    rule("META-MATCH-BASELINE", Must, "`user_data` holds more than a weak combination such as a user agent alone", BEST, &[]),
    rule("META-MIN-DATA", Should, "events carry an `event_id`", BEST, &["DED-02"]),
    rule("META-FBC-FORMAT", Must, "the time in `fbc` is in milliseconds", COOKIES, &["STI-02"]),
    rule("META-FBC-BAD", Must, "`fbc` is fb.<subdomain index>.<ms>.<fbclid>, or is left out", COOKIES, &["STI-04"]),
    rule("META-FBC-TIME", Must, "the time in `fbc` is when the click was first seen, so never in the future", COOKIES, &["STI-03"]),
    rule("META-FBC-CASE", Must, "the click id in `fbc` is the landing's `fbclid`, unaltered", COOKIES, &["STI-01"]),
    rule("META-FBP-FORMAT", Must, "`fbp` is fb.<subdomain index>.<ms>.<random digits>", COOKIES, &["STI-05"]),
    rule("META-FBP-STABLE", Must, "an existing `_fbp` is kept byte for byte", COOKIES, &["STI-06"]),
    rule("META-DEDUP-KEY", Must, "pixel and server copy of an order agree in event name and event id", DEDUP, &["DED-01", "DED-03"]),
    rule("META-DEDUP-STABLE", Must, "`event_id` comes from the order: redeliveries repeat it, other orders have another", EVENT, &["DED-06", "DED-11"]),
    rule("META-CONSENT-NO-FIELD", Should, "no consent field is relied on: there is none, a denied event is not sent", EVENT, &[]),
    rule("META-LDU-FIELDS", Must, "`data_processing_options` is [\"LDU\"] or []", LDU, &["CON-12"]),
    rule("META-LDU-COUNTRY", Must, "`data_processing_options_country` is 0 or 1", LDU, &["CON-12"]),
    rule("META-LDU-STATE", Must, "`data_processing_options_state` is 0 or 1000 to 1013", LDU, &["CON-12"]),
    rule("META-LDU-IP", Must, "limited data use without a state needs `client_ip_address` to locate the shopper", LDU, &["CON-12"]),
    rule("META-PIXEL-EVENTID", Must, "the pixel's event id is the fourth argument of `fbq`, not a custom property", DEDUP, &["DED-01"]),
];
