//! Webhook signatures over the raw bytes, compared in constant time, with every configured secret.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::destinations::Secret;

/// Tolerance of a Standard Webhooks timestamp, seconds.
const TOLERANCE: i64 = 300;

/// Shopify: base64 of HMAC-SHA256 in `X-Shopify-Hmac-Sha256`.
/// <https://shopify.dev/docs/apps/build/webhooks/verify-deliveries>
#[must_use]
pub fn shopify(headers: &HeaderMap, body: &[u8], secrets: &[Secret]) -> bool {
    let Some(given) =
        single(headers, "x-shopify-hmac-sha256").and_then(|v| STANDARD.decode(v).ok())
    else {
        return false;
    };
    any(secrets.iter().map(|s| s.0.as_bytes().to_vec()), &[body], &given)
}

/// Standard Webhooks: the id, if one of the `v1` signatures is right and the time is close to one of `now`.
/// <https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md>
#[must_use]
pub fn standard<'a>(
    headers: &'a HeaderMap,
    body: &[u8],
    secrets: &[Secret],
    now: &[i64],
) -> Option<&'a str> {
    let id = single(headers, "webhook-id").filter(|id| !id.is_empty() && id.len() <= 256)?;
    let timestamp = single(headers, "webhook-timestamp")?;
    let signatures = single(headers, "webhook-signature")?;
    let digits = !timestamp.is_empty() && timestamp.bytes().all(|b| b.is_ascii_digit());
    let at: i64 = timestamp.parse().ok().filter(|_| digits)?;
    if !now.iter().any(|now| now.saturating_sub(at).abs() <= TOLERANCE) {
        return None;
    }
    let keys: Vec<Vec<u8>> = secrets.iter().filter_map(|s| standard_secret(&s.0)).collect();
    let message = [id.as_bytes(), b".", timestamp.as_bytes(), b".", body];
    let mut right = false;
    for signature in signatures.split(' ').take(20) {
        let given = signature.strip_prefix("v1,").and_then(|s| STANDARD.decode(s).ok());
        if let Some(given) = given {
            right |= any(keys.iter().cloned(), &message, &given);
        }
    }
    right.then_some(id)
}

