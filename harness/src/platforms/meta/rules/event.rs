//! One event: its name, time, page, money, contents and data-processing options.

use serde_json::Value;
use time::{Duration, OffsetDateTime, format_description::well_known::Rfc3339};

use super::{
    super::super::normalise::sent::{
        Findings, excerpt, field, text, text_field, unix_seconds, whole,
    },
    custom, person,
};

/// Names with a meaning; any other is a custom event.
const STANDARD_NAMES: &[&str] = &[
    "AddPaymentInfo",
    "AddToCart",
    "AddToWishlist",
    "CompleteRegistration",
    "Contact",
    "CustomizeProduct",
    "Donate",
    "FindLocation",
    "InitiateCheckout",
    "Lead",
    "PageView",
    "Purchase",
    "Schedule",
    "Search",
    "StartTrial",
    "SubmitApplication",
    "Subscribe",
    "ViewContent",
];
const ACTION_SOURCES: &[&str] = &[
    "email",
    "website",
    "app",
    "phone_call",
    "chat",
    "physical_store",
    "system_generated",
    "business_messaging",
    "other",
];
/// Fields that people believe to exist.
const CONSENT_FIELDS: &[&str] = &[
    "consent",
    "consent_status",
    "consent_mode",
    "ad_storage",
    "ad_user_data",
    "ad_personalization",
    "gdpr_consent",
];
/// Paths of a shop's machinery, which no shopper sees.
const MACHINERY: &[&str] =
    &["/wp-admin/", "admin-ajax.php", "wc-ajax=", "/wp-json/", "/webhook", "/api/"];

/// From here on a number cannot be seconds (the year would be 5138): it is milliseconds or finer.
const NO_SECONDS: i64 = 100_000_000_000;
/// Clock skew that nobody minds, and the most that is let through; the vendor publishes neither.
const SKEW_FINE: Duration = Duration::seconds(60);
const SKEW_MOST: Duration = Duration::minutes(10);

/// The event's time, if it can be read at all.
pub(in crate::platforms::meta) fn time_of(event: &Value) -> Option<OffsetDateTime> {
    let sent = field(event, "event_time")?;
    match whole(sent) {
        Some(seconds) if seconds.abs() < NO_SECONDS => unix_seconds(seconds),
        Some(_) => None,
        None => OffsetDateTime::parse(sent.as_str()?, &Rfc3339).ok(),
    }
}

pub(super) fn judge(index: usize, event: &Value, now: OffsetDateTime, findings: &mut Findings) {
    let at = |name: &str| format!("/data/{index}/{name}");
    let item = Some(index);
    if !event.is_object() {
        findings.refuse(
            "META-BODY-DATA",
            item,
            format!("/data/{index}"),
            "the event is not an object",
        );
        return;
    }
    let name = text_field(event, "event_name").unwrap_or_default();
    if name.is_empty() {
        findings.refuse("META-BODY-DATA", item, at("event_name"), "the event has no name");
    } else if let Some(meant) =
        STANDARD_NAMES.iter().find(|n| n.eq_ignore_ascii_case(&name) && **n != name)
    {
        let message =
            format!("`{}` is a custom event: the standard name is `{meant}`", excerpt(&name));
        findings.note("META-DEDUP-KEY", item, at("event_name"), message);
    }
    judge_time(item, &at("event_time"), event, now, findings);
    person::judge(index, event, now, findings);
    judge_page(item, &at, event, findings);
    custom::judge(item, &at, &name, event, findings);
    judge_options(item, &at, event, findings);
    if field(event, "event_id").and_then(text).is_none() {
        findings.note(
            "META-MIN-DATA",
            item,
            at("event_id"),
            "without `event_id` copies can hardly be joined",
        );
    }
    for wrong in CONSENT_FIELDS.iter().filter(|name| event.get(**name).is_some()) {
        findings.note(
            "META-CONSENT-NO-FIELD",
            item,
            at(wrong),
            format!("Meta has no field `{wrong}` and ignores it"),
        );
    }
}

