//! How JSON is written. Receivers must verify the bytes they got, so the same document goes out in several layouts.

use serde_json::Value;

use crate::scenario::Layout;

/// The document in this layout.
pub fn write(value: &Value, layout: Layout) -> String {
    match layout {
        Layout::Minified => value.to_string(),
        // Writing a `Value` to a string cannot fail; if it ever did, the plain form is still the same document.
        Layout::Pretty => serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string()),
        Layout::Unusual => {
            let mut out = String::new();
            unusual(value, &mut out);
            out
        }
    }
}

/// Keys in reverse order, spaces after separators, `\u` and `\/` escapes. Whole numbers stay as they are: ids have
/// to be exact in every layout. Fractions keep a `.0` that a receiver would lose by writing the document again.
fn unusual(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            out.push_str("{ ");
            for (i, (key, value)) in map.iter().rev().enumerate() {
                if i > 0 {
                    out.push_str(" , ");
                }
                text(key, out);
                out.push_str(" : ");
                unusual(value, out);
            }
            out.push_str(" }");
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                unusual(item, out);
            }
            out.push(']');
        }
        Value::String(string) => text(string, out),
        Value::Null | Value::Bool(_) | Value::Number(_) => out.push_str(&value.to_string()),
    }
}

fn text(string: &str, out: &mut String) {
    out.push('"');
    for c in string.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '/' => out.push_str("\\/"),
            ' '..='~' => out.push(c),
            _ => {
                let mut units = [0; 2];
                for unit in c.encode_utf16(&mut units) {
                    out.push_str(&format!("\\u{unit:04x}"));
                }
            }
        }
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use serde_json::json;

    use super::*;

    #[test]
    fn every_layout_is_the_same_document_in_other_bytes() {
        let document = json!({"id": 9_007_199_254_740_993_u64, "town": "Köln 🏬", "path": "/a\"b\\\n",
            "at": {"latitude": 52.0, "list": [1, null, true]}, "none": {}, "empty": []});
        let written: Vec<String> = [Layout::Minified, Layout::Pretty, Layout::Unusual]
            .into_iter()
            .map(|layout| write(&document, layout))
            .collect();
        for text in &written {
            assert_eq!(serde_json::from_str::<Value>(text).unwrap(), document);
            assert!(text.contains("9007199254740993") && text.contains("52.0"), "{text}");
        }
        assert_ne!(written[0], written[1]);
        assert_ne!(written[0], written[2]);
        assert!(written[2].is_ascii());
    }
}
