//! Google's user-provided data, the same for Google Ads and the Data Manager API
//! (<https://developers.google.com/data-manager/api/devguides/concepts/formatting>).

use super::{clean, hashed, is_sha256, lower, phone, places};

/// Lower case, trimmed; Gmail addresses lose dots and `+tag` of the local part, others keep both (GADS-UID-EMAIL).
#[must_use]
pub fn email(text: &str) -> Option<String> {
    hashed(text, |text| {
        let address = super::email(text)?;
        let (local, domain) = address.split_once('@')?;
        if !matches!(domain, "gmail.com" | "googlemail.com") {
            return Some(address);
        }
        let mailbox = local.split('+').next().unwrap_or_default().replace('.', "");
        (!mailbox.is_empty()).then(|| format!("{mailbox}@{domain}"))
    })
}

/// E.164 with `+` (GADS-UID-PHONE). `country` as for the other platforms.
#[must_use]
pub fn phone(text: &str, country: Option<&str>) -> Option<String> {
    hashed(text, |text| phone::e164(text, country))
}

/// Given or family name: lower case, trimmed; blanks and punctuation inside stay (GDM-NAMES).
#[must_use]
pub fn name(text: &str) -> Option<String> {
    hashed(text, |text| Some(lower(text, |_| true)))
}

/// ISO 3166-1 alpha-2 in upper case, **not hashed** (GDM-REGION).
#[must_use]
pub fn region_code(text: &str) -> Option<String> {
    let text = clean(text)?;
    (text.len() == 2).then(|| places::alpha2(&text).map(str::to_owned)).flatten()
}

/// Postal code, trimmed, **not hashed** (GDM-POSTAL). A hash is refused: nobody can match it.
#[must_use]
pub fn postal_code(text: &str) -> Option<String> {
    clean(text).filter(|text| !is_sha256(text))
}
