//! The bodies: `ClickConversion` and `ConversionAdjustment` rows in proto3 JSON.

use serde_json::{Map, Value, json};
use time::OffsetDateTime;

use super::super::{contact, google, money};
use crate::model::conversion::{Conversion, ConversionKind};
use crate::model::identity;

/// Most `userIdentifiers` per row (GADS-UID-MAX).
const MAX_IDENTIFIERS: usize = 5;

/// Body of `uploadClickConversions`. Partial failure is the only mode there is (GADS-PARTIAL-TRUE).
pub(super) fn clicks(conversions: &[Conversion], action: &str) -> Value {
    let rows: Vec<Value> = conversions.iter().map(|conversion| click(conversion, action)).collect();
    json!({ "conversions": rows, "partialFailure": true })
}

/// Body of `uploadConversionAdjustments`.
pub(super) fn adjustments(conversions: &[Conversion], action: &str) -> Value {
    let rows: Vec<Value> =
        conversions.iter().filter_map(|conversion| adjustment(conversion, action)).collect();
    json!({ "conversionAdjustments": rows, "partialFailure": true })
}

/// Hashed e-mail and phone; the only kinds that click uploads take (GADS-UID-KINDS-CLICK).
pub(super) fn user_identifiers(conversion: &Conversion) -> Vec<Value> {
    let Some(contact) = contact(conversion) else { return Vec::new() };
    let country = contact.country.as_deref();
    let email = contact.email.as_deref().and_then(identity::google::email);
    let phone = contact.phone.as_deref().and_then(|p| identity::google::phone(p, country));
    [("hashedEmail", email), ("hashedPhoneNumber", phone)]
        .into_iter()
        .filter_map(|(kind, hash)| {
            Some(json!({ "userIdentifierSource": "FIRST_PARTY", kind: hash? }))
        })
        .take(MAX_IDENTIFIERS)
        .collect()
}

fn click(conversion: &Conversion, action: &str) -> Value {
    let mut row = Map::new();
    let click_id = google::click_id(&conversion.click);
    if let Some((name, id)) = click_id {
        row.insert(name.to_owned(), json!(id));
    }
    row.insert("conversionAction".to_owned(), json!(action));
    row.insert("conversionDateTime".to_owned(), json!(date_time(conversion.occurred_at)));
    row.insert(
        "conversionValue".to_owned(),
        json!(money::number(conversion.value, &conversion.currency)),
    );
    row.insert("currencyCode".to_owned(), json!(conversion.currency));
    // The browser tag sends the same text as transaction_id (GADS-DEDUP-SAMEID).
    row.insert("orderId".to_owned(), json!(conversion.event_id));
    // Next to a braid Google refuses identifiers (GADS-CLICKID-MIX).
    if matches!(click_id, None | Some(("gclid", _))) {
        let identifiers = user_identifiers(conversion);
        if !identifiers.is_empty() {
            row.insert("userIdentifiers".to_owned(), json!(identifiers));
        }
    }
    let consent = consent(conversion);
    if !consent.is_empty() {
        row.insert("consent".to_owned(), Value::Object(consent));
    }
    Value::Object(row)
}

fn consent(conversion: &Conversion) -> Map<String, Value> {
    let signals = [
        ("adUserData", conversion.consent.ads_user_data),
        ("adPersonalization", conversion.consent.ads_personalise),
    ];
    signals
        .into_iter()
        .filter_map(|(name, decision)| {
            let value = google::consent_value(decision, "GRANTED", "DENIED")?;
            Some((name.to_owned(), json!(value)))
        })
        .collect()
}

/// A retraction when nothing is left of the order's value, else its new total (GADS-ADJ-REFUND).
///
/// The time is the refund's own, so that retries are recognised and refunds stay in order (GADS-ADJ-ORDERING).
fn adjustment(conversion: &Conversion, action: &str) -> Option<Value> {
    let ConversionKind::Refund { remaining, refunded_at, .. } = &conversion.kind else {
        return None;
    };
    let mut row = Map::new();
    row.insert("conversionAction".to_owned(), json!(action));
    row.insert("orderId".to_owned(), json!(conversion.event_id));
    row.insert("adjustmentDateTime".to_owned(), json!(date_time(*refunded_at)));
    if remaining.is_zero() {
        row.insert("adjustmentType".to_owned(), json!("RETRACTION"));
    } else {
        row.insert("adjustmentType".to_owned(), json!("RESTATEMENT"));
        let total = money::number(*remaining, &conversion.currency);
        row.insert(
            "restatementValue".to_owned(),
            json!({ "adjustedValue": total, "currencyCode": conversion.currency }),
        );
    }
    Some(Value::Object(row))
}

