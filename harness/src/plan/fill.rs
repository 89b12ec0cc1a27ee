//! `{fbclid}` in the texts of a scenario stands for the value that this case has under that name.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::scenario::select::closest;

/// Replaces every `{name}`. Braces that hold no name are left alone, so that JSON and regular expressions need no escapes.
pub(super) fn fill(text: &str, values: &BTreeMap<String, String>) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, braces) = rest.split_at(at);
        out.push_str(before);
        if let Some(after) = braces.strip_prefix("{{") {
            out.push('{');
            rest = after;
        } else if let Some(after) = braces.strip_prefix("}}") {
            out.push('}');
            rest = after;
        } else if let Some((name, after)) = braces
            .strip_prefix('{')
            .and_then(|inner| inner.split_once('}'))
            .filter(|(name, _)| is_name(name))
        {
            let value = values.get(name).ok_or_else(|| unknown(name, values))?;
            out.push_str(value);
            rest = after;
        } else {
            let (brace, after) = braces.split_at(1);
            out.push_str(brace);
            rest = after;
        }
    }
    out.push_str(rest);
    Ok(out)
}

/// The same in all texts of a JSON value, keys excepted.
pub(super) fn fill_json(value: &Value, values: &BTreeMap<String, String>) -> Result<Value, String> {
    Ok(match value {
        Value::String(text) => Value::String(fill(text, values)?),
        Value::Array(items) => {
            items.iter().map(|item| fill_json(item, values)).collect::<Result<_, _>>()?
        }
        Value::Object(fields) => fields
            .iter()
            .map(|(key, value)| Ok((key.clone(), fill_json(value, values)?)))
            .collect::<Result<_, String>>()?,
        other => other.clone(),
    })
}

/// `fbclid`, `_fbp`, `A.numeric_id`; not `3` or `2,5`, which are counts in regular expressions.
fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_')
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'.')
}

/// With the near ones named, and the short forms of all: `shopper.` and the control order's go without saying.
fn unknown(name: &str, values: &BTreeMap<String, String>) -> String {
    let spared = |known: &&str| !known.starts_with("shopper.") && !known.starts_with("sentinel.");
    let names: Vec<_> = values.keys().map(String::as_str).filter(spared).collect();
    let near = closest(name, names.iter().copied());
    let near = near.map(|near| format!("did you mean `{{{near}}}`? ")).unwrap_or_default();
    format!("there is no value `{{{name}}}`; {near}known: {}", names.join(", "))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn values() -> BTreeMap<String, String> {
        [("fbclid", "IwX"), ("A.numeric_id", "61")]
            .map(|(k, v)| (k.to_owned(), v.to_owned()))
            .into()
    }

    #[test]
    fn names_are_replaced_and_other_braces_left_alone() {
        for (text, filled) in [
            ("", ""),
            ("?fbclid={fbclid}&o={A.numeric_id}", "?fbclid=IwX&o=61"),
            ("[0-9]{3}{2,5}", "[0-9]{3}{2,5}"),
            (r#"{"a": "{fbclid}"}"#, r#"{"a": "IwX"}"#),
            ("{{fbclid}}", "{fbclid}"),
            ("} { é {", "} { é {"),
        ] {
            assert_eq!(fill(text, &values()).unwrap(), filled, "{text}");
        }
    }

    #[test]
    fn an_unknown_name_lists_the_known_ones() {
        let error = fill("{gclid}", &values()).unwrap_err();
        assert_eq!(
            error,
            "there is no value `{gclid}`; did you mean `{fbclid}`? known: A.numeric_id, fbclid"
        );
    }

    #[test]
    fn texts_inside_json_are_filled() {
        let patch = serde_json::json!({"note": "x {fbclid}", "list": [1, "{A.numeric_id}", null], "{fbclid}": true});
        let filled = fill_json(&patch, &values()).unwrap();
        assert_eq!(
            filled,
            serde_json::json!({"note": "x IwX", "list": [1, "61", null], "{fbclid}": true})
        );
    }
}
