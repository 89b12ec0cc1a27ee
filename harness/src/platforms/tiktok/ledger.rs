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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use time::macros::datetime;

    use super::*;
    use crate::platforms::{
        Channel::{self, Browser, Server},
        Item,
    };

    const START: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn copy(
        channel: Channel,
        minutes: i64,
        name: &str,
        key: Option<&str>,
        value: Option<i64>,
    ) -> Entry {
        Entry {
            exchange: 0,
            channel,
            at: START + Duration::minutes(minutes),
            item: Item {
                event_name: Some(name.into()),
                key: key.map(str::to_owned),
                target: Some("C1".into()),
                value: value.map(Decimal::from),
                ..Item::default()
            },
            owner: None,
        }
    }

    fn purchase(channel: Channel, minutes: i64, value: Option<i64>) -> Entry {
        copy(channel, minutes, "Purchase", Some("a"), value)
    }

    #[test]
    fn the_first_copy_counts() {
        let counted = count(&[purchase(Server, 0, Some(1)), purchase(Browser, 60, Some(2))]);
        assert_eq!(
            (counted.len(), counted[0].winner, counted[0].value),
            (1, 0, Some(Decimal::ONE))
        );
    }

    #[test]
    fn a_second_copy_soon_after_fills_gaps_only() {
        let value = |first, second, minutes, channel| {
            count(&[purchase(Browser, 0, first), purchase(channel, minutes, second)])[0].value
        };
        assert_eq!(value(None, Some(2), 5, Server), Some(Decimal::TWO));
        assert_eq!(value(Some(1), Some(2), 5, Server), Some(Decimal::ONE));
        assert_eq!(value(None, Some(2), 6, Server), None);
        assert_eq!(value(None, Some(2), 1, Browser), None);
    }

    #[test]
    fn a_retry_within_two_days_is_dropped() {
        let number =
            |minutes| count(&[purchase(Server, 0, None), purchase(Server, minutes, None)]).len();
        assert_eq!((number(48 * 60), number(48 * 60 + 1)), (1, 2));
    }

    #[test]
    fn the_older_name_of_a_purchase_is_another_event() {
        let older = copy(Server, 1, "CompletePayment", Some("a"), None);
        assert_eq!(count(&[purchase(Browser, 0, None), older]).len(), 2);
    }

    #[test]
    fn events_without_id_are_never_joined() {
        let one = copy(Server, 0, "Purchase", None, None);
        assert_eq!(count(&[one.clone(), one]).len(), 2);
    }

    #[test]
    fn tests_are_not_part_of_the_live_count() {
        let mut test = purchase(Server, 0, None);
        test.item.test = true;
        let counted = count(&[test, purchase(Browser, 1, None)]);
        assert_eq!(counted.iter().map(|one| one.test).collect::<Vec<_>>(), [true, false]);
    }

    proptest! {
        #[test]
        fn each_purchase_is_in_exactly_one_count(copies in prop::collection::vec((any::<bool>(), 0..6000_i64, prop::option::of(0..3_u8)), 0..12)) {
            let entries: Vec<Entry> = copies
                .into_iter()
                .map(|(is_server, minutes, key)| {
                    let key = key.map(|key| key.to_string());
                    copy(if is_server { Server } else { Browser }, minutes, "Purchase", key.as_deref(), None)
                })
                .collect();
            let counted = count(&entries);
            let mut all: Vec<usize> = counted.iter().flat_map(|one| one.entries.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..entries.len()).collect::<Vec<_>>());
            prop_assert!(counted.iter().all(|one| one.entries.contains(&one.winner)));
            // A retry of any entry with an id changes nothing.
            for entry in entries.iter().filter(|entry| entry.item.key.is_some()) {
                let mut more = entries.clone();
                more.insert(0, entry.clone());
                prop_assert_eq!(count(&more).len(), counted.len());
            }
        }
    }
}
