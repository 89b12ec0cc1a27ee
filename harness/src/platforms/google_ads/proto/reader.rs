//! Walks a JSON value along a message and writes down what the front end refuses.

use serde_json::{Map, Value};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::{Fault, FaultKind, Field, Kind, Message, short, snake};

/// Faults reported per request; more of them say nothing new.
const FAULT_LIMIT: usize = 100;

enum Step {
    Name(String),
    Index(usize),
}

/// The canonical form so far, and the place that is read.
#[derive(Default)]
pub(super) struct Reader {
    path: Vec<Step>,
    pub(super) faults: Vec<Fault>,
}

impl Reader {
    fn fault(&mut self, kind: FaultKind, message: impl FnOnce(&str) -> String) {
        if self.faults.len() >= FAULT_LIMIT {
            return;
        }
        let mut at = String::new();
        let mut field = String::new();
        for step in &self.path {
            match step {
                Step::Name(name) => {
                    at.push('/');
                    at.push_str(&name.replace('~', "~0").replace('/', "~1"));
                    if !field.is_empty() {
                        field.push('.');
                    }
                    field.push_str(&snake(name));
                }
                Step::Index(index) => {
                    at.push_str(&format!("/{index}"));
                    field.push_str(&format!("[{index}]"));
                }
            }
        }
        let message = message(&field);
        self.faults.push(Fault { at, field, kind, message });
    }

    /// The canonical form of a message.
    pub(super) fn message(&mut self, value: &Value, message: &'static Message) -> Value {
        let Value::Object(members) = value else {
            self.wrong_type("message", value);
            return Value::Object(Map::new());
        };
        let mut out = Map::new();
        let mut taken: Vec<&'static str> = Vec::new();
        for (name, value) in members {
            let known = message.fields.iter().find(|f| f.name == name || snake(f.name) == *name);
            let Some(field) = known else {
                if message.open {
                    out.insert(name.clone(), value.clone());
                } else {
                    self.unknown(name);
                }
                continue;
            };
            if value.is_null() {
                continue;
            }
            self.path.push(Step::Name(name.clone()));
            if let Some(oneof) = field.oneof {
                if taken.contains(&oneof) {
                    self.fault(FaultKind::OneofTwice, |at| {
                        format!("Invalid value at '{at}' (oneof), oneof field '{oneof}' is already set. Cannot set '{}'", field.name)
                    });
                    self.path.pop();
                    continue;
                }
                taken.push(oneof);
            }
            if let Some(read) = self.field(value, field) {
                out.insert(field.name.to_owned(), read);
            }
            self.path.pop();
        }
        Value::Object(out)
    }

    fn unknown(&mut self, name: &str) {
        let shown = short(name);
        self.fault(FaultKind::UnknownName, |at| {
            let place = if at.is_empty() { String::new() } else { format!(" at '{at}'") };
            format!(
                "Invalid JSON payload received. Unknown name \"{shown}\"{place}: Cannot find field."
            )
        });
    }

    fn field(&mut self, value: &Value, field: &'static Field) -> Option<Value> {
        if !field.repeated {
            return self.value(value, &field.kind);
        }
        let Value::Array(list) = value else {
            self.wrong_type("list", value);
            return None;
        };
        let mut out = Vec::with_capacity(list.len());
        for (index, value) in list.iter().enumerate() {
            self.path.push(Step::Index(index));
            // A member that cannot be read keeps its place, so that indexes stay those of the request.
            out.push(self.value(value, &field.kind).unwrap_or(Value::Null));
            self.path.pop();
        }
        Some(Value::Array(out))
    }

    fn value(&mut self, value: &Value, kind: &'static Kind) -> Option<Value> {
        match kind {
            Kind::Any => return Some(value.clone()),
            Kind::Message(message) => return Some(self.message(value, message)),
            Kind::Text if value.is_string() => return Some(value.clone()),
            Kind::Bool => match value {
                Value::Bool(_) => return Some(value.clone()),
                Value::String(text) if text == "true" || text == "false" => {
                    return Some(Value::Bool(text == "true"));
                }
                _ => {}
            },
            Kind::Double => match value {
                Value::Number(_) => return Some(value.clone()),
                Value::String(text) if text.parse::<f64>().is_ok_and(f64::is_finite) => {
                    return Some(value.clone());
                }
                _ => {}
            },
            Kind::Int => match value {
                Value::Number(n) if n.is_i64() || n.is_u64() => {
                    return Some(Value::String(n.to_string()));
                }
                Value::String(text) if text.parse::<i64>().is_ok() => return Some(value.clone()),
                _ => {}
            },
            Kind::Enum(names) => {
                let found = match value {
                    Value::String(text) => names.iter().find(|(name, _)| name == text),
                    Value::Number(n) => {
                        names.iter().find(|(_, number)| n.as_i64() == Some(*number))
                    }
                    _ => None,
                };
                if let Some((name, _)) = found {
                    return Some(Value::String((*name).to_owned()));
                }
                let shown = short(&value.to_string());
                self.fault(FaultKind::Enum, |at| {
                    format!("Invalid value at '{at}' (TYPE_ENUM), {shown}")
                });
                return None;
            }
            Kind::Timestamp => {
                let text = value.as_str().unwrap_or_default();
                // The parser is more lenient than the platform: it takes a blank for the `T`, and small letters.
                let strict = text.as_bytes().get(10) == Some(&b'T')
                    && !text.bytes().any(|b| b.is_ascii_lowercase());
                if strict && OffsetDateTime::parse(text, &Rfc3339).is_ok() {
                    return Some(value.clone());
                }
                let shown = short(&value.to_string());
                self.fault(FaultKind::Timestamp, |at| {
                    format!(
                        "Invalid value at '{at}' (type.googleapis.com/google.protobuf.Timestamp), \
                         illegal timestamp format; timestamps must end with 'Z' or have a valid offset: {shown}"
                    )
                });
                return None;
            }
            Kind::Text => {}
        }
        self.wrong_type(
            match kind {
                Kind::Text => "TYPE_STRING",
                Kind::Bool => "TYPE_BOOL",
                Kind::Double => "TYPE_DOUBLE",
                _ => "TYPE_INT64",
            },
            value,
        );
        None
    }

    fn wrong_type(&mut self, wanted: &str, value: &Value) {
        let shown = match value {
            Value::Object(_) => "an object".to_owned(),
            Value::Array(_) => "a list".to_owned(),
            other => short(&other.to_string()),
        };
        self.fault(FaultKind::Type, |at| format!("Invalid value at '{at}' ({wanted}), {shown}"));
    }
}
