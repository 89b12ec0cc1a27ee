//! Relays that share nothing with the reference relay, in other languages and with other ideas: the harness must pass
//! the good ones, catch each mistake that they can be told to make, and come to an end with the misbehaving ones.
//!
//! A test whose interpreter is not on this machine is reported as ignored, by name.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, ExitCode, Stdio},
    time::{Duration, Instant},
};

use harness::{
    commands, exit_code,
    platforms::Severity,
    report::{Report as _, tally, terminal},
    run::{self, Options, RunError},
    verdict::{CaseVerdict, Status, Summary},
};
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::{Value, json};

/// A relay and what it can be told to do wrong: the value of `BREAK`, and the case that must catch it.
struct Stranger {
    name: &'static str,
    interpreter: &'static str,
    breaks: &'static [(&'static str, &'static str)],
}

const STRANGERS: &[Stranger] = &[
    Stranger {
        name: "node",
        interpreter: "node",
        breaks: &[
            ("no_dedup", "dedup/webhook_redelivered/meta"),
            ("ignore_consent", "consent/denied/tiktok"),
            ("no_retry", "failures/blip/meta"),
            ("unhashed_email", "privacy/nothing_plain_leaves/meta"),
            ("random_event_id", "dedup/one_order_one_conversion/tiktok"),
            ("lower_case_click_id", "stitching/click_id_reaches_order/tiktok"),
            ("ack_before_store", "failures/killed_with_work_queued/meta/kill"),
            ("value_in_minor_units", "dedup/one_order_one_conversion/meta"),
            ("fbc_in_seconds", "stitching/fbc_is_built/meta"),
            ("trusts_status", "failures/false_success/tiktok/nothing_taken"),
            ("no_signature_check", "webhooks/bad_signatures/meta/flipped"),
            ("retries_refusals", "failures/permanent_refusal/meta"),
            ("ignores_retry_after", "failures/rate_limited/meta/seconds"),
            ("refuses_pings", "webhooks/ping/meta"),
        ],
    },
    Stranger {
        name: "python",
        interpreter: "python3",
        breaks: &[
            ("no_dedup", "dedup/webhook_redelivered/meta"),
            ("ignore_consent", "consent/denied/data_manager"),
            ("no_retry", "failures/blip/data_manager"),
            ("unhashed_email", "privacy/nothing_plain_leaves/meta"),
            ("random_event_id", "dedup/one_order_one_conversion/data_manager"),
            ("lower_case_click_id", "stitching/click_id_reaches_order/data_manager"),
            ("ack_before_store", "failures/killed_with_work_queued/meta/kill"),
            ("value_in_minor_units", "dedup/one_order_one_conversion/meta"),
            ("counts_updates", "dedup/edited_total/meta"),
            ("event_time_now", "payload/time_of_the_order/data_manager"),
            ("no_auth_check", "webhooks/bad_signatures/meta/foreign"),
            ("retries_refusals", "failures/permanent_refusal/data_manager"),
            ("ignores_retry_after", "failures/rate_limited/meta/seconds"),
            ("follows_redirects", "failures/redirect/meta"),
        ],
    },
];

/// What a trial runs.
type Test = Box<dyn FnOnce() -> Result<(), Failed> + Send>;

/// No relay, however broken, may cost more than this.
const BOUND: Duration = Duration::from_secs(60);

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    // Whole suites side by side would make each other late on a small machine, and lateness is judged.
    arguments.test_threads.get_or_insert(1);
    drop(rustls::crypto::ring::default_provider().install_default());
    let mut trials = Vec::new();
    for stranger in STRANGERS {
        let missing = is_missing(stranger.interpreter);
        let mut add = |what: String, test: Test| {
            let trial = Trial::test(format!("{}::{what}", stranger.name), test);
            trials.push(trial.with_ignored_flag(missing));
        };
        add("passes_the_suite".to_owned(), Box::new(|| passes(stranger)));
        for (mistake, case) in stranger.breaks {
            let test = || is_caught(stranger, mistake, case);
            add(format!("caught::{mistake}"), Box::new(test));
        }
    }
    let missing = is_missing("python3");
    let mut add = |name: &str, test: fn() -> Result<(), Failed>| {
        let trial = Trial::test(format!("misbehaving::{name}"), test);
        trials.push(trial.with_ignored_flag(missing));
    };
    add("a_silent_relay_fails_in_time", silent);
    add("a_crashing_relay_is_said_to_have_left", crashing);
    add("a_flooding_relay_fails_in_time", flooding);
    libtest_mimic::run(&arguments, trials).exit_code()
}

fn is_missing(program: &str) -> bool {
    let found = Command::new(program)
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success());
    if !found {
        eprintln!("{program} is not on this machine: what needs it is ignored");
    }
    !found
}

fn relays() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("relays")
}

fn play(
    profile: &Path,
    settings: &[(&str, Value)],
    cases: &[&str],
) -> Result<Result<Summary, RunError>, String> {
    let options = Options {
        relay: None,
        listen: ([127, 0, 0, 1], 0).into(),
        ca: None,
        profile: commands::profile(Some(profile)).map_err(|e| e.to_string())?,
        scenarios: Path::new(env!("CARGO_MANIFEST_DIR")).join("../scenarios"),
        cases: cases.iter().map(|&case| case.to_owned()).collect(),
        platforms: Vec::new(),
        jobs: 48,
        shard: None,
        seed: 1,
        timeout: Duration::from_secs(12),
        snapshots: None,
        accept: false,
        reproduce: format!("cargo harness run --profile {}", profile.display()),
        settings: settings
            .iter()
            .map(|(n, v)| ((*n).to_owned(), v.clone()))
            .collect::<BTreeMap<_, _>>(),
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| e.to_string())?;
    Ok(runtime.block_on(run::run(&options, |_| {})))
}