fn judge_time(
    item: Option<usize>,
    at: &str,
    event: &Value,
    now: OffsetDateTime,
    findings: &mut Findings,
) {
    let Some(sent) = field(event, "event_time") else {
        return findings.refuse("META-TIME-SECONDS", item, at, "there is no `event_time`");
    };
    let shown = excerpt(&sent.to_string());
    let Some(time) = time_of(event) else {
        let what = if whole(sent).is_some() { "milliseconds, not seconds" } else { "no Unix time" };
        return findings.refuse("META-TIME-SECONDS", item, at, format!("{shown} is {what}"));
    };
    if whole(sent).is_none() {
        findings.note("META-TIME-ISO", item, at, format!("{shown} is text, not a number"));
    }
    let age = now - time;
    let (rule, days) = if source_of(event) == "physical_store" {
        ("META-TIME-62D", 62)
    } else {
        ("META-TIME-7D", 7)
    };
    if age > Duration::days(days) {
        findings.refuse(
            rule,
            item,
            at,
            format!("{shown} is {} days old, {days} are allowed", age.whole_days()),
        );
    } else if age > Duration::days(1) {
        findings.note(
            "META-FRESH",
            item,
            at,
            format!("{shown} is {} hours old", age.whole_hours()),
        );
    }
    let ahead = -age;
    if ahead > SKEW_MOST {
        findings.refuse(
            "META-TIME-FUTURE",
            item,
            at,
            format!("{shown} is {} s ahead", ahead.whole_seconds()),
        );
    } else if ahead > SKEW_FINE {
        findings.note(
            "META-TIME-FUTURE",
            item,
            at,
            format!("{shown} is {} s ahead", ahead.whole_seconds()),
        );
    }
}

fn source_of(event: &Value) -> String {
    text_field(event, "action_source").unwrap_or_default()
}

fn judge_page(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    findings: &mut Findings,
) {
    let source = source_of(event);
    if !ACTION_SOURCES.contains(&source.as_str()) {
        let what = if source.is_empty() {
            "there is none".into()
        } else {
            format!("`{}`", excerpt(&source))
        };
        findings.note("META-ACTION-SOURCE", item, at("action_source"), what);
    }
    let url = text_field(event, "event_source_url");
    if source == "website" {
        if url.is_none() {
            findings.note(
                "META-WEB-REQUIRED",
                item,
                at("event_source_url"),
                "a website event names its page",
            );
        }
        if event.get("user_data").and_then(|user| field(user, "client_user_agent")).is_none() {
            let at = at("user_data/client_user_agent");
            findings.note("META-WEB-REQUIRED", item, at, "a website event names its browser");
        }
    }
    for name in ["event_source_url", "referrer_url"] {
        if let Some(url) = text_field(event, name) {
            judge_url(item, at(name), &url, name == "event_source_url", findings);
        }
    }
}

fn judge_url(item: Option<usize>, at: String, url: &str, is_page: bool, findings: &mut Findings) {
    let is_web = url.starts_with("https://") || url.starts_with("http://");
    if is_page && (!is_web || MACHINERY.iter().any(|part| url.contains(part))) {
        findings.note(
            "META-URL-CLEAN",
            item,
            at.clone(),
            format!("no page of a shopper: {}", excerpt(url)),
        );
    }
    if custom::holds_address(url) {
        findings.note("META-PII-IN-CUSTOM", item, at, "the URL holds an e-mail address");
    }
}

fn judge_options(
    item: Option<usize>,
    at: &dyn Fn(&str) -> String,
    event: &Value,
    findings: &mut Findings,
) {
    let Some(options) = event.get("data_processing_options").filter(|sent| !sent.is_null()) else {
        return;
    };
    let listed = options.as_array().map(Vec::as_slice);
    if !listed.is_some_and(|all| all.iter().all(|option| option == "LDU")) {
        let message = format!("{} is not [\"LDU\"]", excerpt(&options.to_string()));
        findings.note("META-LDU-FIELDS", item, at("data_processing_options"), message);
        return;
    }
    if listed.is_some_and(<[Value]>::is_empty) {
        return;
    }
    let number = |name: &str| field(event, name).and_then(whole);
    let country = number("data_processing_options_country");
    if country.is_some_and(|code| !matches!(code, 0 | 1)) {
        findings.note(
            "META-LDU-COUNTRY",
            item,
            at("data_processing_options_country"),
            "neither 0 nor 1",
        );
    }
    let state = number("data_processing_options_state");
    if state.is_some_and(|code| code != 0 && !(1000..=1013).contains(&code)) {
        findings.note(
            "META-LDU-STATE",
            item,
            at("data_processing_options_state"),
            "neither 0 nor 1000 to 1013",
        );
    }
    let has_address =
        event.get("user_data").and_then(|user| field(user, "client_ip_address")).is_some();
    if state.unwrap_or(0) == 0 && !has_address {
        let at = at("data_processing_options");
        findings.note(
            "META-LDU-IP",
            item,
            at,
            "neither a state nor an address by which Meta could find it",
        );
    }
}

/// True if the event asks for limited data use.
pub(in crate::platforms::meta) fn is_limited(event: &Value) -> bool {
    let options = event.get("data_processing_options").and_then(Value::as_array);
    options.is_some_and(|all| all.iter().any(|option| option == "LDU"))
}
