//! What Meta counts: pixel and server copies of one event are joined.
//! <https://developers.facebook.com/documentation/ads-commerce/conversions-api/deduplicate-pixel-and-server-events>

use time::{Duration, OffsetDateTime};

use crate::platforms::{Channel, Counted, Entry, IdentifierKind, Item, ItemKind};

/// How long after the first copy another one is recognised.
const WINDOW: Duration = Duration::hours(48);
/// A browser copy that comes this soon after the first is preferred.
const BROWSER_PREFERRED: Duration = Duration::minutes(5);

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
            None => groups.push(Group {
                first: entry,
                members: vec![index],
                winner: (index, entry),
                has_server_copy: entry.channel == Channel::Server,
            }),
        }
    }
    groups.into_iter().map(Group::counted).collect()
}

/// Copies of one event.
struct Group<'a> {
    first: &'a Entry,
    members: Vec<usize>,
    winner: (usize, &'a Entry),
    has_server_copy: bool,
}

impl<'a> Group<'a> {
    /// Whether the entry is a further copy of this event.
    fn takes(&self, entry: &Entry) -> bool {
        let (first, new) = (&self.first.item, &entry.item);
        let is_same_event = first.target == new.target && first.event_name == new.event_name;
        let is_in_time = within(WINDOW, self.first.at, entry.at);
        is_same_event
            && is_in_time
            && match &new.key {
                Some(key) => first.key.as_ref() == Some(key),
                None => self.takes_without_id(entry),
            }
    }

    /// Without an id a server copy is recognised by the person, if the browser's copy came first. Two copies of
    /// one channel are never joined that way.
    fn takes_without_id(&self, entry: &Entry) -> bool {
        self.first.channel == Channel::Browser
            && entry.channel == Channel::Server
            && !self.has_server_copy
            && is_same_person(&self.first.item, &entry.item)
    }

    fn join(&mut self, index: usize, entry: &'a Entry) {
        self.members.push(index);
        self.has_server_copy |= entry.channel == Channel::Server;
        let is_preferred =
            entry.channel == Channel::Browser && within(BROWSER_PREFERRED, self.first.at, entry.at);
        if is_preferred && self.winner.1.channel != Channel::Browser {
            self.winner = (index, entry);
        }
    }

    fn counted(self) -> Counted {
        let (winner, entry) = self.winner;
        Counted {
            entries: self.members,
            winner,
            value: entry.item.value,
            currency: entry.item.currency.clone(),
            retracted: false,
            // Test events count as all others do.
            test: false,
        }
    }
}

fn within(span: Duration, first: OffsetDateTime, then: OffsetDateTime) -> bool {
    then - first <= span
}

