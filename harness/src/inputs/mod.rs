//! The input formats that a relay may take: what a store really sends, byte for byte. One file per format and one
//! line in [`FORMATS`]. Everything sent is looked at again before it leaves ([`Format::inspect`]): a delivery that
//! breaks its own published format is the harness's fault, never a finding about a relay.

pub mod layout;
pub mod money;
pub mod patch;
pub mod shopify;
pub mod signing;
pub mod standard_webhooks;

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use crate::{
    plan::{Order, Person, Shop},
    scenario::{Decisions, JoinKey, Layout, OrderState, Signature, Topic},
};

/// Every input format.
pub static FORMATS: &[&dyn Format] = &[&shopify::Shopify, &standard_webhooks::StandardWebhooks];

/// The format with this id.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}

/// One way in which stores tell of orders.
pub trait Format: Sync + std::fmt::Debug {
    /// `shopify`, ...: in profiles and scenarios.
    fn id(&self) -> &'static str;

    /// Which of a shop's secrets signs it.
    fn secret_kind(&self) -> SecretKind;

    /// The body of a delivery, before any patch.
    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault>;

    /// What is wrong with a body by the format's own published rules; empty if nothing is.
    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String>;

    /// Headers with the signature of these very bytes.
    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault>;

    /// The delivery as it goes out: body, patch, layout, self-check, signature.
    fn render(&self, delivery: &Delivery<'_>) -> Result<Prepared, InputFault> {
        let (body, other_layout) = match delivery.raw {
            Some(raw) => (raw.to_owned(), format!("{raw} ")),
            None => {
                let mut body = self.body(delivery)?;
                match delivery.patch {
                    Some(change) => patch::merge(&mut body, change),
                    None => self.check(delivery, &body)?,
                }
                let other = match delivery.layout {
                    Layout::Pretty => Layout::Minified,
                    Layout::Minified | Layout::Unusual => Layout::Pretty,
                };
                (layout::write(&body, delivery.layout), layout::write(&body, other))
            }
        };
        let body = match delivery.signature {
            Signature::UrlSafe => signing::with_a_telling_digest(&body, |bytes| {
                self.headers(delivery, bytes, other_layout.as_bytes())
            })?,
            _ => body.into_bytes(),
        };
        let mut headers = self.headers(delivery, &body, other_layout.as_bytes())?;
        if delivery.lower_case_headers {
            for (name, _) in &mut headers {
                name.make_ascii_lowercase();
            }
        }
        Ok(Prepared { headers, body })
    }

    /// [`Format::inspect`] as a fault.
    fn check(&self, delivery: &Delivery<'_>, body: &Value) -> Result<(), InputFault> {
        let wrong = self.inspect(delivery.topic, body);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(InputFault::new(format!(
                "the {} delivery would not be one: {}",
                self.id(),
                wrong.join("; ")
            )))
        }
    }
}

/// Which secret of a shop signs a format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SecretKind {
    /// [`Shop::secret`], used as text.
    Plain,
    /// [`Shop::webhook_secret`]: `whsec_` and base64 of the key.
    Whsec,
}

/// A delivery that is ready to go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// In order, content type included.
    pub headers: Vec<(String, String)>,
    /// The very bytes that were signed.
    pub body: Vec<u8>,
}

/// The harness cannot make this delivery; says nothing about the relay.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InputFault(String);

impl InputFault {
    /// With the reason, in words.
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// One webhook delivery in store-neutral words.
#[derive(Debug, Clone)]
pub struct Delivery<'a> {
    /// Shop that it is addressed to.
    pub shop: &'a Shop,
    /// Shop whose secret signs it (the addressed one, but for a scenario about just that).
    pub signer: &'a Shop,
    /// The other shop of the case, for [`Signature::OtherShop`].
    pub other_shop: Option<&'a Shop>,
    /// What it is about.
    pub topic: Topic,
    /// The facts.
    pub subject: Subject<'a>,
    /// Id of this delivery (a UUID), equal when it is delivered again.
    pub delivery_id: String,
    /// Id of what happened (a UUID), equal in all deliveries of the same happening.
    pub event_id: String,
    /// When it happened; unchanged when it is delivered again.
    pub triggered_at: OffsetDateTime,
    /// When it is signed, for formats with a signed time.
    pub signed_at: OffsetDateTime,
    /// How it is signed.
    pub signature: Signature,
    /// How its JSON is written.
    pub layout: Layout,
    /// Header names in lower case.
    pub lower_case_headers: bool,
    /// Merge patch (RFC 7396) on the body, already filled in.
    pub patch: Option<&'a Value>,
    /// This very body instead.
    pub raw: Option<&'a str>,
}

/// What a delivery tells of.
#[derive(Debug, Clone)]
pub enum Subject<'a> {
    /// An order as it stands.
    Order(OrderView<'a>),
    /// Money given back for an order.
    Refund(OrderView<'a>, RefundFacts),
    /// A person to be forgotten.
    Redact(Redaction),
}

/// An order as the store shows it at one moment.
#[derive(Debug, Clone)]
pub struct OrderView<'a> {
    /// The plan's facts.
    pub order: &'a Order,
    /// Who placed it.
    pub person: &'a Person,
    /// When it was placed; stores keep whole seconds.
    pub placed_at: OffsetDateTime,
    /// When it was last changed.
    pub updated_at: OffsetDateTime,
    /// When it was cancelled, if it was.
    pub cancelled_at: Option<OffsetDateTime>,
    /// State of the payment.
    pub state: OrderState,
    /// Total after edits; the plan's total if there were none.
    pub total: Decimal,
    /// What was given back so far.
    pub refunded: Decimal,
    /// Join keys that it carries.
    pub joins: Vec<JoinKey>,
    /// First page of the visit as a URL, as the browser saw it.
    pub landing_url: Option<String>,
    /// Where the visitor came from.
    pub referrer: Option<String>,
    /// Name of the attribute that carries the visitor id, if any is to be there.
    pub visitor_attribute: Option<String>,
    /// Attribute with the consent snapshot: name and value.
    pub consent_attribute: Option<(String, String)>,
    /// Consent at checkout, for formats that have a field of their own.
    pub consent: Option<Decisions>,
    /// The shopper's address; `None` where no browser took part.
    pub ip: Option<String>,
    /// Likewise their user agent.
    pub user_agent: Option<String>,
}

impl OrderView<'_> {
    /// True if the order carries this join key.
    pub fn joined_by(&self, key: JoinKey) -> bool {
        self.joins.contains(&key)
    }

    /// A text that no platform needs, by name.
    pub fn canary(&self, name: &str) -> Option<&str> {
        self.order.canaries.get(name).map(String::as_str)
    }
}

/// One refund.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefundFacts {
    /// Its id.
    pub id: u64,
    /// Shop currency, major units.
    pub amount: Decimal,
    /// When.
    pub at: OffsetDateTime,
}

/// Whom to forget.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Redaction {
    /// The shop's customer id.
    pub customer_id: Option<String>,
    /// E-mail address as the request names it.
    pub email: Option<String>,
    /// Phone.
    pub phone: Option<String>,
    /// Numeric ids of orders.
    pub orders: Vec<u64>,
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_unique_and_found() {
        for (i, format) in FORMATS.iter().enumerate() {
            assert!(FORMATS.iter().skip(i + 1).all(|other| other.id() != format.id()));
            assert_eq!(by_id(format.id()).map(Format::id), Some(format.id()));
        }
        assert!(by_id("carrier_pigeon").is_none());
    }
}
