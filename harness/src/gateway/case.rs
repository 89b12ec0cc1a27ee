//! What the gateway keeps for one open case, and the handle that the runner holds on it.

use std::{
    sync::{Arc, Mutex},
    time::Instant,
};

use time::OffsetDateTime;
use tokio::sync::Notify;

use super::{
    accounts::Replacement,
    door::Door,
    faults::Armed,
    journal::State,
    wire::{Line, lock},
};
use crate::{
    exchange::{CaseId, Exchange, OrderRef},
    plan::{Case, Shop},
    platforms::{BrowserCopy, Entry, Platform},
};

/// Exchanges of one case that are kept; later ones are counted.
pub const EXCHANGES_KEPT: usize = 2_000;

/// Bytes of bodies of one case that are kept.
pub const BYTES_KEPT: usize = 16 * 1024 * 1024;

/// Entries of one case that are kept. Those of exchanges that were not kept lose their identifiers.
pub const ENTRIES_KEPT: usize = 100_000;

/// What happened to one case so far.
#[derive(Debug)]
pub struct Log {
    /// Requests and answers, in journal order.
    pub exchanges: Vec<Exchange>,
    /// What the case's own platform took of it, in order. (What others took: [`Exchange::accepted`].)
    pub entries: Vec<Entry>,
    /// Exchanges and entries beyond the bounds: seen, answered and counted by the platform, not kept.
    pub not_kept: u64,
    /// Requests that are not answered yet.
    pub open: usize,
    /// Hits per planned fault of the scenario, in order.
    pub fault_hits: Vec<u32>,
    /// When something last changed here.
    pub last_change: Instant,
}

/// The log of a case that was closed.
#[derive(Debug)]
pub struct Captured {
    /// See [`Log::exchanges`].
    pub exchanges: Vec<Exchange>,
    /// See [`Log::entries`].
    pub entries: Vec<Entry>,
    /// See [`Log::not_kept`].
    pub not_kept: u64,
}

/// An open case as the gateway sees it.
pub(super) struct CaseState {
    pub(super) case: Arc<Case>,
    pub(super) inner: Mutex<Inner>,
    pub(super) changed: Notify,
    /// How often something unreadable had come for its platform when it was opened.
    unread_before: u64,
}

/// A connection that says nothing until a fault (by index) is lifted.
pub(super) struct Held {
    pub(super) seq: u64,
    pub(super) fault: usize,
    pub(super) line: Arc<Line>,
}

/// The part of a case that changes.
pub(super) struct Inner {
    pub(super) log: Log,
    pub(super) faults: Vec<Armed>,
    pub(super) advance: time::Duration,
    pub(super) bytes_kept: usize,
    /// Connections that say nothing until a fault is lifted.
    pub(super) held: Vec<Held>,
    /// Credentials that replaced others during the case.
    pub(super) fresh: Vec<String>,
    pub(super) closed: bool,
}

impl CaseState {
    pub(super) fn new(case: Arc<Case>, unread_before: u64) -> Result<Self, String> {
        let faults = Armed::all(case.scenario.faults(), case.platform)?;
        let log = Log {
            exchanges: Vec::new(),
            entries: Vec::new(),
            not_kept: 0,
            open: 0,
            fault_hits: vec![0; faults.len()],
            last_change: Instant::now(),
        };
        let inner = Inner {
            log,
            faults,
            advance: time::Duration::ZERO,
            bytes_kept: 0,
            held: Vec::new(),
            fresh: Vec::new(),
            closed: false,
        };
        Ok(Self { case, inner: Mutex::new(inner), changed: Notify::new(), unread_before })
    }

    /// Changes the log and wakes who waits for it.
    pub(super) fn change<R>(&self, f: impl FnOnce(&mut Inner) -> R) -> R {
        let result = {
            let mut inner = lock(&self.inner);
            let result = f(&mut inner);
            inner.log.last_change = Instant::now();
            result
        };
        self.changed.notify_waiters();
        result
    }

    pub(super) fn now(&self) -> OffsetDateTime {
        let advance = lock(&self.inner).advance;
        let wall = OffsetDateTime::now_utc();
        wall.checked_add(advance).unwrap_or(wall)
    }

    pub(super) fn was_advanced(&self) -> bool {
        lock(&self.inner).advance != time::Duration::ZERO
    }
}

impl Inner {
    /// Counts a hit of a planned fault; its index and the how-manieth hit it was.
    pub(super) fn hit(&mut self, index: usize) -> Option<(usize, u32)> {
        let nth = self.faults.get_mut(index)?.hit();
        if let Some(hits) = self.log.fault_hits.get_mut(index) {
            *hits = nth;
        }
        Some((index, nth))
    }

