//! Meta's normal forms. The documentation, its two SDKs and its parameter builder disagree in places; whatever one
//! of them makes is acceptable, and the documented form comes first.
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/customer-information-parameters>

use super::{
    bounded, ca_province_code, country_code, distinct, e164, lower_trim, phone::digits_of,
    plain_email, us_state_code,
};

/// Trimmed and lower case; dots and `+tag` stay (META-EMAIL-HASH).
pub fn email(raw: &str) -> Vec<String> {
    distinct(plain_email(raw))
}

/// Digits with country code, no `+`, no leading zeros (META-PHONE-HASH). If the country cannot be known, the digits
/// as they are; if it can, a national number is not acceptable (META-PHONE-CC).
pub fn phone(raw: &str, country: Option<&str>) -> Vec<String> {
    if let Some(number) = e164(raw, country) {
        return distinct([number.trim_start_matches('+').to_owned()]);
    }
    let digits = digits_of(raw).unwrap_or_default();
    let significant = digits.trim_start_matches('0');
    if (7..=15).contains(&significant.len()) { vec![significant.to_owned()] } else { Vec::new() }
}

/// Punctuation beyond ASCII that names are typed with.
const TYPOGRAPHIC: &[char] =
    &['’', '‘', 'ʼ', '´', '“', '”', '«', '»', '‐', '‑', '–', '—', '…', '·'];

/// Lower case without punctuation (META-NAME-HASH). Nothing is said about inner blanks and typographic signs: kept
/// or not, both are fine; the SDKs keep all punctuation.
pub fn name(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let typed = lower_trim(raw);
    let bare: String = typed.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let joined: String = bare.split_whitespace().collect();
    let spaced = bare.split_whitespace().collect::<Vec<_>>().join(" ");
    let plain = joined.chars().filter(|c| !TYPOGRAPHIC.contains(c)).collect();
    distinct([joined, typed, spaced, plain])
}

/// Lower case without blanks and punctuation (META-CITY-HASH); accents kept, or dropped as the builder does.
pub fn city(raw: &str) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let typed: String = lower_trim(raw).split_whitespace().collect();
    let bare: String = typed.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let latin: String = typed.chars().filter(char::is_ascii_alphanumeric).collect();
    let sdk: String =
        typed.chars().filter(|c| !c.is_ascii_digit() && !".-()".contains(*c)).collect();
    let letters: String = bare.chars().filter(|c| !c.is_ascii_digit()).collect();
    let plain = bare.chars().filter(|c| !TYPOGRAPHIC.contains(c)).collect();
    distinct([bare, latin, sdk, letters, plain])
}

/// USA: two-letter code; elsewhere lower case without blanks and punctuation (META-STATE-HASH). The builder also
/// maps Canadian provinces, and cuts any other name to its first two letters. Of an ISO 3166-2 code (`US-CA`) the
/// part behind the country is fine too.
pub fn region(raw: &str, country: Option<&str>) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let typed: String = lower_trim(raw).split_whitespace().collect();
    let bare: String = typed.chars().filter(|c| !c.is_ascii_punctuation()).collect();
    let home = country.map(str::trim).filter(|code| !code.is_empty()).map(country_code);
    let lies_in = |code: &str| home.as_ref().is_none_or(|home| home.as_deref() == Some(code));
    if let Some(state) = us_state_code(raw).filter(|_| lies_in("us")) {
        return distinct([state.to_owned(), bare]);
    }
    let province = ca_province_code(raw).filter(|_| lies_in("ca"));
    let cut = bare.chars().filter(char::is_ascii_alphabetic).take(2).collect();
    let subdivision = match typed.split_once('-') {
        Some((land, rest)) if land.len() == 2 && rest.len() <= 3 => rest.to_owned(),
        _ => String::new(),
    };
    distinct([bare, province.map_or(cut, str::to_owned), subdivision])
}

/// Lower case without blank and dash; USA: the first five digits (META-ZIP-HASH). The SDKs cut at the first dash
/// in every country, the builder keeps inner blanks.
pub fn postcode(raw: &str, country: Option<&str>) -> Vec<String> {
    let Some(raw) = bounded(raw) else { return Vec::new() };
    let typed = lower_trim(raw);
    let before_dash = typed.split('-').next().unwrap_or_default();
    let cut: String = before_dash.split_whitespace().collect();
    let joined: String = typed.chars().filter(|c| !c.is_whitespace() && *c != '-').collect();
    let in_usa = country
        .is_none_or(|code| code.trim().is_empty() || country_code(code).as_deref() == Some("us"));
    let is_zip4 = in_usa && joined.len() == 9 && joined.bytes().all(|b| b.is_ascii_digit());
    match joined.get(..5).filter(|_| is_zip4) {
        Some(zip) => distinct([zip.to_owned()]),
        None => distinct([cut, joined, before_dash.trim().to_owned()]),
    }
}

/// ISO 3166-1 alpha-2 in lower case (META-COUNTRY-HASH).
pub fn country(raw: &str) -> Vec<String> {
    let typed = lower_trim(bounded(raw).unwrap_or_default());
    let as_typed = if typed == "uk" { typed } else { String::new() };
    distinct(country_code(raw).into_iter().chain([as_typed]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn phones_have_a_country_code_or_stay_as_they_are() {
        assert_eq!(phone("0151 123456-78", Some("DE")), ["4915112345678"]);
        assert_eq!(phone("0151 123456-78", None), ["15112345678"]);
        assert_eq!(phone("000000000000", None), Vec::<String>::new());
    }

    #[test]
    fn names_and_cities_lose_punctuation() {
        assert_eq!(name("D'Angelo").first().map(String::as_str), Some("dangelo"));
        assert_eq!(name("van der Berg"), ["vanderberg", "van der berg"]);
        assert_eq!(city("São Paulo"), ["sãopaulo", "sopaulo"]);
        assert_eq!(city("   "), Vec::<String>::new());
    }

    #[test]
    fn states_are_codes_in_the_usa_only() {
        assert_eq!(region("California", Some("US")).first().map(String::as_str), Some("ca"));
        assert_eq!(region("Georgia", Some("GE")).first().map(String::as_str), Some("georgia"));
        assert_eq!(region("Quebec", Some("CA")), ["quebec", "qc"]);
        assert_eq!(region("New York", None), ["ny", "newyork"]);
        assert_eq!(region("DE-BY", Some("DE")), ["deby", "de", "by"]);
        assert_eq!(region("Bayern", None).first().map(String::as_str), Some("bayern"));
    }

    #[test]
    fn zip_codes_of_the_usa_have_five_digits() {
        assert_eq!(postcode("94035-1234", Some("US")), ["94035"]);
        assert_eq!(postcode("M1 1AE", Some("GB")), ["m11ae", "m1 1ae"]);
        assert_eq!(postcode("00-950", Some("PL")), ["00", "00950"]);
    }
}
