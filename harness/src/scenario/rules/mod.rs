//! What a scenario must fulfil beyond its form: names that exist, before they are used; expressions that compile;
//! numbers within reason; failures that the named platforms know.

mod expects;
mod faults;
mod orders;
mod services;

use std::collections::BTreeSet;

use regex::Regex;

use super::{Given, Platforms, Scenario, Step, UntilStep, select::closest, units::Span};
use crate::platforms::{self, PLATFORMS};
pub(crate) use {faults::knows_failure, orders::CONTACT_FIELDS};

/// Most steps of one scenario, and most orders.
const MAX_STEPS: usize = 200;
/// What to do about an entry that is there twice.
const TWICE: &str = "keep one of them";
/// Most repetitions of anything.
const MAX_TIMES: u32 = 1_000;

/// One broken rule, by the place in the document (`steps/0/order/id`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: String,
    pub(super) message: String,
    /// What to write instead.
    pub(super) hint: String,
}

/// Most variants of one scenario.
pub(super) const MAX_VARIANTS: usize = 200;

/// Everything that is wrong with a scenario that has the right form.
pub(super) fn broken(scenario: &Scenario) -> Vec<Broken> {
    let mut rules = Rules { found: Vec::new(), orders: BTreeSet::new(), people: BTreeSet::new() };
    rules.head(scenario);
    rules.people = people(scenario);
    for (i, step) in scenario.steps.iter().enumerate() {
        rules.step(&format!("steps/{i}"), step);
    }
    for (i, given) in scenario.given.iter().enumerate() {
        match given {
            Given::Platform(fault) => {
                rules.fault(&format!("given/{i}/platform"), fault, &scenario.platforms)
            }
            Given::Service(service) => rules.given_service(&format!("given/{i}/service"), service),
        }
    }
    for (i, expect) in scenario.expect.iter().enumerate() {
        rules.expect(&format!("expect/{i}"), expect);
    }
    rules.variants(scenario);
    rules.found
}

/// Everyone who does something: `shopper` is always there.
fn people(scenario: &Scenario) -> BTreeSet<String> {
    let named = scenario.steps.iter().filter_map(|step| match step {
        Step::Visit(visit) => visit.by.clone(),
        Step::Consent(consent) => consent.by.clone(),
        Step::Order(order) => order.by.clone(),
        _ => None,
    });
    named.chain(std::iter::once("shopper".to_owned())).collect()
}

struct Rules {
    found: Vec<Broken>,
    /// Orders made so far.
    orders: BTreeSet<String>,
    people: BTreeSet<String>,
}

impl Rules {
    fn say(&mut self, at: impl Into<String>, message: impl Into<String>, hint: impl Into<String>) {
        self.found.push(Broken { at: at.into(), message: message.into(), hint: hint.into() });
    }

    fn head(&mut self, scenario: &Scenario) {
        let title = scenario.title.trim();
        if title.is_empty() || title != scenario.title || title.contains(char::is_control) {
            let hint = "write one sentence that says what holds if the relay is right";
            self.say("title", "the title must be one line of text", hint);
        }
        if title.ends_with('.') {
            self.say("title", "the title ends with a full stop", "leave it out");
        }
        let length = title.chars().count();
        if length > 100 {
            self.say(
                "title",
                format!("the title has {length} characters; at most 100 are allowed"),
                "say the rest under `why`",
            );
        }
        let unprintable = |c: char| c.is_control() && c != '\n' && c != '\t';
        if scenario.why.as_ref().is_some_and(|why| why.contains(unprintable)) {
            self.say("why", "there are control characters in it", "write plain text");
        }
        if scenario.covers.is_empty() {
            self.say(
                "covers",
                "covers no entry of the catalogue",
                "write it like covers: [DED-05]",
            );
        }
        for (i, entry) in scenario.covers.iter().enumerate() {
            if !is_catalogue_id(entry) {
                self.say(
                    format!("covers/{i}"),
                    format!("`{entry}` is no catalogue entry"),
                    "write it like DED-05",
                );
            }
            if scenario.covers.iter().take(i).any(|before| before == entry) {
                self.say(format!("covers/{i}"), format!("`{entry}` is listed twice"), TWICE);
            }
        }
        for (i, fact) in scenario.tells.iter().enumerate() {
            if scenario.tells.iter().take(i).any(|before| before == fact) {
                self.say(format!("tells/{i}"), "the fact is listed twice", TWICE);
            }
        }
        self.platforms("platforms", &scenario.platforms);
        if scenario.steps.is_empty() {
            self.say("steps", "nothing happens in it", "write it like - order: { id: A }");
        }
        if scenario.steps.len() > MAX_STEPS {
            self.say("steps", format!("more than {MAX_STEPS} steps"), "split the scenario");
        }
    }

