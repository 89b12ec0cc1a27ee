//! Which of the shipped scenarios a relay is spared, by what its profile can tell it.
#![allow(clippy::unwrap_used)]

use std::path::Path;

use crate::{
    plan::cases::{PlanOptions, outline},
    scenario::{Capability, Scenario, load::load_dir},
    sut::{load::load_with, profile::Profile},
};

fn shipped(name: &str) -> Profile {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    load_with(&folder.join(format!("{name}.yaml")), |name| Some(format!("{name}_value")))
        .unwrap_or_else(|error| panic!("{error}"))
}

/// The same relay with a call that erases people.
fn with_erasure(name: &str) -> Profile {
    let mut profile = shipped(name);
    profile.send.erase = Some(serde_json::from_value(serde_json::json!({"path": "/e"})).unwrap());
    profile.capabilities.push(Capability::Erasure);
    profile
}

/// The same relay with a call for landings, which tells of consent or does not.
fn with_landings(name: &str, consent: bool) -> Profile {
    let mut profile = shipped(name);
    let body = if consent { "{{ url }} {{ consent }}" } else { "{{ url }}" };
    profile.send.click =
        Some(serde_json::from_value(serde_json::json!({"path": "/c", "body": body})).unwrap());
    profile.capabilities.push(Capability::Clicks);
    profile
}

/// The same relay with a call that tells of consent, signals included.
fn with_signals(name: &str) -> Profile {
    let mut profile = with_landings(name, true);
    profile.capabilities.push(Capability::ConsentSignals);
    profile
}

fn without_consent(mut profile: Profile) -> Profile {
    profile.send.attributes.consent = None;
    profile
}

/// A relay that is started with its current secrets alone.
fn without_previous_secrets(name: &str) -> Profile {
    let mut profile = shipped(name);
    for text in profile.start.as_mut().unwrap().files.values_mut() {
        *text = text.replace("previous_", "");
    }
    profile
}

/// Why the relay is spared the case on Meta; empty: it is not.
fn reason(scenarios: &[Scenario], profile: &Profile, case: &str) -> String {
    let options =
        PlanOptions { seed: 1, profile, platforms: None, patterns: vec![case.to_owned()] };
    let (played, skipped) = outline(scenarios, &options).unwrap();
    match (played.as_slice(), skipped.as_slice()) {
        ([_], []) => String::new(),
        ([], [skipped]) => skipped.reason.clone(),
        other => panic!("{case} is not one case: {other:?}"),
    }
}

/// Profile, case, and a part of the reason; empty: the case is played.
type Row = (Profile, &'static str, &'static str);

fn messages() -> Vec<Row> {
    let no_update = "stripe has no `updated` message";
    vec![
        (shipped("shopify"), "dedup/edited_total/meta", ""),
        (shipped("segment"), "dedup/edited_total/meta", ""),
        (shipped("stripe"), "dedup/edited_total/meta", no_update),
        (shipped("segment"), "webhooks/paid_before_created/meta", "segment has no `create`"),
        (shipped("woocommerce"), "webhooks/paid_before_created/meta", ""),
        (shipped("stripe"), "payload/paid_later/meta", ""),
        (shipped("stripe"), "payload/updated_while_unpaid/meta", no_update),
        (shipped("stripe"), "payload/unpaid/meta/pending", ""),
        (shipped("stripe"), "payload/unpaid/meta/voided", no_update),
        (shipped("segment"), "payload/unpaid/meta/pending", "no message for such an order"),
        (shipped("stripe"), "payload/cancelled_before_payment/meta", ""),
        (shipped("segment"), "payload/cancelled_before_payment/meta", "`cancelled`"),
        (shipped("snowplow"), "payload/cancelled_after_sale/meta", ""),
        (shipped("segment"), "dedup/redelivered_as_new_event/meta", ""),
        // A late retry shows the order as it was placed: unpaid.
        (shipped("stripe"), "webhooks/stale_delivery/meta", ""),
        (shipped("segment"), "webhooks/stale_delivery/meta", "segment has no `create`"),
        (shipped("segment"), "webhooks/raw_bytes/meta/pretty", "signs no bytes"),
        (shipped("data_tag"), "webhooks/raw_bytes/meta/unusual", "signs no bytes"),
        (shipped("shopify"), "webhooks/raw_bytes/meta/unusual", ""),
        (shipped("ga4"), "webhooks/unreadable_body/meta", "no body that could be"),
        (shipped("data_tag"), "webhooks/unreadable_body/meta", ""),
        (shipped("shopify"), "webhooks/ping/meta", "tries an address"),
        (shipped("woocommerce"), "webhooks/ping/meta", ""),
        (shipped("reference"), "webhooks/secret_rotation/meta/old_secret", ""),
        (shipped("shopify"), "webhooks/secret_rotation/meta/old_secret", "no earlier secret"),
        (
            without_previous_secrets("reference"),
            "webhooks/secret_rotation/meta/old_secret",
            "no earlier secret",
        ),
    ]
}

