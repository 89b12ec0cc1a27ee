//! Orders and refunds in, deliveries out: one transaction per webhook, idempotent per message and per order.

use rusqlite::{Connection, OptionalExtension, Row, params};

use super::browser::Wake;
use super::{Rules, browser, listing, people};
use crate::clock::millis;
use crate::model::order::{Order, Refund, Standing};

/// Never due: a refund that waits for its purchase, or for an earlier refund.
pub(super) const BLOCKED: i64 = i64::MAX;
/// Reason of a refund whose purchase was not sent.
const NOT_SENT: &str = "purchase_not_sent";
/// Refund id of the retraction that stands for a cancellation.
pub const CANCELLATION: &str = "cancellation";

/// What one webhook says.
#[derive(Debug, Clone)]
pub struct Intake {
    /// Shop id.
    pub shop: String,
    /// The sender's delivery id, unique per shop.
    pub message_id: Option<String>,
    /// The order's state, if the webhook carries it.
    pub order: Option<Order>,
    /// The order that the refunds belong to, and the refunds.
    pub refunds: Vec<(String, Refund)>,
}

/// What came of a webhook.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Taken {
    /// Nothing new: the same message, or a state that was already known.
    pub duplicate: bool,
    /// Lanes that have something to do.
    pub wakes: Vec<Wake>,
}

/// An order as kept.
#[derive(Debug, Clone)]
pub struct OrderRow {
    /// Latest state.
    pub order: Order,
    /// First receipt, ms since 1970.
    pub received_ms: i64,
    /// End of the wait for a late click, ms since 1970.
    pub grace_until_ms: i64,
    /// Whether its person was erased.
    pub erased: bool,
}

/// Takes a webhook in.
///
/// # Errors
/// From SQLite.
pub fn take(
    db: &Connection,
    rules: &Rules,
    intake: &Intake,
    now_ms: i64,
) -> Result<Taken, rusqlite::Error> {
    let shop = intake.shop.as_str();
    if let Some(id) = &intake.message_id {
        let new = db
            .prepare_cached("INSERT OR IGNORE INTO seen VALUES(?1, ?2, ?3)")?
            .execute(params![shop, id, now_ms])?;
        if new == 0 {
            return Ok(Taken { duplicate: true, wakes: Vec::new() });
        }
    }
    let mut changed = false;
    let mut touched: Vec<&str> = Vec::new();
    if let Some(order) = &intake.order {
        changed |= keep_order(db, rules, shop, order, now_ms)?;
        touched.push(&order.id);
    }
    for (order_id, refund) in &intake.refunds {
        let new = db
            .prepare_cached("INSERT OR IGNORE INTO refund VALUES(?1, ?2, ?3, ?4)")?
            .execute(params![shop, order_id, refund.id, listing::text(refund)])?;
        changed |= new > 0;
        if !touched.contains(&order_id.as_str()) {
            touched.push(order_id);
        }
    }
    let mut wakes = Vec::new();
    if changed {
        for order_id in touched {
            wakes.extend(reconcile(db, rules, shop, order_id, now_ms)?);
        }
    }
    Ok(Taken { duplicate: !changed, wakes })
}

fn keep_order(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    order: &Order,
    now_ms: i64,
) -> Result<bool, rusqlite::Error> {
    let known = order_row(db, shop, &order.id)?;
    if known.as_ref().is_some_and(|row| row.erased) {
        return Ok(false);
    }
    let placed_ms = millis(order.placed_at);
    let erased = people::is_erased(db, rules, shop, &order.id, &order.contact, placed_ms)?;
    let mut merged = match &known {
        Some(row) => row.order.clone(),
        None => order.clone(),
    };
    let changed = known.is_none() || merged.merge(order.clone());
    if !changed && !erased {
        return Ok(false);
    }
    if erased {
        merged.erase();
    }
    // The order's copy of the landing is used with the order's own consent only; without that it is not kept.
    if !merged.consent.is_some_and(|consent| consent.store.granted()) {
        merged.landing = None;
        merged.referrer = None;
    }
    let grace = now_ms + i64::from(rules.policy.stitch_grace_ms);
    db.prepare_cached(
        "INSERT INTO orders(shop, order_id, received_ms, grace_until_ms, erased, visitor_id,
           cart_token, checkout_token, doc) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)
         ON CONFLICT DO UPDATE SET erased = ?5, visitor_id = ?6, cart_token = ?7,
           checkout_token = ?8, doc = ?9",
    )?
    .execute(params![
        shop,
        merged.id,
        now_ms,
        grace,
        erased,
        merged.visitor_id,
        merged.cart_token,
        merged.checkout_token,
        listing::text(&merged)
    ])?;
    for key in rules.keys.of(&merged.contact) {
        db.prepare_cached("INSERT OR IGNORE INTO order_person VALUES(?1, ?2, ?3)")?
            .execute(params![shop, key, merged.id])?;
    }
    Ok(true)
}

