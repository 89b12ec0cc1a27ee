//! What browsers told: landings, consent, and the keys that join them with orders.

use rusqlite::{Connection, OptionalExtension, params};

use super::{Rules, listing};
use crate::model::click::Click;
use crate::model::consent::{Answer, Consent, Entry, Timeline};
use crate::model::order::Order;

/// Landings kept per visitor; older ones go first.
const CLICKS_PER_VISITOR: i64 = 50;
/// Answers kept per visitor; a browser that calls in a loop must not fill the disk.
const ANSWERS_PER_VISITOR: i64 = 200;

/// A shop and destination whose lane has something new to do.
pub type Wake = (String, String);

/// One call of the browser part.
#[derive(Debug, Clone)]
pub struct Visit {
    /// Shop id.
    pub shop: String,
    /// The storefront's first-party id.
    pub visitor_id: String,
    /// The landing; `None` for a consent call.
    pub click: Option<Click>,
    /// Banner answers, if the call has them.
    pub consent: Option<Consent>,
    /// Whether the browser sent Global Privacy Control.
    pub gpc: bool,
    /// Cart this visitor has.
    pub cart_token: Option<String>,
    /// Checkout this visitor has.
    pub checkout_token: Option<String>,
    /// When the answers were given, ms since 1970.
    pub at_ms: i64,
}

/// A visitor found for an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Visitor {
    /// The storefront's first-party id.
    pub id: String,
    /// Whether a landing was reported (it may not have been kept).
    pub landed: bool,
}

/// Keeps what consent allows of a call; returns whether the landing was kept and which lanes to wake.
///
/// # Errors
/// From SQLite.
pub fn record(
    db: &Connection,
    rules: &Rules,
    visit: &Visit,
    now_ms: i64,
) -> Result<(bool, Vec<Wake>), rusqlite::Error> {
    let (shop, visitor) = (visit.shop.as_str(), visit.visitor_id.as_str());
    let landed = visit.click.is_some();
    db.prepare_cached(
        "INSERT INTO visitor VALUES(?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET seen_ms = ?3, landed = max(landed, ?4)",
    )?
    .execute(params![shop, visitor, now_ms, landed])?;
    let history = entries(db, shop, visitor)?;
    let gpc_before = history.last().is_some_and(|e| e.gpc);
    let news = visit.consent.is_some() || (landed && visit.gpc != gpc_before);
    if news {
        // A consent call without the header does not take an opt-out back: only a landing shows the setting.
        let gpc = if landed { visit.gpc } else { visit.gpc || gpc_before };
        db.prepare_cached(
            "INSERT INTO consent(shop, visitor_id, at_ms, answers, gpc) VALUES(?1, ?2, ?3, ?4, ?5)",
        )?
        .execute(params![
            shop,
            visitor,
            visit.at_ms,
            visit.consent.as_ref().map(listing::text),
            gpc
        ])?;
        trim(db, "consent", "at_ms", shop, visitor, ANSWERS_PER_VISITOR)?;
    }
    let timeline = Timeline { visitor: entries(db, shop, visitor)?, order: None };
    let store = timeline.answers_at(now_ms).store;
    let allowed = store.granted();
    if store == Answer::Denied {
        // A withdrawal ends keeping, not only sending. The cart's join stays, else an order could not be
        // recognised as one that the withdrawal forbids.
        db.prepare_cached("DELETE FROM click WHERE shop = ?1 AND visitor_id = ?2")?
            .execute(params![shop, visitor])?;
    }
    if allowed {
        if let Some(click) = &visit.click {
            keep_click(db, shop, visitor, click)?;
        }
        let keys = [("cart", &visit.cart_token), ("checkout", &visit.checkout_token)];
        for (kind, value) in keys {
            let Some(value) = value else { continue };
            db.prepare_cached(
                "INSERT INTO join_key VALUES(?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT DO UPDATE SET visitor_id = ?4, at_ms = ?5",
            )?
            .execute(params![shop, kind, value, visitor, now_ms])?;
        }
    }
    Ok((allowed && landed, release_waiting(db, rules, shop, visitor, now_ms)?))
}

fn keep_click(
    db: &Connection,
    shop: &str,
    visitor: &str,
    click: &Click,
) -> Result<(), rusqlite::Error> {
    let earlier = clicks(db, shop, visitor)?;
    let mut click = click.clone();
    click.keep_first_time(&earlier);
    db.prepare_cached("INSERT INTO click(shop, visitor_id, observed_ms, doc) VALUES(?1,?2,?3,?4)")?
        .execute(params![shop, visitor, click.observed_ms, listing::text(&click)])?;
    trim(db, "click", "observed_ms", shop, visitor, CLICKS_PER_VISITOR)
}

fn trim(
    db: &Connection,
    table: &str,
    time: &str,
    shop: &str,
    visitor: &str,
    keep: i64,
) -> Result<(), rusqlite::Error> {
    db.prepare_cached(&format!(
        "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} WHERE shop = ?1 AND visitor_id = ?2
         ORDER BY {time} DESC, id DESC LIMIT -1 OFFSET ?3)"
    ))?
    .execute(params![shop, visitor, keep])?;
    Ok(())
}

