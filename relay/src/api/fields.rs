//! Strict reading of JSON objects: wrong types and sizes are errors that name their field; null is absent.

use serde_json::{Map, Value};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::error::ApiError;
use crate::model::consent::{Answer, Consent};

/// Longest text taken unless a field says otherwise, bytes.
pub(super) const TEXT: usize = 1024;

/// An object and where it stands in the body.
#[derive(Debug, Clone)]
pub(super) struct Fields<'a> {
    map: &'a Map<String, Value>,
    path: String,
}

impl<'a> Fields<'a> {
    /// The whole body.
    pub(super) fn root(value: &'a Value) -> Result<Self, ApiError> {
        let map = value.as_object().ok_or_else(ApiError::not_json)?;
        Ok(Self { map, path: String::new() })
    }

    /// Full name of a field.
    pub(super) fn name(&self, field: &str) -> String {
        if self.path.is_empty() { field.to_owned() } else { format!("{}.{field}", self.path) }
    }

    fn wrong(&self, field: &str, expected: &str) -> ApiError {
        ApiError::field(self.name(field), format!("expected {expected}"))
    }

    /// The value, unless absent or null.
    pub(super) fn get(&self, field: &str) -> Option<&'a Value> {
        self.map.get(field).filter(|v| !v.is_null())
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = &'a String> {
        self.map.keys()
    }

    pub(super) fn object(&self, field: &str) -> Result<Option<Fields<'a>>, ApiError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let map = value.as_object().ok_or_else(|| self.wrong(field, "an object"))?;
        Ok(Some(Fields { map, path: self.name(field) }))
    }

    pub(super) fn list(&self, field: &str) -> Result<Vec<Fields<'a>>, ApiError> {
        let Some(value) = self.get(field) else { return Ok(Vec::new()) };
        let list = value.as_array().ok_or_else(|| self.wrong(field, "a list"))?;
        let mut all = Vec::new();
        for (i, item) in list.iter().enumerate() {
            let name = format!("{field}[{i}]");
            let map = item.as_object().ok_or_else(|| self.wrong(&name, "an object"))?;
            all.push(Fields { map, path: self.name(&name) });
        }
        Ok(all)
    }

    /// Text of at most `most` bytes; absent, null and empty are `None`.
    pub(super) fn text_up_to(&self, field: &str, most: usize) -> Result<Option<String>, ApiError> {
        let Some(value) = self.get(field) else { return Ok(None) };
        let text = value.as_str().ok_or_else(|| self.wrong(field, "text"))?;
        if text.len() > most {
            return Err(self.wrong(field, &format!("at most {most} bytes")));
        }
        Ok((!text.is_empty()).then(|| text.to_owned()))
    }

    pub(super) fn text(&self, field: &str) -> Result<Option<String>, ApiError> {
        self.text_up_to(field, TEXT)
    }

    pub(super) fn required(&self, field: &str, most: usize) -> Result<String, ApiError> {
        self.text_up_to(field, most)?.ok_or_else(|| self.wrong(field, "text that is not empty"))
    }

    pub(super) fn flag(&self, field: &str) -> Result<bool, ApiError> {
        let Some(value) = self.get(field) else { return Ok(false) };
        value.as_bool().ok_or_else(|| self.wrong(field, "true or false"))
    }

    pub(super) fn time(&self, field: &str) -> Result<Option<OffsetDateTime>, ApiError> {
        let Some(text) = self.text_up_to(field, 64)? else { return Ok(None) };
        let time = OffsetDateTime::parse(&text, &Rfc3339);
        time.map(Some).map_err(|_| self.wrong(field, "an RFC 3339 time with offset"))
    }

    pub(super) fn required_time(&self, field: &str) -> Result<OffsetDateTime, ApiError> {
        self.time(field)?.ok_or_else(|| self.wrong(field, "an RFC 3339 time with offset"))
    }

    /// Decisions, raw signals, or both (the stricter answer wins); unknown keys are refused.
    pub(super) fn consent(&self, field: &str, signals: bool) -> Result<Option<Consent>, ApiError> {
        let Some(fields) = self.object(field)? else { return Ok(None) };
        let mut consent = Consent::default();
        for key in fields.keys() {
            let answer = |slot: &mut Answer| -> Result<(), ApiError> {
                *slot = match fields.text(key)?.as_deref() {
                    Some("granted") => Answer::Granted,
                    Some("denied") => Answer::Denied,
                    Some("unknown") | None => Answer::Unknown,
                    Some(_) => return Err(fields.wrong(key, "granted, denied or unknown")),
                };
                Ok(())
            };
            match key.as_str() {
                "store" => answer(&mut consent.store)?,
                "ads" => answer(&mut consent.ads)?,
                "ads_user_data" => answer(&mut consent.ads_user_data)?,
                "ads_personalise" => answer(&mut consent.ads_personalise)?,
                "gcs" | "gcd" if signals => {}
                _ => return Err(ApiError::field(fields.name(key), "unknown key")),
            }
        }
        if signals {
            if let Some(gcs) = fields.text("gcs")? {
                consent = consent.combine(Consent::from_gcs(&gcs));
            }
            if let Some(gcd) = fields.text("gcd")? {
                consent = consent.combine(Consent::from_gcd(&gcd));
            }
        }
        Ok(Some(consent))
    }
}

/// A JSON body, or 400.
pub(super) fn json(body: &[u8]) -> Result<Value, ApiError> {
    serde_json::from_slice(body).map_err(|_| ApiError::not_json())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use serde_json::json;

    #[test]
    fn errors_name_the_field_and_null_is_absent() {
        let body = json!({"a": {"b": 1, "n": null, "long": "x".repeat(2000)}, "t": "yesterday"});
        let root = Fields::root(&body).unwrap();
        let a = root.object("a").unwrap().unwrap();
        assert_eq!(a.text("b").unwrap_err().at(), (400, Some("a.b")));
        assert_eq!(a.text("long").unwrap_err().at(), (400, Some("a.long")));
        assert_eq!(a.text("n"), Ok(None));
        assert_eq!(root.time("t").unwrap_err().at(), (400, Some("t")));
    }

    #[test]
    fn consent_takes_the_stricter_of_decisions_and_signals_and_refuses_unknown_keys() {
        let read =
            |v: Value| Fields::root(&json!({"consent": v})).unwrap().consent("consent", true);
        let both = read(json!({"ads": "granted", "ads_user_data": "granted", "gcd": "11p1p1r1p5"}));
        let consent = both.unwrap().unwrap();
        assert_eq!((consent.ads, consent.ads_user_data), (Answer::Denied, Answer::Granted));
        assert_eq!(read(json!({"add": "granted"})).unwrap_err().at(), (400, Some("consent.add")));
        assert_eq!(read(json!({"ads": true})).unwrap_err().at(), (400, Some("consent.ads")));
    }
}
