//! An order as the store told it, whether it counts, and what it is worth.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::consent::Consent;
use super::conversion::{Contact, Device, Item};
use super::money;

/// Payment state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderState {
    /// Not paid yet.
    Pending,
    /// Money reserved.
    Authorized,
    /// Paid in part.
    PartiallyPaid,
    /// Paid.
    Paid,
    /// Paid, some money given back.
    PartiallyRefunded,
    /// All money given back.
    Refunded,
    /// Authorization given up.
    Voided,
    /// Called off.
    Cancelled,
}

impl OrderState {
    /// Reads the name that stores use.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "pending" => Self::Pending,
            "authorized" => Self::Authorized,
            "paid" => Self::Paid,
            "partially_paid" => Self::PartiallyPaid,
            "partially_refunded" => Self::PartiallyRefunded,
            "refunded" => Self::Refunded,
            "voided" => Self::Voided,
            "cancelled" => Self::Cancelled,
            _ => return None,
        })
    }
}

/// Where an order was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OrderKind {
    /// Shop website or app, by the shopper.
    Web,
    /// Point of sale.
    Pos,
    /// Made by staff.
    Draft,
    /// Made by another program.
    Api,
    /// A subscription's follow-up order.
    Renewal,
}

impl OrderKind {
    /// Reads the name that the generic webhook uses.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "web" => Self::Web,
            "pos" => Self::Pos,
            "draft" => Self::Draft,
            "api" => Self::Api,
            "renewal" => Self::Renewal,
            _ => return None,
        })
    }
}

/// The order's latest known state. Kept as JSON in the store.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Order {
    /// The shop's own id as text.
    pub id: String,
    /// What the customer sees (`#1001`).
    pub name: Option<String>,
    /// When the customer ordered, with the shop's offset.
    #[serde(with = "time::serde::rfc3339")]
    pub placed_at: OffsetDateTime,
    /// When the store last changed it, ms since 1970; decides which delivery is newer.
    pub version_ms: i64,
    /// Payment state; `None` if the store named one that we do not know.
    pub state: Option<OrderState>,
    /// Where it was made.
    pub kind: OrderKind,
    /// Made with a test gateway.
    pub test: bool,
    /// When it was called off.
    #[serde(with = "time::serde::rfc3339::option")]
    pub cancelled_at: Option<OffsetDateTime>,
    /// ISO 4217; `None` if missing or unknown.
    pub currency: Option<String>,
    /// What the customer pays in all; `None` if missing or unusable, as the other amounts.
    pub total: Option<Decimal>,
    /// Goods after discount, before shipping and (where added on top) tax.
    pub subtotal: Option<Decimal>,
    /// All tax.
    pub tax: Option<Decimal>,
    /// Shipping without its tax.
    pub shipping: Option<Decimal>,
    /// What was bought.
    pub items: Vec<Item>,
    /// Who bought, as the store gave it.
    pub contact: Contact,
    /// The shopper's device as the store saw it.
    pub device: Device,
    /// First page, absolute or path and query.
    pub landing: Option<String>,
    /// Where the visitor came from.
    pub referrer: Option<String>,
    /// The storefront's visitor id.
    pub visitor_id: Option<String>,
    /// Joins to the cart that the visitor had.
    pub cart_token: Option<String>,
    /// Joins to the checkout that the visitor had.
    pub checkout_token: Option<String>,
    /// Answers at checkout.
    pub consent: Option<Consent>,
}

/// Money given back.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refund {
    /// The shop's refund id as text.
    pub id: String,
    /// How much, major units.
    pub amount: Decimal,
    /// ISO 4217 of the amount, if the store said it.
    pub currency: Option<String>,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
}

/// On what basis an order's value is stated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ValueBasis {
    /// All that the customer pays.
    #[default]
    Total,
    /// Goods only.
    Subtotal,
    /// Total without tax and shipping.
    Net,
}

/// Whether an order is a conversion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It is.
    Counts,
    /// It is not, by a rule; it may be later.
    Withheld(String),
    /// It would be, but cannot be stated truthfully.
    Unusable(&'static str),
}

