//! Before the first order: do the options fit the profile, does the relay start or answer?

use std::time::{Duration, Instant};

use super::{Options, Places, Point, declares};
use crate::{
    exit_code,
    gateway::Door,
    plan::Shop,
    run::{self, RunError},
    scenario::Capability,
    sut::{
        process::{Relay, StartError},
        profile::{Capture, Profile},
    },
};

/// The profile itself: it was read, and what it offers is declared.
pub(super) fn profile(profile: &Profile, places: &Places) -> Point {
    const ABOUT: &str = "profile";
    let send = &profile.send;
    let offered = [
        (send.click.is_some(), Capability::Clicks, "send.click"),
        (profile.read.deliveries.is_some(), Capability::DeliveryLog, "read.deliveries"),
        (profile.read.health.is_some(), Capability::Health, "read.health"),
        (send.erase.is_some(), Capability::Erasure, "send.erase"),
        (send.clock.is_some(), Capability::Clock, "send.clock"),
    ];
    let silent = offered.iter().find(|(offers, what, _)| *offers && !declares(profile, *what));
    if let Some((_, capability, field)) = silent {
        let word = capability.word();
        return Point::problem(
            ABOUT,
            format!("{field} is there, but without the capability `{word}` no case uses it"),
            format!("add `{word}` to {}", places.of_field("capabilities")),
        );
    }
    let platforms = profile.platforms.join(", ");
    let formats = send.formats.join(", ");
    Point::ok(ABOUT, format!("{}: {formats} to {platforms}", places.file))
}

/// What is needed to let a relay in.
pub(super) struct Admission<'a> {
    pub(super) options: &'a Options,
    pub(super) profile: &'a Profile,
    pub(super) places: &'a Places,
}

impl Admission<'_> {
    /// Options and profile that cannot go together.
    pub(super) fn obstacle(&self) -> Option<Point> {
        const ABOUT: &str = "relay";
        let Options { relay, ca, .. } = self.options;
        if relay.is_none() && self.profile.start.is_none() {
            return Some(Point::problem(
                ABOUT,
                "neither the profile nor the command line says where it is",
                format!("give --relay URL, or add {}", self.places.of_field("start")),
            ));
        }
        if relay.is_some() && ca.is_none() && self.profile.capture != Capture::BaseUrl {
            return Some(Point::problem(
                ABOUT,
                "a relay that runs already cannot trust an authority that is made only now",
                "run `harness ca --out DIR`, let the relay trust DIR/ca.pem, then add --ca DIR",
            ));
        }
        None
    }

    /// Starts or reaches the relay.
    ///
    /// # Errors
    /// The point that says why not, and the exit code.
    pub(super) async fn relay(
        &self,
        shops: &[Shop],
        door: &Door,
    ) -> Result<(Relay, Point), (Point, u8)> {
        match &self.options.relay {
            Some(url) => match run::relay::reached(self.profile, url).await {
                Ok(relay) => Ok((relay, Point::ok("relay", format!("{url} speaks HTTP")))),
                Err(error) => Err(self.unreached(&error)),
            },
            None => {
                let began = Instant::now();
                let settings = std::collections::BTreeMap::new();
                match run::relay::started(self.profile, shops, door, &settings, &[]).await {
                    Ok(relay) => {
                        let (url, took) = (relay.base_url(), seconds(began.elapsed()));
                        let says = format!("started in {took} on {url}");
                        Ok((relay, Point::ok("relay", says)))
                    }
                    Err(error) => Err((self.not_started(&error), exit_code::RELAY_UNREACHABLE)),
                }
            }
        }
    }

    fn unreached(&self, error: &RunError) -> (Point, u8) {
        let (change, code) = match error {
            RunError::Usage(_) => (String::new(), exit_code::USAGE),
            _ => {
                let advice =
                    "start the relay first, and compare --relay with the address it listens on";
                (advice.to_owned(), exit_code::RELAY_UNREACHABLE)
            }
        };
        (Point::problem_from("relay", &error.to_string(), &change), code)
    }

    fn not_started(&self, error: &StartError) -> Point {
        let field = |field: &str| self.places.of_field(field);
        let change = match error {
            StartError::Spawn { .. } => {
                format!(
                    "name a program that is in PATH, or its full path, in {}",
                    field("start.command")
                )
            }
            StartError::Left { .. } => format!(
                "read its last words; it gets PATH, HOME and {} alone, in a fresh folder",
                field("start.env")
            ),
            StartError::NotReady { .. } => {
                format!("say in {} how it shows that it is ready", field("start.ready"))
            }
            StartError::Template(error) => format!("mend {}", field(&error.field)),
            _ => format!("see {}", field("start")),
        };
        // The relay's own words keep their lines.
        let text = error.to_string();
        let (says, words) = match text.split_once("; its last words:\n") {
            Some((says, words)) => (says, words),
            None => (text.as_str(), ""),
        };
        Point::problem("relay", says, change).quoting(words)
    }
}

/// `0.12 s`.
pub(super) fn seconds(duration: Duration) -> String {
    format!("{:.2} s", duration.as_secs_f64())
}
