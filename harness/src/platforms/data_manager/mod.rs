//! Google's Data Manager API: `events:ingest` for a conversion action that the browser tag feeds as well.
//!
//! A request is taken whole or not at all. Copies with one transaction id are joined later, see [`ledger`].
//! See <https://developers.google.com/data-manager/api/devguides/events/send-events>.

mod judge;
mod ledger;
mod replies;
mod rules;
mod schema;
mod tag;
#[cfg(test)]
mod tests;
mod wire;

use std::collections::BTreeSet;

use time::OffsetDateTime;

use self::wire::Route;
use super::{
    Account, AccountSeed, Accounts, Answer, BrowserCopy, Channel, ClickField, Counted, Entry,
    FailureClass, IdentityRule, Platform, Reading, Rule,
    google_ads::{
        self,
        findings::Findings,
        identity::{self, IdentityRules},
        replies as ads_replies,
    },
    google_oauth,
};
use crate::{
    exchange::{Reply, Request},
    plan::Person,
};

/// The Data Manager API and the Google tag of the same conversion action.
#[derive(Debug)]
pub struct DataManager;

impl Platform for DataManager {
    fn id(&self) -> &'static str {
        "data_manager"
    }

    fn title(&self) -> &'static str {
        "Google Data Manager"
    }

    fn hosts(&self) -> &'static [&'static str] {
        &["datamanager.googleapis.com", tag::HOST, "googleads.g.doubleclick.net"]
    }

    fn has_consent_field(&self) -> bool {
        true
    }

    fn rules(&self) -> &'static [Rule] {
        rules::RULES
    }

    fn account(&self, seed: &AccountSeed) -> Account {
        let operating = google_oauth::ten_digits(5, seed, 0);
        let mut fields = google_oauth::credentials(seed.shop);
        fields.insert("operating_account", operating.clone());
        fields.insert("login_account", google_oauth::ten_digits(8, seed, 1));
        fields.insert("conversion_action", google_oauth::ten_digits(9, seed, 2));
        fields.insert("conversion_id", tag::conversion_id_of(&operating));
        fields.insert("label", format!("Lbl{}", google_oauth::ten_digits(3, seed, 3)));
        Account { key: operating, fields, secret: google_oauth::SECRETS }
    }

    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        // What did not arrive whole says nothing about the relay.
        if request.incomplete {
            return other(None, Findings::default());
        }
        match wire::route(request) {
            Some(Route::Ingest) => ingest(request, now, accounts),
            Some(Route::Tag) => tag::read(request, now, accounts),
            Some(Route::Status) => status(request, now, accounts),
            None => {
                let mut found = Findings::default();
                found.refuse("GDM-URL", None, "", "no such method of this API");
                other(None, found)
            }
        }
    }

    fn answer(&self, request: &Request, reading: &Reading, _: &[Entry]) -> Answer {
        match wire::route(request) {
            Some(Route::Ingest) => answer(request, reading, &BTreeSet::new()),
            Some(Route::Tag) => hit(reading),
            Some(Route::Status) if unauthenticated(reading) => {
                refused(replies::bare(replies::UNAUTHENTICATED))
            }
            Some(Route::Status) => refused(replies::status(request)),
            None => refused(ads_replies::no_such_path()),
        }
    }

    fn failure(
        &self,
        class: FailureClass,
        request: &Request,
        reading: &Reading,
        rows: &[usize],
    ) -> Option<Answer> {
        // Planned failures are the API's: the tag has no error answers.
        if wire::route(request) == Some(Route::Tag) {
            return Some(hit(reading));
        }
        let error =
            |status: replies::Status| Some(refused(replies::error(request, status, status.1, &[])));
        // A planned failure names its rows; without any it is about all of them.
        let all: Vec<usize> = (0..reading.items.len()).collect();
        let rows = if rows.is_empty() { &all } else { rows };
        match class {
            FailureClass::RateLimited => Some(refused(replies::rate_limited())),
            FailureClass::Transient => error((409, "ABORTED", "The operation was aborted.")),
            FailureClass::ServerError => error((500, "INTERNAL", "Internal error encountered.")),
            FailureClass::Unavailable => Some(refused(replies::bare((
                503,
                "UNAVAILABLE",
                "The service is currently unavailable.",
            )))),
            FailureClass::TokenExpired => Some(refused(replies::bare(replies::UNAUTHENTICATED))),
            FailureClass::Forbidden => error(replies::DENIED),
            FailureClass::Invalid | FailureClass::PartialInvalid => {
                Some(answer(request, reading, &events_of(request, rows)))
            }
            FailureClass::PartialTransient => None,
            FailureClass::TookNothing => Some(refused(Reply::json(200, &serde_json::json!({})))),
        }
    }

    fn count(&self, entries: &[Entry]) -> Vec<Counted> {
        ledger::count(entries)
    }

    fn browser_copy(&self, copy: &BrowserCopy, account: &Account) -> Option<Request> {
        Some(tag::write(copy, account))
    }

    fn identity(&self, person: &Person) -> Vec<IdentityRule> {
        identity::identity(
            person,
            &IdentityRules {
                email: "GDM-EMAIL",
                phone: "GDM-PHONE",
                name: "GDM-NAMES",
                postcode: "GDM-POSTAL",
                country: "GDM-REGION",
            },
        )
    }

    fn click_field(&self, name: &str) -> Option<ClickField> {
        identity::click_field(name, "GDM-ADIDS")
    }
}

