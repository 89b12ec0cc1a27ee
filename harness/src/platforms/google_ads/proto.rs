//! Protobuf messages written as JSON, read as Google's front end reads them: names in camelCase or snake_case, enums as
//! names or numbers, 64-bit integers as strings or numbers, `null` as absent, unknown names refused.
//!
//! Shared by the Google Ads API and the Data Manager API. The outcome is one canonical value (camelCase names, enum
//! names) that the rest of a simulator reads without caring how a client wrote it.
//! See <https://protobuf.dev/programming-guides/json/>.

mod reader;

use serde_json::{Map, Value};

use self::reader::Reader;

/// Type of a field.
#[derive(Debug)]
pub(crate) enum Kind {
    Text,
    Bool,
    Double,
    Int,
    /// Names with their numbers.
    Enum(&'static [(&'static str, i64)]),
    /// `google.protobuf.Timestamp`.
    Timestamp,
    Message(&'static Message),
    /// Not modelled: taken as it is.
    Any,
}

/// One field of a message.
#[derive(Debug)]
pub(crate) struct Field {
    name: &'static str,
    kind: Kind,
    repeated: bool,
    oneof: Option<&'static str>,
}

impl Field {
    pub(crate) const fn one(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, repeated: false, oneof: None }
    }

    pub(crate) const fn many(name: &'static str, kind: Kind) -> Self {
        Self { name, kind, repeated: true, oneof: None }
    }

    /// The same field as a member of a oneof.
    pub(crate) const fn of(self, oneof: &'static str) -> Self {
        Self { name: self.name, kind: self.kind, repeated: self.repeated, oneof: Some(oneof) }
    }
}

/// A message: its fields, and whether names beyond them are let through because we do not know them all.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) fields: &'static [Field],
    pub(crate) open: bool,
}

/// What the front end does not take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// JSON pointer into the body as sent.
    pub(crate) at: String,
    /// The path as error answers write it: `conversions[0].order_id`.
    pub(crate) field: String,
    pub(crate) kind: FaultKind,
    /// The front end's own wording.
    pub(crate) message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FaultKind {
    /// No JSON object at all.
    Syntax,
    UnknownName,
    OneofTwice,
    Enum,
    Timestamp,
    Type,
}

/// A body that was read: what was sent, its canonical form, and what the front end refuses.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) sent: Value,
    pub(crate) canonical: Value,
    pub(crate) faults: Vec<Fault>,
}

impl Body {
    /// Translates a pointer into the canonical value to one into the body as sent.
    pub(crate) fn pointer(&self, canonical: &str) -> String {
        let mut at = String::new();
        let mut here = Some(&self.sent);
        for segment in canonical.split('/').skip(1) {
            let name = match here {
                Some(Value::Object(members)) if !members.contains_key(segment) => {
                    let other = snake(segment);
                    if members.contains_key(&other) { other } else { segment.to_owned() }
                }
                _ => segment.to_owned(),
            };
            here = match here {
                Some(Value::Object(members)) => members.get(&name),
                Some(Value::Array(list)) => name.parse().ok().and_then(|i: usize| list.get(i)),
                _ => None,
            };
            at.push('/');
            at.push_str(&name);
        }
        at
    }
}

/// Reads a body against a message.
pub(crate) fn read(text: &str, message: &'static Message) -> Body {
    let sent = match serde_json::from_str::<Value>(text) {
        Ok(value @ Value::Object(_)) => value,
        Ok(_) => {
            return broken(
                "Invalid JSON payload received. Unexpected token: an object is expected.",
            );
        }
        Err(error) => {
            return broken(&format!(
                "Invalid JSON payload received. Unexpected token at line {}, column {}.",
                error.line(),
                error.column()
            ));
        }
    };
    let mut reader = Reader::default();
    let canonical = reader.message(&sent, message);
    Body { sent, canonical, faults: reader.faults }
}

fn broken(message: &str) -> Body {
    let fault = Fault {
        at: String::new(),
        field: String::new(),
        kind: FaultKind::Syntax,
        message: message.to_owned(),
    };
    let empty = Value::Object(Map::new());
    Body { sent: empty.clone(), canonical: empty, faults: vec![fault] }
}

/// `orderId` → `order_id`.
pub(crate) fn snake(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            out.push('_');
            out.push(c.to_ascii_lowercase());
        } else {
            out.push(c);
        }
    }
    out
}

