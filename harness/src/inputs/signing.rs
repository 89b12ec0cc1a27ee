//! Signatures, right and wrong in every way that a scenario asks for: HMAC-SHA256 in base64 or hex, and keys that are
//! sent along.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use super::{Delivery, InputFault, SecretKind};
use crate::{plan::Shop, scenario::Signature};

/// A secret that no relay was ever given.
const FOREIGN: &str = "whsec_bm9ib2R5LWNvbmZpZ3VyZWQtdGhpcy1zZWNyZXQtZXZlcg==";

/// A key that no relay was ever given.
const FOREIGN_KEY: &str = "wk_00000000000000000000000000000000";

/// HMAC-SHA256.
pub fn hmac_sha256(key: &[u8], message: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(message);
            mac.finalize().into_bytes().to_vec()
        }
        // HMAC takes keys of any length; this arm is never reached.
        Err(_) => Vec::new(),
    }
}

/// How a digest is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Base64,
    Hex,
}

impl Encoding {
    fn write(self, digest: &[u8]) -> String {
        match self {
            Self::Base64 => STANDARD.encode(digest),
            Self::Hex => hex::encode(digest),
        }
    }

    const fn other(self) -> Self {
        match self {
            Self::Base64 => Self::Hex,
            Self::Hex => Self::Base64,
        }
    }
}