fn refused(reply: Reply) -> Answer {
    Answer { reply, accepted: Vec::new() }
}

fn other(account: Option<String>, found: Findings) -> Reading {
    Reading {
        account,
        channel: Channel::Other,
        items: Vec::new(),
        broken: found.done(str::to_owned),
    }
}

fn hit(reading: &Reading) -> Answer {
    let refused = reading.broken.iter().any(|v| v.refused);
    let accepted = if refused { Vec::new() } else { (0..reading.items.len()).collect() };
    Answer { reply: tag::reply(), accepted }
}

fn status(request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
    let id = request.query_pairs().into_iter().find(|(n, _)| n == "requestId" || n == "request_id");
    let account = id.and_then(|(_, id)| replies::request_id(&id)).map(|(account, _)| account);
    let known = account.as_deref().and_then(|key| accounts.find(key));
    let mut found = Findings::default();
    judge::access(request, known, accounts, now, &mut found);
    other(account, found)
}

fn ingest(request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
    let body = wire::body(request);
    let items = wire::items(&body);
    let key = wire::destinations(&body).first().and_then(wire::account_id).map(str::to_owned);
    let account = key.as_deref().and_then(|key| accounts.find(key));
    let mut found = Findings::default();
    judge::access(request, account, accounts, now, &mut found);
    let first = |event: usize| items.iter().position(|(index, _)| *index == event);
    judge::envelope(&body, accounts, first, &mut found);
    let mut judged = None;
    for (position, (index, item)) in items.iter().enumerate() {
        if judged == Some(*index) {
            continue;
        }
        judged = Some(*index);
        if let Some(event) = wire::events(&body).get(*index) {
            judge::event::event(&body, event, item, (*index, position), now, &mut found);
        }
    }
    let broken = found.done(|at| body.pointer(at));
    Reading {
        account: key,
        channel: Channel::Server,
        items: items.into_iter().map(|(_, item)| item).collect(),
        broken,
    }
}

fn unauthenticated(reading: &Reading) -> bool {
    reading.broken.iter().any(|v| v.refused && matches!(v.rule, "GDM-AUTH" | "GDM-AUTH-SELFJWT"))
}

/// The events that these items stand for.
fn events_of(request: &Request, rows: &[usize]) -> BTreeSet<usize> {
    let items = wire::items(&wire::body(request));
    rows.iter().filter_map(|row| items.get(*row)).map(|(event, _)| *event).collect()
}

/// Takes the request whole, or refuses it whole. `planned` are events that a planned failure calls invalid.
fn answer(request: &Request, reading: &Reading, planned: &BTreeSet<usize>) -> Answer {
    let body = wire::body(request);
    if unauthenticated(reading) {
        return refused(replies::bare(replies::UNAUTHENTICATED));
    }
    if !body.faults.is_empty() {
        return refused(ads_replies::front_end(&body.faults));
    }
    let places: Vec<(&'static str, String)> = reading
        .broken
        .iter()
        .filter(|v| v.refused)
        .map(|v| (v.rule, google_ads::canonical(&v.at)))
        .collect();
    if places.iter().any(|(rule, at)| replies::is_denial(rule, at, &body)) {
        return refused(replies::error(request, replies::DENIED, "PERMISSION_DENIED", &[]));
    }
    let violations: Vec<_> = places
        .iter()
        .map(|(rule, at)| replies::violation(rule, at, &body))
        .chain(planned.iter().map(|event| replies::invalid_event(*event)))
        .collect();
    if !violations.is_empty() {
        return refused(replies::error(request, replies::INVALID, "INVALID_ARGUMENT", &violations));
    }
    let accepted =
        if wire::validate_only(&body) { Vec::new() } else { (0..reading.items.len()).collect() };
    Answer { reply: replies::received(request, &body, &reading.broken), accepted }
}
