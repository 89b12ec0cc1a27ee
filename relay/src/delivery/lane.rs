//! One shop's way to one destination. Only here is a platform called.
//!
//! A lane never waits for a conversion that is not due: failed ones go back to the store with a later due
//! time. Refused credentials park the lane: everything is kept, and one conversion at a time probes with
//! growing pauses, until the platform accepts again or an operator brings new credentials.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::Notify;

use super::build::{Terms, Verdict, judge};
use super::outcome::{self, Together, describe};
use super::plan::{Traveller, requests};
use super::token::TokenCache;
use super::{Deliveries, Gear};
use crate::client;
use crate::clock::{from_millis, millis};
use crate::config::Shop;
use crate::destinations::oauth::TokenError;
use crate::destinations::{Destination, Outcome};
use crate::model::conversion::Conversion;
use crate::store::StoreError;
use crate::store::browser::Wake;
use crate::store::queue::{self, Attempt, Due, Finish, Next, Parked};

/// Longest sleep of a lane that has something planned; also heals a missed wake-up.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Pause after the store failed.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// For so long a decision stands by itself if nothing was written meanwhile that could change it: time alone ages and
/// expires.
const FRESH: Duration = Duration::from_secs(1);
/// Attempts without a delivery in between that make a lane unhealthy.
const FAILING: u32 = 3;

/// See the module.
#[derive(Debug)]
pub(super) struct Lane {
    key: Wake,
    shop: Arc<Shop>,
    gear: Arc<Gear>,
    all: Weak<Deliveries>,
    wake: Notify,
    token: TokenCache,
    // A plain mutex: held for a few instructions, never across an await.
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    destination: Arc<dyn Destination>,
    parked: Option<Parking>,
    /// Deliveries in flight; not durable: after a restart they are due again with the same key and body.
    busy: HashSet<i64>,
    requests: usize,
    /// The queue may hold more than what is in flight: it is looked at again when a request has ended.
    more: bool,
    failures: u32,
    failing_since: i64,
    reason: String,
}

#[derive(Debug, Clone)]
struct Parking {
    since_ms: i64,
    reason: String,
    probe_ms: i64,
    probes: u32,
}

/// What is wrong with a lane.
#[derive(Debug)]
pub(super) struct Problem {
    pub(super) state: &'static str,
    pub(super) since_ms: i64,
    pub(super) reason: String,
}

/// The moment at which it was decided what may be sent.
#[derive(Debug, Clone, Copy)]
struct Look {
    news: u64,
    at: Instant,
}

/// A conversion on its way.
#[derive(Debug)]
struct Parcel {
    id: i64,
    attempts: u32,
    conversion: Conversion,
}

impl Lane {
    pub(super) fn new(
        key: Wake,
        shop: Arc<Shop>,
        destination: Arc<dyn Destination>,
        gear: Arc<Gear>,
        all: Weak<Deliveries>,
    ) -> Arc<Self> {
        let state = State {
            destination,
            parked: None,
            busy: HashSet::new(),
            requests: 0,
            more: false,
            failures: 0,
            failing_since: 0,
            reason: String::new(),
        };
        let (wake, token) = (Notify::new(), TokenCache::default());
        Arc::new(Self { key, shop, gear, all, wake, token, state: Mutex::new(state) })
    }

    pub(super) fn key(&self) -> &Wake {
        &self.key
    }

    pub(super) fn wake(&self) {
        self.wake.notify_one();
    }

    /// Continues as parked after a restart: the first probe is due at once.
    pub(super) fn start_parked(&self, parked: Parked) {
        self.state().parked = Some(Parking {
            since_ms: millis(parked.since),
            reason: parked.reason,
            probe_ms: 0,
            probes: 0,
        });
        self.wake();
    }

    /// New credentials: forget the token, leave parking, go on.
    pub(super) async fn replace(&self, destination: Arc<dyn Destination>) {
        self.token.forget().await;
        {
            let mut state = self.state();
            state.destination = destination;
            state.parked = None;
            state.failures = 0;
        }
        self.wake();
    }

    pub(super) fn problem(&self) -> Option<Problem> {
        let state = self.state();
        if let Some(p) = &state.parked {
            let reason = p.reason.clone();
            return Some(Problem { state: "parked", since_ms: p.since_ms, reason });
        }
        (state.failures >= FAILING).then(|| Problem {
            state: "failing",
            since_ms: state.failing_since,
            reason: state.reason.clone(),
        })
    }