/// The digest in base64 as the header carries it, before any prefix; `None`: no header at all.
///
/// `signed` makes the signed text of a body (formats that sign more than the body).
///
/// # Errors
/// The secret has another shape than its kind, or the other shop's is asked for and there is none.
pub fn digest(
    kind: SecretKind,
    delivery: &Delivery<'_>,
    body: &[u8],
    other_layout: &[u8],
    signed: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Option<String>, InputFault> {
    written(Encoding::Base64, kind, delivery, [body, other_layout], signed)
}

/// The same in hex, lower case.
///
/// # Errors
/// As [`digest`].
pub fn hex_digest(
    kind: SecretKind,
    delivery: &Delivery<'_>,
    body: &[u8],
    other_layout: &[u8],
    signed: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Option<String>, InputFault> {
    written(Encoding::Hex, kind, delivery, [body, other_layout], signed)
}

fn written(
    encoding: Encoding,
    kind: SecretKind,
    delivery: &Delivery<'_>,
    [body, other_layout]: [&[u8]; 2],
    signed: impl Fn(&[u8]) -> Vec<u8>,
) -> Result<Option<String>, InputFault> {
    let current = secret(kind, delivery.signer, false);
    let mac = |secret: &str, body: &[u8]| -> Result<Vec<u8>, InputFault> {
        Ok(hmac_sha256(&key(kind, secret)?, &signed(body)))
    };
    let right = || mac(current, body);
    let encode = |digest: Vec<u8>| encoding.write(&digest);
    Ok(Some(match delivery.signature {
        Signature::Right | Signature::Second => encode(right()?),
        Signature::Previous => encode(mac(secret(kind, delivery.signer, true), body)?),
        Signature::Missing => return Ok(None),
        Signature::Empty => String::new(),
        Signature::WrongEncoding => encoding.other().write(&right()?),
        Signature::UrlSafe => URL_SAFE_NO_PAD.encode(right()?),
        Signature::Flipped => encode(flipped(right()?)),
        Signature::Foreign => encode(mac(FOREIGN, body)?),
        Signature::OtherShop => {
            let other = delivery.other_shop.ok_or_else(|| {
                InputFault::new("signing with the other shop's secret needs a second shop")
            })?;
            encode(mac(secret(kind, other, false), body)?)
        }
        Signature::OfOtherLayout => encode(mac(current, other_layout)?),
        Signature::OfTrailingNewline => encode(mac(current, &[body, b"\n"].concat())?),
    }))
}

/// The key that is sent along where nothing is signed; `None`: none at all.
///
/// # Errors
/// The signature is one that only signed formats have.
pub fn write_key(delivery: &Delivery<'_>) -> Result<Option<String>, InputFault> {
    match delivery.signature {
        Signature::Right => Ok(Some(delivery.signer.write_key.clone())),
        Signature::Missing => Ok(None),
        Signature::Empty => Ok(Some(String::new())),
        Signature::Foreign => Ok(Some(FOREIGN_KEY.to_owned())),
        other => Err(InputFault::new(format!("a key that signs nothing cannot be {other:?}"))),
    }
}

/// Kinds of wrong keys: none, an empty one, one that nobody configured. Another shop's key is no wrong one: the key
/// alone says whose the event is.
pub const fn is_key_signature(signature: Signature) -> bool {
    matches!(
        signature,
        Signature::Right | Signature::Missing | Signature::Empty | Signature::Foreign
    )
}

/// One bit changed, in the middle.
pub fn flipped(mut digest: Vec<u8>) -> Vec<u8> {
    if let Some(byte) = digest.get_mut(16) {
        *byte ^= 1;
    }
    digest
}

/// The body with so many spaces behind it that its URL-safe digest differs from the standard one in a letter.
///
/// A digest without `+` and `/` is the same text in both alphabets (but for padding), and a lenient receiver would
/// be right to take it: the case would then say nothing.
///
/// # Errors
/// `headers` cannot be made, or hundreds of spaces lead to no such digest.
pub fn with_a_telling_digest(
    body: &str,
    headers: impl Fn(&[u8]) -> Result<Vec<(String, String)>, InputFault>,
) -> Result<Vec<u8>, InputFault> {
    let mut bytes = body.as_bytes().to_vec();
    for _ in 0..256 {
        let told = headers(&bytes)?.into_iter().any(|(name, value)| {
            let name = name.to_ascii_lowercase();
            (name.contains("hmac") || name.contains("signature"))
                && value.trim_start_matches("v1,").contains(['-', '_'])
        });
        if told {
            return Ok(bytes);
        }
        bytes.push(b' ');
    }
    Err(InputFault::new("found no body whose URL-safe signature differs"))
}

fn secret(kind: SecretKind, shop: &Shop, previous: bool) -> &str {
    match (kind, previous) {
        (SecretKind::Plain, false) => &shop.secret,
        (SecretKind::Plain, true) => &shop.previous_secret,
        (SecretKind::Whsec | SecretKind::WhsecText, false) => &shop.webhook_secret,
        (SecretKind::Whsec | SecretKind::WhsecText, true) => &shop.previous_webhook_secret,
        // Keys are not rotated by signing with the old one.
        (SecretKind::WriteKey, _) => &shop.write_key,
        (SecretKind::None, _) => "",
    }
}

fn key(kind: SecretKind, secret: &str) -> Result<Vec<u8>, InputFault> {
    match kind {
        SecretKind::Plain | SecretKind::WhsecText | SecretKind::WriteKey | SecretKind::None => {
            Ok(secret.as_bytes().to_vec())
        }
        SecretKind::Whsec => secret
            .strip_prefix("whsec_")
            .and_then(|encoded| STANDARD.decode(encoded).ok())
            .ok_or_else(|| InputFault::new("a webhook secret has to be `whsec_` and base64")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Vectors of the schemes that sign with HMAC-SHA256, made once with synthetic secrets and another implementation.
    #[test]
    fn the_four_vectors_hold() {
        let base64 = |key: &[u8], text: &str| STANDARD.encode(hmac_sha256(key, text.as_bytes()));
        assert_eq!(
            base64(b"shpss_test_0001", r##"{"id":6100000000001,"name":"#1001","test":false}"##),
            "ZviADIWZubRfZAYOgt3OdyKyzOVQEyKaQK5Ik25pa2M="
        );
        assert_eq!(
            base64(b"woo_test_0001", r#"{"id":727,"number":"727","status":"processing"}"#),
            "pMQiX/6fm/Twv7dwW4YvLWVgMeEX8h0UTzhgoRstzw0="
        );
        assert_eq!(
            hex::encode(hmac_sha256(
                b"whsec_test_stripe_0001",
                br#"1767225600.{"id":"evt_test_0001","type":"checkout.session.completed"}"#
            )),
            "6c557722a7646b56c899c29beb9212529ab20c233f023f482203424a66d72494"
        );
        let key = key(SecretKind::Whsec, "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYX");
        assert_eq!(
            key.map(|key| base64(
                &key,
                r#"msg_0001.1767225600.{"type":"order.paid","timestamp":"2026-01-01T00:00:00Z","data":{"id":"ord_1"}}"#
            )),
            Ok("qffuu4SGHD6dnjZTruSy3cECLjZDb8Eeh50+8JmYBFo=".to_owned())
        );
    }

    #[test]
    fn one_bit_is_flipped() {
        let digest = hmac_sha256(b"k", b"m");
        let bits: u32 =
            digest.iter().zip(flipped(digest.clone())).map(|(a, b)| (a ^ b).count_ones()).sum();
        assert_eq!((digest.len(), bits), (32, 1));
    }
}
