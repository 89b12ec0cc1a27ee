//! Normal forms of contact data, written independently of any relay: what a value must look like before it is
//! hashed, platform by platform. Where a platform's own libraries disagree, every form that one of them or the
//! documentation makes is acceptable and the first one is the strict one.

mod phone;
mod places;
pub(in crate::platforms) mod sent;

pub mod google;
pub mod meta;
pub mod tiktok;

pub use phone::e164;
pub use places::{ca_province_code, country_code, us_state_code};

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Longest text that is normalised; contact data is never longer, hostile input may be.
const LONGEST: usize = 1024;

/// Digests of texts that stand for "nothing": sending one claims that thousands of people are the same person.
pub const BANNED_DIGESTS: &[(&str, &str)] = &[
    ("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
    ("undefined", "eb045d78d273107348b0300c01d29b7552d622abbc6faf81b3ec55359aa9950c"),
    ("null", "74234e98afe7498fb5daf1f36ac2d78acc339464f950703b8c019892f982b90b"),
    ("None", "dc937b59892604f5a86ac96936cd7ff09e25f18ae6b758e8014a24c7fa039e91"),
    ("NaN", "d5b592c05dc25b5032553f1b27f4139be95e881f73db33b02b05ab20c3f9981e"),
    ("[object Object]", "b28c94b2195c8ed259f0b415aaee3f39b0b2920a4537611499fa044956917a21"),
];

/// Active ISO 4217 codes.
const CURRENCIES: &str = "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BGN BHD BIF BMD BND BOB BRL BSD BTN BWP BYN \
    BZD CAD CDF CHF CLF CLP CNY COP CRC CUP CVE CZK DJF DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GNF \
    GTQ GYD HKD HNL HTG HUF IDR ILS INR IQD IRR ISK JMD JOD JPY KES KGS KHR KMF KPW KRW KWD KYD KZT LAK LBP LKR LRD \
    LSL LYD MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD NGN NIO NOK NPR NZD OMR PAB PEN PGK PHP PKR \
    PLN PYG QAR RON RSD RUB RWF SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN SVC SYP SZL THB TJS TMT TND TOP TRY \
    TTD TWD TZS UAH UGX USD UYU UZS VED VES VND VUV WST XAF XCD XOF XPF YER ZAR ZMW ZWG";

/// SHA-256 of the UTF-8 bytes, in lower-case hex.
pub fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// True for 64 hex digits of any case: the shape of a SHA-256 digest.
pub fn is_sha256_hex(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_hexdigit())
}

/// The text whose digest this is, if it is one of [`BANNED_DIGESTS`] (hex of any case).
pub fn banned(digest: &str) -> Option<&'static str> {
    BANNED_DIGESTS
        .iter()
        .find(|(_, known)| known.eq_ignore_ascii_case(digest))
        .map(|(text, _)| *text)
}

/// Without surrounding white space, in lower case.
pub fn lower_trim(text: &str) -> String {
    text.trim().to_lowercase()
}

/// True for an active ISO 4217 code in upper case.
pub fn is_currency(code: &str) -> bool {
    code.len() == 3 && CURRENCIES.split(' ').any(|known| known == code)
}

/// Hashes of the acceptable forms. A value that already is a digest stays one: hashing it again is a fault.
pub fn digests(raw: &str, forms: Vec<String>) -> Vec<String> {
    if is_sha256_hex(raw.trim()) {
        return vec![raw.trim().to_ascii_lowercase()];
    }
    forms.iter().map(|form| sha256_hex(form)).collect()
}

/// Non-empty forms, each once, in the order given. Of a form with decomposed accents the composed one (NFC) comes
/// first, since the vendors' published hashes are of composed text; the form as given is as good.
fn distinct(forms: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut seen = Vec::new();
    for form in forms {
        for form in [form.nfc().collect(), form] {
            if !form.is_empty() && !seen.contains(&form) {
                seen.push(form);
            }
        }
    }
    seen
}

/// An e-mail address in lower case without surrounding white space; `None` if it cannot be one.
fn plain_email(raw: &str) -> Option<String> {
    let address = lower_trim(bounded(raw)?);
    let (local, domain) = address.split_once('@')?;
    let has_dot = domain.trim_matches('.').contains('.')
        && !domain.starts_with('.')
        && !domain.ends_with('.');
    let is_one = !local.is_empty()
        && has_dot
        && !domain.contains('@')
        && !address.contains(char::is_whitespace);
    is_one.then_some(address)
}

/// The text, unless it is longer than any contact data.
fn bounded(raw: &str) -> Option<&str> {
    (raw.len() <= LONGEST).then_some(raw)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn banned_digests_are_what_they_say() {
        for (text, digest) in BANNED_DIGESTS {
            assert_eq!(sha256_hex(text), *digest);
            assert_eq!(banned(&digest.to_uppercase()), Some(*text));
        }
        assert_eq!(banned(&sha256_hex("jane.doe@example.com")), None);
    }

    #[test]
    fn a_digest_is_told_by_its_shape() {
        assert!(is_sha256_hex(&"aB".repeat(32)));
        assert!(!is_sha256_hex(&"a".repeat(63)));
        assert!(!is_sha256_hex(&"g".repeat(64)));
    }

    #[test]
    fn a_digest_is_not_hashed_again() {
        let digest = sha256_hex("jane.doe@example.com");
        assert_eq!(digests(&format!(" {} ", digest.to_uppercase()), vec!["x".into()]), [digest]);
    }

    #[test]
    fn currencies_are_the_iso_list() {
        assert!(is_currency("EUR") && is_currency("ZWG") && is_currency("AED"));
        // Three times X is ISO 4217's own code for "no currency".
        for wrong in ["eur", "EURO", "XXX", "", "E R", "AED AFN"] {
            assert!(!is_currency(wrong), "{wrong}");
        }
    }

    #[test]
    fn addresses_need_one_at_sign_and_a_domain_with_a_dot() {
        assert_eq!(
            plain_email(" Jane.Doe+x@Example.COM\n").as_deref(),
            Some("jane.doe+x@example.com")
        );
        for wrong in [
            "",
            "jane",
            "@example.com",
            "jane@example.",
            "jane@.com",
            "j@@example.com",
            "j d@example.com",
        ] {
            assert_eq!(plain_email(wrong), None, "{wrong}");
        }
        assert_eq!(plain_email(&format!("{}@example.com", "a".repeat(LONGEST))), None);
    }
}
