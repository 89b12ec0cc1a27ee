//! Holding a body against its format's published rules: which field has to be what.

use rust_decimal::Decimal;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

/// A body and what was found to be wrong with it.
#[derive(Debug)]
pub(super) struct Inspection<'a> {
    body: &'a Value,
    wrong: Vec<String>,
}

impl<'a> Inspection<'a> {
    pub(super) fn of(body: &'a Value) -> Self {
        Self { body, wrong: Vec::new() }
    }

    /// The field has to be there and to be this.
    pub(super) fn need(&mut self, pointer: &str, what: &str, holds: impl Fn(&Value) -> bool) {
        if !self.body.pointer(pointer).is_some_and(holds) {
            self.wrong.push(format!("{pointer} has to be {what}"));
        }
    }

    /// The field may be missing or null; else it has to be this.
    pub(super) fn allow(&mut self, pointer: &str, what: &str, holds: impl Fn(&Value) -> bool) {
        let given = self.body.pointer(pointer).filter(|value| !value.is_null());
        if !given.is_none_or(holds) {
            self.wrong.push(format!("{pointer} has to be {what}, or nothing"));
        }
    }

    /// Every one of these fields has to be a text.
    pub(super) fn texts(&mut self, pointers: &[&str]) {
        for pointer in pointers {
            self.need(pointer, "a text", Value::is_string);
        }
    }

    /// Every one of these fields has to be a number.
    pub(super) fn numbers(&mut self, pointers: &[&str]) {
        for pointer in pointers {
            self.need(pointer, "a number", Value::is_number);
        }
    }

    /// The field has to be one of these words.
    pub(super) fn one_of(&mut self, pointer: &str, words: &[&str]) {
        let what = format!("one of {}", words.join(", "));
        self.need(pointer, &what, |value| value.as_str().is_some_and(|text| words.contains(&text)));
    }

    /// A rule that is about more than one field.
    pub(super) fn rule(&mut self, holds: bool, otherwise: impl Into<String>) {
        if !holds {
            self.wrong.push(otherwise.into());
        }
    }

    pub(super) fn wrong(self) -> Vec<String> {
        self.wrong
    }
}

/// Decimal text with a dot.
pub(super) fn is_money(value: &Value) -> bool {
    value.as_str().is_some_and(|text| Decimal::from_str_exact(text).is_ok())
}

/// ISO 4217 in capitals.
pub(super) fn is_currency(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 3 && text.bytes().all(|b| b.is_ascii_uppercase()))
}

/// RFC 3339 with its offset.
pub(super) fn is_time(value: &Value) -> bool {
    value.as_str().is_some_and(|text| OffsetDateTime::parse(text, &Rfc3339).is_ok())
}

/// A text with something in it, no longer than this many bytes.
pub(super) fn is_text_within(value: &Value, limit: usize) -> bool {
    value.as_str().is_some_and(|text| !text.is_empty() && text.len() <= limit)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_missing_or_of_another_kind_is_named() {
        let body = json!({"id": "7", "total": "1.50", "at": null, "state": "odd", "n": {"m": 1}});
        let mut seen = Inspection::of(&body);
        seen.need("/id", "an integer", Value::is_u64);
        seen.need("/total", "decimal text", is_money);
        seen.allow("/at", "a time", is_time);
        seen.allow("/id", "a time", is_time);
        seen.texts(&["/id", "/nowhere"]);
        seen.numbers(&["/n/m", "/id"]);
        seen.one_of("/state", &["paid", "open"]);
        seen.rule(false, "both or neither");
        assert_eq!(
            seen.wrong(),
            [
                "/id has to be an integer",
                "/id has to be a time, or nothing",
                "/nowhere has to be a text",
                "/id has to be a number",
                "/state has to be one of paid, open",
                "both or neither",
            ]
        );
    }

    #[test]
    fn the_predicates_are_strict() {
        assert!(is_money(&json!("0.10")) && !is_money(&json!(0.1)) && !is_money(&json!("1,5")));
        assert!(is_currency(&json!("EUR")) && !is_currency(&json!("eur")));
        assert!(is_time(&json!("2026-03-29T03:30:00+02:00")));
        assert!(!is_time(&json!("2026-03-29T03:30:00")));
        assert!(is_text_within(&json!("ab"), 2) && !is_text_within(&json!(""), 2));
    }
}
