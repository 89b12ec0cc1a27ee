//! The scenario made concrete: cases with tracers. Every person, order, click id, address and user agent gets a
//! value that is unique to its case and reproducible from the seed, so that a captured request can be attributed
//! even if the relay mangles half of it.

pub(crate) mod bulk;
pub mod cases;
mod fill;
mod needs;
pub mod people;
mod shops;
mod spared;
mod suite;
pub mod tracers;
mod values;

pub use suite::Suite;

use std::{collections::BTreeMap, sync::Arc};

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::{
    exchange::{CaseId, OrderRef},
    inputs::ga4,
    platforms::Account,
    scenario::{Capability, Click, Decision, OrderKind, OrderState, Scenario},
};

/// Everything that will be run.
#[derive(Debug)]
pub struct Plan {
    /// Seed that all values come from.
    pub seed: u64,
    /// Cases in order of their names.
    pub cases: Vec<Case>,
    /// Cases that the profile's capabilities rule out, with the reason.
    pub skipped: Vec<Skipped>,
    /// What was selected, all shards together.
    pub suite: Suite,
}

/// A case that will not run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why: `the relay does not declare: clock`.
    pub reason: String,
    /// Catalogue entries that it would cover, for lists.
    #[serde(skip)]
    pub covers: Vec<String>,
}

/// One scenario on one platform in one variant.
#[derive(Debug, Clone)]
pub struct Case {
    /// Index in [`Plan::cases`].
    pub id: CaseId,
    /// `dedup/thank_you_reload/meta` or `consent/matrix/meta/denied`.
    pub name: String,
    /// The scenario with the variant applied.
    pub scenario: Arc<Scenario>,
    /// The variant's name.
    pub variant: Option<String>,
    /// The platform that the case is about; verdict cells are made for it alone, findings of leaks for all.
    pub platform: &'static str,
    /// What it needs from the relay.
    pub needs: Vec<Capability>,
    /// Needs a relay process of its own (restart, clock, settings, connection-level faults).
    pub private_relay: bool,
    /// No other case may use its accounts at the same time (planned failures, credentials, health).
    pub alone: bool,
    /// Persons by the name used in steps (`shopper` is always there).
    pub people: BTreeMap<String, Person>,
    /// Orders by id, in order of their steps.
    pub orders: Vec<Order>,
    /// The control order.
    pub sentinel: Order,
    /// Who places it: always consenting, with a paid click.
    pub sentinel_person: Person,
    /// Traceable values by name, for `{fbclid}` in expectations and patches: `fbclid`, `gclid`, `email`, `canary_note`, ...
    pub values: BTreeMap<String, String>,
}

impl Case {
    /// The order with this id.
    pub fn order(&self, id: &str) -> Option<&Order> {
        self.orders.iter().find(|o| o.id == OrderRef::Named(id.to_owned()))
    }

    /// All orders, the control order last.
    pub fn all_orders(&self) -> impl Iterator<Item = &Order> {
        self.orders.iter().chain(std::iter::once(&self.sentinel))
    }

    /// Replaces `{fbclid}`-like names by this case's values; `{{` and `}}` stand for the braces themselves.
    /// Braces around anything but a name (JSON, regular expressions) are left alone.
    ///
    /// # Errors
    /// In words: a name that this case has no value for, with the names that it has.
    pub fn fill(&self, text: &str) -> Result<String, String> {
        fill::fill(text, &self.values)
    }

    /// The same in every text of a JSON value; keys are left alone.
    ///
    /// # Errors
    /// As [`Case::fill`].
    pub fn fill_json(&self, value: &serde_json::Value) -> Result<serde_json::Value, String> {
        fill::fill_json(value, &self.values)
    }

    /// Landing parameters of a click, in order: a paid click has the id of the case's platform, `auto` stands for the person's own.
    /// [`Click::Query`](crate::scenario::Click::Query) is a raw text: see [`Case::fill`].
    ///
    /// # Errors
    /// In words: a person or value that is not known.
    pub fn landing(&self, by: &str, click: &Click) -> Result<Vec<(String, String)>, String> {
        let person = self.people.get(by).ok_or_else(|| format!("there is no person `{by}`"))?;
        let own = |name: &str| {
            person
                .ids
                .get(&name.to_ascii_lowercase())
                .cloned()
                .ok_or_else(|| format!("no `auto` value for `{name}`"))
        };
        match click {
            Click::Direct | Click::Query(_) => Ok(Vec::new()),
            Click::Paid => {
                let name = cases::paid_click(self.platform);
                Ok(vec![(name.to_owned(), own(name)?)])
            }
            Click::Ids(ids) => ids
                .iter()
                .map(|(name, value)| {
                    let value = if value == "auto" { own(name)? } else { self.fill(value)? };
                    Ok((name.clone(), value))
                })
                .collect(),
        }
    }

    /// How many shops it plays in: one or two.
    pub fn shops_needed(&self) -> usize {
        1 + usize::from(self.needs.contains(&Capability::Shops))
    }

    /// Who placed an order.
    pub fn person_of(&self, order: &Order) -> Option<&Person> {
        if order.id == OrderRef::Sentinel {
            Some(&self.sentinel_person)
        } else {
            self.people.get(&order.by)
        }
    }
}

/// A synthetic shopper with a browser. Reserved names and ranges only.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Person {
    /// Name in the scenario.
    pub name: String,
    /// The storefront's own first-party id.
    pub visitor_id: String,
    /// Contact data as given to the store; a missing field is `None`.
    pub contact: Contact,
    /// Address (RFC 5737 / RFC 3849).
    pub ip: String,
    /// User agent with a traceable build number.
    pub user_agent: String,
    /// Landing parameters and cookies that the plan made for this person: `fbclid`, `gclid`, ..., `_fbp`, `_ttp`, `_ga`.
    pub ids: BTreeMap<String, String>,
}

