//! What should be counted: a small independent model that looks at the steps alone (and at the moments when they
//! were played), never at what the relay did with them.
//!
//! Where the order of events cannot be known from outside, the answer is `Either` or `Optional`: a wrong verdict is
//! worse than none.

mod clicks;
mod consent;
mod count;
mod known;
mod limits;
mod orders;
mod stimulus;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Duration};

use rust_decimal::Decimal;
use serde::Serialize;
use time::OffsetDateTime;

use crate::{
    exchange::OrderRef,
    history::Action,
    plan::Case,
    platforms::{ClickForm, IdentityRule, Platform},
    sut::profile::Profile,
};

pub(crate) use clicks::{decode, fbclid_of, replace};
pub use consent::signals as decisions_of_signals;

/// Works out what one case should come to on its platform.
pub fn truth(case: &Case, platform: &dyn Platform, profile: &Profile, actions: &[Action]) -> Truth {
    let model = orders::Model { case, platform, profile, actions };
    let mut orders: Vec<_> = case.orders.iter().map(|order| model.order(order)).collect();
    orders.push(model.control_order());
    Truth { orders }
}

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

    /// Expectations for the scenario's own orders.
    pub fn named(&self) -> impl Iterator<Item = &Expected> {
        self.orders.iter().filter(|e| e.order != OrderRef::Sentinel)
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
    /// What kind of reason stands behind `Never`.
    pub reason: Reason,
    /// Value at first count, major units (the profile's declared basis).
    pub value: Decimal,
    /// Currency.
    pub currency: String,
    /// Other amounts that are right as well: after an edit that may have come in time, as the customer saw it.
    pub other_values: Vec<Amount>,
    /// When the customer placed it; acceptable skew is a second.
    pub time: OffsetDateTime,
    /// Other moments that are right as well (the store tells more than one).
    pub other_times: Vec<OffsetDateTime>,
    /// How long the telling took: a sender's clock is corrected by what the receiver's shows, some time in between.
    pub telling: Duration,
    /// The id that the browser's copy carries (the profile's convention); empty if it cannot be told.
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
    /// From this moment of the run on nothing about the order may be sent any more.
    pub must_stop: Option<MustStop>,
    /// The person asked to be forgotten at some moment after the order: what the relay kept about it may be gone.
    pub forgotten: bool,
    /// From this moment of the run on no contact data may be sent any more.
    pub contact_stop: Option<Duration>,
    /// Facts that a scenario changed in a way that the model does not follow: not judged.
    pub unsure: Vec<Fact>,
}

impl Expected {
    /// Whether the model knows this fact.
    pub fn knows(&self, fact: Fact) -> bool {
        !self.unsure.contains(&fact)
    }

    /// Whether an amount is one of the right ones.
    pub fn is_right_amount(&self, value: Decimal, currency: Option<&str>) -> bool {
        let near = |a: Decimal| is_same_amount(a, value);
        let fits = |c: &str| currency.is_none_or(|currency| currency.eq_ignore_ascii_case(c));
        (near(self.value) && fits(&self.currency))
            || self.other_values.iter().any(|a| near(a.value) && fits(&a.currency))
    }
}

/// Equal to the last digit that any currency has.
pub(crate) fn is_same_amount(a: Decimal, b: Decimal) -> bool {
    (a - b).abs() < Decimal::new(1, 4)
}

/// An amount with its currency.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Amount {
    /// Major units.
    pub value: Decimal,
    /// ISO 4217.
    pub currency: String,
}

/// What stands behind an order that must not be counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// Nothing: it may be counted.
    None,
    /// The visitor's choice: not even an attempt may be made.
    Consent,
    /// The person asked to be forgotten.
    Erased,
    /// The relay's declared rules (state, kind, test).
    OrderRule,
    /// No genuine webhook told of it.
    NotGenuine,
    /// The scenario says so.
    Asked,
}

/// A moment after which nothing may be sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MustStop {
    /// Since the run began: when the relay had acknowledged the withdrawal.
    pub after: Duration,
    /// In words.
    pub because: String,
}

/// Facts about an order that a scenario can make unknowable to the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// Value, and values left after refunds.
    Value,
    /// Currency.
    Currency,
    /// Moment of the order.
    Time,
    /// Contact data.
    Identity,
    /// Address and user agent.
    Device,
    /// Join with the landing.
    Join,
    /// The order's own id.
    Id,
    /// Whether it counts at all.
    Count,
    /// What the relay knows of the visitor's choice.
    Consent,
    /// What refunds leave.
    Adjustments,
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExpectedId {
    /// Field in the platform's reading (`fbc`, `gclid`).
    pub field: &'static str,
    /// Landing's value (raw) that has to be there.
    pub value: String,
    /// How it appears.
    #[serde(skip)]
    pub form: ClickForm,
    /// For `fbc`: first observation, the case's own time; `None`: any plausible moment.
    pub observed: Option<OffsetDateTime>,
    /// Another first observation that is right as well (the landing as told, if the relay takes no time with it).
    pub observed_or: Option<OffsetDateTime>,
    /// How long the relay took to answer when it was told: it may have noted any moment of that time.
    pub telling: Duration,
    /// Must it be there?
    pub presence: Presence,
    /// Rule id.
    pub rule: &'static str,
    /// A click id (else a browser id).
    pub click: bool,
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
