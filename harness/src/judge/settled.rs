//! Whether a case is decided while it still runs: cheap, asked after every change of its journal.

use crate::{
    exchange::{Exchange, OrderRef},
    plan::Case,
    platforms::{Channel, Entry, ItemKind, Platform},
    scenario::Expect,
    truth::{Count, Expected, Truth, is_same_amount},
};

/// Answer of [`settled`].
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settled {
    /// Nothing that is expected is missing.
    pub yes: bool,
    /// What is missing, in words.
    pub missing: Vec<String>,
}

/// Whether all that should arrive has arrived: every order that counts (with its last adjustment), an attempt for every
/// order that a planned failure keeps from counting, the attempts that the scenario expects, as many control orders as were
/// played; and no request is open.
///
/// Silence is not judged here: the quiet window begins when this says yes.
pub fn settled(
    case: &Case,
    platform: &dyn Platform,
    truth: &Truth,
    entries: &[Entry],
    exchanges: &[Exchange],
    open: usize,
    controls: u32,
) -> Settled {
    let here = |entry: &&Entry| {
        super::find(exchanges, entry.exchange).is_none_or(|x| x.platform == Some(platform.id()))
    };
    let own: Vec<&Entry> = entries
        .iter()
        .filter(|e| e.channel == Channel::Server && e.owner.is_some())
        .filter(here)
        .collect();
    let mut missing = Vec::new();
    for expected in &truth.orders {
        let taken: Vec<&&Entry> = own.iter().filter(|e| is_of(e, &expected.order)).collect();
        let sold = taken.iter().any(|e| e.item.kind == ItemKind::Purchase && !e.item.test);
        if expected.order == OrderRef::Sentinel {
            let mut keys: Vec<_> = taken.iter().map(|e| e.item.key.as_deref()).collect();
            keys.sort_unstable();
            keys.dedup();
            if keys.len() < controls.max(1) as usize {
                missing.push("the control order".into());
            }
            continue;
        }
        match expected.count {
            Count::Once if !sold => missing.push(format!("order {}", expected.order)),
            Count::Reported
                if !case.scenario.given.is_empty() && !attempted(exchanges, expected) =>
            {
                missing.push(format!("an attempt for order {}", expected.order));
            }
            Count::Once | Count::Either if sold && !adjusted(expected, &taken) => {
                missing.push(format!("the adjustment of order {}", expected.order));
            }
            _ => {}
        }
    }
    missing.extend(case.scenario.expect.iter().filter_map(|e| attempts(e, exchanges, platform)));
    if open > 0 {
        missing.push(format!("the end of requests that are still open ({open})"));
    }
    Settled { yes: missing.is_empty(), missing }
}

/// Attempts that the scenario expects and that have not come yet: an order that may fail for good (a refused credential)
/// is decided by nothing else.
fn attempts(expect: &Expect, exchanges: &[Exchange], platform: &dyn Platform) -> Option<String> {
    let Expect::Attempts(wanted) = expect else { return None };
    let least = wanted.at_least.max(wanted.exactly)?;
    let order = OrderRef::Named(wanted.order.clone());
    let seen = exchanges
        .iter()
        .filter(|x| x.platform == Some(platform.id()))
        .filter(|x| x.reading.as_ref().is_some_and(|r| r.channel == Channel::Server))
        .filter(|x| x.items_of(&order).next().is_some())
        .count();
    let seen = u32::try_from(seen).unwrap_or(u32::MAX);
    (seen < least).then(|| format!("attempt {} of {least} for order {order}", seen + 1))
}

fn is_of(entry: &Entry, order: &OrderRef) -> bool {
    entry.owner.as_ref().is_some_and(|owner| owner.order.as_ref() == Some(order))
}

fn attempted(exchanges: &[Exchange], expected: &Expected) -> bool {
    exchanges.iter().any(|e| {
        e.reading.as_ref().is_some_and(|r| r.channel == Channel::Server)
            && e.items_of(&expected.order).next().is_some()
    })
}

/// The last adjustment was taken (a relay may join several refunds in one).
fn adjusted(expected: &Expected, taken: &[&&Entry]) -> bool {
    let Some(last) = expected.adjustments.last() else { return true };
    if expected.must_stop.is_some() {
        return true;
    }
    taken.iter().any(|entry| match entry.item.kind {
        ItemKind::Retraction { .. } => last.remaining.is_zero(),
        ItemKind::Restatement { .. } => {
            !expected.knows(crate::truth::Fact::Adjustments)
                || entry.item.value.is_some_and(|v| is_same_amount(v, last.remaining))
        }
        // A relay that makes the event when it sends it says at once what is left.
        ItemKind::Purchase => entry.item.value.is_some_and(|v| is_same_amount(v, last.remaining)),
        _ => false,
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use rust_decimal::Decimal;
    use serde_json::json;

    use super::*;
    use crate::{checks::bench::Bench, platforms};

    #[test]
    fn a_sale_that_was_sent_at_what_is_left_needs_no_adjustment() {
        let mut bench = Bench::new(
            "google_ads",
            json!([
                {"visit": {"consent": "granted"}},
                {"order": {"id": "A", "total": "100 EUR"}},
                {"refund": {"order": "A", "amount": "40 EUR"}},
            ]),
        );
        bench.play();
        let expected = bench.expected("A");
        let is_adjusted = |bench: &Bench| {
            adjusted(
                &expected,
                &bench.entries.iter().collect::<Vec<_>>().iter().collect::<Vec<_>>(),
            )
        };
        bench.sends("A");
        assert!(!is_adjusted(&bench));
        let mut item = bench.item("A");
        item.value = Some(Decimal::from(60));
        bench.send("A", item);
        assert!(is_adjusted(&bench));
    }

    #[test]
    fn the_attempts_that_a_scenario_expects_are_waited_for() {
        let mut bench = Bench::usual("data_manager");
        let expect: Expect =
            serde_json::from_value(json!({"attempts": {"order": "A", "at_least": 2}})).unwrap();
        let platform = platforms::by_id("data_manager").unwrap();
        let missing = |bench: &Bench| attempts(&expect, &bench.history.exchanges, platform);
        bench.fails("A", 0, 401);
        assert_eq!(missing(&bench).as_deref(), Some("attempt 2 of 2 for order A"));
        bench.browser("A", "order_1");
        assert!(missing(&bench).is_some(), "the browser's copy is no attempt of the relay's");
        bench.sends("A");
        assert_eq!(missing(&bench), None);
    }
}
