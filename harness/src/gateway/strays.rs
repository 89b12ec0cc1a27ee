//! Requests that belong to no open case, and such to hosts that nobody declared. Counted; the first few are kept.

use crate::exchange::{Exchange, Owner};

/// Exchanges of each kind that are kept.
const KEPT: usize = 50;

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
    /// Requests to platforms that belong to nobody, and the first of them.
    pub(super) orphans: (u64, Vec<Exchange>),
    /// Requests for accounts of this run while no open case claimed them.
    pub(super) late: u64,
    /// New events among them, the first few.
    pub(super) late_events: Vec<LateEvent>,
    /// Requests to hosts that nobody declared.
    pub(super) undeclared: Vec<Exchange>,
}

impl Strays {
    pub(super) fn undeclared(&mut self, exchange: &Exchange) {
        if self.undeclared.len() < KEPT {
            self.undeclared.push(exchange.clone());
        }
    }

    pub(super) fn late_events(&mut self, events: Vec<LateEvent>) {
        let room = (4 * KEPT).saturating_sub(self.late_events.len());
        self.late_events.extend(events.into_iter().take(room));
    }

    pub(super) fn orphan(&mut self, exchange: &Exchange) {
        let (count, first) = &mut self.orphans;
        *count += 1;
        if first.len() < KEPT {
            first.push(exchange.clone());
        }
    }
}
