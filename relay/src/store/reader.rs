//! Reads, in groups as writes are: one thread takes what waits and reads it in one transaction, so that the pages which all of
//! them need are fetched once after each commit. Lanes wake many at a time.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Mutex;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use rusqlite::{Connection, OpenFlags};
use tokio::sync::oneshot;

use super::{StoreError, WAITING, lock, next_group, tune};

/// A read that answers its asker by itself.
type Job = Box<dyn FnOnce(&Connection) + Send>;

/// Handle to the thread that reads.
#[derive(Debug)]
pub(super) struct Reader {
    /// `None` is the last one.
    reads: SyncSender<Option<Job>>,
    // A plain mutex: held only to take it out.
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Reader {
    /// Of a database that exists.
    pub(super) fn start(path: &Path) -> Result<Self, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(path, flags)?;
        tune(&connection)?;
        let (reads, waiting) = sync_channel(WAITING);
        let thread = std::thread::Builder::new()
            .name("store-reader".into())
            .spawn(move || run(&connection, &waiting))
            .map_err(|_| StoreError::Closed)?;
        Ok(Self { reads, thread: Mutex::new(Some(thread)) })
    }

    /// What is read holds everything that was on disk when this was called.
    pub(super) async fn read<T, F>(&self, read: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T, rusqlite::Error> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // The asker may be gone.
            drop(answer.send(read(connection)));
        });
        self.reads.try_send(Some(job)).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Busy,
            TrySendError::Disconnected(_) => StoreError::Closed,
        })?;
        Ok(answered.await.map_err(|_| StoreError::Closed)??)
    }

    /// Reads what waits, then ends. Later reads fail.
    pub(super) fn close(&self) {
        if self.reads.send(None).is_err() {
            tracing::debug!("the store's reader was already gone");
        }
        let thread = lock(&self.thread).take();
        if thread.is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the store's reader had panicked");
        }
    }
}

fn run(connection: &Connection, waiting: &Receiver<Option<Job>>) {
    let sql = |sql: &str| connection.prepare_cached(sql).and_then(|mut s| s.execute([]));
    while let Some((group, is_last)) = next_group(waiting) {
        // It sees what was on disk at its first statement, hence after each of the group was asked for.
        let together = group.len() > 1 && sql("BEGIN").is_ok();
        for job in group {
            // Whoever waits for one that panicked is told that there is no answer; the others have theirs.
            if catch_unwind(AssertUnwindSafe(|| job(connection))).is_err() {
                tracing::error!("a read panicked");
            }
        }
        if together && sql("COMMIT").is_err() && !connection.is_autocommit() {
            // Whoever asked next would be told what was true then, of consent as well: better nothing.
            tracing::error!("a group of reads could not be ended: nothing is read any more");
            return;
        }
        if is_last {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// A database with the number 0 in it, who writes to it, and who reads it.
    fn counter(folder: &Path) -> (Connection, Reader) {
        let path = folder.join("counter.db");
        let writer = Connection::open(&path).unwrap();
        writer.pragma_update(None, "journal_mode", "WAL").unwrap();
        writer
            .execute_batch("CREATE TABLE counter(n INTEGER); INSERT INTO counter VALUES(0)")
            .unwrap();
        (writer, Reader::start(&path).unwrap())
    }

    fn count(db: &Connection) -> Result<i64, rusqlite::Error> {
        db.prepare_cached("SELECT n FROM counter")?.query_row([], |row| row.get(0))
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn a_read_sees_what_was_written_before_it_was_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let (writer, reader) = counter(folder.path());
        let reader = std::sync::Arc::new(reader);
        let mut asked = tokio::task::JoinSet::new();
        for n in 1..=200 {
            writer.execute("UPDATE counter SET n = ?1", [n]).unwrap();
            for _ in 0..4 {
                let reader = reader.clone();
                asked.spawn(async move { (n, reader.read(count).await.unwrap()) });
            }
            if n % 16 == 0 {
                tokio::task::yield_now().await;
            }
        }
        for (written, read) in asked.join_all().await {
            assert!(read >= written, "{read} was read after {written} had been written");
        }
        reader.close();
    }

    #[tokio::test]
    async fn reads_that_wait_share_a_transaction_and_none_can_end_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let (_writer, reader) = counter(folder.path());
        let (begun, has_begun) = oneshot::channel();
        let (go, wait) = std::sync::mpsc::channel();
        // The first one holds up the thread until all others wait.
        let first = reader.read(move |db| {
            begun.send(()).unwrap();
            wait.recv().unwrap();
            Ok(db.is_autocommit())
        });
        let of_group = |db: &Connection| Ok(db.is_autocommit());
        let wrong =
            |db: &Connection| db.query_row("SELECT nothing", [], |row| row.get::<_, i64>(0));
        let panics = |_: &Connection| -> Result<(), rusqlite::Error> { panic!("on purpose") };
        let others = async {
            has_begun.await.unwrap();
            tokio::join!(
                reader.read(of_group),
                reader.read(wrong),
                reader.read(panics),
                reader.read(of_group),
                // Each of these is asked for before the next.
                async { go.send(()).unwrap() }
            )
        };
        let (first, (second, wrong, panicked, last, ())) = tokio::join!(first, others);
        assert!(first.unwrap(), "alone, it needs no transaction");
        assert_eq!((second.unwrap(), last.unwrap()), (false, false));
        assert!(matches!(wrong, Err(StoreError::Sqlite(_))), "{wrong:?}");
        assert!(matches!(panicked, Err(StoreError::Closed)), "{panicked:?}");
        assert!(reader.read(of_group).await.unwrap(), "the group has ended");
        reader.close();
        assert!(matches!(reader.read(count).await, Err(StoreError::Closed)));
    }
}
