//! Judges one `events:ingest` request against [`super::rules`].
//!
//! Not simulated: what Google finds out later and tells in the request status alone (unknown clicks, missing consent).

pub(super) mod event;

use std::collections::HashSet;

use serde_json::Value;
use time::OffsetDateTime;

use super::wire;
use crate::{
    exchange::Request,
    platforms::{
        Account, Accounts,
        google_ads::{
            findings::Findings,
            judge::{rows::action_id, ten_digits},
            proto::{Body, Fault, FaultKind, list, short, text},
            wire::bearer,
        },
        google_oauth,
    },
};

const AUDIENCE: &str = "https://datamanager.googleapis.com/";

/// Who may call.
pub(super) fn access(
    request: &Request,
    account: Option<&Account>,
    accounts: &dyn Accounts,
    now: OffsetDateTime,
    found: &mut Findings,
) {
    const AT: &str = "header:authorization";
    let Some(token) = bearer(request) else {
        return found.refuse("GDM-AUTH", None, AT, "no bearer token");
    };
    if let Some(claims) = google_oauth::claims(token) {
        if let Some(why) = google_oauth::wrong(&claims, AUDIENCE, now) {
            found.refuse(
                "GDM-AUTH-SELFJWT",
                None,
                AT,
                format!("the self-signed token cannot be used: {why}"),
            );
        }
    } else if account.is_some_and(|account| !accounts.is_valid_token(account, token)) {
        found.refuse("GDM-AUTH", None, AT, "the token is not valid for this account");
    }
}

/// What is not about a single event. `first_item` tells the first item of an event.
pub(super) fn envelope(
    body: &Body,
    accounts: &dyn Accounts,
    first_item: impl Fn(usize) -> Option<usize>,
    found: &mut Findings,
) {
    for fault in &body.faults {
        let item = event_of(&fault.at).and_then(&first_item);
        found.refuse(fault_rule(fault), item, fault.at.clone(), fault.message.clone());
    }
    if body.faults.iter().any(|f| f.kind == FaultKind::Syntax) {
        return;
    }
    let events = list(&body.canonical, "events").len();
    if events == 0 || events > wire::EVENT_LIMIT {
        found.refuse("GDM-EVENTS-2000", None, "/events", format!("{events} events"));
    }
    let count = list(&body.canonical, "destinations").len();
    if count == 0 || count > wire::DESTINATION_LIMIT {
        found.refuse("GDM-DEST-COUNT", None, "/destinations", format!("{count} destinations"));
    }
    if wire::validate_only(body) {
        found.report(
            "GDM-VALIDATE",
            None,
            "/validateOnly",
            "the call only asks for a check: nothing is stored",
        );
    }
    let has_user_data = wire::events(body).iter().any(|e| !wire::user_identifiers(e).is_empty());
    if has_user_data && wire::encoding(body).is_none() {
        found.refuse("GDM-ENCODING", None, "/encoding", "user data without an encoding");
    }
    let mut references = HashSet::new();
    for (index, destination) in wire::destinations(body).iter().enumerate() {
        let at = format!("/destinations/{index}");
        if let Some(reference) = text(destination, "reference")
            && !references.insert(reference)
        {
            found.refuse(
                "GDM-DEST-REF",
                None,
                format!("{at}/reference"),
                "the reference is not unique",
            );
        }
        self::destination(destination, &at, accounts, found);
    }
}

fn destination(destination: &Value, at: &str, accounts: &dyn Accounts, found: &mut Findings) {
    let mut refuse = |rule, field: &str, message: String| {
        found.refuse(rule, None, format!("{at}/{field}"), message)
    };
    let id = wire::account_id(destination).unwrap_or_default();
    let kind = destination
        .get("operatingAccount")
        .and_then(|a| text(a, "accountType"))
        .unwrap_or_default();
    let account = accounts.find(id);
    if !ten_digits(id) {
        refuse(
            "GDM-DEST-OPERATING",
            "operatingAccount/accountId",
            format!("`{}` is not ten digits", short(id)),
        );
    } else if kind != "GOOGLE_ADS" {
        refuse(
            "GDM-DEST-OPERATING",
            "operatingAccount/accountType",
            format!("`{kind}` is not the type of a Google Ads account"),
        );
    } else if account.is_none() {
        refuse(
            "GDM-DEST-OPERATING",
            "operatingAccount/accountId",
            format!("no access to account {id}"),
        );
    }
    if destination.get("linkedAccount").is_some() {
        refuse(
            "GDM-DEST-LINKED",
            "linkedAccount",
            "linkedAccount without a data partner's login account".into(),
        );
    }
    let Some(account) = account else { return };
    if let Some(login) = destination.get("loginAccount").and_then(|a| text(a, "accountId"))
        && login != account.field("login_account")
        && login != account.key
    {
        refuse("GDM-DEST-LOGIN", "loginAccount/accountId", "this account gives no access".into());
    }
    let action = text(destination, "productDestinationId").unwrap_or_default();
    if action != action_id(account) {
        refuse(
            "GDM-DEST-ID",
            "productDestinationId",
            format!("`{}` is no conversion action of the account", short(action)),
        );
    }
}

fn fault_rule(fault: &Fault) -> &'static str {
    match fault.kind {
        FaultKind::OneofTwice => "GDM-UID-MAX",
        FaultKind::Timestamp => "GDM-TIME-RFC3339",
        FaultKind::Enum if fault.field.contains("consent") => "GDM-CONSENT-EVENT",
        FaultKind::Enum if fault.field.ends_with("event_source") => "GDM-SOURCE",
        FaultKind::Enum if fault.field == "encoding" => "GDM-ENCODING",
        FaultKind::Enum if fault.field.ends_with("account_type") => "GDM-DEST-OPERATING",
        _ => "GDM-JSON-NAMES",
    }
}

/// `/events/3/currency` → 3.
pub(super) fn event_of(pointer: &str) -> Option<usize> {
    let mut segments = pointer.split('/').skip(1);
    if segments.next() != Some("events") {
        return None;
    }
    segments.next()?.parse().ok()
}
