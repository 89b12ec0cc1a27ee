//! TikTok's contract: the rules as data, and (one file each) the judging of a request and of an event.

mod event;
mod request;

use serde_json::Value;
use time::OffsetDateTime;

use super::{
    super::normalise::sent::Findings,
    wire::{self, Route},
};
use crate::{
    exchange::Request,
    platforms::{Accounts, Rule, Severity, Violation},
};

const TEMPLATE: &str = "https://github.com/tiktok/gtm-template-eapi/blob/main/template.tpl";
const DEDUP: &str = "https://ads.tiktok.com/help/article/event-deduplication";
const SDK: &str = "https://github.com/tiktok/tiktok-business-api-sdk/tree/main/js_sdk/docs";
const BATCH: &str = "https://docs.tealium.com/server-side-connectors/tiktok-events-connector/";
const RUDDER: &str =
    "https://github.com/rudderlabs/rudder-transformer/tree/develop/src/v0/destinations/tiktok_ads";
const SEGMENT: &str = "https://github.com/segmentio/action-destinations/tree/main/packages/destination-actions/src/destinations/tiktok-conversions";

/// Judges an API call of either generation.
pub(super) fn judge(
    request: &Request,
    body: &Value,
    route: Route,
    now: OffsetDateTime,
    accounts: &dyn Accounts,
) -> Vec<Violation> {
    let mut findings = Findings::default();
    if route == Route::Unknown {
        let message =
            format!("no such path: {}", super::super::normalise::sent::excerpt(&request.path));
        findings.refuse("TIKTOK-ENDPOINT", None, "path", message);
        return findings.into_broken();
    }
    request::judge(request, body, route, accounts, &mut findings);
    if route == Route::Track {
        for (index, entry) in
            wire::events(body).into_iter().flatten().take(wire::MOST_EVENTS).enumerate()
        {
            if findings.is_full() {
                break;
            }
            event::judge(index, entry, body, now, &mut findings);
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

/// The rules, in the order in which a request is read.
#[rustfmt::skip]
pub(super) const RULES: &[Rule] = &[
    rule("TIKTOK-ENDPOINT", Must, "events go by POST to /open_api/v1.3/event/track/, with the slash at the end", TEMPLATE, &[]),
    rule("TIKTOK-AUTH-HEADER", Must, "a valid token stands in the header `Access-Token`", TEMPLATE, &["REL-16"]),
    rule("TIKTOK-CONTENT-TYPE", Must, "the body is JSON and says so", TEMPLATE, &[]),
    rule("TIKTOK-LEGACY-V1", Should, "events go to Events API 2.0, not to its predecessor", SDK, &[]),
    rule("TIKTOK-SOURCE-REQUIRED", Must, "`event_source` and `event_source_id` stand at the top and name a source of ours", TEMPLATE, &[]),
    rule("TIKTOK-ONE-SOURCE-PER-REQUEST", Must, "no event names a pixel of its own: two pixels need two requests", TEMPLATE, &[]),
    rule("TIKTOK-BATCH-MAX", Must, "a request holds 1 to 1000 events", BATCH, &["REL-03"]),
    rule("TIKTOK-TEST-CODE-LEAK", Must, "`test_event_code` is not in live traffic", TEMPLATE, &["PAY-13"]),
    rule("TIKTOK-EVENT-CASE", Must, "the event has a name, and standard names are spelt as listed", TEMPLATE, &["DED-03"]),
    rule("TIKTOK-DEDUP-KEY", Must, "a purchase carries an `event_id`, the same as the pixel's", DEDUP, &["DED-01", "DED-02"]),
    rule("TIKTOK-TIME-SECONDS", Must, "`event_time` is a whole number of Unix seconds", TEMPLATE, &["PAY-09"]),
    rule("TIKTOK-AGE", Should, "web events are at most 7 days old, offline events 28", BATCH, &["PAY-10"]),
    rule("TIKTOK-PAGE-URL", Should, "web events carry `page.url`", TEMPLATE, &[]),
    rule("TIKTOK-CONTENT-ID-STRING", Must, "`content_id` is a JSON string", RUDDER, &["PAY-19"]),
    rule("TIKTOK-VALUE-NUMBER", Must, "`value`, `price` and `quantity` are JSON numbers", TEMPLATE, &["PAY-03"]),
    rule("TIKTOK-CURRENCY", Must, "`value` comes with an ISO 4217 currency in upper case", SEGMENT, &["PAY-05"]),
    rule("TIKTOK-EMAIL-HASH", Must, "`email` is the hash of the address, trimmed and in lower case; dots and tags stay", TEMPLATE, &["PRV-05"]),
    rule("TIKTOK-PHONE-HASH", Must, "`phone` is the hash of the E.164 number with its `+`", TEMPLATE, &["PRV-06"]),
    rule("TIKTOK-PHONE-CN", Should, "numbers of country code 86 are hashed without code and `+`", TEMPLATE, &["PRV-06"]),
    rule("TIKTOK-NAME-HASH", Should, "names and zip codes are hashed in lower case without blanks, places go plain", SEGMENT, &["PRV-09"]),
    rule("TIKTOK-HASH-FORM", Must, "hashes are SHA-256 in 64 lower-case hex digits", TEMPLATE, &["PRV-07"]),
    rule("TIKTOK-NO-PLAIN-PII", Must, "contact data is never sent as clear text", TEMPLATE, &["PRV-01"]),
    rule("TIKTOK-NO-EMPTY-HASH", Must, "the hash of nothing or of a placeholder word is never sent", SEGMENT, &["PRV-03", "PRV-04"]),
    rule("TIKTOK-IP-UA-PAIR", Should, "web events carry the shopper's `ip` and `user_agent`", TEMPLATE, &["STI-14"]),
    rule("TIKTOK-TTCLID", Must, "`ttclid` is the landing's, unaltered and not hashed", TEMPLATE, &["STI-01"]),
    rule("TIKTOK-TTP", Should, "`ttp` is the cookie `_ttp`, unaltered and not hashed", TEMPLATE, &["STI-06"]),
    rule("TIKTOK-V1-CALLBACK", Must, "the click id is `user.ttclid`; `callback` belongs to Events API 1.0", SDK, &["STI-09"]),
    rule("TIKTOK-LDU", Must, "`limited_data_use` is true or false", SEGMENT, &["CON-12"]),
    rule("TIKTOK-LDU-NAME", Should, "the field for limited data use is spelt `limited_data_use`", SEGMENT, &["CON-12"]),
];
