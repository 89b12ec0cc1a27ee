//! What a delivery tells, in store-neutral words: the same facts for every format.

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use super::InputFault;
use crate::{
    plan::{Order, Person, Shop},
    scenario::{Decisions, JoinKey, Layout, OrderState, Signals, Signature, Topic},
    sut::profile::Categories,
};

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

impl<'a> Delivery<'a> {
    /// The order that it tells of, and the refund, if it is about one.
    ///
    /// # Errors
    /// It asks for a person to be forgotten, and the format has no message for that.
    pub fn order(&self) -> Result<(&OrderView<'a>, Option<&RefundFacts>), InputFault> {
        match &self.subject {
            Subject::Order(view) => Ok((view, None)),
            Subject::Refund(view, facts) => Ok((view, Some(facts))),
            Subject::Redact(_) => Err(InputFault::new("this format has no message for an erasure")),
        }
    }
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
    /// Total after edits, the plan's total if there were none; shop currency, major units.
    pub total: Decimal,
    /// What was given back so far, the refund that is told of included; shop currency, major units.
    pub refunded: Decimal,
    /// The refunds behind that sum, in order.
    pub refunds: Vec<RefundFacts>,
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
    /// Google's consent signals behind that answer, if it was given by them.
    pub signals: Option<Signals>,
    /// Names of the decisions, for formats that tell consent by category.
    pub categories: Categories,
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
