//! Whose event is this? Finds the case, and the order, that a captured text belongs to by the traceable values in it.
//!
//! Values are kept as 64-bit fingerprints: a case costs a few kilobytes, and adding or removing one costs as many steps
//! as it has values. A value that several open cases share says nothing and is passed over: no owner is better than a wrong one.

mod values;

use std::collections::{BTreeMap, HashMap};

use super::{Case, Shop};
use crate::exchange::{CaseId, OrderRef, Owner};
use values::{Values, for_each_key, whole_key};

/// Most bytes of one text that are looked at.
const TEXT_LIMIT: usize = 256 * 1024;

/// How much a value tells, best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// Order ids and tokens, and what must never leave an order.
    Order,
    /// Click ids.
    Click,
    /// Contact data, plain or hashed.
    Contact,
    /// `#1001`: short, and looked up as a whole text only.
    OrderName,
    /// First-party ids of the browser and the customer.
    Visitor,
    /// Address, user agent, the shop's host name.
    Network,
}

/// Who owns a value.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Claim {
    case: CaseId,
    /// Index into the case's orders; `None`: no single one.
    order: Option<usize>,
    rank: Rank,
}

/// What is kept of a case.
#[derive(Debug)]
struct Known {
    orders: Vec<OrderRef>,
    keys: Vec<u64>,
    /// It has been judged; what comes for it now comes late.
    over: bool,
}

/// The traceable values of all cases that were opened. Those of a case that is over stay, so that what comes late is
/// known to be its own; a value that an open case has as well is the open one's.
#[derive(Debug, Default)]
pub struct Index {
    claims: HashMap<u64, Vec<Claim>>,
    cases: HashMap<CaseId, Known>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a case in, with the shops that it uses.
    pub fn add(&mut self, case: &Case, shops: &[Shop]) {
        self.forget(case.id);
        let mut values = Values::default();
        values.of_case(case);
        values.of_steps(case);
        for shop in shops {
            values.whole(Rank::Network, None, &shop.domain);
        }
        self.insert(case, values);
    }

    fn insert(&mut self, case: &Case, values: Values) {
        let mut keys: Vec<u64> = Vec::with_capacity(values.found.len());
        for (key, (rank, orders)) in values.found {
            let order = match *orders.as_slice() {
                [only] => only,
                _ => None,
            };
            self.claims.entry(key).or_default().push(Claim { case: case.id, order, rank });
            keys.push(key);
        }
        let orders = case.all_orders().map(|order| order.id.clone()).collect();
        self.cases.insert(case.id, Known { orders, keys, over: false });
    }

    /// A case is over.
    pub fn retire(&mut self, case: CaseId) {
        if let Some(known) = self.cases.get_mut(&case) {
            known.over = true;
        }
    }

    fn forget(&mut self, case: CaseId) {
        let Some(known) = self.cases.remove(&case) else { return };
        for key in known.keys {
            if let Some(claims) = self.claims.get_mut(&key) {
                claims.retain(|claim| claim.case != case);
                if claims.is_empty() {
                    self.claims.remove(&key);
                }
            }
        }
    }

    /// The owner of one event, given all texts found in it: the case with the best evidence, and its order if the evidence
    /// names one (or the person has just one). Contradicting evidence of equal worth is no evidence.
    pub fn owner<'a>(&self, texts: impl IntoIterator<Item = &'a str>) -> Option<Owner> {
        let mut found: Vec<&Claim> = Vec::new();
        for text in texts {
            self.look_up(text, 2, &mut found);
        }
        let case = majority_by_rank(found.iter().map(|claim| (claim.rank, claim.case)))?;
        let of_case = found.iter().filter(|claim| claim.case == case);
        let order = majority_by_rank(of_case.filter_map(|claim| Some((claim.rank, claim.order?))));
        let known = self.cases.get(&case)?;
        Some(Owner { case, order: order.and_then(|index| known.orders.get(index)).cloned() })
    }

    /// `decode`: how many layers of percent-encoding may still be taken off.
    fn look_up<'a>(&'a self, text: &str, decode: u8, found: &mut Vec<&'a Claim>) {
        let mut end = text.len().min(TEXT_LIMIT);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        let text = text.get(..end).unwrap_or_default();
        let lower = text.trim().to_lowercase();
        found.extend(whole_key(&lower).and_then(|key| self.claim(key)));
        for_each_key(&lower, |key| found.extend(self.claim(key)));
        if decode > 0 && text.contains('%') {
            for (name, value) in url::form_urlencoded::parse(text.as_bytes()) {
                self.look_up(&name, decode - 1, found);
                self.look_up(&value, decode - 1, found);
            }
        }
    }

    /// The claim on a value, if it is the only one of an open case, or else of one that is over.
    fn claim(&self, key: u64) -> Option<&Claim> {
        let claims = self.claims.get(&key)?;
        if let [only] = claims.as_slice() {
            return Some(only);
        }
        let is_open = |claim: &&Claim| self.cases.get(&claim.case).is_some_and(|known| !known.over);
        let mut open = claims.iter().filter(is_open);
        let first = open.next()?;
        open.next().is_none().then_some(first)
    }
}

/// What most of the best evidence says. On a draw the next best decides, among those that drew.
fn majority_by_rank<T: Ord + Copy>(votes: impl Iterator<Item = (Rank, T)>) -> Option<T> {
    let mut by_rank: BTreeMap<Rank, BTreeMap<T, usize>> = BTreeMap::new();
    for (rank, candidate) in votes {
        *by_rank.entry(rank).or_default().entry(candidate).or_default() += 1;
    }
    let mut running: Option<Vec<T>> = None;
    for counts in by_rank.into_values() {
        let in_race =
            |candidate: &T| running.as_ref().is_none_or(|running| running.contains(candidate));
        let counts: Vec<(T, usize)> =
            counts.into_iter().filter(|(candidate, _)| in_race(candidate)).collect();
        let Some(most) = counts.iter().map(|(_, n)| *n).max() else { continue };
        let leading: Vec<T> = counts
            .into_iter()
            .filter(|(_, n)| *n == most)
            .map(|(candidate, _)| candidate)
            .collect();
        if let [only] = *leading.as_slice() {
            return Some(only);
        }
        running = Some(leading);
    }
    None
}

#[cfg(test)]
pub(crate) mod tests;
