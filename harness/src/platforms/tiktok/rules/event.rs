//! One event of Events API 2.0: name, time, page, money, and the person.

use serde_json::Value;
use time::{Duration, OffsetDateTime};

use super::super::{
    super::normalise::{
        banned, is_currency, is_sha256_hex,
        sent::{Findings, excerpt, field, text_field, texts, whole},
    },
    wire::{is_finer, time_of},
};

/// Names with a meaning; any other is a custom event.
const STANDARD_NAMES: &[&str] = &[
    "Purchase",
    "CompletePayment",
    "PlaceAnOrder",
    "AddToCart",
    "AddToWishlist",
    "InitiateCheckout",
    "AddPaymentInfo",
    "ViewContent",
    "Search",
    "CompleteRegistration",
    "Contact",
    "Download",
    "Lead",
    "SubmitForm",
    "Subscribe",
    "Schedule",
    "FindLocation",
    "CustomizeProduct",
    "ApplicationApproval",
    "SubmitApplication",
    "StartTrial",
    "ClickButton",
    "Pageview",
];
/// Spellings in the wild that TikTok ignores.
const NOT_LIMITED: &[&str] =
    &["limit_data_use_for_advertising", "ldu", "LDU", "data_processing_options"];
/// Fields of `user` that have to be hashed.
const HASHED: &[&str] = &["email", "phone", "external_id", "first_name", "last_name", "zip_code"];

pub(super) fn judge(
    index: usize,
    event: &Value,
    body: &Value,
    now: OffsetDateTime,
    findings: &mut Findings,
) {
    let at = |name: &str| format!("/data/{index}/{name}");
    let item = Some(index);
    let name = text_field(event, "event").unwrap_or_default();
    if name.is_empty() {
        findings.refuse("TIKTOK-EVENT-CASE", item, at("event"), "the event has no name");
    } else if let Some(meant) =
        STANDARD_NAMES.iter().find(|n| n.eq_ignore_ascii_case(&name) && **n != name)
    {
        let message =
            format!("`{}` is a custom event: the standard name is `{meant}`", excerpt(&name));
        findings.note("TIKTOK-EVENT-CASE", item, at("event"), message);
    }
    let is_purchase = matches!(name.as_str(), "Purchase" | "CompletePayment");
    if is_purchase && text_field(event, "event_id").is_none() {
        findings.note(
            "TIKTOK-DEDUP-KEY",
            item,
            at("event_id"),
            "without `event_id` no copy is recognised",
        );
    }
    for wrong in ["pixel_code", "event_source_id"] {
        if field(event, wrong).is_some() && event.get(wrong) != body.get("event_source_id") {
            findings.note(
                "TIKTOK-ONE-SOURCE-PER-REQUEST",
                item,
                at(wrong),
                "the source of a single event is ignored",
            );
        }
    }
    let source = text_field(body, "event_source").unwrap_or_default();
    judge_time(item, at("event_time"), event, &source, now, findings);
    judge_money(item, &at, event, is_purchase, findings);
    judge_limits(item, &at, event, findings);
    judge_person(item, &at, event, findings);
    if source == "web" {
        judge_web(item, &at, event, findings);
    }
}

fn judge_time(
    item: Option<usize>,
    at: String,
    event: &Value,
    source: &str,
    now: OffsetDateTime,
    findings: &mut Findings,
) {
    let Some(sent) = field(event, "event_time") else {
        return findings.refuse("TIKTOK-TIME-SECONDS", item, at, "there is no `event_time`");
    };
    let Some(time) = time_of(event) else {
        let what = if whole(sent).is_some_and(is_finer) {
            "milliseconds, not seconds"
        } else {
            "no Unix time"
        };
        let message = format!("{} is {what}", excerpt(&sent.to_string()));
        return findings.refuse("TIKTOK-TIME-SECONDS", item, at, message);
    };
    if !sent.is_number() {
        findings.note("TIKTOK-TIME-SECONDS", item, at.clone(), "the time is text, not a number");
    }
    let days = if source == "offline" { 28 } else { 7 };
    let age = now - time;
    if age > Duration::days(days) {
        findings.note("TIKTOK-AGE", item, at, format!("{} days old", age.whole_days()));
    }
}