impl Order {
    /// Takes over a newer (or equally old but further) state; keeps join keys and answers that only an
    /// earlier webhook carried. Returns whether anything changed.
    pub fn merge(&mut self, other: Order) -> bool {
        let rank = |o: &Order| (o.version_ms, o.cancelled_at.is_some(), o.state);
        let before = self.clone();
        let (mut newer, older) = if rank(&other) >= rank(self) {
            (other, before.clone())
        } else {
            (before.clone(), other)
        };
        if newer.state.is_none() {
            newer.state = older.state;
            newer.cancelled_at = newer.cancelled_at.or(older.cancelled_at);
        }
        newer.visitor_id = newer.visitor_id.or(older.visitor_id);
        newer.cart_token = newer.cart_token.or(older.cart_token);
        newer.checkout_token = newer.checkout_token.or(older.checkout_token);
        newer.landing = newer.landing.or(older.landing);
        newer.referrer = newer.referrer.or(older.referrer);
        newer.consent = newer.consent.or(older.consent);
        *self = newer;
        *self != before
    }

    /// Whether the order is a conversion under the given rules.
    #[must_use]
    pub fn standing(
        &self,
        states: &[OrderState],
        kinds: &[OrderKind],
        basis: ValueBasis,
    ) -> Standing {
        if self.test {
            return Standing::Withheld("test_order".into());
        }
        if !kinds.contains(&self.kind) {
            return Standing::Withheld(format!("kind_{}", name_of(&self.kind)));
        }
        if self.cancelled_at.is_some() || self.state == Some(OrderState::Cancelled) {
            return Standing::Withheld("cancelled".into());
        }
        match self.state {
            Some(state) if states.contains(&state) => {}
            Some(state) => return Standing::Withheld(format!("state_{}", name_of(&state))),
            None => return Standing::Withheld("state_unknown".into()),
        }
        match self.value(basis) {
            Ok(_) => Standing::Counts,
            Err(reason) => Standing::Unusable(reason),
        }
    }

    /// Value and currency on the declared basis, with the currency's decimals.
    ///
    /// # Errors
    /// `no_currency`, `unusable_amount`: the reason of the dead letter.
    pub fn value(&self, basis: ValueBasis) -> Result<(Decimal, &str), &'static str> {
        let currency = self.currency.as_deref().ok_or("no_currency")?;
        let zero = Decimal::ZERO;
        let amount = match basis {
            ValueBasis::Total => self.total,
            ValueBasis::Subtotal => self.subtotal,
            ValueBasis::Net => self
                .total
                .map(|t| (t - self.tax.unwrap_or(zero) - self.shipping.unwrap_or(zero)).max(zero)),
        };
        let exact = amount.and_then(|a| money::exact(a, currency)).ok_or("unusable_amount")?;
        Ok((exact, currency))
    }

    /// Value left after all refunds up to and including `refund`, which must be one of `refunds`.
    ///
    /// On another basis than the total a refund takes its share of the value.
    ///
    /// # Errors
    /// As [`Order::value`], and `refund_currency_differs`.
    pub fn remaining(
        &self,
        refunds: &[Refund],
        refund: &Refund,
        basis: ValueBasis,
    ) -> Result<Decimal, &'static str> {
        let (value, currency) = self.value(basis)?;
        let until = refunds.iter().filter(|r| (r.at, &r.id) <= (refund.at, &refund.id));
        let mut given_back = Decimal::ZERO;
        for refund in until {
            if refund.currency.as_deref().is_some_and(|c| c != currency) {
                return Err("refund_currency_differs");
            }
            given_back += refund.amount;
        }
        let share = match (basis, self.total) {
            (ValueBasis::Total, _) => given_back,
            (_, Some(total)) if !total.is_zero() => value * given_back / total,
            _ => given_back,
        };
        Ok(money::rounded((value - share).max(Decimal::ZERO), currency))
    }

    /// Contact and device removed, join keys too: what is left says nothing about a person.
    pub fn erase(&mut self) {
        self.contact = Contact::default();
        self.device = Device::default();
        self.name = None;
        self.landing = None;
        self.referrer = None;
        self.visitor_id = None;
        self.cart_token = None;
        self.checkout_token = None;
    }
}

fn name_of<T: Serialize>(value: &T) -> String {
    serde_json::to_value(value).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default()
}

