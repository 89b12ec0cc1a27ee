//! Phone numbers in the international form (ITU-T E.164) that every platform starts from.

use super::bounded;

/// One country's numbering: ISO code, calling code, trunk prefix (dialled inside the country only, dropped
/// abroad), shortest and longest national number without the trunk prefix.
type Numbering = (&'static str, &'static str, &'static str, usize, usize);

/// Countries with most online orders. A country that is not here makes a national number unknowable, never wrong.
#[rustfmt::skip]
const NUMBERINGS: &[Numbering] = &[
    ("US", "1", "1", 10, 10), ("CA", "1", "1", 10, 10),
    ("DE", "49", "0", 5, 11), ("AT", "43", "0", 5, 13), ("CH", "41", "0", 9, 9), ("GB", "44", "0", 9, 10),
    ("IE", "353", "0", 7, 9), ("FR", "33", "0", 9, 9), ("BE", "32", "0", 8, 9), ("NL", "31", "0", 9, 9),
    ("LU", "352", "", 5, 11), ("IT", "39", "", 6, 11), ("ES", "34", "", 9, 9), ("PT", "351", "", 9, 9),
    ("PL", "48", "", 9, 9), ("CZ", "420", "", 9, 9), ("SK", "421", "0", 9, 9), ("HU", "36", "06", 8, 9),
    ("RO", "40", "0", 9, 9), ("BG", "359", "0", 7, 9), ("GR", "30", "", 10, 10), ("HR", "385", "0", 8, 9),
    ("SI", "386", "0", 8, 8), ("LT", "370", "0", 8, 8), ("LV", "371", "", 8, 8), ("EE", "372", "", 7, 8),
    ("DK", "45", "", 8, 8), ("SE", "46", "0", 7, 10), ("NO", "47", "", 8, 8), ("FI", "358", "0", 5, 11),
    ("IS", "354", "", 7, 7), ("UA", "380", "0", 9, 9), ("TR", "90", "0", 10, 10), ("IL", "972", "0", 8, 9),
    ("AE", "971", "0", 8, 9), ("SA", "966", "0", 8, 9), ("ZA", "27", "0", 9, 9), ("EG", "20", "0", 8, 10),
    ("AU", "61", "0", 9, 9), ("NZ", "64", "0", 8, 10), ("JP", "81", "0", 9, 10), ("KR", "82", "0", 8, 10),
    ("CN", "86", "0", 10, 11), ("HK", "852", "", 8, 8), ("SG", "65", "", 8, 8), ("IN", "91", "0", 10, 10),
    ("BR", "55", "0", 10, 11), ("MX", "52", "", 10, 10), ("AR", "54", "0", 10, 11), ("CL", "56", "", 9, 9),
    ("CO", "57", "", 10, 10), ("PH", "63", "0", 8, 10), ("ID", "62", "0", 8, 12), ("MY", "60", "0", 8, 10),
    ("TH", "66", "0", 8, 9), ("VN", "84", "0", 9, 10), ("TW", "886", "0", 8, 9), ("KW", "965", "", 8, 8),
    ("QA", "974", "", 8, 8), ("MA", "212", "0", 9, 9), ("NG", "234", "0", 8, 10), ("KE", "254", "0", 8, 9),
];

/// Most digits of an international number (ITU-T E.164), and fewest that any platform would take for one.
const MOST: usize = 15;
const FEWEST: usize = 7;

/// `+` and digits, or `None` if that cannot be known: a national number without a country, letters, too short.
/// `country` is ISO 3166-1 alpha-2; it decides for numbers written the national way.
pub fn e164(phone: &str, country: Option<&str>) -> Option<String> {
    let typed = Typed::read(phone)?;
    let home = country
        .map(str::trim)
        .and_then(|code| NUMBERINGS.iter().find(|(iso, ..)| iso.eq_ignore_ascii_case(code)));
    if let Some(international) = typed.international(home) {
        return plausible(without_trunk_abroad(&international));
    }
    match home {
        Some(home) => national(&typed.digits, home),
        None if country.is_none_or(|code| code.trim().is_empty()) => self_evident(&typed.digits),
        // The country is known, its numbering is not: a guess could name another person's number.
        None => None,
    }
}

/// All digits of a phone as typed, Unicode digits included; `None` if there are letters.
pub(super) fn digits_of(phone: &str) -> Option<String> {
    Typed::read(phone).map(|typed| typed.digits)
}

/// A phone as somebody typed it.
struct Typed {
    plus: bool,
    digits: String,
}

impl Typed {
    fn read(phone: &str) -> Option<Self> {
        let text = bounded(phone)?.trim().to_lowercase();
        let text = text.strip_prefix("tel:").unwrap_or(&text);
        let text = without_extension(text).replace("(0)", "");
        let plus = text.trim_start_matches(['(', ' ']).starts_with(['+', '\u{ff0b}']);
        let mut digits = String::new();
        for c in text.chars() {
            match digit(c) {
                Some(d) => digits.push(d),
                None if c.is_alphabetic() => return None,
                None => {}
            }
        }
        Some(Self { plus, digits })
    }

    /// Digits from the calling code on, if the number says that it is international.
    fn international(&self, home: Option<&Numbering>) -> Option<String> {
        if self.plus {
            return Some(self.digits.clone());
        }
        let exit_code =
            if home.is_some_and(|(_, calling, ..)| *calling == "1") { "011" } else { "00" };
        self.digits.strip_prefix(exit_code).map(str::to_owned)
    }
}

/// What precedes `ext 5`, `x5`, `;ext=5`, `#5`.
fn without_extension(text: &str) -> &str {
    let end = ["ext", ";", "#", "x"].iter().filter_map(|mark| text.find(mark)).min();
    end.and_then(|end| text.get(..end)).unwrap_or(text)
}

/// ASCII, Arabic-Indic, extended Arabic-Indic and full-width digits.
fn digit(c: char) -> Option<char> {
    let zero = match c {
        '0'..='9' => return Some(c),
        '\u{660}'..='\u{669}' => 0x660,
        '\u{6f0}'..='\u{6f9}' => 0x6f0,
        '\u{ff10}'..='\u{ff19}' => 0xff10,
        _ => return None,
    };
    char::from_digit(u32::from(c) - zero, 10)
}

/// Drops a trunk zero that was left behind the calling code (`+49 0151 …`). Italy and others have none to drop.
fn without_trunk_abroad(digits: &str) -> String {
    let left_behind =
        NUMBERINGS.iter().filter(|(_, _, trunk, ..)| *trunk == "0").find_map(|(_, calling, ..)| {
            digits.strip_prefix(calling)?.strip_prefix('0').map(|rest| format!("{calling}{rest}"))
        });
    left_behind.unwrap_or_else(|| digits.to_owned())
}

/// A number written the national way, or the international way without any mark of it.
fn national(digits: &str, &(_, calling, trunk, shortest, longest): &Numbering) -> Option<String> {
    let fits = |number: &str| (shortest..=longest).contains(&number.len());
    if !trunk.is_empty()
        && let Some(rest) = digits.strip_prefix(trunk)
        && fits(rest)
    {
        return plausible(format!("{calling}{rest}"));
    }
    if let Some(rest) = digits.strip_prefix(calling)
        && fits(rest)
        // Where a trunk prefix is usual, a number that starts with the calling code is meant as such.
        && (!fits(digits) || trunk == "0")
    {
        return plausible(digits.to_owned());
    }
    if fits(digits) { plausible(format!("{calling}{digits}")) } else { None }
}

/// Digits that can only be international: long enough, and a calling code we know in front.
fn self_evident(digits: &str) -> Option<String> {
    let known = NUMBERINGS.iter().any(|(_, calling, _, shortest, longest)| {
        digits
            .strip_prefix(calling)
            .is_some_and(|rest| (*shortest..=*longest).contains(&rest.len()))
    });
    if known && digits.len() > 10 { plausible(digits.to_owned()) } else { None }
}

fn plausible(digits: String) -> Option<String> {
    let is_number = (FEWEST..=MOST).contains(&digits.len()) && !digits.starts_with('0');
    is_number.then(|| format!("+{digits}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn numbers_reach_their_international_form() {
        for (typed, country, expected) in [
            ("0151 123456-78", Some("DE"), "+4915112345678"),
            ("+49 (0)151 12345678", None, "+4915112345678"),
            ("+49 0151 12345678", None, "+4915112345678"),
            ("0049 151 12345678", None, "+4915112345678"),
            ("49 151 12345678", Some("de"), "+4915112345678"),
            ("(213) 373-4253", Some("US"), "+12133734253"),
            ("1 213 373 4253", Some("US"), "+12133734253"),
            ("011 44 7700 900123", Some("US"), "+447700900123"),
            ("07700 900123", Some("GB"), "+447700900123"),
            ("06 6982 1234", Some("IT"), "+390669821234"),
            ("+39 06 6982", None, "+39066982"),
            ("06 20 123 4567", Some("HU"), "+36201234567"),
            ("612 345 678", Some("ES"), "+34612345678"),
            ("tel:+1-650-555-1212", None, "+16505551212"),
            ("+1-650-555-1212 ext 5", None, "+16505551212"),
            ("1.650.555.1212", None, "+16505551212"),
            ("+١٦٥٠٥٥٥١٢١٢", None, "+16505551212"),
            ("+86 138 0013 8000", None, "+8613800138000"),
            ("+212 612-345678", Some("DE"), "+212612345678"),
        ] {
            assert_eq!(e164(typed, country).as_deref(), Some(expected), "{typed} {country:?}");
        }
    }

    #[test]
    fn what_cannot_be_known_is_not_guessed() {
        for (typed, country) in [
            ("0151 12345678", None),
            ("(650) 555-1212", None),
            ("555-1212", Some("US")),
            ("1-800-FLOWERS", Some("US")),
            ("123456", None),
            ("+", None),
            ("", Some("DE")),
            ("000000000000", None),
            ("0123 456789", Some("ZZ")),
            ("16505551212/16505551213", None),
        ] {
            assert_eq!(e164(typed, country), None, "{typed} {country:?}");
        }
    }

    #[test]
    fn numberings_are_consistent() {
        for (iso, calling, trunk, shortest, longest) in NUMBERINGS {
            assert_eq!(iso.len(), 2);
            assert!(
                calling.len() + longest <= MOST && shortest <= longest && trunk.len() <= 2,
                "{iso}"
            );
            assert_eq!(NUMBERINGS.iter().filter(|n| n.0 == *iso).count(), 1, "{iso}");
        }
    }
}
