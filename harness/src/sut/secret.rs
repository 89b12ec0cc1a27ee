//! Secrets of a profile: the text itself, or the name of the environment variable that holds it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, Unexpected, Visitor},
};

/// `secret: shpss_123`, or `secret: { env: SHOP_SECRET }`. Never shown.
#[derive(Clone, PartialEq, Eq)]
pub enum Secret {
    /// The secret.
    Text(String),
    /// Name of a variable; replaced when the profile is loaded.
    Env(String),
}

impl Secret {
    /// The secret; empty as long as its variable was not read.
    pub fn text(&self) -> &str {
        match self {
            Self::Text(text) => text,
            Self::Env(_) => "",
        }
    }

    /// Reads the variable.
    ///
    /// # Errors
    /// In words: it is not set, or empty.
    pub fn resolve(&mut self, lookup: impl Fn(&str) -> Option<String>) -> Result<(), String> {
        let Self::Env(name) = self else { return Ok(()) };
        match lookup(name) {
            Some(text) if !text.is_empty() => {
                *self = Self::Text(text);
                Ok(())
            }
            Some(_) => Err(format!("the environment variable {name} is empty")),
            None => Err(format!("the environment variable {name} is not set")),
        }
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(_) => f.write_str("Text(…)"),
            Self::Env(name) => f.debug_tuple("Env").field(name).finish(),
        }
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Form)
    }
}

/// A text or a map with one key: by hand, so that a mistake is reported where it stands.
struct Form;

impl<'de> Visitor<'de> for Form {
    type Value = Secret;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text (in quotes if it looks like a number) or `env: NAME`")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Secret, E> {
        if text.is_empty() {
            return Err(E::invalid_value(Unexpected::Str(text), &self));
        }
        Ok(Secret::Text(text.to_owned()))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Secret, A::Error> {
        let mut found = None;
        while let Some(key) = map.next_key::<String>()? {
            if key != "env" || found.is_some() {
                return Err(A::Error::unknown_field(&key, &["env"]));
            }
            found = Some(map.next_value::<String>()?);
        }
        let name = found.ok_or_else(|| A::Error::missing_field("env"))?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(A::Error::custom(format!(
                "`{name}` is no name of an environment variable"
            )));
        }
        Ok(Secret::Env(name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(yaml: &str) -> Result<Secret, String> {
        serde_saphyr::from_str(yaml).map_err(|error| error.to_string())
    }

    #[test]
    fn a_secret_is_a_text_or_the_name_of_a_variable() {
        assert_eq!(read("shpss_1").unwrap(), Secret::Text("shpss_1".into()));
        assert_eq!(read("{ env: SHOP_SECRET }").unwrap(), Secret::Env("SHOP_SECRET".into()));
        for (yaml, word) in [
            ("{ evn: X }", "evn"),
            ("{ env: 'A B' }", "no name"),
            ("{}", "env"),
            ("[x]", "env: NAME"),
            ("''", "env: NAME"),
        ] {
            let error = read(yaml).unwrap_err();
            assert!(error.contains(word), "{yaml}: {error}");
        }
    }

    #[test]
    fn a_variable_is_read_once_and_has_to_hold_something() {
        let env = |name: &str| match name {
            "FULL" => Some("s3cret".to_owned()),
            "EMPTY" => Some(String::new()),
            _ => None,
        };
        let mut secret = Secret::Env("FULL".into());
        assert_eq!(secret.text(), "");
        secret.resolve(env).unwrap();
        assert_eq!(secret.text(), "s3cret");
        assert!(Secret::Env("EMPTY".into()).resolve(env).unwrap_err().contains("is empty"));
        assert!(Secret::Env("GONE".into()).resolve(env).unwrap_err().contains("GONE is not set"));
    }

    #[test]
    fn debug_output_shows_no_secret() {
        assert!(!format!("{:?}", Secret::Text("s3cret".into())).contains("s3cret"));
    }
}
