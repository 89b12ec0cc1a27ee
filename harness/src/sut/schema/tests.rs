#![allow(clippy::unwrap_used)]
use serde::Deserialize as _;

use super::*;
use crate::{
    sut::load::parse_file,
    yaml::{Node, options},
};

mod valid;

fn is_valid(value: &Value) -> bool {
    static SCHEMA: std::sync::LazyLock<Value> = std::sync::LazyLock::new(|| profile().to_value());
    valid::fits(&SCHEMA, &SCHEMA, value)
}

/// The shipped profiles as plain JSON.
fn shipped() -> Vec<(String, Value)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("profiles");
    let read = |path: std::path::PathBuf| {
        let text = std::fs::read_to_string(&path).unwrap();
        let tree: Node = serde_saphyr::from_str_with_options(&text, options()).unwrap();
        (path.file_name().unwrap().to_string_lossy().into_owned(), tree.to_json())
    };
    std::fs::read_dir(folder).unwrap().map(|entry| read(entry.unwrap().path())).collect()
}

fn loads(value: &Value) -> bool {
    // JSON is YAML.
    parse_file("p", &value.to_string(), |_| Some("whsec_x".into())).is_ok()
}

#[test]
fn every_shipped_profile_is_valid() {
    let all = shipped();
    assert!(all.len() >= 12);
    for (name, value) in all {
        assert!(is_valid(&value), "{name}");
    }
}

#[test]
fn the_known_words_are_listed() {
    let text = profile().to_value().to_string();
    for word in
        ["base_url", "proxy", "as_needed", "withhold", "delivery_log", "subtotal", "landing_site"]
    {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
    for id in FORMATS.iter().map(|f| f.id()).chain(counting().map(Platform::id)) {
        assert!(text.contains(&format!("\"{id}\"")), "{id}");
    }
    // A field says what it means, in the words of the type.
    assert!(text.contains("Time after which silence means silence."));
}

/// All ways to a value within a document.
fn pointers(value: &Value, at: &str, all: &mut Vec<String>) {
    let escaped = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        Value::Object(map) => {
            map.iter().for_each(|(key, v)| pointers(v, &format!("{at}/{}", escaped(key)), all));
        }
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(i, v)| pointers(v, &format!("{at}/{i}"), all));
        }
        _ => {}
    }
    all.push(at.to_owned());
}

/// Each document with one mistake in it: a key too many, a key too few, a value of another kind.
fn mistakes(value: &Value) -> Vec<(String, Value)> {
    let mut all = Vec::new();
    pointers(value, "", &mut all);
    let mut changed = Vec::new();
    for at in all {
        let mut with = |what: &str, change: &dyn Fn(&mut Value)| {
            let mut copy = value.clone();
            change(copy.pointer_mut(&at).unwrap());
            changed.push((format!("{what} at {at}"), copy));
        };
        for other in [json!(7), json!("zzz"), json!(["zzz"]), json!({ "zzz": "zzz" }), json!(true)]
        {
            with(&format!("{other}"), &|value| *value = other.clone());
        }
        if let Some(Value::Object(map)) = value.pointer(&at) {
            with("zzz", &|value| {
                value["zzz"] = "zzz".into();
            });
            for key in map.keys() {
                with(&format!("no {key}"), &|v| drop(v.as_object_mut().unwrap().shift_remove(key)));
            }
        }
    }
    changed
}

#[test]
fn what_loads_is_never_marked_and_what_the_types_refuse_always_is() {
    let mut seen = 0;
    for (name, value) in shipped() {
        for (mistake, changed) in mistakes(&value) {
            seen += 1;
            let valid = is_valid(&changed);
            // A number where a text belongs is read as text; an editor asks for quotes, and may.
            let unquoted = ["7 at", "true at"].iter().any(|what| mistake.starts_with(what));
            if !valid && !unquoted {
                assert!(!loads(&changed), "{name}, {mistake}: loads, but an editor marks it");
            }
            if Profile::deserialize(&changed).is_err() {
                assert!(!valid, "{name}, {mistake}: refused, but an editor does not mark it");
            }
        }
    }
    assert!(seen > 2_000, "{seen}");
}
