//! The command line, shared by the `relay` program and by whoever embeds it.

use std::ffi::OsString;
use std::io::Write;
use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;
use tokio::net::TcpListener;

use crate::config::Config;
use crate::serve_announced;

/// Everything ended well.
pub const OK: u8 = 0;
/// The relay could not run, or could not finish its work in time.
pub const FAILED: u8 = 1;
/// Options or settings are wrong.
pub const USAGE: u8 = 2;

/// Sends conversions of online shops to ad platforms.
#[derive(Debug, Parser)]
#[command(name = "relay", version)]
struct Options {
    /// Settings; see relay.example.toml.
    #[arg(long, value_name = "FILE", default_value = "relay.toml")]
    config: PathBuf,
    /// Address to listen on, instead of the configured one.
    #[arg(long, value_name = "ADDR")]
    listen: Option<SocketAddr>,
    /// Database file, instead of the configured one.
    #[arg(long, value_name = "PATH")]
    database: Option<PathBuf>,
}

/// Runs the program with these arguments (the first is its name) and returns its exit code. Prints one line,
/// `listening on http://ADDR:PORT`, to standard output once it can take and deliver orders; logs go to standard error (`RUST_LOG`, default `warn`).
pub fn run(args: impl IntoIterator<Item = OsString>) -> u8 {
    let options = match Options::try_parse_from(args) {
        Ok(options) => options,
        Err(error) => {
            let code = if error.use_stderr() { USAGE } else { OK };
            return if error.print().is_ok() { code } else { FAILED };
        }
    };
    let filter = tracing_subscriber::EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("warn"));
    let logging =
        tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).try_init();
    if logging.is_err() {
        tracing::debug!("logging was already set up");
    }
    let mut config = match Config::load(&options.config) {
        Ok(config) => config,
        Err(error) => return complain(USAGE, &format!("{}: {error}", options.config.display())),
    };
    config.listen = options.listen.unwrap_or(config.listen);
    config.database = options.database.unwrap_or(config.database);
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return complain(FAILED, &format!("cannot start: {error}")),
    };
    match runtime.block_on(listen(config)) {
        Ok(()) => OK,
        Err(text) => complain(FAILED, &text),
    }
}

async fn listen(config: Config) -> Result<(), String> {
    let address = config.listen;
    let cannot = |error: std::io::Error| format!("cannot listen on {address}: {error}");
    let listener = TcpListener::bind(address).await.map_err(cannot)?;
    let bound = listener.local_addr().map_err(cannot)?;
    let stop = stop_signal().map_err(|error| format!("cannot watch signals: {error}"))?;
    // Connections queue at the bound socket from here on, so the line may come before the first accept.
    let announce = || {
        let mut out = std::io::stdout();
        writeln!(out, "listening on http://{bound}").and_then(|()| out.flush())
    };
    serve_announced(listener, config, announce, stop).await.map_err(|error| error.to_string())
}

/// SIGTERM or ctrl-c.
#[cfg(unix)]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    })
}

#[cfg(not(unix))]
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    Ok(async {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    })
}

fn complain(code: u8, text: &str) -> u8 {
    // Nowhere is left to report that standard error is closed.
    drop(writeln!(std::io::stderr(), "error: {text}"));
    code
}
