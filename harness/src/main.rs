//! Reads the command line, calls the library, prints, exits. Only this file knows the relay crate, for `harness relay`.

use std::{io::Write as _, process::ExitCode};

use clap::Parser as _;
use harness::{
    cli::{Cli, Command},
    commands::{self, Done},
    exit_code,
    run::RunError,
};

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
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(e) => return finish(Err(RunError::Harness(format!("no runtime: {e}")))),
    };
    finish(match cli.command {
        Command::Run(args) => runtime.block_on(commands::run::run(&args)),
        Command::List(args) => commands::list::list(&args),
        Command::Explain(args) => commands::explain::explain(&args),
        Command::Relay(_) => return ExitCode::from(exit_code::USAGE),
    })
}

fn finish(done: Result<Done, RunError>) -> ExitCode {
    match done {
        Ok(done) => {
            // A reader that went away (`| head`) is no failure of the run.
            drop(std::io::stdout().write_all(done.output.as_bytes()));
            ExitCode::from(done.code)
        }
        Err(error) => {
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::from(match error {
                RunError::Usage(_) => exit_code::USAGE,
                RunError::NothingSelected(_) => exit_code::NOTHING_SELECTED,
                RunError::Unreachable(_) => exit_code::RELAY_UNREACHABLE,
                RunError::Harness(_) => exit_code::HARNESS_FAULT,
            })
        }
    }
}
