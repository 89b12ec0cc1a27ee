//! Examines how a relay and its profile fit together, step by step, and says what to change. It plays a few orders only
//! and judges how they were led here, not the relay: that is what a run is for.
//!
//! ```text
//! profile ──▶ admission ──▶ course ──▶ stay ──▶ told, capture, own_words, strangers ──▶ points ──▶ render
//!             (gateway,     (canary    (play,   (one point for each thing
//!              relay)        orders)    wait)    that has to work)
//! ```
//!
//! Driver, gateway, plan, truth and judge are those of a run. Everything has a bound: a relay that is not there costs no
//! time, one that does not answer a single call's time.

mod admission;
mod capture;
mod course;
mod own_words;
mod places;
mod point;
mod render;
mod settings;
mod silence;
mod stay;
mod strangers;
mod told;

use std::{net::SocketAddr, path::PathBuf, time::Instant};

use self::{admission::Admission, course::Course, places::Places};
pub use self::{
    point::{Point, State},
    settings::Settings,
};
use crate::{
    exit_code,
    gateway::Gateway,
    run::{self, RunError},
    sut::profile::Profile,
};

/// Whom to examine.
#[derive(Debug, Clone)]
pub struct Options {
    /// File with the profile; `None`: the reference relay's.
    pub profile: Option<PathBuf>,
    /// Base URL of a relay that is running; `None`: the profile starts one.
    pub relay: Option<String>,
    /// Where the platforms listen; port 0: any.
    pub listen: SocketAddr,
    /// Folder with the authority that the relay trusts; `None`: one that ends with the examination.
    pub ca: Option<PathBuf>,
}

/// What was found.
#[derive(Debug)]
pub struct Diagnosis {
    /// The relay's name in its profile; empty if there is none to read.
    pub relay: String,
    /// In the order in which it was looked at.
    pub points: Vec<Point>,
    /// What the relay's environment has to say; `None` if it did not come to that.
    pub settings: Option<Settings>,
    /// One of [`exit_code::ALL`]: passed only if no point is a problem.
    pub code: u8,
}

/// Examines.
///
/// # Errors
///
/// If the harness itself cannot: the options do not fit together, it cannot listen. Whatever is wrong with profile and
/// relay is a point.
pub async fn examine(options: &Options) -> Result<Diagnosis, RunError> {
    let mut points = Vec::new();
    let (profile, places) = match places::read(options.profile.as_deref()) {
        Ok(read) => read,
        Err(point) => return Ok(early(String::new(), vec![point], exit_code::USAGE)),
    };
    points.push(admission::profile(&profile, &places));
    let admission = Admission { options, profile: &profile, places: &places };
    if let Some(point) = admission.obstacle() {
        points.push(point);
        return Ok(early(profile.name, points, exit_code::USAGE));
    }
    let course = Course::plan(&profile, &places)?;
    let gateway = run::gateway(Instant::now(), options.listen, options.ca.as_deref()).await?;
    gateway.add_shops(&course.shops);
    let settings = Settings::of(options, &profile, &gateway)?;
    let relay = match admission.relay(&course.shops, gateway.door()).await {
        Ok((relay, point)) => {
            points.push(point);
            relay
        }
        Err((point, code)) => {
            points.push(point);
            gateway.stop().await;
            let mut diagnosis = early(profile.name, points, code);
            diagnosis.settings = Some(settings);
            return Ok(diagnosis);
        }
    };
    let seen = stay::stay(&profile, &course, &relay, &gateway).await?;
    let services = relay.services().calls();
    relay.shut_down().await;
    points.extend(told::points(&profile, &places, &course, &seen.visits));
    let runs_on = options.relay.is_some();
    points.extend(capture::points(runs_on, &profile, &places, &course, &seen.visits, &gateway));
    points.extend(own_words::points(&profile, &places, &seen));
    points.extend(strangers::points(&profile, &places, &gateway, &services, &seen.visits));
    gateway_is_sound(&gateway)?;
    gateway.stop().await;
    let code = match is_well(&points) {
        true => exit_code::PASSED,
        false => exit_code::FAILED,
    };
    Ok(Diagnosis { relay: profile.name, points, settings: Some(settings), code })
}

/// An examination that ends before an order was sent.
fn early(relay: String, mut points: Vec<Point>, code: u8) -> Diagnosis {
    points.push(Point::not_checked("all else", "comes after this"));
    Diagnosis { relay, points, settings: None, code }
}

/// No problem, and every canary was seen and judged, in each format: what could not be looked at is no pass.
fn is_well(points: &[Point]) -> bool {
    let needed = |point: &Point| {
        [capture::CAPTURED, capture::COUNTED].iter().any(|w| point.about.ends_with(w))
    };
    points.iter().all(|point| match point.state {
        State::Ok => true,
        State::Problem => false,
        State::NotChecked => !needed(point),
    })
}

fn gateway_is_sound(gateway: &Gateway) -> Result<(), RunError> {
    match gateway.panics() {
        0 => Ok(()),
        _ => {
            Err(RunError::Harness("a platform simulator panicked: nothing said stands".to_owned()))
        }
    }
}

/// Whether the profile declares it.
fn declares(profile: &Profile, capability: crate::scenario::Capability) -> bool {
    profile.capabilities.contains(&capability)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_canary_that_was_not_seen_or_judged_is_no_pass() {
        assert!(is_well(&[Point::ok("captured", "once"), Point::not_checked("restart", "none")]));
        for about in ["captured", "stripe captured", "counted"] {
            assert!(!is_well(&[Point::not_checked(about, "busy")]), "{about}");
        }
        assert!(!is_well(&[Point::problem("landing", "404", "mend it")]));
    }
}
