//! Google Ads: conversion uploads and adjustments over REST, v23 to v26.
//!
//! Every refusal of a row comes with status 200. The upload action of an account is another one than its browser tag's,
//! so there is no browser copy to join with.
//! See <https://developers.google.com/google-ads/api/docs/conversions/upload-clicks>.

mod errors;
pub(in crate::platforms) mod findings;
pub(in crate::platforms) mod identity;
pub(in crate::platforms) mod judge;
mod ledger;
pub(in crate::platforms) mod proto;
pub(in crate::platforms) mod replies;
mod rules;
mod schema;
#[cfg(test)]
mod tests;
pub(in crate::platforms) mod wire;

use serde_json::json;
use time::OffsetDateTime;

use self::{
    findings::Findings,
    proto::Body,
    replies::ApiError,
    wire::{Method, Route},
};
use super::{
    Account, AccountSeed, Accounts, Answer, BrowserCopy, Channel, ClickField, Counted, Entry,
    FailureClass, IdentityRule, Item, ItemKind, Platform, Reading, Rule, google_oauth,
};
use crate::{
    exchange::{Reply, Request},
    plan::Person,
};

/// The Google Ads API's upload services.
#[derive(Debug)]
pub struct GoogleAds;

impl Platform for GoogleAds {
    fn id(&self) -> &'static str {
        "google_ads"
    }

    fn title(&self) -> &'static str {
        "Google Ads"
    }

    fn hosts(&self) -> &'static [&'static str] {
        &["googleads.googleapis.com"]
    }

    fn has_browser_copy(&self) -> bool {
        false
    }

    fn takes_adjustments(&self) -> bool {
        true
    }

    fn has_consent_field(&self) -> bool {
        true
    }

    fn rules(&self) -> &'static [Rule] {
        rules::RULES
    }

    fn account(&self, seed: &AccountSeed) -> Account {
        let customer = google_oauth::ten_digits(4, seed, 0);
        let mut fields = google_oauth::credentials(seed.shop);
        fields.insert("customer_id", customer.clone());
        fields.insert("login_customer_id", google_oauth::ten_digits(6, seed, 1));
        fields.insert("conversion_action", google_oauth::ten_digits(7, seed, 2));
        Account { key: customer, fields, secret: google_oauth::SECRETS }
    }

    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let mut found = Findings::default();
        let Some(route) = wire::route(request) else {
            found.refuse("GADS-URL-CLICK", None, "", "no such method of this API");
            return Reading {
                account: None,
                channel: Channel::Other,
                items: Vec::new(),
                broken: found.done(str::to_owned),
            };
        };
        if request.incomplete {
            // What did not arrive whole says nothing about the relay.
            return Reading {
                account: Some(route.customer),
                channel: Channel::Server,
                items: Vec::new(),
                broken: Vec::new(),
            };
        }
        let body = wire::body(request, route.method);
        let items = wire::items(&body, route.method);
        judge::call(request, &route, &body, accounts, &mut found);
        judge::rows::rows(
            &body,
            route.method,
            &items,
            accounts.find(&route.customer),
            now,
            &mut found,
        );
        let broken = found.done(|at| body.pointer(at));
        Reading { account: Some(route.customer), channel: Channel::Server, items, broken }
    }

    fn answer(&self, request: &Request, reading: &Reading, ledger: &[Entry]) -> Answer {
        Call::of(request, reading).map_or_else(refused, |call| call.answer(ledger, |_, _| None))
    }

    fn failure(
        &self,
        class: FailureClass,
        request: &Request,
        reading: &Reading,
        rows: &[usize],
    ) -> Option<Answer> {
        let Some(route) = wire::route(request) else {
            return Some(refused(replies::no_such_path()));
        };
        let call = |status: (u16, &str, &str), error: Option<&ApiError>| {
            Some(refused(replies::call_error(request, &route, status, error)))
        };
        match class {
            FailureClass::RateLimited => call(
                (429, "RESOURCE_EXHAUSTED", "Resource has been exhausted (e.g. check quota)."),
                Some(&quota()),
            ),
            FailureClass::ServerError => call(
                (500, "INTERNAL", "Internal error encountered."),
                Some(&ApiError::new(
                    "internalError",
                    "INTERNAL_ERROR",
                    "An internal error has occurred.",
                    String::new(),
                )),
            ),
            FailureClass::Unavailable => {
                call((503, "UNAVAILABLE", "The service is currently unavailable."), None)
            }
            FailureClass::TokenExpired => {
                call(errors::UNAUTHENTICATED, Some(&errors::token_invalid()))
            }
            FailureClass::Forbidden => call(
                (403, "PERMISSION_DENIED", "The caller does not have permission"),
                Some(&errors::not_permitted()),
            ),
            _ => {
                Some(Call::of(request, reading).map_or_else(refused, |call| call.fail(class, rows)))
            }
        }
    }

    fn count(&self, entries: &[Entry]) -> Vec<Counted> {
        ledger::count(entries)
    }

    fn browser_copy(&self, _: &BrowserCopy, _: &Account) -> Option<Request> {
        None
    }

    fn identity(&self, person: &Person) -> Vec<IdentityRule> {
        identity::identity(
            person,
            &identity::IdentityRules {
                email: "GADS-UID-EMAIL",
                phone: "GADS-UID-PHONE",
                name: "GADS-UID-NAMES",
                postcode: "GADS-UID-NAMES",
                country: "GADS-UID-NAMES",
            },
        )
    }

    fn click_field(&self, name: &str) -> Option<ClickField> {
        identity::click_field(name, "GADS-CLICKID-VERBATIM")
    }
}

fn refused(reply: Reply) -> Answer {
    Answer { reply, accepted: Vec::new() }
}

