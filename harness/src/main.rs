//! Reads the command line, calls the library, prints, exits. Only this file knows the relay crate, for `harness relay`.

use std::{
    io::{IsTerminal as _, Write as _},
    process::ExitCode,
};

use clap::Parser as _;
use harness::{
    cli::{Cli, Command},
    commands::{self, Done},
    exit_code,
    run::RunError,
    text::{PIPE_WIDTH, wrap_error},
};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            let code = if error.use_stderr() { exit_code::USAGE } else { exit_code::PASSED };
            // A closed pipe leaves nobody to tell.
            drop(error.print());
            return ExitCode::from(code);
        }
    };
    if let Command::Relay(args) = cli.command {
        return ExitCode::from(relay::cli::run(std::iter::once("relay".into()).chain(args.args)));
    }
    if rustls::crypto::ring::default_provider().install_default().is_err() {
        return finish(Err(RunError::Harness("the TLS provider is installed twice".to_owned())));
    }
    finish(match cli.command {
        Command::Run(args) => to_its_end(commands::run::run(&args)),
        Command::Doctor(args) => to_its_end(commands::doctor::doctor(&args)),
        Command::List(args) => commands::list::list(&args),
        Command::Compare(args) => commands::compare::compare(&args),
        Command::Merge(args) => commands::merge::merge(&args),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Init(args) => commands::init::init(&args),
        Command::Schema(args) => commands::schema::schema(&args),
        Command::Ca(args) => commands::ca::ca(&args),
        Command::Relay(_) => return ExitCode::from(exit_code::USAGE),
    })
}

/// Until it is done or somebody ends it. What it started ends with its tasks: no relay process outlives the harness.
fn to_its_end(command: impl Future<Output = Result<Done, RunError>>) -> Result<Done, RunError> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|e| RunError::Harness(format!("no runtime: {e}")))?;
    let done = runtime.block_on(async {
        tokio::select! {
            done = command => done,
            () = interrupted() => Err(RunError::Interrupted),
        }
    });
    runtime.shutdown_timeout(std::time::Duration::from_secs(2));
    done
}

/// Ctrl-C, or a request to end.
async fn interrupted() {
    use tokio::signal::unix::{SignalKind, signal};
    let ended = async |kind: SignalKind| match signal(kind) {
        Ok(mut signal) => drop(signal.recv().await.is_some()),
        // Without a handler the system's own stays: it ends the program.
        Err(_) => std::future::pending().await,
    };
    tokio::select! {
        () = ended(SignalKind::interrupt()) => {}
        () = ended(SignalKind::terminate()) => {}
        () = ended(SignalKind::hangup()) => {}
    }
}

/// In lines that a terminal holds; a pipe or file gets each line whole, for those who search it.
fn shown(error: &RunError) -> String {
    let text = format!("error: {error}");
    match std::io::stderr().is_terminal() {
        true => wrap_error(&text, PIPE_WIDTH),
        false => text,
    }
}

fn finish(done: Result<Done, RunError>) -> ExitCode {
    match done {
        Ok(done) => {
            let written = std::io::stdout().write_all(done.output.as_bytes());
            match written.and_then(|()| std::io::stdout().flush()) {
                // A reader that went away (`| head`) is no failure of the run.
                Err(e) if e.kind() != std::io::ErrorKind::BrokenPipe => {
                    finish(Err(RunError::Harness(format!("the output cannot be written: {e}"))))
                }
                _ => match done.unwritten {
                    Some(error) => finish(Err(error)),
                    None => ExitCode::from(done.code),
                },
            }
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "{}", shown(&error)));
            ExitCode::from(match error {
                RunError::Usage(_) => exit_code::USAGE,
                RunError::NothingSelected(_) => exit_code::NOTHING_SELECTED,
                RunError::Unreachable(_) => exit_code::RELAY_UNREACHABLE,
                RunError::Harness(_) | RunError::Interrupted => exit_code::HARNESS_FAULT,
            })
        }
    }
}
