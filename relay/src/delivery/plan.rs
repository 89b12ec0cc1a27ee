//! Which of the conversions that are due share a request. Pure, tested as such.

use crate::destinations::Route;

/// Attempts after which a conversion is sent alone: it may be what makes its requests fail.
const SUSPICIOUS: u32 = 4;

/// What decides with whom a conversion may travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Traveller {
    /// Where it goes.
    pub(super) route: Route,
    /// Attempts so far.
    pub(super) attempts: u32,
    /// Must be alone.
    pub(super) alone: bool,
}

/// Requests in the order of their oldest member, as indices; each index once, none above `most` members.
///
/// New conversions do not travel with ones that failed before, and repeatedly failed ones travel alone, so
/// that one bad event cannot take good ones down with it for long.
pub(super) fn requests(due: &[Traveller], most: usize) -> Vec<Vec<usize>> {
    let mut groups: Vec<((Route, bool), Vec<usize>)> = Vec::new();
    for (index, traveller) in due.iter().enumerate() {
        let alone = traveller.alone || traveller.attempts >= SUSPICIOUS;
        let key = (traveller.route, traveller.attempts > 0);
        let open = groups
            .iter_mut()
            .filter(|_| !alone)
            .find(|(k, members)| *k == key && members.len() < most && is_open(members, due));
        match open {
            Some((_, members)) => members.push(index),
            None => groups.push((key, vec![index])),
        }
    }
    groups.into_iter().map(|(_, members)| members).collect()
}

fn is_open(members: &[usize], due: &[Traveller]) -> bool {
    members.first().and_then(|i| due.get(*i)).is_some_and(|t| !t.alone && t.attempts < SUSPICIOUS)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use proptest::prelude::*;

    fn traveller() -> impl Strategy<Value = Traveller> {
        (any::<bool>(), 0_u32..7, prop::bool::weighted(0.1)).prop_map(
            |(adjust, attempts, alone)| {
                let route = if adjust { Route::Adjustments } else { Route::Purchases };
                Traveller { route, attempts, alone }
            },
        )
    }

    proptest! {
        #[test]
        fn everyone_travels_once_in_fitting_company(
            due in prop::collection::vec(traveller(), 0..60), most in 1_usize..20,
        ) {
            let requests = requests(&due, most);
            let mut all: Vec<usize> = requests.iter().flatten().copied().collect();
            all.sort_unstable();
            prop_assert_eq!(all, (0..due.len()).collect::<Vec<_>>());
            for members in &requests {
                prop_assert!(!members.is_empty() && members.len() <= most);
                let t: Vec<Traveller> = members.iter().map(|i| *due.get(*i).unwrap()).collect();
                let single = t.iter().any(|t| t.alone || t.attempts >= SUSPICIOUS);
                prop_assert!(!single || t.len() == 1);
                let first = t.first().unwrap();
                prop_assert!(t.iter().all(|t| t.route == first.route));
                prop_assert!(t.iter().all(|t| (t.attempts > 0) == (first.attempts > 0)));
            }
            let oldest: Vec<usize> = requests.iter().map(|m| *m.first().unwrap()).collect();
            prop_assert!(oldest.is_sorted());
        }
    }
}
