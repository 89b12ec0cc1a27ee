//! The truth model against the relay over generated order histories. A failing history is printed as a scenario file
//! that `harness run --scenarios DIR` plays again.
//!
//! `PROPTEST_CASES` sets the budget (default 6 rounds of up to 12 histories).

mod history;

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use harness::{
    commands,
    report::{Report as _, terminal},
    run::{self, Options},
    verdict::{CaseVerdict, Status},
};
use history::{History, history};
use proptest::{prelude::*, test_runner::Config};

fn options(scenarios: PathBuf) -> Options {
    let mut profile = commands::profile(None).expect("the shipped profile is readable");
    if let Some(start) = profile.start.as_mut() {
        start.command = [
            env!("CARGO_BIN_EXE_defective-relay"),
            "--as-it-is",
            "--config",
            "{{ workdir }}/relay.toml",
            "--listen",
            "{{ listen }}",
        ]
        .map(str::to_owned)
        .to_vec();
    }
    Options {
        relay: None,
        listen: ([127, 0, 0, 1], 0).into(),
        ca: None,
        profile,
        scenarios,
        cases: Vec::new(),
        shard: None,
        platforms: Vec::new(),
        jobs: 48,
        seed: 7,
        timeout: Duration::from_secs(12),
        snapshots: None,
        accept: false,
        reproduce: "cargo harness run".to_owned(),
        settings: std::collections::BTreeMap::new(),
    }
}

/// Plays the histories; the first that fails, with its report.
fn play(histories: &[History]) -> Result<(), String> {
    let dir = tempfile::tempdir().map_err(|e| e.to_string())?;
    let topic = dir.path().join("generated");
    fs::create_dir_all(&topic).map_err(|e| e.to_string())?;
    for (i, history) in histories.iter().enumerate() {
        let path = topic.join(format!("h{i}.yaml"));
        fs::write(path, history.scenario()).map_err(|e| e.to_string())?;
    }
    let summary = runtime()?
        .block_on(run::run(&options(dir.path().to_owned()), |_| {}))
        .map_err(|e| e.to_string())?;
    // A failure that was planned for an order which is rightly never sent cannot occur; that is no finding.
    let idle = |c: &&CaseVerdict| {
        c.status == Status::Inconclusive && c.notes.iter().all(|note| note.starts_with("occurred:"))
    };
    let bad = |c: &&CaseVerdict| c.status != Status::Pass && !idle(c);
    let Some(bad) = summary.cases.iter().find(bad) else { return Ok(()) };
    let number = bad
        .case
        .split('/')
        .nth(1)
        .and_then(|n| n.strip_prefix('h'))
        .and_then(|n| n.parse::<usize>().ok());
    let scenario = number.and_then(|n| histories.get(n)).map(History::scenario).unwrap_or_default();
    let report = terminal::PLAIN.render(&summary).unwrap_or_default();
    let kept = keep(&scenario);
    Err(format!("{report}\nthe failing history, also in {}:\n\n{scenario}", kept.display()))
}

fn runtime() -> Result<tokio::runtime::Runtime, String> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(|e| e.to_string())
}

fn keep(scenario: &str) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join("failing/generated");
    let path = dir.join("history.yaml");
    if fs::create_dir_all(&dir).and_then(|()| fs::write(&path, scenario)).is_err() {
        return PathBuf::from("(could not be written)");
    }
    path
}

#[test]
fn generated_histories_are_counted_as_the_truth_model_says() {
    drop(rustls::crypto::ring::default_provider().install_default());
    let cases = std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(6);
    let config =
        Config { cases, max_shrink_iters: 24, failure_persistence: None, ..Config::default() };
    proptest!(config, |(histories in prop::collection::vec(history(), 1..=12))| {
        if let Err(report) = play(&histories) {
            return Err(TestCaseError::fail(report));
        }
    });
}
