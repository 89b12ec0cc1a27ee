//! The comparison for a terminal: 80 columns, no colour.

use comfy_table::{Cell, CellAlignment, ContentArrangement, LineStyle, Table, TableStyle};

use super::{
    Change, Comparison, Differences, Kind,
    figures::Figures,
    table::{Group, groups, status_name},
};
use crate::{
    report::tally::outcome_name,
    text::{PIPE_WIDTH as WIDTH, cut, plural, wrap, wrap_lines},
};

/// Runs beside each other; more make another table below.
const RUNS: usize = 4;
/// Characters of a label.
const LABEL: usize = 24;
/// Most characters of a run's column.
const COLUMN: usize = 20;
/// Cases that are listed of each kind; the JSON form has them all.
const LISTED: usize = 40;

/// As text.
pub fn text(comparison: &Comparison) -> String {
    let runs = &comparison.runs;
    let mut out = String::new();
    for (i, run) in runs.iter().enumerate() {
        line!(out, "{}", legend(i, run));
    }
    for (i, some) in runs.chunks(RUNS).enumerate() {
        line!(out, "\n{}", table(i * RUNS, some, &groups(some)));
    }
    match &comparison.differences {
        Some(differences) => changes(&mut out, differences, runs),
        None if runs.len() > 1 => line!(
            out,
            "\n{}",
            wrap(
                "other relays, so no regression is looked for: --regression does all the same",
                WIDTH,
                ""
            )
        ),
        None => {}
    }
    out
}

fn legend(i: usize, run: &Figures) -> String {
    let shard = run.shard.map(|shard| format!("shard {shard}, ")).unwrap_or_default();
    let text = format!("{} ({shard}seed {}, harness {})", run.file, run.seed, run.harness);
    let head = cut(&format!("{}  {}  ", i + 1, run.relay), 40);
    let mut out = wrap(&text, WIDTH, &head);
    if let Some(why) = &run.aborted {
        out.push('\n');
        out.push_str(&wrap_lines(why, WIDTH, "   cut short: "));
    }
    out
}

fn table(first: usize, runs: &[Figures], groups: &[Group]) -> String {
    let line = |fill| LineStyle::none().fill(fill).junction(fill);
    let style = TableStyle::new().top_border(line('─')).header_separator(line('═'));
    let mut table = Table::new();
    table.load_style(style.bottom_border(line('─')));
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.force_no_tty();
    // Each cell has a blank on either side and one between it and the next.
    let column = ((WIDTH - LABEL - 2) / runs.len().max(1)).saturating_sub(3).min(COLUMN);
    let right = |text: &str| Cell::new(cut(text, column)).set_alignment(CellAlignment::Right);
    let names = runs.iter().enumerate();
    let names = names.map(|(i, run)| right(&format!("{} {}", first + i + 1, run.relay)));
    table.set_header(std::iter::once(Cell::new("")).chain(names));
    for group in groups {
        table.add_row(std::iter::once(Cell::new(cut(&group.heading, LABEL))));
        for row in &group.rows {
            let label = Cell::new(cut(&format!("  {}", row.label), LABEL));
            table.add_row(std::iter::once(label).chain(row.cells.iter().map(|n| right(n))));
        }
    }
    table.trim_fmt()
}

/// What a list of one kind is headed with.
pub(super) fn heading(kind: Kind) -> &'static str {
    match kind {
        Kind::NewlyFailing => "newly failing",
        Kind::FailsMore => "failing, and more of it",
        Kind::NewlyInconclusive => "newly inconclusive",
        Kind::Vanished => "no longer judged",
        Kind::NewlyPassing => "newly passing",
        Kind::FailsLess => "failing, and less of it",
        Kind::OtherOutcome => "orders with another outcome",
        Kind::New => "new",
    }
}

/// Changes of one kind after the other.
pub(super) fn by_kind(differences: &Differences) -> Vec<(Kind, Vec<&Change>)> {
    let mut kinds: Vec<(Kind, Vec<&Change>)> = Vec::new();
    for change in &differences.changes {
        match kinds.last_mut() {
            Some((kind, list)) if *kind == change.kind => list.push(change),
            _ => kinds.push((change.kind, vec![change])),
        }
    }
    kinds
}

/// `passed -> failed: exactly_once`.
pub(super) fn what(change: &Change) -> String {
    let mut out = status_name(change.after).to_owned();
    if change.before != change.after && change.kind != Kind::New {
        out = format!("{} -> {out}", status_name(change.before));
    }
    for (checks, sign) in [(&change.newly_broken, ""), (&change.no_longer_broken, "no longer ")] {
        if !checks.is_empty() {
            out.push_str(&format!("; {sign}{}", checks.join(", ")));
        }
    }
    out
}

/// What the differences come to, in one line.
pub(super) fn result(differences: &Differences) -> String {
    let worse = differences.changes.iter().filter(|c| c.regression).count();
    if !differences.is_regression() {
        return "no regression".to_owned();
    }
    let mut parts = Vec::new();
    if worse > 0 {
        parts.push(format!("{worse} case{}", plural(worse)));
    }
    if !differences.run.is_empty() {
        parts.push("the run as a whole".to_owned());
    }
    format!("regression: {} got worse", parts.join(" and "))
}

/// What keeps the two runs from being about the same.
pub(super) fn caveats(differences: &Differences) -> Vec<&'static str> {
    let suite = "the two runs did not select the same cases, or the relay declares something else";
    let seed = "the two runs had other seeds: other people, orders and click ids";
    let part = "one of the runs is a shard of a run, and the other is not that shard: only the cases that are in both \
                parts are compared, the figures above are those of each whole report";
    let Differences { same_suite, same_seed, same_part, .. } = differences;
    [(!same_suite, suite), (!same_seed, seed), (!same_part, part)]
        .into_iter()
        .filter_map(|(is, words)| is.then_some(words))
        .collect()
}

fn changes(out: &mut String, differences: &Differences, runs: &[Figures]) {
    if let [before, .., after] = runs {
        line!(out, "\n{}", wrap(&format!("from {} to {}", before.file, after.file), WIDTH, ""));
    }
    for caveat in caveats(differences) {
        line!(out, "{}", wrap(caveat, WIDTH, "note: "));
    }
    for finding in &differences.run {
        line!(out, "\nthe run as a whole\n{}", wrap(finding, WIDTH, "  "));
    }
    for (kind, changes) in by_kind(differences) {
        line!(out, "\n{} ({})", heading(kind), changes.len());
        for change in changes.iter().take(LISTED) {
            line!(out, "{}", wrap(&change.case, WIDTH, "  "));
            line!(out, "{}", wrap(&what(change), WIDTH, "      "));
            for order in &change.orders {
                let name = |o: Option<_>| o.map_or("not judged", outcome_name);
                let (before, after) = (name(order.before), name(order.after));
                let text =
                    format!("order {} at {}: {before} -> {after}", order.order, order.platform);
                line!(out, "{}", wrap(&text, WIDTH, "      "));
            }
        }
        if changes.len() > LISTED {
            line!(out, "  and {} more: --format json has them all", changes.len() - LISTED);
        }
    }
    line!(out, "\n{}", result(differences));
}
