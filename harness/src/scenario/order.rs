//! Orders, and what becomes of them in the shop.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::{
    ConsentAnswer,
    units::{Money, Span},
};

/// An order.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct OrderStep {
    /// Name within the scenario (`A`); required.
    pub id: String,
    /// Which shopper; default `shopper`.
    pub by: Option<String>,
    /// Which shop of the case: `one` (default) or `two`.
    pub shop: Option<String>,
    /// `49.99 EUR`: what the customer pays; default: made by the plan, unique within the run.
    pub total: Option<Money>,
    /// How long ago it was placed; negative spans (`-90s`) are in the future.
    pub ago: Option<Span>,
    /// Offset in which the store writes its times (`+01:00`); default `+00:00`.
    pub zone: Option<String>,
    /// Order state in the store's words; default `paid`.
    pub state: Option<OrderState>,
    /// Where it was made; default `web`.
    pub kind: Option<OrderKind>,
    /// A test order.
    pub test: bool,
    /// Parts of the total.
    pub money: MoneyParts,
    /// Contact data that differs from the shopper's own. `null` removes a field.
    pub contact: BTreeMap<String, Option<String>>,
    /// How the order can be joined with the landing; default: all that the format has.
    pub join: Option<Vec<JoinKey>>,
    /// Whether the browser's copy fires on the thank-you page; default yes, where the visitor allowed ads.
    pub browser: Option<bool>,
    /// Webhooks sent, by topic; default `[create, paid]` for a paid order, `[create]` else.
    pub topics: Option<Vec<Topic>>,
    /// Each webhook is sent this often, at the same moment.
    pub copies: Option<u32>,
    /// Its numeric id is one that a 64-bit float cannot hold: odd, beyond 2^53.
    pub large_id: bool,
    /// Its numeric id is also that of this earlier order (in another shop).
    pub same_id_as: Option<String>,
    /// Input format, where the profile offers several.
    pub format: Option<String>,
    /// The consent snapshot on the order itself; default: the visitor's state, if the relay takes it this way.
    pub consent: Option<ConsentAnswer>,
    /// JSON merge patch (RFC 7396) applied to the webhook body last; `{key}` in its texts is replaced by traceable values.
    pub patch: Option<serde_json::Value>,
    /// That many orders by as many people, each of whom does what this order's shopper did before: `A1` (the shopper's own), `A2`, ...
    pub bulk: Option<u32>,
    /// Set by the plan on every order of a bulk but the first: the first one's id. A snapshot shows the first alone.
    #[serde(skip)]
    pub like: Option<String>,
}

/// Parts of the total, all optional, same currency.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MoneyParts {
    /// Before tax and shipping.
    pub subtotal: Option<Money>,
    /// Tax.
    pub tax: Option<Money>,
    /// Shipping.
    pub shipping: Option<Money>,
    /// Discount.
    pub discount: Option<Money>,
    /// What the customer saw, in their own currency.
    pub presentment: Option<Money>,
}

/// Order state.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the stores' own words")]
pub enum OrderState {
    Pending,
    Authorized,
    PartiallyPaid,
    Paid,
    PartiallyRefunded,
    Refunded,
    Voided,
    Cancelled,
}

/// Where an order was made.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Deserialize, serde::Serialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the stores' own words")]
pub enum OrderKind {
    Web,
    Pos,
    Draft,
    Api,
    Renewal,
}

/// How an order can be joined with its landing.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    Hash,
    PartialOrd,
    Ord,
    Deserialize,
    serde::Serialize,
    schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum JoinKey {
    /// The visitor id as an attribute that the storefront put on the order.
    Attribute,
    /// Cart token.
    Cart,
    /// Checkout token.
    Checkout,
    /// The first URL, as the store noted it.
    LandingSite,
}

/// What a webhook is about, in store-neutral words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Deserialize, serde::Serialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "the names say it")]
pub enum Topic {
    Create,
    Paid,
    Updated,
    Cancelled,
    Refund,
    /// A topic that no relay has to care for.
    Unrelated,
}

/// The thank-you page again.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct Reload {
    /// Order.
    pub order: String,
    /// How often; default 1.
    #[serde(default)]
    pub times: Option<u32>,
    /// How long after the order, in the platform's time.
    #[serde(default)]
    pub after: Option<Span>,
}

/// A refund.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct RefundStep {
    /// Order.
    pub order: String,
    /// How much; default: all that is left.
    #[serde(default)]
    pub amount: Option<Money>,
    /// The same refund is told this often.
    #[serde(default)]
    pub times: Option<u32>,
}

/// A cancellation.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, remote = "Self")]
pub struct CancelStep {
    /// Order.
    pub order: String,
    /// With the refund that a store sends along for paid orders; default true.
    #[serde(default)]
    pub refund: Option<bool>,
}