fn quota() -> ApiError {
    let mut error = ApiError::new(
        "quotaError",
        "RESOURCE_TEMPORARILY_EXHAUSTED",
        "Too many requests. Retry in 1 seconds.",
        String::new(),
    );
    error.details = Some(json!({
        "quotaErrorDetails": { "rateScope": "ACCOUNT", "rateName": "Requests per account", "retryDelay": "1s" }
    }));
    error
}

/// A call that is not refused as a whole.
struct Call<'a> {
    request: &'a Request,
    reading: &'a Reading,
    route: Route,
    body: Body,
}

impl<'a> Call<'a> {
    /// The call, or the answer that refuses it as a whole.
    fn of(request: &'a Request, reading: &'a Reading) -> Result<Self, Reply> {
        let Some(route) = wire::route(request) else { return Err(replies::no_such_path()) };
        let body = wire::body(request, route.method);
        let mut refusals: Vec<_> = reading
            .broken
            .iter()
            .filter(|v| v.refused && v.item.is_none())
            .filter_map(|v| {
                // A format that is wrong and an account that is foreign are one rule and two answers.
                let wrong_form = match v.rule {
                    "GADS-CID-FORMAT" => !judge::ten_digits(&route.customer),
                    "GADS-HDR-LOGIN" => {
                        !request.header("login-customer-id").is_some_and(judge::ten_digits)
                    }
                    _ => false,
                };
                errors::refused_call(v.rule, if wrong_form { "form" } else { "" })
            })
            .collect();
        refusals.sort_by_key(|(rank, ..)| *rank);
        if !judge::LIVE.contains(&route.version) && route.version > *judge::LIVE.end() {
            return Err(replies::no_such_path());
        }
        let first = refusals.first();
        if !body.faults.is_empty() && first.is_none_or(|(rank, ..)| *rank > 1) {
            return Err(replies::front_end(&body.faults));
        }
        if let Some((_, status, error)) = first {
            return Err(replies::call_error(request, &route, *status, Some(error)));
        }
        if reading.broken.iter().any(|v| v.rule == "GADS-BATCH-2000") {
            let none = proto::list(&body.canonical, route.method.rows()).is_empty();
            let at = format!("/{}", route.method.rows());
            let error = if none {
                ApiError::new("fieldError", "REQUIRED", "The required field was not present.", at)
            } else {
                ApiError::new(
                    "conversionUploadError",
                    "TOO_MANY_CONVERSIONS_IN_REQUEST",
                    "The request holds too many conversions.",
                    at,
                )
            };
            return Err(replies::call_error(
                request,
                &route,
                (400, "INVALID_ARGUMENT", "Request contains an invalid argument."),
                Some(&error),
            ));
        }
        Ok(Self { request, reading, route, body })
    }

    /// Answers row by row. `planned` gives a planned error for a row, which goes before anything else.
    fn answer(
        &self,
        ledger: &[Entry],
        planned: impl Fn(usize, &str) -> Option<ApiError>,
    ) -> Answer {
        let rows = wire::rows(&self.body, self.route.method);
        let mut errors = Vec::with_capacity(rows.len());
        let mut accepted = Vec::new();
        for (index, (row, item)) in rows.iter().zip(&self.reading.items).enumerate() {
            let at = format!("/{}/{index}", self.route.method.rows());
            let list = match planned(index, &at) {
                Some(error) => vec![error],
                None => self.row(index, &at, row, item, ledger),
            };
            if list.is_empty() && !wire::validate_only(&self.body) {
                accepted.push(index);
            }
            errors.push((index, list));
        }
        Answer { reply: replies::rows(self.request, &self.route, &self.body, &errors), accepted }
    }

    fn row(
        &self,
        index: usize,
        at: &str,
        row: &serde_json::Value,
        item: &Item,
        ledger: &[Entry],
    ) -> Vec<ApiError> {
        let broken: Vec<ApiError> = self
            .reading
            .broken
            .iter()
            .filter(|v| v.refused && v.item == Some(index))
            .map(|v| errors::refused_row(v, canonical(&v.at), row, self.route.method))
            .collect();
        if !broken.is_empty() {
            return broken;
        }
        if self.route.method == Method::Adjustments && item.kind == ItemKind::Other {
            return vec![errors::not_eligible(at)];
        }
        ledger::refusal(item, ledger)
            .map(|refusal| errors::refused_by_past(refusal, at))
            .into_iter()
            .collect()
    }

    fn fail(&self, class: FailureClass, rows: &[usize]) -> Answer {
        let method = self.route.method;
        let hit = |index: usize| rows.contains(&index);
        match class {
            FailureClass::Transient => self.answer(&[], |_, at| Some(errors::row_transient(at))),
            // Without named rows the failure is about all of them.
            FailureClass::Invalid if rows.is_empty() => {
                self.answer(&[], |_, at| Some(errors::row_invalid(method, at)))
            }
            FailureClass::Invalid | FailureClass::PartialInvalid => {
                self.answer(&[], |i, at| hit(i).then(|| errors::row_invalid(method, at)))
            }
            FailureClass::PartialTransient => {
                self.answer(&[], |i, at| hit(i).then(|| errors::row_transient(at)))
            }
            // Classes about the whole call are answered before.
            _ => refused(replies::nothing_taken(self.request, &self.body)),
        }
    }
}

/// A place as sent, in canonical names: `/conversions/0/order_id` → `/conversions/0/orderId`.
pub(super) fn canonical(at: &str) -> String {
    let mut out = String::with_capacity(at.len());
    let mut upper = false;
    for c in at.chars() {
        match c {
            '_' => upper = true,
            c if upper => {
                out.push(c.to_ascii_uppercase());
                upper = false;
            }
            c => out.push(c),
        }
    }
    out
}
