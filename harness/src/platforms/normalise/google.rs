//! Google's normal forms, for Google Ads, Data Manager and the tag alike.
//! <https://developers.google.com/data-manager/api/devguides/concepts/formatting>

use super::{bounded, e164, lower_trim};

/// Lower case, trimmed; for gmail.com and googlemail.com without dots and `+tag`. `None` if it is no address.
pub fn email(raw: &str) -> Option<String> {
    let address = lower_trim(bounded(raw)?);
    if address.contains(char::is_whitespace) {
        return None;
    }
    let (local, domain) = address
        .split_once('@')
        .filter(|(l, d)| !l.is_empty() && !d.is_empty() && !d.contains('@'))?;
    if !matches!(domain, "gmail.com" | "googlemail.com") {
        return Some(address);
    }
    let local = local.split('+').next().unwrap_or_default().replace('.', "");
    (!local.is_empty()).then(|| format!("{local}@{domain}"))
}

/// E.164 with `+`; see [`e164`].
pub fn phone(raw: &str, country: Option<&str>) -> Option<String> {
    e164(raw, country)
}

/// Given or family name: trimmed and lower case, punctuation stays (as Google's own formatter does).
pub fn name(raw: &str) -> Option<String> {
    Some(lower_trim(bounded(raw)?)).filter(|name| !name.is_empty())
}

/// Postal code: trimmed, sent plain.
pub fn postcode(raw: &str) -> Option<String> {
    Some(bounded(raw)?.trim().to_owned()).filter(|code| !code.is_empty())
}

/// Country as region code: two letters in upper case, sent plain.
pub fn region(raw: &str) -> Option<String> {
    let code = bounded(raw)?.trim().to_uppercase();
    (code.chars().count() == 2).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_gmail_loses_dots_and_tags() {
        assert_eq!(email(" Jane.Doe+x@Gmail.com").as_deref(), Some("janedoe@gmail.com"));
        assert_eq!(email("a.b.c+x+y@googlemail.com").as_deref(), Some("abc@googlemail.com"));
        assert_eq!(email("Jane.Doe+x@Example.com").as_deref(), Some("jane.doe+x@example.com"));
        for wrong in ["", "...@gmail.com", "a b@example.com", "a@b@example.com", "a@", "@b.com"] {
            assert_eq!(email(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn names_keep_their_punctuation() {
        assert_eq!(name("  Mary-Ann O'Neil ").as_deref(), Some("mary-ann o'neil"));
        assert_eq!(region("de").as_deref(), Some("DE"));
        assert_eq!(region("DEU"), None);
    }
}
