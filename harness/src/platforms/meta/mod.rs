//! Meta: the Conversions API and the pixel.
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api>
//!
//! Behaves as the service was observed to: it takes all events of a request or none, names only the first fault,
//! and does not insist on everything that the documentation requires; the rules report what it lets pass.

mod items;
mod ledger;
mod replies;
mod rules;
mod wire;

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
pub use wire::{BrowserId, without_appendix};
use wire::{Call, Route};

/// The platform.
#[derive(Debug)]
pub struct Meta;

const API_HOST: &str = "graph.facebook.com";
const PIXEL_HOST: &str = "www.facebook.com";

impl Platform for Meta {
    fn id(&self) -> &'static str {
        "meta"
    }

    fn title(&self) -> &'static str {
        "Meta Conversions API"
    }

    fn hosts(&self) -> &'static [&'static str] {
        &[API_HOST, PIXEL_HOST]
    }

    fn rules(&self) -> &'static [Rule] {
        rules::RULES
    }

    fn account(&self, seed: &AccountSeed) -> Account {
        // Sixteen digits, the last five of them the shop's number: unique within a run.
        let pixel = format!(
            "{}{:010}{:05}",
            1 + seed.number % 9,
            seed.number / 9 % 10_000_000_000,
            seed.shop % 100_000
        );
        let token = format!(
            "EAAB{}",
            sha256_hex(&format!("meta access token {} {}", seed.shop, seed.number))
        );
        Account {
            key: pixel.clone(),
            fields: [("pixel_id", pixel), ("access_token", token)].into(),
            secret: &["access_token"],
        }
    }

    fn body(&self, request: &Request) -> Option<serde_json::Value> {
        wire::body(request)
    }

    fn read(&self, request: &Request, now: OffsetDateTime, accounts: &dyn Accounts) -> Reading {
        let call = Call::read(request);
        match &call.route {
            Route::Pixel => {
                let fields = items::pixel_fields(request);
                let item = items::of_pixel(request, &fields);
                Reading {
                    account: item.target.clone(),
                    channel: Channel::Browser,
                    items: vec![item],
                    broken: rules::judge_pixel(&fields),
                }
            }
            Route::Events { pixel, .. } => Reading {
                account: Some(pixel.clone()),
                channel: Channel::Server,
                items: items::of_call(&call),
                broken: rules::judge(request, &call, now, accounts),
            },
            Route::Unknown => Reading {
                account: None,
                channel: Channel::Other,
                items: Vec::new(),
                broken: rules::judge(request, &call, now, accounts),
            },
        }
    }

    fn answer(&self, request: &Request, reading: &Reading, _ledger: &[Entry]) -> Answer {
        if reading.channel == Channel::Browser {
            return took_all(replies::pixel(), reading);
        }
        match reading.broken.iter().find(|violation| violation.refused) {
            Some(why) => took_none(replies::refusal(request, why, has_bearer(request))),
            None => took_all(replies::received(request, reading.items.len()), reading),
        }
    }

    fn failure(
        &self,
        class: FailureClass,
        request: &Request,
        reading: &Reading,
        _rows: &[usize],
    ) -> Option<Answer> {
        // Planned failures are for the relay; the shopper's browser would not react to them anyway.
        if reading.channel == Channel::Browser {
            return None;
        }
        let pixel = reading.account.as_deref().unwrap_or("0");
        replies::failure(class, request, pixel, has_bearer(request)).map(took_none)
    }

    fn count(&self, entries: &[Entry]) -> Vec<Counted> {
        ledger::count(entries)
    }

    fn browser_copy(&self, copy: &BrowserCopy, account: &Account) -> Option<Request> {
        let mut fields = url::form_urlencoded::Serializer::new(String::new());
        fields
            .append_pair("id", account.field("pixel_id"))
            .append_pair("ev", "Purchase")
            .append_pair("eid", &copy.event_id)
            .append_pair("dl", &copy.url)
            .append_pair("ts", &(copy.at.unix_timestamp_nanos() / 1_000_000).to_string())
            .append_pair("cd[value]", &copy.value.to_string())
            .append_pair("cd[currency]", &copy.currency);
        if let Some(fbp) = copy.ids.get("_fbp") {
            fields.append_pair("fbp", fbp);
        }
        if let Some(fbc) = fbc_of(copy) {
            fields.append_pair("fbc", &fbc);
        }
        Some(Request {
            method: "GET".into(),
            host: PIXEL_HOST.into(),
            path: "/tr/".into(),
            query: fields.finish(),
            headers: vec![
                ("host".into(), PIXEL_HOST.into()),
                ("user-agent".into(), copy.user_agent.clone()),
                ("x-forwarded-for".into(), copy.ip.clone()),
                ("referer".into(), copy.url.clone()),
            ],
            ..Request::default()
        })
    }

    fn identity(&self, person: &Person) -> Vec<IdentityRule> {
        use IdentifierKind::{City, Country, Email, FirstName, LastName, Phone, Postcode, Region};
        use normalise::meta;
        let contact = &person.contact;
        let land = contact.country.as_deref();
        // No rule for `external_id`: which of its ids a shop sends there, and whether hashed, is its own choice.
        [
            right(Email, "META-EMAIL-HASH", &contact.email, meta::email),
            right(Phone, "META-PHONE-HASH", &contact.phone, |raw| meta::phone(raw, land)),
            right(FirstName, "META-NAME-HASH", &contact.first_name, meta::name),
            right(LastName, "META-NAME-HASH", &contact.last_name, meta::name),
            right(City, "META-CITY-HASH", &contact.city, meta::city),
            right(Region, "META-STATE-HASH", &contact.region, |raw| meta::region(raw, land)),
            right(Postcode, "META-ZIP-HASH", &contact.postcode, |raw| meta::postcode(raw, land)),
            right(Country, "META-COUNTRY-HASH", &contact.country, meta::country),
        ]
        .into_iter()
        .flatten()
        .collect()
    }

    fn click_field(&self, name: &str) -> Option<ClickField> {
        let (field, form, rule) = match name {
            "fbclid" => ("fbc", ClickForm::Fbc, "META-FBC-CASE"),
            "_fbc" => ("fbc", ClickForm::Verbatim, "META-FBC-CASE"),
            "_fbp" => ("fbp", ClickForm::Verbatim, "META-FBP-STABLE"),
            _ => return None,
        };
        Some(ClickField { field, form, rule })
    }
}

/// The rule for one kind of contact data: nothing is right if there is none, and there is no rule if the value is
/// one that cannot be normalised with certainty.
fn right(
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

/// The click as the pixel has it: its cookie, or made from the landing's parameter.
fn fbc_of(copy: &BrowserCopy) -> Option<String> {
    let made =
        |fbclid: &String| format!("fb.1.{}.{fbclid}", copy.at.unix_timestamp_nanos() / 1_000_000);
    copy.ids.get("_fbc").cloned().or_else(|| copy.ids.get("fbclid").map(made))
}

fn has_bearer(request: &Request) -> bool {
    request.header("authorization").is_some()
}

fn took_all(reply: Reply, reading: &Reading) -> Answer {
    Answer { reply, accepted: (0..reading.items.len()).collect() }
}

fn took_none(reply: Reply) -> Answer {
    Answer { reply, accepted: Vec::new() }
}

#[cfg(test)]
mod tests;
