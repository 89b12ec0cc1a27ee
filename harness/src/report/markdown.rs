//! A summary for pull requests and job pages.

use std::fmt::Write as _;

use super::{Report, excerpt, tally};
use crate::{
    platforms::Severity,
    text::{cut, plural},
    verdict::{Evidence, Status, Summary},
};

/// Columns of a line of evidence.
const WIDTH: usize = 100;

/// The Markdown report.
#[derive(Debug, Clone, Copy)]
pub struct Markdown;

impl Report for Markdown {
    fn id(&self) -> &'static str {
        "markdown"
    }

    fn says(&self) -> &'static str {
        "a summary for pull requests and job pages"
    }

    fn render(&self, summary: &Summary) -> Result<String, String> {
        let mut out = String::new();
        write(&mut out, summary).map_err(|e| e.to_string())?;
        Ok(out)
    }
}

fn write(out: &mut String, summary: &Summary) -> std::fmt::Result {
    let counts = tally::statuses(&summary.cases);
    let n = |status| counts.get(&status).copied().unwrap_or(0);
    writeln!(out, "## {}\n", escape(&summary.relay))?;
    writeln!(
        out,
        "{} passed, {} known failing, {} failed, {} inconclusive, {} harness fault{}, {} skipped in {:.1} s (seed {}).\n",
        n(Status::Pass),
        n(Status::KnownFailing),
        n(Status::Fail),
        n(Status::Inconclusive),
        n(Status::HarnessFault),
        plural(n(Status::HarnessFault)),
        summary.skipped.len(),
        summary.took_ms as f64 / 1000.0,
        summary.seed
    )?;
    if let Some(words) = tally::part(summary) {
        writeln!(out, "{}.\n", escape(&words))?;
    }
    let (rows, sum) = tally::table(&summary.cases);
    let shown: Vec<usize> =
        (0..tally::OUTCOMES.len()).filter(|i| *i < 2 || sum.outcomes[*i] > 0).collect();
    write!(out, "| platform | orders |")?;
    for i in &shown {
        write!(out, " {} |", tally::OUTCOMES[*i].1)?;
    }
    writeln!(out, "\n|---|---:|{}", "---:|".repeat(shown.len()))?;
    let named = rows.iter().map(|(name, row)| (name.as_str(), row));
    for (name, row) in named.chain(std::iter::once(("**all**", &sum))) {
        write!(out, "| {name} | {} |", row.orders)?;
        for i in &shown {
            let wrong = if row.wrong[*i] > 0 { " ⚠" } else { "" };
            write!(out, " {}{wrong} |", row.outcomes[*i])?;
        }
        writeln!(out)?;
    }
    if let Some(why) = &summary.aborted {
        writeln!(out, "\n**Cut short:** {}", escape(why))?;
    }
    for finding in &summary.run_findings {
        writeln!(out, "\n**{}** {}", finding.rule, escape(&finding.message))?;
    }
    for case in summary.cases.iter().filter(|c| c.status > Status::Skipped) {
        writeln!(out, "\n### `{}`\n\n{}\n", case.case, escape(&case.title))?;
        for cell in case.cells.iter().filter(|c| !c.right) {
            let outcome = tally::outcome_name(cell.outcome);
            writeln!(
                out,
                "- order {}: **{outcome}**: {}",
                cell.order,
                escape(tally::detail(cell))
            )?;
        }
        for finding in case.findings.iter().filter(|f| f.severity == Severity::Must) {
            let message = escape(&finding.message);
            writeln!(out, "- [{}]({}): {message}", finding.rule, finding.source)?;
            if let (Some(expected), Some(actual)) = (&finding.expected, &finding.actual) {
                writeln!(out, "  expected `{}`, seen `{}`", tick(expected), tick(actual))?;
            }
            let first = |e: &&Evidence| finding.exchanges.first() == Some(&e.seq);
            if let Some(shown) = case.evidence.iter().find(first) {
                evidence(out, shown, finding.at.as_deref())?;
            }
        }
        for note in case.notes.iter().chain(&case.remarks) {
            writeln!(out, "- {}", escape(note))?;
        }
        for known in tally::known(case) {
            writeln!(out, "- in the baseline: {}", escape(&known))?;
        }
        writeln!(out, "\n`{}`", tick(&tally::reproduce(summary, &case.case)))?;
    }
    if n(Status::KnownFailing) > 0 {
        writeln!(out, "\n### Known failing\n")?;
    }
    for case in summary.cases.iter().filter(|c| c.status == Status::KnownFailing) {
        let known = tally::known(case);
        writeln!(out, "- `{}`: {}", tick(&case.case), escape(&known.join("; ")))?;
    }
    for (place, message) in tally::stale(summary) {
        writeln!(out, "\n**Stale in the baseline:** `{}` {}", tick(&place), escape(&message))?;
    }
    for (what, path) in tally::snapshots(summary) {
        writeln!(out, "\nSnapshot {what}: `{}`", tick(path))?;
    }
    Ok(())
}

/// The part of a request that a finding is about, as a block below its list entry.
fn evidence(out: &mut String, shown: &Evidence, at: Option<&str>) -> std::fmt::Result {
    let part = excerpt::excerpt(&shown.request_body, at);
    let place = at.map(|at| format!(" at {at}")).unwrap_or_default();
    writeln!(
        out,
        "\n  `#{} {}{}`\n\n  ```text",
        shown.seq,
        tick(&shown.request_line),
        tick(&place)
    )?;
    for line in &part.lines {
        writeln!(out, "  {}", cut(line, WIDTH).replace('`', "'"))?;
    }
    writeln!(out, "  ```")?;
    if !part.whole {
        writeln!(out, "\n  {}", escape(&excerpt::remainder(shown, &part)))?;
    }
    writeln!(out, "\n  answered `{}`", tick(&shown.answer_line))
}

/// Text from a relay or platform must not become markup.
pub(crate) fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\r' => out.push(' '),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '|' | '*' | '_' | '`' | '[' | ']' | '#' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            _ => out.push(c),
        }
    }
    out
}

/// Text inside code quotes.
pub(crate) fn tick(text: &str) -> String {
    text.replace('`', "'").replace(['\n', '\r'], " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{failing, summary};

    #[test]
    fn a_failing_case_shows_the_part_of_the_request_that_it_is_about() {
        let case = failing(30, "/data/27/user_data/em");
        let text = Markdown.render(&summary(vec![case])).unwrap_or_default();
        assert!(text.contains("plain-27@example.com"), "{text}");
        assert!(!text.contains("plain-0@"), "{text}");
        assert!(text.contains("bytes; the JSON report has it"), "{text}");
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }

    #[test]
    fn a_body_cannot_end_its_block() {
        let mut case = failing(1, "");
        for evidence in &mut case.evidence {
            evidence.request_body = "a\n```\n# heading".into();
        }
        let text = Markdown.render(&summary(vec![case])).unwrap_or_default();
        assert_eq!(text.matches("```").count(), 2, "{text}");
    }
}
