//! Right values of a person's contact data and click ids, for both Google APIs.

use crate::{
    plan::Person,
    platforms::{
        ClickField, ClickForm, IdentifierKind as Kind, IdentityRule,
        normalise::{digests, google},
    },
};

/// Rule ids that one of the two Google APIs has for contact data.
pub(in crate::platforms) struct IdentityRules {
    pub(in crate::platforms) email: &'static str,
    pub(in crate::platforms) phone: &'static str,
    pub(in crate::platforms) name: &'static str,
    pub(in crate::platforms) postcode: &'static str,
    pub(in crate::platforms) country: &'static str,
}

/// Right values of a person's contact data. What has no normal form (a phone without a country) has no entry.
pub(in crate::platforms) fn identity(person: &Person, rules: &IdentityRules) -> Vec<IdentityRule> {
    let contact = &person.contact;
    let country = contact.country.as_deref();
    let hashed = |raw: Option<&str>, forms: &dyn Fn(&str) -> Vec<String>| {
        raw.map_or_else(Vec::new, |raw| digests(raw, forms(raw)))
    };
    let email = |raw: &str| google::email(raw).into_iter().collect();
    let phone = |raw: &str| google::phone(raw, country).into_iter().collect();
    let plain = |form: Option<String>| form.into_iter().collect();
    [
        (Kind::Email, hashed(contact.email.as_deref(), &email), rules.email),
        (Kind::Phone, hashed(contact.phone.as_deref(), &phone), rules.phone),
        (Kind::FirstName, hashed(contact.first_name.as_deref(), &names), rules.name),
        (Kind::LastName, hashed(contact.last_name.as_deref(), &names), rules.name),
        (
            Kind::Postcode,
            plain(contact.postcode.as_deref().and_then(google::postcode)),
            rules.postcode,
        ),
        (Kind::Country, plain(country.and_then(google::region)), rules.country),
    ]
    .into_iter()
    .filter(|(_, accepted, _)| !accepted.is_empty())
    .map(|(kind, accepted, rule)| IdentityRule { kind, accepted, rule })
    .collect()
}

/// A name in the forms that Google's own sources name: as the utility has it first, then without punctuation, and as
/// the utility had it before August 2026, without any blank.
fn names(raw: &str) -> Vec<String> {
    let Some(first) = google::name(raw) else { return Vec::new() };
    let bare: String = first.chars().filter(|c| c.is_alphanumeric() || c.is_whitespace()).collect();
    let joined: String = first.chars().filter(|c| !c.is_whitespace()).collect();
    let both: String = bare.chars().filter(|c| !c.is_whitespace()).collect();
    let mut forms = vec![first];
    for form in [bare.trim().to_owned(), joined, both] {
        if !form.is_empty() && !forms.contains(&form) {
            forms.push(form);
        }
    }
    forms
}

/// Google's three click ids, each in a field of its own name. A row carries one of them: gclid before gbraid before wbraid.
pub(in crate::platforms) fn click_field(name: &str, rule: &'static str) -> Option<ClickField> {
    let field = ["gclid", "gbraid", "wbraid"].into_iter().find(|f| *f == name)?;
    Some(ClickField { field, form: ClickForm::Verbatim, rule })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::collections::BTreeMap;

    use super::*;
    use crate::{plan::Contact, platforms::normalise::sha256_hex};

    #[test]
    fn a_person_has_one_right_hash_per_kind_and_names_have_the_tolerated_ones() {
        let contact = Contact {
            email: Some(" Jane.Doe+Shop@GMail.com ".into()),
            phone: Some("(202) 555-0143".into()),
            first_name: Some("Mary Ann".into()),
            last_name: Some("O'Brien".into()),
            postcode: Some(" 94045 ".into()),
            country: Some("us".into()),
            ..Contact::default()
        };
        let person = Person {
            name: "shopper".into(),
            visitor_id: "v".into(),
            contact,
            ip: "192.0.2.1".into(),
            user_agent: "ua".into(),
            ids: BTreeMap::new(),
        };
        let rules =
            IdentityRules { email: "E", phone: "P", name: "N", postcode: "Z", country: "C" };
        let found = identity(&person, &rules);
        let of = |kind| found.iter().find(|r| r.kind == kind).unwrap().accepted.clone();
        assert_eq!(of(Kind::Email), [sha256_hex("janedoe@gmail.com")]);
        assert_eq!(of(Kind::Phone), [sha256_hex("+12025550143")]);
        assert_eq!(of(Kind::FirstName), [sha256_hex("mary ann"), sha256_hex("maryann")]);
        assert_eq!(of(Kind::LastName), [sha256_hex("o'brien"), sha256_hex("obrien")]);
        assert_eq!(
            (of(Kind::Postcode), of(Kind::Country)),
            (vec!["94045".into()], vec!["US".into()])
        );
    }
}
