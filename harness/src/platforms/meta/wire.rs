//! Reading requests: the four body shapes, the three places of the token, the pixel's hits, and the appendix that
//! Meta's parameter builder puts behind values.
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/using-the-api>

use serde_json::{Map, Value};

use super::super::normalise::sent::present;
use crate::exchange::Request;

/// Most events that are looked at; Meta takes no more in one request.
pub(super) const MOST_EVENTS: usize = 1000;
/// Most parts of a multipart body that are looked at.
const MOST_PARTS: usize = 64;

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// `/v26.0/<pixel>/events`; no version if the path has none.
    Events {
        /// Major version.
        version: Option<u16>,
        /// Pixel or dataset id as in the path.
        pixel: String,
    },
    /// The browser's pixel, `/tr`.
    Pixel,
    /// Anything else.
    Unknown,
}

/// A request, taken apart.
#[derive(Debug)]
pub(super) struct Call {
    /// Where it goes.
    pub(super) route: Route,
    /// Access token, and whether it came as bearer header.
    pub(super) token: Option<(String, bool)>,
    /// Keys beside `data`.
    pub(super) keys: Value,
    /// Events; `None` if there is no readable `data`. JSON inside strings is unwrapped.
    pub(super) events: Option<Vec<Value>>,
}

impl Call {
    /// Takes a request apart, whatever its bytes.
    pub(super) fn read(request: &Request) -> Self {
        let mut keys = body_keys(request);
        let events = keys.remove("data").and_then(unwrapped_list);
        let token = bearer(request)
            .map(|token| (token, true))
            .or_else(|| in_query(request, "access_token").map(|token| (token, false)))
            .or_else(|| Some((keys.get("access_token")?.as_str()?.to_owned(), false)))
            .filter(|(token, _)| !token.is_empty());
        Self { route: Route::read(&request.path), token, keys: Value::Object(keys), events }
    }

    /// The code that marks all events as tests.
    pub(super) fn test_code(&self) -> Option<&str> {
        self.keys.get("test_event_code").and_then(present).and_then(Value::as_str)
    }
}

impl Route {
    fn read(path: &str) -> Self {
        let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        match parts.as_slice() {
            ["tr"] => Self::Pixel,
            [version, pixel, "events"] => match major_version(version) {
                Some(version) => {
                    Self::Events { version: Some(version), pixel: (*pixel).to_owned() }
                }
                None => Self::Unknown,
            },
            [pixel, "events"] => Self::Events { version: None, pixel: (*pixel).to_owned() },
            _ => Self::Unknown,
        }
    }
}

/// 26 of `v26.0`.
fn major_version(text: &str) -> Option<u16> {
    text.strip_prefix('v')?.strip_suffix(".0")?.parse().ok()
}

fn bearer(request: &Request) -> Option<String> {
    let (scheme, token) = request.header("authorization")?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim().to_owned())
}

fn in_query(request: &Request, name: &str) -> Option<String> {
    request.query_pairs().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
}

/// Top-level keys of a body of any of the four shapes; empty if it has none of them.
fn body_keys(request: &Request) -> Map<String, Value> {
    let kind = request.header("content-type").unwrap_or_default();
    let lower = kind.to_ascii_lowercase();
    let fields = if lower.starts_with("multipart/form-data") {
        multipart(kind, &request.body)
    } else if lower.starts_with("application/x-www-form-urlencoded") {
        url::form_urlencoded::parse(request.body.as_bytes()).into_owned().collect()
    } else {
        return match serde_json::from_str(&request.body) {
            Ok(Value::Object(keys)) => keys,
            _ => Map::new(),
        };
    };
    fields.into_iter().map(|(name, value)| (name, Value::String(value))).collect()
}

/// The body in the shape of plain JSON, whichever of the four shapes it came in.
pub(super) fn body(request: &Request) -> Option<Value> {
    let mut body = match request.json() {
        Some(json) => json,
        None => Value::Object(Some(body_keys(request)).filter(|keys| !keys.is_empty())?),
    };
    if let Some(data) = body.get_mut("data")
        && let Some(events) = unwrapped_list(data.clone())
    {
        *data = Value::Array(events);
    }
    Some(body)
}

