//! `harness run`: plays scenarios against a relay and judges it.

use std::{
    fs,
    io::{IsTerminal as _, Write as _},
    path::Path,
};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::{Done, plan_options, shipped};
use crate::{
    cli::{Colour, DEFAULT_SEED, RunArgs},
    report::{REPORTS, Report as _, tally, terminal::Terminal},
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
    // A report that cannot be written is better known before the run than after it.
    for (_, path) in &args.reports {
        write(path, "")?;
    }
    let bar = bar(args);
    let mut failed = 0;
    let summary = run::run(&options, |event| match event {
        Progress::Planned(n) => bar.set_length(n as u64),
        Progress::Decided(verdict) => {
            bar.inc(1);
            if verdict.status > Status::Skipped {
                failed += 1;
                bar.set_message(format!("{failed} not passed"));
            }
        }
    })
    .await?;
    bar.finish_and_clear();
    for (kind, path) in &args.reports {
        let Some(report) = REPORTS.iter().find(|r| r.id() == kind) else { continue };
        let text = report.render(&summary).map_err(RunError::Harness)?;
        write(path, &text)?;
    }
    let on_stdout = args.reports.iter().find(|(_, path)| path == Path::new("-"));
    let output = match on_stdout.and_then(|(kind, _)| REPORTS.iter().find(|r| r.id() == kind)) {
        Some(report) => report.render(&summary),
        None => terminal(args).render(&summary),
    }
    .map_err(RunError::Harness)?;
    Ok(Done { output, code: tally::exit_code(&summary) })
}

fn options(args: &RunArgs) -> Result<Options, RunError> {
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
    if options.relay.is_some() && args.ca.is_none() && options.profile.capture != Capture::BaseUrl {
        return Err(RunError::Usage(
            "a relay that runs already cannot trust an authority that is made only now\nhint: `harness ca --out DIR`, let the relay trust DIR/ca.pem, then add `--ca DIR`"
                .to_owned(),
        ));
    }
    options.jobs = usize::from(args.jobs);
    options.timeout = args.timeout.unsigned();
    options.accept = args.accept;
    options.snapshots = match (&args.snapshots, &args.profile) {
        (Some(dir), _) => Some(dir.clone()),
        (None, None) if args.select.seed == DEFAULT_SEED => Some(shipped("snapshots")),
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

/// The options of this run without those that choose cases.
fn reproduce(args: &RunArgs) -> String {
    let mut command = "cargo harness run".to_owned();
    if let Some(relay) = &args.relay {
        command.push_str(&format!(" --relay {relay}"));
    }
    if let Some(ca) = &args.ca {
        command.push_str(&format!(" --ca {}", ca.display()));
    }
    if let Some(profile) = &args.profile {
        command.push_str(&format!(" --profile {}", profile.display()));
    }
    if let Some(scenarios) = &args.select.scenarios {
        command.push_str(&format!(" --scenarios {}", scenarios.display()));
    }
    command
}

fn write(path: &Path, text: &str) -> Result<(), RunError> {
    if path == Path::new("-") {
        return Ok(());
    }
    let failed = |e: std::io::Error| {
        RunError::Usage(format!("the report {} cannot be written: {e}", path.display()))
    };
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        fs::create_dir_all(parent).map_err(failed)?;
    }
    fs::write(path, text).map_err(failed)
}

fn terminal(args: &RunArgs) -> Terminal {
    let out = std::io::stdout();
    let colour = match args.color {
        Colour::Always => true,
        Colour::Never => false,
        Colour::Auto => {
            out.is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
        }
    };
    let width = if out.is_terminal() {
        terminal_size::terminal_size().map_or(80, |(w, _)| usize::from(w.0)).clamp(60, 120)
    } else {
        80
    };
    Terminal { colour, width, verbose: args.verbose }
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
