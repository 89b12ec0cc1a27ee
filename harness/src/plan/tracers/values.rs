//! What of a case can be recognised in a request: everything that the plan made for it, in all the forms that relays give it.

use std::{
    collections::{HashMap, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use sha2::{Digest, Sha256};

use super::Rank;
use crate::{
    plan::{Case, Contact, Order, Person},
    scenario::{Click, Step},
};

/// Shortest part of a longer value or text that is looked at.
const SHORTEST: usize = 12;
/// Shortest text that can be anybody's as a whole: `1001`. Whatever is shorter stands everywhere, an empty text even behind
/// every percent sign.
const SHORTEST_WHOLE: usize = 4;
/// Digits of the shortest telephone number.
const SHORTEST_PHONE: usize = 7;

/// The values of one case: fingerprint → rank and the orders that share it.
#[derive(Debug, Default)]
pub(super) struct Values {
    pub(super) found: HashMap<u64, (Rank, Vec<Option<usize>>)>,
}

impl Values {
    fn put(&mut self, key: u64, rank: Rank, order: Option<usize>) {
        let (known, orders) = self.found.entry(key).or_insert_with(|| (rank, Vec::new()));
        *known = rank.min(*known);
        if !orders.contains(&order) {
            orders.push(order);
        }
    }

    /// A value, and those parts of it that are long enough to be its own.
    fn parts(&mut self, rank: Rank, order: Option<usize>, value: &str) {
        let lower = value.trim().to_lowercase();
        if let Some(key) = whole_key(&lower) {
            self.put(key, rank, order);
        }
        for_each_key(&lower, |key| self.put(key, rank, order));
    }

    /// A value that counts only if a text is just that.
    pub(super) fn whole(&mut self, rank: Rank, order: Option<usize>, value: &str) {
        if let Some(key) = whole_key(&value.trim().to_lowercase()) {
            self.put(key, rank, order);
        }
    }

    /// What the plan made.
    pub(super) fn of_case(&mut self, case: &Case) {
        for (index, order) in case.all_orders().enumerate() {
            self.of_order(case, order, index);
        }
        for person in case.people.values() {
            let orders =
                case.orders.iter().enumerate().filter(|(_, order)| order.by == person.name);
            self.of_person(person, only(orders.map(|(index, _)| index)));
            self.whole(Rank::Network, None, &person.ip);
        }
        self.of_person(&case.sentinel_person, Some(case.orders.len()));
    }

    fn of_order(&mut self, case: &Case, order: &Order, index: usize) {
        let here = Some(index);
        let number = order.numeric_id.to_string();
        let event_id = case.values.get(&format!("{}.event_id", order.id));
        let tokens = [
            Some(&number),
            Some(&order.token),
            order.checkout_token.as_ref(),
            order.cart_token.as_ref(),
        ];
        for value in tokens.into_iter().flatten().chain(event_id).chain(order.canaries.values()) {
            // The person's street is on all of their orders.
            let own = order.canaries.get("street") != Some(value);
            self.parts(Rank::Order, if own { here } else { None }, value);
        }
        self.parts(Rank::Order, here, &order.product_id.to_string());
        self.whole(Rank::OrderName, here, &order.name);
        self.whole(Rank::OrderName, here, order.name.trim_start_matches('#'));
        self.contact(&order.contact, here);
    }

    fn of_person(&mut self, person: &Person, order: Option<usize>) {
        for (name, value) in &person.ids {
            let rank = if name.starts_with('_') { Rank::Visitor } else { Rank::Click };
            self.parts(rank, order, value);
        }
        for value in person.contact.customer_id.iter().chain([&person.visitor_id]) {
            self.parts(Rank::Visitor, order, value);
            self.parts(Rank::Visitor, order, &sha256(value));
        }
        self.whole(Rank::Network, order, &person.user_agent);
        self.contact(&person.contact, order);
    }

    fn contact(&mut self, contact: &Contact, order: Option<usize>) {
        // What stands in the place of an address or a number (`null`, `-`, nothing) is nobody's.
        let email = contact.email.iter().filter(|text| text.contains('@'));
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).count();
        let phone = contact.phone.iter().filter(|text| digits(text) >= SHORTEST_PHONE);
        let email_forms = email.clone().flat_map(|email| email_forms(email));
        let phone_forms = phone.flat_map(|phone| phone_forms(phone, contact.country.as_deref()));
        for form in email_forms.chain(phone_forms) {
            self.whole(Rank::Contact, order, &form);
            self.parts(Rank::Contact, order, &sha256(&form));
        }
        // The traceable part of an address that is written inside another text.
        for email in email {
            self.parts(Rank::Contact, order, email);
        }
    }

    /// What the scenario names itself: good evidence as long as no other open case names the same.
    pub(super) fn of_steps(&mut self, case: &Case) {
        for step in &case.scenario.steps {
            let Step::Visit(visit) = step else { continue };
            let by = visit.by.as_deref().unwrap_or("shopper");
            let order = only(
                case.orders
                    .iter()
                    .enumerate()
                    .filter(|(_, order)| order.by == by)
                    .map(|(index, _)| index),
            );
            if let Some(click @ Click::Ids(_)) = &visit.click {
                for (_, value) in case
                    .landing(by, click)
                    .into_iter()
                    .flatten()
                    .filter(|(_, v)| v.len() >= SHORTEST)
                {
                    self.parts(Rank::Click, order, &value);
                }
            }
            let cookies =
                visit.cookies.values().flatten().filter_map(|value| case.fill(value).ok());
            for value in cookies.filter(|value| value.len() >= SHORTEST) {
                self.parts(Rank::Visitor, order, &value);
            }
        }
    }
}

/// The only one, if there is one and no second.
fn only(mut of: impl Iterator<Item = usize>) -> Option<usize> {
    let first = of.next()?;
    of.next().is_none().then_some(first)
}

/// Fingerprint of a text as a whole, if it is long enough to be anybody's.
pub(super) fn whole_key(lower: &str) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    ("whole", lower).hash(&mut hasher);
    (lower.len() >= SHORTEST_WHOLE).then(|| hasher.finish())
}

