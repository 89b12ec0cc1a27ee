//! Contact data in the form each platform matches on: normalised, then SHA-256 in lower-case hex.
//!
//! Every function answers `None` rather than a hash of something that cannot match: nothing, a placeholder,
//! a number without a country. A value that is a SHA-256 already passes through, so applying a function
//! to its own result changes nothing. The platforms disagree about the details (dots in Gmail addresses,
//! the `+` of a phone number), therefore one module per platform family and no shared hash.

pub mod google;
pub mod meta;
mod phone;
mod places;
pub mod tiktok;

use sha2::{Digest, Sha256};
use unicode_normalization::UnicodeNormalization;

/// Longer texts are no contact data; also bounds the work done for hostile input.
const MAX_BYTES: usize = 512;

/// What programs write where they have no value. Hashes of these match nobody and spoil match rates.
const PLACEHOLDERS: [&str; 9] =
    ["", "null", "undefined", "none", "nan", "n/a", "[object object]", "-", "(null)"];

/// Hashes what `normalise` makes of `text`; a value that is a hash already passes through in lower case.
fn hashed(text: &str, normalise: impl FnOnce(&str) -> Option<String>) -> Option<String> {
    let text = clean(text)?;
    if is_sha256(&text) {
        let hash = text.to_ascii_lowercase();
        return (!is_hash_of_nothing(&hash)).then_some(hash);
    }
    normalise(&text).filter(|normal| !is_placeholder(normal)).map(|normal| sha256_hex(&normal))
}

/// The text in composed form (NFC) without surrounding blanks; `None` if it says nothing.
fn clean(text: &str) -> Option<String> {
    if text.len() > MAX_BYTES {
        return None;
    }
    let composed: String = text.nfc().collect();
    let trimmed = composed.trim_matches(|c: char| c.is_whitespace() || INVISIBLE.contains(&c));
    let says_something = trimmed.chars().any(char::is_alphanumeric) && !is_placeholder(trimmed);
    says_something.then(|| trimmed.to_owned())
}

/// Byte order mark and zero-width space: come along when addresses are copied from documents.
const INVISIBLE: [char; 2] = ['\u{feff}', '\u{200b}'];

fn is_placeholder(text: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| text.eq_ignore_ascii_case(placeholder))
}

fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// True for the hash of an empty text or of a placeholder, which some plugins send.
fn is_hash_of_nothing(hash: &str) -> bool {
    PLACEHOLDERS.iter().any(|placeholder| sha256_hex(placeholder) == hash)
}

fn sha256_hex(text: &str) -> String {
    hex::encode(Sha256::digest(text.as_bytes()))
}

/// Lower case in composed form, keeping only the characters that `keep` wants.
fn lower(text: &str, keep: impl Fn(char) -> bool) -> String {
    // Composed again at the end: removing a character can bring a letter and its accent together.
    text.to_lowercase().chars().filter(|c| keep(*c)).nfc().collect()
}

/// Lower-case address if it has the shape `local@domain.tld`, else `None`.
///
/// Not a full RFC 5322 parser: it turns away what cannot be a shopper's address (blanks inside, two `@`,
/// no dot in the domain, several addresses in one value).
fn email(text: &str) -> Option<String> {
    let address = lower(text, |_| true);
    let (local, domain) = address.split_once('@')?;
    let forbidden = |c: char| c.is_whitespace() || c.is_control() || "@()<>,;:\\\"[]".contains(c);
    let labels_filled = domain.split('.').all(|label| !label.is_empty());
    let sound = !local.is_empty()
        && domain.contains('.')
        && labels_filled
        && !address.replacen('@', "", 1).contains(forbidden);
    sound.then_some(address)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is the failed test")]
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn placeholders_and_blanks_are_never_hashed() {
        for text in [
            "",
            "   ",
            "null",
            "Undefined",
            "NONE",
            "NaN",
            "n/a",
            "[object Object]",
            "-",
            "\u{feff}",
        ] {
            assert_eq!(meta::name(text), None, "{text:?}");
            assert_eq!(google::name(text), None, "{text:?}");
            assert_eq!(tiktok::external_id(text), None, "{text:?}");
        }
        assert_eq!(meta::email(&"a".repeat(600)), None);
    }

    #[test]
    fn a_hash_is_not_hashed_again() {
        let hash = meta::email("joe@example.com").unwrap();
        assert_eq!(meta::email(&hash.to_uppercase()), Some(hash.clone()));
        assert_eq!(google::email(&hash), Some(hash));
    }

    #[test]
    fn the_hash_of_nothing_does_not_pass_through() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(meta::email(empty), None);
        assert_eq!(tiktok::email(&sha256_hex("null")), None);
    }

    #[test]
    fn each_family_has_its_own_hash_of_one_address() {
        let address = " Maria.Lopez+shop@gmail.com ";
        assert_eq!(meta::email(address).unwrap(), sha256_hex("maria.lopez+shop@gmail.com"));
        assert_eq!(tiktok::email(address).unwrap(), sha256_hex("maria.lopez+shop@gmail.com"));
        assert_eq!(google::email(address).unwrap(), sha256_hex("marialopez@gmail.com"));
    }

    proptest! {
        #[test]
        fn normal_forms_are_stable(text in "\\PC{0,40}") {
            for form in [lower(&text, |_| true), lower(&text, char::is_alphanumeric)] {
                prop_assert_eq!(lower(&form, |_| true), form);
            }
            if let Some(address) = email(&text) {
                prop_assert_eq!(email(&address), Some(address));
            }
            if let Some(once) = clean(&text) {
                prop_assert_eq!(clean(&once), Some(once));
            }
        }

        #[test]
        fn no_text_panics_and_every_result_is_a_hash_that_stays(text in "\\PC{0,60}") {
            let results = [
                meta::email(&text), meta::phone(&text, Some("DE")), meta::name(&text), meta::city(&text),
                meta::state(&text, Some("US")), meta::zip(&text, None), meta::country(&text), meta::external_id(&text),
                google::email(&text), google::phone(&text, Some("US")), google::name(&text),
                tiktok::email(&text), tiktok::phone(&text, Some("CN")), tiktok::external_id(&text),
                tiktok::name(&text), tiktok::zip(&text),
            ];
            for hash in results.into_iter().flatten() {
                prop_assert!(is_sha256(&hash));
                prop_assert_eq!(meta::name(&hash), Some(hash.clone()));
                prop_assert_eq!(google::phone(&hash, None), Some(hash));
            }
        }

        #[test]
        fn whatever_is_typed_as_a_number_is_refused_or_stable(text in "[0-9+() ./-]{0,26}", country in "[A-Z]{2}") {
            for country in [None, Some(country.as_str()), Some("US"), Some("IT"), Some("GB")] {
                if let Some(number) = phone::e164(&text, country) {
                    prop_assert!(number.starts_with('+') && (8..=16).contains(&number.len()), "{}", number);
                    prop_assert_eq!(phone::e164(&number, None), Some(number));
                }
            }
        }

        #[test]
        fn a_phone_number_in_e164_is_its_own_normal_form(national in 2_000_000_000_u64..9_999_999_999) {
            if let Some(number) = phone::e164(&national.to_string(), Some("US")) {
                prop_assert_eq!(phone::e164(&number, Some("DE")), Some(number.clone()));
                prop_assert_eq!(phone::e164(&number, None), Some(number));
            }
        }
    }
}
