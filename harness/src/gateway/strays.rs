//! Requests that belong to no open case, and such to hosts that nobody declared. Counted; the first few are kept.

use crate::exchange::Exchange;

/// Exchanges of each kind that are kept.
const KEPT: usize = 50;

/// See the module.
#[derive(Default)]
pub(super) struct Strays {
    /// Requests to platforms that belong to nobody, and the first of them.
    pub(super) orphans: (u64, Vec<Exchange>),
    /// Requests for accounts of this run while no open case claimed them.
    pub(super) late: u64,
    /// Requests to hosts that nobody declared.
    pub(super) undeclared: Vec<Exchange>,
}

impl Strays {
    pub(super) fn undeclared(&mut self, exchange: &Exchange) {
        if self.undeclared.len() < KEPT {
            self.undeclared.push(exchange.clone());
        }
    }

    pub(super) fn orphan(&mut self, exchange: &Exchange) {
        let (count, first) = &mut self.orphans;
        *count += 1;
        if first.len() < KEPT {
            first.push(exchange.clone());
        }
    }
}
