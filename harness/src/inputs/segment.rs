//! Segment's HTTP API: a track call with the source's write key.
//!
//! Sources: [HTTP API](https://segment.com/docs/connections/sources/catalog/libraries/server/http-api/),
//! [consent](https://segment.com/docs/privacy/consent-management/consent-in-segment-connections/). The call itself is in
//! `track/mod.rs`.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value, json};

use super::{
    Delivery, InputFault, OrderView, consent, inspection::Inspection, signing, track::Dialect,
};

/// The format.
#[derive(Debug)]
pub struct Segment;

impl Dialect for Segment {
    const NAME: &'static str = "segment";

    fn consent(view: &OrderView<'_>) -> Option<(&'static str, Value)> {
        preferences(view)
    }

    fn consent_rules(_body: &Value, seen: &mut Inspection<'_>) {
        seen.allow("/context/consent/categoryPreferences", "true or false by category", |map| {
            map.as_object().is_some_and(|map| map.values().all(Value::is_boolean))
        });
    }

    fn headers_with_key(delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, InputFault> {
        basic(delivery)
    }
}

/// Basic authentication with the key as user name and no password.
pub(super) fn basic(delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, InputFault> {
    let mut headers = vec![
        ("Content-Type".to_owned(), "application/json".to_owned()),
        ("User-Agent".to_owned(), "analytics-node/2.2.1".to_owned()),
    ];
    if let Some(key) = signing::write_key(delivery)? {
        let value = format!("Basic {}", STANDARD.encode(format!("{key}:")));
        headers.push(("Authorization".to_owned(), value));
    }
    Ok(headers)
}

/// Categories by name. No object at all says that nothing was asked; an empty one would say that all is refused.
pub(super) fn preferences(view: &OrderView<'_>) -> Option<(&'static str, Value)> {
    let answers: Map<String, Value> = consent::by_category(view.consent, &view.categories)?
        .into_iter()
        .map(|(name, allowed)| (name, allowed.into()))
        .collect();
    Some(("consent", json!({ "categoryPreferences": answers })))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{
            Format,
            samples::{Sample, header},
        },
        scenario::{Signature, Topic},
    };

    #[test]
    fn the_write_key_is_the_user_name() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        let sent = |delivery: &Delivery<'_>| {
            let prepared = Segment.render(delivery).unwrap();
            header(&prepared.headers, "Authorization").map(str::to_owned)
        };
        // wk_one:
        assert_eq!(sent(&delivery).as_deref(), Some("Basic d2tfb25lOg=="));
        delivery.signature = Signature::Missing;
        assert_eq!(sent(&delivery), None);
        delivery.signature = Signature::Empty;
        assert_eq!(sent(&delivery).as_deref(), Some("Basic Og=="));
        delivery.signature = Signature::Foreign;
        assert_ne!(sent(&delivery).as_deref(), Some("Basic d2tfb25lOg=="));
        delivery.signature = Signature::Flipped;
        Segment.render(&delivery).unwrap_err();
    }

    #[test]
    fn consent_is_told_by_category_or_not_at_all() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        let body = Segment.body(&delivery).unwrap();
        assert_eq!(
            body["context"]["consent"],
            json!({"categoryPreferences": {"Storage": true, "Advertising": true}})
        );
        if let super::super::Subject::Order(view) = &mut delivery.subject {
            view.consent = None;
        }
        assert_eq!(Segment.body(&delivery).unwrap()["context"].get("consent"), None);
    }
}
