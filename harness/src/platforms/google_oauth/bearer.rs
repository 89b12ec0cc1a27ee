//! JSON Web Tokens of service accounts: assertions for the token endpoint, and self-signed bearers that skip it.
//! Signatures are not verified: the harness has no key of theirs, and what is judged is the form.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::Value;
use time::OffsetDateTime;

/// Longest life that Google allows an assertion, with a minute for clocks that differ.
const LIFE: i64 = 3600 + 60;

/// The claims of a token that looks like `<header>.<claims>.<signature>`; `None`: it is no such token.
pub(in crate::platforms) fn claims(token: &str) -> Option<Value> {
    let mut parts = token.split('.');
    let header = part(parts.next()?)?;
    let claims = part(parts.next()?)?;
    let signature = parts.next()?;
    if parts.next().is_some() || signature.is_empty() || header.get("alg")?.as_str()? != "RS256" {
        return None;
    }
    Some(claims)
}

fn part(text: &str) -> Option<Value> {
    let bytes = URL_SAFE_NO_PAD.decode(text.trim_end_matches('=')).ok()?;
    serde_json::from_slice::<Value>(&bytes).ok().filter(Value::is_object)
}

/// What is wrong with the claims for this audience; `None`: nothing.
pub(in crate::platforms) fn wrong(
    claims: &Value,
    audience: &str,
    now: OffsetDateTime,
) -> Option<&'static str> {
    let time = |name: &str| claims.get(name).and_then(Value::as_i64);
    let (Some(issued), Some(expires)) = (time("iat"), time("exp")) else {
        return Some("iat or exp is missing");
    };
    let meant = claims.get("aud").and_then(Value::as_str).unwrap_or_default();
    let now = now.unix_timestamp();
    if meant.trim_end_matches('/') != audience.trim_end_matches('/') {
        Some("aud is another one")
    } else if expires.saturating_sub(issued) > LIFE {
        Some("it lives longer than an hour")
    } else if expires < now || issued > now.saturating_add(60) {
        Some("it is expired or not yet valid")
    } else {
        None
    }
}
