//! TikTok's advanced matching (<https://business-api.tiktok.com/portal/docs?id=1771100865818625>).

use super::{clean, hashed, lower, phone};

/// Trimmed, lower case; dots and `+tag` stay (TIKTOK-EMAIL-HASH).
#[must_use]
pub fn email(text: &str) -> Option<String> {
    hashed(text, super::email)
}

/// E.164 with `+` (TIKTOK-PHONE-HASH); Chinese numbers without `+86` (TIKTOK-PHONE-CN).
#[must_use]
pub fn phone(text: &str, country: Option<&str>) -> Option<String> {
    hashed(text, |text| {
        let number = phone::e164(text, country)?;
        // No other country code begins with 86.
        Some(number.strip_prefix("+86").map(str::to_owned).unwrap_or(number))
    })
}

/// The shop's customer id, trimmed; the case is kept because the browser's copy keeps it.
#[must_use]
pub fn external_id(text: &str) -> Option<String> {
    hashed(text, clean)
}

/// First or last name: lower case without blanks; punctuation stays.
#[must_use]
pub fn name(text: &str) -> Option<String> {
    hashed(text, |text| Some(lower(text, |c| !c.is_whitespace())))
}

/// Postal code: lower case without blanks; dashes stay.
#[must_use]
pub fn zip(text: &str) -> Option<String> {
    hashed(text, |text| Some(lower(text, |c| !c.is_whitespace())))
}

#[cfg(test)]
mod tests {
    use super::super::sha256_hex;
    use super::*;

    #[test]
    fn chinese_numbers_lose_their_country_code_and_others_keep_it() {
        assert_eq!(phone("+86 138 0013 8000", None), Some(sha256_hex("13800138000")));
        assert_eq!(phone("138 0013 8000", Some("CN")), Some(sha256_hex("13800138000")));
        assert_eq!(
            phone("+1 (213) 373-4253", None).as_deref(),
            Some("9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd")
        );
    }

    #[test]
    fn published_address_vectors_hold() {
        assert_eq!(
            email(" Maria.Lopez+shop@Example.com ").as_deref(),
            Some("ec6a68cf3c301277428777d2ce32c0b1acf6f5fa1423fd06c35e7e6a197ea7fb")
        );
        assert_eq!(
            email("alice@example.com").as_deref(),
            Some("ff8d9819fc0e12bf0d24892e45987e249a28dce836a85cad60e28eaaa8c6d976")
        );
    }

    #[test]
    fn names_and_codes_keep_their_punctuation() {
        assert_eq!(name(" Mary-Jane Ann "), Some(sha256_hex("mary-janeann")));
        assert_eq!(zip("SW1A 1AA"), Some(sha256_hex("sw1a1aa")));
        assert_eq!(external_id(" Kunde-7 "), Some(sha256_hex("Kunde-7")));
    }
}
