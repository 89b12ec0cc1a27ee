//! The journal: what is open, what was written down, how it ended.
//!
//! Everything here is synchronous. One lock (`ledgers`) orders the journal: under it a fault is chosen, the platform
//! answers with its ledger in view, and the exchange is written down, so that two requests at the same moment see each
//! other. Cases have locks of their own, taken inside that one and never the other way round. `open` is never taken
//! inside `ledgers`.

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Arc, Mutex, PoisonError, RwLock, RwLockReadGuard,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Instant,
};

use time::OffsetDateTime;

use super::{
    accounts::Registry,
    arrivals::Arrivals,
    case::{Captured, CaseState, Held},
    faults::{Act, Armed, Effect},
    ledger::{AccountKey, Ledgers, slimmed},
    shared::Shared,
    strays::{LateEvent, Strays},
    unread::Unread,
    wire::{Line, lock},
};
use crate::{
    exchange::{BODY_LIMIT, CaseId, Ending, Exchange, Owner, Reply, Request},
    plan::{Case, Shop, tracers::Index},
    platforms::{Channel, Entry, ItemKind, Platform, Reading},
};

/// Everything the gateway knows.
pub(super) struct State {
    pub(super) started: Instant,
    pub(super) platforms: &'static [&'static dyn Platform],
    pub(super) accounts: Registry,
    open: RwLock<Open>,
    pub(super) ledgers: Mutex<Ledgers>,
    pub(super) strays: Mutex<Strays>,
    /// How requests came in.
    pub(super) arrivals: Mutex<Arrivals>,
    /// What could not be read.
    pub(super) unread: Mutex<Unread>,
    /// Open cases with faults that strike before a body is read.
    early_cases: AtomicUsize,
    /// Connections that ended because of a defect of the harness.
    pub(super) panics: AtomicU64,
    /// Requests that came in by the wire.
    pub(super) served: AtomicU64,
}

/// The open cases and how to find them.
pub(super) struct Open {
    pub(super) index: Index,
    pub(super) cases: HashMap<CaseId, Arc<CaseState>>,
    /// Cases that use an account.
    leases: HashMap<AccountKey, Vec<CaseId>>,
    /// Accounts that cases used which are over.
    used_before: HashSet<AccountKey>,
}

impl Open {
    /// Whether several open cases use an account.
    pub(super) fn is_shared(&self, platform: &'static str, key: &str) -> bool {
        self.leases.get(&(platform, key.to_owned())).is_some_and(|cases| cases.len() > 1)
    }

    /// The only open case that uses an account.
    pub(super) fn lessee(&self, platform: &'static str, key: &str) -> Option<CaseId> {
        match self.leases.get(&(platform, key.to_owned())).map(Vec::as_slice) {
            Some([only]) => Some(*only),
            _ => None,
        }
    }

    /// The same if no other case has used the account before.
    pub(super) fn only_user(&self, platform: &'static str, key: &str) -> Option<CaseId> {
        let is_new = !self.used_before.contains(&(platform, key.to_owned()));
        self.lessee(platform, key).filter(|_| is_new)
    }
}

/// Names an exchange that is in the journal of these cases.
pub(super) struct Ticket {
    pub(super) seq: u64,
    cases: Vec<Arc<CaseState>>,
}

/// What the connection has to do about a request.
pub(super) struct Directive {
    pub(super) reply: Reply,
    pub(super) act: Act,
    pub(super) ticket: Ticket,
    /// The case's own time, for the `Date` header.
    pub(super) now: OffsetDateTime,
    /// The fault (case, index) that holds the connection.
    pub(super) held_by: Option<(Arc<CaseState>, usize)>,
}

/// A fault that was found to hit.
pub(super) struct Struck {
    pub(super) case: Arc<CaseState>,
    pub(super) index: usize,
}

/// What is known of a request when it is written down.
pub(super) struct Facts {
    pub(super) platform: Option<&'static dyn Platform>,
    pub(super) request: Request,
    pub(super) reading: Option<Reading>,
    pub(super) owners: Vec<Option<Owner>>,
    pub(super) cases: Vec<Arc<CaseState>>,
    /// Of each item that no open case owns: the case that is over, if it carries its tracers.
    pub(super) over: Vec<Option<Owner>>,
    /// Several open cases use the account.
    pub(super) shared_account: bool,
    /// The account, if it is a known one.
    pub(super) account: Option<AccountKey>,
    /// When, in the case's own time.
    pub(super) now: OffsetDateTime,
}

