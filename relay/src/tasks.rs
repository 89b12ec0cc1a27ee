//! Every background task has an owner: this is the only place that spawns, and `stop` returns only after
//! the last task is done.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// The tasks of one running relay and the signal that ends them.
#[derive(Debug, Clone, Default)]
pub struct Tasks {
    tracker: TaskTracker,
    stop: CancellationToken,
}

impl Tasks {
    /// Starts a task. It must watch [`Tasks::stopping`] if it does not end by itself.
    pub fn spawn<F>(&self, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        self.tracker.spawn(task);
    }

    /// Completes when the relay is asked to stop.
    pub async fn stopping(&self) {
        self.stop.cancelled().await;
    }

    /// Whether the relay is asked to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.stop.is_cancelled()
    }

    /// Asks all tasks to stop without waiting for them.
    pub fn begin_stop(&self) {
        self.stop.cancel();
        self.tracker.close();
    }

    /// Waits for the last task, at most so long; `false` if some were still running.
    pub async fn finished(&self, within: Duration) -> bool {
        tokio::time::timeout(within, self.tracker.wait()).await.is_ok()
    }
}
