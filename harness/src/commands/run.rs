//! `harness run`: plays scenarios against a relay and judges it.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{
    Done,
    baseline::Known,
    plan_options, program,
    publish::{check_writable, publish, terminal},
    shipped, word,
};
use crate::{
    cli::{DEFAULT_SEED, RunArgs, holds_no_password},
    run::{self, Options, Progress, RunError},
    sut::profile::Capture,
    verdict::Status,
};

/// Runs and reports.
///
/// # Errors
///
/// If nothing could be judged.
pub async fn run(args: &RunArgs) -> Result<Done, RunError> {
    let options = options(args)?;
    let known = Known::of(args, &options)?;
    let needed = [&args.profile, &args.baseline, &args.write_baseline.file];
    let needed: Vec<&Path> = needed.into_iter().flatten().map(PathBuf::as_path).collect();
    check_writable(&args.show.reports, &needed)?;
    let bar = bar(args);
    let mut failed = 0;
    let mut summary = run::run(&options, |event| match event {
        Progress::Planned(n) => bar.set_length(n as u64),
        Progress::Decided(verdict) => {
            bar.inc(1);
            if verdict.status > Status::Skipped && !known.covers(verdict) {
                failed += 1;
                bar.set_message(format!("{failed} not passed"));
            }
        }
    })
    .await?;
    bar.finish_and_clear();
    let written = known.apply(&mut summary);
    let done = publish(&args.show.reports, &summary, terminal(&args.show))?;
    Ok(Done { unwritten: done.unwritten.or(written.err()), ..done })
}

fn options(args: &RunArgs) -> Result<Options, RunError> {
    holds_no_password("--relay", args.relay.as_deref()).map_err(RunError::Usage)?;
    let mut options = plan_options(&args.select, args.profile.as_deref())?;
    options.relay = args.relay.clone();
    options.listen = args.listen;
    options.ca.clone_from(&args.ca);
    if options.relay.is_some() && args.profile.is_none() {
        return Err(RunError::Usage(
            "--relay needs --profile: how is this relay spoken to?\nhint: start from harness/profiles/reference.yaml"
                .to_owned(),
        ));
    }
    if options.relay.is_none() && options.profile.start.is_none() {
        return Err(RunError::Usage(format!(
            "the profile `{}` says not how its relay is started\nhint: `--relay URL` for one that runs already, or add `start` to the profile",
            options.profile.name
        )));
    }
    if options.relay.is_some() && args.ca.is_none() && options.profile.capture != Capture::BaseUrl {
        return Err(RunError::Usage(
            "a relay that runs already cannot trust an authority that is made only now\nhint: `harness ca --out DIR`, let the relay trust DIR/ca.pem, then add `--ca DIR`"
                .to_owned(),
        ));
    }
    if options.relay.is_some() && args.select.seed.is_none() {
        if args.select.shard.is_some() {
            // Each machine would make up its own, and `merge` refuse them all.
            return Err(RunError::Usage(
                "--shard with --relay needs --seed: all shards of one run have the same seed\nhint: give every shard the same new number, such as that of the build: --seed 4711"
                    .to_owned(),
            ));
        }
        options.seed = new_seed();
    }
    options.jobs = usize::from(args.jobs);
    options.timeout = args.timeout.unsigned();
    options.accept = args.accept;
    options.snapshots = match (&args.snapshots, &args.profile) {
        (Some(dir), _) => Some(dir.clone()),
        (None, None) if options.seed == DEFAULT_SEED => Some(shipped("snapshots")),
        // Other people, other payloads: what was accepted is no measure for them.
        (None, _) => None,
    };
    if args.accept && options.snapshots.is_none() {
        return Err(RunError::Usage(
            "--accept needs --snapshots DIR with this profile or seed".to_owned(),
        ));
    }
    options.reproduce = reproduce(args);
    Ok(options)
}

/// Unlike that of any run before.
fn new_seed() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let millis = now.map(|now| now.as_millis()).unwrap_or_default();
    u64::try_from(millis).unwrap_or(DEFAULT_SEED)
}

/// The options of this run without those that choose cases.
fn reproduce(args: &RunArgs) -> String {
    let mut command = format!("{} run", program());
    if let Some(relay) = &args.relay {
        command.push_str(&format!(" --relay {}", word(relay)));
    }
    if args.relay.is_some() && args.listen.port() != 0 {
        command.push_str(&format!(" --listen {}", args.listen));
    }
    if let Some(ca) = &args.ca {
        command.push_str(&format!(" --ca {}", word(&ca.to_string_lossy())));
    }
    if let Some(profile) = &args.profile {
        command.push_str(&format!(" --profile {}", word(&profile.to_string_lossy())));
    }
    if let Some(scenarios) = &args.select.scenarios {
        command.push_str(&format!(" --scenarios {}", word(&scenarios.to_string_lossy())));
    }
    // The same orders again would be nothing new to a relay that has seen them.
    if args.relay.is_none() {
        command.push_str(&format!(" --seed {}", args.select.seed()));
    }
    command
}

fn bar(args: &RunArgs) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} cases {msg}");
    if let Ok(style) = style {
        bar.set_style(style);
    }
    let whom = match (&args.relay, &args.profile) {
        (Some(url), _) => url.clone(),
        (None, Some(path)) => path.display().to_string(),
        (None, None) => "the reference relay".to_owned(),
    };
    // The first sign of life, also where there is no terminal for a bar.
    drop(writeln!(std::io::stderr(), "judging {whom}"));
    bar
}
