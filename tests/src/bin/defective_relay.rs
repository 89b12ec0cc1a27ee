//! The reference relay with one seeded defect, as a process that the harness starts like any other relay.

use std::{path::PathBuf, process::ExitCode};

use acceptance::defective;
use clap::Parser;

#[derive(Parser)]
struct Options {
    /// Which defect; `none`: the relay as it is, behind the same two proxies; `other_manners`: what it sends, said otherwise.
    #[arg(long, default_value = "none")]
    defect: String,
    /// The relay alone, without the proxies.
    #[arg(long)]
    as_it_is: bool,
    /// The relay's configuration.
    #[arg(long)]
    config: PathBuf,
    /// Where to listen.
    #[arg(long)]
    listen: std::net::SocketAddr,
}

fn main() -> ExitCode {
    let options = Options::parse();
    if options.as_it_is {
        let config = options.config.into_os_string();
        let args = [
            "relay".into(),
            "--config".into(),
            config,
            "--listen".into(),
            options.listen.to_string().into(),
        ];
        return ExitCode::from(relay::cli::run(args));
    }
    match defective::serve(&options.defect, &options.config, options.listen) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            use std::io::Write as _;
            drop(writeln!(std::io::stderr(), "error: {error}"));
            ExitCode::FAILURE
        }
    }
}
