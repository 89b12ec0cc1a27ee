//! The findings as text for people (80 columns, no colour, in a pipe as on a terminal) and as JSON for programs.

use serde_json::json;

use super::{Diagnosis, Point, Settings, State};
use crate::{
    exit_code,
    text::{PIPE_WIDTH, plural, wrap},
};

/// Columns of the state.
const STATE: usize = 12;
/// Most columns of the subject; a longer one pushes its words on.
const ABOUT: usize = 26;

impl Diagnosis {
    /// For people.
    pub fn text(&self) -> String {
        let mut out = String::new();
        let width = self.points.iter().map(|point| subject(point).chars().count()).max();
        let width = width.unwrap_or(0).min(ABOUT);
        for point in &self.points {
            out.push_str(&line(point, width));
        }
        if let Some(settings) = &self.settings {
            out.push('\n');
            out.push_str(&environment(settings));
        }
        out.push('\n');
        line!(out, "{}", self.summary());
        out
    }

    /// For programs.
    pub fn json(&self) -> String {
        let value = json!({
            "schema": 1,
            "relay": self.relay,
            "ok": self.code == exit_code::PASSED,
            "points": self.points,
            "settings": self.settings,
        });
        serde_json::to_string_pretty(&value).unwrap_or_default() + "\n"
    }

    fn summary(&self) -> String {
        let count = |state| self.points.iter().filter(|point| point.state == state).count();
        let (ok, problems, rest) =
            (count(State::Ok), count(State::Problem), count(State::NotChecked));
        let s = plural(problems);
        let name = if self.relay.is_empty() { "no relay" } else { &self.relay };
        format!("{name}: {ok} ok, {problems} problem{s}, {rest} not checked")
    }
}

/// `meta event id`.
fn subject(point: &Point) -> String {
    match point.platform {
        Some(platform) => format!("{platform} {}", point.about),
        None => point.about.clone(),
    }
}

fn line(point: &Point, width: usize) -> String {
    let state = match point.state {
        State::Ok => "ok",
        State::Problem => "PROBLEM",
        State::NotChecked => "not checked",
    };
    let lead = format!("{state:<STATE$}{:<width$}  ", subject(point));
    let mut out = wrap(&point.says, PIPE_WIDTH, &lead);
    out.push('\n');
    for quoted in point.quote.iter().flat_map(|quote| quote.lines()) {
        line!(out, "    | {quoted}");
    }
    if let Some(change) = &point.change {
        let lead = format!("{:STATE$}change: ", "");
        line!(out, "{}", wrap(change, PIPE_WIDTH, &lead));
    }
    out
}

fn environment(settings: &Settings) -> String {
    let mut out = String::new();
    let who = match settings.by_harness {
        true => "set by the harness when it starts the relay",
        false => "to be set where the relay runs",
    };
    line!(out, "capture: {} ({who})", settings.capture);
    for (platform, url) in &settings.base_urls {
        line!(out, "  {platform:<14} {url}");
    }
    if !settings.hosts.is_empty() {
        let hosts = settings.hosts.join(" ");
        line!(out, "{}", wrap(&hosts, PIPE_WIDTH, &format!("  lead to {}: ", settings.address)));
    }
    for variable in &settings.variables {
        match settings.by_harness {
            // The files that they name end with the relay.
            true => line!(out, "  {:<34} {}", variable.name, variable.read_by),
            // To be copied, so never broken.
            false => line!(out, "  {}='{}'", variable.name, variable.value.replace('\'', r"'\''")),
        }
    }
    out
}
