//! What a destination is asked to deliver: an order joined with its click, reduced to what consent allows.

use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use super::consent::Answer;

/// One duty towards a platform: a purchase, or a later change to it.
///
/// Built by `delivery` just before each attempt from the stored order, click and consent, so that it
/// never carries more than consent allows at that moment. The fields that platforms deduplicate on
/// (`event_id`, `occurred_at`, `value`) never change between attempts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Conversion {
    /// `order_<order id>`: derived from the order, equal in the browser, in every retry and after a restart.
    pub event_id: String,
    /// Purchase, or what happened to it since.
    pub kind: ConversionKind,
    /// When the customer placed the order (with the shop's offset), never when we send.
    pub occurred_at: OffsetDateTime,
    /// Order value on the declared basis, in major units, with the currency's own number of decimals.
    pub value: Decimal,
    /// ISO 4217, upper case.
    pub currency: String,
    /// The shop's order id as text.
    pub order_id: String,
    /// Order name as the customer sees it (`#1001`); not used as an identity.
    pub order_name: Option<String>,
    /// What was bought: only what matching and reporting need.
    pub items: Vec<Item>,
    /// Click ids and browser ids, byte for byte as the browser had them. Empty unless `store` allowed it.
    pub click: ClickIds,
    /// The shopper's own device, never the webhook sender's. Empty if unknown or not allowed.
    pub device: Device,
    /// Contact data in the clear, to be normalised and hashed per platform. Empty unless `ads_user_data` is granted.
    pub contact: Contact,
    /// `ads_user_data` and `ads_personalise` as known, for platforms that have a field for it.
    pub consent: ConsentSignals,
    /// True when the order was not placed on the website (point of sale and the like).
    pub in_store: bool,
}

/// A purchase, or a later change to one that was sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "type")]
pub enum ConversionKind {
    /// The sale itself.
    Purchase,
    /// Money given back. `remaining` is the new total of the order after this and all earlier refunds.
    Refund {
        /// Order value that is left, major units; zero retracts the conversion.
        remaining: Decimal,
        /// When the refund was made; part of the adjustment's identity.
        refunded_at: OffsetDateTime,
        /// The shop's refund id.
        refund_id: String,
    },
}

/// One line of the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Item {
    /// Product or variant id as text (the catalogue id).
    pub id: String,
    /// Units bought.
    pub quantity: u32,
    /// Price of one unit, major units, before order-level discounts.
    pub unit_price: Decimal,
}

/// Identifiers that the landing carried.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ClickIds {
    /// Google Ads click id.
    pub gclid: Option<String>,
    /// Google Ads, app-to-web on iOS.
    pub gbraid: Option<String>,
    /// Google Ads, web-to-app on iOS.
    pub wbraid: Option<String>,
    /// Meta click id in stored form `fb.<subdomain index>.<ms>.<fbclid>`, from the cookie or built at first observation.
    pub fbc: Option<String>,
    /// Meta browser id.
    pub fbp: Option<String>,
    /// TikTok click id.
    pub ttclid: Option<String>,
    /// TikTok browser id.
    pub ttp: Option<String>,
    /// Landing page without personal data or secrets; kept query parameters are click ids and utm only.
    pub landing_url: Option<String>,
    /// Referrer without query.
    pub referrer: Option<String>,
}

/// The shopper's device as seen at the landing, or as the store saw it at checkout.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Device {
    /// IPv4 or IPv6 address, one, without port.
    pub ip: Option<String>,
    /// User agent text.
    pub user_agent: Option<String>,
}

/// Contact data as the store gave it, not normalised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Contact {
    /// E-mail address.
    pub email: Option<String>,
    /// Phone as typed; normalised with `country`.
    pub phone: Option<String>,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// City.
    pub city: Option<String>,
    /// State or province (code where the store has one).
    pub region: Option<String>,
    /// Postal code.
    pub postcode: Option<String>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<String>,
    /// The shop's customer id.
    pub customer_id: Option<String>,
}

/// The two signals that some platforms take along with the event.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsentSignals {
    /// Google `ad_user_data`.
    pub ads_user_data: Answer,
    /// Google `ad_personalization`.
    pub ads_personalise: Answer,
    /// Opt-out of sale or sharing (Global Privacy Control, US states): limited data use where a platform has it.
    pub limited_data_use: bool,
}
