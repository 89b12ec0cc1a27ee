//! Loosely typed values as they are sent, and the list of rules they break. Shared by the platforms whose bodies
//! are free-form JSON.

use rust_decimal::Decimal;
use serde_json::Value;
use time::OffsetDateTime;

use crate::platforms::Violation;

/// Most violations kept for one request: a hostile body must not make an endless report.
const MOST_VIOLATIONS: usize = 100;
/// Most values read from one list.
const MOST_VALUES: usize = 100;
/// Longest excerpt of a value in a message, in characters.
const EXCERPT: usize = 80;

/// The value, unless it is null, empty text, or holds nothing but such values.
pub(crate) fn present(value: &Value) -> Option<&Value> {
    let has_something = match value {
        Value::Null => false,
        Value::String(text) => !text.trim().is_empty(),
        Value::Array(items) => items.iter().any(|item| present(item).is_some()),
        Value::Object(fields) => !fields.is_empty(),
        Value::Bool(_) | Value::Number(_) => true,
    };
    has_something.then_some(value)
}

/// A field of an object, if it is [`present`].
pub(crate) fn field<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    object.get(name).and_then(present)
}

/// Text or number as text.
pub(crate) fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// A field as text.
pub(crate) fn text_field(object: &Value, name: &str) -> Option<String> {
    field(object, name).and_then(text)
}

/// The texts of a value that may be one or a list of them, with the JSON pointer below `at` of each.
pub(crate) fn texts(value: &Value, at: &str) -> Vec<(String, String)> {
    match value {
        Value::Array(items) => items
            .iter()
            .enumerate()
            .filter_map(|(i, item)| Some((format!("{at}/{i}"), text(present(item)?)?)))
            .take(MOST_VALUES)
            .collect(),
        one => {
            present(one).and_then(text).map(|found| (at.to_owned(), found)).into_iter().collect()
        }
    }
}

/// A JSON number or a numeric text, exactly as written.
pub(crate) fn decimal(value: &Value) -> Option<Decimal> {
    let written = text(value)?;
    let written = written.trim();
    Decimal::from_str_exact(written).or_else(|_| Decimal::from_scientific(written)).ok()
}

/// A whole number, also one written as text or with a zero fraction.
pub(crate) fn whole(value: &Value) -> Option<i64> {
    let number = decimal(value)?;
    if number.fract().is_zero() { i64::try_from(number.trunc()).ok() } else { None }
}

/// A moment given in Unix seconds, if it is one within the calendar.
pub(crate) fn unix_seconds(seconds: i64) -> Option<OffsetDateTime> {
    OffsetDateTime::from_unix_timestamp(seconds).ok()
}

/// The beginning of a text, for messages.
pub(crate) fn excerpt(text: &str) -> String {
    let mut short: String = text.chars().take(EXCERPT).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}

/// Broken rules of one request, each once per place, bounded.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    broken: Vec<Violation>,
}

impl Findings {
    /// Notes a broken rule that the platform does not mind.
    pub(crate) fn note(
        &mut self,
        rule: &'static str,
        item: Option<usize>,
        at: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Violation { rule, item, at: at.into(), message: message.into(), refused: false });
    }

    /// Notes a broken rule because of which the platform refuses the request.
    pub(crate) fn refuse(
        &mut self,
        rule: &'static str,
        item: Option<usize>,
        at: impl Into<String>,
        message: impl Into<String>,
    ) {
        self.add(Violation { rule, item, at: at.into(), message: message.into(), refused: true });
    }

    fn add(&mut self, new: Violation) {
        if self
            .broken
            .iter()
            .any(|old| old.rule == new.rule && old.item == new.item && old.at == new.at)
        {
            return;
        }
        if self.broken.len() < MOST_VIOLATIONS {
            self.broken.push(new);
        } else if new.refused && !self.broken.iter().any(|old| old.refused) {
            // The bound must not turn a refusal into an acceptance.
            self.broken.pop();
            self.broken.push(new);
        }
    }

    /// True if nothing that is found from now on could change what is known.
    pub(crate) fn is_full(&self) -> bool {
        self.broken.len() >= MOST_VIOLATIONS && self.broken.iter().any(|old| old.refused)
    }

    /// All of them, in the order in which the platform would notice.
    pub(crate) fn into_broken(self) -> Vec<Violation> {
        self.broken
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn nothing_is_absent_in_every_spelling() {
        for nothing in [
            json!(null),
            json!(""),
            json!("  "),
            json!([]),
            json!([null]),
            json!(["", null]),
            json!({}),
        ] {
            assert_eq!(present(&nothing), None, "{nothing}");
        }
        assert!(present(&json!(0)).is_some() && present(&json!(false)).is_some());
    }

    #[test]
    fn numbers_keep_their_digits() {
        assert_eq!(decimal(&json!(49.99)).unwrap().to_string(), "49.99");
        assert_eq!(decimal(&json!("49.90")).unwrap().to_string(), "49.90");
        assert_eq!(decimal(&json!(1e300)), None);
        assert_eq!(decimal(&json!("49,99")), None);
        assert_eq!(whole(&json!("1767225600")), Some(1_767_225_600));
        assert_eq!(whole(&json!(1.5)), None);
        assert_eq!(unix_seconds(i64::MAX), None);
    }

    #[test]
    fn findings_are_bounded_and_keep_the_refusal() {
        let mut findings = Findings::default();
        for i in 0..1000 {
            findings.note("X", Some(i), "/", "m");
            findings.note("X", Some(i), "/", "m");
        }
        findings.refuse("Y", None, "/", "m");
        let broken = findings.into_broken();
        assert_eq!(broken.len(), MOST_VIOLATIONS);
        assert!(broken.iter().any(|violation| violation.refused));
    }
}
