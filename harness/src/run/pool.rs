//! The shops of a run, leased to cases: first in, first out, so that none is used twice while there is a fresh one (a used shop has
//! its access tokens and its history).

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::sync::{Semaphore, SemaphorePermit};

/// Hands out shops: a case has its own for as long as it plays, so that no two cases share an account.
pub(super) struct ShopPool {
    free: Mutex<VecDeque<usize>>,
    count: Semaphore,
}

/// Shops of one case; they go back to the pool with it.
pub(super) struct Lease<'a> {
    pool: &'a ShopPool,
    /// Indexes into the run's shops.
    pub(super) shops: Vec<usize>,
    _count: SemaphorePermit<'a>,
}

impl ShopPool {
    pub(super) fn new(len: usize) -> Self {
        Self { free: Mutex::new((0..len).collect()), count: Semaphore::new(len) }
    }

    fn free(&self) -> MutexGuard<'_, VecDeque<usize>> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn take(&self, n: usize) -> Option<Lease<'_>> {
        let count = self.count.acquire_many(u32::try_from(n).ok()?).await.ok()?;
        let mut free = self.free();
        let shops = (0..n).filter_map(|_| free.pop_front()).collect();
        Some(Lease { pool: self, shops, _count: count })
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.free().extend(self.shops.drain(..));
    }
}
