//! Nothing leaves that no platform needs: notes, attributes, streets, order-status keys.

use crate::{
    checks::{
        About, Check, Seen,
        needles::{self, Kind, Needle},
    },
    plan::Case,
    platforms::Severity,
    verdict::CheckResult,
};

static ABOUT: About = About {
    id: "minimal",
    says: "only what attribution and matching need is sent: no notes, streets, order-status keys or raw webhooks",
    severity: Severity::Must,
    source: "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
    covers: &["PRV-10", "PRV-11", "PRV-13"],
};

/// The check.
pub(crate) struct Minimal;

impl Check for Minimal {
    fn about(&self) -> &'static About {
        &ABOUT
    }

    fn check(&self, seen: &Seen<'_>) -> CheckResult {
        needles::none_sent(seen, &ABOUT, Kind::Canary)
    }
}

/// Texts that no platform needs.
pub(crate) fn canary_needles(case: &Case) -> Vec<Needle> {
    let orders = case.all_orders().flat_map(|order| {
        let street = order.contact.street.as_ref().map(|s| ("street", s));
        order.canaries.iter().map(|(name, value)| (*name, value)).chain(street).filter_map(
            |(name, value)| {
                Needle::new(format!("the {} of order {}", name.replace('_', " "), order.id), value)
            },
        )
    });
    let shared = case
        .values
        .iter()
        .filter(|(name, _)| name.starts_with("canary"))
        .filter_map(|(name, value)| Needle::new(format!("the value {name}"), value));
    orders.chain(shared).collect()
}
