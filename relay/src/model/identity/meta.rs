//! Meta's customer information parameters
//! (<https://developers.facebook.com/docs/marketing-api/conversions-api/parameters/customer-information-parameters>).
//!
//! Where Meta's own libraries disagree, the documented rule decides; every choice is recorded in
//! `tests/vectors/meta-normalization.json`.

use super::{clean, hashed, lower, phone, places};

/// `em`: trimmed, lower case; dots and `+tag` stay (META-EMAIL-HASH).
#[must_use]
pub fn email(text: &str) -> Option<String> {
    hashed(text, super::email)
}

/// `ph`: digits with the country code, no `+` and no trunk zero (META-PHONE-HASH, META-PHONE-CC).
///
/// `country` is the ISO 3166-1 alpha-2 code of the address, for numbers in national form.
#[must_use]
pub fn phone(text: &str, country: Option<&str>) -> Option<String> {
    hashed(text, |text| {
        phone::e164(text, country).map(|number| number.trim_start_matches('+').to_owned())
    })
}

/// `fn` and `ln`: lower case without blanks and punctuation, letters of any script stay (META-NAME-HASH).
#[must_use]
pub fn name(text: &str) -> Option<String> {
    hashed(text, |text| Some(squeeze(text)))
}

/// `ct`: lower case without blanks and punctuation; accents stay (META-CITY-HASH).
#[must_use]
pub fn city(text: &str) -> Option<String> {
    hashed(text, |text| Some(squeeze(text)))
}

/// `st`: two-letter code in the US, elsewhere as a city (META-STATE-HASH).
#[must_use]
pub fn state(text: &str, country: Option<&str>) -> Option<String> {
    hashed(text, |text| {
        // ISO 3166-2 codes repeat the country: `US-CA` is `CA`.
        let prefix = country.map(|code| format!("{}-", code.trim().to_uppercase()));
        let text = prefix.and_then(|prefix| text.strip_prefix(prefix.as_str())).unwrap_or(text);
        let state = squeeze(text);
        if !state.chars().any(char::is_alphabetic) {
            return None;
        }
        let american = country.and_then(places::alpha2).is_none_or(|code| code == "US");
        match places::us_state(&state) {
            Some(code) if american => Some(code.to_owned()),
            _ => Some(state),
        }
    })
}

/// `zp`: lower case, no blanks, up to the first dash; five digits in the US (META-ZIP-HASH).
#[must_use]
pub fn zip(text: &str, country: Option<&str>) -> Option<String> {
    hashed(text, |text| {
        let text = lower(text, |c| !c.is_whitespace());
        let zip = text.split('-').next().unwrap_or_default();
        let american = country.and_then(places::alpha2).is_none_or(|code| code == "US");
        let nine_digits = zip.len() == 9 && zip.bytes().all(|byte| byte.is_ascii_digit());
        let zip = if american && nine_digits { zip.get(..5)? } else { zip };
        // One character is left of `D-10115` or a typing error: no postal code.
        (zip.chars().nth(1).is_some()).then(|| zip.to_owned())
    })
}

/// `country`: ISO 3166-1 alpha-2 in lower case (META-COUNTRY-HASH).
#[must_use]
pub fn country(text: &str) -> Option<String> {
    hashed(text, |text| places::alpha2(text).map(str::to_ascii_lowercase))
}

/// `external_id`: the shop's customer id, trimmed and hashed; no further rule is published (META-EXTID).
#[must_use]
pub fn external_id(text: &str) -> Option<String> {
    hashed(text, clean)
}

/// Lower case without blanks and ASCII punctuation.
fn squeeze(text: &str) -> String {
    lower(text, |c| !c.is_whitespace() && !c.is_ascii_punctuation())
}
