//! Looking for a text that must not be there, in every form in which it can travel.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};
use memchr::memmem::Finder;
use serde_json::Value;

use super::{
    About, Seen, look::merged, minimal::canary_needles, no_plain_contact::contact_needles,
};
use crate::{
    exchange::{Exchange, Request},
    plan::Shop,
    verdict::CheckResult,
};

/// One text to look for.
pub(crate) struct Needle {
    /// What it is, for people: `e-mail of shopper`.
    pub(crate) name: String,
    /// In lower case.
    plain: Finder<'static>,
    base64: Vec<Finder<'static>>,
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
        let lower = text.to_lowercase();
        // Whole groups of three bytes encode alike wherever the text ends.
        let groups = |text: &str| text.as_bytes().get(..text.len() / 3 * 3).map(<[u8]>::to_vec);
        let mut written = vec![groups(text), groups(&lower)];
        written.dedup();
        let base64 = written.into_iter().flatten().filter(|groups| groups.len() >= 9);
        Some(Self {
            name: name.into(),
            plain: Finder::new(&lower).into_owned(),
            base64: base64.map(|g| Finder::new(&STANDARD_NO_PAD.encode(g)).into_owned()).collect(),
            whole: false,
        })
    }

    /// A run of digits that must stand alone (so that it is not found inside a hash).
    pub(crate) fn digits(name: impl Into<String>, text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (digits.len() >= 9).then(|| Self {
            name: name.into(),
            plain: Finder::new(&digits).into_owned(),
            base64: Vec::new(),
            whole: true,
        })
    }

    /// In which form it stands in a text.
    pub(crate) fn find(&self, hay: &Haystack) -> Option<&'static str> {
        if let Some(place) = hay.folded.iter().position(|text| self.is_plain_in(text)) {
            return Some(if place == 0 { "plain" } else { "encoded" });
        }
        let encoded = |text: &String| self.base64.iter().any(|b| b.find(text.as_bytes()).is_some());
        hay.texts.iter().any(encoded).then_some("base64")
    }

    fn is_plain_in(&self, text: &str) -> bool {
        let length = self.plain.needle().len();
        let mut found = self.plain.find_iter(text.as_bytes());
        found.any(|at| !self.whole || stands_alone(text, at..at + length))
    }

    /// Where it stands in a request: JSON pointer into the body, `?name` or `header:name`.
    fn place(&self, request: &Request) -> Option<String> {
        let is_in = |text: &str| self.find(&Haystack::of_text(text.to_owned())).is_some();
        let parameter = || {
            let pairs = request.query_pairs();
            let found = pairs.into_iter().find(|(name, value)| is_in(name) || is_in(value));
            found.map(|(name, _)| format!("?{name}"))
        };
        let header = || {
            let found = request.headers.iter().find(|(name, value)| name != "host" && is_in(value));
            found.map(|(name, _)| format!("header:{name}"))
        };
        request.json().and_then(|body| pointer(&body, &is_in)).or_else(parameter).or_else(header)
    }
}

/// JSON pointer of the first text, number or name for which this holds.
fn pointer(value: &Value, holds: &impl Fn(&str) -> bool) -> Option<String> {
    match value {
        Value::String(text) => holds(text).then(String::new),
        Value::Number(number) => holds(&number.to_string()).then(String::new),
        Value::Array(list) => list
            .iter()
            .enumerate()
            .find_map(|(i, item)| Some(format!("/{i}{}", pointer(item, holds)?))),
        Value::Object(map) => map.iter().find_map(|(name, member)| {
            let below = if holds(name) { Some(String::new()) } else { pointer(member, holds) };
            Some(format!("/{}{}", name.replace('~', "~0").replace('/', "~1"), below?))
        }),
        Value::Null | Value::Bool(_) => None,
    }
}

fn stands_alone(text: &str, at: std::ops::Range<usize>) -> bool {
    let before = text.get(..at.start).and_then(|t| t.chars().next_back());
    let after = text.get(at.end..).and_then(|t| t.chars().next());
    let part = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || c == '.' || c == '_');
    !part(before) && !part(after)
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
        let mut folded: Vec<String> = Vec::new();
        for text in [&text, &once, &twice, &unescaped] {
            let lower = text.to_lowercase();
            // Most texts hold nothing to decode.
            if !folded.contains(&lower) {
                folded.push(lower);
            }
        }
        let texts = if once == text { vec![text] } else { vec![text, once] };
        Self { texts, folded }
    }
}