/// The order of that id.
///
/// # Errors
/// From SQLite.
pub fn order_row(
    db: &Connection,
    shop: &str,
    order_id: &str,
) -> Result<Option<OrderRow>, rusqlite::Error> {
    let row = db
        .prepare_cached(
            "SELECT doc, received_ms, grace_until_ms, erased FROM orders
             WHERE shop = ?1 AND order_id = ?2",
        )?
        .query_row(params![shop, order_id], |r| {
            Ok((r.get::<_, String>(0)?, r.get(1)?, r.get(2)?, r.get(3)?))
        })
        .optional()?;
    Ok(row.and_then(|(doc, received_ms, grace_until_ms, erased)| {
        let order = serde_json::from_str(&doc).ok()?;
        Some(OrderRow { order, received_ms, grace_until_ms, erased })
    }))
}

/// An order's refunds in the order in which they were made.
///
/// # Errors
/// From SQLite.
pub fn refunds(
    db: &Connection,
    shop: &str,
    order_id: &str,
) -> Result<Vec<Refund>, rusqlite::Error> {
    let docs: Vec<String> = db
        .prepare_cached("SELECT doc FROM refund WHERE shop = ?1 AND order_id = ?2")?
        .query_map(params![shop, order_id], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    let mut refunds: Vec<Refund> =
        docs.iter().filter_map(|doc| serde_json::from_str(doc).ok()).collect();
    refunds.sort_by(|a, b| (a.at, &a.id).cmp(&(b.at, &b.id)));
    Ok(refunds)
}

struct Duty {
    id: i64,
    state: String,
    reason: String,
    due_ms: i64,
    refund_id: String,
}

impl Duty {
    fn read(r: &Row<'_>) -> Result<Self, rusqlite::Error> {
        Ok(Self {
            id: r.get(0)?,
            state: r.get(1)?,
            reason: r.get::<_, Option<String>>(2)?.unwrap_or_default(),
            due_ms: r.get(3)?,
            refund_id: r.get(4)?,
        })
    }

    fn is(&self, state: &str) -> bool {
        self.state == state
    }
}

/// Brings the deliveries of an order in line with what is known of it now. Returns the lanes to wake.
///
/// # Errors
/// From SQLite.
pub fn reconcile(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    order_id: &str,
    now_ms: i64,
) -> Result<Vec<Wake>, rusqlite::Error> {
    let none = Vec::new();
    let destinations = rules.destinations.get(shop).unwrap_or(&none);
    let Some(row) = order_row(db, shop, order_id)? else { return Ok(Vec::new()) };
    let policy = &rules.policy;
    let standing = if row.erased {
        Standing::Withheld("erased".into())
    } else {
        row.order.standing(&policy.count_states, &policy.count_kinds, policy.value)
    };
    let refunds = refunds(db, shop, order_id)?;
    let mut wakes = Vec::new();
    for destination in destinations {
        let plan = Plan { db, rules, shop, row: &row, destination, now_ms };
        if plan.purchase(&standing)? | plan.refunds(&refunds)? {
            wakes.push((shop.to_owned(), (*destination).to_owned()));
        }
    }
    Ok(wakes)
}

struct Plan<'a> {
    db: &'a Connection,
    rules: &'a Rules,
    shop: &'a str,
    row: &'a OrderRow,
    destination: &'a str,
    now_ms: i64,
}

