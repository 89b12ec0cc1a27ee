//! Platform messages made fit for logs and dead letters: short, and without anybody's data.
//!
//! Platforms quote the offending value (an e-mail address, a click id). Codes are added by the callers
//! and stay readable; only the free text goes through here.

/// Longest message kept, in characters.
const MAX_CHARS: usize = 200;

/// The message with e-mail addresses, numbers, long ids and quoted values replaced, cut to 200 characters.
pub(super) fn masked(message: &str) -> String {
    let message: String = message.chars().take(MAX_CHARS * 10).collect();
    let unquoted = mask_quoted(&message);
    let words: Vec<String> = unquoted.split_whitespace().map(mask_word).collect();
    let text = mask_numbers(&words.join(" "));
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}...", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

/// A name of the platform's own (an enum value, a status): kept if it looks like one, else masked.
pub(super) fn name(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    let is_name = text.len() <= 100 && digits < 4 && text.chars().all(plain);
    if is_name { text.to_owned() } else { masked(text) }
}

/// Replaces what stands between a pair of equal quotes; an apostrophe inside a word opens none.
fn mask_quoted(text: &str) -> String {
    let mut masked = String::new();
    let mut rest = text;
    let mut before = ' ';
    while let Some(c) = rest.chars().next() {
        let after = rest.get(c.len_utf8()..).unwrap_or_default();
        let closing = match c {
            '"' | '`' => Some(c),
            '\'' if !before.is_alphanumeric() => Some('\''),
            '“' => Some('”'),
            '«' => Some('»'),
            _ => None,
        };
        let end = closing.and_then(|closing| after.find(closing).map(|at| at + closing.len_utf8()));
        rest = match end {
            Some(end) => {
                masked.push_str("[value]");
                after.get(end..).unwrap_or_default()
            }
            None => {
                masked.push(c);
                after
            }
        };
        before = c;
    }
    masked
}

/// An address, or a word too long and too mixed to be language, loses its text.
fn mask_word(word: &str) -> String {
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let hex = word.len() >= 16 && word.bytes().all(|byte| byte.is_ascii_hexdigit());
    let code = word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    if word.contains('@') || word.contains("%40") {
        "[address]".to_owned()
    } else if is_field_path(word, digits) {
        word.to_owned()
    } else if hex || word.len() >= 20 && digits >= 2 || word.len() >= 40 && !code {
        "[id]".to_owned()
    } else {
        word.to_owned()
    }
}

/// `Batch.0.properties.contents.0.content_id:` names a field, and no value.
fn is_field_path(word: &str, digits: usize) -> bool {
    let part = |part: &str| part.len() <= 30 && !part.is_empty();
    let plain = |c: char| c.is_ascii_alphabetic() || c.is_ascii_digit() || "._[]".contains(c);
    let path = word.trim_end_matches([':', ',']);
    path.matches('.').count() >= 2
        && digits < 4
        && path.chars().all(plain)
        && path.split('.').all(part)
}

/// Six or more digits, with the signs people write between them, are a phone number, an IP address or an id.
fn mask_numbers(text: &str) -> String {
    let mut masked = String::new();
    let mut run = String::new();
    for c in text.chars() {
        if c.is_ascii_digit() || (!run.is_empty() && "+-./() :".contains(c)) {
            run.push(c);
        } else {
            close_run(&mut masked, &mut run);
            masked.push(c);
        }
    }
    close_run(&mut masked, &mut run);
    masked
}

fn close_run(masked: &mut String, run: &mut String) {
    if run.bytes().filter(u8::is_ascii_digit).count() >= 6 {
        let tail = run.trim_end_matches(|c: char| !c.is_ascii_digit()).len();
        masked.push_str("[number]");
        masked.push_str(run.get(tail..).unwrap_or_default());
    } else {
        masked.push_str(run);
    }
    run.clear();
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn personal_data_does_not_survive() {
        for (message, expected) in [
            ("Invalid address joe@example.com given", "Invalid address [address] given"),
            ("The value 'Jane Doe' is not hashed", "The value [value] is not hashed"),
            ("bad phone +1 (650) 555-1212.", "bad phone +[number]."),
            ("bad ip 203.0.113.7 seen", "bad ip [number] seen"),
            ("click Cj0KCQiA-type-CaseSensitive_0123456789 unknown", "click [id] unknown"),
            ("hash 62a14e44f765419d10fea99367361a72 wrong", "hash [id] wrong"),
            ("User doesn't have permission", "User doesn't have permission"),
            ("Retry in 5 seconds.", "Retry in 5 seconds."),
            (
                "Batch.0.properties.contents.0.content_id: Not a valid string",
                "Batch.0.properties.contents.0.content_id: Not a valid string",
            ),
            ("id Cj0KCQ.Cj0KCQiA1234567890123456789.x.y bad", "id [id] bad"),
        ] {
            assert_eq!(masked(message), expected);
        }
    }

    #[test]
    fn names_of_the_platform_stay() {
        let long = "conversionAdjustmentUploadError.CONVERSION_ALREADY_RETRACTED";
        assert_eq!(name(long), long);
        assert_eq!(name("joe@example.com"), "[address]");
    }

    #[test]
    fn long_messages_are_cut() {
        let text = masked(&"word ".repeat(500));
        assert!(text.chars().count() <= MAX_CHARS + 3);
        assert!(text.ends_with("..."));
    }

    proptest! {
        #[test]
        fn no_text_panics_and_no_address_survives(text in "\\PC{0,200}") {
            let message = format!("{text} joe@example.com {text}");
            prop_assert!(!masked(&message).contains("joe@example.com"));
        }
    }
}
