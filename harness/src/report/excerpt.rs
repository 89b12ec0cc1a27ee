//! The part of a request's body that a finding is about: people read a screen, the JSON report has the whole.

use serde_json::Value;

use crate::text::plural;
use crate::verdict::Evidence;

/// Most lines of an excerpt, the marks for what was left out included.
pub const LINES: usize = 12;
/// Of them before the value that is meant.
const BEFORE: usize = 4;

/// Some lines of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// JSON pointer of the value whose lines these are; empty: the body as a whole.
    pub at: String,
    /// At most [`LINES`]; a line in the place of others begins with `...`.
    pub lines: Vec<String>,
    /// Nothing was left out.
    pub whole: bool,
}

/// The value at a JSON pointer within its parent object, or the beginning of the body where the pointer leads nowhere.
///
/// What is missing is shown by the object that lacks it. An object that is meant itself is shown from its beginning.
/// A place that is none of the body's (`?name`, `header:name`) leaves nothing to show of it.
pub fn excerpt(body: &str, at: Option<&str>) -> Excerpt {
    if at.is_some_and(|at| at.starts_with('?') || at.starts_with("header:")) {
        return Excerpt { at: String::new(), lines: Vec::new(), whole: body.is_empty() };
    }
    let parsed = at.and_then(|at| Some((serde_json::from_str::<Value>(body).ok()?, at)));
    let Some((root, at)) = parsed else { return head(body) };
    let found = Found::of(&root, at);
    let (lines, focus) = found.lines();
    let (shown, cut) = window(lines, focus);
    Excerpt { whole: found.pointer.is_empty() && !cut, at: found.pointer, lines: shown }
}

/// What people are told below an excerpt: of what it is a part, how long that is and where the whole can be read.
pub fn remainder(evidence: &Evidence, part: &Excerpt) -> String {
    let of = match part.at.as_str() {
        "" => String::new(),
        at => format!("{at} of "),
    };
    let kept = if evidence.is_cut { "its beginning" } else { "it" };
    let bytes = evidence.request_bytes;
    format!("({of}a body of {bytes} bytes; the JSON report has {kept} (--report json=FILE))")
}

/// Where a pointer leads.
struct Found<'a> {
    /// The object that is shown.
    object: &'a Value,
    /// Its pointer.
    pointer: String,
    /// The member of it that is meant.
    key: Option<String>,
}

impl<'a> Found<'a> {
    /// The innermost object around the value, as far as the pointer leads.
    fn of(root: &'a Value, at: &str) -> Self {
        let mut found = Self { object: root, pointer: String::new(), key: None };
        let (mut value, mut walked) = (root, String::new());
        for raw in at.split('/').skip(1) {
            let token = raw.replace("~1", "/").replace("~0", "~");
            let next = match value {
                Value::Object(map) => map.get(&token),
                Value::Array(list) => token.parse::<usize>().ok().and_then(|i| list.get(i)),
                _ => None,
            };
            let Some(next) = next else { break };
            walked.push('/');
            walked.push_str(raw);
            if next.is_object() {
                found = Self { object: next, pointer: walked.clone(), key: None };
            } else if value.is_object() {
                found.key = Some(token);
            }
            value = next;
        }
        found
    }

    /// All lines of the object, and the first and last of those that are meant.
    fn lines(&self) -> (Vec<String>, (usize, usize)) {
        let Value::Object(map) = self.object else {
            let lines = pretty(self.object);
            return (lines, (0, 0));
        };
        let mut lines = vec!["{".to_owned()];
        let mut focus = (0, 0);
        for (i, (key, value)) in map.iter().enumerate() {
            let begin = lines.len();
            let comma = if i + 1 < map.len() { "," } else { "" };
            let mut member = pretty(value);
            if let Some(first) = member.first_mut() {
                *first = format!("{}: {first}", Value::from(key.as_str()));
            }
            if let Some(last) = member.last_mut() {
                last.push_str(comma);
            }
            lines.extend(member.into_iter().map(|line| format!("  {line}")));
            if self.key.as_ref() == Some(key) {
                focus = (begin, lines.len() - 1);
            }
        }
        lines.push("}".to_owned());
        (lines, focus)
    }
}

/// The beginning of a body that is no JSON, or of which no part is meant.
fn head(body: &str) -> Excerpt {
    let lines = body.lines().map(str::to_owned).collect();
    let (lines, cut) = window(lines, (0, 0));
    Excerpt { at: String::new(), lines, whole: !cut }
}

fn pretty(value: &Value) -> Vec<String> {
    let text = serde_json::to_string_pretty(value).unwrap_or_default();
    text.lines().map(str::to_owned).collect()
}