/// Fingerprints of the parts of a text: at all that is no letter, digit, `-` or `_` (click ids), and at all but letters and digits.
pub(super) fn for_each_key(lower: &str, mut each: impl FnMut(u64)) {
    let mut part = |text: &str| {
        if text.len() >= SHORTEST {
            let mut hasher = DefaultHasher::new();
            ("part", text).hash(&mut hasher);
            each(hasher.finish());
        }
    };
    for piece in lower.split(|c: char| !(c.is_alphanumeric() || c == '-' || c == '_')) {
        part(piece);
        if piece.contains(['-', '_']) {
            piece.split(['-', '_']).for_each(&mut part);
        }
    }
}

pub(super) fn sha256(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}

/// All that relays make of an address before they hash it, right or wrong.
fn email_forms(typed: &str) -> Vec<String> {
    let lower = typed.trim().to_lowercase();
    let (local, domain) = lower.split_once('@').unwrap_or((&lower, ""));
    let before_plus = local.split('+').next().unwrap_or(local);
    let forms = [
        typed.to_owned(),
        typed.trim().to_owned(),
        typed.to_uppercase(),
        format!("{}@{domain}", local.replace('.', "")),
        format!("{}@{domain}", before_plus.replace('.', "")),
        format!("{before_plus}@{domain}"),
        lower.clone(),
    ];
    forms.into()
}

/// Likewise for a telephone number of the plan's own (US, UK, or with its country code).
pub(super) fn phone_forms(typed: &str, country: Option<&str>) -> Vec<String> {
    let digits: String = typed.chars().filter(char::is_ascii_digit).collect();
    let national = digits.trim_start_matches('0');
    let full = match country {
        _ if typed.trim_start().starts_with('+') => digits.clone(),
        Some("US") => format!("1{national}"),
        Some("GB") => format!("44{national}"),
        _ => digits.clone(),
    };
    vec![typed.to_owned(), format!("+{full}"), full, format!("+{digits}"), digits]
}