    pub(super) async fn run(self: Arc<Self>) {
        while !self.gear.tasks.is_stopping() {
            let sleep = match self.dispatch().await {
                Ok(sleep) => sleep,
                Err(error) => {
                    tracing::error!(shop = self.key.0, destination = self.key.1, %error, "store");
                    STORE_PAUSE
                }
            };
            tokio::select! {
                () = self.gear.tasks.stopping() => return,
                () = self.wake.notified() => {}
                () = tokio::time::sleep(sleep) => {}
            }
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts what may be started now; returns how long there is nothing to do.
    async fn dispatch(self: &Arc<Self>) -> Result<Duration, StoreError> {
        let config = &self.gear.config.delivery;
        loop {
            let now_ms = self.gear.clock.now_ms();
            let (destination, busy, slots, parked) = {
                let mut state = self.state();
                let most = if state.parked.is_some() { 1 } else { config.in_flight_per_lane };
                let slots = most.saturating_sub(state.requests);
                // Until it has been looked at.
                state.more = true;
                (state.destination.clone(), state.busy.clone(), slots, state.parked.clone())
            };
            if slots == 0 {
                return Ok(LONGEST_SLEEP);
            }
            if let Some(p) = &parked
                && p.probe_ms > now_ms
            {
                return Ok(self.until(p.probe_ms));
            }
            let most = destination.max_batch().min(config.batch).max(1);
            let limit = if parked.is_some() { 1 } else { most.saturating_mul(slots) };
            let key = self.key.clone();
            let delay = self.gear.store.rules().batch_delay_ms;
            let look = Look { news: self.gear.store.news(&self.key.0), at: Instant::now() };
            let (due, next) = self
                .gear
                .store
                .read(move |db| queue::due(db, &key, now_ms, limit, &busy, delay))
                .await?;
            let looked_at = due.len();
            self.state().more = next.is_some();
            let started = self.start(due, look, &destination, most, slots).await?;
            if looked_at == 0 || started > 0 {
                return Ok(next.map_or(LONGEST_SLEEP, |at| self.until(at)));
            }
        }
    }

    fn until(&self, at_ms: i64) -> Duration {
        let wait = at_ms.saturating_sub(self.gear.clock.now_ms()).max(0);
        Duration::from_millis(wait.unsigned_abs()).min(LONGEST_SLEEP)
    }

    /// Judges what is due, records what will not be sent, and starts up to `slots` requests.
    async fn start(
        self: &Arc<Self>,
        due: Vec<Due>,
        look: Look,
        destination: &Arc<dyn Destination>,
        most: usize,
        slots: usize,
    ) -> Result<usize, StoreError> {
        let (mut refused, mut parcels, mut travellers) = (Vec::new(), Vec::new(), Vec::new());
        let mut to_keep = Vec::new();
        let config = &self.gear.config;
        let terms = Terms {
            shop: &self.shop,
            policy: &config.policy,
            max_age_hours: config.delivery.max_age_hours,
            now: self.gear.clock.now(),
        };
        for row in due {
            let next = match judge(&row, terms, destination.as_ref()) {
                Verdict::Send(conversion, kept) => {
                    travellers.push(Traveller {
                        route: destination.route(&conversion),
                        attempts: row.attempts,
                        alone: row.alone,
                    });
                    to_keep.push(kept);
                    let (id, attempts) = (row.id, row.attempts);
                    parcels.push(Some(Parcel { id, attempts, conversion: *conversion }));
                    continue;
                }
                Verdict::Withhold(reason) => Next::Withheld(reason),
                Verdict::Dead(reason) => Next::Dead(reason),
            };
            refused.push(Finish { id: row.id, attempt: None, next });
        }
        let (mut batches, mut frozen) = (Vec::new(), Vec::new());
        let planned = requests(&travellers, most);
        if planned.len() > slots {
            self.state().more = true;
        }
        for members in planned.into_iter().take(slots) {
            let mut batch = Vec::new();
            for index in members {
                let Some(parcel) = parcels.get_mut(index).and_then(Option::take) else { continue };
                if let Some(text) = to_keep.get_mut(index).and_then(Option::take) {
                    frozen.push((parcel.id, text));
                }
                batch.push(parcel);
            }
            batches.push(batch);
        }
        if !refused.is_empty() || !frozen.is_empty() {
            let now_ms = millis(terms.now);
            let wakes = self
                .gear
                .store
                .note(move |db, rules| {
                    queue::freeze(db, &frozen)?;
                    queue::finish(db, rules, &refused, now_ms)
                })
                .await?;
            self.pass_on(&wakes);
        }
        let started = batches.len();
        for batch in batches {
            {
                let mut state = self.state();
                state.requests += 1;
                state.busy.extend(batch.iter().map(|p| p.id));
            }
            let lane = self.clone();
            let destination = destination.clone();
            self.gear
                .tasks
                .spawn(async move { lane.send(batch, look, destination.as_ref()).await });
        }
        Ok(started)
    }

    fn pass_on(&self, wakes: &[Wake]) {
        if let Some(all) = self.all.upgrade() {
            all.wake(wakes);
        }
    }

    /// One request with everything that follows from it.
    async fn send(self: Arc<Self>, batch: Vec<Parcel>, look: Look, destination: &dyn Destination) {
        let ids: Vec<i64> = batch.iter().map(|p| p.id).collect();
        // What takes time comes first, then consent is looked at for the last time, then the request leaves.
        if let Some(oauth) = destination.oauth() {
            let (http, clock) = (&self.gear.http, &self.gear.clock);
            // Without a token `exchange` asks again and says why there is none.
            drop(self.token.get(oauth, None, http, clock).await);
        }
        let batch = self.still_allowed(batch, look, destination).await;
        let all = batch.len() == ids.len();
        let over = !batch.is_empty() && self.attempt(batch, destination).await && all;
        let look_again = {
            let mut state = self.state();
            state.requests = state.requests.saturating_sub(1);
            for id in &ids {
                state.busy.remove(id);
            }
            state.more || !over
        };
        if look_again {
            self.wake();
        }
    }

    /// The parcels that may still be sent; the others are withheld. On a store error nothing is sent now.
    async fn still_allowed(
        &self,
        batch: Vec<Parcel>,
        look: Look,
        destination: &dyn Destination,
    ) -> Vec<Parcel> {
        if look.at.elapsed() < FRESH && self.gear.store.news(&self.key.0) == look.news {
            return batch;
        }
        let key = self.key.clone();
        let ids: Vec<i64> = batch.iter().map(|p| p.id).collect();
        let rows = self.gear.store.read(move |db| {
            ids.iter().map(|id| queue::still_due(db, &key, *id)).collect::<Result<Vec<_>, _>>()
        });
        let rows = match rows.await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::error!(shop = self.key.0, destination = self.key.1, %error, "store");
                tokio::time::sleep(STORE_PAUSE).await;
                return Vec::new();
            }
        };
        let config = &self.gear.config;
        let terms = Terms {
            shop: &self.shop,
            policy: &config.policy,
            max_age_hours: config.delivery.max_age_hours,
            now: self.gear.clock.now(),
        };
        let mut allowed = Vec::new();
        for (parcel, row) in batch.into_iter().zip(rows) {
            // What is no longer pending, or may no longer go, is left to the next look at the queue.
            let verdict = row.map(|row| judge(&row, terms, destination));
            if let Some(Verdict::Send(conversion, _)) = verdict {
                allowed.push(Parcel { conversion: *conversion, ..parcel });
            }
        }
        allowed
    }