    fn platforms(&mut self, at: &str, platforms: &Platforms) {
        let Platforms::Only(ids) = platforms else { return };
        if ids.is_empty() {
            self.say(at, "no platform is named", "leave `platforms` out for all of them");
        }
        for (i, id) in ids.iter().enumerate() {
            self.platform(&format!("{at}/{i}"), id, true);
            if ids.iter().take(i).any(|before| before == id) {
                self.say(format!("{at}/{i}"), format!("`{id}` is listed twice"), TWICE);
            }
        }
    }

    fn platform(&mut self, at: &str, id: &str, must_count: bool) {
        let usable = |p: &&&dyn platforms::Platform| p.counts_orders() || !must_count;
        if platforms::by_id(id).filter(|p| usable(&p)).is_none() {
            let ids: Vec<_> = PLATFORMS.iter().filter(usable).map(|p| p.id()).collect();
            self.unknown(at, "platform", id, &ids);
        }
    }

    fn unknown(&mut self, at: &str, what: &str, name: &str, known: &[&str]) {
        let near =
            closest(name, known.iter().copied()).map(|near| format!("did you mean `{near}`? "));
        let list = if known.is_empty() { "none is known here".into() } else { known.join(", ") };
        self.say(
            at,
            format!("there is no {what} `{name}`"),
            format!("{}known: {list}", near.unwrap_or_default()),
        );
    }

    fn known_order(&mut self, at: &str, id: &str) {
        if !self.orders.contains(id) {
            let orders = self.orders.clone();
            let known: Vec<_> = orders.iter().map(String::as_str).collect();
            self.unknown(at, "order (made before this)", id, &known);
        }
    }

    fn known_person(&mut self, at: &str, name: Option<&str>) {
        let Some(name) = name else { return };
        if !self.people.contains(name) {
            let people = self.people.clone();
            let known: Vec<_> = people.iter().map(String::as_str).collect();
            self.unknown(at, "person", name, &known);
        }
    }

    fn person_name(&mut self, at: &str, name: Option<&str>) {
        if name.is_some_and(|name| !is_slug(name)) {
            self.say(at, "this is no name for a person", "use a-z, 0-9 and _");
        }
    }

    fn shop(&mut self, at: &str, shop: Option<&str>) {
        if let Some(other) = shop.filter(|shop| !matches!(*shop, "one" | "two")) {
            self.unknown(at, "shop", other, &["one", "two"]);
        }
    }

    fn times(&mut self, at: &str, times: Option<u32>, most: u32) {
        if let Some(times) = times.filter(|times| !(1..=most).contains(times)) {
            let hint = format!("write a number from 1 to {most}");
            self.say(at, format!("{times} is out of range: 1 to {most} are allowed"), hint);
        }
    }

    /// A wait, or a distance in one direction.
    fn not_negative(&mut self, at: String, span: Option<Span>) {
        if let Some(span) = span.filter(|span| span.signed().is_negative()) {
            let hint = format!("write it like {}", Span::from(span.signed().abs()));
            self.say(at, format!("`{span}` is negative"), hint);
        }
    }

