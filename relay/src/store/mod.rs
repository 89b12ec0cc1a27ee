//! The durable store: SQLite in WAL mode with `synchronous=FULL`. One thread writes, batching the requests
//! that wait into one transaction and answering them after its commit; another one reads, on a connection of its own.

pub mod browser;
pub mod intake;
pub mod listing;
mod news;
pub mod people;
pub mod queue;
mod reader;
mod schema;
pub mod sweep;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, config::DbConfig};
use tokio::sync::oneshot;

use crate::config::{Config, Policy};
use news::{About, News};
use people::PersonKeys;
use reader::Reader;

/// Writes that share one transaction, hence one fsync; reads likewise.
const GROUP: usize = 256;
/// Writes that may wait; above, intake answers 503 instead of piling up. Reads likewise.
const WAITING: usize = 8192;

/// What the store needs to know of the settings to plan deliveries inside a transaction.
#[derive(Debug)]
pub struct Rules {
    /// What counts.
    pub policy: Policy,
    /// Delay to fill a batch, ms.
    pub batch_delay_ms: i64,
    /// Destinations of each shop.
    pub destinations: HashMap<String, Vec<&'static str>>,
    /// Keyed hashes of persons.
    pub keys: PersonKeys,
}

/// Why the store did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Too many writes or reads wait.
    #[error("too many requests wait for the store")]
    Busy,
    /// The store is closed or its thread is gone.
    #[error("the store is closed")]
    Closed,
    /// The transaction could not be made durable; nothing of it was kept.
    #[error("the transaction was not committed")]
    NotCommitted,
    /// SQLite refused.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
}

type Reply = Box<dyn FnOnce(bool) + Send>;
/// Given no connection (the transaction could not begin), a job only answers that it was not done.
type Job = Box<dyn FnOnce(Option<&Connection>) -> (bool, Reply) + Send>;

/// Handle to the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    /// `None` is the last one.
    writes: SyncSender<Option<Job>>,
    writer: Mutex<Option<JoinHandle<()>>>,
    reader: Reader,
    rules: Arc<Rules>,
    news: Arc<News>,
}

