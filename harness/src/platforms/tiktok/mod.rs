//! TikTok: Events API 2.0 and the pixel.
//! <https://github.com/tiktok/gtm-template-eapi/blob/main/template.tpl>
//!
//! Failures come with HTTP 200: only `code` 0 in the body means that the events were taken. One faulty event
//! makes TikTok refuse the whole request.

mod ledger;
mod replies;
mod rules;
mod wire;

use serde_json::Value;
use time::OffsetDateTime;

use super::{
    Account, AccountSeed, Accounts, Answer, BrowserCopy, Channel, ClickField, ClickForm, Counted,
    Entry, FailureClass, IdentifierKind, IdentityRule, Platform, Reading, Rule,
    normalise::{self, sha256_hex},
};
use crate::{
    exchange::{Reply, Request},
    plan::Person,
};
use wire::Route;

/// The platform.
#[derive(Debug)]
pub struct TikTok;

const API_HOST: &str = "business-api.tiktok.com";

impl Platform for TikTok {
    fn id(&self) -> &'static str {
        "tiktok"
    }

    fn title(&self) -> &'static str {
        "TikTok Events API"
    }

    fn hosts(&self) -> &'static [&'static str] {
        &[API_HOST, wire::PIXEL_HOST]
    }

    fn rules(&self) -> &'static [Rule] {
        rules::RULES
    }

    fn account(&self, seed: &AccountSeed) -> Account {
        let pixel_code = format!("C{:06X}{}", seed.shop % 0x100_0000, base36(seed.number));
        let token = sha256_hex(&format!("tiktok access token {} {}", seed.shop, seed.number));
        Account {
            key: pixel_code.clone(),
            fields: [("pixel_code", pixel_code), ("access_token", token)].into(),
            secret: &["access_token"],
        }
    }

    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let route = Route::of(request);
        let body = request.json().unwrap_or(Value::Null);
        let (channel, items) = match route {
            Route::Track => (Channel::Server, wire::items(&body)),
            Route::Single | Route::Batch => (Channel::Server, wire::older_items(&body, route)),
            Route::Pixel => (Channel::Browser, wire::older_items(&body, route)),
            Route::Unknown => (Channel::Other, Vec::new()),
        };
        let account = match route {
            Route::Track => normalise::sent::text_field(&body, "event_source_id"),
            _ => items.first().and_then(|item| item.target.clone()),
        };
        let broken = match channel {
            Channel::Browser => Vec::new(),
            _ => rules::judge(request, &body, route, now, accounts),
        };
        Reading { account, channel, items, broken }
    }

    fn answer(&self, request: &Request, reading: &Reading, _ledger: &[Entry]) -> Answer {
        if reading.channel == Channel::Browser {
            return took_all(replies::pixel(), reading);
        }
        match reading.broken.iter().find(|violation| violation.refused) {
            Some(why) => took_none(replies::refusal(request, why)),
            None => took_all(replies::accepted(request), reading),
        }
    }

    fn failure(
        &self,
        class: FailureClass,
        request: &Request,
        reading: &Reading,
        rows: &[usize],
    ) -> Option<Answer> {
        // Planned failures are for the relay; the shopper's browser would not react to them anyway.
        if reading.channel == Channel::Browser {
            return None;
        }
        replies::failure(class, request, rows.first().copied().unwrap_or(0)).map(took_none)
    }

    fn count(&self, entries: &[Entry]) -> Vec<Counted> {
        ledger::count(entries)
    }

    fn browser_copy(&self, copy: &BrowserCopy, account: &Account) -> Option<Request> {
        let body = wire::pixel_hit(copy, account.field("pixel_code")).to_string();
        Some(Request {
            method: "POST".into(),
            host: wire::PIXEL_HOST.into(),
            path: wire::PIXEL_PATH.into(),
            headers: vec![
                ("host".into(), wire::PIXEL_HOST.into()),
                ("content-type".into(), "application/json".into()),
                ("user-agent".into(), copy.user_agent.clone()),
                ("referer".into(), copy.url.clone()),
            ],
            body_bytes: body.len(),
            body,
            ..Request::default()
        })
    }

    fn identity(&self, person: &Person) -> Vec<IdentityRule> {
        use IdentifierKind::{City, Country, Email, FirstName, LastName, Phone, Postcode, Region};
        use normalise::tiktok;
        let contact = &person.contact;
        let land = contact.country.as_deref();
        // No rule for `external_id`: which of its ids a shop sends there is its own choice.
        [
            hashed(Email, "TIKTOK-EMAIL-HASH", &contact.email, tiktok::email),
            hashed(Phone, "TIKTOK-PHONE-HASH", &contact.phone, |raw| tiktok::phone(raw, land)),
            hashed(FirstName, "TIKTOK-NAME-HASH", &contact.first_name, tiktok::name),
            hashed(LastName, "TIKTOK-NAME-HASH", &contact.last_name, tiktok::name),
            hashed(Postcode, "TIKTOK-NAME-HASH", &contact.postcode, tiktok::postcode),
            plain(City, &contact.city),
            plain(Region, &contact.region),
            plain(Country, &contact.country),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn click_field(&self, name: &str) -> Option<ClickField> {
        let (field, rule) = match name {
            "ttclid" => ("ttclid", "TIKTOK-TTCLID"),
            "_ttp" => ("ttp", "TIKTOK-TTP"),
            _ => return None,
        };
        Some(ClickField { field, form: ClickForm::Verbatim, rule })
    }
}

/// The rule for one kind of hashed contact data: nothing is right if there is none, and there is no rule if the
/// value is one that cannot be normalised with certainty.
fn hashed(
    kind: IdentifierKind,
    rule: &'static str,
    raw: &Option<String>,
    forms: impl Fn(&str) -> Vec<String>,
) -> Option<IdentityRule> {
    let accepted = match raw {
        None => Vec::new(),
        Some(raw) => normalise::digests(raw, forms(raw)),
    };
    (raw.is_none() || !accepted.is_empty()).then_some(IdentityRule { kind, accepted, rule })
}

/// The rule for a place, which goes plain; hashed it is useless, but no disclosure.
fn plain(kind: IdentifierKind, raw: &Option<String>) -> Option<IdentityRule> {
    let forms = raw.as_deref().map(normalise::tiktok::place).unwrap_or_default();
    let hashed: Vec<String> = forms.iter().map(|form| sha256_hex(form)).collect();
    let accepted = forms.into_iter().chain(hashed).collect();
    Some(IdentityRule { kind, accepted, rule: "TIKTOK-NAME-HASH" })
}

/// Thirteen characters of a pixel code.
fn base36(mut number: u64) -> String {
    let mut code = String::new();
    for _ in 0..13 {
        let digit = u32::try_from(number % 36)
            .ok()
            .and_then(|digit| char::from_digit(digit, 36))
            .unwrap_or('0');
        code.push(digit.to_ascii_uppercase());
        number /= 36;
    }
    code
}

fn took_all(reply: Reply, reading: &Reading) -> Answer {
    Answer { reply, accepted: (0..reading.items.len()).collect() }
}

fn took_none(reply: Reply) -> Answer {
    Answer { reply, accepted: Vec::new() }
}

#[cfg(test)]
mod tests;
