//! What is a credential in what was sent, and how it is shown instead: evidence and findings hold none.

use serde_json::Value;

use crate::{exchange::Request, plan::Shop, text};

/// Characters of a single value.
const VALUE: usize = 120;
/// Names whose values are credentials, wherever they stand.
const SECRET_NAMES: [&str; 9] = [
    "access_token",
    "access-token",
    "client_secret",
    "refresh_token",
    "authorization",
    "developer-token",
    "assertion",
    "api_secret",
    "id_token",
];
const REDACTED: &str = "[redacted]";

/// Everything secret of these shops; shorter texts stand anywhere by chance.
pub(crate) fn secrets(shops: &[Shop]) -> Vec<&str> {
    shops.iter().flat_map(Shop::secrets).map(|(_, s)| s).filter(|s| s.len() >= 6).collect()
}

/// The value of a field with this name in one line, at most [`VALUE`] characters: as evidence shows it.
pub(crate) fn shown_value(name: &str, value: &Value, shops: &[Shop]) -> String {
    if is_secret(name) {
        return REDACTED.to_owned();
    }
    let mut value = value.clone();
    // A body of which no part is meant is one text.
    if let Value::String(text) = &value
        && name.is_empty()
    {
        value = serde_json::from_str(text).unwrap_or_else(|_| query(text).into());
    }
    redact(&mut value);
    text::cut(&strip(value.to_string(), &secrets(shops)), VALUE)
}

/// Whether a request says who the relay is: by a header or parameter for credentials, or by any of the shops' secrets.
pub(crate) fn carries_credential(request: &Request, shops: &[Shop]) -> bool {
    let secrets = secrets(shops);
    let holds = |text: &str| secrets.iter().any(|secret| text.contains(secret));
    request.headers.iter().any(|(name, value)| is_secret(name) || holds(value))
        || request.query_pairs().iter().any(|(name, value)| is_secret(name) || holds(value))
        || holds(&request.path)
}

fn is_secret(name: &str) -> bool {
    SECRET_NAMES.iter().any(|secret| name.eq_ignore_ascii_case(secret))
}

/// `name=value` pairs, values of credentials replaced.
pub(crate) fn query(raw: &str) -> String {
    raw.split('&')
        .map(|pair| match pair.split_once('=') {
            Some((name, _)) if is_secret(name) => format!("{name}={REDACTED}"),
            _ => pair.to_owned(),
        })
        .collect::<Vec<_>>()
        .join("&")
}

/// Replaces the values of all fields that are named like a credential.
pub(crate) fn redact(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, inner) in map.iter_mut() {
                if is_secret(name) {
                    *inner = Value::String(REDACTED.into());
                } else {
                    redact(inner);
                }
            }
        }
        Value::Array(list) => list.iter_mut().for_each(redact),
        _ => {}
    }
}

/// The text without these secrets.
pub(crate) fn strip(text: String, secrets: &[&str]) -> String {
    secrets.iter().fold(text, |text, secret| {
        if text.contains(secret) { text.replace(secret, REDACTED) } else { text }
    })
}
