//! No e-mail address, phone number or full name leaves in plain text, wherever in the request.

use crate::{
    checks::{
        About, Check, Seen,
        needles::{self, Kind, Needle},
    },
    plan::{Case, Contact},
    platforms::Severity,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "no_plain_contact",
    says: "contact data stands nowhere in plain text: not in the URL, the headers or the body",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters",
    covers: &["PRV-01", "PRV-10", "PRV-14", "PRV-13"],
};

/// The check.
pub(crate) struct NoPlainContact;

impl Check for NoPlainContact {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        needles::none_sent(seen, &ABOUT, Kind::Contact)
    }
}

/// Contact data of everybody in the case.
pub(crate) fn contact_needles(case: &Case) -> Vec<Needle> {
    let mut needles = Vec::new();
    let mut add = |who: &str, contact: &Contact| {
        // A value that the store hashed already, or a placeholder, is no address in the clear.
        if let Some(email) = contact.email.as_ref().filter(|email| email.contains('@')) {
            needles.extend(Needle::new(format!("the e-mail address of {who}"), email));
        }
        if let Some(phone) = &contact.phone {
            needles.extend(Needle::new(format!("the phone number of {who}"), phone));
            needles.extend(Needle::digits(format!("the phone number of {who}"), phone));
        }
        // Single names are words; only the whole name is a person.
        if let (Some(first), Some(last)) = (&contact.first_name, &contact.last_name) {
            needles.extend(Needle::new(format!("the name of {who}"), &format!("{first} {last}")));
        }
    };
    for person in case.people.values().chain(std::iter::once(&case.sentinel_person)) {
        add(&person.name, &person.contact);
    }
    for order in &case.orders {
        let own = case.people.get(&order.by).map(|p| &p.contact);
        if own != Some(&order.contact) {
            add(&format!("{}, as on order {}", order.by, order.id), &order.contact);
        }
    }
    needles
}
