//! What a format is: its messages, its body, its headers and signature, and what it has no place for.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Delivery, layout, patch, signing};
use crate::scenario::{Layout, OrderKind, OrderState, Signature, Topic};

/// One way in which stores tell of orders.
pub trait Format: Sync + std::fmt::Debug {
    /// `shopify`, ...: in profiles and scenarios.
    fn id(&self) -> &'static str;

    /// Which of a shop's secrets signs it.
    fn secret_kind(&self) -> SecretKind;

    /// Whether the sender has a message for this topic about such an order.
    ///
    /// Where it has none, nothing is sent: an event pipeline knows no unpaid order, and a payment service says once
    /// that a card was charged, not once for the order and once for the payment. A topic that is told only by the
    /// order's next one is not told.
    fn tells(&self, topic: Topic, about: About) -> bool;

    /// Whether a message of this topic reports a purchase by itself, if it shows a state that counts. Stores send the
    /// whole order with every topic; in an event pipeline an updated order is no purchase, whatever it says.
    fn reports_purchase(&self, _topic: Topic) -> bool {
        true
    }

    /// Whether this right or wrong signature exists in the format: what its kind of secret can do.
    fn can_sign(&self, signature: Signature) -> bool {
        self.secret_kind().can_sign(signature)
    }

    /// Whether the format has a place for this fact. Attributes by name (`send.attributes` of a profile) are one such
    /// place, [`Carried::Attributes`]: what travels in one is not counted again.
    fn carries(&self, fact: Carried) -> bool;

    /// Whether the sender has a message that asks for a person to be forgotten.
    fn redacts(&self) -> bool {
        false
    }

    /// How the sender of a shop (by its place in the run) tries an address before it uses it: not signed, tells nothing.
    /// `None`: it does not.
    fn ping(&self, _shop: usize) -> Option<Prepared> {
        None
    }

    /// Whether the moment of signing is signed along, so that an old signature can be told from a new one.
    fn signs_time(&self) -> bool {
        false
    }

    /// The content of a delivery, before any patch: a JSON document, or its equal where the wire has another form.
    ///
    /// # Errors
    /// The delivery is about something that the format cannot say.
    fn body(&self, delivery: &Delivery<'_>) -> Result<Value, InputFault>;

    /// What is wrong with a body by the format's own published rules; empty if nothing is.
    fn inspect(&self, topic: Topic, body: &Value) -> Vec<String>;

    /// Whether the content travels as JSON in the body, so that another text there is an unreadable delivery.
    fn is_json(&self) -> bool {
        true
    }

    /// The content as it travels. JSON in the body unless a format says otherwise.
    fn write(&self, body: &Value, layout: Layout) -> Written {
        Written { query: None, body: layout::write(body, layout) }
    }

    /// Headers with the signature of these very bytes. `other_layout`: the same content written in another way, for
    /// [`Signature::OfOtherLayout`].
    ///
    /// # Errors
    /// The signature cannot be made: a secret of another shape, no second shop.
    fn headers(
        &self,
        delivery: &Delivery<'_>,
        body: &[u8],
        other_layout: &[u8],
    ) -> Result<Vec<(String, String)>, InputFault>;

    /// The delivery as it goes out: body, patch, self-check, layout, signature.
    ///
    /// # Errors
    /// As [`Format::body`] and [`Format::headers`]; or what would go out breaks the format's own rules, unless the
    /// scenario changed it on purpose.
    fn render(&self, delivery: &Delivery<'_>) -> Result<Prepared, InputFault> {
        if !self.can_sign(delivery.signature) {
            let (id, how) = (self.id(), delivery.signature);
            return Err(InputFault::new(format!(
                "no {id} delivery can be signed like this: {how:?}"
            )));
        }
        let (written, other_layout) = match delivery.raw {
            Some(raw) => (Written { query: None, body: raw.to_owned() }, format!("{raw} ")),
            None => {
                let mut body = self.body(delivery)?;
                match delivery.patch {
                    Some(change) => patch::merge(&mut body, change),
                    None => self.check(delivery, &body)?,
                }
                let other = match (delivery.signature, delivery.layout) {
                    (Signature::OfOtherLayout, Layout::Pretty) => {
                        self.write(&body, Layout::Minified).body
                    }
                    (Signature::OfOtherLayout, _) => self.write(&body, Layout::Pretty).body,
                    _ => String::new(),
                };
                (self.write(&body, delivery.layout), other)
            }
        };
        let body = match delivery.signature {
            Signature::UrlSafe => signing::with_a_telling_digest(&written.body, |bytes| {
                self.headers(delivery, bytes, other_layout.as_bytes())
            })?,
            _ => written.body.into_bytes(),
        };
        let mut headers = self.headers(delivery, &body, other_layout.as_bytes())?;
        if delivery.lower_case_headers {
            for (name, _) in &mut headers {
                name.make_ascii_lowercase();
            }
        }
        Ok(Prepared { query: written.query, headers, body })
    }

    /// [`Format::inspect`] as a fault.
    ///
    /// # Errors
    /// The body breaks the format's rules; every rule is named.
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
    /// [`Shop::secret`](crate::plan::Shop::secret), used as text.
    Plain,
    /// [`Shop::webhook_secret`](crate::plan::Shop::webhook_secret): `whsec_` and base64 of the key.
    Whsec,
    /// The same secret, but the whole text with its `whsec_` is the key.
    WhsecText,
    /// [`Shop::write_key`](crate::plan::Shop::write_key): sent along, signs nothing.
    WriteKey,
    /// None: whoever knows the address may send, as browsers do.
    None,
}

impl SecretKind {
    /// Whether this right or wrong signature exists: no list where there is one header for one digest, no URL-safe form of
    /// hex, no flipped bit in a key that signs nothing.
    pub const fn can_sign(self, signature: Signature) -> bool {
        match self {
            Self::Plain => !matches!(signature, Signature::Second),
            Self::Whsec => true,
            Self::WhsecText => !matches!(signature, Signature::UrlSafe),
            Self::WriteKey => signing::is_key_signature(signature),
            Self::None => matches!(signature, Signature::Right),
        }
    }