#[cfg(test)]
pub(crate) mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use time::macros::datetime;

    /// A paid web order of 100.00 EUR.
    pub(crate) fn order(version_ms: i64) -> Order {
        Order {
            id: "1".into(),
            name: None,
            placed_at: datetime!(2026-03-02 10:15:30 +1),
            version_ms,
            state: Some(OrderState::Paid),
            kind: OrderKind::Web,
            test: false,
            cancelled_at: None,
            currency: Some("EUR".into()),
            total: Some("100.00".parse().unwrap()),
            subtotal: Some("80.00".parse().unwrap()),
            tax: Some("15.00".parse().unwrap()),
            shipping: Some("5.00".parse().unwrap()),
            items: Vec::new(),
            contact: Contact::default(),
            device: Device::default(),
            landing: None,
            referrer: None,
            visitor_id: None,
            cart_token: None,
            checkout_token: None,
            consent: None,
        }
    }

    fn refund(id: &str, amount: &str, second: i64) -> Refund {
        Refund {
            id: id.into(),
            amount: amount.parse().unwrap(),
            currency: Some("EUR".into()),
            at: datetime!(2026-03-03 0:00 UTC) + time::Duration::seconds(second),
        }
    }

    const STATES: [OrderState; 1] = [OrderState::Paid];

    fn standing(order: &Order) -> Standing {
        order.standing(&STATES, &[OrderKind::Web], ValueBasis::Total)
    }

    #[test]
    fn a_stale_delivery_never_overwrites_newer_state_but_may_add_a_join_key() {
        let mut kept = order(20);
        let stale =
            Order { state: Some(OrderState::Pending), cart_token: Some("c".into()), ..order(10) };
        assert!(kept.merge(stale.clone()));
        assert_eq!((kept.state, kept.cart_token.as_deref()), (Some(OrderState::Paid), Some("c")));
        assert!(!kept.merge(stale));
    }

    #[test]
    fn of_two_equally_old_states_the_further_one_wins_in_either_order_of_arrival() {
        let pending = Order { state: Some(OrderState::Pending), ..order(10) };
        let (mut a, mut b) = (pending.clone(), order(10));
        a.merge(order(10));
        b.merge(pending);
        assert_eq!((a.state, b.state), (Some(OrderState::Paid), Some(OrderState::Paid)));
    }

    #[test]
    fn rules_withhold_and_missing_money_is_a_loss_to_report() {
        assert_eq!(standing(&order(1)), Standing::Counts);
        let with = |change: fn(&mut Order)| {
            let mut o = order(1);
            change(&mut o);
            standing(&o)
        };
        assert_eq!(with(|o| o.test = true), Standing::Withheld("test_order".into()));
        assert_eq!(with(|o| o.kind = OrderKind::Pos), Standing::Withheld("kind_pos".into()));
        assert_eq!(
            with(|o| o.state = Some(OrderState::Pending)),
            Standing::Withheld("state_pending".into())
        );
        assert_eq!(with(|o| o.currency = None), Standing::Unusable("no_currency"));
        assert_eq!(with(|o| o.total = None), Standing::Unusable("unusable_amount"));
        assert_eq!(with(|o| o.total = Some(Decimal::ZERO)), Standing::Counts);
    }

    #[test]
    fn value_follows_the_declared_basis() {
        let value = |basis| order(1).value(basis).unwrap().0.to_string();
        assert_eq!(value(ValueBasis::Total), "100.00");
        assert_eq!(value(ValueBasis::Subtotal), "80.00");
        assert_eq!(value(ValueBasis::Net), "80.00");
    }

    #[test]
    fn refunds_accumulate_in_order_and_stop_at_zero() {
        let refunds = [refund("b", "30.00", 1), refund("a", "20.00", 2), refund("c", "70", 3)];
        let left = |i: usize, basis| {
            order(1).remaining(&refunds, refunds.get(i).unwrap(), basis).unwrap().to_string()
        };
        assert_eq!(left(0, ValueBasis::Total), "70.00");
        assert_eq!(left(1, ValueBasis::Total), "50.00");
        assert_eq!(left(2, ValueBasis::Total), "0.00");
        assert_eq!(left(0, ValueBasis::Subtotal), "56.00");
    }
}
