//! What the relay was told, and how it answered: landings, orders, and orders that are not genuine.

use std::time::Duration;

use super::{
    Places, Point,
    course::{CANARY, Course, FORGED},
    stay::Visit,
};
use crate::{
    history::{Call, Did},
    sut::profile::Profile,
};

/// Characters of an answer that are shown.
const SHOWN: usize = 120;

/// One point each.
pub(super) fn points(
    profile: &Profile,
    places: &Places,
    course: &Course,
    visits: &[Visit],
) -> Vec<Point> {
    let mut points = vec![landings(profile, places, visits)];
    if profile.send.consent.is_some() {
        points.extend(consent(places, visits));
    }
    for format in &profile.send.formats {
        points.extend(ping(format, visits));
        points.push(orders(format, profile, places, course, visits));
        points.push(forged(format, places, course, visits));
    }
    points
}

fn landings(profile: &Profile, places: &Places, visits: &[Visit]) -> Point {
    const ABOUT: &str = "landing";
    if profile.send.click.is_none() {
        return Point::not_checked(ABOUT, "the profile has no send.click: orders alone are told");
    }
    let calls = calls(visits, |did| matches!(did, Did::Landing { .. }));
    answered(ABOUT, &calls, places, "send.click")
}

/// Answers to the banner, where they are told by a call of their own.
fn consent(places: &Places, visits: &[Visit]) -> Option<Point> {
    let calls = calls(visits, |did| matches!(did, Did::Consent { .. }));
    (!calls.is_empty()).then(|| answered("consent call", &calls, places, "send.consent"))
}

/// The store's test of the address, where it makes one.
fn ping(format: &str, visits: &[Visit]) -> Option<Point> {
    let about = format!("{format} ping");
    let calls = calls_of(format, visits, |did| matches!(did, Did::Ping { .. }));
    let is_taken = |call: &Call| call.status.is_some_and(|status| (200..300).contains(&status));
    let Some(refused) = calls.iter().find(|told| !is_taken(told.call)) else {
        return (!calls.is_empty()).then(|| Point::ok(about, "an unsigned form is taken"));
    };
    if refused.call.status.is_none() {
        return Some(Point::not_checked(about, format!("no answer: {}", reason(refused.call))));
    }
    let says =
        format!("the store's test of the address was answered with {}", answer(refused.call));
    let change = "let the relay answer 200 to an unsigned form `webhook_id=NUMBER` and do nothing: else no webhook can be switched on";
    Some(Point::problem(about, says, change))
}

fn orders(
    format: &str,
    profile: &Profile,
    places: &Places,
    course: &Course,
    visits: &[Visit],
) -> Point {
    let about = format!("{format} order");
    let field = format!("send.webhooks.{format}");
    if let Some(why) = course.why_not(format, CANARY) {
        let change = format!("see {}", places.of_field("send.attributes"));
        return Point::problem(about, format!("no order can be played: {why}"), change);
    }
    let calls = calls_of(
        format,
        visits,
        |did| matches!(did, Did::Webhook { signature, .. } if signature.is_good()),
    );
    let within = profile.policies.acknowledge_within.unsigned();
    if let Some(late) = calls.iter().find(|c| c.call.status.is_some() && c.call.took > within) {
        if let Some(busy) = visits.iter().find_map(|visit| visit.history.waited.busy.as_ref()) {
            return Point::not_checked(about, busy.as_str());
        }
        let took = late.call.took.as_millis();
        return Point::problem(
            about,
            format!("acknowledged only after {took} ms; stores give up and send it again"),
            format!(
                "let the relay answer before it delivers, or declare {}",
                places.of_field("policies.acknowledge_within")
            ),
        );
    }
    answered(&about, &calls, places, &field)
}

