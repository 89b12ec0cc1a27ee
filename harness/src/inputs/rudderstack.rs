//! RudderStack's HTTP API: Segment's track call with consent by id.
//!
//! Sources: [HTTP API](https://www.rudderstack.com/docs/api/http-api/),
//! [consent](https://www.rudderstack.com/docs/data-governance/consent-management/),
//! [limits](https://github.com/rudderlabs/rudder-server/blob/master/config/config.yaml).

use serde_json::{Value, json};

use super::{
    About, Carried, Delivery, Format, InputFault, OrderView, SecretKind, consent, segment, signing,
    track,
};
use crate::scenario::{Signature, Topic};

/// The format.
#[derive(Debug)]
pub struct RudderStack;

impl Format for RudderStack {
    fn id(&self) -> &'static str {
        "rudderstack"
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::WriteKey
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        track::tells(topic, about)
    }

    fn reports_purchase(&self, topic: Topic) -> bool {
        topic == Topic::Paid
    }

    fn can_sign(&self, signature: Signature) -> bool {
        signing::is_key_signature(signature)
    }

    fn carries(&self, fact: Carried) -> bool {
        track::carries(fact)
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        track::body(delivery, management)
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = track::inspect(topic, body);
        for list in ["allowedConsentIds", "deniedConsentIds"] {
            let pointer = format!("/context/consentManagement/{list}");
            seen.allow(&pointer, "a list of ids", |ids| {
                ids.as_array().is_some_and(|ids| ids.iter().all(Value::is_string))
            });
        }
        if body["context"].get("consentManagement").is_some() {
            seen.one_of("/context/consentManagement/resolutionStrategy", &["and", "or"]);
        }
        seen.wrong()
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        segment::basic(delivery)
    }
}

/// Ids that were allowed and ids that were refused; one without an answer is in neither list.
fn management(view: &OrderView<'_>) -> Option<(&'static str, Value)> {
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{
        inputs::{Subject, samples::Sample},
        scenario::{Decision, Decisions},
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
