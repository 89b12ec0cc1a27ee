//! The delivery queue as rows: what is due, all that an attempt needs, and what came of it.

use std::collections::HashSet;

use rusqlite::{Connection, OptionalExtension, Row, params};
use time::OffsetDateTime;

use super::browser::Wake;
use super::intake::{CANCELLATION, OrderRow, order_row, reconcile, refunds};
use super::{Rules, browser};
use crate::clock::{from_millis, millis};
use crate::model::click::Click;
use crate::model::consent::Timeline;
use crate::model::order::Refund;

/// A delivery that is due, with everything that decides what may be sent.
#[derive(Debug, Clone)]
pub struct Due {
    /// Row id.
    pub id: i64,
    /// Attempts made so far.
    pub attempts: u32,
    /// Must not share a request.
    pub alone: bool,
    /// The refund, for a refund.
    pub refund: Option<Refund>,
    /// Whether the order waited for its visitor.
    pub order: OrderRow,
    /// All refunds of the order.
    pub refunds: Vec<Refund>,
    /// The visitor's landings; `None` if no visitor is known.
    pub clicks: Option<Vec<Click>>,
    /// What is known of consent.
    pub timeline: Timeline,
    /// The conversion as first sent.
    pub frozen: Option<String>,
}

/// Pending deliveries of a lane that are due, oldest first, without those in `busy`; and when to look again.
/// Once one is due, new ones that only wait for company (`batch_delay_ms`) come along.
///
/// # Errors
/// From SQLite.
pub fn due(
    db: &Connection,
    lane: &Wake,
    now_ms: i64,
    limit: usize,
    busy: &HashSet<i64>,
    batch_delay_ms: i64,
) -> Result<(Vec<Due>, Option<i64>), rusqlite::Error> {
    let mut rows = db.prepare_cached(
        "SELECT id, order_id, refund_id, kind, attempts, alone, frozen, due_ms, waiting
         FROM delivery WHERE shop = ?1 AND destination = ?2 AND state = 'pending'
         ORDER BY due_ms, id LIMIT ?3",
    )?;
    let most =
        i64::try_from(limit.saturating_add(busy.len()).saturating_add(1)).unwrap_or(i64::MAX);
    let mut rows = rows.query(params![lane.0, lane.1, most])?;
    let (mut found, mut next) = (Vec::new(), None);
    while let Some(r) = rows.next()? {
        let (id, due_ms): (i64, i64) = (r.get(0)?, r.get(7)?);
        if busy.contains(&id) {
            continue;
        }
        let fresh = r.get::<_, u32>(4)? == 0 && !r.get::<_, bool>(8)?;
        let joins = fresh && !found.is_empty() && due_ms <= now_ms.saturating_add(batch_delay_ms);
        if (due_ms > now_ms && !joins) || found.len() == limit {
            next = Some(due_ms);
            break;
        }
        if let Some(row) = read(db, lane, r)? {
            found.push(row);
        }
    }
    Ok((found, next))
}

/// One pending delivery as it stands now; `None` if it is no longer pending.
///
/// # Errors
/// From SQLite.
pub fn still_due(db: &Connection, lane: &Wake, id: i64) -> Result<Option<Due>, rusqlite::Error> {
    let mut rows = db.prepare_cached(
        "SELECT id, order_id, refund_id, kind, attempts, alone, frozen
         FROM delivery WHERE id = ?1 AND state = 'pending'",
    )?;
    let mut rows = rows.query(params![id])?;
    match rows.next()? {
        Some(row) => read(db, lane, row),
        None => Ok(None),
    }
}

