//! Looking for a text that must not be there, in every form in which it can travel.

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

use super::{About, Seen, look::merged};
use crate::{exchange::Exchange, verdict::CheckResult};

/// One text to look for.
pub(crate) struct Needle {
    /// What it is, for people: `e-mail of shopper`.
    pub(crate) name: String,
    forms: Vec<(&'static str, String)>,
    /// Must stand alone, not inside a longer run of letters and digits.
    whole: bool,
}

impl Needle {
    /// Looks for this text in plain, lower case, percent-encoded, JSON-escaped and base64 form.
    pub(crate) fn new(name: impl Into<String>, text: &str) -> Option<Self> {
        let text = text.trim();
        if text.chars().count() < 5 {
            return None;
        }
        let mut forms = vec![("plain", text.to_lowercase())];
        // Whole groups of three bytes encode alike wherever the text ends.
        for (form, text) in [("base64", text.to_owned()), ("base64", text.to_lowercase())] {
            let bytes = text.as_bytes();
            let groups = bytes.get(..bytes.len() / 3 * 3).unwrap_or_default();
            if groups.len() >= 9 {
                forms.push((form, STANDARD_NO_PAD.encode(groups)));
            }
        }
        Some(Self { name: name.into(), forms, whole: false })
    }

    /// A run of digits that must stand alone (so that it is not found inside a hash).
    pub(crate) fn digits(name: impl Into<String>, text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (digits.len() >= 9).then(|| Self {
            name: name.into(),
            forms: vec![("plain", digits)],
            whole: true,
        })
    }

    /// In which form it stands in a text.
    pub(crate) fn find(&self, hay: &Haystack) -> Option<&'static str> {
        self.forms.iter().find_map(|(form, text)| match *form {
            "base64" => hay.texts.iter().any(|t| t.contains(text.as_str())).then_some("base64"),
            _ => hay.folded.iter().enumerate().find_map(|(i, t)| {
                let found = if self.whole { stands_alone(t, text) } else { t.contains(text) };
                found.then_some(if i == 0 { "plain" } else { "encoded" })
            }),
        })
    }
}

fn stands_alone(text: &str, digits: &str) -> bool {
    text.match_indices(digits).any(|(at, _)| {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let after = text.get(at + digits.len()..).and_then(|t| t.chars().next());
        let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '_');
        !part(before) && !part(after)
    })
}

/// A text prepared for searching: as it is, and decoded.
pub(crate) struct Haystack {
    texts: Vec<String>,
    folded: Vec<String>,
}

impl Haystack {
    /// Everything of a request.
    pub(crate) fn of_request(exchange: &Exchange) -> Self {
        let request = &exchange.request;
        let mut text = format!("{}?{}\n", request.path, request.query);
        for (name, value) in &request.headers {
            // The connection's own headers name the gateway, never a person.
            if name != "host" {
                text.push_str(value);
                text.push('\n');
            }
        }
        text.push_str(&request.body);
        Self::of_text(text)
    }

    /// Any text.
    pub(crate) fn of_text(text: String) -> Self {
        let once = crate::truth::decode(&text);
        let twice = crate::truth::decode(&once.replace('+', " "));
        let unescaped = unescape(&once);
        let folded = [&text, &once, &twice, &unescaped].iter().map(|t| t.to_lowercase()).collect();
        Self { texts: vec![text, once], folded }
    }
}

/// JSON escapes undone (`\u0040`, `\/`), whatever surrounds them.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        match chars.next() {
            Some('u') => {
                let code = after.get(1..5).and_then(|hex| u32::from_str_radix(hex, 16).ok());
                match code.and_then(char::from_u32) {
                    Some(c) => {
                        out.push(c);
                        rest = after.get(5..).unwrap_or_default();
                    }
                    None => rest = after,
                }
            }
            Some(c) => {
                out.push(if c == 'n' { '\n' } else { c });
                rest = chars.as_str();
            }
            None => rest = "",
        }
    }
    out.push_str(rest);
    out
}

/// Judges that none of these texts is in any request to a platform.
pub(crate) fn none_sent(seen: &Seen<'_>, about: &About, needles: &[Needle]) -> CheckResult {
    let mut any = false;
    let mut findings = Vec::new();
    for exchange in seen.sent() {
        any = true;
        let hay = Haystack::of_request(exchange);
        for needle in needles {
            if let Some(form) = needle.find(&hay) {
                findings.push(
                    about
                        .finding(format!(
                            "{} was sent in {form} form to {}",
                            needle.name, exchange.request.host
                        ))
                        .by([exchange.seq]),
                );
            }
        }
    }
    seen.judged_if_any(any, merged(findings))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_text_is_found_in_every_form_it_can_travel_in() {
        let needle = Needle::new("e-mail", "Jane.Doe.x7@Example.com").unwrap();
        for text in [
            "jane.doe.x7@example.com",
            "a=Jane.Doe.x7%40Example.com&b",
            "a=jane.doe.x7%2540example.com",
            r#"{"a":"jane.doe.x7\u0040example.com"}"#,
            "SmFuZS5Eb2UueDdARXhhbXBsZS5jb20=",
        ] {
            assert!(needle.find(&Haystack::of_text(text.into())).is_some(), "{text}");
        }
        assert!(needle.find(&Haystack::of_text("john@example.com".into())).is_none());
    }

    #[test]
    fn digits_inside_a_hash_are_no_phone_number() {
        let needle = Needle::digits("phone", "(202) 555-0143").unwrap();
        assert!(needle.find(&Haystack::of_text("ph=2025550143".into())).is_some());
        assert!(needle.find(&Haystack::of_text("a2025550143f".into())).is_none());
    }
}
