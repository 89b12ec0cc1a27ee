//! What each account's platform took, and what is remembered of cases that are over. Bounded.

use std::collections::{HashMap, HashSet, VecDeque};

use crate::{
    exchange::CaseId,
    platforms::{Entry, Item},
};

/// Entries of one account that the platform looks back on.
const LEDGER_LIMIT: usize = 10_000;

/// Dedup keys of closed cases that are remembered, so that their late retries are not taken for another case's.
const DEPARTED_LIMIT: usize = 100_000;

/// Platform id and account key.
pub(super) type AccountKey = (&'static str, String);

/// The ledgers of all accounts, and the journal's counter.
#[derive(Default)]
pub(super) struct Ledgers {
    seq: u64,
    by_account: HashMap<AccountKey, Vec<Entry>>,
    departed: HashSet<AccountKey>,
    /// Accounts at the platform that their last case was about: what is new there comes after the verdict.
    judged: HashSet<AccountKey>,
    departed_order: VecDeque<AccountKey>,
}

impl Ledgers {
    /// The next position in the journal.
    pub(super) fn next_seq(&mut self) -> u64 {
        let seq = self.seq;
        self.seq += 1;
        seq
    }

    /// What an account's platform took before.
    pub(super) fn of(&self, account: Option<&AccountKey>) -> &[Entry] {
        account.and_then(|key| self.by_account.get(key)).map_or(&[], Vec::as_slice)
    }

    /// Takes entries into an account's ledger.
    pub(super) fn take(&mut self, account: AccountKey, entries: impl Iterator<Item = Entry>) {
        let ledger = self.by_account.entry(account).or_default();
        ledger.extend(entries);
        if ledger.len() > LEDGER_LIMIT {
            // Half at once, so that the cost of moving the rest is spread.
            ledger.drain(..ledger.len() - LEDGER_LIMIT / 2);
        }
    }

    /// A case is over: its entries and its idle accounts are forgotten, the dedup keys it used are remembered.
    pub(super) fn depart(
        &mut self,
        case: CaseId,
        platform: &str,
        idle: &[AccountKey],
        used: impl Iterator<Item = AccountKey>,
    ) {
        for key in used {
            if self.departed.insert(key.clone()) {
                self.departed_order.push_back(key);
            }
        }
        while self.departed_order.len() > DEPARTED_LIMIT {
            if let Some(oldest) = self.departed_order.pop_front() {
                self.departed.remove(&oldest);
            }
        }
        for entries in self.by_account.values_mut() {
            entries.retain(|e| e.owner.as_ref().is_none_or(|o| o.case != case));
        }
        for key in idle {
            self.by_account.remove(key);
            if key.0 == platform {
                self.judged.insert(key.clone());
            }
        }
    }

    /// True if the case that this account belonged to is over.
    pub(super) fn is_judged(&self, platform: &'static str, account: &str) -> bool {
        self.judged.contains(&(platform, account.to_owned()))
    }

    /// True if a case that is over used this dedup key at this platform.
    pub(super) fn is_departed(&self, platform: &'static str, key: &str) -> bool {
        !self.departed.is_empty() && self.departed.contains(&(platform, key.to_owned()))
    }
}

/// What deduplication needs of an event, without the person.
pub(super) fn slimmed(item: &Item) -> Item {
    Item {
        identifiers: Vec::new(),
        ip: None,
        user_agent: None,
        url: None,
        source: None,
        ..item.clone()
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;

    use super::*;
    use crate::{exchange::Owner, platforms::Channel};

    fn entry(exchange: u64, case: CaseId) -> Entry {
        Entry {
            exchange,
            channel: Channel::Server,
            at: OffsetDateTime::UNIX_EPOCH,
            item: Item { key: Some(format!("order_{exchange}")), ..Item::default() },
            owner: Some(Owner { case, order: None }),
        }
    }

    #[test]
    fn a_million_entries_leave_a_bounded_ledger_that_ends_with_the_newest() {
        let mut ledgers = Ledgers::default();
        let account = ("ads", "acc".to_owned());
        for n in 0..1_000_000 {
            ledgers.take(account.clone(), std::iter::once(entry(n, 1)));
            assert!(ledgers.of(Some(&account)).len() <= LEDGER_LIMIT);
        }
        assert_eq!(ledgers.of(Some(&account)).last().map(|e| e.exchange), Some(999_999));
        assert!(ledgers.of(Some(&account)).len() >= LEDGER_LIMIT / 2);
    }

    #[test]
    fn what_closed_cases_used_is_remembered_up_to_a_bound() {
        let mut ledgers = Ledgers::default();
        let account = ("ads", "acc".to_owned());
        ledgers.take(account.clone(), [entry(1, 1), entry(2, 2)].into_iter());
        ledgers.depart(1, "ads", &[], std::iter::once(("ads", "order_1".to_owned())));
        assert!(ledgers.is_departed("ads", "order_1") && !ledgers.is_departed("tags", "order_1"));
        assert_eq!(ledgers.of(Some(&account)).len(), 1, "the other case's entry stays");
        let many = (0..DEPARTED_LIMIT * 2).map(|n| ("ads", format!("k{n}")));
        ledgers.depart(2, "ads", std::slice::from_ref(&account), many);
        assert_eq!(ledgers.departed.len(), DEPARTED_LIMIT);
        assert_eq!(ledgers.departed_order.len(), DEPARTED_LIMIT);
        assert!(ledgers.of(Some(&account)).is_empty());
        assert!(ledgers.is_judged("ads", "acc") && !ledgers.is_judged("tags", "acc"));
    }
}