impl Plan<'_> {
    fn duties(&self, kind: &str) -> Result<Vec<Duty>, rusqlite::Error> {
        self.db
            .prepare_cached(
                "SELECT id, state, reason, due_ms, refund_id FROM delivery
                 WHERE shop = ?1 AND order_id = ?2 AND destination = ?3 AND kind = ?4",
            )?
            .query_map(params![self.shop, self.row.order.id, self.destination, kind], Duty::read)?
            .collect()
    }

    fn insert(
        &self,
        kind: &str,
        refund_id: &str,
        state: &str,
        reason: Option<&str>,
        due: (i64, bool),
    ) -> Result<(), rusqlite::Error> {
        let finished = (state != "pending").then_some(self.now_ms);
        self.db
            .prepare_cached(
                "INSERT OR IGNORE INTO delivery(shop, order_id, destination, kind, refund_id, state,
                   reason, created_ms, due_ms, waiting, finished_ms)
                 VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            )?
            .execute(params![
                self.shop,
                self.row.order.id,
                self.destination,
                kind,
                refund_id,
                state,
                reason,
                self.now_ms,
                due.0,
                due.1,
                finished
            ])?;
        Ok(())
    }

    fn set(
        &self,
        id: i64,
        state: &str,
        reason: Option<&str>,
        due: (i64, bool),
    ) -> Result<(), rusqlite::Error> {
        let finished = (state != "pending").then_some(self.now_ms);
        self.db
            .prepare_cached(
                "UPDATE delivery SET state = ?2, reason = ?3, due_ms = ?4, waiting = ?5,
                   finished_ms = ?6, frozen = CASE WHEN ?2 = 'pending' THEN frozen END
                 WHERE id = ?1",
            )?
            .execute(params![id, state, reason, due.0, due.1, finished])?;
        Ok(())
    }

    /// When a new purchase is due, and whether it waits for a late click until then.
    fn due(&self) -> Result<(i64, bool), rusqlite::Error> {
        if browser::is_ready(self.db, self.shop, &self.row.order, self.now_ms)? {
            return Ok((self.now_ms + self.rules.batch_delay_ms, false));
        }
        Ok((self.row.grace_until_ms.max(self.now_ms), true))
    }

    fn purchase(&self, standing: &Standing) -> Result<bool, rusqlite::Error> {
        let duty = self.duties("purchase")?.into_iter().next();
        let by_rule = |reason: &str| {
            ["state_", "kind_", "test_order", "cancelled"].iter().any(|r| reason.starts_with(r))
        };
        match (duty, standing) {
            (None, Standing::Counts) => {
                self.insert("purchase", "", "pending", None, self.due()?)?;
                Ok(true)
            }
            (None, Standing::Withheld(reason)) => {
                self.insert("purchase", "", "withheld", Some(reason), (self.now_ms, false))?;
                Ok(false)
            }
            (None, Standing::Unusable(reason)) => {
                self.insert("purchase", "", "dead", Some(reason), (self.now_ms, false))?;
                Ok(false)
            }
            (Some(d), Standing::Counts)
                if (d.is("withheld") && by_rule(&d.reason))
                    || (d.is("dead")
                        && matches!(d.reason.as_str(), "no_currency" | "unusable_amount")) =>
            {
                self.set(d.id, "pending", None, self.due()?)?;
                Ok(true)
            }
            (Some(d), Standing::Withheld(reason))
                if d.is("pending")
                    || (d.is("withheld") && by_rule(&d.reason) && d.reason != *reason)
                    || (d.is("dead") && reason == "erased") =>
            {
                self.set(d.id, "withheld", Some(reason), (self.now_ms, false))?;
                Ok(false)
            }
            (Some(d), Standing::Unusable(reason)) if d.is("pending") => {
                self.set(d.id, "dead", Some(reason), (self.now_ms, false))?;
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Refunds follow their purchase, one after the other, each once.
    fn refunds(&self, refunds: &[Refund]) -> Result<bool, rusqlite::Error> {
        let Some(purchase) = self.duties("purchase")?.into_iter().next() else { return Ok(false) };
        let mut ids: Vec<&str> = refunds.iter().map(|r| r.id.as_str()).collect();
        let before = self.duties("refund")?;
        let cancellation = before.iter().find(|d| d.refund_id == CANCELLATION);
        if refunds.is_empty() && self.row.order.cancelled_at.is_some() && purchase.is("delivered") {
            ids.push(CANCELLATION);
        }
        if let Some(duty) = cancellation
            && !refunds.is_empty()
            && duty.is("pending")
        {
            self.set(duty.id, "withheld", Some("covered_by_refund"), (self.now_ms, false))?;
        }
        let retracted = cancellation.is_some_and(|d| d.is("delivered"));
        for id in &ids {
            if before.iter().any(|d| d.refund_id == *id) {
                continue;
            }
            if retracted && *id != CANCELLATION {
                let reason = Some("covered_by_cancellation");
                self.insert("refund", id, "withheld", reason, (self.now_ms, false))?;
            } else {
                self.insert("refund", id, "pending", None, (BLOCKED, false))?;
            }
        }
        self.release(&purchase, &ids)
    }

    fn release(&self, purchase: &Duty, ids: &[&str]) -> Result<bool, rusqlite::Error> {
        let mut duties = self.duties("refund")?;
        duties.sort_by_key(|d| ids.iter().position(|id| *id == d.refund_id));
        let mut open = purchase.is("delivered") && !self.row.erased;
        let mut wake = false;
        for duty in duties {
            let revivable = duty.is("withheld") && duty.reason == NOT_SENT;
            if !duty.is("pending") && !revivable {
                continue;
            }
            if self.row.erased {
                self.set(duty.id, "withheld", Some("erased"), (self.now_ms, false))?;
            } else if purchase.is("withheld") || purchase.is("dead") {
                if duty.is("pending") {
                    self.set(duty.id, "withheld", Some(NOT_SENT), (self.now_ms, false))?;
                }
            } else if open {
                open = false;
                if duty.due_ms == BLOCKED || revivable {
                    // A cancellation leaves its refund webhook the time to arrive first.
                    let grace = i64::from(self.rules.policy.stitch_grace_ms);
                    let wait = if duty.refund_id == CANCELLATION { grace } else { 0 };
                    self.set(duty.id, "pending", None, (self.now_ms + wait, false))?;
                    wake = true;
                }
            } else if revivable || duty.due_ms != BLOCKED {
                self.set(duty.id, "pending", None, (BLOCKED, false))?;
            }
        }
        Ok(wake)
    }
}
