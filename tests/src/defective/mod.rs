//! The reference relay with one switch per known defect.
//!
//! The relay itself stays as it is. It runs between two small proxies: one in front of it sees what the store and the
//! browser send (*intake*), one behind it sees what it sends to the platforms (*outlet*). A defect is a change at one of
//! them, so that relay and defect together behave as a relay with that mistake would. Each is caught by a named case.
//! `manners` changes in the same way what is right either way, and must be caught by none.

mod intake;
mod list;
mod manners;
mod outlet;
mod serve;

use std::{
    collections::{HashMap, HashSet},
    sync::{
        Mutex, MutexGuard,
        atomic::{AtomicU64, Ordering},
    },
};

use serde_json::Value;

pub use list::DEFECTS;
pub use serve::serve;

/// One seeded defect.
pub struct Defect {
    /// Its name.
    pub id: &'static str,
    /// What the relay does wrong.
    pub does: &'static str,
    /// The catalogue entry it stands for.
    pub entry: &'static str,
    /// The case that catches it.
    pub caught_by: &'static str,
    /// Where it sits.
    pub at: At,
}

/// Where a defect sits, and what it does there.
pub enum At {
    /// What the store or the browser sends is changed, answered or dropped before the relay sees it.
    Intake(fn(&Memory, &mut Incoming) -> Verdict),
    /// What the relay answers to its callers is changed.
    Reply(fn(&Memory, &Incoming, &mut Answered)),
    /// What the relay sends to a platform is changed.
    Outlet(fn(&Memory, &mut Outgoing)),
    /// What a platform answers is changed before the relay sees it.
    Answer(fn(&Memory, &Outgoing, &mut Answered)),
}

/// What becomes of an incoming call.
pub enum Verdict {
    /// It goes to the relay (changed or not).
    Pass,
    /// It goes to the relay, and another call after it.
    PassAlso(Box<Incoming>),
    /// It goes to the relay after a while.
    PassLater(std::time::Duration),
    /// The caller is answered at once; the call reaches the relay later, if the process still lives.
    AnswerThenPass(u16, std::time::Duration),
    /// The caller is answered and the relay never hears of it.
    Answer(u16),
}

/// A call from store, browser or operator.
#[derive(Clone)]
pub struct Incoming {
    /// Method.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// Secrets by shop domain (current, previous), as configured.
    pub secrets: std::sync::Arc<HashMap<String, Vec<String>>>,
}

/// A call to a platform.
pub struct Outgoing {
    /// Method.
    pub method: String,
    /// Path and query, with the platform's id in front.
    pub path: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
    /// A further call to make: host and body.
    pub also: Option<(&'static str, Vec<u8>)>,
    /// Send the body after redirects too.
    pub follow: bool,
}

/// An answer on its way back.
pub struct Answered {
    /// Status.
    pub status: u16,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// Body.
    pub body: Vec<u8>,
}

/// What a defect may remember.
#[derive(Default)]
pub struct Memory {
    orders: Mutex<HashMap<String, Value>>,
    landings: Mutex<HashMap<String, Value>>,
    seen: Mutex<HashSet<String>>,
    counter: AtomicU64,
    /// The process was started before on the same data.
    pub restarted: bool,
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}

impl Memory {
    /// True the first time that this text is seen.
    pub fn first_time(&self, text: String) -> bool {
        locked(&self.seen).insert(text)
    }

    /// A number that was not given out before.
    pub fn next(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }

    /// Keeps the store's latest words about an order.
    pub fn keep_order(&self, body: &Value) {
        if let Some(id) = body.get("id").and_then(Value::as_u64) {
            locked(&self.orders).insert(id.to_string(), body.clone());
        }
    }

    /// What the store said of the order that an event's key names.
    pub fn order_of(&self, key: &str) -> Option<Value> {
        let id: String = key.chars().filter(char::is_ascii_digit).collect();
        locked(&self.orders).get(&id).cloned()
    }

    /// Keeps a visitor's landing and returns the one before.
    pub fn keep_landing(&self, visitor: &str, landing: &Value) -> Option<Value> {
        locked(&self.landings).insert(visitor.to_owned(), landing.clone())
    }

    /// A visitor's landing.
    pub fn landing_of(&self, visitor: &str) -> Option<Value> {
        locked(&self.landings).get(visitor).cloned()
    }
}

/// Value of an order attribute.
pub fn attribute(order: &Value, name: &str) -> Option<String> {
    order["note_attributes"]
        .as_array()?
        .iter()
        .find(|a| a["name"] == name)
        .and_then(|a| a["value"].as_str().map(str::to_owned))
}