/// A delivery with all that is known of its order and visitor.
fn read(db: &Connection, lane: &Wake, r: &Row<'_>) -> Result<Option<Due>, rusqlite::Error> {
    let order_id: String = r.get(1)?;
    let Some(order) = order_row(db, &lane.0, &order_id)? else { return Ok(None) };
    let refunds = refunds(db, &lane.0, &order_id)?;
    let refund_id: String = r.get(2)?;
    let refund = match r.get::<_, String>(3)?.as_str() {
        "refund" => Some(refund_of(&refund_id, &order, &refunds)),
        _ => None,
    };
    let visitor = browser::visitor_of(db, &lane.0, &order.order)?;
    let mut timeline = Timeline { visitor: Vec::new(), order: order.order.consent };
    let mut clicks = None;
    if let Some(visitor) = visitor {
        timeline.visitor = browser::entries(db, &lane.0, &visitor.id)?;
        clicks = Some(browser::clicks(db, &lane.0, &visitor.id)?);
    }
    Ok(Some(Due {
        id: r.get(0)?,
        attempts: r.get(4)?,
        alone: r.get(5)?,
        frozen: r.get(6)?,
        refund,
        order,
        refunds,
        clicks,
        timeline,
    }))
}

fn refund_of(id: &str, row: &OrderRow, refunds: &[Refund]) -> Refund {
    refunds.iter().find(|r| r.id == id).cloned().unwrap_or_else(|| Refund {
        id: CANCELLATION.to_owned(),
        amount: row.order.total.unwrap_or_default(),
        currency: None,
        at: row.order.cancelled_at.unwrap_or(row.order.placed_at),
    })
}

/// Keeps the conversions as they are about to be sent, so that a retry is equal even if the order changes.
///
/// # Errors
/// From SQLite.
pub fn freeze(db: &Connection, conversions: &[(i64, String)]) -> Result<(), rusqlite::Error> {
    let mut freeze =
        db.prepare_cached("UPDATE delivery SET frozen = ?2 WHERE id = ?1 AND frozen IS NULL")?;
    for (id, conversion) in conversions {
        freeze.execute(params![id, conversion])?;
    }
    Ok(())
}

/// One HTTP exchange as logged.
#[derive(Debug, Clone)]
pub struct Attempt {
    /// When it began, ms since 1970.
    pub at_ms: i64,
    /// How long it took.
    pub duration_ms: i64,
    /// HTTP status; `None` if no answer came.
    pub status: Option<u16>,
    /// `delivered`, `retry`, `credentials`, `split`, `rejected`.
    pub outcome: &'static str,
    /// Why.
    pub reason: Option<String>,
    /// The platform's id of the exchange.
    pub trace_id: Option<String>,
}

/// What becomes of a delivery.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Done.
    Delivered,
    /// Will not be sent, by a rule.
    Withheld(String),
    /// Will not be sent, and that is a loss.
    Dead(String),
    /// Again at this time, ms since 1970.
    Later(i64),
    /// Again at once, in a request of its own.
    Alone,
    /// Stays due: its lane decides.
    Stay,
}

/// The result for one delivery.
#[derive(Debug, Clone)]
pub struct Finish {
    /// Row id.
    pub id: i64,
    /// The exchange, if one was made.
    pub attempt: Option<Attempt>,
    /// What follows.
    pub next: Next,
}

