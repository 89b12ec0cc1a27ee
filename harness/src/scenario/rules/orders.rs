//! What orders, and webhooks about them, must fulfil.

use super::{MAX_TIMES, Rules};
use crate::{
    inputs,
    plan::bulk::{MAX_BULK, nth_id},
    scenario::{
        MoneyParts, OrderStep, WebhookStep,
        units::{Money, offset},
    },
};

/// Fields of an order's `contact`.
pub(crate) const CONTACT_FIELDS: &[&str] = &[
    "email",
    "phone",
    "first_name",
    "last_name",
    "street",
    "city",
    "region",
    "postcode",
    "country",
    "customer_id",
];

impl Rules {
    pub(super) fn order(&mut self, at: &str, order: &OrderStep) {
        if let Some(other) = &order.same_id_as {
            self.known_order(&format!("{at}/same_id_as"), other);
        }
        if order.id.is_empty()
            || order.id.len() > 32
            || !order.id.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            self.say(
                format!("{at}/id"),
                format!("`{}` is no id for an order", order.id),
                "write it like id: A",
            );
        } else {
            let ids = match order.bulk {
                Some(bulk) => (1..=bulk.min(MAX_BULK)).map(|nth| nth_id(&order.id, nth)).collect(),
                None => vec![order.id.clone()],
            };
            for id in ids {
                if !self.orders.insert(id.clone()) {
                    let message = format!("there is an order `{id}` already");
                    self.say(format!("{at}/id"), message, "give each order an id of its own");
                    break;
                }
            }
        }
        self.person_name(&format!("{at}/by"), order.by.as_deref());
        self.shop(&format!("{at}/shop"), order.shop.as_deref());
        if let Some(format) = order.format.as_deref().filter(|id| inputs::by_id(id).is_none()) {
            let known: Vec<_> = inputs::FORMATS.iter().map(|format| format.id()).collect();
            self.unknown(&format!("{at}/format"), "input format", format, &known);
        }
        self.money(&format!("{at}/total"), order.total.as_ref());
        self.parts(&format!("{at}/money"), order.total.as_ref(), &order.money);
        if let Some(zone) = order.zone.as_deref().filter(|zone| offset(zone).is_none()) {
            self.say(
                format!("{at}/zone"),
                format!("`{zone}` is no offset"),
                "write it like +01:00",
            );
        }
        for name in order.contact.keys().filter(|name| !CONTACT_FIELDS.contains(&name.as_str())) {
            self.unknown(&format!("{at}/contact/{name}"), "contact field", name, CONTACT_FIELDS);
        }
        self.times(&format!("{at}/copies"), order.copies, 100);
        self.times(&format!("{at}/bulk"), order.bulk, MAX_BULK);
        if order.bulk.is_some() && order.same_id_as.is_some() {
            let hint = "leave it out: each order of a bulk has an id of its own";
            self.say(format!("{at}/same_id_as"), "one id for many orders", hint);
        }
        if order.patch.as_ref().is_some_and(|patch| !patch.is_object()) {
            let hint = "write it like patch: { note: null }";
            self.say(format!("{at}/patch"), "a merge patch of an order must be a mapping", hint);
        }
    }

    pub(super) fn money(&mut self, at: &str, money: Option<&Money>) {
        let too_much = |money: &Money| {
            money.amount.is_sign_negative()
                || money.amount > rust_decimal::Decimal::from(1_000_000_000)
        };
        if money.is_some_and(too_much) {
            let hint = "write it like 49.99 EUR";
            self.say(at, "an amount must be between zero and a billion", hint);
        }
    }

    fn parts(&mut self, at: &str, total: Option<&Money>, parts: &MoneyParts) {
        let named = [
            ("subtotal", &parts.subtotal),
            ("tax", &parts.tax),
            ("shipping", &parts.shipping),
            ("discount", &parts.discount),
        ];
        for (name, part) in named {
            let Some(part) = part else { continue };
            self.money(&format!("{at}/{name}"), Some(part));
            match total {
                None => {
                    let hint = "add it to the order: `total: 49.99 EUR`";
                    self.say(format!("{at}/{name}"), "parts need a `total`", hint);
                }
                Some(total) if total.currency != part.currency => {
                    self.say(
                        format!("{at}/{name}"),
                        format!("not in {}, the currency of the total", total.currency),
                        "what the customer saw in another currency is `presentment`",
                    );
                }
                Some(total) if name != "discount" && part.amount > total.amount => {
                    let hint = format!("at most {}, the total", total.amount);
                    self.say(format!("{at}/{name}"), "more than the total", hint);
                }
                Some(_) => {}
            }
        }
        self.money(&format!("{at}/presentment"), parts.presentment.as_ref());
    }

    pub(super) fn webhook(&mut self, at: &str, webhook: &WebhookStep) {
        match (&webhook.order, &webhook.raw) {
            (Some(order), _) => self.known_order(&format!("{at}/order"), order),
            (None, Some(_)) => {}
            (None, None) => self.say(at, "about no order", "give `order`, or a body as `raw`"),
        }
        self.times(&format!("{at}/times"), webhook.times, MAX_TIMES);
        self.shop(&format!("{at}/shop"), webhook.shop.as_deref());
        self.money(&format!("{at}/total"), webhook.total.as_ref());
        if webhook.raw.is_some() && webhook.patch.is_some() {
            let hint = "write the change into `raw`, or leave `raw` out";
            self.say(format!("{at}/patch"), "a raw body cannot be patched", hint);
        }
        for (i, status) in webhook.answered.iter().flatten().enumerate() {
            if !(100..=599).contains(status) {
                let message = format!("{status} is no HTTP status");
                self.say(format!("{at}/answered/{i}"), message, "write it like [200, 202]");
            }
        }
    }
}