/// `yyyy-mm-dd hh:mm:ss+hh:mm`: a blank instead of `T`, no fraction, no `Z` (GADS-DATETIME-FORMAT).
fn date_time(moment: OffsetDateTime) -> String {
    let moment = google::with_whole_offset(moment);
    let (date, time, offset) = (moment.date(), moment.time(), moment.offset());
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!(
        "{:04}-{:02}-{:02} {:02}:{:02}:{:02}{sign}{:02}:{:02}",
        date.year(),
        u8::from(date.month()),
        date.day(),
        time.hour(),
        time.minute(),
        time.second(),
        offset.whole_hours().unsigned_abs(),
        offset.minutes_past_hour().unsigned_abs(),
    )
}

#[cfg(test)]
mod tests {
    use rust_decimal::Decimal;
    use time::macros::datetime;

    use super::super::super::testing;
    use super::*;

    const ACTION: &str = "customers/1234567890/conversionActions/987654321";

    #[test]
    fn a_full_order_sends_click_identifiers_and_consent() {
        let expected = json!({
            "conversions": [{
                "gclid": "Cj0KCQiA-CaseSensitive_01",
                "conversionAction": ACTION,
                "conversionDateTime": "2026-11-20 10:15:30+01:00",
                "conversionValue": 129.9,
                "currencyCode": "EUR",
                "orderId": "order_1001",
                "userIdentifiers": [
                    {
                        "userIdentifierSource": "FIRST_PARTY",
                        "hashedEmail": "ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976"
                    },
                    {
                        "userIdentifierSource": "FIRST_PARTY",
                        "hashedPhoneNumber": "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd"
                    }
                ],
                "consent": { "adUserData": "GRANTED", "adPersonalization": "GRANTED" }
            }],
            "partialFailure": true
        });
        assert_eq!(clicks(&[testing::full()], ACTION), expected);
    }

    #[test]
    fn denied_user_data_leaves_the_click_and_says_so() {
        let body = clicks(&[testing::user_data_denied()], ACTION);
        let expected = json!({
            "conversions": [{
                "gclid": "Cj0KCQiA-CaseSensitive_01",
                "conversionAction": ACTION,
                "conversionDateTime": "2026-11-20 10:15:30+01:00",
                "conversionValue": 129.9,
                "currencyCode": "EUR",
                "orderId": "order_1001",
                "consent": { "adUserData": "DENIED", "adPersonalization": "DENIED" }
            }],
            "partialFailure": true
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn unknown_consent_is_left_out() {
        let body = clicks(&[testing::only_click()], ACTION);
        assert!(body["conversions"][0].get("consent").is_none());
        assert!(body["conversions"][0].get("userIdentifiers").is_none());
    }

    #[test]
    fn a_braid_goes_without_identifiers() {
        let mut order = testing::full();
        order.click.gclid = None;
        order.click.wbraid = Some("Wb".to_owned());
        order.click.gbraid = Some("Gb".to_owned());
        let row = clicks(&[order], ACTION)["conversions"][0].clone();
        assert_eq!(row["gbraid"], "Gb");
        assert!(row.get("wbraid").is_none() && row.get("userIdentifiers").is_none());
    }

    #[test]
    fn a_full_refund_retracts_and_a_partial_one_restates_the_total() {
        let body = adjustments(
            &[testing::refund(Decimal::ZERO), testing::refund(Decimal::new(9990, 2))],
            ACTION,
        );
        let expected = json!({
            "conversionAdjustments": [
                {
                    "conversionAction": ACTION,
                    "orderId": "order_1001",
                    "adjustmentDateTime": "2026-11-22 09:00:00+01:00",
                    "adjustmentType": "RETRACTION"
                },
                {
                    "conversionAction": ACTION,
                    "orderId": "order_1001",
                    "adjustmentDateTime": "2026-11-22 09:00:00+01:00",
                    "adjustmentType": "RESTATEMENT",
                    "restatementValue": { "adjustedValue": 99.9, "currencyCode": "EUR" }
                }
            ],
            "partialFailure": true
        });
        assert_eq!(body, expected);
    }

    #[test]
    fn times_keep_the_shops_offset() {
        assert_eq!(
            date_time(datetime!(2026-01-02 03:04:05.678 -09:30)),
            "2026-01-02 03:04:05-09:30"
        );
        assert_eq!(date_time(datetime!(2026-11-20 10:15:30 UTC)), "2026-11-20 10:15:30+00:00");
        assert_eq!(date_time(datetime!(2026-11-20 10:15:30 -00:30)), "2026-11-20 10:15:30-00:30");
        assert_eq!(
            date_time(datetime!(2026-11-20 10:15:30 +00:19:32)),
            "2026-11-20 09:55:58+00:00"
        );
    }
}