    /// Whether the bytes of a delivery are signed with it.
    pub const fn signs(self) -> bool {
        matches!(self, Self::Plain | Self::Whsec | Self::WhsecText)
    }
}

/// The sort of order that a message is to tell of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct About {
    /// State that the message has to show.
    pub state: OrderState,
    /// Where the order was made.
    pub kind: OrderKind,
    /// A test order.
    pub test: bool,
}

impl About {
    /// An ordinary order in this state: from the web, no test.
    pub const fn web(state: OrderState) -> Self {
        Self { state, kind: OrderKind::Web, test: false }
    }
}

/// A fact about an order that a format has a place for; `tells` of a scenario names those that it is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Carried {
    /// Attributes by name, chosen by the storefront.
    Attributes,
    /// The visitor id, in a field of its own.
    VisitorId,
    /// Consent at checkout, in a field of its own.
    Consent,
    /// Google's consent signals, as the visitor's tag had them.
    Signals,
    /// The page with its click ids: the visit's first, or the last with the first one's query.
    LandingUrl,
    /// The path of the visit's first page.
    LandingPath,
    /// The cart's token as the landing may name it.
    Cart,
    /// The checkout's token as the landing may name it.
    Checkout,
    /// The shopper's address and user agent.
    Device,
    /// E-mail address and phone.
    Contact,
    /// Given and family name.
    Name,
    /// City, region, postal code, country.
    Address,
    /// The shop's customer id.
    CustomerId,
    /// When it was placed, apart from when it is told.
    PlacedAt,
    /// The numeric id.
    OrderId,
    /// The name that people see (`#1001`).
    OrderName,
    /// Subtotal, tax and shipping apart from the total.
    Parts,
    /// Discount.
    Discount,
    /// What the customer saw in another currency.
    Presentment,
    /// The order line with its product id.
    Items,
    /// Free texts that no platform needs: notes, streets, keys.
    Canaries,
}

/// Content in the form in which it travels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Query without its `?`, if content travels there.
    pub query: Option<String>,
    /// Body.
    pub body: String,
}

/// A delivery that is ready to go, by POST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prepared {
    /// Query without its `?`: goes behind what the profile's path has.
    pub query: Option<String>,
    /// In order, content type included.
    pub headers: Vec<(String, String)>,
    /// The very bytes that were signed.
    pub body: Vec<u8>,
}

impl Prepared {
    /// The profile's path with the query behind it.
    pub fn path(&self, path: &str) -> String {
        match self.query.as_deref() {
            None | Some("") => path.to_owned(),
            Some(query) => {
                let joint = if path.contains('?') { '&' } else { '?' };
                format!("{path}{joint}{query}")
            }
        }
    }
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