impl Store {
    /// Opens or creates the database and starts its threads.
    ///
    /// # Errors
    /// When the file cannot be opened, or was made by a newer version.
    pub fn open(path: &Path, config: &Config) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        tune(&connection)?;
        connection.pragma_update(None, "journal_mode", "WAL")?;
        // What a failed job of a group would be undone with: else written to a file for every page of every group.
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "secure_delete", "FAST")?;
        connection.pragma_update(None, "journal_size_limit", 64 * 1024 * 1024)?;
        let version: i64 = connection.pragma_query_value(None, "user_version", |r| r.get(0))?;
        if version > schema::VERSION {
            return Err(StoreError::Sqlite(rusqlite::Error::InvalidQuery));
        }
        connection.execute_batch(&format!(
            "BEGIN IMMEDIATE; {} PRAGMA user_version = {}; COMMIT;",
            schema::TABLES,
            schema::VERSION
        ))?;
        let rules = Arc::new(Rules {
            policy: config.policy.clone(),
            batch_delay_ms: i64::try_from(config.delivery.batch_delay_ms).unwrap_or(0),
            destinations: config
                .shops
                .iter()
                .map(|s| (s.id.clone(), s.destinations().collect()))
                .collect(),
            keys: PersonKeys::load(&connection)?,
        });
        let reader = Reader::start(path)?;
        let (writes, waiting) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run_writer(&connection, &waiting))
            .map_err(|_| StoreError::Closed)?;
        let inner = Inner {
            writes,
            writer: Mutex::new(Some(writer)),
            reader,
            news: Arc::new(News::of(config.shops.iter().map(|shop| shop.id.clone()))),
            rules,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// Runs a write inside the next transaction; returns once it is on disk. An error undoes this write
    /// only, not the others of the transaction.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn write<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Rules) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.run(About::AnyShop, write).await
    }

    /// The same for a write that changes nothing but this shop's rows.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn write_in<T, F>(&self, shop: &str, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Rules) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.run(About::Shop(shop.to_owned()), write).await
    }

    /// The same for what deliveries write down about themselves, which changes nothing about whether others may go.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn note<T, F>(&self, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Rules) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.run(About::Nobody, write).await
    }

    /// Grows with every write that may have changed what may be sent for this shop, before its asker is answered. Equal
    /// before a read and now: what was read still holds.
    #[must_use]
    pub fn news(&self, shop: &str) -> u64 {
        self.inner.news.count(shop)
    }

    async fn run<T, F>(&self, about: About, write: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection, &Rules) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let (rules, news) = (self.inner.rules.clone(), self.inner.news.clone());
        let job: Job = Box::new(move |connection| {
            let result = connection.map(|c| write(c, &rules));
            let failed = !matches!(result, Some(Ok(_)));
            let reply: Reply = Box::new(move |committed| {
                let result = match result {
                    Some(Err(error)) => Err(StoreError::Sqlite(error)),
                    Some(Ok(value)) if committed => Ok(value),
                    _ => Err(StoreError::NotCommitted),
                };
                // After the commit, so that whoever counts before reading sees it in one or the other; before the
                // answer, so that what was withdrawn stays unsent from then on.
                news.add(&about);
                // The asker may be gone (connection closed): the write stays valid.
                drop(answer.send(result));
            });
            (failed, reply)
        });
        self.inner.writes.try_send(Some(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a read, which sees everything that was on disk when it was asked for.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        self.inner.reader.read(read).await
    }

    /// What deliveries are planned by.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.inner.rules
    }

    /// Writes what waits and closes the database. Later writes fail.
    pub fn close(&self) {
        if self.inner.writes.send(None).is_err() {
            tracing::debug!("the store's writer was already gone");
        }
        let writer = lock(&self.inner.writer).take();
        if writer.is_some_and(|w| w.join().is_err()) {
            tracing::error!("the store's writer had panicked");
        }
        self.inner.reader.close();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn tune(connection: &Connection) -> Result<(), rusqlite::Error> {
    connection.busy_timeout(Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(128);
    // Without it every new value bound to a statement may have it planned anew, which costs more than running it.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(())
}

fn run_writer(connection: &Connection, waiting: &Receiver<Option<Job>>) {
    while let Some((jobs, is_last)) = next_group(waiting) {
        if !jobs.is_empty() {
            commit(connection, jobs);
        }
        if is_last {
            return;
        }
    }
}

/// What waits, as soon as something does, and whether nothing follows; `None` if nobody is left to ask for anything.
fn next_group<J>(waiting: &Receiver<Option<J>>) -> Option<(Vec<J>, bool)> {
    let mut next = waiting.recv().ok()?;
    let mut jobs = Vec::new();
    while let Some(job) = next {
        jobs.push(job);
        let more = (jobs.len() < GROUP).then(|| waiting.try_recv().ok()).flatten();
        let Some(message) = more else { return Some((jobs, false)) };
        next = message;
    }
    Some((jobs, true))
}

/// One transaction: each job in its own savepoint, all answered after the commit.
fn commit(connection: &Connection, jobs: Vec<Job>) {
    let run = |sql: &str| connection.prepare_cached(sql).and_then(|mut s| s.execute([]));
    let mut replies = Vec::with_capacity(jobs.len());
    let mut sound = run("BEGIN IMMEDIATE").is_ok();
    for job in jobs {
        sound = sound && run("SAVEPOINT job").is_ok();
        // Without a transaction a write would be kept although its asker is told that it was not.
        let (failed, reply) = job(sound.then_some(connection));
        if failed {
            sound = sound && run("ROLLBACK TO job").is_ok();
        }
        sound = sound && run("RELEASE job").is_ok();
        replies.push(reply);
    }
    let committed = sound && run("COMMIT").is_ok();
    if !committed {
        tracing::error!("a transaction could not be committed");
        if !connection.is_autocommit() && run("ROLLBACK").is_err() {
            tracing::error!("and could not be rolled back");
        }
    }
    for reply in replies {
        reply(committed);
    }
}
