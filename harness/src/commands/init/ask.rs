//! The few questions, on a terminal: what was given is not asked for, and an empty answer takes the default.

use std::io::{BufRead, Read as _, Write};

use clap::ValueEnum as _;

use super::choices::{Choices, Reach, URL, formats, platform_ids};
use crate::{cli::CaptureKind, run::RunError};

/// Longest answer, in bytes.
const LONGEST: u64 = 4096;

/// Asks for what is missing.
///
/// # Errors
///
/// If the terminal is gone.
pub(super) fn complete(
    mut choices: Choices,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> Result<Choices, RunError> {
    let mut ask = |question: &str, default: &str, is_right: &dyn Fn(&str) -> bool| {
        asked(question, default, is_right, answers, out)
            .map_err(|e| RunError::Usage(format!("the terminal cannot be read: {e}")))
    };
    if choices.format.is_none() {
        let known = formats();
        let question = format!("How does the store tell of orders? {}", known.join(", "));
        choices.format = Some(ask(&question, "shopify", &|text| known.contains(&text))?);
    }
    if choices.reach.is_none() {
        let question = "A command that starts the relay, or the URL where it runs?";
        let answer = ask(question, URL, &|_| true)?;
        let is_url = ["http://", "https://"].iter().any(|scheme| answer.starts_with(scheme));
        choices.reach = Some(if is_url { Reach::Url(answer) } else { Reach::Start(answer) });
    }
    if choices.platforms.is_empty() {
        let known = platform_ids();
        let question = format!("Which platforms does it deliver to? {}", known.join(", "));
        let split = |text: &str| -> Vec<String> {
            text.split([',', ' ']).filter(|id| !id.is_empty()).map(str::to_owned).collect()
        };
        let right = |text: &str| split(text).iter().all(|id| known.contains(&id.as_str()));
        choices.platforms = split(&ask(&question, "meta", &right)?);
    }
    if choices.capture.is_none() {
        let question =
            "How are its calls caught? base_url (it can be told the platforms' URLs), proxy, hosts";
        let word = |text: &str| CaptureKind::from_str(text, true);
        let answer = ask(question, "base_url", &|text| word(text).is_ok())?;
        choices.capture = word(&answer).ok();
    }
    Ok(choices)
}

/// One question, again until the answer is right.
fn asked(
    question: &str,
    default: &str,
    is_right: &dyn Fn(&str) -> bool,
    answers: &mut impl BufRead,
    out: &mut impl Write,
) -> std::io::Result<String> {
    loop {
        write!(out, "{question}\n[{default}] ")?;
        out.flush()?;
        let mut line = String::new();
        let ended = answers.take(LONGEST).read_line(&mut line)? == 0;
        let answer = line.trim();
        if answer.is_empty() {
            return Ok(default.to_owned());
        }
        if is_right(answer) {
            return Ok(answer.to_owned());
        }
        if ended {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        writeln!(out, "`{answer}` is not known here.")?;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn answered(given: Choices, lines: &str) -> (Choices, String) {
        let mut shown = Vec::new();
        let choices = complete(given, &mut lines.as_bytes(), &mut shown).unwrap();
        (choices, String::from_utf8(shown).unwrap())
    }

    #[test]
    fn an_empty_answer_takes_the_default_and_a_wrong_one_is_asked_again() {
        let lines = "shopfy\nstripe\nnode relay.mjs\nmeta, tiktok\n\n";
        let (choices, shown) = answered(Choices::default(), lines);
        assert_eq!(choices.format.as_deref(), Some("stripe"));
        assert_eq!(choices.reach, Some(Reach::Start("node relay.mjs".into())));
        assert_eq!(choices.platforms, ["meta", "tiktok"]);
        assert_eq!(choices.capture, Some(CaptureKind::BaseUrl));
        assert!(shown.contains("`shopfy` is not known here."), "{shown}");
    }

    #[test]
    fn what_was_given_is_not_asked_for_and_the_end_of_input_takes_defaults() {
        let given = Choices { format: Some("segment".into()), ..Choices::default() };
        let (choices, shown) = answered(given, "");
        assert_eq!(choices.format.as_deref(), Some("segment"));
        assert_eq!(choices.reach, Some(Reach::Url(URL.into())));
        assert!(!shown.contains("store"), "{shown}");
    }
}
