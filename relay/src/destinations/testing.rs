//! Example conversions and answers for the tests of the destinations.

use rust_decimal::Decimal;
use time::OffsetDateTime;
use time::macros::datetime;

use super::{Answer, Outcome};
use crate::model::consent;
use crate::model::conversion::{
    ClickIds, ConsentSignals, Contact, Conversion, ConversionKind, Device, Item,
};

/// A moment shortly after the example order.
pub(super) const NOW: OffsetDateTime = datetime!(2026-11-20 10:20:00 +01:00);

/// An order with everything known and everything granted.
pub(super) fn full() -> Conversion {
    Conversion {
        event_id: "order_1001".to_owned(),
        kind: ConversionKind::Purchase,
        occurred_at: datetime!(2026-11-20 10:15:30 +01:00),
        value: Decimal::new(12990, 2),
        currency: "EUR".to_owned(),
        order_id: "1001".to_owned(),
        order_name: Some("#A-1001".to_owned()),
        items: vec![
            Item { id: "sku-1".to_owned(), quantity: 1, unit_price: Decimal::new(9990, 2) },
            Item { id: "42".to_owned(), quantity: 2, unit_price: Decimal::new(1500, 2) },
        ],
        click: ClickIds {
            gclid: Some("Cj0KCQiA-CaseSensitive_01".to_owned()),
            gbraid: None,
            wbraid: None,
            fbc: Some("fb.1.1763629000000.IwAR2-CaseSensitive_x".to_owned()),
            fbp: Some("fb.1.1763629000000.1098115397".to_owned()),
            ttclid: Some("E.C.P.CaseSensitive".to_owned()),
            ttp: Some("2a1b_ttp".to_owned()),
            landing_url: Some("https://demo-shop.example/shoes?utm_source=x".to_owned()),
            referrer: Some("https://search.example/".to_owned()),
        },
        device: Device {
            ip: Some("203.0.113.7".to_owned()),
            user_agent: Some("Mozilla/5.0 (X11; Linux x86_64)".to_owned()),
        },
        contact: Contact {
            email: Some(" Alice@Example.com ".to_owned()),
            phone: Some("(213) 373-4253".to_owned()),
            first_name: Some("Mary".to_owned()),
            last_name: Some("O'Neil".to_owned()),
            city: Some("Menlo Park".to_owned()),
            region: Some("California".to_owned()),
            postcode: Some("94035-1234".to_owned()),
            country: Some("US".to_owned()),
            customer_id: Some("777".to_owned()),
        },
        consent: ConsentSignals {
            ads_user_data: consent::Answer::Granted,
            ads_personalise: consent::Answer::Granted,
            limited_data_use: false,
        },
        in_store: false,
    }
}

/// The same order when the shopper allowed ads but no user data and no personalisation.
///
/// The contact data is left in on purpose: a destination must not use it.
pub(super) fn user_data_denied() -> Conversion {
    let mut conversion = full();
    conversion.consent.ads_user_data = consent::Answer::Denied;
    conversion.consent.ads_personalise = consent::Answer::Denied;
    conversion
}

/// The same order with click ids and nothing else; nobody asked about user data.
pub(super) fn only_click() -> Conversion {
    let mut conversion = full();
    conversion.contact = Contact::default();
    conversion.device = Device::default();
    conversion.items.clear();
    conversion.consent = ConsentSignals::default();
    conversion.click.landing_url = None;
    conversion.click.referrer = None;
    conversion
}

/// Part of the order's money given back two days later.
pub(super) fn refund(remaining: Decimal) -> Conversion {
    let mut conversion = full();
    conversion.kind = ConversionKind::Refund {
        remaining,
        refunded_at: datetime!(2026-11-22 09:00:00 +01:00),
        refund_id: "r1".to_owned(),
    };
    conversion
}

/// An answer without `Retry-After`.
pub(super) fn answer(status: u16, body: &str) -> Answer {
    Answer {
        status,
        retry_after: None,
        content_type: Some(
            if body.starts_with('{') { "application/json" } else { "text/html" }.to_owned(),
        ),
        body: body.to_owned(),
        truncated: false,
    }
}

/// One word per outcome, for compact comparisons.
pub(super) fn words(outcomes: &[Outcome]) -> Vec<&'static str> {
    outcomes
        .iter()
        .map(|outcome| match outcome {
            Outcome::Delivered { .. } => "delivered",
            Outcome::Retry { .. } => "retry",
            Outcome::Credentials { .. } => "credentials",
            Outcome::Split { .. } => "split",
            Outcome::Rejected { .. } => "rejected",
        })
        .collect()
}