fn visits() -> Vec<Row> {
    let (unheard, clicks) = ("no way to tell such a consent answer", "does not declare: clicks");
    let signals = "no capability `consent_signals`";
    vec![
        (shipped("segment"), "stitching/click_id_reaches_order/meta", ""),
        (shipped("stripe"), "stitching/click_id_reaches_order/meta", "landing_url"),
        (shipped("stripe"), "stitching/odd_click_ids/meta/sixty", clicks),
        (with_landings("stripe", true), "stitching/odd_click_ids/meta/sixty", ""),
        (shipped("segment"), "privacy/url_with_contact/meta/in_query", ""),
        (shipped("segment"), "privacy/url_with_contact/meta/in_path", clicks),
        (shipped("shopify"), "privacy/url_with_contact/meta/in_path", ""),
        (shipped("segment"), "stitching/join_keys/meta/attribute", "join orders by attribute"),
        (shipped("segment"), "stitching/join_keys/meta/landing_site", ""),
        (with_landings("segment", true), "stitching/join_keys/meta/attribute", ""),
        // A hit has the very signals, other formats what they amount to.
        (shipped("ga4"), "consent/gcs_digits/meta/g100", ""),
        (shipped("data_tag"), "consent/gcs_digits/meta/g100", clicks),
        (with_landings("data_tag", false), "consent/gcs_digits/meta/g100", signals),
        // That a call hands on whatever consent holds does not mean that signals are understood.
        (with_landings("data_tag", true), "consent/gcs_digits/meta/g100", signals),
        (with_signals("data_tag"), "consent/gcs_digits/meta/g100", ""),
        (shipped("ga4"), "consent/denied/meta", ""),
        (without_consent(with_landings("stripe", false)), "consent/denied/meta", unheard),
        (without_consent(with_landings("stripe", true)), "consent/denied/meta", ""),
        (shipped("shopify"), "consent/granted_at_checkout_only/meta", ""),
        (
            without_consent(shipped("shopify")),
            "consent/granted_at_checkout_only/meta",
            "nothing of consent",
        ),
    ]
}

fn facts() -> Vec<Row> {
    vec![
        (shipped("ga4"), "payload/time_zones/meta/west", "placed_at"),
        (shipped("segment"), "payload/time_zones/meta/west", ""),
        (shipped("data_tag"), "payload/time_zones/meta/east", "placed_at"),
        (shipped("snowplow"), "privacy/email_forms/meta/capitals_and_blanks", "contact"),
        (shipped("posthog"), "privacy/email_forms/meta/capitals_and_blanks", ""),
        (shipped("woocommerce"), "payload/presentment_currency/meta", "presentment"),
        (shipped("shopify"), "payload/presentment_currency/meta", ""),
        (shipped("data_tag"), "payload/value_basis/meta", "parts"),
        (shipped("stripe"), "payload/value_basis/meta", ""),
        (with_erasure("ga4"), "webhooks/erased_while_queued/meta/email_in_capitals", "named by"),
        (with_erasure("ga4"), "webhooks/erased_while_queued/meta/orders", ""),
        (with_erasure("segment"), "webhooks/erased_while_queued/meta/email_in_capitals", ""),
        (shipped("stripe"), "consent/two_people_one_address/meta", "device"),
        (with_landings("stripe", true), "consent/two_people_one_address/meta", ""),
    ]
}

#[test]
fn a_relay_is_spared_what_nothing_tells_it_and_nothing_else() {
    let scenarios = load_dir(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios")).unwrap();
    let mut wrong = Vec::new();
    for (profile, case, part) in [messages(), visits(), facts()].concat() {
        let found = reason(&scenarios, &profile, case);
        if found.is_empty() != part.is_empty() || !found.contains(part) {
            wrong.push(format!("{} {case}: `{found}`, not `{part}`", profile.name));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
