//! The orders that are played: a small scenario for each input format, planned like any other.

use std::sync::Arc;

use time::OffsetDateTime;

use super::Places;
use crate::{
    inputs,
    plan::{
        Case, Shop,
        cases::{self, PlanOptions},
    },
    platforms::{Platform, by_id},
    run::RunError,
    scenario::{Capability, Scenario, Signature, load::load_str},
    sut::profile::Profile,
};

/// A consenting order: it has to arrive.
pub(super) const CANARY: &str = "canary";
/// An order that is told by a webhook with a wrong signature.
pub(super) const FORGED: &str = "forged";
/// An order of a visitor who refused.
pub(super) const REFUSED: &str = "refused";

/// Steps of each part.
const PARTS: [(&str, &str); 3] = [
    (
        CANARY,
        "  - visit: { click: paid, consent: granted }
  - order: { id: canary, format: FORMAT, browser: false }
",
    ),
    (
        FORGED,
        "  - visit: { by: impostor, click: paid, consent: granted }
  - order: { id: forged, by: impostor, format: FORMAT, topics: [], browser: false }
  - webhook: { order: forged, topic: paid, sign: foreign }
",
    ),
    (
        REFUSED,
        "  - visit: { by: refuser, click: paid, consent: denied }
  - order: { id: refused, by: refuser, format: FORMAT, browser: false }
",
    ),
];

/// Everything that will be played.
pub(super) struct Course {
    /// One case for each platform in the profile's first format, and one for each further format.
    pub(super) cases: Vec<Planned>,
    /// One shop for each case if the relay takes as many, else those that it has.
    pub(super) shops: Vec<Shop>,
    /// Parts that this relay cannot be examined by: format, part, why.
    pub(super) left_out: Vec<(String, &'static str, String)>,
}

/// One case.
pub(super) struct Planned {
    pub(super) case: Arc<Case>,
    pub(super) format: String,
    pub(super) platform: &'static dyn Platform,
    /// Index into the shops.
    pub(super) shop: usize,
}

impl Course {
    /// Plans it. Values are unlike those of any examination before: a relay that runs on remembers its orders.
    pub(super) fn plan(profile: &Profile, places: &Places) -> Result<Self, RunError> {
        let seed = OffsetDateTime::now_utc().unix_timestamp_nanos() as u64 >> 10;
        let offered = offered(profile);
        let options =
            PlanOptions { seed, profile: &offered, platforms: None, patterns: Vec::new() };
        let mut left_out = Vec::new();
        let mut scenarios = Vec::new();
        for format in &profile.send.formats {
            let mut steps = String::new();
            for (part, text) in PARTS {
                let text = text.replace("FORMAT", format);
                match cannot(&options, profile, format, part, &text)? {
                    Some(why) => left_out.push((format.clone(), part, why)),
                    None => steps.push_str(&text),
                }
            }
            if !steps.is_empty() {
                if inputs::by_id(format).is_some_and(|format| format.ping(0).is_some()) {
                    steps.insert_str(0, "  - ping\n");
                }
                scenarios.push(scenario(format, &steps)?);
            }
        }
        let (first, platforms) = (profile.send.formats.first(), &profile.platforms);
        let mut planned = Vec::new();
        if !scenarios.is_empty() {
            planned = cases::plan(&scenarios, &options).map_err(|e| fault(places, &e))?.cases;
        }
        // In the profile's own order, which is the order of the points.
        let place = |case: &Case| platforms.iter().position(|id| id == case.platform);
        let mut cases: Vec<Planned> = planned
            .into_iter()
            .filter_map(|case| {
                let format = case.scenario.name.rsplit('/').next()?.to_owned();
                let wanted = first == Some(&format) || place(&case) == Some(0);
                let platform = by_id(case.platform).filter(|_| wanted)?;
                Some(Planned { case: Arc::new(case), format, platform, shop: 0 })
            })
            .collect();
        cases.sort_by_key(|planned| {
            let format = profile.send.formats.iter().position(|id| *id == planned.format);
            (format, place(&planned.case))
        });
        let shops = cases::shops(seed, 0, cases.len().max(1), profile);
        for (i, planned) in cases.iter_mut().enumerate() {
            planned.shop = i % shops.len().max(1);
        }
        Ok(Self { cases, shops, left_out })
    }

    /// Why a part is not played in this format.
    pub(super) fn why_not(&self, format: &str, part: &str) -> Option<&str> {
        let found = self.left_out.iter().find(|(f, p, _)| f == format && *p == part);
        found.map(|(.., why)| why.as_str())
    }
}

/// With what it offers declared: that it is not is a point of its own.
fn offered(profile: &Profile) -> Profile {
    let mut offered = profile.clone();
    if profile.send.click.is_some() && !profile.capabilities.contains(&Capability::Clicks) {
        offered.capabilities.push(Capability::Clicks);
    }
    offered
}

fn scenario(format: &str, steps: &str) -> Result<Scenario, RunError> {
    let text = format!("title: A canary order\ncovers: [DED-01]\nsteps:\n{steps}");
    load_str(&format!("doctor/{format}"), &text).map_err(|e| RunError::Harness(e.to_string()))
}

/// Why the plan spares the relay this part on every platform.
fn cannot(
    options: &PlanOptions<'_>,
    profile: &Profile,
    format: &str,
    part: &str,
    steps: &str,
) -> Result<Option<String>, RunError> {
    let signs = inputs::by_id(format).is_some_and(|format| format.can_sign(Signature::Foreign));
    if part == FORGED && !signs {
        return Ok(Some(format!("{format} is not signed: whoever knows the address may send")));
    }
    let (cases, skipped) = cases::outline(&[scenario(format, steps)?], options)
        .map_err(|e| RunError::Harness(e.to_string()))?;
    let here = |name: &str| profile.platforms.iter().any(|id| name.ends_with(&format!("/{id}")));
    let why = skipped.into_iter().find(|skipped| here(&skipped.name)).map(|s| s.reason);
    Ok(why.filter(|_| cases.is_empty()))
}

fn fault(places: &Places, error: &dyn std::fmt::Display) -> RunError {
    RunError::Usage(format!("{}: {error}", places.file))
}
