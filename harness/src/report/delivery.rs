//! How a relay delivers: requests per order, and the time from its acknowledgement to the platform's count.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::verdict::{CaseVerdict, Cell};

/// Figures of one platform, or of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Requests that carried a sale.
    pub attempts: u64,
    /// Of these, those beyond each order's first: retries, and whatever is sent once more than it should be.
    pub repeated: u64,
    /// Orders whose time is a measure of the relay: no planned failure, no restart in their case.
    pub timed_orders: u64,
    /// Half of them were taken by the platform within so many milliseconds after the relay had acknowledged them.
    pub median_ms: Option<u64>,
    /// And 95 of 100.
    pub p95_ms: Option<u64>,
}

/// Per platform in order of their names, and over all.
pub fn deliveries(cases: &[CaseVerdict]) -> (BTreeMap<String, Delivery>, Delivery) {
    let mut by_platform: BTreeMap<&str, Vec<&Cell>> = BTreeMap::new();
    for cell in cases.iter().flat_map(|case| &case.cells) {
        by_platform.entry(&cell.platform).or_default().push(cell);
    }
    let all = Delivery::of(by_platform.values().flatten().copied());
    let each = by_platform
        .into_iter()
        .map(|(platform, cells)| (platform.to_owned(), Delivery::of(cells.into_iter())));
    (each.collect(), all)
}

impl Delivery {
    fn of<'a>(cells: impl Iterator<Item = &'a Cell>) -> Self {
        let mut out = Self::default();
        let mut times = Vec::new();
        for cell in cells {
            out.attempts += u64::from(cell.attempts);
            out.repeated += u64::from(cell.attempts.saturating_sub(1));
            times.extend(cell.taken_after_ms);
        }
        times.sort_unstable();
        out.timed_orders = u64::try_from(times.len()).unwrap_or(u64::MAX);
        out.median_ms = within(&times, 50);
        out.p95_ms = within(&times, 95);
        out
    }
}

/// The smallest of the sorted values that so many of a hundred do not exceed (nearest rank).
fn within(sorted: &[u64], of_hundred: usize) -> Option<u64> {
    let rank = (sorted.len() * of_hundred).div_ceil(100);
    sorted.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_are_the_nearest_ones() {
        let hundred: Vec<u64> = (1..=100).collect();
        assert_eq!((within(&hundred, 50), within(&hundred, 95)), (Some(50), Some(95)));
        assert_eq!((within(&[7], 50), within(&[7], 95)), (Some(7), Some(7)));
        assert_eq!((within(&[1, 9], 50), within(&[1, 9], 95)), (Some(1), Some(9)));
        assert_eq!(within(&[], 95), None);
    }
}
