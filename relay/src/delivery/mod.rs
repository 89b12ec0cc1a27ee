//! Delivery: one lane per shop and destination takes what is due from the store, sends it, and records what
//! came of it. Lanes exist from their first delivery on and sleep until they are woken or something is due.

mod build;
mod lane;
mod outcome;
mod plan;
pub mod retry;
mod token;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::{Value, json};

use crate::clock::Clock;
use crate::config::{Config, Directory, Override};
use crate::destinations::Secret;
use crate::store::browser::Wake;
use crate::store::{Store, StoreError, listing, queue};
use crate::tasks::Tasks;
use lane::Lane;

/// What all lanes share.
#[derive(Debug)]
pub(crate) struct Gear {
    pub(crate) store: Store,
    pub(crate) clock: Clock,
    pub(crate) http: reqwest::Client,
    pub(crate) config: Config,
    pub(crate) tasks: Tasks,
}

/// All lanes.
#[derive(Debug)]
pub struct Deliveries {
    gear: Arc<Gear>,
    shops: Directory,
    // Plain mutexes: held only to look up or insert, never across an await.
    lanes: Mutex<HashMap<Wake, Arc<Lane>>>,
    credentials: Mutex<HashMap<Wake, Override>>,
}

impl Deliveries {
    /// Prepares lanes for all that is pending or parked, without sending yet.
    ///
    /// # Errors
    /// From the store.
    pub(crate) async fn start(gear: Arc<Gear>, shops: Directory) -> Result<Arc<Self>, StoreError> {
        let (credentials, parked, busy) = gear
            .store
            .read(|db| {
                Ok((listing_credentials(db)?, queue::parked_lanes(db)?, queue::busy_lanes(db)?))
            })
            .await?;
        let this = Arc::new(Self {
            gear,
            shops,
            lanes: Mutex::default(),
            credentials: Mutex::new(credentials),
        });
        for (key, parked) in parked {
            if let Some(lane) = this.lane(&key) {
                lane.start_parked(parked);
            }
        }
        this.wake(&busy);
        Ok(this)
    }

    /// Tells lanes that they have something to do.
    pub fn wake(self: &Arc<Self>, keys: &[Wake]) {
        for key in keys {
            if let Some(lane) = self.lane(key) {
                lane.wake();
            }
        }
    }

    /// Wakes every lane, because the clock moved.
    pub fn wake_all(&self) {
        for lane in self.all() {
            lane.wake();
        }
    }

    /// Replaces the credentials of a lane and lets parked deliveries continue; `false` if they cannot be right.
    ///
    /// # Errors
    /// From the store; nothing is changed then.
    pub async fn set_credentials(
        self: &Arc<Self>,
        key: Wake,
        kind: &'static str,
        secret: Secret,
    ) -> Result<bool, StoreError> {
        let with = credential(kind, secret.clone());
        let found = self.shops.shop(&key.0).map(|s| s.destination(&key.1, &with));
        let Some(Ok(Some(destination))) = found else { return Ok(false) };
        let (at, stored, text) = (self.gear.clock.now_ms(), key.clone(), secret.0.clone());
        self.gear
            .store
            .write(move |db, _| {
                db.execute(
                    "INSERT INTO credential VALUES(?1, ?2, ?3, ?4, ?5)
                     ON CONFLICT DO UPDATE SET kind = ?3, secret = ?4, at_ms = ?5",
                    rusqlite::params![stored.0, stored.1, kind, text, at],
                )?;
                queue::park(db, &stored, None)
            })
            .await?;
        locked(&self.credentials).insert(key.clone(), with);
        if let Some(lane) = self.lane(&key) {
            lane.replace(destination).await;
        }
        Ok(true)
    }

    /// What is wrong, one entry per lane.
    #[must_use]
    pub fn problems(&self) -> Vec<Value> {
        self.all()
            .iter()
            .filter_map(|lane| {
                let problem = lane.problem()?;
                Some(json!({
                    "shop": lane.key().0,
                    "destination": lane.key().1,
                    "state": problem.state,
                    "since": listing::when(problem.since_ms),
                    "reason": problem.reason,
                }))
            })
            .collect()
    }

    fn all(&self) -> Vec<Arc<Lane>> {
        locked(&self.lanes).values().cloned().collect()
    }

    fn lane(self: &Arc<Self>, key: &Wake) -> Option<Arc<Lane>> {
        let mut lanes = locked(&self.lanes);
        if let Some(lane) = lanes.get(key) {
            return Some(lane.clone());
        }
        let with = locked(&self.credentials).get(key).cloned().unwrap_or_default();
        // A destination that left the settings keeps its rows: it may come back.
        let shop = self.shops.shop(&key.0)?.clone();
        let destination = shop.destination(&key.1, &with).ok()??;
        let lane =
            Lane::new(key.clone(), shop, destination, self.gear.clone(), Arc::downgrade(self));
        self.gear.tasks.spawn(lane.clone().run());
        lanes.insert(key.clone(), lane.clone());
        Some(lane)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn credential(kind: &str, secret: Secret) -> Override {
    match kind {
        "access_token" => Override { access_token: Some(secret), ..Override::default() },
        _ => Override { refresh_token: Some(secret), ..Override::default() },
    }
}

fn listing_credentials(
    db: &rusqlite::Connection,
) -> Result<HashMap<Wake, Override>, rusqlite::Error> {
    db.prepare("SELECT shop, destination, kind, secret FROM credential")?
        .query_map([], |r| {
            let (kind, secret): (String, String) = (r.get(2)?, r.get(3)?);
            Ok(((r.get(0)?, r.get(1)?), credential(&kind, Secret(secret))))
        })?
        .collect()
}
