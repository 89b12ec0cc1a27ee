//! Amounts as stores write them: decimal text in major units. What cannot be read is refused, never guessed.

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};

/// Reads `1234.50`. Signs, blanks, exponents, grouping and decimal commas are refused.
#[must_use]
pub fn amount(text: &str) -> Option<Decimal> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let digits = |s: &str| !s.is_empty() && s.len() <= 15 && s.bytes().all(|b| b.is_ascii_digit());
    if !digits(whole) || !digits(fraction) {
        return None;
    }
    text.parse().ok()
}

/// The ISO 4217 code in upper case, if it is one.
#[must_use]
pub fn currency(code: &str) -> Option<String> {
    let code = code.trim().to_ascii_uppercase();
    Currency::from_code(&code).map(|c| c.code().to_owned())
}

/// Decimals of a currency (JPY 0, EUR 2, KWD 3).
#[must_use]
pub fn exponent(code: &str) -> u32 {
    Currency::from_code(code).and_then(|c| c.exponent()).map_or(2, u32::from)
}

/// The amount with exactly the currency's decimals; `None` if digits would be lost.
#[must_use]
pub fn exact(value: Decimal, code: &str) -> Option<Decimal> {
    let mut scaled = value;
    scaled.rescale(exponent(code));
    (scaled == value).then_some(scaled)
}

/// The amount rounded (half away from zero) to the currency's decimals.
#[must_use]
pub fn rounded(value: Decimal, code: &str) -> Decimal {
    let decimals = exponent(code);
    let mut value = value.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero);
    value.rescale(decimals);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printed(text: &str, code: &str) -> Option<String> {
        amount(text).and_then(|a| exact(a, code)).map(|d| d.to_string())
    }

    #[test]
    fn amounts_take_the_decimals_of_their_currency() {
        assert_eq!(printed("49.9", "EUR").as_deref(), Some("49.90"));
        assert_eq!(printed("5000.00", "JPY").as_deref(), Some("5000"));
        assert_eq!(printed("12.345", "KWD").as_deref(), Some("12.345"));
        assert_eq!(printed("0.00", "EUR").as_deref(), Some("0.00"));
        assert_eq!(printed("49.999", "EUR"), None);
    }

    #[test]
    fn what_is_not_plain_decimal_text_is_refused() {
        for text in
            ["1.234,56", "6,000", "1 234", "-1", "+1", "", ".", "1.", ".5", "1e3", "NaN", "１"]
        {
            assert_eq!(amount(text), None, "{text}");
        }
    }

    #[test]
    fn currencies_are_iso_4217_in_any_case() {
        assert_eq!(currency("eur").as_deref(), Some("EUR"));
        assert_eq!(currency("EURO"), None);
        assert_eq!(currency(""), None);
    }
}
