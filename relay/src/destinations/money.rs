//! Money as a JSON number that reads exactly like the decimal amount.

use iso_currency::Currency;
use rust_decimal::{Decimal, RoundingStrategy};
use serde_json::Number;

/// The amount in major units, rounded to the decimals that the currency has (JPY none, KWD three).
///
/// Whole amounts become integers. `None` if a JSON number (an IEEE double to most readers) cannot hold the
/// amount exactly, which begins at about fifteen digits.
pub(super) fn number(amount: Decimal, currency: &str) -> Option<Number> {
    let decimals = Currency::from_code(currency).and_then(|currency| currency.exponent());
    let decimals = decimals.map_or(2, u32::from);
    let amount =
        amount.round_dp_with_strategy(decimals, RoundingStrategy::MidpointAwayFromZero).normalize();
    if amount.is_integer() {
        let whole = i64::try_from(amount).ok()?;
        return (whole.unsigned_abs() <= MAX_EXACT).then(|| Number::from(whole));
    }
    let double: f64 = amount.to_string().parse().ok()?;
    let number = Number::from_f64(double)?;
    // The shortest text of the double must be the amount again.
    (number.to_string().parse() == Ok(amount)).then_some(number)
}

/// Largest integer below which doubles have no gaps (2^53).
const MAX_EXACT: u64 = 1 << 53;

/// Three upper-case letters; whether the platform knows them is the platform's answer.
pub(super) fn is_currency(code: &str) -> bool {
    code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    fn text(amount: &str, currency: &str) -> Option<String> {
        number(amount.parse().unwrap(), currency).map(|number| number.to_string())
    }

    #[test]
    fn amounts_print_as_they_are_written() {
        assert_eq!(text("49.99", "EUR").as_deref(), Some("49.99"));
        assert_eq!(text("49.90", "EUR").as_deref(), Some("49.9"));
        assert_eq!(text("120.00", "EUR").as_deref(), Some("120"));
        assert_eq!(text("0.10", "USD").as_deref(), Some("0.1"));
        assert_eq!(text("4999", "JPY").as_deref(), Some("4999"));
        assert_eq!(text("1.234", "KWD").as_deref(), Some("1.234"));
        assert_eq!(text("12345678901.23", "IDR").as_deref(), Some("12345678901.23"));
        assert_eq!(text("0", "EUR").as_deref(), Some("0"));
    }

    #[test]
    fn decimals_that_the_currency_does_not_have_are_rounded() {
        assert_eq!(text("11.775", "EUR").as_deref(), Some("11.78"));
        assert_eq!(text("4999.5", "JPY").as_deref(), Some("5000"));
    }

    #[test]
    fn amounts_beyond_a_double_are_refused() {
        assert_eq!(text("123456789012345678.91", "EUR"), None);
        assert_eq!(text("99999999999999999999", "EUR"), None);
    }

    proptest! {
        #[test]
        fn every_usual_amount_survives(cents in 0_i64..10_000_000_000_000) {
            let amount = Decimal::new(cents, 2);
            let written: Decimal = number(amount, "EUR").unwrap().to_string().parse().unwrap();
            prop_assert_eq!(written, amount);
        }
    }
}
