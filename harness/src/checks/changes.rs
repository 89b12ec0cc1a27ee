//! What differs between two JSON values, field by field, for people.

use serde_json::Value;

/// Fields that are named; more are counted.
const NAMED: usize = 3;

/// One field that differs: its JSON pointer and its value on either side, `None` where it is missing.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Change<'a> {
    pub(super) pointer: String,
    pub(super) before: Option<&'a Value>,
    pub(super) after: Option<&'a Value>,
}

impl Change<'_> {
    /// The last name of the pointer; empty for the whole value.
    fn name(&self) -> &str {
        self.pointer.rsplit_once('/').map_or("", |(_, name)| name)
    }
}

/// Every innermost field that differs, in the order in which they stand; those that are new come last.
pub(super) fn changes<'a>(before: &'a Value, after: &'a Value) -> Vec<Change<'a>> {
    let mut found = Vec::new();
    collect(String::new(), Some(before), Some(after), &mut found);
    found
}

fn collect<'a>(
    pointer: String,
    before: Option<&'a Value>,
    after: Option<&'a Value>,
    found: &mut Vec<Change<'a>>,
) {
    let below = |name: &str| format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"));
    match (before, after) {
        (before, after) if before == after => {}
        (Some(Value::Object(old)), Some(Value::Object(new))) => {
            let added = new.keys().filter(|name| !old.contains_key(*name));
            for name in old.keys().chain(added) {
                collect(below(name), old.get(name), new.get(name), found);
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) => {
            for i in 0..old.len().max(new.len()) {
                collect(below(&i.to_string()), old.get(i), new.get(i), found);
            }
        }
        _ => found.push(Change { pointer, before, after }),
    }
}

/// Both sides of the first few changes, each as `/user_data/fbc "fb.1.2.x"; /value 3`. `show` puts the value of a field
/// with this name into words.
pub(super) fn sides(
    changes: &[Change<'_>],
    show: impl Fn(&str, &Value) -> String,
) -> (String, String) {
    let side = |value: &dyn Fn(&Change<'_>) -> Option<String>| {
        let mut all: Vec<String> = changes
            .iter()
            .take(NAMED)
            .map(|change| {
                let shown = value(change).unwrap_or_else(|| "(absent)".to_owned());
                format!("{} {shown}", change.pointer).trim_start().to_owned()
            })
            .collect();
        match changes.len().saturating_sub(NAMED) {
            0 => {}
            more => all.push(format!("and {more} more")),
        }
        all.join("; ")
    };
    let before = side(&|change| Some(show(change.name(), change.before?)));
    let after = side(&|change| Some(show(change.name(), change.after?)));
    (before, after)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_fields_that_differ_are_named_wherever_they_stand() {
        let before = json!({ "a": 1, "user": { "em": ["x", "y"], "fbc": "old" }, "gone": true });
        let after = json!({ "a": 1, "user": { "em": ["x"], "fbc": "new" }, "a/b": null });
        let found = changes(&before, &after);
        let pointers: Vec<&str> = found.iter().map(|change| change.pointer.as_str()).collect();
        assert_eq!(pointers, ["/user/em/1", "/user/fbc", "/gone", "/a~1b"]);
        let (was, is) = sides(&found, |_, value| value.to_string());
        assert_eq!(was, r#"/user/em/1 "y"; /user/fbc "old"; /gone true; and 1 more"#);
        assert_eq!(is, r#"/user/em/1 (absent); /user/fbc "new"; /gone (absent); and 1 more"#);
    }

    #[test]
    fn what_is_no_object_differs_as_a_whole() {
        let (before, after) = (json!("a=1"), json!("a=2"));
        let found = changes(&before, &after);
        assert_eq!(sides(&found, |_, v| v.to_string()), ("\"a=1\"".into(), "\"a=2\"".into()));
        assert!(changes(&before, &before).is_empty());
    }
}
