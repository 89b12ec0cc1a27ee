//! Takes secrets out of what a relay says before people get to see it.

use std::ops::Range;

use aho_corasick::{AhoCorasick, MatchKind};

use crate::plan::Shop;

/// Stands where a secret stood.
const REDACTED: &str = "[redacted]";
/// Shorter texts stand anywhere by chance, in bytes.
const SHORTEST: usize = 6;
/// How often a text may have been encoded: once by a URL's maker, once more by who logs it inside another.
const ENCODED: usize = 2;

/// Everything secret that a relay is configured with.
#[derive(Clone, Default)]
pub(super) struct Redaction(Vec<String>);

impl std::fmt::Debug for Redaction {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redaction of {} secrets", self.0.len())
    }
}

impl Redaction {
    /// Of the secrets of its shops, and of its own.
    pub(super) fn of(shops: &[Shop], own: &str) -> Self {
        let of_shops = shops.iter().flat_map(Shop::secrets).map(|(_, secret)| secret);
        let all = std::iter::once(own).chain(of_shops).filter(|secret| secret.len() >= SHORTEST);
        Self(all.map(str::to_owned).collect())
    }

    /// The text without them, whether they stand there as they are, percent-encoded or escaped as in JSON.
    pub(super) fn redact(&self, text: &str) -> String {
        let mut found = self.places(text);
        found.sort_by_key(|place| place.start);
        let mut out = String::with_capacity(text.len());
        let mut done = 0;
        for place in found {
            if place.start >= done {
                out.push_str(text.get(done..place.start).unwrap_or_default());
                out.push_str(REDACTED);
            }
            done = done.max(place.end);
        }
        out.push_str(text.get(done..).unwrap_or_default());
        out
    }

    /// Where they stand, in bytes; places may overlap.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        // Fails for patterns of gigabytes only.
        let search =
            AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(&self.0).ok();
        let mut places = Vec::new();
        let mut letters: Vec<Letter> = text.bytes().enumerate().map(Letter::of).collect();
        for _ in 0..=ENCODED {
            let bytes: Vec<u8> = letters.iter().map(|letter| letter.byte).collect();
            for hit in search.iter().flat_map(|search| search.find_iter(&bytes)) {
                if let Some([first, .., last]) = letters.get(hit.range()) {
                    places.push(first.at.start..last.at.end);
                }
            }
            letters = decoded(&letters);
        }
        places
    }
}

/// One byte of a text that was decoded, and the place that it stands at as it was written.
struct Letter {
    byte: u8,
    at: Range<usize>,
}

impl Letter {
    fn of((at, byte): (usize, u8)) -> Self {
        Self { byte, at: at..at + 1 }
    }
}

/// `%2F` and `\/` undone, once.
fn decoded(letters: &[Letter]) -> Vec<Letter> {
    let mut out = Vec::with_capacity(letters.len());
    let mut rest = letters;
    while let [first, after @ ..] = rest {
        let (byte, end, left) = match (first.byte, after) {
            (b'%', [high, low, left @ ..]) => match (digit(high), digit(low)) {
                (Some(high), Some(low_digit)) => (high * 16 + low_digit, low.at.end, left),
                _ => (b'%', first.at.end, after),
            },
            (b'\\', [escaped, left @ ..]) if matches!(escaped.byte, b'/' | b'"' | b'\\') => {
                (escaped.byte, escaped.at.end, left)
            }
            (byte, _) => (byte, first.at.end, after),
        };
        out.push(Letter { byte, at: first.at.start..end });
        rest = left;
    }
    out
}

/// The value of a hexadecimal digit.
fn digit(letter: &Letter) -> Option<u8> {
    char::from(letter.byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_found_in_every_form() {
        let redaction = Redaction(vec!["1//a+b=\"c\"".into(), "1//a+b".into()]);
        for written in [
            "1//a+b=\"c\"",
            "1%2F%2Fa%2Bb%3D%22c%22",
            "1%2f%2fa%2bb=%22c%22",
            "1%252F%252Fa%252Bb%253D%2522c%2522",
            r#"1//a+b=\"c\""#,
            r#"1\/\/a+b=\"c\""#,
        ] {
            let text = redaction.redact(&format!("ü%C3%BC 100 % token={written}&x=1"));
            assert_eq!(text, "ü%C3%BC 100 % token=[redacted]&x=1", "{written}");
        }
        assert_eq!(redaction.redact("1//a+b and 1%2f/a+b"), "[redacted] and [redacted]");
        let other = "no secret: 1//a%2 %zz %";
        assert_eq!(redaction.redact(other), other);
        assert_eq!(Redaction::default().redact(other), other);
    }
}
