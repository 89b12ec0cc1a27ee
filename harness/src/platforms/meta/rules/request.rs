//! The request as a whole: path, token, and what stands beside the events.

use serde_json::Value;
use time::{Date, OffsetDateTime, macros::date};

use super::super::{
    super::normalise::sent::{Findings, excerpt, text_field},
    wire::{Call, MOST_EVENTS, Route},
};
use crate::{exchange::Request, platforms::Accounts};

/// Newest version, and the day on which each older one ends.
/// <https://developers.facebook.com/docs/graph-api/changelog/versions/>
const NEWEST: u16 = 26;
const ENDS: &[(u16, Date)] = &[
    (25, date!(2028 - 07 - 29)),
    (24, date!(2028 - 02 - 18)),
    (23, date!(2027 - 10 - 08)),
    (22, date!(2027 - 05 - 20)),
    (21, date!(2027 - 01 - 21)),
    (20, date!(2026 - 09 - 24)),
    (19, date!(2026 - 05 - 21)),
];

pub(super) fn judge(
    request: &Request,
    call: &Call,
    now: OffsetDateTime,
    accounts: &dyn Accounts,
    findings: &mut Findings,
) {
    let Route::Events { version, pixel } = &call.route else {
        findings.refuse(
            "META-URL",
            None,
            "path",
            format!("no such edge: {}", excerpt(&request.path)),
        );
        return;
    };
    if request.method != "POST" {
        findings.refuse(
            "META-URL",
            None,
            "path",
            format!("the edge takes POST, this is {}", excerpt(&request.method)),
        );
    }
    judge_version(*version, now, findings);
    judge_token(call, pixel, accounts, findings);
    judge_keys(call, findings);
}

fn judge_version(version: Option<u16>, now: OffsetDateTime, findings: &mut Findings) {
    let Some(version) = version else {
        findings.refuse("META-VERSION-NONE", None, "path", "the path has no version");
        return;
    };
    let ended = match ENDS.iter().find(|(known, _)| *known == version) {
        Some((_, end)) => now.date() >= *end,
        None => version < NEWEST,
    };
    if version > NEWEST {
        findings.refuse(
            "META-URL",
            None,
            "path",
            format!("v{version}.0 does not exist: the newest is v{NEWEST}.0"),
        );
    } else if ended {
        findings.note(
            "META-VERSION",
            None,
            "path",
            format!("v{version}.0 has ended: calls are lifted to a newer one"),
        );
    }
}

fn judge_token(call: &Call, pixel: &str, accounts: &dyn Accounts, findings: &mut Findings) {
    let place = match &call.token {
        Some((_, true)) => "header:authorization",
        _ => "?access_token",
    };
    let Some(account) = accounts.find(pixel) else {
        findings.refuse(
            "META-URL",
            None,
            "path",
            format!("pixel {} does not exist", excerpt(pixel)),
        );
        return;
    };
    match &call.token {
        None => findings.refuse("META-AUTH-QUERY", None, place, "there is no access token"),
        Some((token, _)) if !accounts.is_valid_token(account, token) => {
            findings.refuse(
                "META-AUTH-QUERY",
                None,
                place,
                "the access token is not valid for this pixel",
            );
        }
        Some(_) => {}
    }
}

fn judge_keys(call: &Call, findings: &mut Findings) {
    match &call.events {
        None => {
            findings.refuse("META-BODY-DATA", None, "/data", "there is no list of events in `data`")
        }
        Some(events) if events.is_empty() => {
            findings.refuse("META-BATCH-MAX", None, "/data", "`data` is empty")
        }
        Some(events) if events.len() > MOST_EVENTS => {
            findings.refuse(
                "META-BATCH-MAX",
                None,
                "/data",
                format!("{} events in one request", events.len()),
            );
        }
        Some(_) => {}
    }
    if let Some(code) = call.test_code() {
        findings.note(
            "META-TEST-CODE",
            None,
            "/test_event_code",
            format!("test code {} is set", excerpt(code)),
        );
    }
    for (index, event) in call.events.iter().flatten().take(MOST_EVENTS).enumerate() {
        if event.get("test_event_code").is_some_and(|code| !code.is_null()) {
            let at = format!("/data/{index}/test_event_code");
            findings.note(
                "META-TEST-CODE-PLACE",
                Some(index),
                at,
                "a test code inside an event has no effect",
            );
        }
    }
    judge_agent(&call.keys, findings);
}

fn judge_agent(keys: &Value, findings: &mut Findings) {
    let Some(agent) = text_field(keys, "partner_agent") else { return };
    let letters = agent.chars().filter(char::is_ascii_alphabetic).count();
    if agent.chars().count() >= 23 || letters < 2 {
        findings.note(
            "META-PARTNER-AGENT",
            None,
            "/partner_agent",
            format!("`{}`", excerpt(&agent)),
        );
    }
}