/// Orders that waited for this visitor and now have all they need become due at once.
fn release_waiting(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    visitor: &str,
    now_ms: i64,
) -> Result<Vec<Wake>, rusqlite::Error> {
    let mut wakes = Vec::new();
    for order_id in orders_of(db, shop, visitor)? {
        let Some(row) = super::intake::order_row(db, shop, &order_id)? else { continue };
        if !is_ready(db, shop, &row.order, now_ms)? {
            continue;
        }
        let mut release = db.prepare_cached(
            "UPDATE delivery SET waiting = 0, due_ms = ?3
             WHERE shop = ?1 AND order_id = ?2 AND waiting = 1 AND state = 'pending'
             RETURNING destination",
        )?;
        let due = now_ms + rules.batch_delay_ms;
        for destination in release.query_map(params![shop, order_id, due], |r| r.get(0))? {
            wakes.push((shop.to_owned(), destination?));
        }
    }
    Ok(wakes)
}

/// Orders that name this visitor, or a cart or checkout that this visitor had.
pub(super) fn orders_of(
    db: &Connection,
    shop: &str,
    visitor: &str,
) -> Result<Vec<String>, rusqlite::Error> {
    db.prepare_cached(
        "SELECT order_id FROM orders WHERE shop = ?1 AND visitor_id = ?2
         UNION SELECT o.order_id FROM join_key k JOIN orders o ON o.shop = k.shop
           AND o.cart_token = k.value WHERE k.shop = ?1 AND k.visitor_id = ?2 AND k.kind = 'cart'
         UNION SELECT o.order_id FROM join_key k JOIN orders o ON o.shop = k.shop
           AND o.checkout_token = k.value
           WHERE k.shop = ?1 AND k.visitor_id = ?2 AND k.kind = 'checkout'",
    )?
    .query_map(params![shop, visitor], |r| r.get(0))?
    .collect()
}

/// The visitor of an order: by the storefront's own id, else by cart, else by checkout.
///
/// # Errors
/// From SQLite.
pub fn visitor_of(
    db: &Connection,
    shop: &str,
    order: &Order,
) -> Result<Option<Visitor>, rusqlite::Error> {
    let known = |id: &str| {
        db.prepare_cached("SELECT landed FROM visitor WHERE shop = ?1 AND visitor_id = ?2")?
            .query_row(params![shop, id], |r| r.get::<_, bool>(0))
            .optional()
            .map(|landed| landed.map(|landed| Visitor { id: id.to_owned(), landed }))
    };
    if let Some(id) = &order.visitor_id
        && let Some(visitor) = known(id)?
    {
        return Ok(Some(visitor));
    }
    for (kind, value) in [("cart", &order.cart_token), ("checkout", &order.checkout_token)] {
        let Some(value) = value else { continue };
        let id: Option<String> = db
            .prepare_cached(
                "SELECT visitor_id FROM join_key WHERE shop = ?1 AND kind = ?2 AND value = ?3",
            )?
            .query_row(params![shop, kind, value], |r| r.get(0))
            .optional()?;
        if let Some(id) = id {
            return known(&id);
        }
    }
    Ok(None)
}

/// Whether an order has all that waiting could bring: nothing to join by, or a visitor who landed and whose
/// consent is known.
pub(super) fn is_ready(
    db: &Connection,
    shop: &str,
    order: &Order,
    now_ms: i64,
) -> Result<bool, rusqlite::Error> {
    let joinable =
        order.visitor_id.is_some() || order.cart_token.is_some() || order.checkout_token.is_some();
    if !joinable {
        return Ok(true);
    }
    let Some(visitor) = visitor_of(db, shop, order)? else { return Ok(false) };
    let timeline = Timeline { visitor: entries(db, shop, &visitor.id)?, order: order.consent };
    Ok(visitor.landed && timeline.known(now_ms))
}

/// What a visitor's browser said about consent, oldest first.
///
/// # Errors
/// From SQLite.
pub fn entries(db: &Connection, shop: &str, visitor: &str) -> Result<Vec<Entry>, rusqlite::Error> {
    db.prepare_cached(
        "SELECT at_ms, answers, gpc FROM consent WHERE shop = ?1 AND visitor_id = ?2
         ORDER BY at_ms, id",
    )?
    .query_map(params![shop, visitor], |r| {
        let answers: Option<String> = r.get(1)?;
        Ok(Entry {
            at_ms: r.get(0)?,
            answers: answers.and_then(|text| serde_json::from_str(&text).ok()),
            gpc: r.get(2)?,
        })
    })?
    .collect()
}

/// A visitor's landings, oldest first.
///
/// # Errors
/// From SQLite.
pub fn clicks(db: &Connection, shop: &str, visitor: &str) -> Result<Vec<Click>, rusqlite::Error> {
    let docs: Vec<String> = db
        .prepare_cached(
            "SELECT doc FROM click WHERE shop = ?1 AND visitor_id = ?2 ORDER BY observed_ms, id",
        )?
        .query_map(params![shop, visitor], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    Ok(docs.iter().filter_map(|doc| serde_json::from_str(doc).ok()).collect())
}
