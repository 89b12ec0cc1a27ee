//! What Google Ads has and counts: one conversion per action and order id (or click id and time), changed by adjustments.
//! Pure functions of what the account took before.

use std::collections::BTreeMap;

use rust_decimal::Decimal;
use time::{Duration, OffsetDateTime};

use crate::platforms::{Counted, Entry, Item, ItemKind};

/// How Google names a conversion: the action, and the order id or else click id and time.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Name<'a> {
    Order { action: &'a str, order: &'a str },
    Click { action: &'a str, click: &'a str, time: OffsetDateTime },
}

/// The name of a row's conversion; `None`: nothing tells it from others.
pub(super) fn conversion(item: &Item) -> Option<Name<'_>> {
    let action = item.target.as_deref().unwrap_or_default();
    if let Some(order) = &item.key {
        return Some(Name::Order { action, order });
    }
    let click = ["gclid", "gbraid", "wbraid"].iter().find_map(|name| item.ids.get(*name))?;
    Some(Name::Click { action, click, time: item.time? })
}

/// Why a row is refused in view of what the account has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Refusal {
    OrderTaken,
    ClickTaken,
    NotFound,
    Retracted,
    SameTime,
    Behind,
    Precedes,
    Expired,
}

/// Holds a row against the account's past; `None`: nothing speaks against it.
pub(super) fn refusal(item: &Item, past: &[Entry]) -> Option<Refusal> {
    let name = conversion(item)?;
    let of_same = |entry: &&Entry| conversion(&entry.item).as_ref() == Some(&name);
    let mut same = past.iter().filter(of_same);
    let at = match item.kind {
        ItemKind::Purchase => {
            let taken = same.any(|e| e.item.kind == ItemKind::Purchase);
            return taken.then_some(match name {
                Name::Order { .. } => Refusal::OrderTaken,
                Name::Click { .. } => Refusal::ClickTaken,
            });
        }
        ItemKind::Retraction { at } | ItemKind::Restatement { at } => at,
        ItemKind::Other => return None,
    };
    let Some(first) = same.find(|e| e.item.kind == ItemKind::Purchase) else {
        return Some(Refusal::NotFound);
    };
    let (at, converted) = (at?, first.item.time?);
    if at < converted {
        return Some(Refusal::Precedes);
    }
    // Sources name 54 and 55 days; the more generous one is sure to be refused beyond.
    if at - converted > Duration::days(55) {
        return Some(Refusal::Expired);
    }
    for entry in past.iter().filter(of_same) {
        match entry.item.kind {
            ItemKind::Retraction { .. } => return Some(Refusal::Retracted),
            ItemKind::Restatement { at: Some(known) } if known == at => {
                return Some(Refusal::SameTime);
            }
            ItemKind::Restatement { at: Some(known) } if known > at => {
                return Some(Refusal::Behind);
            }
            _ => {}
        }
    }
    None
}

/// What is counted. Adjustments are among the entries of the conversion that they change, and apply in the order of
/// their own times.
pub(super) fn count(entries: &[Entry]) -> Vec<Counted> {
    let mut counted: Vec<Counted> = Vec::new();
    let mut known: BTreeMap<Name<'_>, usize> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        if entry.item.kind != ItemKind::Purchase || entry.item.test {
            continue;
        }
        let name = conversion(&entry.item);
        if let Some(place) = name.as_ref().and_then(|n| known.get(n)) {
            if let Some(first) = counted.get_mut(*place) {
                first.entries.push(index);
            }
            continue;
        }
        if let Some(name) = name {
            known.insert(name, counted.len());
        }
        counted.push(Counted {
            entries: vec![index],
            winner: index,
            value: entry.item.value,
            currency: entry.item.currency.clone(),
            retracted: false,
            test: false,
        });
    }
    for (index, entry) in by_own_time(entries) {
        let place = conversion(&entry.item).and_then(|name| known.get(&name).copied());
        if let Some(conversion) = place.and_then(|place| counted.get_mut(place)) {
            adjust(conversion, index, &entry.item);
        }
    }
    for conversion in &mut counted {
        conversion.entries.sort_unstable();
    }
    counted
}

fn by_own_time(entries: &[Entry]) -> Vec<(usize, &Entry)> {
    let mut adjustments: Vec<(Option<OffsetDateTime>, usize, &Entry)> = entries
        .iter()
        .enumerate()
        .filter_map(|(index, entry)| match entry.item.kind {
            ItemKind::Retraction { at } | ItemKind::Restatement { at } if !entry.item.test => {
                Some((at, index, entry))
            }
            _ => None,
        })
        .collect();
    adjustments.sort_by_key(|(at, index, _)| (*at, *index));
    adjustments.into_iter().map(|(_, index, entry)| (index, entry)).collect()
}

fn adjust(conversion: &mut Counted, index: usize, item: &Item) {
    conversion.entries.push(index);
    if conversion.retracted {
        return;
    }
    if let ItemKind::Retraction { .. } = item.kind {
        conversion.retracted = true;
        conversion.value = Some(Decimal::ZERO);
    } else {
        conversion.value = item.value;
        if item.currency.is_some() {
            conversion.currency.clone_from(&item.currency);
        }
    }
}