fn forged(format: &str, places: &Places, course: &Course, visits: &[Visit]) -> Point {
    let about = format!("{format} signature");
    if let Some(why) = course.why_not(format, FORGED) {
        return Point::not_checked(about, why);
    }
    let calls = calls_of(
        format,
        visits,
        |did| matches!(did, Did::Webhook { signature, .. } if !signature.is_good()),
    );
    let Some(first) = calls.first() else { return Point::not_checked(about, "was not sent") };
    if calls.iter().all(|c| c.call.status.is_none()) {
        return Point::not_checked(about, format!("no answer: {}", reason(first.call)));
    }
    let wrong = calls.iter().find(|c| !c.right.contains(&c.call.status.unwrap_or_default()));
    match wrong {
        None => {
            let status = first.call.status.unwrap_or_default();
            Point::ok(about, format!("a wrong one is refused ({status})"))
        }
        Some(Told { call, right, .. }) => {
            let right: Vec<String> = right.iter().map(u16::to_string).collect();
            let field = places.of_field(&format!("send.webhooks.{format}"));
            let says = format!(
                "a webhook signed with a secret that nobody configured was answered with {}",
                answer(call)
            );
            let change = format!(
                "let the relay compare the signature over the body's own bytes and answer {} before anything else; the address is {field}",
                right.join(" or ")
            );
            Point::problem(about, says, change)
        }
    }
}

/// One call of the kind that a point is about.
struct Told<'a> {
    call: &'a Call,
    /// Statuses that are right; empty: any success.
    right: &'a [u16],
    shop: &'a str,
}

fn calls<'a>(visits: &'a [Visit], wanted: impl Fn(&Did) -> bool) -> Vec<Told<'a>> {
    let all = visits.iter().flat_map(|visit| visit.calls().map(move |found| (visit, found)));
    all.filter(|(_, (did, _))| wanted(did))
        .map(|(visit, (did, call))| {
            let right = match did {
                Did::Webhook { right, .. } => right.as_slice(),
                _ => &[],
            };
            Told { call, right, shop: &visit.shop.id }
        })
        .collect()
}

fn calls_of<'a>(format: &str, visits: &'a [Visit], wanted: impl Fn(&Did) -> bool) -> Vec<Told<'a>> {
    let mut found = Vec::new();
    for visit in visits.iter().filter(|visit| visit.format == format) {
        found.extend(calls(std::slice::from_ref(visit), &wanted));
    }
    found
}

/// All calls were answered rightly, or the first that was not.
fn answered(about: &str, calls: &[Told<'_>], places: &Places, field: &str) -> Point {
    let Some(slowest) = calls.iter().map(|told| told.call.took).max() else {
        return Point::not_checked(about, "was not sent");
    };
    let is_right = |told: &&Told<'_>| {
        told.call.status.is_some_and(|status| match told.right {
            [] => (200..300).contains(&status),
            right => right.contains(&status),
        })
    };
    let wrong = calls.iter().find(|told| !is_right(told));
    let Some(told) = wrong else {
        let (n, took) = (calls.len(), slowest.max(Duration::from_millis(1)).as_millis());
        return Point::ok(about, format!("{n} taken, the slowest in {took} ms"));
    };
    let request = &told.call.request;
    let says = format!("{} {}: {}", request.method, request.path, answer(told.call));
    Point::problem(about, says, advice(told, &places.of_field(field)))
}

/// What usually stands behind such an answer.
fn advice(told: &Told<'_>, field: &str) -> String {
    let Some(status) = told.call.status else {
        return format!("is the relay busy, or is the address in {field} another service's?");
    };
    match status {
        401 | 403 => format!(
            "the relay refuses a right signature: does it have the secret and the domain of the shop `{}`, and is {field} the address for this format?",
            told.shop
        ),
        404 | 405 => format!("compare path and method in {field} with the relay's"),
        300..=399 => format!("stores follow no redirect: name the last address in {field}"),
        400..=499 => format!("compare headers and body of {field} with what the relay takes"),
        _ => format!("read the relay's own log; the call is {field}"),
    }
}

fn answer(call: &Call) -> String {
    let Some(status) = call.status else { return format!("no answer ({})", reason(call)) };
    let body: String = call
        .body
        .split_whitespace()
        .collect::<Vec<_>>()
        .join(" ")
        .chars()
        .filter(|c| !c.is_control())
        .take(SHOWN)
        .collect();
    match body.is_empty() {
        true => status.to_string(),
        false => format!("{status} {body}"),
    }
}

fn reason(call: &Call) -> &str {
    call.error.as_deref().unwrap_or("no reason known")
}
