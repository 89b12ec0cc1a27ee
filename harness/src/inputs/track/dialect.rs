//! What differs between the senders of track calls: a name, a field for consent, and how the key is sent along.

use serde_json::Value;

use super::{body, carries, inspect, tells};
use crate::{
    inputs::{
        About, Carried, Delivery, Format, InputFault, OrderView, SecretKind, inspection::Inspection,
    },
    scenario::Topic,
};

/// A sender of track calls. All of them are formats.
pub(in crate::inputs) trait Dialect: Sync + std::fmt::Debug {
    /// Its name in profiles and scenarios.
    const NAME: &'static str;

    /// The field of `context` that tells consent, and what it holds; `None`: nothing was answered.
    fn consent(view: &OrderView<'_>) -> Option<(&'static str, Value)>;

    /// What has to hold of that field.
    fn consent_rules(_body: &Value, _seen: &mut Inspection<'_>) {}

    /// Headers with the key.
    ///
    /// # Errors
    /// The signature is one that only signed formats have.
    fn headers_with_key(delivery: &Delivery<'_>) -> Result<Vec<(String, String)>, InputFault>;
}

impl<D: Dialect> Format for D {
    fn id(&self) -> &'static str {
        D::NAME
    }

    fn secret_kind(&self) -> SecretKind {
        SecretKind::WriteKey
    }

    fn tells(&self, topic: Topic, about: About) -> bool {
        tells(topic, about)
    }

    fn reports_purchase(&self, topic: Topic) -> bool {
        topic == Topic::Paid
    }

    fn carries(&self, fact: Carried) -> bool {
        carries(fact)
    }

    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault> {
        body(delivery, D::consent)
    }

    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String> {
        let mut seen = inspect(topic, body);
        D::consent_rules(body, &mut seen);
        seen.wrong()
    }

    fn headers(
        &self,
        delivery: &Delivery<'_>,
        _body: &[u8],
        _other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault> {
        D::headers_with_key(delivery)
    }
}
