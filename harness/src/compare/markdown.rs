//! The comparison for pull requests and job pages.

use super::{
    Comparison,
    table::groups,
    text::{by_kind, caveats, heading, result, what},
};
use crate::report::{
    markdown::{escape, tick},
    tally::outcome_name,
};

/// Cases that are listed of each kind: a page for people has its bounds.
const LISTED: usize = 200;

/// As Markdown.
pub fn markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let runs = &comparison.runs;
    let cell = |text: &str| format!(" {} |", escape(text));
    line!(
        out,
        "| |{}\n|---|{}",
        runs.iter().map(|run| cell(&run.relay)).collect::<String>(),
        "---:|".repeat(runs.len())
    );
    let files = runs.iter().map(|run| format!(" `{}` |", tick(&run.file).replace('|', "/")));
    line!(out, "| report |{}", files.collect::<String>());
    if runs.iter().any(|run| run.shard.is_some()) {
        let shards = runs.iter().map(|run| cell(&run.shard.map_or("all".into(), String::from)));
        line!(out, "| shard |{}", shards.collect::<String>());
    }
    for group in groups(runs) {
        line!(out, "| **{}** |{}", escape(&group.heading), " |".repeat(runs.len()));
        for row in group.rows {
            let cells: String = row.cells.iter().map(|text| cell(text)).collect();
            line!(out, "| {} |{cells}", escape(&row.label));
        }
    }
    for run in runs {
        if let Some(why) = &run.aborted {
            line!(out, "\n**Cut short** (`{}`): {}", tick(&run.file), escape(why));
        }
    }
    let Some(differences) = &comparison.differences else { return out };
    line!(out, "\n**{}**", result(differences));
    for caveat in caveats(differences) {
        line!(out, "\nNote: {caveat}.");
    }
    for finding in &differences.run {
        line!(out, "\n- the run as a whole: {}", escape(finding));
    }
    for (kind, changes) in by_kind(differences) {
        line!(out, "\n### {} ({})\n", heading(kind), changes.len());
        for change in changes.iter().take(LISTED) {
            line!(out, "- `{}`: {}", tick(&change.case), escape(&what(change)));
            for order in &change.orders {
                let name = |o: Option<_>| o.map_or("not judged", outcome_name);
                let (before, after) = (name(order.before), name(order.after));
                let (id, platform) = (escape(&order.order), escape(&order.platform));
                line!(out, "  - order {id} at {platform}: {before} → **{after}**");
            }
        }
        if changes.len() > LISTED {
            line!(out, "- and {} more", changes.len() - LISTED);
        }
    }
    out
}
