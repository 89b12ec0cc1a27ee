//! Every case of the suite as a test of its own name against the reference relay, and every seeded defect against the case
//! that must catch it. `cargo test -p acceptance --test scenarios -- dedup` selects as usual.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    sync::{Arc, OnceLock},
    time::Duration,
};

use acceptance::defective::{DEFECTS, Defect};
use harness::{
    commands,
    platforms::Severity,
    report::{Report as _, terminal},
    run::{self, Options},
    verdict::{Status, Summary},
};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    drop(rustls::crypto::ring::default_provider().install_default());
    let plan = match run::plan(&options("none", Vec::new())) {
        Ok(plan) => plan,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    // One run for all cases, made when the first of them is asked for.
    let run: Arc<OnceLock<Result<Summary, String>>> = Arc::default();
    let mut trials: Vec<Trial> = plan
        .cases
        .iter()
        .map(|case| {
            let (name, run) = (case.name.clone(), Arc::clone(&run));
            Trial::test(case.name.clone(), move || passes(&run, &name))
        })
        .collect();
    trials.push(Trial::test("relay_behind_proxies_without_defect", clean_behind_proxies));
    trials.extend(
        DEFECTS
            .iter()
            .map(|defect| Trial::test(format!("caught::{}", defect.id), move || is_caught(defect))),
    );
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// Options with the relay started by this package's own program.
fn options(defect: &str, cases: Vec<String>) -> Options {
    let mut profile = commands::profile(None).expect("the shipped profile is readable");
    if let Some(start) = profile.start.as_mut() {
        start.command = [
            env!("CARGO_BIN_EXE_defective-relay"),
            "--defect",
            defect,
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
        scenarios: root().join("scenarios"),
        cases,
        platforms: Vec::new(),
        shard: None,
        jobs: 48,
        seed: 1,
        timeout: Duration::from_secs(12),
        snapshots: None,
        accept: false,
        reproduce: "cargo harness run".to_owned(),
        settings: std::collections::BTreeMap::new(),
    }
}

fn play(options: &Options) -> Result<Summary, String> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    runtime.block_on(run::run(options, |_| {})).map_err(|e| e.to_string())
}

fn text(summary: &Summary) -> String {
    terminal::PLAIN.render(summary).unwrap_or_default()
}

/// The reference relay, whole suite, snapshots compared.
fn passes(run: &OnceLock<Result<Summary, String>>, name: &str) -> Result<(), Failed> {
    let summary = run.get_or_init(|| {
        let mut options = options("none", Vec::new());
        if let Some(start) = options.profile.start.as_mut() {
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
        options.snapshots = Some(root().join("snapshots"));
        play(&options)
    });
    let summary = summary.as_ref().map_err(Failed::from)?;
    let case = summary.cases.iter().find(|c| c.case == name).ok_or("the case was not played")?;
    let changed = summary.snapshots_changed.iter().filter(|path| {
        let path = path.replace('.', "/");
        name.split('/').all(|part| path.split('/').any(|p| p == part))
    });
    let changed: Vec<_> = changed.collect();
    if case.status != Status::Pass {
        let alone = Summary {
            relay: summary.relay.clone(),
            seed: summary.seed,
            reproduce: summary.reproduce.clone(),
            cases: vec![case.clone()],
            ..Summary::default()
        };
        return Err(text(&alone).into());
    }
    if !changed.is_empty() {
        return Err(format!("snapshots changed: {changed:?}\nhint: cargo insta review").into());
    }
    Ok(())
}

/// What must not raise an alarm: the same two proxies with nothing changed, over all cases that a defect is caught by.
fn clean_behind_proxies() -> Result<(), Failed> {
    let mut cases: Vec<String> = DEFECTS.iter().map(|d| d.caught_by.to_owned()).collect();
    cases.sort();
    cases.dedup();
    let summary = play(&options("none", cases))?;
    let clean = summary.cases.iter().all(|c| c.status == Status::Pass);
    if clean && summary.run_findings.is_empty() { Ok(()) } else { Err(text(&summary).into()) }
}

/// The named case must fail, by a finding of weight, and not for want of evidence.
fn is_caught(defect: &Defect) -> Result<(), Failed> {
    let summary = play(&options(defect.id, vec![defect.caught_by.to_owned()]))?;
    let must = |severity| severity == Severity::Must;
    let caught = summary.cases.iter().any(|c| {
        c.status == Status::Fail
            && (c.findings.iter().any(|f| must(f.severity)) || c.cells.iter().any(|c| !c.right))
    }) || summary.run_findings.iter().any(|f| must(f.severity));
    if caught {
        Ok(())
    } else {
        let why = format!("a relay that {} was not caught by {}:\n", defect.does, defect.caught_by);
        Err((why + &text(&summary)).into())
    }
}
