//! Persons: keyed hashes that recognise an erased one, erasure, and export of what is kept about one.

use hmac::{Hmac, KeyInit, Mac};
use rusqlite::{Connection, OptionalExtension, params};
use serde_json::{Value, json};
use sha2::Sha256;

use super::intake::{order_row, reconcile};
use super::{Rules, browser, listing};
use crate::model::conversion::Contact;

/// Makes keyed hashes: without the key, which never leaves the database, they cannot be guessed from lists.
#[derive(Clone)]
pub struct PersonKeys(Vec<u8>);

impl std::fmt::Debug for PersonKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PersonKeys")
    }
}

impl PersonKeys {
    pub(super) fn load(db: &Connection) -> Result<Self, rusqlite::Error> {
        let fresh: [u8; 32] = rand::random();
        db.execute(
            "INSERT OR IGNORE INTO setting VALUES('person_key', ?1)",
            params![fresh.as_slice()],
        )?;
        db.query_row("SELECT value FROM setting WHERE name = 'person_key'", [], |r| r.get(0))
            .map(Self)
    }

    fn hash(&self, kind: &str, value: &str) -> Vec<u8> {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&self.0) else { return Vec::new() };
        mac.update(kind.as_bytes());
        mac.update(&[0]);
        mac.update(value.as_bytes());
        mac.finalize().into_bytes().to_vec()
    }

    fn email(&self, email: &str) -> Option<Vec<u8>> {
        let email = email.trim().to_lowercase();
        (!email.is_empty()).then(|| self.hash("email", &email))
    }

    fn phone(&self, phone: &str) -> Option<Vec<u8>> {
        let digits: String = phone.chars().filter(char::is_ascii_digit).collect();
        let digits = digits.trim_start_matches('0');
        (digits.len() >= 6).then(|| self.hash("phone", digits))
    }

    fn customer(&self, id: &str) -> Option<Vec<u8>> {
        (!id.is_empty()).then(|| self.hash("customer", id))
    }

    /// Keys of everyone named in this contact data.
    #[must_use]
    pub fn of(&self, contact: &Contact) -> Vec<Vec<u8>> {
        let keys = [
            contact.email.as_deref().and_then(|e| self.email(e)),
            contact.phone.as_deref().and_then(|p| self.phone(p)),
            contact.customer_id.as_deref().and_then(|c| self.customer(c)),
        ];
        keys.into_iter().flatten().collect()
    }

    /// Key of an order.
    #[must_use]
    pub fn order(&self, id: &str) -> Vec<u8> {
        self.hash("order", id)
    }
}

/// Who is to be erased; any of the names suffices.
#[derive(Debug, Clone, Default)]
pub struct Person {
    /// E-mail, phone and customer id.
    pub contact: Contact,
    /// The storefront's visitor id.
    pub visitor_id: Option<String>,
    /// Orders.
    pub order_ids: Vec<String>,
}

/// Erases a person: contact data, clicks, visitor and consent go; queued deliveries are withheld; keyed
/// hashes stay so that a late redelivery of an old webhook is recognised. Returns the number of orders.
///
/// # Errors
/// From SQLite.
pub fn erase(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    person: &Person,
    now_ms: i64,
) -> Result<usize, rusqlite::Error> {
    let mut orders = person.order_ids.clone();
    let mut visitors: Vec<String> = person.visitor_id.iter().cloned().collect();
    for key in rules.keys.of(&person.contact) {
        suppress(db, shop, &key, now_ms)?;
        let mut rows =
            db.prepare_cached("SELECT order_id FROM order_person WHERE shop = ?1 AND person = ?2")?;
        for id in rows.query_map(params![shop, key], |r| r.get::<_, String>(0))? {
            orders.push(id?);
        }
    }
    if let Some(visitor) = &person.visitor_id {
        orders.extend(browser::orders_of(db, shop, visitor)?);
    }
    orders.sort();
    orders.dedup();
    for id in &orders {
        suppress(db, shop, &rules.keys.order(id), now_ms)?;
        if let Some(row) = order_row(db, shop, id)? {
            visitors.extend(browser::visitor_of(db, shop, &row.order)?.map(|v| v.id));
            let mut order = row.order;
            order.erase();
            db.prepare_cached(
                "UPDATE orders SET erased = 1, doc = ?3, visitor_id = NULL, cart_token = NULL,
                 checkout_token = NULL WHERE shop = ?1 AND order_id = ?2",
            )?
            .execute(params![shop, id, listing::text(&order)])?;
            db.prepare_cached("DELETE FROM order_person WHERE shop = ?1 AND order_id = ?2")?
                .execute(params![shop, id])?;
            db.prepare_cached(
                "UPDATE delivery SET frozen = NULL WHERE shop = ?1 AND order_id = ?2",
            )?
            .execute(params![shop, id])?;
            reconcile(db, rules, shop, id, now_ms)?;
        }
    }
    for visitor in visitors {
        for table in ["click", "consent", "join_key", "visitor"] {
            db.prepare_cached(&format!("DELETE FROM {table} WHERE shop = ?1 AND visitor_id = ?2"))?
                .execute(params![shop, visitor])?;
        }
    }
    Ok(orders.len())
}