    /// Sends and writes down what came of it; true if that is the end of every one of them.
    async fn attempt(&self, batch: Vec<Parcel>, destination: &dyn Destination) -> bool {
        let at_ms = self.gear.clock.now_ms();
        let begun = Instant::now();
        let conversions: Vec<Conversion> = batch.iter().map(|p| p.conversion.clone()).collect();
        let (status, mut outcomes) = self.exchange(&conversions, destination).await;
        if outcomes.len() != batch.len() {
            // A destination that cannot account for each conversion has accounted for none.
            let reason = "answer not understood".to_owned();
            outcomes =
                vec![Outcome::Retry { reason, not_before: None, trace_id: None }; batch.len()];
        }
        let duration_ms = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        let now_ms = self.gear.clock.now_ms();
        let others_rejected = outcomes.iter().any(|o| matches!(o, Outcome::Rejected { .. }));
        let mut results = Vec::new();
        for (parcel, outcome) in batch.iter().zip(&outcomes) {
            let (name, reason, trace_id) = describe(outcome);
            let together =
                Together { attempts: parcel.attempts, batch: batch.len(), others_rejected };
            let next = outcome::next(&self.gear.config.delivery, outcome, together, now_ms);
            let attempt = Attempt {
                at_ms,
                duration_ms,
                status,
                outcome: name,
                reason: reason.map(str::to_owned),
                trace_id: trace_id.map(str::to_owned),
            };
            results.push(Finish { id: parcel.id, attempt: Some(attempt), next });
        }
        let ended =
            |next: &Next| matches!(next, Next::Delivered | Next::Withheld(_) | Next::Dead(_));
        let over = results.iter().all(|result| ended(&result.next));
        let parking = self.learn(&outcomes, now_ms);
        let key = self.key.clone();
        let written = self
            .gear
            .store
            .note(move |db, rules| {
                if let Some(parking) = &parking {
                    queue::park(db, &key, parking.as_ref())?;
                }
                queue::finish(db, rules, &results, now_ms)
            })
            .await;
        match written {
            Ok(wakes) => {
                self.pass_on(&wakes);
                over
            }
            Err(error) => {
                // What was sent will be sent again with the same key and body.
                tracing::error!(shop = self.key.0, destination = self.key.1, %error, "store");
                tokio::time::sleep(STORE_PAUSE).await;
                false
            }
        }
    }

