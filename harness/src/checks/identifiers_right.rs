//! Hashed identifiers are made from the right value, in the platform's normal form, exactly once.

use crate::{
    checks::{About, Check, Seen},
    plan::Contact,
    platforms::{
        self, IdentifierKind, Severity,
        normalise::{self, BANNED_DIGESTS},
    },
    truth::Fact,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "identifiers_right",
    says: "hashed identifiers equal those that the platform would make of the customer's data",
    severity: Severity::Must,
    source: "https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters",
    covers: &[
        "PRV-01", "PRV-02", "PRV-03", "PRV-04", "PRV-05", "PRV-06", "PRV-07", "PRV-09", "PRV-14",
        "WHK-13",
    ],
};

/// The check.
pub(crate) struct IdentifiersRight;

impl Check for IdentifiersRight {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        let mut any = false;
        let result = seen.each_purchase(|expected, sighting, findings| {
            for (kind, value) in &sighting.item.identifiers {
                any = true;
                let finding = |message: String| {
                    ABOUT.finding(message).of(&expected.order).seen(&sighting, "")
                };
                let banned = |digest: &str| digest.eq_ignore_ascii_case(value);
                if let Some((text, _)) = BANNED_DIGESTS.iter().find(|(_, d)| banned(d)) {
                    findings.push(
                        finding(format!(
                            "{} is the hash of `{text}`: a missing value",
                            name(*kind)
                        ))
                        .sides("(left out)", value),
                    );
                    continue;
                }
                let rule = expected.identity.iter().find(|rule| rule.kind == *kind);
                let Some(rule) = rule.filter(|r| !r.accepted.is_empty()) else { continue };
                if !expected.knows(Fact::Identity) || rule.accepted.contains(value) {
                    continue;
                }
                let raw = seen
                    .case
                    .order(&expected.order.to_string())
                    .and_then(|order| contact_value(&order.contact, *kind));
                let why = cause(value, &rule.accepted, raw, *kind);
                let form = match platforms::rule(rule.rule).filter(|_| why == UNSHAPED) {
                    Some(form) => format!(": {}", form.says),
                    None => String::new(),
                };
                findings.push(
                    finding(format!("{} is wrong{why}{form}", name(*kind)))
                        .rule(rule.rule)
                        .sides(wanted(&rule.accepted, *kind), value),
                );
            }
        });
        if any { result } else { CheckResult::NotApplicable }
    }
}

fn name(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "the e-mail",
        IdentifierKind::Phone => "the phone",
        IdentifierKind::FirstName => "the first name",
        IdentifierKind::LastName => "the last name",
        IdentifierKind::City => "the city",
        IdentifierKind::Region => "the region",
        IdentifierKind::Postcode => "the postcode",
        IdentifierKind::Country => "the country",
        IdentifierKind::ExternalId => "the external id",
        IdentifierKind::Other => "an identifier",
    }
}

/// What would be right, and what it is made of: nobody reads a hash.
fn wanted(accepted: &[String], kind: IdentifierKind) -> String {
    let values = accepted.join(" or ");
    match accepted.iter().any(|value| normalise::is_sha256_hex(value)) {
        true => format!("{values}: SHA-256 of {}, in this platform's form", role(kind)),
        false => values,
    }
}

/// Which of the order's facts an identifier is made of.
fn role(kind: IdentifierKind) -> &'static str {
    match kind {
        IdentifierKind::Email => "the customer's e-mail",
        IdentifierKind::Phone => "the customer's phone, with its country code",
        IdentifierKind::FirstName => "the customer's first name",
        IdentifierKind::LastName => "the customer's last name",
        IdentifierKind::City => "the address's city",
        IdentifierKind::Region => "the address's region",
        IdentifierKind::Postcode => "the address's postcode",
        IdentifierKind::Country => "the address's country code",
        IdentifierKind::ExternalId => "the shop's id of the customer",
        IdentifierKind::Other => "one of the order's facts",
    }
}

fn contact_value(contact: &Contact, kind: IdentifierKind) -> Option<&str> {
    match kind {
        IdentifierKind::Email => contact.email.as_deref(),
        IdentifierKind::Phone => contact.phone.as_deref(),
        IdentifierKind::FirstName => contact.first_name.as_deref(),
        IdentifierKind::LastName => contact.last_name.as_deref(),
        IdentifierKind::City => contact.city.as_deref(),
        IdentifierKind::Region => contact.region.as_deref(),
        IdentifierKind::Postcode => contact.postcode.as_deref(),
        IdentifierKind::Country => contact.country.as_deref(),
        IdentifierKind::ExternalId => contact.customer_id.as_deref(),
        IdentifierKind::Other => None,
    }
}

/// The mistake that the platform's own words about the form explain.
const UNSHAPED: &str = ": it was hashed without its normal form";

/// Names the mistake, if it is one of the usual.
fn cause(sent: &str, accepted: &[String], raw: Option<&str>, kind: IdentifierKind) -> &'static str {
    let hash = normalise::sha256_hex;
    let is = |text: &str| hash(text) == sent;
    if accepted.iter().any(|a| a.eq_ignore_ascii_case(sent)) {
        return ": it is upper-case hex";
    }
    if accepted.iter().any(|a| is(a) || is(&a.to_uppercase())) {
        return ": it was hashed twice";
    }
    let is_hex = |n: usize| sent.len() == n && sent.bytes().all(|b| b.is_ascii_hexdigit());
    if is_hex(32) {
        return ": it looks like MD5";
    }
    if is_hex(40) {
        return ": it looks like SHA-1";
    }
    let Some(raw) = raw else { return "" };
    let trimmed = raw.trim();
    if sent.trim().eq_ignore_ascii_case(trimmed) && !sent.is_empty() {
        return ": it is plain, not hashed";
    }
    let tidy = trimmed.to_lowercase();
    if (is(raw) || is(trimmed) || is(&tidy)) && !accepted.contains(&hash(&tidy)) {
        return UNSHAPED;
    }
    if is(raw) || is(trimmed) {
        return ": it was hashed as typed, without trimming and lower case";
    }
    if is(&raw.to_lowercase()) {
        return ": it was hashed without trimming";
    }
    if kind == IdentifierKind::Phone {
        let digits: String = raw.chars().filter(char::is_ascii_digit).collect();
        if is(&digits) || is(digits.trim_start_matches('0')) || is(&format!("+{digits}")) {
            return ": it has no country code";
        }
        return ": it is not in the form that this platform asks for";
    }
    if !normalise::is_sha256_hex(sent) {
        return ": it is no SHA-256 in hex";
    }
    ""
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_that_is_only_trimmed_and_in_lower_case_lacks_the_platform_s_form() {
        let hash = normalise::sha256_hex;
        let of = |sent: &str, right: &str, raw: &str| {
            cause(&hash(sent), &[hash(right)], Some(raw), IdentifierKind::Postcode)
        };
        assert_eq!(of("55102-1401", "55102", "55102-1401"), UNSHAPED);
        assert_eq!(of("sw1a 1aa", "sw1a1aa", "SW1A 1AA"), UNSHAPED);
        assert!(of(" M1", "m1", " M1").ends_with("without trimming and lower case"));
    }
}
