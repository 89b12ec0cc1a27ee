//! RudderStack's HTTP API: Segment's track call with consent by id.
//!
//! Sources: [HTTP API](https://www.rudderstack.com/docs/api/http-api/),
//! [consent](https://www.rudderstack.com/docs/data-governance/consent-management/),
//! [limits](https://github.com/rudderlabs/rudder-server/blob/master/config/config.yaml).

use serde_json::{Value, json};

use super::{
    Delivery, InputFault, OrderView, consent, inspection::Inspection, segment, track::Dialect,
};

/// The format.
#[derive(Debug)]
pub struct RudderStack;

impl Dialect for RudderStack {
    const NAME: &'static str = "rudderstack";

    /// Ids that were allowed and ids that were refused; one without an answer is in neither list.
    fn consent(view: &OrderView<'_>) -> Option<(&'static str, Value)> {
        let answers = consent::by_category(view.consent, &view.categories)?;
        let ids = |allowed: bool| -> Vec<&str> {
            answers.iter().filter(|(_, a)| *a == allowed).map(|(name, _)| name.as_str()).collect()
        };
        let value = json!({
            "provider": "custom",
            "allowedConsentIds": ids(true),
            "deniedConsentIds": ids(false),
            "resolutionStrategy": "and",
        });
        Some(("consentManagement", value))
    }

    fn consent_rules(body: &Value, seen: &mut Inspection<'_>) {
        for list in ["allowedConsentIds", "deniedConsentIds"] {
            let pointer = format!("/context/consentManagement/{list}");
            seen.allow(&pointer, "a list of ids", |ids| {
                ids.as_array().is_some_and(|ids| ids.iter().all(Value::is_string))
            });
        }
        if body["context"].get("consentManagement").is_some() {
            seen.one_of("/context/consentManagement/resolutionStrategy", &["and", "or"]);
        }
    }

    fn headers_with_key(delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, InputFault> {
        segment::basic(delivery)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{Format, Subject, samples::Sample},
        scenario::{Decision, Decisions, Topic},
    };

    #[test]
    fn consent_ids_stand_in_the_list_of_their_answer() {
        let sample = Sample::new();
        let mut delivery = sample.delivery(Topic::Paid);
        if let Subject::Order(view) = &mut delivery.subject {
            view.categories.ads = "C0004".into();
            view.consent = Some(Decisions {
                store: Decision::Denied,
                ads: Decision::Granted,
                ..Decisions::default()
            });
        }
        let body = RudderStack.body(&delivery).unwrap();
        let told = &body["context"]["consentManagement"];
        assert_eq!(told["allowedConsentIds"], json!(["C0004"]));
        assert_eq!(told["deniedConsentIds"], json!(["Storage"]));
        assert!(RudderStack.inspect(Topic::Paid, &body).is_empty());
        let mut bad = body;
        bad["context"]["consentManagement"]["resolutionStrategy"] = json!("any");
        assert_eq!(RudderStack.inspect(Topic::Paid, &bad).len(), 1);
    }
}
