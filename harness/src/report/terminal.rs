//! What a person reads: failures with their proof, then the table of orders × platforms, then one line.

use std::{collections::BTreeSet, fmt::Write as _};

use comfy_table::{Cell, CellAlignment, Color, ContentArrangement, Table, presets};

use super::{Report, excerpt, tally};
use crate::{
    platforms::Severity,
    text::{cut, plural, wrap, wrap_lines},
    verdict::{CaseVerdict, Evidence, Finding, Status, Summary},
};

/// Failing cases shown in full; the others are listed by name.
const SHOWN_IN_FULL: usize = 12;
/// Lines of an answer's body shown as evidence.
const ANSWER_LINES: usize = 4;

/// The terminal report.
#[derive(Debug, Clone, Copy)]
pub struct Terminal {
    /// Use colours: only if the output is a terminal.
    pub colour: bool,
    /// Columns.
    pub width: usize,
    /// Also list what passed, and warnings.
    pub verbose: bool,
}

/// As written into a file.
pub const PLAIN: Terminal = Terminal { colour: false, width: 100, verbose: true };

/// In one sentence: what was not seen, or else the first finding of weight.
fn reason(case: &CaseVerdict) -> String {
    let weight = |finding: &&Finding| finding.severity == Severity::Must;
    let finding = case.findings.iter().find(weight).or(case.findings.first());
    let finding = finding.map(|f| match f.message.starts_with(&*f.rule) {
        true => f.message.clone(),
        false => format!("{}: {}", f.rule, f.message),
    });
    let note = case.notes.first().cloned();
    let first = match case.status {
        Status::Fail => finding.or(note),
        _ => note.or(finding),
    };
    first.unwrap_or_default()
}

impl Report for Terminal {
    fn id(&self) -> &'static str {
        "text"
    }

    fn says(&self) -> &'static str {
        "what the terminal shows, without colour, warnings included"
    }

    fn render(&self, summary: &Summary) -> Result<String, String> {
        let mut out = String::new();
        self.failures(&mut out, summary).map_err(|e| e.to_string())?;
        self.closing(&mut out, summary).map_err(|e| e.to_string())?;
        Ok(out)
    }
}

impl Terminal {
    fn paint(self, text: &str, code: &str) -> String {
        if self.colour { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_owned() }
    }

    fn status(self, status: Status) -> String {
        match status {
            Status::Pass => self.paint("PASS", "32"),
            Status::KnownFailing => self.paint("KNOWN FAILING", "33"),
            Status::Skipped => self.paint("SKIP", "2"),
            Status::Inconclusive => self.paint("INCONCLUSIVE", "33"),
            Status::Fail => self.paint("FAIL", "31;1"),
            Status::HarnessFault => self.paint("HARNESS FAULT", "35;1"),
        }
    }

    fn failures(self, out: &mut String, summary: &Summary) -> std::fmt::Result {
        let mut bad: Vec<&CaseVerdict> =
            summary.cases.iter().filter(|c| c.status > Status::Skipped).collect();
        bad.sort_by_key(|c| std::cmp::Reverse(c.status));
        let (full, listed) = bad.split_at(bad.len().min(SHOWN_IN_FULL));
        for case in full {
            self.case(out, summary, case)?;
        }
        if !listed.is_empty() {
            writeln!(out, "and {} more:", listed.len())?;
            for case in listed {
                let why = reason(case);
                let head = format!("  {} {}", self.status(case.status), case.case);
                writeln!(out, "{head}\n{}", wrap(&why, self.width, "      "))?;
            }
            writeln!(out)?;
        }
        for finding in &summary.run_findings {
            let must = finding.severity == Severity::Must;
            let word = if must { self.status(Status::Fail) } else { self.paint("NOTE", "33") };
            writeln!(out, "{word} the run as a whole")?;
            self.finding(out, finding, &[])?;
            writeln!(out)?;
        }
        if self.verbose {
            for case in summary.cases.iter().filter(|c| c.status == Status::Pass) {
                writeln!(out, "{} {}", self.status(case.status), case.case)?;
                for warning in &case.findings {
                    self.finding(out, warning, &[])?;
                }
            }
            writeln!(out)?;
        }
        Ok(())
    }

