//! What the relay says about itself, and whether it comes back: delivery log, health, restart.

use super::{
    Places, Point,
    admission::seconds,
    course::CANARY,
    stay::{Restart, Seen, Visit},
};
use crate::{exchange::OrderRef, history::LogEntry, scenario::HealthState, sut::profile::Profile};

/// One point each.
pub(super) fn points(profile: &Profile, places: &Places, seen: &Seen) -> Vec<Point> {
    // Further formats have the same log.
    let first = profile.send.formats.first();
    let visits: Vec<&Visit> = seen.visits.iter().filter(|v| Some(&v.format) == first).collect();
    vec![log(profile, places, &visits), health(profile, places, &visits), restart(places, seen)]
}

fn log(profile: &Profile, places: &Places, visits: &[&Visit]) -> Point {
    const ABOUT: &str = "delivery log";
    const FIELD: &str = "read.deliveries";
    if profile.read.deliveries.is_none() {
        return Point::not_checked(ABOUT, "the profile has no read.deliveries");
    }
    if !visits.iter().any(|visit| visit.was_heard()) {
        return Point::not_checked(ABOUT, "the relay took no order");
    }
    let unreadable = visits
        .iter()
        .flat_map(|visit| &visit.history.readings.unreadable)
        .find(|text| !text.starts_with("health:"));
    if let Some(text) = unreadable {
        let change = format!("see {}", places.of_field(&format!("{FIELD}.call")));
        return Point::problem(ABOUT, format!("cannot be read: {text}"), change);
    }
    for visit in visits {
        if let Some(problem) = missing(visit, places) {
            return problem;
        }
    }
    let n: usize = visits.iter().map(|visit| entries(visit).len()).sum();
    Point::ok(ABOUT, format!("each canary has a known state ({n} in all)"))
}

/// What of a canary is not in the log as the profile reads it.
fn missing(visit: &Visit, places: &Places) -> Option<Point> {
    const ABOUT: &str = "delivery log";
    let id = visit.platform.id();
    let field = |name: &str| places.of_field(&format!("read.deliveries.{name}"));
    let canary = OrderRef::Named(CANARY.to_owned());
    visit.case.order(CANARY)?;
    let of_order: Vec<&LogEntry> =
        entries(visit).iter().filter(|entry| entry.order == canary).collect();
    if of_order.is_empty() {
        return Some(Point::problem(
            ABOUT,
            format!("it was read, but has no entry for the canary order to {id}"),
            format!(
                "the answer's entries have to be found by {}, their order by {}",
                field("entries"),
                field("order")
            ),
        ));
    }
    let here: Vec<_> = of_order.iter().filter(|entry| entry.platform == id).collect();
    if here.is_empty() {
        let names: Vec<String> = of_order.iter().map(|e| format!("`{}`", e.platform)).collect();
        return Some(Point::problem(
            ABOUT,
            format!("calls the canary's platform {}, and never `{id}`", names.join(", ")),
            format!("let {} lead to the platform's id", field("platform")),
        ));
    }
    here.iter().find(|entry| entry.state.is_none()).map(|_| {
        Point::problem(
            ABOUT,
            format!("the state of the canary at {id} is a word that the profile does not know"),
            format!("add the relay's word to {}, or mend {}", field("states"), field("state")),
        )
    })
}

fn entries(visit: &Visit) -> &[LogEntry] {
    visit.history.readings.log.as_deref().unwrap_or_default()
}

fn health(profile: &Profile, places: &Places, visits: &[&Visit]) -> Point {
    const ABOUT: &str = "health";
    if profile.read.health.is_none() {
        return Point::not_checked(ABOUT, "the profile has no read.health");
    }
    let readings = || visits.iter().map(|visit| &visit.history.readings);
    let unreadable = readings().flat_map(|r| &r.unreadable).find(|t| t.starts_with("health:"));
    if let Some(text) = unreadable {
        let change = format!("name the status in {}", places.of_field("read.health.statuses"));
        return Point::problem(ABOUT, text.clone(), change);
    }
    match readings().find_map(|readings| readings.health) {
        Some(HealthState::Healthy) => Point::ok(ABOUT, "says that it is well"),
        Some(HealthState::Unhealthy) => Point::problem(
            ABOUT,
            "says that it is not well",
            format!(
                "see what else is a problem here and in the relay's log, or mend {}",
                places.of_field("read.health")
            ),
        ),
        None => Point::not_checked(ABOUT, "the relay took no order"),
    }
}

fn restart(places: &Places, seen: &Seen) -> Point {
    const ABOUT: &str = "restart";
    match &seen.restart {
        None => Point::not_checked(ABOUT, "the profile does not declare `restart`"),
        Some(Restart::NotTried) => Point::not_checked(ABOUT, "no control order had arrived before"),
        Some(Restart::Unproven(why)) => {
            Point::not_checked(ABOUT, format!("no order came afterwards, but {why}; try again"))
        }
        Some(Restart::Works(away)) => {
            let away = seconds(*away);
            Point::ok(ABOUT, format!("away for {away}, then orders arrive again"))
        }
        Some(Restart::NothingAfter(away)) => Point::problem(
            ABOUT,
            format!("back after {}, but no order arrives any more", seconds(*away)),
            format!(
                "let it keep its data below {{{{ workdir }}}} and listen on the same port, or take `restart` out of {}",
                places.of_field("capabilities")
            ),
        ),
        Some(Restart::Failed(why)) => {
            let (says, words) = why.split_once("; its last words:\n").unwrap_or((why, ""));
            let change = format!(
                "let it leave on SIGTERM and start again on its data, or take `restart` out of {}",
                places.of_field("capabilities")
            );
            Point::problem(ABOUT, says, change).quoting(words)
        }
    }
}
