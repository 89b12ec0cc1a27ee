//! Who else was called: hosts that nobody declared, tunnels and protocols that cannot be read, services without an answer.

use super::{Places, Point, stay::Visit};
use crate::{
    gateway::Gateway,
    sut::{
        profile::Profile,
        services::{AnsweredBy, ServiceCall},
    },
};

/// Hosts that are named; more are counted.
const HOSTS: usize = 5;

/// One point for each kind, or one that says that there is none.
pub(super) fn points(
    profile: &Profile,
    places: &Places,
    gateway: &Gateway,
    services: &[ServiceCall],
    visits: &[Visit],
) -> Vec<Point> {
    const ABOUT: &str = "other hosts";
    let declared = |host: &str| profile.policies.declares(host);
    let mut hosts: Vec<String> =
        gateway.undeclared().into_iter().map(|exchange| exchange.request.host).collect();
    hosts.sort_unstable();
    hosts.dedup();
    hosts.retain(|host| !declared(host));
    let mut points = Vec::new();
    if !hosts.is_empty() {
        let more = hosts.len().saturating_sub(HOSTS);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let names: Vec<&str> = hosts.iter().take(HOSTS).map(String::as_str).collect();
        points.push(Point::problem(
            ABOUT,
            format!(
                "the relay called {}{more}; the harness answers for ad platforms only",
                names.join(", ")
            ),
            format!("declare what is right in {}", places.of_field("policies.hosts")),
        ));
    }
    for tunnel in gateway.tunnels_unread().iter().filter(|t| !declared(&t.host)) {
        points.push(Point::problem_from("unread tunnel", &tunnel.to_string(), ""));
    }
    for requests in gateway.unreadable() {
        let text = match requests.platform {
            Some(id) => format!("{id}: {requests}"),
            None => requests.to_string(),
        };
        points.push(Point::problem_from("unread protocol", &text, ""));
    }
    if let Some(call) = services.iter().find(|call| call.answered_by == AnsweredBy::Nobody) {
        let ServiceCall { service, method, path, .. } = call;
        points.push(Point::problem(
            "other service",
            format!("no stub of {service} answers {method} {path}; the relay got a 404"),
            format!("add one to {}", places.of_field(&format!("services.{service}"))),
        ));
    }
    if points.is_empty() {
        let (_, strays) = gateway.orphans();
        let seen = visits.iter().flat_map(|visit| &visit.history.exchanges);
        points.push(match seen.chain(&strays).any(|e| e.request.compression().is_some()) {
            true => Point::ok(ABOUT, "none was called"),
            false => Point::ok(ABOUT, "none was called, and nothing came that cannot be read"),
        });
    }
    points
}