    fn case(self, out: &mut String, summary: &Summary, case: &CaseVerdict) -> std::fmt::Result {
        writeln!(out, "{} {}", self.status(case.status), self.paint(&case.case, "1"))?;
        writeln!(out, "{}", wrap(&case.title, self.width, "  "))?;
        for cell in case.cells.iter().filter(|cell| !cell.right) {
            let name = tally::outcome_name(cell.outcome);
            let detail = tally::detail(cell);
            let text = format!("order {} at {}: {name}: {detail}", cell.order, cell.platform);
            writeln!(out, "{}", wrap(&text, self.width, "  "))?;
        }
        for note in case.notes.iter().chain(&case.remarks) {
            writeln!(out, "{}", wrap(note, self.width, "  note: "))?;
        }
        for known in tally::known(case) {
            writeln!(out, "{}", wrap(&known, self.width, "  in the baseline: "))?;
        }
        // Each request is shown once, with the first finding that it proves.
        let mut shown = BTreeSet::new();
        for finding in case.findings.iter().filter(|f| f.severity == Severity::Must) {
            let new: Vec<&Evidence> = case
                .evidence
                .iter()
                .filter(|e| finding.exchanges.contains(&e.seq) && !shown.contains(&e.seq))
                .take(2)
                .collect();
            shown.extend(new.iter().map(|e| e.seq));
            self.finding(out, finding, &new)?;
        }
        let warnings: Vec<_> =
            case.findings.iter().filter(|f| f.severity == Severity::Should).collect();
        if self.verbose {
            for warning in warnings {
                self.finding(out, warning, &[])?;
            }
        } else if !warnings.is_empty() {
            writeln!(out, "  and {} warning{}: --verbose", warnings.len(), plural(warnings.len()))?;
        }
        writeln!(out, "  reproduce: {}\n", tally::reproduce(summary, &case.case))
    }

    fn finding(
        self,
        out: &mut String,
        finding: &Finding,
        evidence: &[&Evidence],
    ) -> std::fmt::Result {
        let order = finding.order.as_ref().map(|o| format!("order {o}: ")).unwrap_or_default();
        let level = if finding.severity == Severity::Should { "warning: " } else { "" };
        let rule = self.paint(&finding.rule, "36");
        let head = format!("{rule} {level}{order}{}", finding.message);
        writeln!(out, "{}", wrap(&head, self.width, "  * "))?;
        if let Some(expected) = &finding.expected {
            writeln!(out, "{}", wrap(expected, self.width, "      expected  "))?;
        }
        if let Some(actual) = &finding.actual {
            writeln!(out, "{}", wrap(actual, self.width, "      seen      "))?;
        }
        let new = |seq: &&u64| !evidence.iter().any(|e| e.seq == **seq);
        let before: Vec<String> =
            finding.exchanges.iter().filter(new).take(8).map(|seq| format!("#{seq}")).collect();
        if !before.is_empty() {
            writeln!(out, "      see       {}", before.join(" "))?;
        }
        for shown in evidence {
            // The pointer is one into the first request that the finding names; of the others the answer tells.
            let first = finding.exchanges.first() == Some(&shown.seq);
            self.evidence(out, shown, finding.at.as_deref().filter(|_| first), first)?;
        }
        writeln!(out, "{}", wrap(&finding.source, self.width, "      rule      "))
    }