fn judge_money(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    is_purchase: bool,
    findings: &mut Findings,
) {
    let nothing = Value::Null;
    let properties = event.get("properties").unwrap_or(&nothing);
    let value = field(properties, "value");
    match value {
        Some(sent) if !sent.is_number() => {
            let message = format!("{} is not a number", excerpt(&sent.to_string()));
            findings.note("TIKTOK-VALUE-NUMBER", item, at("properties/value"), message);
        }
        None if is_purchase => {
            findings.note("TIKTOK-VALUE-NUMBER", item, at("properties/value"), "no `value`")
        }
        _ => {}
    }
    match text_field(properties, "currency") {
        None if value.is_some() => {
            findings.note(
                "TIKTOK-CURRENCY",
                item,
                at("properties/currency"),
                "a value without currency",
            );
        }
        Some(code) if !is_currency(&code) => {
            let message = format!("`{}` is no ISO 4217 code in upper case", excerpt(&code));
            findings.note("TIKTOK-CURRENCY", item, at("properties/currency"), message);
        }
        _ => {}
    }
    let contents = properties.get("contents").and_then(Value::as_array).into_iter().flatten();
    for (position, entry) in contents.take(100).enumerate() {
        let at = |name: &str| at(&format!("properties/contents/{position}/{name}"));
        if field(entry, "content_id").is_some_and(|id| !id.is_string()) {
            findings.refuse(
                "TIKTOK-CONTENT-ID-STRING",
                item,
                at("content_id"),
                "Not a valid string",
            );
        }
        for name in ["price", "quantity"] {
            if field(entry, name).is_some_and(|sent| !sent.is_number()) {
                findings.note(
                    "TIKTOK-VALUE-NUMBER",
                    item,
                    at(name),
                    format!("`{name}` is not a number"),
                );
            }
        }
    }
}

fn judge_limits(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    findings: &mut Findings,
) {
    if event.get("limited_data_use").is_some_and(|sent| !sent.is_boolean() && !sent.is_null()) {
        findings.note("TIKTOK-LDU", item, at("limited_data_use"), "neither true nor false");
    }
    for wrong in NOT_LIMITED.iter().filter(|name| event.get(**name).is_some()) {
        findings.note("TIKTOK-LDU-NAME", item, at(wrong), format!("`{wrong}` is ignored"));
    }
}

fn judge_person(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    findings: &mut Findings,
) {
    let Some(user) = event.get("user") else { return };
    for key in HASHED {
        for (at, value) in
            user.get(*key).map(|sent| texts(sent, &at(&format!("user/{key}")))).unwrap_or_default()
        {
            judge_hash(item, at, key, &value, findings);
        }
    }
    if field(user, "phone_number").is_some() {
        findings.note(
            "TIKTOK-PHONE-HASH",
            item,
            at("user/phone_number"),
            "`phone_number` is ignored: it is `phone`",
        );
    }
    for (key, rule) in [("ttclid", "TIKTOK-TTCLID"), ("ttp", "TIKTOK-TTP")] {
        if text_field(user, key).is_some_and(|value| is_sha256_hex(&value)) {
            findings.note(rule, item, at(&format!("user/{key}")), format!("`{key}` is hashed"));
        }
    }
    if event.get("ad").and_then(|ad| field(ad, "callback")).is_some()
        && field(user, "ttclid").is_none()
    {
        findings.note(
            "TIKTOK-V1-CALLBACK",
            item,
            at("ad/callback"),
            "the click id of a web event is `user.ttclid`",
        );
    }
}

fn judge_hash(item: Option<usize>, at: String, key: &str, value: &str, findings: &mut Findings) {
    let is_hex = value.bytes().all(|b| b.is_ascii_hexdigit());
    if let Some(word) = banned(value) {
        findings.note("TIKTOK-NO-EMPTY-HASH", item, at, format!("`{key}` is the hash of `{word}`"));
    } else if is_sha256_hex(value) {
        if value.bytes().any(|b| b.is_ascii_uppercase()) {
            findings.note(
                "TIKTOK-HASH-FORM",
                item,
                at,
                format!("`{key}` is written in upper-case hex"),
            );
        }
    } else if is_hex && matches!(value.len(), 32 | 40) {
        findings.note(
            "TIKTOK-HASH-FORM",
            item,
            at,
            format!("`{key}` is a digest, but not SHA-256"),
        );
    } else {
        let length = value.chars().count();
        findings.note(
            "TIKTOK-NO-PLAIN-PII",
            item,
            at,
            format!("`{key}` holds {length} characters of clear text"),
        );
    }
}

fn judge_web(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    findings: &mut Findings,
) {
    if event.get("page").and_then(|page| field(page, "url")).is_none() {
        findings.note("TIKTOK-PAGE-URL", item, at("page/url"), "a web event names its page");
    }
    for key in ["ip", "user_agent"] {
        if event.get("user").and_then(|user| field(user, key)).is_none() {
            findings.note(
                "TIKTOK-IP-UA-PAIR",
                item,
                at(&format!("user/{key}")),
                format!("there is no `{key}`"),
            );
        }
    }
}
