//! The store's rules on a database in memory: what an order owes to each destination, and the queue as a whole.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, HashMap, HashSet};

use proptest::prelude::*;
use rusqlite::Connection;

use super::intake::{CANCELLATION, Intake, reconcile, take};
use super::people::{Person, PersonKeys, erase};
use super::queue::{Finish, Next, due, finish};
use super::{Rules, schema, sweep};
use crate::clock::{from_millis, millis};
use crate::config::{Policy, Retention};
use crate::model::order::tests::order;
use crate::model::order::{Order, OrderState, Refund};

const LANE: (&str, &str) = ("s", "google_ads");

fn open() -> (Connection, Rules) {
    let db = Connection::open_in_memory().unwrap();
    db.execute_batch(schema::TABLES).unwrap();
    let rules = Rules {
        policy: Policy::default(),
        batch_delay_ms: 0,
        destinations: HashMap::from([("s".to_owned(), vec!["google_ads"])]),
        keys: PersonKeys::load(&db).unwrap(),
    };
    (db, rules)
}

struct Shop {
    db: Connection,
    rules: Rules,
    now: i64,
}

impl Shop {
    fn new() -> Self {
        let (db, rules) = open();
        Self { db, rules, now: millis(order(1).placed_at) }
    }

    fn told(&self, order: Option<Order>, refunds: Vec<Refund>) -> bool {
        let refunds = refunds.into_iter().map(|r| ("1".to_owned(), r)).collect();
        let intake = Intake { shop: "s".into(), message_id: None, order, refunds };
        !take(&self.db, &self.rules, &intake, self.now).unwrap().duplicate
    }

    /// Ids of due deliveries with their refund id.
    fn due(&self) -> Vec<(i64, String)> {
        let lane = (LANE.0.to_owned(), LANE.1.to_owned());
        let (rows, _) = due(&self.db, &lane, self.now, 100, &HashSet::new(), 0).unwrap();
        rows.into_iter().map(|d| (d.id, d.refund.map(|r| r.id).unwrap_or_default())).collect()
    }

    fn finished(&self, id: i64, next: Next) {
        finish(&self.db, &self.rules, &[Finish { id, attempt: None, next }], self.now).unwrap();
    }

    /// State and reason of each delivery, by refund id.
    fn states(&self) -> BTreeMap<String, String> {
        let mut rows = self
            .db
            .prepare("SELECT refund_id, state || coalesce(' ' || reason, '') FROM delivery")
            .unwrap();
        rows.query_map([], |r| Ok((r.get(0)?, r.get(1)?))).unwrap().map(Result::unwrap).collect()
    }

    fn deliver_all(&mut self) {
        self.now += 10_000;
        loop {
            let due = self.due();
            let Some((id, _)) = due.first() else { return };
            self.finished(*id, Next::Delivered);
        }
    }
}

fn refund(id: &str, minute: i64) -> Refund {
    let at = from_millis(millis(order(1).placed_at) + minute * 60_000);
    Refund { id: id.into(), amount: "10.00".parse().unwrap(), currency: None, at }
}

fn cancelled() -> Order {
    let at = from_millis(millis(order(1).placed_at) + 60_000);
    Order { cancelled_at: Some(at), version_ms: 9, ..order(1) }
}

fn of(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect()
}

#[test]
fn a_refund_waits_for_its_purchase_and_for_earlier_refunds() {
    let shop = Shop::new();
    shop.told(None, vec![refund("later", 2)]);
    assert!(shop.due().is_empty(), "no order yet");
    shop.told(Some(order(1)), vec![refund("first", 1)]);
    let purchase = shop.due();
    assert_eq!(purchase.len(), 1);
    shop.finished(purchase[0].0, Next::Later(shop.now));
    assert_eq!(shop.due(), purchase, "still only the purchase");
    shop.finished(purchase[0].0, Next::Delivered);
    let first = shop.due();
    assert_eq!(first.iter().map(|d| d.1.as_str()).collect::<Vec<_>>(), ["first"]);
    shop.finished(first[0].0, Next::Delivered);
    assert_eq!(shop.due()[0].1, "later");
}

