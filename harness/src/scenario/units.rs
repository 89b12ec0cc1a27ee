//! Spans of time (`250ms`, `3h`, `-90s`) and amounts of money (`49.99 EUR`) as people write them.

use std::{fmt, marker::PhantomData, str::FromStr, time::Duration};

use rust_decimal::Decimal;
use serde::{Deserialize, Deserializer, de};

/// A span of time, possibly negative.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Span(time::Duration);

impl Span {
    /// From milliseconds.
    pub const fn from_millis(ms: i64) -> Self {
        Self(time::Duration::milliseconds(ms))
    }

    /// From seconds.
    pub const fn from_secs(s: i64) -> Self {
        Self(time::Duration::seconds(s))
    }

    /// With its sign.
    pub const fn signed(self) -> time::Duration {
        self.0
    }

    /// Zero if negative.
    pub fn unsigned(self) -> Duration {
        self.0.try_into().unwrap_or(Duration::ZERO)
    }
}

impl From<time::Duration> for Span {
    fn from(duration: time::Duration) -> Self {
        Self(duration)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong =
            || format!("`{text}` is no span of time: write it like 250ms, 2s, 5m, 26h, 3d or -90s");
        let (sign, rest) = text.trim().strip_prefix('-').map_or((1, text.trim()), |r| (-1, r));
        let unit_at = rest.find(|c: char| !c.is_ascii_digit()).ok_or_else(wrong)?;
        let (number, unit) = rest.split_at(unit_at);
        let number: i64 = number.parse().map_err(|_| wrong())?;
        let factor = match unit {
            "ms" => 1,
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => return Err(wrong()),
        };
        // A century is more than any scenario means, and keeps every later sum in range.
        number
            .checked_mul(factor)
            .filter(|ms| *ms <= 100 * 366 * 86_400_000)
            .map(|ms| Self::from_millis(sign * ms))
            .ok_or_else(wrong)
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ms = self.0.whole_milliseconds();
        for (factor, unit) in [(86_400_000, "d"), (3_600_000, "h"), (60_000, "m"), (1_000, "s")] {
            if ms != 0 && ms % factor == 0 {
                return write!(f, "{}{unit}", ms / factor);
            }
        }
        write!(f, "{ms}ms")
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written(PhantomData))
    }
}

/// An amount in major units with its currency.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Money {
    /// Major units, with the digits as written.
    pub amount: Decimal,
    /// ISO 4217.
    pub currency: String,
}

impl FromStr for Money {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = || format!("`{text}` is no amount: write it like 49.99 EUR");
        let (amount, currency) = text.trim().split_once(' ').ok_or_else(wrong)?;
        let amount = Decimal::from_str_exact(amount).map_err(|_| wrong())?;
        let is_code = currency.len() == 3 && currency.bytes().all(|b| b.is_ascii_uppercase());
        if is_code { Ok(Self { amount, currency: currency.to_owned() }) } else { Err(wrong()) }
    }
}

impl<'de> Deserialize<'de> for Money {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Written(PhantomData))
    }
}

/// Takes any single value as it is written, so that `5` is answered as a span without a unit and not as a number.
struct Written<T>(PhantomData<T>);

impl<T: FromStr<Err = String>> de::Visitor<'_> for Written<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a number with its unit")
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: de::Error>(self, number: f64) -> Result<T, E> {
        self.visit_str(&number.to_string())
    }
}

/// An offset from UTC as `+01:00`, `-03:30` or `Z`.
pub fn offset(text: &str) -> Option<time::UtcOffset> {
    if text == "Z" {
        return Some(time::UtcOffset::UTC);
    }
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = rest.split_once(':')?;
    let two_digits = |part: &str| part.len() == 2 && part.bytes().all(|b| b.is_ascii_digit());
    if !two_digits(hours) || !two_digits(minutes) {
        return None;
    }
    let (hours, minutes): (i8, i8) = (hours.parse().ok()?, minutes.parse().ok()?);
    (hours <= 14).then(|| time::UtcOffset::from_hms(sign * hours, sign * minutes, 0).ok()).flatten()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn spans_are_read_and_printed() {
        for text in ["250ms", "2s", "5m", "26h", "3d", "-90s"] {
            assert_eq!(text.parse::<Span>().unwrap().to_string(), text);
        }
        for text in ["", "5", "s", "1.5h", "5 s", "99999999999999999999s", "9999999d"] {
            text.parse::<Span>().unwrap_err();
        }
    }

    #[test]
    fn offsets_are_read() {
        let minutes = |text| offset(text).map(time::UtcOffset::whole_minutes);
        assert_eq!(minutes("+01:00"), Some(60));
        assert_eq!(minutes("-03:30"), Some(-210));
        assert_eq!(minutes("Z"), Some(0));
        for text in ["", "1", "+1:00", "01:00", "+25:00", "+01:99", "+é:00", "+0100"] {
            assert_eq!(minutes(text), None, "{text}");
        }
    }

    #[test]
    fn money_keeps_its_digits() {
        let money: Money = "12.345 KWD".parse().unwrap();
        assert_eq!(money.amount.to_string(), "12.345");
        for text in ["49,99 EUR", "49.99", "49.99 eur", "49.99 EURO", "EUR 49.99"] {
            text.parse::<Money>().unwrap_err();
        }
    }
}
