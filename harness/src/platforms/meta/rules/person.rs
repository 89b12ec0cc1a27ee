//! The person of an event: hashes, address, click and browser ids, and whether that is enough to match anybody.

use std::net::IpAddr;

use serde_json::Value;
use time::OffsetDateTime;

use super::super::{
    super::normalise::{
        banned, is_sha256_hex,
        sent::{Findings, field, text_field, texts},
    },
    wire::{BrowserId, without_appendix},
};

/// Keys whose values have to be hashed.
pub(in crate::platforms::meta) const HASHED: &[&str] = &[
    "em", "ph", "fn", "ln", "db", "ge", "ct", "st", "zp", "country", "f5first", "f5last", "fi",
    "dobd", "dobm", "doby",
];
/// Keys whose values must stay as they are.
const PLAIN: &[&str] = &["client_ip_address", "client_user_agent", "fbc", "fbp"];

/// Combinations that match nobody: an event with no key beyond one of them is refused.
const TOO_WEAK: &[&[&str]] = &[
    &["ct", "country", "st", "zp", "ge", "client_user_agent"],
    &["db", "client_user_agent"],
    &["fn", "ge"],
    &["ln", "ge"],
];

/// Before this many milliseconds (September 2001) a time was surely meant as seconds.
const NO_MILLISECONDS: u64 = 1_000_000_000_000;
/// Clock skew that nobody minds, in milliseconds.
const SKEW_MS: i128 = 60_000;

pub(super) fn judge(index: usize, event: &Value, now: OffsetDateTime, findings: &mut Findings) {
    let item = Some(index);
    let base = format!("/data/{index}/user_data");
    let nothing = Value::Null;
    let user = event.get("user_data").unwrap_or(&nothing);
    for key in HASHED {
        for (at, value) in
            user.get(*key).map(|sent| texts(sent, &format!("{base}/{key}"))).unwrap_or_default()
        {
            judge_hash(item, at, key, &value, findings);
        }
    }
    for (at, value) in user
        .get("external_id")
        .map(|sent| texts(sent, &format!("{base}/external_id")))
        .unwrap_or_default()
    {
        judge_external(item, at, &value, findings);
    }
    for key in PLAIN {
        if text_field(user, key).is_some_and(|value| is_sha256_hex(without_appendix(&value))) {
            findings.note(
                "META-HASH-NEVER",
                item,
                format!("{base}/{key}"),
                format!("`{key}` is hashed"),
            );
        }
    }
    judge_browser_ids(item, &base, user, now, findings);
    judge_address(item, &base, user, findings);
    judge_baseline(item, base, user, findings);
}

fn judge_hash(item: Option<usize>, at: String, key: &str, value: &str, findings: &mut Findings) {
    let value = without_appendix(value);
    let is_hex = value.bytes().all(|b| b.is_ascii_hexdigit());
    if is_sha256_hex(value) {
        match banned(value) {
            Some("") => findings.note(
                "META-HASH-EMPTY",
                item,
                at.clone(),
                format!("`{key}` is the hash of nothing"),
            ),
            Some(word) => {
                findings.note(
                    "META-HASH-JUNK",
                    item,
                    at.clone(),
                    format!("`{key}` is the hash of the word `{word}`"),
                );
            }
            None => {}
        }
        if value.bytes().any(|b| b.is_ascii_uppercase()) {
            findings.note(
                "META-HASH-FORM",
                item,
                at,
                format!("`{key}` is written in upper-case hex"),
            );
        }
    } else if is_hex && value.len() == 32 {
        findings.note("META-HASH-MD5", item, at, format!("`{key}` has the length of an MD5 hash"));
    } else if (is_hex && value.len() == 40) || is_base64_digest(value) {
        findings.refuse(
            "META-HASH-FORM",
            item,
            at,
            format!("`{key}` is a digest, but not SHA-256 in hex"),
        );
    } else {
        let length = value.chars().count();
        findings.refuse(
            "META-HASH-REQUIRED",
            item,
            at,
            format!("`{key}` holds {length} characters of clear text"),
        );
    }
}

