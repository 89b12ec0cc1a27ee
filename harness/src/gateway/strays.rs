//! Requests that belong to no open case, and such to hosts that nobody declared. The first of each host are kept, so that
//! many to one hide none to another.

use crate::exchange::{CANARY_HOST, Exchange, Owner};

/// Hosts (for orphans: accounts at them) of each kind of which an exchange is kept.
const KEPT: usize = 50;
/// Late events that are kept.
const LATE_KEPT: usize = 200;

/// An event under a key that no case had used, for a case that had been judged or for nobody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LateEvent {
    /// Platform id.
    pub platform: &'static str,
    /// Dedup key; empty if it has none.
    pub key: String,
    /// Its exchange.
    pub seq: u64,
    /// Whose tracers it carries.
    pub owner: Option<Owner>,
}

/// See the module.
#[derive(Default)]
pub(super) struct Strays {
    /// How many requests to platforms belong to nobody, and the first for each host and account.
    pub(super) orphans: (u64, Vec<Exchange>),
    /// Requests for accounts of this run while no open case claimed them.
    pub(super) late: u64,
    /// New events among them, the first few.
    pub(super) late_events: Vec<LateEvent>,
    /// The first request to each host that nobody declared, and along each case's redirect.
    pub(super) undeclared: Vec<Exchange>,
}

impl Strays {
    pub(super) fn undeclared(&mut self, exchange: &Exchange) {
        let led = |one: &Exchange| one.request.host == CANARY_HOST;
        // A redirect's target is another one for each case.
        let same = |known: &&Exchange| {
            known.request.host == exchange.request.host
                && (!led(known) || known.request.path == exchange.request.path)
        };
        let kept = self.undeclared.iter().filter(|known| led(known) == led(exchange)).count();
        if kept < KEPT && self.undeclared.iter().find(same).is_none() {
            self.undeclared.push(exchange.clone());
        }
    }

    pub(super) fn late_events(&mut self, events: Vec<LateEvent>) {
        let room = LATE_KEPT.saturating_sub(self.late_events.len());
        self.late_events.extend(events.into_iter().take(room));
    }

    pub(super) fn orphan(&mut self, exchange: &Exchange) {
        let (count, first) = &mut self.orphans;
        *count += 1;
        if first.len() < KEPT && first.iter().all(|known| addressee(known) != addressee(exchange)) {
            first.push(exchange.clone());
        }
    }
}

/// Host and account of a request to a platform.
fn addressee(exchange: &Exchange) -> (&str, Option<&str>) {
    let account = exchange.reading.as_ref().and_then(|reading| reading.account.as_deref());
    (&exchange.request.host, account)
}