    /// Keeps an exchange, or counts it if there are too many. True if it was kept.
    pub(super) fn keep(&mut self, exchange: &Exchange, fault: Option<(usize, u32)>) -> bool {
        let bytes = exchange.request.body.len() + exchange.reply.body.len();
        let fits = self.log.exchanges.len() < EXCHANGES_KEPT
            && self.bytes_kept.saturating_add(bytes) <= BYTES_KEPT;
        if fits {
            self.bytes_kept += bytes;
            self.log.exchanges.push(Exchange { fault, ..exchange.clone() });
        } else {
            self.log.not_kept += 1;
        }
        fits
    }

    /// Keeps entries, or counts them if there are too many.
    pub(super) fn enter(&mut self, entries: impl Iterator<Item = Entry>) {
        for entry in entries {
            if self.log.entries.len() < ENTRIES_KEPT {
                self.log.entries.push(entry);
            } else {
                self.log.not_kept += 1;
            }
        }
    }
}

/// The runner's handle on an open case. Dropping it closes the case.
pub struct CaseHandle {
    pub(super) state: Arc<State>,
    pub(super) case: Arc<CaseState>,
    pub(super) id: CaseId,
    pub(super) door: Option<Door>,
    pub(super) closed: bool,
}

impl std::fmt::Debug for CaseHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CaseHandle").field("case", &self.case.case.name).finish_non_exhaustive()
    }
}

impl CaseHandle {
    /// Waits until a condition on the log holds. Woken by every change, never polls.
    /// False if the deadline came first.
    pub async fn wait_until(
        &self,
        deadline: tokio::time::Instant,
        mut condition: impl FnMut(&Log) -> bool,
    ) -> bool {
        loop {
            let changed = self.case.changed.notified();
            tokio::pin!(changed);
            // Armed before the look: a change between look and wait must not be missed.
            changed.as_mut().enable();
            if self.look(&mut condition) {
                return true;
            }
            if tokio::time::timeout_at(deadline, changed).await.is_err() {
                return self.look(&mut condition);
            }
        }
    }

    /// Looks at the log.
    pub fn look<R>(&self, f: impl FnOnce(&Log) -> R) -> R {
        f(&lock(&self.case.inner).log)
    }

    /// What came for the case's platform and could not be read, in words, if anything did since the case was opened: its
    /// orders may have gone that way.
    pub fn unread(&self) -> Option<String> {
        let unread = lock(&self.state.unread);
        let platform = self.case.case.platform;
        unread.says(platform).filter(|_| unread.count(platform) > self.case.unread_before)
    }

    /// Ends planned faults (of one platform, or all); connections that they hold are reset.
    pub fn lift(&self, platform: Option<&str>) {
        let held = self.case.change(|inner| {
            let mut lifted = Vec::new();
            for (i, fault) in inner.faults.iter_mut().enumerate() {
                if fault.lift(platform) {
                    lifted.push(i);
                }
            }
            let (freed, kept): (Vec<_>, Vec<_>) = std::mem::take(&mut inner.held)
                .into_iter()
                .partition(|h| lifted.contains(&h.fault));
            inner.held = kept;
            freed
        });
        for held in held {
            held.line.reset();
        }
    }

    /// The case's own time: the wall clock plus what it was advanced by.
    pub fn now(&self) -> OffsetDateTime {
        self.case.now()
    }

    /// Moves the case's own time on.
    pub fn advance(&self, by: time::Duration) {
        self.case.change(|inner| inner.advance = inner.advance.saturating_add(by));
    }

    /// Makes a new credential for the account that this shop (by its index in the run) has at a platform, and
    /// returns it; empty if the platform has no account or no credential there. The old one stays valid, but an armed
    /// `token_expired` fault lets only requests with the new one pass.
    pub fn replace_credential(&self, platform: &str, shop: usize) -> String {
        let Some(Replacement { value, new_keys }) = self.state.accounts.replace(platform, shop)
        else {
            return String::new();
        };
        self.state.lease_more(self.id, new_keys);
        self.case.change(|inner| inner.fresh.push(value.clone()));
        value
    }

    /// Takes in the browser's own copy of an order as if it had come by the wire at `copy.at`. Planned faults do not
    /// hit it.
    /// Nothing happens if the platform has no such copy or the shop no account there.
    pub fn browser_copy(
        &self,
        platform: &'static dyn Platform,
        shop: &Shop,
        copy: &BrowserCopy,
        order: &OrderRef,
    ) {
        if let Some(account) = shop.accounts.get(platform.id())
            && let Some(request) = platform.browser_copy(copy, account)
        {
            self.state.inject(&self.case, platform, request, order, copy.at);
        }
    }

    /// Stops attributing to this case and hands out its log. Connections still held for it are reset; the private
    /// door, if there is one, is closed.
    pub fn close(mut self) -> Captured {
        self.closed = true;
        self.shut()
    }

    fn shut(&self) -> Captured {
        let captured = self.state.close(&self.case);
        if let Some(door) = &self.door {
            door.close();
        }
        captured
    }
}

impl Drop for CaseHandle {
    fn drop(&mut self) {
        if !self.closed {
            drop(self.shut());
        }
    }
}