    /// One exchange: of its body the part that the finding is about.
    fn evidence(
        self,
        out: &mut String,
        shown: &Evidence,
        at: Option<&str>,
        first: bool,
    ) -> std::fmt::Result {
        let head = format!("#{} after {} ms: {}", shown.seq, shown.at_ms, shown.request_line);
        writeln!(out, "      {}", cut(&head, self.width.saturating_sub(6)))?;
        if let Some(at) = at {
            writeln!(out, "        at {}", cut(at, self.width.saturating_sub(11)))?;
        }
        let room = self.width.saturating_sub(8);
        let mut part = excerpt::excerpt(&shown.request_body, at);
        if !first && !part.whole {
            part.lines.clear();
        }
        for line in &part.lines {
            writeln!(out, "        {}", cut(line, room))?;
        }
        if !part.whole {
            let rest = excerpt::remainder(shown, &part);
            writeln!(out, "{}", wrap(&rest, self.width, "        "))?;
        }
        let room = room.saturating_sub(3);
        writeln!(out, "        -> {}", cut(&shown.answer_line, room))?;
        let answer: Vec<&str> = shown.answer_body.lines().collect();
        for line in answer.iter().take(ANSWER_LINES) {
            writeln!(out, "           {}", cut(line, room))?;
        }
        let more = answer.len().saturating_sub(ANSWER_LINES);
        if more > 0 {
            writeln!(out, "           ... {more} more line{}", plural(more))?;
        }
        Ok(())
    }

    fn closing(self, out: &mut String, summary: &Summary) -> std::fmt::Result {
        let (rows, sum) = tally::table(&summary.cases);
        if sum.orders > 0 {
            writeln!(out, "{}\n", self.table(&rows, &sum))?;
        }
        let known = summary.cases.iter().filter(|c| c.status == Status::KnownFailing);
        for case in known {
            writeln!(out, "{} {}", self.status(case.status), case.case)?;
            for known in tally::known(case) {
                writeln!(out, "{}", wrap(&known, self.width, "  "))?;
            }
        }
        for (place, message) in tally::stale(summary) {
            let text = format!("{place}: {message}");
            writeln!(out, "{}", wrap(&text, self.width, "stale in the baseline: "))?;
        }
        if !summary.skipped.is_empty() {
            let n = summary.skipped.len();
            writeln!(out, "not judged: {n} case{}", plural(n))?;
            let mut by_reason = std::collections::BTreeMap::<&str, usize>::new();
            for skipped in &summary.skipped {
                *by_reason.entry(&skipped.reason).or_default() += 1;
            }
            for (reason, n) in by_reason {
                writeln!(out, "{}", wrap(&format!("{n} x {reason}"), self.width, "  "))?;
            }
        }
        for (what, path) in tally::snapshots(summary) {
            writeln!(out, "snapshot {what}: {path}")?;
        }
        if !summary.snapshots_changed.is_empty() {
            writeln!(out, "hint: look with `cargo insta review`, or take them all with --accept")?;
        }
        if summary.orphans > 0 {
            writeln!(out, "requests that belong to no case: {}", summary.orphans)?;
        }
        if let Some(why) = &summary.aborted {
            writeln!(out, "{}", wrap_lines(why, self.width, "cut short: "))?;
        }
        if let Some(words) = tally::part(summary) {
            writeln!(out, "{}", wrap(&words, self.width, ""))?;
        }
        writeln!(out, "{}", self.last_line(summary))
    }

    fn last_line(self, summary: &Summary) -> String {
        let counts = tally::statuses(&summary.cases);
        let n = |status| counts.get(&status).copied().unwrap_or(0);
        let mut parts = vec![format!("{} passed", n(Status::Pass))];
        if n(Status::KnownFailing) > 0 {
            let text = format!("{} known failing", n(Status::KnownFailing));
            parts.push(self.paint(&text, "33"));
        }
        let faults = format!("harness fault{}", plural(n(Status::HarnessFault)));
        for (status, word) in [
            (Status::Fail, "failed"),
            (Status::Inconclusive, "inconclusive"),
            (Status::HarnessFault, faults.as_str()),
        ] {
            if n(status) > 0 {
                parts.push(self.paint(&format!("{} {word}", n(status)), "31;1"));
            }
        }
        parts.push(format!("{} skipped", summary.skipped.len()));
        let text = format!(
            "{}: {} in {:.1} s (seed {})",
            summary.relay,
            parts.join(", "),
            summary.took_ms as f64 / 1000.0,
            summary.seed
        );
        // Whole, for whoever reads the last line of a pipe.
        text
    }

