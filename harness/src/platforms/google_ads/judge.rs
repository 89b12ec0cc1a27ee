//! Judges one upload request against [`super::rules`].
//!
//! Not simulated, because every honest relay would fail a test that lasts seconds: the six hours before a click or a
//! new action is known (`TOO_RECENT_EVENT`), and Google's knowledge of real clicks (`EVENT_NOT_FOUND`).

pub(in crate::platforms) mod rows;

use serde_json::Value;

use super::{
    findings::Findings,
    proto::{Body, Fault, FaultKind, list},
    wire::{self, Route},
};
use crate::{
    exchange::Request,
    platforms::{Account, Accounts, normalise::is_sha256_hex},
};

/// Versions that answer in November 2026.
pub(super) const LIVE: std::ops::RangeInclusive<u32> = 23..=26;

/// Judges what is not about a single row.
pub(super) fn call(
    request: &Request,
    route: &Route,
    body: &Body,
    accounts: &dyn Accounts,
    found: &mut Findings,
) {
    if route.version < *LIVE.start() {
        let (first, last) = (LIVE.start(), LIVE.end());
        let message = format!("v{} has stopped; v{first} to v{last} answer", route.version);
        found.refuse("GADS-VERSION-DEAD", None, "", message);
    } else if !LIVE.contains(&route.version) {
        found.refuse("GADS-VERSION-LIVE", None, "", format!("there is no v{}", route.version));
    }
    let json = request.header("content-type").is_some_and(|t| {
        t.split(';').next().is_some_and(|t| t.trim().eq_ignore_ascii_case("application/json"))
    });
    if !json {
        found.report(
            "GADS-HDR-CT",
            None,
            "header:content-type",
            "the body is not announced as application/json",
        );
    }
    let account = accounts.find(&route.customer);
    if !ten_digits(&route.customer) {
        found.refuse(
            "GADS-CID-FORMAT",
            None,
            "",
            format!("`{}` is not ten digits", super::proto::short(&route.customer)),
        );
    } else if account.is_none() {
        found.refuse(
            "GADS-CID-FORMAT",
            None,
            "",
            format!("no access to customer {}", route.customer),
        );
    }
    access(request, account, accounts, found);
    for fault in &body.faults {
        let item = row_of(&fault.at);
        found.refuse(fault_rule(fault), item, fault.at.clone(), fault.message.clone());
    }
    if body.faults.iter().any(|f| f.kind == FaultKind::Syntax) {
        return;
    }
    if body.canonical.get("partialFailure") != Some(&Value::Bool(true)) {
        found.refuse("GADS-PARTIAL-TRUE", None, "/partialFailure", "partialFailure is not true");
    }
    if wire::validate_only(body) {
        found.report(
            "GADS-VALIDATE-ONLY",
            None,
            "/validateOnly",
            "the call only asks for a check: nothing is stored",
        );
    }
    let count = list(&body.canonical, route.method.rows()).len();
    if count == 0 || count > wire::ROW_LIMIT {
        found.refuse(
            "GADS-BATCH-2000",
            None,
            format!("/{}", route.method.rows()),
            format!("{count} rows"),
        );
    }
}

fn access(
    request: &Request,
    account: Option<&Account>,
    accounts: &dyn Accounts,
    found: &mut Findings,
) {
    match (wire::bearer(request), account) {
        (None, _) => found.refuse("GADS-HDR-AUTH", None, "header:authorization", "no bearer token"),
        (Some(token), Some(account)) if !accounts.is_valid_token(account, token) => {
            found.refuse(
                "GADS-HDR-AUTH",
                None,
                "header:authorization",
                "the token is not valid for this account",
            );
        }
        _ => {}
    }
    let (Some(login), Some(account)) = (request.header("login-customer-id"), account) else {
        return;
    };
    if !ten_digits(login) {
        found.refuse(
            "GADS-HDR-LOGIN",
            None,
            "header:login-customer-id",
            "login-customer-id is not ten digits",
        );
    } else if login != account.field("login_customer_id") && login != account.key {
        found.refuse(
            "GADS-HDR-LOGIN",
            None,
            "header:login-customer-id",
            "this manager has no access to the account",
        );
    }
}

pub(crate) fn ten_digits(id: &str) -> bool {
    id.len() == 10 && id.bytes().all(|b| b.is_ascii_digit())
}

fn fault_rule(fault: &Fault) -> &'static str {
    match fault.kind {
        FaultKind::OneofTwice => "GADS-JSON-ONEOF",
        FaultKind::Enum if fault.field.contains("consent") => "GADS-CONSENT-ENUM",
        FaultKind::Enum if fault.field.ends_with("adjustment_type") => "GADS-ADJ-TYPE",
        _ => "GADS-JSON-NAMES",
    }
}

/// `/conversions/3/orderId` → 3.
pub(super) fn row_of(pointer: &str) -> Option<usize> {
    pointer.split('/').nth(2)?.parse().ok().filter(|row| *row < wire::ROW_LIMIT)
}

/// Why a click id cannot be what the landing carried; `None` if it can.
pub(crate) fn damaged(id: &str) -> Option<&'static str> {
    let escaped = id
        .as_bytes()
        .windows(3)
        .any(|w| matches!(w, [b'%', a, b] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit()));
    if id.chars().any(|c| c.is_whitespace() || c.is_control() || !c.is_ascii()) {
        Some("has blanks or other characters that no click id has")
    } else if escaped {
        Some("is percent-encoded")
    } else if is_sha256_hex(id) {
        Some("is hashed")
    } else {
        None
    }
}
