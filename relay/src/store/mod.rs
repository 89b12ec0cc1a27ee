//! The durable store: SQLite in WAL mode with `synchronous=FULL`. One thread writes, batching the requests
//! that wait into one transaction and answering them after its commit; readers have their own connections.

pub mod browser;
pub mod intake;
pub mod listing;
mod news;
pub mod people;
pub mod queue;
mod schema;
pub mod sweep;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, config::DbConfig};
use tokio::sync::{Semaphore, oneshot};

use crate::config::{Config, Policy};
use crate::tasks::Tasks;
use news::{About, News};
use people::PersonKeys;

/// Writes that share one transaction, hence one fsync.
const GROUP: usize = 256;
/// Writes that may wait; above, intake answers 503 instead of piling up.
const WAITING: usize = 8192;
/// Connections for reading.
const READERS: usize = 4;

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
    /// Too many writes wait.
    #[error("too many writes are waiting")]
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

enum Message {
    Write(Job),
    Stop,
}

/// Handle to the store; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    writes: SyncSender<Message>,
    writer: Mutex<Option<JoinHandle<()>>>,
    // A plain mutex: held only to push and pop, never across an await.
    readers: Mutex<Vec<Connection>>,
    permits: Semaphore,
    path: PathBuf,
    rules: Arc<Rules>,
    news: Arc<News>,
    tasks: Tasks,
}

impl Store {
    /// Opens or creates the database and starts its writer.
    ///
    /// # Errors
    /// When the file cannot be opened, or was made by a newer version.
    pub fn open(path: &Path, config: &Config, tasks: &Tasks) -> Result<Self, StoreError> {
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
        let (writes, waiting) = sync_channel(WAITING);
        let writer = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || run_writer(&connection, &waiting))
            .map_err(|_| StoreError::Closed)?;
        let inner = Inner {
            writes,
            writer: Mutex::new(Some(writer)),
            readers: Mutex::new(Vec::new()),
            permits: Semaphore::new(READERS),
            path: path.to_owned(),
            news: Arc::new(News::of(config.shops.iter().map(|shop| shop.id.clone()))),
            rules,
            tasks: tasks.clone(),
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
        self.inner.writes.try_send(Message::Write(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        answered.await.map_err(|_| StoreError::Closed)?
    }

    /// Runs a read on a connection of its own.
    ///
    /// # Errors
    /// See [`StoreError`].
    pub async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let permit = self.inner.permits.acquire().await.map_err(|_| StoreError::Closed)?;
        let inner = self.inner.clone();
        let result = self
            .inner
            .tasks
            .blocking(move || -> Result<T, StoreError> {
                let pooled = lock(&inner.readers).pop();
                let connection = match pooled {
                    Some(connection) => connection,
                    None => open_reader(&inner.path)?,
                };
                let result = read(&connection);
                lock(&inner.readers).push(connection);
                Ok(result?)
            })
            .await;
        drop(permit);
        result.ok_or(StoreError::Closed)?
    }

    /// What deliveries are planned by.
    #[must_use]
    pub fn rules(&self) -> &Arc<Rules> {
        &self.inner.rules
    }

    /// Writes what waits and closes the database. Later writes fail.
    pub fn close(&self) {
        if self.inner.writes.send(Message::Stop).is_err() {
            tracing::debug!("the store's writer was already gone");
        }
        let writer = lock(&self.inner.writer).take();
        if writer.is_some_and(|w| w.join().is_err()) {
            tracing::error!("the store's writer had panicked");
        }
        lock(&self.inner.readers).clear();
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

fn open_reader(path: &Path) -> Result<Connection, rusqlite::Error> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    tune(&connection)?;
    Ok(connection)
}

fn run_writer(connection: &Connection, waiting: &Receiver<Message>) {
    let mut stopping = false;
    while !stopping {
        let Ok(first) = waiting.recv() else { return };
        let mut jobs = Vec::new();
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Write(job) => jobs.push(job),
                Message::Stop => stopping = true,
            }
            let more = !stopping && jobs.len() < GROUP;
            next = if more { waiting.try_recv().ok() } else { None };
        }
        if !jobs.is_empty() {
            commit(connection, jobs);
        }
    }
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
