//! Reference relay: api → store → delivery → destinations.
//!
//! A webhook or a browser call comes in through [`api`], is durable in [`store`] before it is acknowledged,
//! and leaves through [`delivery`], which asks a [`destinations::Destination`] what to say and what an answer
//! means. [`serve`] runs all of it on a bound listener until any future completes.

pub mod api;
pub mod cli;
pub mod client;
pub mod clock;
pub mod config;
pub mod delivery;
pub mod destinations;
pub mod model;
pub mod store;
pub mod tasks;

use std::future::{Future, IntoFuture};
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::{Notify, oneshot};

use api::App;
use clock::Clock;
use config::{Config, Shop};
use delivery::{Deliveries, Gear};
use store::{Store, StoreError, sweep};
use tasks::Tasks;

/// How often expired data is removed.
const SWEEP_EVERY: Duration = Duration::from_secs(300);

/// How long open connections may take to end after the last answer.
const CLOSING: Duration = Duration::from_millis(250);

/// Why a relay could not run.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The database cannot be used.
    #[error("cannot use the database: {0}")]
    Store(#[from] StoreError),
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// Nobody could be told that it runs.
    #[error("cannot write to standard output: {0}")]
    Announce(std::io::Error),
    /// The listener failed.
    #[error("cannot serve: {0}")]
    Listener(#[from] std::io::Error),
}

/// Runs a relay until `shutdown` completes, then stops in order: intake answers 503, attempts in flight
/// finish within the grace time, what waits stays in the store.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve(
    listener: TcpListener,
    config: Config,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    serve_announced(listener, config, || Ok(()), shutdown).await
}

/// The same; `announce` is called once the database is open and the lanes run, so that whoever was told can rely on it.
///
/// # Errors
/// See [`ServeError`].
pub async fn serve_announced(
    listener: TcpListener,
    config: Config,
    announce: impl FnOnce() -> std::io::Result<()>,
    shutdown: impl Future<Output = ()>,
) -> Result<(), ServeError> {
    client::install_tls();
    let tasks = Tasks::default();
    let clock = Clock::default();
    let grace = Duration::from_millis(config.shutdown_grace_ms);
    // The rest of the grace is for connections and the database.
    let for_attempts = grace.saturating_sub(CLOSING * 2).max(grace / 2);
    let store = Store::open(&config.database, &config)?;
    let timeout = Duration::from_millis(config.delivery.timeout_ms);
    let http = client::build(timeout, config.shops.iter().any(Shop::uses_tls))?;
    let gear = Gear {
        store: store.clone(),
        clock: clock.clone(),
        http,
        config: config.clone(),
        tasks: tasks.clone(),
    };
    let shops = config.directory();
    let deliveries = Deliveries::start(Arc::new(gear), shops.clone()).await?;
    let sweeper = Arc::new(Notify::new());
    tasks.spawn(keep_clean(
        store.clone(),
        clock.clone(),
        config.clone(),
        sweeper.clone(),
        tasks.clone(),
    ));
    let app = Arc::new(App {
        config,
        shops,
        store: store.clone(),
        deliveries,
        clock,
        sweep: sweeper,
        draining: AtomicBool::new(false),
    });
    if let Err(error) = announce() {
        tasks.begin_stop();
        store.close();
        return Err(ServeError::Announce(error));
    }
    let routes = api::router(app.clone()).into_make_service_with_connect_info::<SocketAddr>();
    let (close, closing) = oneshot::channel::<()>();
    let server = axum::serve(listener, routes).with_graceful_shutdown(async {
        // Either way it is time to close.
        drop(closing.await);
    });
    let mut server = std::pin::pin!(server.into_future());
    let finished = tokio::select! {
        result = &mut server => {
            result?;
            true
        }
        finished = async {
            shutdown.await;
            app.draining.store(true, Ordering::Relaxed);
            tasks.begin_stop();
            tasks.finished(for_attempts).await
        } => finished,
    };
    tasks.begin_stop();
    drop(close);
    // Idle keep-alive connections must not hold up the exit.
    if tokio::time::timeout(CLOSING, &mut server).await.is_err() {
        tracing::debug!("connections were still open");
    }
    if !finished {
        // They stay pending and will be repeated with the same key and body.
        tracing::warn!("attempts in flight did not finish within the grace time");
    }
    store.close();
    Ok(())
}

async fn keep_clean(store: Store, clock: Clock, config: Config, wake: Arc<Notify>, tasks: Tasks) {
    loop {
        let (now_ms, retention) = (clock.now_ms(), config.retention.clone());
        let swept = store.write(move |db, rules| sweep::sweep(db, rules, &retention, now_ms)).await;
        let pause = match swept {
            Ok(0) => SWEEP_EVERY,
            // A backlog is removed in steps, so that intake gets its turn in between.
            Ok(_) => Duration::from_millis(20),
            Err(error) => {
                tracing::error!(%error, "retention");
                SWEEP_EVERY
            }
        };
        tokio::select! {
            () = tasks.stopping() => return,
            () = wake.notified() => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}