impl State {
    pub(super) fn new(started: Instant, platforms: &'static [&'static dyn Platform]) -> Self {
        Self {
            started,
            platforms,
            accounts: Registry::default(),
            open: RwLock::new(Open {
                index: Index::new(),
                cases: HashMap::new(),
                leases: HashMap::new(),
                used_before: HashSet::new(),
            }),
            ledgers: Mutex::default(),
            strays: Mutex::default(),
            arrivals: Mutex::default(),
            unread: Mutex::default(),
            early_cases: AtomicUsize::new(0),
            panics: AtomicU64::new(0),
            served: AtomicU64::new(0),
        }
    }

    pub(super) fn opened(&self) -> RwLockReadGuard<'_, Open> {
        self.open.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn case(&self, id: CaseId) -> Option<Arc<CaseState>> {
        self.opened().cases.get(&id).cloned()
    }

    /// True if any open case plans a fault that strikes before the body is read.
    pub(super) fn any_early_faults(&self) -> bool {
        self.early_cases.load(Ordering::Acquire) > 0
    }

    /// Makes a case known: from now on requests are attributed to it.
    pub(super) fn open(&self, case: Arc<Case>, shops: &[Shop]) -> Result<Arc<CaseState>, String> {
        let id = case.id;
        let unread = lock(&self.unread).count(case.platform);
        let state = Arc::new(CaseState::new(Arc::clone(&case), unread)?);
        let early = usize::from(lock(&state.inner).faults.iter().any(Armed::strikes_early));
        self.accounts.add(shops);
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.cases.contains_key(&id) {
            return Err(format!("case {id} is open already"));
        }
        open.index.add(&case, shops);
        for shop in shops {
            for (platform, account) in &shop.accounts {
                open.leases.entry((*platform, account.key.clone())).or_default().push(id);
            }
        }
        open.cases.insert(id, Arc::clone(&state));
        self.early_cases.fetch_add(early, Ordering::AcqRel);
        Ok(state)
    }

    /// More accounts of an open case.
    pub(super) fn lease_more(&self, id: CaseId, keys: Vec<AccountKey>) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        for key in keys {
            open.leases.entry(key).or_default().push(id);
        }
    }

    /// Takes a case out and hands out its log. Connections that are held for it are reset.
    pub(super) fn close(&self, state: &Arc<CaseState>) -> Captured {
        let id = state.case.id;
        let idle = {
            let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
            let open = &mut *open;
            open.index.retire(id);
            open.cases.remove(&id);
            let mut idle: Vec<AccountKey> = Vec::new();
            open.leases.retain(|key, cases| {
                if cases.contains(&id) {
                    open.used_before.insert(key.clone());
                }
                cases.retain(|c| *c != id);
                if cases.is_empty() {
                    idle.push(key.clone());
                }
                !cases.is_empty()
            });
            idle
        };
        let at = self.started.elapsed();
        let (captured, held, early) = state.change(|inner| {
            inner.closed = true;
            let held = std::mem::take(&mut inner.held);
            let log = &mut inner.log;
            for exchange in &mut log.exchanges {
                if held.iter().any(|h| h.seq == exchange.seq) {
                    exchange.ending = Ending::Unanswered;
                    exchange.ended_at = Some(at);
                }
            }
            let captured = Captured {
                exchanges: std::mem::take(&mut log.exchanges),
                entries: std::mem::take(&mut log.entries),
                not_kept: log.not_kept,
            };
            (captured, held, usize::from(inner.faults.iter().any(Armed::strikes_early)))
        });
        self.early_cases.fetch_sub(early, Ordering::AcqRel);
        for held in held {
            held.line.reset();
        }
        let used = captured.exchanges.iter().flat_map(|e| {
            let items = e.reading.iter().flat_map(|r| &r.items);
            items.filter_map(move |item| Some((e.platform?, item.key.clone()?)))
        });
        lock(&self.ledgers).depart(id, state.case.platform, &idle, used);
        captured
    }

    /// Writes an exchange into the journal of every case concerned, and what was taken into the ledger.
    pub(super) fn write_down(
        &self,
        ledgers: &mut Ledgers,
        facts: Facts,
        effect: Effect,
        struck: Option<Struck>,
    ) -> Directive {
        let seq = ledgers.next_seq();
        let Facts { platform, request, reading, owners, cases, account, now, .. } = facts;
        let Facts { over, shared_account, .. } = facts;
        let Effect { answer, act, .. } = effect;
        let items = reading.as_ref().map_or(&[][..], |r| &r.items);
        let taken: Vec<usize> = answer.accepted.into_iter().filter(|i| *i < items.len()).collect();
        let entry = |i: usize, slim: bool| -> Option<Entry> {
            let item = items.get(i)?;
            Some(Entry {
                exchange: seq,
                channel: reading.as_ref()?.channel,
                at: now,
                item: if slim { slimmed(item) } else { item.clone() },
                owner: owners.get(i).cloned().flatten(),
            })
        };
        if let Some(account) = account {
            ledgers.take(account, taken.iter().filter_map(|i| entry(*i, true)));
        }

        let mut exchange = Exchange {
            seq,
            at: self.started.elapsed(),
            ended_at: None,
            time: now,
            platform: platform.map(Platform::id),
            request,
            reading: reading.clone(),
            owners: owners.clone(),
            fault: None,
            accepted: taken.clone(),
            reply: answer.reply.clone(),
            ending: Ending::Open,
        };
        let mut held_by = None;
        let mut written: Vec<CaseId> = Vec::new();
        // Taken apart before it is cut: what is left of JSON that was cut can no longer be.
        let shared = (cases.len() > 1).then(|| Shared::of(&exchange));
        cut(&mut exchange.request.body);
        for case in &cases {
            let projected = shared.as_ref().map(|shared| {
                let mut seen = shared.seen_by(case.case.id);
                cut(&mut seen.request.body);
                seen
            });
            let exchange = projected.as_ref().unwrap_or(&exchange);
            let is_open = case.change(|inner| {
                if inner.closed {
                    return false;
                }
                let mut hit = None;
                if let Some(struck) = struck.as_ref().filter(|s| Arc::ptr_eq(&s.case, case)) {
                    hit = inner.hit(struck.index);
                    if act == Act::Hold {
                        held_by = Some((Arc::clone(case), struck.index));
                    }
                }
                inner.log.open += 1;
                let kept = inner.keep(exchange, hit);
                if exchange.platform == Some(case.case.platform) {
                    let owner = |i: &usize| owners.get(*i).and_then(Option::as_ref);
                    let mine =
                        taken.iter().filter(|i| owner(i).is_some_and(|o| o.case == case.case.id));
                    inner.enter(mine.filter_map(|i| entry(*i, !kept)));
                }
                true
            });
            if is_open {
                written.push(case.case.id);
            }
        }
        if exchange.platform.is_none() {
            lock(&self.strays).undeclared(&exchange);
        } else {
            if written.is_empty() {
                self.note_stray(&exchange);
            }
            let rest = exchange.owners.iter().enumerate().filter_map(|(i, owner)| match owner {
                Some(owner) if written.contains(&owner.case) => None,
                Some(owner) => Some((i, Some(owner.clone()))),
                None => Some((i, over.get(i).cloned().flatten())),
            });
            self.note_late_events(ledgers, &exchange, rest, shared_account);
        }
        Directive { reply: answer.reply, act, ticket: Ticket { seq, cases }, now, held_by }
    }

    /// A request to a platform that no open case owns: too late for its case, or an orphan.
    fn note_stray(&self, exchange: &Exchange) {
        let account = exchange.reading.as_ref().and_then(|r| r.account.as_deref());
        let known =
            exchange.platform.zip(account).is_some_and(|(p, key)| self.accounts.is_known(p, key));
        let mut strays = lock(&self.strays);
        if known {
            strays.late += 1;
        } else {
            strays.orphan(exchange);
        }
    }

    /// Events for known accounts that belong to no open case, under keys that no case has used: they come after the
    /// verdict of the case whose tracers they carry, or nobody ordered them.
    fn note_late_events(
        &self,
        ledgers: &Ledgers,
        exchange: &Exchange,
        items: impl Iterator<Item = (usize, Option<Owner>)>,
        shared_account: bool,
    ) {
        let Some((platform, reading)) = exchange.platform.zip(exchange.reading.as_ref()) else {
            return;
        };
        let account =
            reading.account.as_deref().filter(|key| self.accounts.is_known(platform, key));
        let Some(account) = account.filter(|_| reading.channel == Channel::Server) else { return };
        let judged = shared_account || ledgers.is_judged(platform, account);
        let new: Vec<LateEvent> = items
            .filter(|(_, owner)| judged || owner.is_some())
            .filter_map(|(i, owner)| {
                let item = reading.items.get(i).filter(|item| item.kind != ItemKind::Other)?;
                let key = item.key.clone().unwrap_or_default();
                let new = key.is_empty() || !ledgers.is_departed(platform, &key);
                new.then_some(LateEvent { platform, key, seq: exchange.seq, owner })
            })
            .collect();
        if !new.is_empty() {
            lock(&self.strays).late_events(new);
        }
    }

    /// An exchange ended.
    pub(super) fn finish(&self, ticket: &Ticket, ending: &Ending) {
        let at = self.started.elapsed();
        for case in &ticket.cases {
            case.change(|inner| {
                inner.log.open = inner.log.open.saturating_sub(1);
                inner.held.retain(|h| h.seq != ticket.seq);
                let exchanges = &mut inner.log.exchanges;
                let found = exchanges.binary_search_by_key(&ticket.seq, |e| e.seq);
                if let Some(exchange) = found.ok().and_then(|i| exchanges.get_mut(i)) {
                    exchange.ending = ending.clone();
                    exchange.ended_at = Some(at);
                }
            });
        }
    }

    /// Remembers a connection that stays silent, or resets it at once if its fault was lifted meanwhile.
    pub(super) fn hold(&self, case: &CaseState, fault: usize, seq: u64, line: &Arc<Line>) {
        let gone = {
            let mut inner = lock(&case.inner);
            let gone = inner.closed || inner.faults.get(fault).is_none_or(Armed::is_lifted);
            if !gone {
                inner.held.push(Held { seq, fault, line: Arc::clone(line) });
            }
            gone
        };
        if gone {
            line.reset();
        }
    }
}

/// Cuts a body at [`BODY_LIMIT`], between characters.
fn cut(body: &mut String) {
    if body.len() > BODY_LIMIT {
        let end = (0..=BODY_LIMIT).rev().find(|i| body.is_char_boundary(*i)).unwrap_or(0);
        body.truncate(end);
        body.shrink_to_fit();
    }
}