fn is_same_person(a: &Item, b: &Item) -> bool {
    let external = |item: &Item| -> Vec<String> {
        let ids = item.identifiers.iter().filter(|(kind, _)| *kind == IdentifierKind::ExternalId);
        ids.map(|(_, value)| value.clone()).collect()
    };
    let has_same_fbp = a.ids.get("fbp").is_some_and(|fbp| b.ids.get("fbp") == Some(fbp));
    let theirs = external(b);
    has_same_fbp || external(a).iter().any(|id| theirs.contains(id))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use proptest::prelude::*;
    use rust_decimal::Decimal;
    use time::macros::datetime;

    use super::*;

    const START: OffsetDateTime = datetime!(2026-11-25 12:00 UTC);

    fn copy(channel: Channel, minutes: i64, key: Option<&str>, value: i64) -> Entry {
        Entry {
            exchange: 0,
            channel,
            at: START + Duration::minutes(minutes),
            item: Item {
                event_name: Some("Purchase".into()),
                key: key.map(str::to_owned),
                target: Some("1".into()),
                value: Some(Decimal::from(value)),
                ids: [("fbp".to_owned(), "fb.1.1.2".to_owned())].into(),
                ..Item::default()
            },
            owner: None,
        }
    }

    use Channel::{Browser, Server};

    #[test]
    fn pixel_and_server_copies_with_one_id_count_once() {
        let counted = count(&[copy(Browser, 0, Some("a"), 1), copy(Server, 60, Some("a"), 2)]);
        assert_eq!(counted.len(), 1);
        assert_eq!((&counted[0].entries[..], counted[0].winner), (&[0, 1][..], 0));
        assert_eq!(counted[0].value, Some(Decimal::from(1)));
    }

    #[test]
    fn a_browser_copy_soon_after_is_preferred() {
        let winner = |minutes| {
            count(&[copy(Server, 0, Some("a"), 1), copy(Browser, minutes, Some("a"), 2)])[0].winner
        };
        assert_eq!(winner(5), 1);
        assert_eq!(winner(6), 0);
    }

    #[test]
    fn copies_beyond_two_days_count_again() {
        let number = |minutes| {
            count(&[copy(Server, 0, Some("a"), 1), copy(Server, minutes, Some("a"), 1)]).len()
        };
        assert_eq!(number(48 * 60), 1);
        assert_eq!(number(48 * 60 + 1), 2);
    }

    #[test]
    fn other_ids_names_and_pixels_are_other_events() {
        let first = copy(Browser, 0, Some("a"), 1);
        let mut renamed = copy(Server, 1, Some("a"), 1);
        renamed.item.event_name = Some("Order".into());
        let mut elsewhere = copy(Server, 1, Some("a"), 1);
        elsewhere.item.target = Some("2".into());
        for other in [copy(Server, 1, Some("A"), 1), renamed, elsewhere] {
            assert_eq!(count(&[first.clone(), other]).len(), 2);
        }
    }

    #[test]
    fn without_ids_only_a_browser_copy_that_came_first_is_joined() {
        assert_eq!(count(&[copy(Browser, 0, Some("a"), 1), copy(Server, 1, None, 1)]).len(), 1);
        assert_eq!(count(&[copy(Server, 0, None, 1), copy(Browser, 1, None, 1)]).len(), 2);
        assert_eq!(count(&[copy(Server, 0, None, 1), copy(Server, 1, None, 1)]).len(), 2);
        let twice = [copy(Browser, 0, None, 1), copy(Server, 1, None, 1), copy(Server, 2, None, 1)];
        assert_eq!(count(&twice).len(), 2);
        let mut stranger = copy(Server, 1, None, 1);
        stranger.item.ids.clear();
        assert_eq!(count(&[copy(Browser, 0, None, 1), stranger]).len(), 2);
    }

    #[test]
    fn only_purchases_are_counted() {
        let mut view = copy(Server, 0, Some("a"), 1);
        view.item.kind = ItemKind::Other;
        assert_eq!(count(&[view]).len(), 0);
    }

    fn entries() -> impl Strategy<Value = Vec<Entry>> {
        let one = (
            any::<bool>(),
            0..6000_i64,
            prop::option::of(prop::sample::select(vec!["a", "b"])),
            1..5_i64,
        );
        prop::collection::vec(
            one.prop_map(|(is_server, minutes, key, value)| {
                copy(if is_server { Server } else { Browser }, minutes, key, value)
            }),
            0..12,
        )
    }

    proptest! {
        #[test]
        fn each_purchase_is_in_exactly_one_count(entries in entries()) {
            let counted = count(&entries);
            prop_assert!(counted.len() <= entries.len());
            let mut all: Vec<usize> = counted.iter().flat_map(|one| one.entries.clone()).collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..entries.len()).collect::<Vec<_>>());
            for one in &counted {
                prop_assert!(one.entries.contains(&one.winner));
            }
        }

        #[test]
        fn an_immediate_retry_with_an_id_never_counts_more(entries in entries(), which in any::<prop::sample::Index>()) {
            prop_assume!(!entries.is_empty());
            let retry = which.get(&entries).clone();
            prop_assume!(retry.item.key.is_some());
            let before = count(&entries).len();
            let mut more = entries.clone();
            more.push(retry);
            prop_assert_eq!(count(&more).len(), before);
        }

        #[test]
        fn the_order_in_the_list_does_not_matter(mut entries in entries(), seed in any::<u64>()) {
            entries.retain(|entry| entry.item.key.is_some());
            let before = count(&entries).len();
            let len = entries.len().max(1);
            if !entries.is_empty() {
                entries.rotate_left(usize::try_from(seed).unwrap_or(0) % len);
            }
            prop_assert_eq!(count(&entries).len(), before);
        }
    }
}
