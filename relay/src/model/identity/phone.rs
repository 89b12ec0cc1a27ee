//! Phone numbers to E.164, with the address's country for numbers in national form.

use phonenumber::country::Id;
use phonenumber::metadata::{DATABASE, Descriptor};
use phonenumber::{Mode, PhoneNumber};

use super::places;

/// E.164 allows 15 digits; a few more for international and trunk prefixes.
const MAX_DIGITS: usize = 20;

/// The number as `+` and digits; `None` if it is no complete number of a known country.
///
/// Without a country the number must be written internationally: with `+`, with `00`, or as `1` and ten digits
/// of the North American plan as the platforms' own examples do. Assigned numbers are preferred; a number
/// of right length but unknown range passes when its country is certain, because numbering plans change faster
/// than metadata. Letters, extensions and several numbers in one value are refused.
pub(super) fn e164(text: &str, country: Option<&str>) -> Option<String> {
    let (digits, international) = compact(text)?;
    if digits.len() > MAX_DIGITS || is_one_digit_repeated(&digits) {
        return None;
    }
    if let Some(number) = of_a_plain_plan(&digits, international, country) {
        return Some(number);
    }
    if international {
        return parse(None, &format!("+{digits}")).filter(is_possible).map(|number| write(&number));
    }
    let as_international = || parse(None, &format!("+{digits}")).filter(PhoneNumber::is_valid);
    let Some(region) = country.and_then(places::alpha2).and_then(|code| code.parse::<Id>().ok())
    else {
        let north_american = digits.len() == 11 && digits.starts_with('1');
        return as_international().filter(|_| north_american).map(|number| write(&number));
    };
    let national = parse(Some(region), &digits);
    national
        .clone()
        .filter(PhoneNumber::is_valid)
        .or_else(as_international)
        .or_else(|| national.and_then(|number| unassigned(&number, &digits)))
        .map(|number| write(&number))
}

/// Numbers of the two plans that need no metadata, which is some tens of milliseconds of work when it is first used: the
/// North American one and Britain's, where every geographic and mobile number has ten digits behind the country code.
fn of_a_plain_plan(digits: &str, international: bool, country: Option<&str>) -> Option<String> {
    let national = |digits: &str, first: std::ops::RangeInclusive<u8>| {
        digits.len() == 10 && digits.bytes().next().is_some_and(|byte| first.contains(&byte))
    };
    let american = |digits: &str| {
        national(digits, b'2'..=b'9') && digits.as_bytes().get(3).is_some_and(|b| *b >= b'2')
    };
    let british = |digits: &str| digits.starts_with('7') && national(digits, b'7'..=b'7');
    let home = country.and_then(places::alpha2);
    match (international, home) {
        (true, _) => {
            let known = digits.strip_prefix('1').is_some_and(american)
                || digits.strip_prefix("44").is_some_and(british);
            known.then(|| format!("+{digits}"))
        }
        (false, Some("US" | "CA")) => {
            let own = digits.strip_prefix('1').filter(|rest| american(rest));
            own.or(Some(digits).filter(|digits| american(digits))).map(|own| format!("+1{own}"))
        }
        (false, Some("GB")) => {
            digits.strip_prefix('0').filter(|rest| british(rest)).map(|rest| format!("+44{rest}"))
        }
        _ => None,
    }
}

/// A national number outside the known ranges (Britain's 07700 900xxx), its trunk zero removed.
fn unassigned(number: &PhoneNumber, digits: &str) -> Option<PhoneNumber> {
    let code = number.country().code();
    let subscriber =
        if code == ITALY { digits } else { digits.strip_prefix('0').unwrap_or(digits) };
    parse(None, &format!("+{code}{subscriber}")).filter(is_possible)
}

/// Italian numbers keep their zero abroad.
const ITALY: u16 = 39;

/// The digits, and whether they begin with a country code; `None` for text that is not one phone number.
fn compact(text: &str) -> Option<(String, bool)> {
    let text = text.strip_prefix("tel:").unwrap_or(text);
    let marked = text.trim_start_matches(['(', ' ']).starts_with('+');
    // `+49 (0)151`: the trunk zero in brackets is for callers at home.
    let text = if marked { text.replace("(0)", "") } else { text.to_owned() };
    let mut digits = String::new();
    for (position, c) in text.chars().enumerate() {
        match c {
            '0'..='9' => digits.push(c),
            '+' if digits.is_empty() => {}
            // Two numbers in one value are longer than any number and fail by length.
            '-' | '(' | ')' | '.' | '/' | '\u{2010}'..='\u{2015}' => {}
            c if c.is_whitespace() => {}
            '\u{202a}'..='\u{202e}' if position == 0 => {}
            _ => return None,
        }
    }
    let (digits, marked) = match digits.strip_prefix("00") {
        Some(rest) => (rest.to_owned(), true),
        None => (digits, marked),
    };
    (!digits.is_empty()).then_some((digits, marked))
}