#[test]
fn a_cancellation_before_sending_withholds_and_afterwards_retracts_once() {
    let early = Shop::new();
    early.told(Some(order(1)), vec![]);
    early.told(Some(cancelled()), vec![]);
    assert_eq!(early.states(), of(&[("", "withheld cancelled")]));

    let mut late = Shop::new();
    late.told(Some(order(1)), vec![]);
    late.deliver_all();
    late.told(Some(cancelled()), vec![]);
    assert!(late.due().is_empty(), "its refund webhook gets a moment to arrive");
    late.deliver_all();
    assert_eq!(late.states(), of(&[("", "delivered"), (CANCELLATION, "delivered")]));
    late.told(None, vec![refund("r", 2)]);
    late.deliver_all();
    assert_eq!(late.states()["r"], "withheld covered_by_cancellation");
}

#[test]
fn a_refund_stands_for_the_cancellation_that_came_with_it() {
    for refund_first in [true, false] {
        let mut shop = Shop::new();
        shop.told(Some(order(1)), vec![]);
        shop.deliver_all();
        if refund_first {
            shop.told(None, vec![refund("r", 2)]);
        }
        shop.told(Some(cancelled()), vec![]);
        shop.told(None, vec![refund("r", 2)]);
        shop.deliver_all();
        let states = shop.states();
        assert_eq!(states["r"], "delivered");
        assert_ne!(states.get(CANCELLATION).map(String::as_str), Some("delivered"));
    }
}

#[test]
fn a_refund_of_an_order_that_was_never_sent_is_withheld_until_it_is() {
    let shop = Shop::new();
    shop.told(Some(order(1)), vec![refund("r", 1)]);
    let purchase = shop.due()[0].0;
    shop.finished(purchase, Next::Dead("no".into()));
    assert_eq!(shop.states()["r"], "withheld purchase_not_sent");
    super::listing::replay(&shop.db, &shop.rules, purchase, shop.now).unwrap();
    assert_eq!(shop.due().len(), 1);
    shop.finished(purchase, Next::Delivered);
    assert_eq!(shop.due()[0].1, "r");
}

#[test]
fn a_delivery_that_ends_after_its_cancellation_is_still_retracted() {
    let mut shop = Shop::new();
    shop.told(Some(order(1)), vec![]);
    let in_flight = shop.due()[0].0;
    shop.told(Some(cancelled()), vec![]);
    shop.finished(in_flight, Next::Delivered);
    shop.deliver_all();
    assert_eq!(shop.states(), of(&[("", "delivered"), (CANCELLATION, "delivered")]));
}

#[test]
fn an_erased_order_stays_erased_and_a_new_order_of_the_person_counts() {
    let shop = Shop::new();
    let mut one = order(1);
    one.contact.email = Some("Jane@Example.com ".into());
    shop.told(Some(one.clone()), vec![]);
    let mut person = Person::default();
    person.contact.email = Some("jane@example.com".into());
    assert_eq!(erase(&shop.db, &shop.rules, "s", &person, shop.now).unwrap(), 1);
    assert_eq!(shop.states()[""], "withheld erased");
    assert!(!shop.told(Some(Order { version_ms: 99, ..one.clone() }), vec![]));
    let other_old = Order { id: "2".into(), ..one.clone() };
    shop.told(Some(other_old), vec![]);
    assert!(shop.due().is_empty(), "placed before the erasure");
    let placed_at = from_millis(shop.now + 1000);
    shop.told(Some(Order { id: "3".into(), placed_at, ..one }), vec![]);
    assert_eq!(shop.due().len(), 1);
    let kept: i64 = shop
        .db
        .query_row("SELECT count(*) FROM orders WHERE doc LIKE '%ane@%'", [], |r| r.get(0))
        .unwrap();
    assert_eq!(kept, 1);
}

