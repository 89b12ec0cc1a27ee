//! The parser's words about a mistake. The line itself is not repeated, nor the value: either may be a secret.

use super::ConfigError;

/// Longest name of a setting that is shown, in characters.
const LONGEST: usize = 60;

/// What the parser found, with the line and, if the line begins with one, the name of the setting.
pub(super) fn of(text: &str, error: &toml::de::Error) -> ConfigError {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map(|before| before.matches('\n').count() + 1);
    let written = line.and_then(|line| text.lines().nth(line - 1)).unwrap_or_default();
    let setting = setting(written).map(|name| format!("{name}: ")).unwrap_or_default();
    ConfigError::Invalid { line, problem: format!("{setting}{}", without_value(error.message())) }
}

/// `batch` of `batch = 'many'`. A line that begins otherwise may be part of a value.
fn setting(line: &str) -> Option<&str> {
    let (name, _) = line.split_once('=')?;
    let name = name.trim();
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    (!name.is_empty() && name.len() <= LONGEST && name.chars().all(bare)).then_some(name)
}

/// `invalid type: string "hush", expected a sequence` without the text.
fn without_value(message: &str) -> String {
    match message.split_once("string \"").zip(message.rsplit_once("\", expected")) {
        Some(((before, _), (_, after))) => format!("{before}string, expected{after}"),
        None => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        toml::from_str::<super::super::Config>(text)
            .map_or_else(|error| of(text, &error).to_string(), |_| String::new())
    }

    #[test]
    fn a_secret_is_not_repeated_whatever_is_wrong_with_it() {
        for (text, words) in [
            ("operator_token = 'hush\n", "line 1: operator_token: "),
            ("operator_token = hush\n", "line 1: operator_token: "),
            (
                "operator_token = 'x'\n[[shop]]\nid = 'a'\nshopify_secrets = 'hush'\n",
                "line 4: shopify_secrets: ",
            ),
            (
                "operator_token = 'x'\n[[shop]]\nid = 'a'\nwebhook_secrets = [\n 'hush=hush\n]\n",
                "line 5: ",
            ),
            ("operator_token = 'x'\n[shop]\nid = 'hush'\n", "line 2: "),
            ("operator_token = ['hush']\n", "line 1: operator_token: "),
        ] {
            let error = said(text);
            assert!(error.starts_with(words), "{text}: {error}");
            assert!(!error.contains("hush"), "{text}: {error}");
        }
    }

    #[test]
    fn a_value_is_left_out_and_what_is_expected_stays() {
        assert_eq!(
            without_value("invalid type: string \"a\\\"b\", expected usize"),
            "invalid type: string, expected usize"
        );
        assert_eq!(without_value("missing field `id`"), "missing field `id`");
        assert_eq!(setting("a.b-c_1 = 2"), Some("a.b-c_1"));
        assert_eq!(setting("'x=y',"), None);
    }
}