    fn step(&mut self, at: &str, step: &Step) {
        match step {
            Step::Visit(visit) => {
                self.person_name(&format!("{at}/visit/by"), visit.by.as_deref());
                self.not_negative(format!("{at}/visit/ago"), visit.ago);
                self.not_negative(format!("{at}/visit/late"), visit.late);
            }
            Step::Consent(consent) => {
                self.person_name(&format!("{at}/consent/by"), consent.by.as_deref())
            }
            Step::Order(order) => self.order(&format!("{at}/order"), order),
            Step::Reload(reload) => {
                self.known_order(&format!("{at}/reload/order"), &reload.order);
                self.times(&format!("{at}/reload/times"), reload.times, MAX_TIMES);
                self.not_negative(format!("{at}/reload/after"), reload.after);
            }
            Step::Webhook(webhook) => self.webhook(&format!("{at}/webhook"), webhook),
            Step::Refund(refund) => {
                self.known_order(&format!("{at}/refund/order"), &refund.order);
                self.times(&format!("{at}/refund/times"), refund.times, MAX_TIMES);
                self.money(&format!("{at}/refund/amount"), refund.amount.as_ref());
            }
            Step::Cancel(cancel) => self.known_order(&format!("{at}/cancel/order"), &cancel.order),
            Step::Erase(erase) => {
                self.known_person(&format!("{at}/erase/by"), erase.by.as_deref());
                const NAMED_BY: &[&str] = &["email", "email_upper", "customer_id", "orders"];
                for (i, by) in erase
                    .named_by
                    .iter()
                    .enumerate()
                    .filter(|(_, by)| !NAMED_BY.contains(&by.as_str()))
                {
                    self.unknown(
                        &format!("{at}/erase/named_by/{i}"),
                        "way to name a person",
                        by,
                        NAMED_BY,
                    );
                }
            }
            Step::Until(until) => match until {
                UntilStep::Delivered(order) => {
                    self.known_order(&format!("{at}/until/delivered"), order)
                }
                UntilStep::Attempted { order, times } => {
                    self.known_order(&format!("{at}/until/attempted/order"), order);
                    self.times(&format!("{at}/until/attempted/times"), Some(*times), MAX_TIMES);
                }
                UntilStep::Faults(times) => {
                    self.times(&format!("{at}/until/faults"), Some(*times), MAX_TIMES)
                }
                UntilStep::Settled => {}
            },
            Step::Recovers(recovers) => {
                self.service(&format!("{at}/recovers/platform"), recovers.platform.as_deref())
            }
            Step::Credentials(c) => {
                self.service(&format!("{at}/credentials/platform"), c.platform.as_deref())
            }
            Step::Replay(replay) => {
                if let Some(order) = &replay.order {
                    self.known_order(&format!("{at}/replay/order"), order);
                }
                self.times(&format!("{at}/replay/times"), replay.times, MAX_TIMES);
            }
            Step::Clock(clock) => {
                self.not_negative(format!("{at}/clock/advance"), Some(clock.advance))
            }
            Step::Ping(_) | Step::Restart(_) => {}
        }
    }

    fn service(&mut self, at: &str, id: Option<&str>) {
        if let Some(id) = id {
            self.platform(at, id, false);
        }
    }

    fn regex(&mut self, at: &str, pattern: &str) {
        if let Err(error) = Regex::new(pattern) {
            let text = error.to_string();
            let reason = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            let hint =
                "put a backslash before brackets, dots and plus signs that stand for themselves";
            self.say(at, format!("not a regular expression: {reason}"), hint);
        }
    }

    fn variants(&mut self, scenario: &Scenario) {
        if scenario.variants.len() > MAX_VARIANTS {
            let message = format!("more than {MAX_VARIANTS} variants");
            return self.say("variants", message, "split the scenario");
        }
        for (i, variant) in scenario.variants.iter().enumerate() {
            let at = format!("variants/{i}/name");
            if !is_slug(&variant.name) {
                self.say(
                    &at,
                    format!("`{}` is no name for a variant", variant.name),
                    "use a-z, 0-9 and _",
                );
            }
            if scenario.variants.iter().take(i).any(|before| before.name == variant.name) {
                let message = format!("there is a variant `{}` already", variant.name);
                self.say(&at, message, "give each a name of its own");
            }
            if let Some(platforms) = &variant.platforms {
                self.platforms(&format!("variants/{i}/platforms"), platforms);
            }
        }
    }
}

/// Three capital letters, a dash, two digits.
fn is_catalogue_id(text: &str) -> bool {
    matches!(text.as_bytes(), [a, b, c, b'-', d, e]
        if [a, b, c].iter().all(|l| l.is_ascii_uppercase()) && d.is_ascii_digit() && e.is_ascii_digit())
}

/// Part of case names, file names and patterns: short, lower-case, without `__`.
fn is_slug(text: &str) -> bool {
    (1..=48).contains(&text.len())
        && !text.contains("__")
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}
