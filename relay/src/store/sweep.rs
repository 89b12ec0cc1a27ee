//! Retention: what is older than its time goes, by the relay's own clock.

use rusqlite::{Connection, params};

use super::Rules;
use crate::config::Retention;

const DAY_MS: i64 = 86_400_000;
/// Rows removed per call and table, so that a large backlog does not hold up intake.
const AT_ONCE: i64 = 2000;

/// Removes what has expired; returns how many rows went (call again while that is not zero).
///
/// # Errors
/// From SQLite.
pub fn sweep(
    db: &Connection,
    rules: &Rules,
    retention: &Retention,
    now_ms: i64,
) -> Result<usize, rusqlite::Error> {
    let before = |days: u32| now_ms - i64::from(days) * DAY_MS;
    let clicks = before(retention.clicks_days.min(rules.policy.click_ttl_days));
    let deliveries = before(retention.deliveries_days);
    let dead = before(retention.dead_letters_days);
    let mut gone = 0;
    let mut remove = |sql: &str, limit: i64| -> Result<(), rusqlite::Error> {
        gone += db.prepare_cached(sql)?.execute(params![limit, AT_ONCE])?;
        Ok(())
    };
    remove(
        "DELETE FROM click WHERE id IN (SELECT id FROM click WHERE observed_ms < ?1 LIMIT ?2)",
        clicks,
    )?;
    let visitors = before(retention.clicks_days);
    remove(
        "DELETE FROM join_key WHERE (shop, kind, value) IN
           (SELECT shop, kind, value FROM join_key WHERE at_ms < ?1 LIMIT ?2)",
        visitors,
    )?;
    remove(
        "DELETE FROM consent WHERE id IN (SELECT c.id FROM consent c JOIN visitor v
           ON v.shop = c.shop AND v.visitor_id = c.visitor_id WHERE v.seen_ms < ?1 LIMIT ?2)",
        visitors,
    )?;
    remove(
        "DELETE FROM visitor WHERE (shop, visitor_id) IN
           (SELECT shop, visitor_id FROM visitor WHERE seen_ms < ?1 LIMIT ?2)",
        visitors,
    )?;
    for (states, limit) in [("'delivered','withheld'", deliveries), ("'dead'", dead)] {
        remove(
            &format!(
                "DELETE FROM attempt WHERE delivery_id IN (SELECT id FROM delivery
                 WHERE finished_ms < ?1 AND state IN ({states}) ORDER BY id LIMIT ?2)"
            ),
            limit,
        )?;
        remove(
            &format!(
                "DELETE FROM delivery WHERE id IN (SELECT id FROM delivery
                 WHERE finished_ms < ?1 AND state IN ({states}) ORDER BY id LIMIT ?2)"
            ),
            limit,
        )?;
    }
    // Message ids are remembered as long as orders: longer than any sender retries.
    remove(
        "DELETE FROM seen WHERE (shop, message_id) IN
           (SELECT shop, message_id FROM seen WHERE at_ms < ?1 LIMIT ?2)",
        deliveries,
    )?;
    let orphans = "SELECT o.shop, o.order_id FROM orders o WHERE o.received_ms < ?1 AND NOT EXISTS
        (SELECT 1 FROM delivery d WHERE d.shop = o.shop AND d.order_id = o.order_id) LIMIT ?2";
    for table in ["order_person", "refund", "orders"] {
        remove(&format!("DELETE FROM {table} WHERE (shop, order_id) IN ({orphans})"), deliveries)?;
    }
    Ok(gone)
}