    async fn exchange(
        &self,
        conversions: &[Conversion],
        destination: &dyn Destination,
    ) -> (Option<u16>, Vec<Outcome>) {
        let same = |outcome: Outcome| vec![outcome; conversions.len()];
        let mut stale = None;
        loop {
            let request = destination.request(conversions);
            let mut builder = self
                .gear
                .http
                .post(&request.url)
                .header(http::header::CONTENT_TYPE, "application/json")
                .body(request.body.0);
            for (name, value) in request.headers {
                builder = builder.header(name, value.0);
            }
            let mut token = None;
            if let Some(oauth) = destination.oauth() {
                let (http, clock) = (&self.gear.http, &self.gear.clock);
                match self.token.get(oauth, stale.as_ref(), http, clock).await {
                    Ok(fresh) => {
                        builder = builder.bearer_auth(&fresh.0);
                        token = Some(fresh);
                    }
                    Err(TokenError::Permanent { reason }) => {
                        return (None, same(Outcome::Credentials { reason, trace_id: None }));
                    }
                    Err(TokenError::Transient { reason, not_before }) => {
                        let reason = format!("token endpoint: {reason}");
                        return (None, same(Outcome::Retry { reason, not_before, trace_id: None }));
                    }
                }
            }
            let cap = Duration::from_millis(self.gear.config.delivery.retry_after_cap_ms);
            match client::exchange(builder, cap).await {
                Ok(answer) => {
                    let outcomes = destination.outcomes(conversions, &answer);
                    let refused = outcomes.iter().all(|o| matches!(o, Outcome::Credentials { .. }));
                    if refused && token.is_some() && stale.is_none() {
                        stale = token;
                        continue;
                    }
                    return (Some(answer.status), outcomes);
                }
                Err(why) => {
                    let reason = why.to_owned();
                    let retry = Outcome::Retry { reason, not_before: None, trace_id: None };
                    return (None, same(retry));
                }
            }
        }
    }

    /// Updates the lane's own state; returns what is to be written about parking, if that changes.
    fn learn(&self, outcomes: &[Outcome], now_ms: i64) -> Option<Option<Parked>> {
        let refused = outcomes.iter().find_map(|o| match o {
            Outcome::Credentials { reason, .. } => Some(reason.clone()),
            _ => None,
        });
        let delivered = outcomes.iter().any(|o| matches!(o, Outcome::Delivered { .. }));
        let unsure = outcomes.iter().all(|o| matches!(o, Outcome::Retry { .. }));
        let mut state = self.state();
        if delivered {
            state.failures = 0;
        } else {
            if state.failures == 0 {
                state.failing_since = now_ms;
            }
            state.failures = state.failures.saturating_add(1);
            let reason = outcomes.first().and_then(|o| describe(o).1).unwrap_or_default();
            state.reason = reason.to_owned();
        }
        let was_parked = state.parked.is_some();
        if let Some(reason) = refused {
            let before = state.parked.take();
            let probes = before.as_ref().map_or(0, |p| p.probes) + 1;
            let since_ms = before.map_or(now_ms, |p| p.since_ms);
            let probe_ms = now_ms + outcome::pause_ms(&self.gear.config.delivery, probes);
            state.parked = Some(Parking { since_ms, reason: reason.clone(), probe_ms, probes });
            tracing::warn!(
                shop = self.key.0,
                destination = self.key.1,
                "parked: credentials refused"
            );
            return Some(Some(Parked { since: from_millis(since_ms), reason }));
        }
        if !was_parked {
            return None;
        }
        if unsure {
            // No answer about the credentials: keep probing one by one.
            if let Some(p) = state.parked.as_mut() {
                p.probes += 1;
                let probes = p.probes;
                p.probe_ms = now_ms + outcome::pause_ms(&self.gear.config.delivery, probes);
            }
            return None;
        }
        state.parked = None;
        Some(None)
    }
}