/// Name and text of each part of a multipart body (RFC 7578), leniently.
fn multipart(content_type: &str, body: &str) -> Vec<(String, String)> {
    let Some((_, boundary)) = content_type.split_once("boundary=") else { return Vec::new() };
    let boundary = boundary.split(';').next().unwrap_or_default().trim().trim_matches('"');
    if boundary.is_empty() {
        return Vec::new();
    }
    let delimiter = format!("--{boundary}");
    body.split(delimiter.as_str())
        .skip(1)
        .take_while(|part| !part.starts_with("--"))
        .take(MOST_PARTS)
        .filter_map(|part| {
            let part =
                part.strip_prefix("\r\n").or_else(|| part.strip_prefix('\n')).unwrap_or(part);
            let (head, content) =
                part.split_once("\r\n\r\n").or_else(|| part.split_once("\n\n"))?;
            let (_, name) = head.split_once("name=\"")?;
            let (name, _) = name.split_once('"')?;
            let content = content
                .strip_suffix("\r\n")
                .or_else(|| content.strip_suffix('\n'))
                .unwrap_or(content);
            Some((name.to_owned(), content.to_owned()))
        })
        .collect()
}

/// `data` as a list whose elements are events: the list and its elements may be JSON inside of strings.
fn unwrapped_list(data: Value) -> Option<Vec<Value>> {
    let list = match data {
        Value::String(json) => serde_json::from_str(&json).ok()?,
        other => other,
    };
    let Value::Array(events) = list else { return None };
    Some(events.into_iter().map(unwrapped).collect())
}

fn unwrapped(event: Value) -> Value {
    match event {
        Value::String(json) => serde_json::from_str(&json).unwrap_or(Value::String(json)),
        other => other,
    }
}

/// The value without the appendix of Meta's parameter builder: `.` and eight characters that are the base64url of
/// a format byte 1, a language (1 to 6), a kind (0 to 3) and a version, or one of six two-letter marks.
/// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameter-builder-library>
pub fn without_appendix(value: &str) -> &str {
    match value.rsplit_once('.') {
        Some((rest, last)) if !rest.is_empty() && is_appendix(last) => rest,
        _ => value,
    }
}

fn is_appendix(text: &str) -> bool {
    use base64::Engine;
    if matches!(text, "AQ" | "Ag" | "Aw" | "BA" | "BQ" | "Bg") {
        return true;
    }
    if text.len() != 8 {
        return false;
    }
    let decoded = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(text);
    matches!(decoded.as_deref(), Ok([1, language, kind, ..]) if (1..=6).contains(language) && *kind <= 3)
}

/// Parts of `fb.<subdomain index>.<ms>.<click id>`, with or without appendix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrowserId<'a> {
    /// Labels of the cookie's domain minus one.
    pub subdomain: u32,
    /// When the cookie was made, Unix milliseconds (as sent: it may be wrong).
    pub created: u64,
    /// `fbclid` in an `fbc`, a random number in an `fbp`.
    pub id: &'a str,
}

