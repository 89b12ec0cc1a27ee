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
