//! What TikTok counts: the first copy of an event, filled up by a second one that comes soon after.
//! <https://ads.tiktok.com/help/article/event-deduplication>

use rust_decimal::Decimal;
use time::{Duration, OffsetDateTime};

use crate::platforms::{Counted, Entry, ItemKind};

/// How long after the first copy another one is recognised.
const WINDOW: Duration = Duration::hours(48);
/// Copies of the two channels that come this close together are merged.
const MERGED: Duration = Duration::minutes(5);

/// The purchases among the entries, after deduplication.
pub(super) fn count(entries: &[Entry]) -> Vec<Counted> {
    let mut order: Vec<usize> = (0..entries.len()).collect();
    order.sort_by_key(|&i| entries.get(i).map(|entry| entry.at));
    let mut groups: Vec<Group<'_>> = Vec::new();
    for (index, entry) in order.into_iter().filter_map(|i| Some((i, entries.get(i)?))) {
        if entry.item.kind != ItemKind::Purchase {
            continue;
        }
        match groups.iter_mut().find(|group| group.takes(entry)) {
            Some(group) => group.join(index, entry),
            None => groups.push(Group::of(index, entry)),
        }
    }
    groups.into_iter().map(Group::counted).collect()
}

/// Copies of one event: same source, same name, same id.
struct Group<'a> {
    first: &'a Entry,
    winner: usize,
    members: Vec<usize>,
    value: Option<Decimal>,
    currency: Option<String>,
    test: bool,
}

impl<'a> Group<'a> {
    fn of(index: usize, entry: &'a Entry) -> Self {
        Self {
            first: entry,
            winner: index,
            members: vec![index],
            value: entry.item.value,
            currency: entry.item.currency.clone(),
            test: entry.item.test,
        }
    }

    fn takes(&self, entry: &Entry) -> bool {
        let (first, new) = (&self.first.item, &entry.item);
        let is_same = new.key.is_some()
            && first.key == new.key
            && first.target == new.target
            && first.event_name == new.event_name
            // Tests go to a panel of their own.
            && first.test == new.test;
        is_same && within(WINDOW, self.first.at, entry.at)
    }

    fn join(&mut self, index: usize, entry: &Entry) {
        self.members.push(index);
        if entry.channel != self.first.channel && within(MERGED, self.first.at, entry.at) {
            self.value = self.value.or(entry.item.value);
            self.currency = self.currency.take().or_else(|| entry.item.currency.clone());
        }
    }

    fn counted(self) -> Counted {
        Counted {
            entries: self.members,
            winner: self.winner,
            value: self.value,
            currency: self.currency,
            retracted: false,
            test: self.test,
        }
    }
}

fn within(span: Duration, first: OffsetDateTime, then: OffsetDateTime) -> bool {
    then - first <= span
}
