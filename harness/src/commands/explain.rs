//! `harness explain ID`: a case, scenario, check, platform rule or catalogue entry, in words and with its source.

use std::path::Path;

use super::{Done, scenarios};
use crate::{
    catalogue,
    checks::CHECKS,
    cli::ExplainArgs,
    platforms::{PLATFORMS, Severity},
    run::RunError,
    scenario::{Scenario, load, select::edit_distance},
    yaml,
};

/// Explains.
///
/// # Errors
///
/// If nothing has this id; the nearest names are told.
pub fn explain(args: &ExplainArgs) -> Result<Done, RunError> {
    let id = args.id.trim();
    let dir = scenarios(args.scenarios.as_ref());
    let all = load::load_dir(&dir).map_err(|e| RunError::Usage(e.to_string()))?;
    let text = entry(id, &all)
        .or_else(|| check(id))
        .or_else(|| rule(id))
        .or_else(|| scenario(id, &all, &dir));
    text.map(Done::passed).ok_or_else(|| {
        let near = match nearest(id, &all) {
            near if near.is_empty() => String::new(),
            near => format!("did you mean {}? ", near.join(", ")),
        };
        RunError::NothingSelected(format!(
            "nothing is called `{id}`\nhint: {near}`harness list` names the cases, `harness list --coverage` the catalogue entries"
        ))
    })
}

/// Up to five ids that look most like this one, or begin with it as with a topic (`dedup`, `DED`).
fn nearest(id: &str, scenarios: &[Scenario]) -> Vec<String> {
    let written = id.to_lowercase();
    // Of a case's name its scenario: `topic/name`.
    let scenario = written.split('/').take(2).collect::<Vec<_>>().join("/");
    let entries = catalogue::entries().iter().map(|entry| entry.id.as_str());
    let checks = CHECKS.iter().map(|check| check.about().id);
    let rules = PLATFORMS.iter().flat_map(|platform| platform.rules()).map(|rule| rule.id);
    let names = scenarios.iter().map(|scenario| scenario.name.as_str());
    let mut near: Vec<(usize, &str)> = entries
        .chain(checks)
        .chain(rules)
        .chain(names)
        .filter_map(|name| {
            let known = name.to_lowercase();
            let below = known.strip_prefix(&written).is_some_and(|r| r.starts_with(['/', '-']));
            let distance = edit_distance(&written, &known).min(edit_distance(&scenario, &known));
            match below {
                true => Some((0, name)),
                false => (distance <= written.len().div_ceil(3)).then_some((distance, name)),
            }
        })
        .collect();
    near.sort_unstable();
    near.dedup();
    near.into_iter().take(5).map(|(_, name)| format!("`{name}`")).collect()
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Must => "must (breaking it fails the case)",
        Severity::Should => "should (breaking it is a warning)",
    }
}

fn entry(id: &str, scenarios: &[Scenario]) -> Option<String> {
    let entry = catalogue::entries().iter().find(|e| e.id.eq_ignore_ascii_case(id))?;
    let mut out = format!("{}: {}\n\n", entry.id, entry.failure);
    line!(out, "why it hurts  {}", entry.why);
    line!(out, "severity      {}", entry.severity);
    line!(out, "source        {}", entry.source);
    for scenario in scenarios.iter().filter(|s| s.covers.contains(&entry.id)) {
        line!(out, "scenario      {}: {}", scenario.name, scenario.title);
    }
    for about in CHECKS.iter().map(|c| c.about()).filter(|a| a.covers.contains(&entry.id.as_str()))
    {
        line!(out, "check         {}: {}", about.id, about.says);
    }
    if let Some(reason) = &entry.not_covered {
        line!(out, "not covered   {reason}");
    }
    Some(out)
}

fn check(id: &str) -> Option<String> {
    let about = CHECKS.iter().map(|c| c.about()).find(|a| a.id == id)?;
    Some(format!(
        "check {}: {}\n\nseverity  {}\nsource    {}\ncovers    {}\n",
        about.id,
        about.says,
        level(about.severity),
        about.source,
        about.covers.join(" ")
    ))
}

fn rule(id: &str) -> Option<String> {
    let (platform, rule) = PLATFORMS.iter().find_map(|platform| {
        let rule = platform.rules().iter().find(|r| r.id.eq_ignore_ascii_case(id))?;
        Some((platform, rule))
    })?;
    Some(format!(
        "{} ({}): {}\n\nseverity  {}\nsource    {}\ncovers    {}\n",
        rule.id,
        platform.title(),
        rule.says,
        level(rule.severity),
        rule.source,
        rule.covers.join(" ")
    ))
}

fn scenario(id: &str, all: &[Scenario], dir: &Path) -> Option<String> {
    let found = all
        .iter()
        .filter(|s| {
            id == s.name || id.strip_prefix(s.name.as_str()).is_some_and(|r| r.starts_with('/'))
        })
        .max_by_key(|s| s.name.len())?;
    let mut out = format!("{}: {}\n\n", found.name, found.title);
    if let Some(why) = &found.why {
        line!(out, "{}\n", why.trim());
    }
    for id in &found.covers {
        if let Some(entry) = catalogue::entries().iter().find(|e| e.id == *id) {
            line!(out, "covers {}: {}\n       {}", entry.id, entry.failure, entry.why);
        }
    }
    for variant in &found.variants {
        line!(out, "variant {}", variant.name);
    }
    let path = dir.join(&found.name).with_extension("yaml");
    if let Ok(text) = yaml::read(&path, "a scenario") {
        line!(out, "\n{}", text.trim_end());
    }
    Some(out)
}
