//! Whom each event of a request belongs to, by the tracers found in it.

use serde_json::Value;

use crate::{
    exchange::{Owner, Request},
    plan::tracers::Index,
    platforms::{Platform, Reading},
};

/// Most texts looked up for one event: a real one has a few dozen.
const TEXT_LIMIT: usize = 4_096;

/// Headers about the connection: their numbers are nobody's order.
const OF_THE_CONNECTION: [&str; 6] =
    ["connection", "content-length", "content-type", "date", "host", "transfer-encoding"];

/// Shortest number that is looked up. Ids are long; amounts and times would only be mistaken for short ones.
const SHORTEST_NUMBER: usize = 9;

/// Owners found in one request.
pub(super) struct Found {
    /// Of each item, same order as the reading's.
    pub(super) items: Vec<Option<Owner>>,
    /// Of the request itself, from what lies outside its items.
    pub(super) shell: Option<Owner>,
}

/// Looks for tracers in every item and around them.
///
/// What lies outside the items tells the order of the only item; of several it tells the case alone, so that one
/// event's tracer is never taken for another's.
///
/// `read`: the platform that the request is for, and what it makes of it.
pub(super) fn attribute(
    index: &Index,
    request: &Request,
    read: Option<(&dyn Platform, &Reading)>,
) -> Found {
    let body = match read {
        Some((platform, _)) => platform.body(request),
        None => request.json(),
    };
    let items = read.map_or(&[][..], |(_, reading)| &reading.items);
    let pointers: Vec<&str> = items.iter().map(|i| i.pointer.as_str()).collect();
    let query = request.query_pairs();

    let mut around = Vec::new();
    match &body {
        Some(body) => texts(body, "", &pointers, &mut around),
        None => around.extend(pieces(&request.body).map(str::to_owned)),
    }
    around.extend(query.into_iter().map(|(_, value)| value));
    around.extend(request.path.split('/').filter(|s| !s.is_empty()).map(str::to_owned));
    let headers =
        request.headers.iter().filter(|(name, _)| !OF_THE_CONNECTION.contains(&name.as_str()));
    around.extend(headers.map(|(_, value)| value.clone()));
    let shell = index.owner(around.iter().map(String::as_str));

    let owners = pointers
        .iter()
        .map(|pointer| {
            let mut own = Vec::new();
            if let Some(event) = body.as_ref().and_then(|b| b.pointer(pointer)) {
                texts(event, pointer, &[], &mut own);
            }
            let owner = index.owner(own.iter().map(String::as_str));
            owner.or_else(|| match &shell {
                Some(shell) if items.len() == 1 => Some(shell.clone()),
                Some(shell) => Some(Owner { case: shell.case, order: None }),
                None => None,
            })
        })
        .collect();
    Found { items: owners, shell }
}

/// Texts and numbers below a value, but for the subtrees at `skip`.
fn texts(value: &Value, at: &str, skip: &[&str], into: &mut Vec<String>) {
    if into.len() >= TEXT_LIMIT || (!skip.is_empty() && skip.contains(&at)) {
        return;
    }
    match value {
        Value::String(text) => into.push(text.clone()),
        Value::Number(number) => {
            let number = number.to_string();
            if number.len() >= SHORTEST_NUMBER {
                into.push(number);
            }
        }
        Value::Array(list) => {
            for (i, inner) in list.iter().enumerate() {
                // Paths matter only as long as something is to be left out.
                let path = if skip.is_empty() { String::new() } else { format!("{at}/{i}") };
                texts(inner, &path, skip, into);
            }
        }
        Value::Object(map) => {
            for (key, inner) in map {
                let path = if skip.is_empty() {
                    String::new()
                } else {
                    format!("{at}/{}", key.replace('~', "~0").replace('/', "~1"))
                };
                texts(inner, &path, skip, into);
            }
        }
        Value::Null | Value::Bool(_) => {}
    }
}

/// Pieces of a body that is no JSON (a form, or JSON that was cut off).
fn pieces(body: &str) -> impl Iterator<Item = &str> {
    body.split(['"', '&', '=', '\n', '\r', ';']).filter(|p| p.len() > 3).take(TEXT_LIMIT)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn items_are_told_apart_from_what_is_around_them() {
        let body = json!({
            "data": [{ "a/b": "one", "n": 5_000_000_000_001_u64, "value": 1001 }, { "x": ["two"] }],
            "shell": "three", "none": null,
        });
        let mut around = Vec::new();
        texts(&body, "", &["/data/0", "/data/1/x"], &mut around);
        assert_eq!(around, ["three"]);
        let mut own = Vec::new();
        texts(&body["data"][0], "/data/0", &[], &mut own);
        assert_eq!(own, ["one", "5000000000001"], "short numbers are amounts, not ids");
        let mut all = Vec::new();
        texts(&body, "", &["/data/0/a~1b"], &mut all);
        assert_eq!(all, ["5000000000001", "two", "three"]);
    }

    #[test]
    fn a_body_that_was_cut_off_is_looked_at_in_pieces() {
        let found: Vec<&str> = pieces(r#"{"data":[{"event_id":"order_77","em":"ab"#).collect();
        assert!(found.contains(&"order_77"), "{found:?}");
        assert!(pieces("grant=x&refresh_token=1%2F%2Fabc").any(|p| p == "1%2F%2Fabc"));
    }
}