/// A pointer into the canonical value as error answers write it: `/conversions/1/orderId` → `conversions[1].order_id`.
pub(crate) fn error_path(pointer: &str) -> String {
    let mut out = String::new();
    for segment in pointer.split('/').skip(1) {
        if segment.bytes().all(|b| b.is_ascii_digit()) && !out.is_empty() {
            out.push_str(&format!("[{segment}]"));
        } else {
            if !out.is_empty() {
                out.push('.');
            }
            out.push_str(&snake(segment));
        }
    }
    out
}

/// At most 60 characters, for messages.
pub(crate) fn short(text: &str) -> String {
    match text.char_indices().nth(60) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// A text member that is there and not empty.
pub(crate) fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str).filter(|s| !s.is_empty())
}

/// A list member; empty if absent.
pub(crate) fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value.get(name).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// A double as an exact decimal: the digits as written, as far as JSON keeps them.
pub(crate) fn decimal(value: &Value, name: &str) -> Option<rust_decimal::Decimal> {
    let written = match value.get(name)? {
        Value::Number(n) => n.to_string(),
        Value::String(text) => text.clone(),
        _ => return None,
    };
    written
        .parse()
        .or_else(|_| rust_decimal::Decimal::from_scientific(&written))
        .ok()
        .map(|d: rust_decimal::Decimal| d.normalize())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    static CHILD: Message = Message {
        fields: &[
            Field::one("hashedEmail", Kind::Text).of("identifier"),
            Field::one("hashedPhone", Kind::Text).of("identifier"),
            Field::one("state", Kind::Enum(&[("NONE", 0), ("GRANTED", 2)])),
        ],
        open: false,
    };
    static ROOT: Message = Message {
        fields: &[
            Field::many("userIdentifiers", Kind::Message(&CHILD)),
            Field::one("orderId", Kind::Text),
            Field::one("jobId", Kind::Int),
            Field::one("at", Kind::Timestamp),
            Field::one("value", Kind::Double),
        ],
        open: false,
    };

    #[test]
    fn both_spellings_and_both_enum_forms_come_out_the_same() {
        let camel =
            read(r#"{"userIdentifiers":[{"state":"GRANTED"}],"orderId":"a","jobId":"7"}"#, &ROOT);
        let snake = read(r#"{"user_identifiers":[{"state":2}],"order_id":"a","job_id":7}"#, &ROOT);
        assert!(camel.faults.is_empty() && snake.faults.is_empty());
        assert_eq!(camel.canonical, snake.canonical);
        assert_eq!(snake.pointer("/userIdentifiers/0/state"), "/user_identifiers/0/state");
    }

    #[test]
    fn faults_carry_the_front_ends_wording_and_place() {
        let body = read(
            r#"{"userIdentifiers":[{"hashedEmail":"a","hashedPhone":"b"},{"x":1}],"orderId":1001,"at":"2026-11-20 10:00:00+01:00"}"#,
            &ROOT,
        );
        let kinds: Vec<_> = body.faults.iter().map(|f| f.kind).collect();
        assert_eq!(
            kinds,
            [FaultKind::OneofTwice, FaultKind::UnknownName, FaultKind::Type, FaultKind::Timestamp]
        );
        let [_, unknown, kind, _] = body.faults.as_slice() else { panic!("four faults") };
        assert_eq!(
            unknown.message,
            "Invalid JSON payload received. Unknown name \"x\" at 'user_identifiers[1]': Cannot find field."
        );
        assert_eq!((kind.at.as_str(), kind.field.as_str()), ("/orderId", "order_id"));
    }

    #[test]
    fn null_is_absent_and_values_keep_their_digits() {
        let body = read(r#"{"orderId":null,"value":12345678901.23}"#, &ROOT);
        assert!(body.faults.is_empty());
        assert_eq!(body.canonical, json!({"value": 12345678901.23}));
        assert_eq!(decimal(&body.canonical, "value").unwrap().to_string(), "12345678901.23");
    }

    #[test]
    fn bodies_that_are_no_object_are_one_fault() {
        for text in ["", "[]", "nul", "\"x\"", "{\"a\":"] {
            assert_eq!(read(text, &ROOT).faults.len(), 1, "{text}");
        }
    }
}
