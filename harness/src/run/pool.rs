//! The shops of a run, leased to cases.
//!
//! Where there are enough, each case has its own: first in, first out, so that none is used twice while there is a fresh one
//! (a used shop has its access tokens and its history). Where there are few (a relay that somebody else runs, or one with a
//! single shop), cases share them, told apart by their tracers; a case that would disturb others waits until it has its
//! shops alone.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::{
    OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, Semaphore, SemaphorePermit,
};

/// Hands out shops.
pub(super) enum ShopPool {
    /// One for each case.
    Own { free: Mutex<VecDeque<usize>>, count: Semaphore },
    /// Fewer than the cases would like; they are taken in turn.
    Few { shops: Vec<Arc<RwLock<()>>>, next: AtomicUsize },
}

/// Shops of one case; they go back to the pool with it.
pub(super) struct Lease<'a> {
    pool: &'a ShopPool,
    /// Indexes into the run's shops.
    shops: Vec<usize>,
    _held: Held<'a>,
}

enum Held<'a> {
    Own(#[expect(dead_code, reason = "held until the case is over")] SemaphorePermit<'a>),
    Shared(
        #[expect(dead_code, reason = "held until the case is over")] Vec<OwnedRwLockReadGuard<()>>,
    ),
    Alone(
        #[expect(dead_code, reason = "held until the case is over")] Vec<OwnedRwLockWriteGuard<()>>,
    ),
}

impl ShopPool {
    /// For `len` shops where `wanted` would give each case its own.
    pub(super) fn new(len: usize, wanted: usize) -> Self {
        if len >= wanted {
            let free = Mutex::new((0..len).collect());
            return Self::Own { free, count: Semaphore::new(len) };
        }
        let shops = (0..len).map(|_| Arc::new(RwLock::new(()))).collect();
        Self::Few { shops, next: AtomicUsize::new(0) }
    }

    /// Whether cases have to share.
    pub(super) fn is_short(&self) -> bool {
        matches!(self, Self::Few { .. })
    }

    /// Shops for a case, `alone` if it must not share them. `None` if there are not so many.
    pub(super) async fn take(&self, n: usize, alone: bool) -> Option<Lease<'_>> {
        match self {
            Self::Own { free, count } => {
                let held = count.acquire_many(u32::try_from(n).ok()?).await.ok()?;
                let shops = (0..n).filter_map(|_| locked(free).pop_front()).collect();
                Some(Lease { pool: self, shops, _held: Held::Own(held) })
            }
            Self::Few { shops: all, next } => {
                if n > all.len() {
                    return None;
                }
                let first = next.fetch_add(n, Ordering::Relaxed);
                let mut shops: Vec<usize> = (first..first + n).map(|i| i % all.len()).collect();
                // Always in the same order, so that no two cases wait for each other.
                shops.sort_unstable();
                let order = shops.iter().filter_map(|i| all.get(*i));
                let _held = if alone {
                    let mut guards = Vec::new();
                    for shop in order {
                        guards.push(Arc::clone(shop).write_owned().await);
                    }
                    Held::Alone(guards)
                } else {
                    let mut guards = Vec::new();
                    for shop in order {
                        guards.push(Arc::clone(shop).read_owned().await);
                    }
                    Held::Shared(guards)
                };
                Some(Lease { pool: self, shops, _held })
            }
        }
    }
}

impl Lease<'_> {
    /// Indexes into the run's shops, `one` first.
    pub(super) fn shops(&self) -> &[usize] {
        &self.shops
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if let ShopPool::Own { free, .. } = self.pool {
            locked(free).extend(self.shops.drain(..));
        }
    }
}

fn locked(free: &Mutex<VecDeque<usize>>) -> MutexGuard<'_, VecDeque<usize>> {
    free.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test]
    async fn with_enough_shops_each_case_has_its_own() {
        let pool = ShopPool::new(3, 3);
        let (a, b) = (pool.take(2, false).await.unwrap(), pool.take(1, false).await.unwrap());
        assert_eq!((a.shops(), b.shops()), (&[0, 1][..], &[2][..]));
        assert!(pool.take(1, false).now_or_never().is_none());
        drop(b);
        assert_eq!(pool.take(1, true).await.unwrap().shops(), [2]);
    }

    #[tokio::test]
    async fn a_single_shop_is_shared_by_all_that_do_not_disturb() {
        let pool = ShopPool::new(1, 9);
        assert!(pool.is_short());
        let (a, b) = (pool.take(1, false).await.unwrap(), pool.take(1, false).await.unwrap());
        assert_eq!((a.shops(), b.shops()), (&[0][..], &[0][..]));
        assert!(pool.take(1, true).now_or_never().is_none(), "somebody is there");
        drop((a, b));
        let alone = pool.take(1, true).await.unwrap();
        assert!(pool.take(1, false).now_or_never().is_none(), "it wants to be alone");
        drop(alone);
        assert!(pool.take(1, false).now_or_never().is_some());
        assert!(pool.take(2, false).await.is_none(), "there is only one");
    }
}
