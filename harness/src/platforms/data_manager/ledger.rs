//! What Google Ads counts of events and tag hits on one conversion action.
//!
//! Equal transaction ids join the tag's hit and the server's event: the tag's is the conversion, the server's value and
//! currency overwrite it. Repeats on either side are taken and dropped.
//! See <https://developers.google.com/data-manager/api/devguides/events/send-events>.

use std::collections::BTreeMap;

use time::OffsetDateTime;

use crate::platforms::{Channel, Counted, Entry, Item, ItemKind};

#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Name<'a> {
    Transaction { action: &'a str, id: &'a str },
    Click { action: &'a str, gclid: &'a str, time: OffsetDateTime },
}

fn name(item: &Item) -> Option<Name<'_>> {
    let action = item.target.as_deref().unwrap_or_default();
    if let Some(id) = item.key.as_deref() {
        return Some(Name::Transaction { action, id });
    }
    let gclid = item.ids.get("gclid")?;
    Some(Name::Click { action, gclid, time: item.time? })
}

/// One per transaction id (else gclid and time) and action; what has neither counts each time.
pub(super) fn count(entries: &[Entry]) -> Vec<Counted> {
    let mut groups: Vec<Vec<usize>> = Vec::new();
    let mut known: BTreeMap<Name<'_>, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.item.kind != ItemKind::Purchase || entry.item.test {
            continue;
        }
        let next = groups.len();
        let place = name(&entry.item).map_or(next, |name| *known.entry(name).or_insert(next));
        match groups.get_mut(place) {
            Some(group) => group.push(index),
            None => groups.push(vec![index]),
        }
    }
    groups.into_iter().filter_map(|group| conversion(entries, group)).collect()
}

fn conversion(entries: &[Entry], group: Vec<usize>) -> Option<Counted> {
    let first = |channel: Channel| {
        group
            .iter()
            .copied()
            .find(|index| entries.get(*index).is_some_and(|e| e.channel == channel))
    };
    let server = first(Channel::Server);
    let winner = first(Channel::Browser).or(server).or_else(|| group.first().copied())?;
    let own = &entries.get(winner)?.item;
    let overwrite = server.and_then(|index| entries.get(index)).map_or(own, |e| &e.item);
    let valued = if overwrite.value.is_some() { overwrite } else { own };
    Some(Counted {
        value: valued.value,
        currency: overwrite.currency.clone().or_else(|| own.currency.clone()),
        entries: group,
        winner,
        retracted: false,
        test: false,
    })
}