/// The key of a `whsec_` secret: base64 of 24 to 64 bytes.
#[must_use]
pub fn standard_secret(text: &str) -> Option<Vec<u8>> {
    let key = STANDARD.decode(text.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

/// Compares secrets without telling by time how much of them agrees.
#[must_use]
pub fn same(given: &str, expected: &Secret) -> bool {
    let digest = |s: &str| Sha256::digest(s.as_bytes());
    bool::from(digest(given).ct_eq(&digest(&expected.0)))
}

fn any(keys: impl Iterator<Item = Vec<u8>>, message: &[&[u8]], given: &[u8]) -> bool {
    let mut right = false;
    for key in keys {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { continue };
        for part in message {
            mac.update(part);
        }
        right |= mac.verify_slice(given).is_ok();
    }
    right
}

/// The value of a header that must be there exactly once: two lines could be read differently by others.
pub(super) fn single<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let first = values.next()?;
    if values.next().is_some() { None } else { first.to_str().ok() }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use http::HeaderValue;

    const SHOPIFY_BODY: &[u8] = br##"{"id":6100000000001,"name":"#1001","test":false}"##;
    const SHOPIFY_MAC: &str = "ZviADIWZubRfZAYOgt3OdyKyzOVQEyKaQK5Ik25pa2M=";
    const STANDARD_BODY: &[u8] =
        br#"{"type":"order.paid","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ord_1"}}"#;
    const STANDARD_MAC: &str = "v1,qffuu4SGHD6dnjZTruSy3cECLjZDb8Eeh50+8JmYBFo=";
    const AT: i64 = 1_767_225_600;

    fn secrets(of: &[&str]) -> Vec<Secret> {
        of.iter().map(|s| Secret((*s).to_owned())).collect()
    }

    fn shopify_with(value: &str, body: &[u8], keys: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("x-shopify-hmac-sha256", HeaderValue::from_str(value).unwrap());
        shopify(&headers, body, &secrets(keys))
    }

    #[test]
    fn shopify_accepts_the_published_vector_and_a_rotated_secret() {
        assert!(shopify_with(SHOPIFY_MAC, SHOPIFY_BODY, &["shpss_test_0001"]));
        assert!(shopify_with(SHOPIFY_MAC, SHOPIFY_BODY, &["new", "shpss_test_0001"]));
        let woo = br#"{"id":727,"number":"727","status":"processing"}"#;
        let mac = "pMQiX/6fm/Twv7dwW4YvLWVgMeEX8h0UTzhgoRstzw0=";
        assert!(shopify_with(mac, woo, &["woo_test_0001"]), "the same scheme under another name");
    }

    #[test]
    fn shopify_refuses_everything_else() {
        let hex: String =
            STANDARD.decode(SHOPIFY_MAC).unwrap().iter().map(|b| format!("{b:02x}")).collect();
        let url_safe = SHOPIFY_MAC.replace('/', "_").replace('+', "-");
        let flipped = SHOPIFY_MAC.replacen('Z', "a", 1);
        for wrong in ["", hex.as_str(), flipped.as_str(), &SHOPIFY_MAC[..20], "%%%"] {
            assert!(!shopify_with(wrong, SHOPIFY_BODY, &["shpss_test_0001"]), "{wrong}");
        }
        assert_eq!(url_safe, SHOPIFY_MAC, "this vector has no character that differs");
        assert!(!shopify_with(SHOPIFY_MAC, SHOPIFY_BODY, &["other"]));
        assert!(!shopify_with(SHOPIFY_MAC, &[SHOPIFY_BODY, b"\n"].concat(), &["shpss_test_0001"]));
        assert!(!shopify(&HeaderMap::new(), SHOPIFY_BODY, &secrets(&["shpss_test_0001"])));
        let mut doubled = HeaderMap::new();
        for _ in 0..2 {
            doubled.append("x-shopify-hmac-sha256", HeaderValue::from_static(SHOPIFY_MAC));
        }
        assert!(!shopify(&doubled, SHOPIFY_BODY, &secrets(&["shpss_test_0001"])));
    }

    fn standard_with(signature: &str, timestamp: &str, now: i64) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert("webhook-id", HeaderValue::from_static("msg_0001"));
        headers.insert("webhook-timestamp", HeaderValue::from_str(timestamp).unwrap());
        headers.insert("webhook-signature", HeaderValue::from_str(signature).unwrap());
        let keys = secrets(&["whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX"]);
        standard(&headers, STANDARD_BODY, &keys, &[now]) == Some("msg_0001")
    }

    #[test]
    fn standard_webhooks_vector_tolerance_and_several_signatures() {
        assert!(standard_with(STANDARD_MAC, "1767225600", AT));
        assert!(standard_with(&format!("v1a,abc v1,AAAA {STANDARD_MAC}"), "1767225600", AT + 300));
        assert!(!standard_with(STANDARD_MAC, "1767225600", AT + 301));
        assert!(!standard_with(STANDARD_MAC, "1767225600", AT - 301));
        assert!(!standard_with(STANDARD_MAC, "1767225601", AT));
        assert!(!standard_with(&STANDARD_MAC.replace("v1,", ""), "1767225600", AT));
        assert!(!standard_with(STANDARD_MAC, "+1767225600", AT));
        assert!(!standard_with(STANDARD_MAC, "99999999999999999999", AT));
    }

    #[test]
    fn stripe_style_secrets_are_not_standard_ones() {
        assert!(standard_secret("whsec_test_stripe_0001").is_none());
        assert!(standard_secret("whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX").is_some());
    }
}
