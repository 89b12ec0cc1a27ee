//! Amounts as senders write them: decimal text with the currency's own number of digits, plain numbers, minor units.

use rust_decimal::{Decimal, prelude::ToPrimitive};
use serde_json::Value;

use super::InputFault;

/// Digits after the dot (ISO 4217; currencies that are not listed have two).
pub fn digits(currency: &str) -> u32 {
    match currency {
        "BIF" | "CLP" | "DJF" | "GNF" | "ISK" | "JPY" | "KMF" | "KRW" | "PYG" | "RWF" | "UGX"
        | "VND" | "VUV" | "XAF" | "XOF" | "XPF" => 0,
        "BHD" | "IQD" | "JOD" | "KWD" | "LYD" | "OMR" | "TND" => 3,
        _ => 2,
    }
}

/// `49.9` EUR as `49.90`. Digits beyond the currency's own are kept: they are the scenario's point.
pub fn text(amount: Decimal, currency: &str) -> String {
    let mut amount = amount.normalize();
    if amount.scale() < digits(currency) {
        amount.rescale(digits(currency));
    }
    amount.to_string()
}

/// A JSON number as JavaScript writes it: `49.99`, and `5000` without a fraction.
pub fn number(amount: Decimal) -> Value {
    let amount = amount.normalize();
    match (amount.scale(), amount.to_i64()) {
        (0, Some(whole)) => whole.into(),
        // The shortest text that reads back as the same double: exact for every amount of money.
        _ => amount.to_string().parse::<f64>().unwrap_or_default().into(),
    }
}

/// Digits of a payment service's minor unit. It keeps two for the króna and the shilling although they have lost
/// theirs ([special cases](https://docs.stripe.com/currencies#special-cases)).
fn minor_digits(currency: &str) -> u32 {
    match currency {
        "ISK" | "UGX" => 2,
        "MGA" => 0,
        other => digits(other),
    }
}

/// `49.99` EUR as `4999`, `5000` JPY as `5000`.
///
/// # Errors
/// The amount has digits beyond the minor unit, or is too large: no payment service can say it.
pub fn minor(amount: Decimal, currency: &str) -> Result<i64, InputFault> {
    let unit = Decimal::from(10_u64.pow(minor_digits(currency)));
    let minor = amount.checked_mul(unit).filter(|minor| minor.fract().is_zero());
    minor.and_then(|minor| minor.to_i64()).ok_or_else(|| {
        InputFault::new(format!("{amount} {currency} cannot be said in the currency's minor unit"))
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn amounts_have_the_digits_of_their_currency() {
        for (amount, currency, expected) in [
            ("49.99", "EUR", "49.99"),
            ("120", "EUR", "120.00"),
            ("120.50", "EUR", "120.50"),
            ("5000", "JPY", "5000"),
            ("5000.00", "JPY", "5000"),
            ("12.345", "KWD", "12.345"),
            ("12.3", "KWD", "12.300"),
            ("0.005", "EUR", "0.005"),
            ("0", "EUR", "0.00"),
        ] {
            assert_eq!(text(amount.parse().unwrap(), currency), expected);
        }
    }

    #[test]
    fn numbers_look_as_javascript_writes_them() {
        for (amount, expected) in [
            ("49.99", "49.99"),
            ("120.00", "120"),
            ("0.00", "0"),
            ("12.345", "12.345"),
            ("-0.10", "-0.1"),
        ] {
            assert_eq!(number(amount.parse().unwrap()).to_string(), expected);
        }
    }

    #[test]
    fn minor_units_follow_the_payment_service() {
        for (amount, currency, expected) in [
            ("49.99", "EUR", 4_999),
            ("120", "USD", 12_000),
            ("5000", "JPY", 5_000),
            ("12.340", "KWD", 12_340),
            ("500", "ISK", 50_000),
            ("500", "UGX", 50_000),
            ("0", "EUR", 0),
        ] {
            assert_eq!(
                minor(amount.parse().unwrap(), currency),
                Ok(expected),
                "{amount} {currency}"
            );
        }
        for (amount, currency) in
            [("0.005", "EUR"), ("0.5", "JPY"), ("79228162514264337593543950335", "EUR")]
        {
            minor(amount.parse().unwrap(), currency).unwrap_err();
        }
    }
}