/// Erases a whole shop (`shop/redact`): everything but finished deliveries, which hold no personal data.
///
/// # Errors
/// From SQLite.
pub fn erase_shop(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    now_ms: i64,
) -> Result<(), rusqlite::Error> {
    let ids: Vec<String> = db
        .prepare("SELECT order_id FROM orders WHERE shop = ?1")?
        .query_map([shop], |r| r.get(0))?
        .collect::<Result<_, _>>()?;
    erase(db, rules, shop, &Person { order_ids: ids, ..Person::default() }, now_ms)?;
    for table in ["click", "consent", "join_key", "visitor"] {
        db.execute(&format!("DELETE FROM {table} WHERE shop = ?1"), [shop])?;
    }
    Ok(())
}

fn suppress(db: &Connection, shop: &str, key: &[u8], now: i64) -> Result<(), rusqlite::Error> {
    db.prepare_cached(
        "INSERT INTO erased VALUES(?1, ?2, ?3) ON CONFLICT DO UPDATE SET at_ms = ?3",
    )?
    .execute(params![shop, key, now])?;
    Ok(())
}

/// Whether an order concerns someone who was erased after it was placed, or was itself erased.
pub(super) fn is_erased(
    db: &Connection,
    rules: &Rules,
    shop: &str,
    order_id: &str,
    contact: &Contact,
    placed_ms: i64,
) -> Result<bool, rusqlite::Error> {
    let mut find = db.prepare_cached("SELECT at_ms FROM erased WHERE shop = ?1 AND person = ?2")?;
    let mut at = |key: &[u8]| find.query_row(params![shop, key], |r| r.get::<_, i64>(0)).optional();
    if at(&rules.keys.order(order_id))?.is_some() {
        return Ok(true);
    }
    for key in rules.keys.of(contact) {
        if at(&key)?.is_some_and(|erased| placed_ms <= erased) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Everything kept about one person, by visitor id or e-mail.
///
/// # Errors
/// From SQLite.
pub fn export(
    db: &Connection,
    keys: &PersonKeys,
    shop: &str,
    visitor_id: Option<&str>,
    email: Option<&str>,
) -> Result<Value, rusqlite::Error> {
    let mut orders: Vec<String> = Vec::new();
    let mut visitors: Vec<String> = visitor_id.map(str::to_owned).into_iter().collect();
    if let Some(visitor) = visitor_id {
        orders.extend(browser::orders_of(db, shop, visitor)?);
    }
    if let Some(key) = email.and_then(|e| keys.email(e)) {
        let mut rows =
            db.prepare("SELECT order_id FROM order_person WHERE shop = ?1 AND person = ?2")?;
        for id in rows.query_map(params![shop, key], |r| r.get::<_, String>(0))? {
            orders.push(id?);
        }
    }
    orders.sort();
    orders.dedup();
    let mut shown = Vec::new();
    for id in &orders {
        let Some(row) = order_row(db, shop, id)? else { continue };
        if let Some(visitor) = browser::visitor_of(db, shop, &row.order)? {
            visitors.push(visitor.id);
        }
        let filter = listing::Filter {
            shop: Some(shop.to_owned()),
            order: Some(id.clone()),
            limit: 1000,
            ..listing::Filter::default()
        };
        shown.push(json!({
            "order": row.order,
            "refunds": super::intake::refunds(db, shop, id)?,
            "deliveries": listing::deliveries(db, &filter)?.0,
        }));
    }
    visitors.sort();
    visitors.dedup();
    let mut people = Vec::new();
    for visitor in &visitors {
        let clicks = browser::clicks(db, shop, visitor)?;
        let consent: Vec<Value> = browser::entries(db, shop, visitor)?
            .iter()
            .map(|e| json!({"at": listing::when(e.at_ms), "answers": e.answers, "gpc": e.gpc}))
            .collect();
        if !clicks.is_empty() || !consent.is_empty() {
            people.push(json!({"visitor_id": visitor, "clicks": clicks, "consent": consent}));
        }
    }
    Ok(json!({"shop": shop, "visitors": people, "orders": shown}))
}