/// Shortens at both ends around the lines that are meant. True if something was left out.
fn window(lines: Vec<String>, (first, last): (usize, usize)) -> (Vec<String>, bool) {
    if lines.len() <= LINES {
        return (lines, false);
    }
    // A mark at either end takes a line of its own.
    let room = LINES - 2;
    let wanted = (last - first + 1).min(room);
    let before = BEFORE.min(room - wanted);
    let begin = first.saturating_sub(before).min(lines.len() - room);
    let end = begin + room;
    let mark = |n: usize| format!("... {n} more line{}", plural(n));
    let mut shown = Vec::with_capacity(LINES);
    match begin {
        0 => {}
        // A mark would not be shorter than the line that it stands for.
        1 => shown.extend(lines.first().cloned()),
        n => shown.push(mark(n)),
    }
    shown.extend(lines.iter().take(end).skip(begin).cloned());
    match lines.len() - end {
        0 => {}
        1 => shown.extend(lines.last().cloned()),
        n => shown.push(mark(n)),
    }
    (shown, begin > 1 || lines.len() - end > 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn batch() -> String {
        let event = |n: usize| {
            json!({
                "event_name": "Purchase",
                "event_id": format!("order_{n}"),
                "user_data": {
                    "em": [format!("mail-{n}")],
                    "ph": [format!("phone-{n}")],
                    "fbc": format!("click-{n}"),
                    "fn": "x", "ln": "x", "ct": "x", "st": "x", "zp": "x", "country": "x", "external_id": "x",
                    "client_ip_address": "x", "client_user_agent": "x",
                },
                "custom_data": { "value": n, "currency": "EUR" },
            })
        };
        let events: Vec<Value> = (0..40).map(event).collect();
        serde_json::to_string_pretty(&json!({ "data": events })).unwrap_or_default()
    }

    #[test]
    fn the_value_that_is_meant_is_shown_in_its_object_wherever_it_stands() {
        let shown = excerpt(&batch(), Some("/data/37/user_data/country"));
        assert_eq!(shown.at, "/data/37/user_data");
        assert!(!shown.whole);
        assert!(shown.lines.len() <= LINES, "{shown:?}");
        assert!(shown.lines.iter().any(|line| line == "  \"country\": \"x\","), "{shown:?}");
        // Shortened at both ends, and it says by how much.
        assert_eq!(shown.lines.first().map(String::as_str), Some("... 8 more lines"));
        let shown = excerpt(&batch(), Some("/data/37/custom_data/value"));
        assert_eq!(shown.lines, ["{", "  \"value\": 37,", "  \"currency\": \"EUR\"", "}"]);
    }

    #[test]
    fn an_element_of_a_list_is_shown_with_the_member_that_holds_it() {
        let shown = excerpt(&batch(), Some("/data/37/user_data/ph/0"));
        assert_eq!(shown.at, "/data/37/user_data");
        assert!(shown.lines.iter().any(|line| line.contains("phone-37")), "{shown:?}");
    }

    #[test]
    fn what_is_missing_is_shown_by_the_object_that_lacks_it() {
        let shown = excerpt(&batch(), Some("/data/5/custom_data/order_id"));
        assert_eq!(shown.at, "/data/5/custom_data");
        assert!(shown.lines.iter().any(|line| line.contains("\"value\": 5")), "{shown:?}");
        let shown = excerpt(&batch(), Some("/data/99/event_id"));
        assert_eq!((shown.at.as_str(), shown.lines.len() <= LINES), ("", true));
    }

    #[test]
    fn without_a_place_the_body_is_shown_from_its_beginning() {
        for (body, at) in
            [(batch(), None), ("a=b&c=d".to_owned(), Some("/c")), (String::new(), None)]
        {
            let shown = excerpt(&body, at);
            assert!(shown.lines.len() <= LINES, "{shown:?}");
            assert_eq!(shown.whole, body.lines().count() <= LINES);
        }
        assert_eq!(excerpt("a=b&c=d", Some("/c")).lines, ["a=b&c=d"]);
    }

    #[test]
    fn a_place_outside_the_body_shows_nothing_of_it() {
        for at in ["?email", "header:x-note"] {
            let shown = excerpt(&batch(), Some(at));
            assert!(shown.lines.is_empty() && !shown.whole, "{shown:?}");
        }
    }

    #[test]
    fn names_with_slashes_and_tildes_are_found() {
        let body = json!({ "a/b": { "c~d": 1 } }).to_string();
        assert_eq!(excerpt(&body, Some("/a~1b/c~0d")).lines, ["{", "  \"c~d\": 1", "}"]);
    }
}