/// What is private in a case, by whose rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Contact data: nowhere in plain text.
    Contact,
    /// Texts that no platform needs.
    Canary,
    /// Secrets of the shops.
    Secret,
}

/// Everything private in a case.
pub(crate) struct Private(Vec<(Kind, Needle)>);

impl Private {
    fn of(seen: &Seen<'_>) -> Self {
        let secrets = seen.shops.iter().flat_map(Shop::secrets);
        let secrets = secrets.filter_map(|(name, secret)| Needle::new(name, secret)).collect();
        let lists = [
            (Kind::Contact, contact_needles(seen.case)),
            (Kind::Canary, canary_needles(seen.case)),
            (Kind::Secret, secrets),
        ];
        let all =
            lists.into_iter().flat_map(|(kind, list)| list.into_iter().map(move |n| (kind, n)));
        Self(all.collect())
    }

    /// Everything of one kind.
    fn of_kind(&self, kind: Kind) -> impl Iterator<Item = &Needle> {
        self.0.iter().filter(move |(of, _)| *of == kind).map(|(_, needle)| needle)
    }

    /// What of it, of any kind, stands in a text.
    pub(crate) fn found(&self, hay: &Haystack) -> impl Iterator<Item = &Needle> {
        self.0.iter().map(|(_, needle)| needle).filter(|needle| needle.find(hay).is_some())
    }
}

/// The requests of a case, each prepared when it is first searched, and what most checks look for in them.
#[derive(Default)]
pub struct Haystacks {
    requests: RefCell<HashMap<u64, Rc<Haystack>>>,
    private: OnceCell<Private>,
}

impl Seen<'_> {
    /// A request, prepared for searching.
    pub(crate) fn haystack(&self, exchange: &Exchange) -> Rc<Haystack> {
        let mut known = self.haystacks.requests.borrow_mut();
        let entry = known.entry(exchange.seq);
        Rc::clone(entry.or_insert_with(|| Rc::new(Haystack::of_request(exchange))))
    }

    /// What is private in this case.
    pub(crate) fn private(&self) -> &Private {
        self.haystacks.private.get_or_init(|| Private::of(self))
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

/// Judges that nothing of this kind is in any request to a platform.
pub(crate) fn none_sent(seen: &Seen<'_>, about: &About, kind: Kind) -> CheckResult {
    let mut any = false;
    let mut findings = Vec::new();
    for exchange in seen.sent() {
        any = true;
        let hay = seen.haystack(exchange);
        for needle in seen.private().of_kind(kind) {
            let Some(form) = needle.find(&hay) else { continue };
            let (name, host) = (&needle.name, &exchange.request.host);
            let message = format!("{name} was sent in {form} form to {host}");
            let mut finding = about.finding(message).by([exchange.seq]);
            finding.at = needle.place(&exchange.request);
            findings.push(finding);
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
    fn it_says_where_in_a_request_a_text_stands() {
        let needle = Needle::new("e-mail", "jane@example.com").unwrap();
        let place = |query: &str, header: &str, body: &str| {
            needle.place(&Request {
                query: query.into(),
                headers: vec![("x-note".into(), header.into())],
                body: body.into(),
                ..Request::default()
            })
        };
        let body = r#"{"data":[{"n":1},{"user/data":{"em":["x","Jane%40Example.com"]}}]}"#;
        assert_eq!(place("", "", body).as_deref(), Some("/data/1/user~1data/em/1"));
        let name = r#"{"by":{"jane@example.com":true}}"#;
        assert_eq!(place("", "", name).as_deref(), Some("/by/jane@example.com"));
        assert_eq!(place("a=1&mail=jane%40example.com", "", "").as_deref(), Some("?mail"));
        assert_eq!(place("", "jane@example.com", "").as_deref(), Some("header:x-note"));
        assert_eq!(place("", "", "mail=jane@example.com"), None);
    }

    #[test]
    fn digits_inside_a_hash_are_no_phone_number() {
        let needle = Needle::digits("phone", "(202) 555-0143").unwrap();
        assert!(needle.find(&Haystack::of_text("ph=2025550143".into())).is_some());
        assert!(needle.find(&Haystack::of_text("a2025550143f".into())).is_none());
    }
}
