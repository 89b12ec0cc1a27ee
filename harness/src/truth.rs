//! What should be counted: a small independent model that looks at the steps alone, never at what the relay did.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    exchange::OrderRef,
    platforms::{ClickForm, IdentityRule},
};

/// Expectations for one case, one per order (control order included), on the case's platform.
#[derive(Debug, Clone, Serialize)]
pub struct Truth {
    /// In the order of the plan.
    pub orders: Vec<Expected>,
}

impl Truth {
    /// Expectation for one order.
    pub fn of(&self, order: &OrderRef) -> Option<&Expected> {
        self.orders.iter().find(|e| e.order == *order)
    }
}

/// What one order should come to on one platform.
#[derive(Debug, Clone, Serialize)]
pub struct Expected {
    /// Order.
    pub order: OrderRef,
    /// Whether it should be counted.
    pub count: Count,
    /// Why, in words for people (`ads consent denied at the landing`).
    pub because: String,
    /// Value at first count, major units (the profile's declared basis).
    pub value: Decimal,
    /// Currency.
    pub currency: String,
    /// When the customer placed it; acceptable skew is a second.
    pub time: OffsetDateTime,
    /// The id that the browser's copy carries (the profile's convention).
    pub event_id: String,
    /// Whether the browser's copy was sent to the platform.
    pub browser_copy: bool,
    /// Click and browser ids: expected, optional or forbidden.
    pub ids: Vec<ExpectedId>,
    /// Whether hashed contact data may be there (`ads_user_data`), and the right values.
    pub contact_allowed: bool,
    /// Right values per kind.
    pub identity: Vec<IdentityRule>,
    /// `ad_user_data` and `ad_personalization` that may be claimed.
    pub consent_user_data: Option<bool>,
    /// Likewise.
    pub consent_personalise: Option<bool>,
    /// The shopper's own addresses and user agents (landing's or order's); empty: must not be there.
    pub ips: Vec<String>,
    /// Likewise.
    pub user_agents: Vec<String>,
    /// Adjustments in order: remaining value after each; zero retracts.
    pub adjustments: Vec<Adjustment>,
    /// Limited data use must be marked.
    pub limited_data_use: bool,
}

/// Whether an order counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Exactly once.
    Once,
    /// Not at all.
    Never,
    /// Not delivered, but reported (dead letter, parked): the scenario says so.
    Reported,
    /// The relay's declarations or the platform leave it open.
    Either,
}

/// One click or browser id.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExpectedId {
    /// Field in the platform's reading (`fbc`, `gclid`).
    pub field: &'static str,
    /// Landing's value (raw) that has to be there.
    pub value: String,
    /// How it appears.
    #[serde(skip)]
    pub form: ClickForm,
    /// For `fbc`: first observation, the case's own time, and tolerance in seconds.
    pub observed: Option<OffsetDateTime>,
    /// Must it be there?
    pub presence: Presence,
    /// Rule id.
    pub rule: &'static str,
}

/// Whether a value has to be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Presence {
    /// Yes.
    Required,
    /// May be.
    Optional,
    /// No.
    Forbidden,
}

/// One change to a counted order.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Adjustment {
    /// Value that is left.
    pub remaining: Decimal,
    /// When the refund was made.
    pub at: OffsetDateTime,
}

/// Values that must never be seen at any platform, by name.
pub type Canaries = BTreeMap<String, String>;
