//! The tables. Everything is keyed by shop first, so that one shop can be erased, exported or moved alone.

/// Version of the tables, kept in `PRAGMA user_version`.
pub(super) const VERSION: i64 = 1;

/// Creates what is missing.
pub(super) const TABLES: &str = "
CREATE TABLE IF NOT EXISTS setting(name TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID, STRICT;

-- Browser side: who landed, with what, and what they allowed.
CREATE TABLE IF NOT EXISTS visitor(
  shop TEXT NOT NULL, visitor_id TEXT NOT NULL, seen_ms INTEGER NOT NULL, landed INTEGER NOT NULL,
  PRIMARY KEY(shop, visitor_id)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS click(
  id INTEGER PRIMARY KEY, shop TEXT NOT NULL, visitor_id TEXT NOT NULL, observed_ms INTEGER NOT NULL,
  doc TEXT NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS click_visitor ON click(shop, visitor_id, observed_ms);
CREATE TABLE IF NOT EXISTS join_key(
  shop TEXT NOT NULL, kind TEXT NOT NULL, value TEXT NOT NULL, visitor_id TEXT NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(shop, kind, value)) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS join_key_visitor ON join_key(shop, visitor_id);
CREATE TABLE IF NOT EXISTS consent(
  id INTEGER PRIMARY KEY, shop TEXT NOT NULL, visitor_id TEXT NOT NULL, at_ms INTEGER NOT NULL,
  answers TEXT, gpc INTEGER NOT NULL) STRICT;
CREATE INDEX IF NOT EXISTS consent_visitor ON consent(shop, visitor_id, at_ms, id);

-- Store side: each order's latest state, its refunds, and whom it concerns (keyed hashes).
CREATE TABLE IF NOT EXISTS orders(
  shop TEXT NOT NULL, order_id TEXT NOT NULL, received_ms INTEGER NOT NULL,
  grace_until_ms INTEGER NOT NULL, erased INTEGER NOT NULL DEFAULT 0,
  visitor_id TEXT, cart_token TEXT, checkout_token TEXT, doc TEXT NOT NULL,
  PRIMARY KEY(shop, order_id)) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS orders_visitor ON orders(shop, visitor_id) WHERE visitor_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_cart ON orders(shop, cart_token) WHERE cart_token IS NOT NULL;
CREATE INDEX IF NOT EXISTS orders_checkout ON orders(shop, checkout_token)
  WHERE checkout_token IS NOT NULL;
CREATE TABLE IF NOT EXISTS order_person(
  shop TEXT NOT NULL, person BLOB NOT NULL, order_id TEXT NOT NULL,
  PRIMARY KEY(shop, person, order_id)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS refund(
  shop TEXT NOT NULL, order_id TEXT NOT NULL, refund_id TEXT NOT NULL, doc TEXT NOT NULL,
  PRIMARY KEY(shop, order_id, refund_id)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS seen(
  shop TEXT NOT NULL, message_id TEXT NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY(shop, message_id)) WITHOUT ROWID, STRICT;
CREATE INDEX IF NOT EXISTS seen_at ON seen(at_ms);

-- Duties: one row per order, destination and event; retries are rows with due_ms.
CREATE TABLE IF NOT EXISTS delivery(
  id INTEGER PRIMARY KEY AUTOINCREMENT, shop TEXT NOT NULL, order_id TEXT NOT NULL,
  destination TEXT NOT NULL, kind TEXT NOT NULL, refund_id TEXT NOT NULL DEFAULT '',
  state TEXT NOT NULL, reason TEXT, created_ms INTEGER NOT NULL, due_ms INTEGER NOT NULL,
  waiting INTEGER NOT NULL DEFAULT 0, alone INTEGER NOT NULL DEFAULT 0,
  attempts INTEGER NOT NULL DEFAULT 0, frozen TEXT, finished_ms INTEGER,
  UNIQUE(shop, order_id, destination, kind, refund_id)) STRICT;
CREATE INDEX IF NOT EXISTS delivery_due ON delivery(shop, destination, due_ms, id)
  WHERE state = 'pending';
CREATE INDEX IF NOT EXISTS delivery_finished ON delivery(finished_ms) WHERE finished_ms IS NOT NULL;
CREATE TABLE IF NOT EXISTS attempt(
  id INTEGER PRIMARY KEY, delivery_id INTEGER NOT NULL, at_ms INTEGER NOT NULL,
  duration_ms INTEGER NOT NULL, status INTEGER, outcome TEXT NOT NULL, reason TEXT,
  trace_id TEXT) STRICT;
CREATE INDEX IF NOT EXISTS attempt_delivery ON attempt(delivery_id);
CREATE TABLE IF NOT EXISTS parked(
  shop TEXT NOT NULL, destination TEXT NOT NULL, since_ms INTEGER NOT NULL, reason TEXT NOT NULL,
  PRIMARY KEY(shop, destination)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS credential(
  shop TEXT NOT NULL, destination TEXT NOT NULL, kind TEXT NOT NULL, secret TEXT NOT NULL,
  at_ms INTEGER NOT NULL, PRIMARY KEY(shop, destination)) WITHOUT ROWID, STRICT;

-- Privacy: keyed hashes of erased persons and orders; requests that an operator answers.
CREATE TABLE IF NOT EXISTS erased(
  shop TEXT NOT NULL, person BLOB NOT NULL, at_ms INTEGER NOT NULL,
  PRIMARY KEY(shop, person)) WITHOUT ROWID, STRICT;
CREATE TABLE IF NOT EXISTS privacy_request(
  id INTEGER PRIMARY KEY, shop TEXT NOT NULL, kind TEXT NOT NULL, at_ms INTEGER NOT NULL) STRICT;
";
