//! As much of JSON Schema as the schemas here use; any other keyword is a failure, so that none goes unread.
//! A whole validator would take longer to build than everything else that the tests need.

use serde_json::Value;

/// Keywords that say nothing about what is valid.
const NOTES: [&str; 7] =
    ["$schema", "$defs", "title", "description", "default", "examples", "format"];

/// Whether a value fits a schema within its document.
pub(super) fn fits(root: &Value, schema: &Value, value: &Value) -> bool {
    let Value::Object(keywords) = schema else { return schema == &Value::Bool(true) };
    keywords.iter().all(|(keyword, says)| holds(root, schema, keyword, says, value))
}

fn holds(root: &Value, schema: &Value, keyword: &str, says: &Value, value: &Value) -> bool {
    let fit = |schema: &Value, value: &Value| fits(root, schema, value);
    let list = |says: &Value| says.as_array().unwrap().clone();
    let matches = |pattern: &str, text: &str| regex::Regex::new(pattern).unwrap().is_match(text);
    let object = value.as_object();
    let items = value.as_array();
    match keyword {
        "$ref" => {
            let target = says.as_str().unwrap().trim_start_matches('#');
            fit(root.pointer(target).unwrap(), value)
        }
        "type" => match says {
            Value::Array(kinds) => kinds.iter().any(|kind| is_a(kind.as_str().unwrap(), value)),
            kind => is_a(kind.as_str().unwrap(), value),
        },
        "enum" => list(says).contains(value),
        "const" => says == value,
        "oneOf" => list(says).iter().filter(|schema| fit(schema, value)).count() == 1,
        "anyOf" => list(says).iter().any(|schema| fit(schema, value)),
        "allOf" => list(says).iter().all(|schema| fit(schema, value)),
        "required" => {
            object.is_none_or(|o| list(says).iter().all(|k| o.contains_key(k.as_str().unwrap())))
        }
        "properties" => object.is_none_or(|o| {
            let known = says.as_object().unwrap();
            known.iter().all(|(key, schema)| o.get(key).is_none_or(|value| fit(schema, value)))
        }),
        "patternProperties" => object.is_none_or(|o| {
            says.as_object().unwrap().iter().all(|(pattern, schema)| {
                o.iter().filter(|(key, _)| matches(pattern, key)).all(|(_, v)| fit(schema, v))
            })
        }),
        "additionalProperties" => object.is_none_or(|o| {
            let named = |key: &str| schema.get("properties").is_some_and(|p| p.get(key).is_some());
            let patterned = |key: &str| {
                let patterns = schema.get("patternProperties").and_then(Value::as_object);
                patterns.is_some_and(|p| p.keys().any(|pattern| matches(pattern, key)))
            };
            let other = |key: &str| !named(key) && !patterned(key);
            o.iter().filter(|(key, _)| other(key)).all(|(_, value)| fit(says, value))
        }),
        "items" => items.is_none_or(|items| items.iter().all(|item| fit(says, item))),
        "minItems" => items.is_none_or(|items| items.len() as u64 >= says.as_u64().unwrap()),
        "uniqueItems" => {
            items.is_none_or(|items| (1..items.len()).all(|i| !items[..i].contains(&items[i])))
        }
        "minLength" => {
            value.as_str().is_none_or(|t| t.chars().count() as u64 >= says.as_u64().unwrap())
        }
        "pattern" => value.as_str().is_none_or(|text| matches(says.as_str().unwrap(), text)),
        "minimum" => value.as_f64().is_none_or(|n| n >= says.as_f64().unwrap()),
        "maximum" => value.as_f64().is_none_or(|n| n <= says.as_f64().unwrap()),
        other => {
            assert!(NOTES.contains(&other), "the keyword `{other}` is not read by this test");
            true
        }
    }
}

fn is_a(kind: &str, value: &Value) -> bool {
    match kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "null" => value.is_null(),
        "integer" => value.is_i64() || value.is_u64(),
        "number" => value.is_number(),
        other => panic!("no kind `{other}`"),
    }
}
