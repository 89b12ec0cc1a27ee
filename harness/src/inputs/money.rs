//! Amounts as stores write them: decimal text with the currency's own number of digits.

use rust_decimal::Decimal;

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
}