#[test]
fn what_is_old_goes_and_what_waits_stays() {
    let mut shop = Shop::new();
    shop.told(Some(order(1)), vec![]);
    shop.deliver_all();
    shop.told(Some(Order { id: "2".into(), ..order(1) }), vec![]);
    let later = shop.now + 31 * 86_400_000;
    while sweep::sweep(&shop.db, &shop.rules, &Retention::default(), later).unwrap() > 0 {}
    let ids: Vec<String> = shop
        .db
        .prepare("SELECT order_id FROM orders")
        .unwrap()
        .query_map([], |r| r.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(ids, ["2"]);
}

#[derive(Debug, Clone)]
enum Step {
    Order(u8, bool),
    Attempt(u8, u8),
    Wait,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0_u8..5, any::<bool>()).prop_map(|(id, paid)| Step::Order(id, paid)),
        (0_u8..8, 0_u8..5).prop_map(|(pick, outcome)| Step::Attempt(pick, outcome)),
        Just(Step::Wait),
    ]
}

proptest! {
    /// Whatever arrives and however attempts end: each paid order has exactly one delivery, it ends in the
    /// state of its last attempt, and what is due is what the model says is due.
    #[test]
    fn the_queue_behaves_like_its_model(steps in prop::collection::vec(step(), 0..60)) {
        let mut shop = Shop::new();
        let mut version = 1;
        // Order → due time while pending, or its final state.
        let mut model: BTreeMap<String, Result<i64, &str>> = BTreeMap::new();
        for step in steps {
            match step {
                Step::Order(id, paid) => {
                    version += 1;
                    let state = Some(if paid { OrderState::Paid } else { OrderState::Pending });
                    let id = id.to_string();
                    let known_paid = model.contains_key(&id);
                    let state = if known_paid { Some(OrderState::Paid) } else { state };
                    let o = Order { id: id.clone(), state, ..order(version) };
                    shop.told(Some(o), vec![]);
                    if paid && !known_paid {
                        model.insert(id, Ok(shop.now));
                    }
                }
                Step::Attempt(pick, outcome) => {
                    let due = shop.due();
                    let Some((row, _)) = due.get(usize::from(pick) % due.len().max(1)) else { continue };
                    let id: String = shop.db
                        .query_row("SELECT order_id FROM delivery WHERE id = ?1", [row], |r| r.get(0))
                        .unwrap();
                    let (next, expected) = match outcome {
                        0 => (Next::Delivered, Err("delivered")),
                        1 => (Next::Dead("no".into()), Err("dead")),
                        2 => (Next::Withheld("consent".into()), Err("withheld")),
                        3 => (Next::Later(shop.now + 500), Ok(shop.now + 500)),
                        _ => (Next::Alone, Ok(shop.now)),
                    };
                    shop.finished(*row, next);
                    model.insert(id, expected);
                }
                Step::Wait => shop.now += 300,
            }
            let due = shop.due().len();
            let expected = model.values().filter(|m| m.is_ok_and(|at| at <= shop.now)).count();
            prop_assert_eq!(due, expected);
        }
        for (id, expected) in &model {
            let (count, state): (i64, String) = shop.db
                .query_row("SELECT count(*), max(state) FROM delivery WHERE order_id = ?1", [id],
                    |r| Ok((r.get(0)?, r.get(1)?)))
                .unwrap();
            prop_assert_eq!(count, 1);
            prop_assert_eq!(state, expected.err().unwrap_or("pending"));
            reconcile(&shop.db, &shop.rules, "s", id, shop.now).unwrap();
        }
        let after = shop.due().len();
        prop_assert_eq!(after, model.values().filter(|m| m.is_ok_and(|at| at <= shop.now)).count());
    }
}