fn is_base64_digest(value: &str) -> bool {
    use base64::Engine;
    value.len() == 44
        && base64::engine::general_purpose::STANDARD
            .decode(value)
            .is_ok_and(|bytes| bytes.len() == 32)
}

fn judge_external(item: Option<usize>, at: String, value: &str, findings: &mut Findings) {
    let value = without_appendix(value);
    match banned(value) {
        Some("") => {
            findings.note("META-HASH-EMPTY", item, at, "`external_id` is the hash of nothing")
        }
        Some(word) => {
            findings.note(
                "META-HASH-JUNK",
                item,
                at,
                format!("`external_id` is the hash of the word `{word}`"),
            );
        }
        None if value.contains('@') => {
            findings.note(
                "META-EXTID",
                item,
                at,
                "`external_id` looks like an e-mail address in clear text",
            );
        }
        None => {}
    }
}

fn judge_browser_ids(
    item: Option<usize>,
    base: &str,
    user: &Value,
    now: OffsetDateTime,
    findings: &mut Findings,
) {
    // Only null and a missing key are absent; an empty `fbc` is a fault, though none that Meta is known to refuse.
    let raw = |key: &str| user.get(key).filter(|sent| !sent.is_null());
    if let Some(sent) = raw("fbc") {
        let at = format!("{base}/fbc");
        match sent.as_str().and_then(BrowserId::read) {
            None if sent == "" => {
                findings.note("META-FBC-BAD", item, at, "an empty `fbc` should be left out")
            }
            None => findings.refuse(
                "META-FBC-BAD",
                item,
                at,
                "not of the form fb.<index>.<ms>.<fbclid>",
            ),
            Some(id) if id.created < NO_MILLISECONDS => {
                findings.note(
                    "META-FBC-FORMAT",
                    item,
                    at,
                    format!("{} is no time in milliseconds", id.created),
                );
            }
            Some(id)
                if i128::from(id.created) > now.unix_timestamp_nanos() / 1_000_000 + SKEW_MS =>
            {
                findings.note(
                    "META-FBC-TIME",
                    item,
                    at,
                    format!("{} lies in the future", id.created),
                );
            }
            Some(_) => {}
        }
    }
    if let Some(sent) = raw("fbp") {
        let at = format!("{base}/fbp");
        match sent.as_str().and_then(BrowserId::read) {
            None => findings.note(
                "META-FBP-FORMAT",
                item,
                at,
                "not of the form fb.<index>.<ms>.<random digits>",
            ),
            Some(id) if !id.id.bytes().all(|b| b.is_ascii_digit()) => {
                findings.note("META-FBP-FORMAT", item, at, "the random part is not decimal");
            }
            Some(id) if id.created < NO_MILLISECONDS => {
                findings.note(
                    "META-FBP-FORMAT",
                    item,
                    at,
                    format!("{} is no time in milliseconds", id.created),
                );
            }
            Some(_) => {}
        }
    }
}

fn judge_address(item: Option<usize>, base: &str, user: &Value, findings: &mut Findings) {
    let Some(sent) = text_field(user, "client_ip_address") else { return };
    let address = without_appendix(&sent);
    // A hashed address has its own rule.
    if address.parse::<IpAddr>().is_err() && !is_sha256_hex(address) {
        let what =
            if address.contains([',', ' ']) { "more than one address" } else { "no address" };
        findings.refuse("META-IP-VALID", item, format!("{base}/client_ip_address"), what);
    }
}

fn judge_baseline(item: Option<usize>, at: String, user: &Value, findings: &mut Findings) {
    let usable: Vec<&str> = user
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.as_str())
        .filter(|key| field(user, key).is_some())
        .collect();
    if TOO_WEAK.iter().any(|weak| usable.iter().all(|key| weak.contains(key))) {
        let what = if usable.is_empty() { "nothing".into() } else { usable.join(", ") };
        findings.refuse("META-MATCH-BASELINE", item, at, format!("{what} alone matches nobody"));
    }
}
