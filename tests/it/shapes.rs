//! The reference relay again, through profiles that offer less: one shop per process, webhooks alone. What it does is right
//! as before, so the harness must say so, though it is told less and has to tell cases apart in shared accounts. And once in
//! other manners: the same events in other shapes that the platforms take.

use std::{collections::BTreeMap, path::Path, time::Duration};

use harness::{
    commands,
    report::{Report as _, terminal},
    run::{self, Options},
    scenario::{Capability, JoinKey},
    sut::profile::{Profile, Shops},
    verdict::{Status, Summary},
};

fn reference() -> Profile {
    started_with(&["--as-it-is"])
}

fn started_with(flags: &[&str]) -> Profile {
    let mut profile = commands::profile(None).expect("the shipped profile is readable");
    if let Some(start) = profile.start.as_mut() {
        let place = ["--config", "{{ workdir }}/relay.toml", "--listen", "{{ listen }}"];
        let command = [env!("CARGO_BIN_EXE_defective-relay")];
        let parts = command.iter().chain(flags).chain(&place);
        start.command = parts.map(|part| (*part).to_owned()).collect();
    }
    profile
}

fn judged(profile: Profile) -> Summary {
    judged_on(profile, &[])
}

fn judged_on(profile: Profile, platforms: &[&str]) -> Summary {
    drop(rustls::crypto::ring::default_provider().install_default());
    let options = Options {
        relay: None,
        listen: ([127, 0, 0, 1], 0).into(),
        ca: None,
        profile,
        scenarios: Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"),
        cases: Vec::new(),
        platforms: platforms.iter().map(|id| (*id).to_owned()).collect(),
        shard: None,
        jobs: 48,
        seed: 11,
        timeout: Duration::from_secs(12),
        snapshots: None,
        accept: false,
        reproduce: "cargo harness run".to_owned(),
        settings: BTreeMap::new(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.expect("a runtime").block_on(run::run(&options, |_| {})).expect("a verdict")
}

fn passes(summary: &Summary, at_least: usize) {
    let passed = summary.cases.iter().filter(|case| case.status == Status::Pass).count();
    let text = terminal::PLAIN.render(summary).unwrap_or_default();
    assert_eq!(passed, summary.cases.len(), "{text}");
    assert!(passed >= at_least, "only {passed} cases were played\n{text}");
    assert_eq!(summary.orphans, 0, "{text}");
    assert!(summary.run_findings.is_empty(), "{text}");
}

#[test]
fn one_shop_that_all_cases_share() {
    let mut profile = reference();
    profile.shops = Shops::Single;
    profile.capabilities.retain(|capability| *capability != Capability::Shops);
    passes(&judged(profile), 560);
}

#[test]
fn orders_alone_without_landings() {
    let mut profile = reference();
    profile.send.click = None;
    profile.send.consent = None;
    profile.send.attributes.visitor = None;
    profile.send.joins = vec![JoinKey::LandingSite];
    profile.capabilities.retain(|capability| *capability != Capability::Clicks);
    passes(&judged(profile), 475);
}

#[test]
fn events_in_other_shapes_that_the_platforms_take() {
    let profile = started_with(&["--defect", "other_manners"]);
    passes(&judged_on(profile, &["meta", "data_manager", "tiktok"]), 350);
}
