//! A shop and an order for the tests of the formats.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use time::{OffsetDateTime, UtcOffset, macros::datetime};

use super::{Delivery, OrderView, RefundFacts, Subject};
use crate::{
    exchange::OrderRef,
    plan::{Contact, Order, Person, Shop},
    scenario::{Decision, Decisions, JoinKey, Layout, OrderKind, OrderState, Signature, Topic},
    sut::profile::Categories,
};

/// Everything that a delivery borrows from.
pub(crate) struct Sample {
    pub(crate) order: Order,
    pub(crate) person: Person,
    pub(crate) shop: Shop,
    pub(crate) other: Shop,
    pub(crate) joins: Vec<JoinKey>,
    pub(crate) landing: String,
    pub(crate) cancelled: bool,
}

/// A shop with secrets of its own.
pub(crate) fn shop(index: usize, id: &str) -> Shop {
    Shop {
        index,
        id: id.to_owned(),
        domain: format!("{id}.myshopify.com"),
        secret: format!("shpss_{id}"),
        previous_secret: format!("shpss_{id}_old"),
        write_key: format!("wk_{id}"),
        // 24 bytes: 0x00 to 0x17, the first one by shop.
        webhook_secret: if index == 0 {
            "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX".into()
        } else {
            "whsec_BAECAwQFBgcICQoLDA0ODxAREhMUFRYX".into()
        },
        previous_webhook_secret: "whsec_AQECAwQFBgcICQoLDA0ODxAREhMUFRYX".into(),
        accounts: BTreeMap::new(),
    }
}

/// A shopper.
pub(crate) fn person(name: &str) -> Person {
    let ids =
        [("fbclid", "IwAR0_Ab-Cd"), ("gclid", "Cj0KCQ-Ab_1"), ("_fbp", "fb.1.1772440000000.123")];
    Person {
        name: name.to_owned(),
        visitor_id: "v-1".into(),
        contact: Contact {
            email: Some("Jane.Doe@Example.com".into()),
            phone: Some("(201) 555-0123".into()),
            first_name: Some("Jane".into()),
            last_name: Some("Döe".into()),
            city: Some("Köln".into()),
            postcode: Some("50667".into()),
            country: Some("DE".into()),
            customer_id: Some("7100000000001".into()),
            ..Contact::default()
        },
        ip: "203.0.113.24".into(),
        user_agent: "Mozilla/5.0 (test)".into(),
        ids: ids.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect(),
    }
}

/// An order of that shopper.
pub(crate) fn order(id: OrderRef, by: &Person, numeric_id: u64) -> Order {
    let total: Decimal = "49.99".parse().unwrap();
    Order {
        id,
        by: by.name.clone(),
        shop: 0,
        numeric_id,
        name: "#1001".into(),
        token: "b3f1c0ffee".into(),
        checkout_token: Some("checkout-1".into()),
        cart_token: Some("cart-1".into()),
        placed: time::Duration::ZERO,
        zone: UtcOffset::from_hms(2, 0, 0).unwrap(),
        total,
        currency: "EUR".into(),
        subtotal: total,
        tax: Decimal::ZERO,
        shipping: Decimal::ZERO,
        discount: Decimal::ZERO,
        presentment: None,
        state: OrderState::Paid,
        kind: OrderKind::Web,
        test: false,
        contact: by.contact.clone(),
        product_id: 8_100_000_000_001,
        canaries: ["note", "attribute"].map(|kind| (kind, format!("CANARY{kind}"))).into(),
    }
}

/// The value of the header with this very name.
pub(crate) fn header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(n, _)| n == name).map(|(_, value)| value.as_str())
}

impl Sample {
    pub(crate) fn new() -> Self {
        let person = person("shopper");
        Self {
            order: order(OrderRef::Named("A".into()), &person, 9_007_199_254_740_993),
            person,
            shop: shop(0, "one"),
            other: shop(1, "two"),
            joins: vec![JoinKey::Attribute, JoinKey::Cart, JoinKey::Checkout, JoinKey::LandingSite],
            landing: "https://shop.example/products/mug?fbclid=IwAR0_Ab-Cd".into(),
            cancelled: false,
        }
    }

    fn at() -> OffsetDateTime {
        datetime!(2026-03-29 01:30:00 UTC)
    }

    pub(crate) fn view(&self) -> OrderView<'_> {
        OrderView {
            order: &self.order,
            person: &self.person,
            placed_at: Self::at(),
            updated_at: Self::at(),
            cancelled_at: self.cancelled.then(Self::at),
            state: self.order.state,
            total: self.order.total,
            refunded: Decimal::ZERO,
            refunds: Vec::new(),
            joins: self.joins.clone(),
            landing_url: Some(self.landing.clone()),
            referrer: None,
            visitor_attribute: Some("relay_visitor_id".into()),
            consent_attribute: Some(("relay_consent".into(), "ads=1".into())),
            consent: Some(Decisions {
                store: Decision::Granted,
                ads: Decision::Granted,
                ..Decisions::default()
            }),
            signals: None,
            categories: Categories::default(),
            ip: Some(self.person.ip.clone()),
            user_agent: Some(self.person.user_agent.clone()),
        }
    }

    pub(crate) fn refund(&self, amount: &str) -> Subject<'_> {
        let facts =
            RefundFacts { id: 929_361_464, amount: amount.parse().unwrap(), at: Self::at() };
        let view = OrderView {
            state: if facts.amount < self.order.total {
                OrderState::PartiallyRefunded
            } else {
                OrderState::Refunded
            },
            refunded: facts.amount,
            refunds: vec![facts.clone()],
            ..self.view()
        };
        Subject::Refund(view, facts)
    }

    pub(crate) fn delivery(&self, topic: Topic) -> Delivery<'_> {
        Delivery {
            shop: &self.shop,
            signer: &self.shop,
            other_shop: Some(&self.other),
            topic,
            subject: Subject::Order(self.view()),
            delivery_id: "00000000-0000-4000-8000-000000000001".into(),
            event_id: "00000000-0000-4000-8000-000000000002".into(),
            triggered_at: datetime!(2026-03-29 01:30:05.000000007 UTC),
            signed_at: datetime!(2026-03-29 01:30:05 UTC),
            signature: Signature::Right,
            layout: Layout::Minified,
            lower_case_headers: false,
            patch: None,
            raw: None,
        }
    }
}