fn parse(region: Option<Id>, digits: &str) -> Option<PhoneNumber> {
    phonenumber::parse(region, digits).ok().filter(|number| number.extension().is_none())
}

/// Whether the number is assigned, or at least as long as the country's landline or mobile numbers.
fn is_possible(number: &PhoneNumber) -> bool {
    let digits = number.national().to_string().len();
    let fits = |kind: Option<&Descriptor>| {
        kind.is_some_and(|kind| kind.possible_length().iter().any(|l| usize::from(*l) == digits))
    };
    let countries = DATABASE.by_code(&number.country().code()).unwrap_or_default();
    number.is_valid()
        || digits >= MIN_UNKNOWN
            && countries.iter().any(|country| {
                fits(country.descriptors().fixed_line()) || fits(country.descriptors().mobile())
            })
}

/// A number outside the known ranges must at least have this many digits after the country code.
const MIN_UNKNOWN: usize = 7;

fn write(number: &PhoneNumber) -> String {
    number.format().mode(Mode::E164).to_string()
}

fn is_one_digit_repeated(digits: &str) -> bool {
    let mut bytes = digits.bytes();
    let first = bytes.next();
    bytes.all(|byte| Some(byte) == first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn national_numbers_take_the_country_of_the_address() {
        for (text, country, expected) in [
            ("(650) 555-1212", "US", "+16505551212"),
            ("1 650 555 1212", "US", "+16505551212"),
            ("0151 12345678", "DE", "+4915112345678"),
            ("4915112345678", "DE", "+4915112345678"),
            ("0044 20 7946 0958", "DE", "+442079460958"),
            ("+44 (0)20 7946 0958", "FR", "+442079460958"),
            ("07700 900123", "UK", "+447700900123"),
            ("(07700) 900-123", "GB", "+447700900123"),
            ("+44 7700 900123", "DE", "+447700900123"),
            ("212.555.0123", "US", "+12125550123"),
            ("+49 0151 12345678", "DE", "+4915112345678"),
            ("(312) 555-0199", "US", "+13125550199"),
            ("06 12 34 56 78", "FR", "+33612345678"),
            ("06 6982 1234", "IT", "+390669821234"),
            ("tel:+16505551212", "DE", "+16505551212"),
        ] {
            assert_eq!(e164(text, Some(country)).as_deref(), Some(expected), "{text} in {country}");
        }
    }

    #[test]
    fn numbers_that_cannot_match_are_left_out() {
        for (text, country) in [
            ("(650)555-1212", None),
            ("0151 12345678", None),
            ("555-1212", Some("US")),
            ("123456", None),
            ("0000000000", Some("US")),
            ("+", Some("US")),
            ("1-800-FLOWERS", Some("US")),
            ("+1-650-555-1212 ext 5", Some("US")),
            ("16505551212/16505551213", Some("US")),
            ("+999 123 456 789", None),
            ("123456789012345678901234567890", Some("DE")),
            ("call me", Some("DE")),
            ("0151 12345678", Some("Atlantis")),
        ] {
            assert_eq!(e164(text, country), None, "{text} in {country:?}");
        }
    }

    #[test]
    fn the_plain_plans_agree_with_the_metadata() {
        for (text, country) in [
            ("+12133734253", None),
            ("+1 (312) 555-0199", Some("DE")),
            ("(650) 253-0000", Some("US")),
            ("1 650 253 0000", Some("US")),
            ("416 555 0123", Some("CA")),
            ("+44 7911 123456", None),
            ("07911 123456", Some("UK")),
            ("07700 900123", Some("GB")),
        ] {
            let (digits, international) = compact(text).expect("a number");
            let plain = of_a_plain_plan(&digits, international, country);
            let region = country.and_then(places::alpha2).and_then(|code| code.parse().ok());
            let full = if international { format!("+{digits}") } else { digits };
            let known = parse(region, &full).map(|number| write(&number));
            assert!(plain.is_some(), "{text}");
            assert_eq!(plain, known, "{text} in {country:?}");
        }
    }

    #[test]
    fn what_is_outside_the_plain_plans_is_left_to_the_metadata() {
        for (text, country) in [
            ("+1 123 456 7890", None),
            ("+1 213 123 4567", None),
            ("213 373 4253", Some("DE")),
            ("+44 20 7946 0958", None),
            ("020 7946 0958", Some("GB")),
            ("+49 151 12345678", None),
        ] {
            let (digits, international) = compact(text).expect("a number");
            assert_eq!(of_a_plain_plan(&digits, international, country), None, "{text}");
        }
    }

    #[test]
    fn a_zero_that_belongs_to_the_number_stays() {
        assert_eq!(e164("+39 06 6982 1234", None).as_deref(), Some("+390669821234"));
    }
}
