//! The input formats that a relay may take: what a store, a tag or an event pipeline really sends, byte for byte.
//! One file (or folder) per format and one line in [`FORMATS`]. Everything sent is looked at again before it leaves
//! ([`Format::inspect`]): a delivery that breaks its own published format is the harness's fault, never a finding
//! about a relay.
//!
//! Stores without a webhook of their own about orders (Magento), or with one that names an order and no more
//! (BigCommerce: the relay fetches the rest), are driven by [`standard_webhooks`], as their relays' generic endpoints are.

mod consent;
pub mod data_tag;
pub mod delivery;
pub mod ga4;
mod inspection;
pub mod jitsu;
pub mod layout;
pub mod money;
mod page;
pub mod patch;
pub mod posthog;
pub mod rudderstack;
pub mod segment;
pub mod shopify;
pub mod signing;
pub mod snowplow;
pub mod standard_webhooks;
pub mod stripe;
pub mod times;
mod track;
pub mod traits;
pub mod woocommerce;

pub use delivery::{Delivery, OrderView, Redaction, RefundFacts, Subject};
pub use traits::{About, Carried, Format, InputFault, Prepared, SecretKind, Written};

/// Every input format.
pub static FORMATS: &[&dyn Format] = &[
    &shopify::Shopify,
    &woocommerce::WooCommerce,
    &stripe::Stripe,
    &standard_webhooks::StandardWebhooks,
    &segment::Segment,
    &rudderstack::RudderStack,
    &jitsu::Jitsu,
    &ga4::Ga4,
    &data_tag::DataTag,
    &snowplow::Snowplow,
    &posthog::PostHog,
];

/// The format with this id.
pub fn by_id(id: &str) -> Option<&'static dyn Format> {
    FORMATS.iter().copied().find(|format| format.id() == id)
}

#[cfg(test)]
pub(crate) mod samples;

#[cfg(test)]
mod tests;
