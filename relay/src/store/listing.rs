//! What operators see of deliveries: states, reasons and attempts, never contact data.

use rusqlite::types::Value as Sql;
use rusqlite::{Connection, OptionalExtension, params, params_from_iter};
use serde::Serialize;
use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;

use super::Rules;
use super::intake::BLOCKED;
use crate::clock::from_millis;

/// Most deliveries of one answer.
pub const MOST: i64 = 1000;

/// Which deliveries to list.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Only of this shop.
    pub shop: Option<String>,
    /// Only of this order.
    pub order: Option<String>,
    /// Only to this destination.
    pub destination: Option<String>,
    /// Only in this state.
    pub state: Option<String>,
    /// At most so many; never more than [`MOST`].
    pub limit: usize,
    /// Only those after this row.
    pub after: i64,
}

/// Deliveries, oldest first, and the `after` of the next page if there is one.
///
/// # Errors
/// From SQLite.
pub fn deliveries(
    db: &Connection,
    filter: &Filter,
) -> Result<(Vec<Value>, Option<String>), rusqlite::Error> {
    let mut sql = String::from(
        "SELECT * FROM (SELECT d.id, d.shop, d.order_id, d.kind, d.refund_id, d.destination,
           CASE WHEN d.state = 'pending' AND p.shop IS NOT NULL THEN 'parked' ELSE d.state END AS shown,
           coalesce(d.reason, p.reason) AS reason, d.created_ms, d.due_ms, d.state
         FROM delivery d LEFT JOIN parked p ON p.shop = d.shop AND p.destination = d.destination
           AND d.state = 'pending') WHERE id > ?",
    );
    let mut values = vec![Sql::Integer(filter.after)];
    let wanted = [
        ("shop", &filter.shop),
        ("order_id", &filter.order),
        ("destination", &filter.destination),
        ("shown", &filter.state),
    ];
    for (column, value) in wanted {
        if let Some(value) = value {
            sql.push_str(&format!(" AND {column} = ?"));
            values.push(Sql::Text(value.clone()));
        }
    }
    sql.push_str(" ORDER BY id LIMIT ?");
    let limit = filter.limit.clamp(1, usize::try_from(MOST).unwrap_or(usize::MAX));
    values.push(Sql::Integer(i64::try_from(limit).unwrap_or(MOST) + 1));
    let mut statement = db.prepare_cached(&sql)?;
    let mut rows = statement.query(params_from_iter(values))?;
    let mut found = Vec::new();
    let mut last = None;
    while let Some(r) = rows.next()? {
        if found.len() == limit {
            return Ok((found, last));
        }
        let id: i64 = r.get(0)?;
        let pending = r.get::<_, String>(10)? == "pending";
        let due: i64 = r.get(9)?;
        let (order_id, kind): (String, String) = (r.get(2)?, r.get(3)?);
        let refund_id: String = r.get(4)?;
        found.push(json!({
            "id": id.to_string(),
            "shop": r.get::<_, String>(1)?,
            "event_id": event_id(&order_id),
            "order_id": order_id,
            "kind": kind,
            "refund_id": (!refund_id.is_empty()).then_some(refund_id),
            "destination": r.get::<_, String>(5)?,
            "state": r.get::<_, String>(6)?,
            "reason": r.get::<_, Option<String>>(7)?,
            "created_at": when(r.get(8)?),
            "next_attempt_at": (pending && due != BLOCKED).then(|| when(due)),
            "attempts": attempts(db, id)?,
        }));
        last = Some(id.to_string());
    }
    Ok((found, None))
}

fn attempts(db: &Connection, delivery: i64) -> Result<Vec<Value>, rusqlite::Error> {
    db.prepare_cached(
        "SELECT at_ms, duration_ms, status, outcome, reason, trace_id FROM attempt
         WHERE delivery_id = ?1 ORDER BY id LIMIT 1000",
    )?
    .query_map([delivery], |r| {
        Ok(json!({
            "at": when(r.get(0)?),
            "duration_ms": r.get::<_, i64>(1)?,
            "status": r.get::<_, Option<u16>>(2)?,
            "outcome": r.get::<_, String>(3)?,
            "reason": r.get::<_, Option<String>>(4)?,
            "trace_id": r.get::<_, Option<String>>(5)?,
        }))
    })?
    .collect()
}

/// What came of a wish to replay one dead letter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Replay {
    /// It is due again.
    Due,
    /// There is no such delivery.
    Unknown,
    /// It is not a dead letter.
    NotDead,
}

/// Makes one dead letter due again; consent, erasure and age are checked at the attempt.
///
/// # Errors
/// From SQLite.
pub fn replay(
    db: &Connection,
    rules: &Rules,
    id: i64,
    now_ms: i64,
) -> Result<(Replay, Vec<super::browser::Wake>), rusqlite::Error> {
    let found: Option<(String, String, String, String)> = db
        .prepare_cached("SELECT state, shop, order_id, destination FROM delivery WHERE id = ?1")?
        .query_row([id], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?)))
        .optional()?;
    let Some((state, shop, order_id, destination)) = found else {
        return Ok((Replay::Unknown, Vec::new()));
    };
    if state != "dead" {
        return Ok((Replay::NotDead, Vec::new()));
    }
    db.prepare_cached(
        "UPDATE delivery SET state = 'pending', reason = NULL, due_ms = ?2, waiting = 0,
           finished_ms = NULL WHERE id = ?1",
    )?
    .execute(params![id, now_ms])?;
    let mut wakes = super::intake::reconcile(db, rules, &shop, &order_id, now_ms)?;
    wakes.push((shop, destination));
    Ok((Replay::Due, wakes))
}

/// Replays the dead letters of a shop, of one destination if named.
///
/// # Errors
/// From SQLite.
pub fn replay_all(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    destination: Option<&str>,
    now_ms: i64,
) -> Result<(usize, Vec<super::browser::Wake>), rusqlite::Error> {
    let ids: Vec<i64> = db
        .prepare_cached(
            "SELECT id FROM delivery WHERE shop = ?1 AND state = 'dead'
             AND (?2 IS NULL OR destination = ?2)",
        )?
        .query_map(params![shop, destination], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    let (mut replayed, mut wakes) = (0, Vec::new());
    for id in ids {
        let (outcome, woken) = replay(db, rules, id, now_ms)?;
        replayed += usize::from(outcome == Replay::Due);
        wakes.extend(woken);
    }
    wakes.sort();
    wakes.dedup();
    Ok((replayed, wakes))
}

/// The one id of an order on all platforms, in the browser, in every retry and after a restart.
#[must_use]
pub fn event_id(order_id: &str) -> String {
    format!("order_{order_id}")
}

pub(super) fn text<T: Serialize>(value: &T) -> String {
    // Our own plain structs: they always have a JSON form.
    serde_json::to_string(value).unwrap_or_default()
}

/// RFC 3339 text of so many ms since 1970.
#[must_use]
pub fn when(ms: i64) -> String {
    from_millis(ms).format(&Rfc3339).unwrap_or_default()
}
