//! TikTok's normal forms: mostly as Meta's, but phones keep their `+` and places go plain.
//! <https://github.com/tiktok/gtm-template-eapi/blob/main/template.tpl>

use super::{bounded, distinct, e164, lower_trim, plain_email};

/// Trimmed and lower case; dots and `+tag` stay.
pub fn email(raw: &str) -> Vec<String> {
    distinct(plain_email(raw))
}

/// E.164 with `+`. Numbers of country code 86 go without code and `+`; the international form is tolerated.
pub fn phone(raw: &str, country: Option<&str>) -> Vec<String> {
    let international = e164(raw, country);
    distinct(
        international
            .iter()
            .filter_map(|number| number.strip_prefix("+86").map(str::to_owned))
            .chain(international.clone()),
    )
}

/// Lower case without white space; guides disagree on punctuation, so both are fine.
pub fn name(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let joined: String = lower_trim(raw).split_whitespace().collect();
    let bare: String = joined.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    distinct([joined, bare, lower_trim(raw)])
}

/// Lower case without spaces; guides disagree on dashes, so both are fine.
pub fn postcode(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let joined: String = lower_trim(raw).split_whitespace().collect();
    distinct([joined.clone(), joined.replace('-', "")])
}

/// City, state or country, sent plain: lower case, letters and digits only.
pub fn place(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    distinct([lower_trim(raw).chars().filter(|c| c.is_alphanumeric()).collect(), lower_trim(raw)])
}

/// The shop's own id of the customer: trimmed; sources disagree on lower case, so both are fine.
pub fn external_id(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    distinct([raw.trim().to_owned(), lower_trim(raw)])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platforms::normalise::sha256_hex;

    #[test]
    fn phones_keep_their_plus_but_for_china() {
        assert_eq!(phone("+1 (213) 373-4253", None), ["+12133734253"]);
        assert_eq!(phone("+86 138 0000 0000", None), ["13800000000", "+8613800000000"]);
        assert_eq!(
            sha256_hex("+12133734253"),
            "9f7ec22d72092cd3c0b58726ed9c2d91b92e51a3f29837508fb2948bb22dd2fd",
        );
    }

    #[test]
    fn published_address_hashes_are_met() {
        assert_eq!(
            email(" Maria.Lopez+shop@Example.com ").first().map(|form| sha256_hex(form)).as_deref(),
            Some("ec6a68cf3c301277428777d2ce32c0b1acf6f5fa1423fd06c35e7e6a197ea7fb"),
        );
    }

    #[test]
    fn disputed_rules_accept_both_readings() {
        assert_eq!(name("Mary-Ann Doe"), ["mary-anndoe", "maryanndoe", "mary-ann doe"]);
        assert_eq!(postcode("SW1A 1AA"), ["sw1a1aa"]);
        assert_eq!(place("São Paulo"), ["sãopaulo", "são paulo"]);
        assert_eq!(external_id(" User42 "), ["User42", "user42"]);
    }
}
