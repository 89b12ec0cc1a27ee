//! Looking for a text that must not be there, in every form in which it can travel.

use std::{
    cell::{OnceCell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use base64::{Engine as _, engine::general_purpose::STANDARD_NO_PAD};

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
#[derive(Clone)]
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
        let mut forms = vec![(PLAIN, text.to_lowercase())];
        // Whole groups of three bytes encode alike wherever the text ends.
        for text in [text.to_owned(), text.to_lowercase()] {
            let bytes = text.as_bytes();
            let groups = bytes.get(..bytes.len() / 3 * 3).unwrap_or_default();
            if groups.len() >= 9 {
                forms.push((BASE64, STANDARD_NO_PAD.encode(groups)));
            }
        }
        Some(Self { name: name.into(), forms, whole: false })
    }

    /// A run of digits that must stand alone (so that it is not found inside a hash).
    pub(crate) fn digits(name: impl Into<String>, text: &str) -> Option<Self> {
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (digits.len() >= 9).then(|| Self {
            name: name.into(),
            forms: vec![(PLAIN, digits)],
            whole: true,
        })
    }

    /// In which form it stands in a text.
    pub(crate) fn find(&self, hay: &Haystack) -> Option<&'static str> {
        Needles::new(vec![self.clone()]).found(hay).first().map(|(_, form)| *form)
    }
}

/// Many texts to look for at once.
pub(crate) struct Needles {
    needles: Vec<Needle>,
    /// Patterns in lower case, and those that are searched as they are; each with the index of its needle.
    folded: (Option<AhoCorasick>, Vec<usize>),
    exact: (Option<AhoCorasick>, Vec<usize>),
}

impl Needles {
    pub(crate) fn new(needles: Vec<Needle>) -> Self {
        let automaton = |exact: bool| {
            let forms = needles.iter().enumerate().flat_map(|(i, needle)| {
                needle.forms.iter().map(move |(form, text)| (i, *form, text))
            });
            let (of, texts): (Vec<usize>, Vec<&String>) = forms
                .filter(|(_, form, _)| (*form == BASE64) == exact)
                .map(|(i, _, text)| (i, text))
                .unzip();
            // Made for one case and used a dozen times: quick to make matters more than quick to search.
            let kind = Some(AhoCorasickKind::NoncontiguousNFA);
            // Fails for patterns of gigabytes only.
            let built = AhoCorasick::builder().kind(kind).build(texts).ok();
            (built.filter(|_| !of.is_empty()), of)
        };
        let (folded, exact) = (automaton(false), automaton(true));
        Self { needles, folded, exact }
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Needle> {
        self.needles.get(index)
    }

    /// Which of them stand in a text, by index, and in which form; each once.
    pub(crate) fn found(&self, hay: &Haystack) -> Vec<(usize, &'static str)> {
        let mut found: Vec<(usize, &'static str)> = Vec::new();
        let mut add = |index: usize, form| {
            if !found.iter().any(|(known, _)| *known == index) {
                found.push((index, form));
            }
        };
        for (i, text) in hay.folded.iter().enumerate() {
            let form = if i == 0 { PLAIN } else { "encoded" };
            each(&self.folded, text, |index, at| {
                let whole = self.needles.get(index).is_some_and(|needle| needle.whole);
                if !whole || stands_alone(text, at) {
                    add(index, form);
                }
            });
        }
        for text in &hay.texts {
            each(&self.exact, text, |index, _| add(index, BASE64));
        }
        found.sort_unstable_by_key(|(index, _)| *index);
        found
    }
}

impl Needle {
    /// Where it stands in a request: JSON pointer into the body, `?name` or `header:name`.
    fn place(&self, request: &Request) -> Option<String> {
        let search = Needles::new(vec![self.clone()]);
        let is_in = |text: &str| !search.found(&Haystack::of_text(text.to_owned())).is_empty();
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

const PLAIN: &str = "plain";
const BASE64: &str = "base64";

fn each(
    (automaton, of): &(Option<AhoCorasick>, Vec<usize>),
    text: &str,
    mut hit: impl FnMut(usize, std::ops::Range<usize>),
) {
    let Some(automaton) = automaton else { return };
    for found in automaton.find_overlapping_iter(text) {
        if let Some(index) = of.get(found.pattern().as_usize()) {
            hit(*index, found.range());
        }
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

/// Everything private in a case, searched for at once.
pub(crate) struct Private {
    search: Needles,
    kinds: Vec<Kind>,
}

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
        let (kinds, needles): (_, Vec<_>) = all.unzip();
        Self { search: Needles::new(needles), kinds }
    }

    /// What of it stands in a text, and in which form.
    pub(crate) fn found(&self, hay: &Haystack) -> Vec<(Kind, &Needle, &'static str)> {
        let found = self.search.found(hay).into_iter();
        found
            .filter_map(|(index, form)| {
                Some((*self.kinds.get(index)?, self.search.get(index)?, form))
            })
            .collect()
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
        let found = seen.private().found(&seen.haystack(exchange));
        for (_, needle, form) in found.into_iter().filter(|(of, ..)| *of == kind) {
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