    /// Columns that are zero everywhere are left out, so that the table fits 80 columns.
    fn table(self, rows: &[(String, tally::Row)], sum: &tally::Row) -> Table {
        let shown: Vec<usize> =
            (0..tally::OUTCOMES.len()).filter(|i| *i < 2 || sum.outcomes[*i] > 0).collect();
        let mut table = Table::new();
        table.load_style(presets::UTF8_HORIZONTAL_ONLY);
        table.set_content_arrangement(ContentArrangement::Disabled);
        if self.colour {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        let mut header = vec!["platform".to_owned(), "orders".to_owned()];
        header.extend(shown.iter().map(|i| tally::OUTCOMES[*i].1.to_owned()));
        table.set_header(header);
        let named = rows.iter().map(|(name, row)| (name.as_str(), row));
        for (name, row) in named.chain(std::iter::once(("all", sum))) {
            let mut cells = vec![Cell::new(name), number(row.orders, 0)];
            cells.extend(shown.iter().map(|i| number(row.outcomes[*i], row.wrong[*i])));
            table.add_row(cells);
        }
        table
    }
}

fn number(n: usize, wrong: usize) -> Cell {
    let cell = Cell::new(n).set_alignment(CellAlignment::Right);
    if wrong > 0 { cell.fg(Color::Red) } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::tests::{failing, summary};
    use crate::verdict::Outcome;

    #[test]
    fn a_failing_case_shows_the_part_of_a_long_request_that_the_finding_is_about() {
        let summary = summary(vec![failing(30, "/data/27/user_data/em")]);
        let text = PLAIN.render(&summary).unwrap_or_default();
        assert!(text.contains("\"em\": \"plain-27@example.com\""), "{text}");
        assert!(!text.contains("plain-0@"), "{text}");
        let body = text.lines().filter(|line| line.starts_with("        ")).count();
        assert!(body <= excerpt::LINES + 8, "{body} lines:\n{text}");
        assert!(text.contains("bytes; the JSON report has it (--report"), "{text}");
        let narrow = Terminal { width: 80, ..PLAIN }.render(&summary).unwrap_or_default();
        // A command stays in one piece.
        let whole = |line: &&str| line.contains("reproduce:");
        let long = narrow.lines().filter(|l| !whole(l)).find(|l| l.chars().count() > 80);
        assert_eq!(long, None);
    }

    #[test]
    fn a_snapshot_is_new_or_changed_and_both_are_said() {
        let mut summary = summary(vec![failing(1, "")]);
        summary.snapshots_changed = vec!["a.snap".into(), "b.snap".into()];
        summary.snapshots_new = vec!["b.snap".into()];
        let text = PLAIN.render(&summary).unwrap_or_default();
        assert!(text.contains("snapshot changed: a.snap\nsnapshot new: b.snap\n"), "{text}");
    }

    #[test]
    fn a_short_request_is_shown_whole_and_points_nowhere_else() {
        let text = PLAIN.render(&summary(vec![failing(1, "")])).unwrap_or_default();
        assert!(text.contains("plain-0@example.com"), "{text}");
        assert!(!text.contains("JSON report"), "{text}");
    }

    #[test]
    fn an_outcome_is_named_once_and_the_lines_of_an_end_stay_lines() {
        let mut case = failing(1, "");
        let detail = "lost: nothing was sent".to_owned();
        case.cells = vec![crate::verdict::Cell {
            detail,
            ..crate::report::sample::cell("A", Outcome::Lost, false)
        }];
        let mut summary = summary(vec![case]);
        summary.aborted = Some("the relay sends nothing\nhint: look there".into());
        let text = PLAIN.render(&summary).unwrap_or_default();
        assert!(text.contains("order A at meta: lost: nothing was sent\n"), "{text}");
        assert!(
            text.contains("cut short: the relay sends nothing\n           hint: look"),
            "{text}"
        );
    }
}