impl<'a> BrowserId<'a> {
    /// Reads an `fbc` or `fbp`; `None` if it is malformed.
    /// <https://developers.facebook.com/documentation/ads-commerce/conversions-api/parameters/fbp-and-fbc>
    pub fn read(value: &'a str) -> Option<Self> {
        let mut parts = value.splitn(4, '.');
        let (prefix, subdomain, created, id) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        let id = without_appendix(id);
        let is_whole = prefix == "fb" && digits(subdomain) && digits(created) && !id.is_empty();
        if !is_whole || id.contains(char::is_whitespace) {
            return None;
        }
        Some(Self { subdomain: subdomain.parse().ok()?, created: created.parse().ok()?, id })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn post(content_type: &str, body: &str) -> Call {
        Call::read(&Request {
            method: "POST".into(),
            path: "/v26.0/123/events".into(),
            headers: vec![("content-type".into(), content_type.into())],
            body: body.into(),
            ..Request::default()
        })
    }

    #[test]
    fn all_four_body_shapes_give_the_same_events() {
        let multipart = "--B\r\nContent-Disposition: form-data; name=\"data\"\r\n\r\n[{\"event_name\":\"Purchase\"}]\r\n\
            --B\r\nContent-Disposition: form-data; name=\"access_token\"\r\n\r\nEAAB1\r\n--B--\r\n";
        let calls = [
            post(
                "application/json",
                r#"{"data":[{"event_name":"Purchase"}],"access_token":"EAAB1"}"#,
            ),
            post(
                "application/x-www-form-urlencoded",
                "data=%5B%22%7B%5C%22event_name%5C%22%3A%5C%22Purchase%5C%22%7D%22%5D&access_token=EAAB1",
            ),
            post(
                "application/x-www-form-urlencoded; charset=utf-8",
                "data=%5B%7B%22event_name%22%3A%22Purchase%22%7D%5D&access_token=EAAB1",
            ),
            post("multipart/form-data; boundary=B", multipart),
        ];
        for call in calls {
            assert_eq!(
                call.events,
                Some(vec![serde_json::json!({"event_name": "Purchase"})]),
                "{call:?}"
            );
            assert_eq!(call.token, Some(("EAAB1".into(), false)));
        }
    }

    #[test]
    fn the_pointers_of_events_lead_into_every_body_shape() {
        let body = |content_type: &str, body: &str| {
            super::body(&Request {
                headers: vec![("content-type".into(), content_type.into())],
                body: body.into(),
                ..Request::default()
            })
        };
        let form = "application/x-www-form-urlencoded";
        let of_form =
            body(form, "data=%5B%7B%22event_id%22%3A%22a%22%7D%5D&access_token=t").unwrap();
        assert_eq!(of_form.pointer("/data/0/event_id"), Some(&"a".into()));
        assert_eq!(of_form.pointer("/access_token"), Some(&"t".into()));
        let inside = body("application/json", r#"{"data":["{\"event_id\":\"a\"}"]}"#).unwrap();
        assert_eq!(inside.pointer("/data/0/event_id"), Some(&"a".into()));
        let kept = body("application/json", r#"{"data":7}"#).unwrap();
        assert_eq!(kept.pointer("/data"), Some(&7.into()));
        assert_eq!(body("application/json", "[1]"), Some(serde_json::json!([1])));
        assert_eq!(body("application/json", r#"{"data":[{"event_"#), None);
        assert_eq!(body(form, ""), None);
    }

    #[test]
    fn a_body_without_a_list_has_no_events() {
        for body in ["", "{", "[]", "{\"data\":{}}", "{\"data\":null}", "{\"data\":\"x\"}"] {
            assert_eq!(post("application/json", body).events, None, "{body}");
        }
        assert_eq!(post("multipart/form-data", "--\r\n").events, None);
    }

    #[test]
    fn paths_are_routes() {
        let events = |version, pixel: &str| Route::Events { version, pixel: pixel.into() };
        assert_eq!(Route::read("/v26.0/123/events"), events(Some(26), "123"));
        assert_eq!(Route::read("/v26.0/123/events/"), events(Some(26), "123"));
        assert_eq!(Route::read("/123/events"), events(None, "123"));
        assert_eq!(Route::read("/tr/"), Route::Pixel);
        for unknown in ["/", "/v26/123/events", "/v26.0/123", "/v99999.0/1/events", "/x/123/events"]
        {
            assert_eq!(Route::read(unknown), Route::Unknown, "{unknown}");
        }
    }

    #[test]
    fn appendices_are_told_from_values() {
        assert_eq!(
            without_appendix("fb.1.1700000000000.Click_A-1.AQICAQMC"),
            "fb.1.1700000000000.Click_A-1"
        );
        assert_eq!(without_appendix("203.0.113.195.AQQAAQMC"), "203.0.113.195");
        assert_eq!(without_appendix("abc.BA"), "abc");
        for kept in [
            "203.0.113.195",
            "https://shop.example/a.html",
            "abc.AQIC",
            "abc.zzzzzzzz",
            ".BA",
            "abc.CQICAQMC",
        ] {
            assert_eq!(without_appendix(kept), kept);
        }
    }

    #[test]
    fn browser_ids_have_four_parts() {
        let read = BrowserId::read("fb.1.1700000000000.Click_A-1.AQICAQMC").unwrap();
        assert_eq!(read, BrowserId { subdomain: 1, created: 1_700_000_000_000, id: "Click_A-1" });
        for malformed in [
            "",
            "fb.1.1700000000000",
            "fb.1.1700000000000.",
            "fb.x.1700000000000.a",
            "fa.1.1700000000000.a",
            "fb.1.17e3.a",
            "IwAR2F4",
            "fb.1.99999999999999999999999.a",
            "fb.1.1700000000000. a",
        ] {
            assert_eq!(BrowserId::read(malformed), None, "{malformed}");
        }
    }
}