/// Records results; returns lanes that have something new to do (refunds whose purchase was delivered).
///
/// # Errors
/// From SQLite.
pub fn finish(
    db: &Connection,
    rules: &Rules,
    results: &[Finish],
    now_ms: i64,
) -> Result<Vec<Wake>, rusqlite::Error> {
    let mut wakes = Vec::new();
    for result in results {
        if let Some(a) = &result.attempt {
            db.prepare_cached(
                "INSERT INTO attempt(delivery_id, at_ms, duration_ms, status, outcome, reason,
                   trace_id) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            )?
            .execute(params![
                result.id,
                a.at_ms,
                a.duration_ms,
                a.status,
                a.outcome,
                a.reason,
                a.trace_id
            ])?;
        }
        let attempts = u32::from(result.attempt.is_some());
        let (state, reason, due, alone) = match &result.next {
            Next::Delivered => ("delivered", None, now_ms, false),
            Next::Withheld(reason) => ("withheld", Some(reason), now_ms, false),
            Next::Dead(reason) => ("dead", Some(reason), now_ms, false),
            Next::Later(due) => ("pending", None, *due, false),
            Next::Alone => ("pending", None, now_ms, true),
            Next::Stay => ("pending", None, now_ms, false),
        };
        let final_state = state != "pending";
        // What was delivered is delivered, whatever happened to the row meanwhile; the rest only moves
        // rows that still wait (an erasure or a cancellation may have come first).
        let row: Option<(String, String, String)> = db
            .prepare_cached(
                "UPDATE delivery SET state = ?2, reason = ?3, due_ms = ?4, waiting = 0,
                   alone = max(alone, ?5), attempts = attempts + ?6, finished_ms = ?7,
                   frozen = CASE WHEN ?2 = 'pending' THEN frozen END
                 WHERE id = ?1 AND (state = 'pending' OR ?2 = 'delivered')
                 RETURNING shop, order_id, kind",
            )?
            .query_row(
                params![
                    result.id,
                    state,
                    reason,
                    due,
                    alone,
                    attempts,
                    final_state.then_some(now_ms)
                ],
                |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?)),
            )
            .optional()?;
        if let Some((shop, order_id, _)) = row.filter(|_| final_state) {
            wakes.extend(reconcile_if_more(db, rules, &shop, &order_id, now_ms)?);
        }
    }
    Ok(wakes)
}

/// Most orders have no refund and no cancellation: nothing follows from their delivery.
fn reconcile_if_more(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    order_id: &str,
    now_ms: i64,
) -> Result<Vec<Wake>, rusqlite::Error> {
    let refunded = db
        .prepare_cached("SELECT 1 FROM refund WHERE shop = ?1 AND order_id = ?2 LIMIT 1")?
        .exists(params![shop, order_id])?;
    let cancelled = || {
        db.prepare_cached(
            "SELECT 1 FROM orders WHERE shop = ?1 AND order_id = ?2
             AND json_extract(doc, '$.cancelled_at') IS NOT NULL",
        )?
        .exists(params![shop, order_id])
    };
    if refunded || cancelled()? {
        return reconcile(db, rules, shop, order_id, now_ms);
    }
    Ok(Vec::new())
}

/// Lanes that have pending deliveries, for the start.
///
/// # Errors
/// From SQLite.
pub fn busy_lanes(db: &Connection) -> Result<Vec<Wake>, rusqlite::Error> {
    db.prepare("SELECT DISTINCT shop, destination FROM delivery WHERE state = 'pending'")?
        .query_map([], |r| Ok((r.get(0)?, r.get(1)?)))?
        .collect()
}

/// A lane that waits for new credentials.
#[derive(Debug, Clone)]
pub struct Parked {
    /// Since when.
    pub since: OffsetDateTime,
    /// Why, in the platform's words.
    pub reason: String,
}

/// Parked lanes.
///
/// # Errors
/// From SQLite.
pub fn parked_lanes(db: &Connection) -> Result<Vec<(Wake, Parked)>, rusqlite::Error> {
    db.prepare("SELECT shop, destination, since_ms, reason FROM parked")?
        .query_map([], |r| {
            let parked = Parked { since: from_millis(r.get(2)?), reason: r.get(3)? };
            Ok(((r.get(0)?, r.get(1)?), parked))
        })?
        .collect()
}

/// Notes that a lane is parked, or that it is not any more.
///
/// # Errors
/// From SQLite.
pub fn park(db: &Connection, lane: &Wake, parked: Option<&Parked>) -> Result<(), rusqlite::Error> {
    match parked {
        Some(p) => db
            .prepare_cached("INSERT OR IGNORE INTO parked VALUES(?1, ?2, ?3, ?4)")?
            .execute(params![lane.0, lane.1, millis(p.since), p.reason])?,
        None => db
            .prepare_cached("DELETE FROM parked WHERE shop = ?1 AND destination = ?2")?
            .execute(params![lane.0, lane.1])?,
    };
    Ok(())
}
