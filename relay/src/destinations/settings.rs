//! Checks of settings that end up in a URL or identify an account.

use url::Url;

/// A setting that cannot be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("setting `{setting}` {problem}")]
pub struct SettingsError {
    /// Name of the setting as in the configuration file.
    pub setting: &'static str,
    /// What is expected of it; never its value, which may be a secret.
    pub problem: &'static str,
}

/// An http or https URL without credentials, query and trailing slash.
pub(super) fn base_url(setting: &'static str, text: &str) -> Result<String, SettingsError> {
    let wrong = |problem| SettingsError { setting, problem };
    let url = Url::parse(text).map_err(|_| wrong("is no absolute URL"))?;
    if !matches!(url.scheme(), "http" | "https") || url.host_str().is_none() {
        return Err(wrong("must begin with http:// or https:// and a host"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(wrong("must not contain credentials"));
    }
    if url.query().is_some() || url.fragment().is_some() {
        return Err(wrong("must not contain a query or fragment"));
    }
    Ok(text.trim_end_matches('/').to_owned())
}

/// A page of the shop, or nothing.
pub(super) fn page(setting: &'static str, text: &str) -> Result<Option<String>, SettingsError> {
    if text.is_empty() {
        return Ok(None);
    }
    let sound = Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https"));
    let problem = "must be the http or https address of a page";
    sound.then(|| Some(text.to_owned())).ok_or(SettingsError { setting, problem })
}

/// Digits only.
pub(super) fn digits(setting: &'static str, text: &str) -> Result<(), SettingsError> {
    let sound = (1..=24).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    sound.then_some(()).ok_or(SettingsError { setting, problem: "must be digits only" })
}

/// Ten digits, as Google writes account ids without their hyphens (GADS-CID-FORMAT).
pub(super) fn google_account(setting: &'static str, text: &str) -> Result<(), SettingsError> {
    let sound = text.len() == 10 && text.bytes().all(|byte| byte.is_ascii_digit());
    sound
        .then_some(())
        .ok_or(SettingsError { setting, problem: "must be ten digits without hyphens" })
}

/// `v26` or `v26.0`.
pub(super) fn api_version(setting: &'static str, text: &str) -> Result<(), SettingsError> {
    let number = text.strip_prefix('v').unwrap_or_default();
    let sound = !number.is_empty()
        && number.len() <= 8
        && number.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    sound.then_some(()).ok_or(SettingsError { setting, problem: "must look like v26 or v26.0" })
}

/// Something visible, usable as an HTTP header value.
pub(super) fn token(setting: &'static str, text: &str) -> Result<(), SettingsError> {
    let sound = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
    sound
        .then_some(())
        .ok_or(SettingsError { setting, problem: "must be one word of ASCII characters" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_that_would_leak_or_mislead_are_refused() {
        assert_eq!(
            base_url("base_url", "http://127.0.0.1:9/x/").as_deref(),
            Ok("http://127.0.0.1:9/x")
        );
        for text in [
            "graph.facebook.com",
            "ftp://h/",
            "https://user:pw@h/",
            "https://h/?token=1",
            "https://h/#a",
        ] {
            assert!(base_url("base_url", text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_error_names_the_setting_and_not_its_value() {
        let error =
            google_account("customer_id", "123-456-7890").map_err(|error| error.to_string());
        assert_eq!(
            error,
            Err("setting `customer_id` must be ten digits without hyphens".to_owned())
        );
        assert!(token("access_token", "secret with blanks").is_err());
        assert!(digits("pixel_id", "12/34").is_err());
        assert!(api_version("api_version", "v26.0/../x").is_err());
    }
}