/// Contact data as the store has it.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Contact {
    /// E-mail address.
    pub email: Option<String>,
    /// Phone as typed.
    pub phone: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Street: no platform needs it.
    pub street: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or province.
    pub region: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The shop's customer id.
    pub customer_id: Option<String>,
}

/// An order with all forms of its identity.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which.
    pub id: OrderRef,
    /// Person (key of [`Case::people`]).
    pub by: String,
    /// Shop of the case: 0 = `one`, 1 = `two`.
    pub shop: usize,
    /// 64-bit id; also beyond 2^53 where the scenario says so.
    pub numeric_id: u64,
    /// `#1001`-like name.
    pub name: String,
    /// Order token.
    pub token: String,
    /// Checkout token, if there is one.
    pub checkout_token: Option<String>,
    /// Cart token, if there is one.
    pub cart_token: Option<String>,
    /// When it was placed, relative to the moment its step is played (negative: before).
    pub placed: time::Duration,
    /// Offset in which the store writes times.
    pub zone: time::UtcOffset,
    /// What the customer pays, shop currency, major units.
    pub total: Decimal,
    /// Shop currency.
    pub currency: String,
    /// Parts: subtotal, tax, shipping, discount (each in shop currency).
    pub subtotal: Decimal,
    /// Tax.
    pub tax: Decimal,
    /// Shipping.
    pub shipping: Decimal,
    /// Discount.
    pub discount: Decimal,
    /// Presentment amount and currency, if other than the shop's.
    pub presentment: Option<(Decimal, String)>,
    /// State at creation.
    pub state: OrderState,
    /// Where it was made.
    pub kind: OrderKind,
    /// A test order.
    pub test: bool,
    /// Contact data on the order (person's own with the step's changes).
    pub contact: Contact,
    /// Product id of its one line.
    pub product_id: u64,
    /// Texts that no platform needs and that must never leave: note, attribute, line property, order-status key, street ...; name → value.
    pub canaries: BTreeMap<&'static str, String>,
}

/// What a visitor's consent is worth at one moment.
pub type ConsentState = crate::scenario::Decisions;

/// Reads `granted` for all four.
pub const fn all(decision: Decision) -> ConsentState {
    ConsentState {
        store: decision,
        ads: decision,
        ads_user_data: decision,
        ads_personalise: decision,
    }
}

/// One shop of a running relay.
#[derive(Debug, Clone, Serialize)]
pub struct Shop {
    /// Index in the run.
    pub index: usize,
    /// Id for paths (`s0001`).
    pub id: String,
    /// Host name of the store.
    pub domain: String,
    /// Webhook secret, current.
    pub secret: String,
    /// Webhook secret that is being rotated out.
    pub previous_secret: String,
    /// Key that event pipelines send along instead of signing.
    pub write_key: String,
    /// Standard Webhooks secret (`whsec_...`), current.
    pub webhook_secret: String,
    /// The same, being rotated out.
    pub previous_webhook_secret: String,
    /// Accounts by platform id.
    pub accounts: BTreeMap<&'static str, Account>,
}

impl Shop {
    /// Everything secret in its settings, with a name for people: what must stand in no log, report or error text.
    pub fn secrets(&self) -> impl Iterator<Item = (String, &str)> {
        // A measurement id stands in every page of the shop.
        let write_key = Some(&self.write_key).filter(|key| !ga4::is_measurement_id(key));
        let webhooks = [
            &self.secret,
            &self.previous_secret,
            &self.webhook_secret,
            &self.previous_webhook_secret,
        ];
        let webhooks = webhooks.into_iter().chain(write_key);
        let webhooks = webhooks.map(|secret| ("a webhook secret".to_owned(), &**secret));
        webhooks.chain(self.accounts.iter().flat_map(|(platform, account)| {
            account
                .secret
                .iter()
                .map(move |name| (format!("the {name} of {platform}"), account.field(name)))
        }))
    }
}

/// A moment in the case's own time.
pub type Moment = OffsetDateTime;

#[cfg(test)]
pub(crate) mod tests {
    //! Shared by the tests of this folder.
    #![allow(clippy::unwrap_used)]
    use serde::Deserialize as _;

    use crate::{
        platforms::PLATFORMS,
        scenario::{Scenario, load::load_str},
        sut::profile::Profile,
    };

    /// A relay that declares everything.
    pub(crate) fn profile() -> Profile {
        let platforms: Vec<_> =
            PLATFORMS.iter().filter(|p| p.counts_orders()).map(|p| p.id()).collect();
        Profile::deserialize(serde_json::json!({
            "name": "test",
            "shops": "as_needed",
            "platforms": platforms,
            "capabilities": ["delivery_log", "dead_letters", "replay", "credentials", "health", "erasure", "export",
                "restart", "clock", "settings", "shops", "clicks", "consent", "consent_signals", "refunds"],
            "send": {"webhooks": {}, "formats": [], "joins": [], "click": {"path": "/clicks"}, "consent": {"path": "/consent"}},
        }))
        .unwrap()
    }

    /// A scenario from its steps and what follows them.
    pub(crate) fn scenario(name: &str, rest: &str) -> Scenario {
        load_str(name, &format!("title: A test\ncovers: [DED-05]\n{rest}"))
            .unwrap_or_else(|errors| panic!("{errors}"))
    }
}