fn text(summary: &Summary) -> String {
    terminal::PLAIN.render(summary).unwrap_or_default()
}

/// Everything that it declares is played and right; what is skipped is listed with its reason.
fn passes(stranger: &Stranger) -> Result<(), Failed> {
    let profile = relays().join(stranger.name).join("profile.yaml");
    let summary = play(&profile, &[], &[])?.map_err(|e| e.to_string())?;
    let passed = summary.cases.iter().filter(|c| c.status == Status::Pass).count();
    let mut reasons: BTreeMap<&str, usize> = BTreeMap::new();
    for skipped in &summary.skipped {
        *reasons.entry(&skipped.reason).or_default() += 1;
    }
    eprintln!("{}: {passed} passed in {:.1} s", stranger.name, summary.took_ms as f64 / 1e3);
    for (reason, count) in reasons {
        eprintln!("  {count} skipped: {reason}");
    }
    let clean = tally::exit_code(&summary) == exit_code::PASSED;
    if clean && summary.orphans == 0 && passed > 0 { Ok(()) } else { Err(text(&summary).into()) }
}

/// The named case must fail, by a finding of weight or a wrong outcome, and pass without the mistake (see [`passes`]).
fn is_caught(stranger: &Stranger, mistake: &str, case: &str) -> Result<(), Failed> {
    let profile = relays().join(stranger.name).join("profile.yaml");
    let summary =
        play(&profile, &[("break", json!(mistake))], &[case])?.map_err(|e| e.to_string())?;
    let caught = summary.cases.iter().any(|c| {
        c.status == Status::Fail
            && (c.findings.iter().any(|f| f.severity == Severity::Must)
                || c.cells.iter().any(|cell| !cell.right))
    });
    if caught {
        Ok(())
    } else {
        let why = format!("{} with BREAK={mistake} was not caught by {case}:\n", stranger.name);
        Err((why + &text(&summary)).into())
    }
}

/// Plays a few cases of every kind against a misbehaving relay, within the bound.
fn misbehave(mode: &str) -> Result<Result<Summary, RunError>, Failed> {
    let began = Instant::now();
    let profile = relays().join("misbehaving.yaml");
    let cases = ["dedup/*", "consent/*"];
    let outcome = play(&profile, &[("mode", json!(mode))], &cases)?;
    let took = began.elapsed();
    eprintln!("{mode}: over in {:.1} s", took.as_secs_f64());
    if took > BOUND { Err(format!("{mode} took {took:?}").into()) } else { Ok(outcome) }
}

/// No case passes: what never arrives proves nothing, not even that it was withheld.
fn silent() -> Result<(), Failed> {
    let summary = misbehave("silent")?.map_err(|e| e.to_string())?;
    let passed = summary.cases.iter().any(|c| c.status == Status::Pass);
    let code = tally::exit_code(&summary);
    let judged = matches!(code, exit_code::FAILED | exit_code::RELAY_UNREACHABLE);
    if judged && !passed { Ok(()) } else { Err(text(&summary).into()) }
}

/// It is said how it left, and of what it had not sent by then nothing passes.
fn crashing() -> Result<(), Failed> {
    let summary = match misbehave("crash")? {
        Ok(summary) => summary,
        Err(RunError::Unreachable(_)) => return Ok(()),
        Err(error) => return Err(error.to_string().into()),
    };
    let left = summary.aborted.as_ref().is_some_and(|why| why.contains("exit status: 70"));
    let passed = summary.cases.iter().any(|case| case.status == Status::Pass);
    let code = tally::exit_code(&summary);
    if left && !passed && code == exit_code::RELAY_UNREACHABLE {
        Ok(())
    } else {
        Err(text(&summary).into())
    }
}

/// What the checks must find in a storm.
const BROKEN_BY_A_STORM: [&str; 2] = ["exactly_once", "retries"];
/// What a storm does well all the same, and no check may hold against it: each of its events is as it should be.
const RIGHT_IN_A_STORM: [&str; 5] =
    ["value_right", "currency_right", "time_right", "identifiers_right", "no_plain_contact"];

/// A storm is found by the checks that it breaks, what it does well is not held against it, and the harness neither drowns
/// nor takes the fault upon itself.
fn flooding() -> Result<(), Failed> {
    let summary = misbehave("flood")?.map_err(|e| e.to_string())?;
    let failing = || summary.cases.iter().filter(|case| case.status == Status::Fail);
    let breaks = |case: &CaseVerdict, check: &str| {
        case.findings.iter().any(|f| f.check == check && f.severity == Severity::Must)
    };
    let passes = |case: &CaseVerdict, check: &str| case.passed.iter().any(|id| id == check);
    // An order that found no way through the storm in time is lost, and there is nothing else to say about it.
    let mut stormy = failing().filter(|case| breaks(case, "retries")).peekable();
    let found = stormy.peek().is_some();
    let judged = stormy.all(|case| {
        BROKEN_BY_A_STORM.iter().all(|check| breaks(case, check))
            && RIGHT_IN_A_STORM.iter().all(|check| passes(case, check))
    });
    let fair = failing().all(|case| RIGHT_IN_A_STORM.iter().all(|check| !breaks(case, check)));
    let passed = summary.cases.iter().any(|case| case.status == Status::Pass);
    let code = tally::exit_code(&summary);
    if code == exit_code::FAILED && found && judged && fair && !passed {
        Ok(())
    } else {
        Err(text(&summary).into())
    }
}
