//! One run: plan, gateway, relay, cases side by side, verdicts. The table of contents of the whole program.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use crate::{
    driver::Driver,
    exchange::{Ending, Exchange, OrderRef},
    gateway::{CaseHandle, Gateway, GatewayOptions, Log},
    history::{Action, Did, History, Readings, Waited},
    judge,
    plan::{
        Case, Plan, Shop, Skipped,
        cases::{self, Outline, PlanError, PlanOptions},
    },
    platforms::{self, Channel, PLATFORMS, Platform, Severity},
    scenario::{Answers, Expect, Given, LogState, Scenario, load},
    snapshot::{self, Compared},
    sut::{
        process::Relay,
        profile::{Profile, Shops},
    },
    truth::{self, Count, Truth},
    verdict::{CaseVerdict, Finding, Status, Summary},
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// A relay that is running already; `None`: started as the profile says.
    pub relay: Option<String>,
    /// How to speak to it.
    pub profile: Profile,
    /// Folder with scenario files.
    pub scenarios: PathBuf,
    /// Case patterns; empty: all.
    pub cases: Vec<String>,
    /// Platform ids; empty: all of the profile.
    pub platforms: Vec<String>,
    /// Cases at the same time.
    pub jobs: usize,
    /// All values that the plan makes come from it.
    pub seed: u64,
    /// Longest wait for one case, beyond what it declares itself.
    pub timeout: Duration,
    /// Folder of snapshots; `None`: not compared.
    pub snapshots: Option<PathBuf>,
    /// Accept what changed.
    pub accept: bool,
    /// Beginning of the command that plays this run again.
    pub reproduce: String,
    /// Settings that every relay process of this run is started with, on top of a scenario's own (for relays with a seeded defect).
    pub settings: std::collections::BTreeMap<String, serde_json::Value>,
}

/// Why there is no verdict.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Scenario, profile or selection at fault.
    #[error("{0}")]
    Usage(String),
    /// The selection matches nothing.
    #[error("{0}")]
    NothingSelected(String),
    /// No relay.
    #[error("{0}")]
    Unreachable(String),
    /// The harness itself.
    #[error("{0}")]
    Harness(String),
}

/// What happens during a run, for progress displays.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// So many cases will be played.
    Planned(usize),
    /// One is decided.
    Decided(&'a CaseVerdict),
}

/// Plays and judges. Returns when the last case is decided and everything it started has ended.
///
/// # Errors
///
/// If nothing could be judged; a broken relay is no error.
pub async fn run(
    options: &Options,
    mut progress: impl FnMut(Progress<'_>),
) -> Result<Summary, RunError> {
    let started = Instant::now();
    let plan = plan(options)?;
    progress(Progress::Planned(plan.cases.len()));
    let gateway = Gateway::start(GatewayOptions { started, platforms: PLATFORMS })
        .await
        .map_err(|e| RunError::Harness(format!("the gateway cannot listen: {e}")))?;
    let shops = cases::shops(plan.seed, 0, shops_needed(&plan, options), &options.profile);
    let wanting = plan.cases.iter().find(|c| !c.private_relay && c.shops_needed() > shops.len());
    if let Some(case) = wanting {
        return Err(RunError::Usage(format!(
            "{} needs {} shops, the profile has {}\nhint: without the capability `shops` such cases are skipped",
            case.name,
            case.shops_needed(),
            shops.len()
        )));
    }
    gateway.add_shops(&shops);
    let shared = shared_relay(options, &plan, &shops, &gateway).await?;
    let run = Arc::new(Run {
        options: options.clone(),
        started,
        gateway,
        shared,
        jobs: Semaphore::new(options.jobs.max(1)),
        private: Semaphore::new(PRIVATE_RELAYS),
        pool: ShopPool::new(shops.len()),
        shops,
        vitals: Vitals::default(),
    });
    let mut tasks = JoinSet::new();
    let mut cases = plan.cases;
    // The longest first, so that none is left waiting alone at the end.
    cases.sort_by_key(|case| std::cmp::Reverse(declared_waiting(case, &options.profile)));
    for case in cases {
        let run = Arc::clone(&run);
        tasks.spawn(async move { run.case(Arc::new(case)).await });
    }
    let mut decided = Vec::new();
    let mut snapshots_changed = Vec::new();
    let watched = Arc::clone(&run);
    let mut silence = Box::pin(async move { watched.silence().await });
    let mut silent = None;
    loop {
        let joined = tokio::select! {
            joined = tasks.join_next() => joined,
            why = &mut silence, if silent.is_none() => {
                // What is under way ends with the tasks: nothing more can come of it.
                silent = Some(why);
                tasks.abort_all();
                continue;
            }
        };
        let Some(joined) = joined else { break };
        if joined.as_ref().is_err_and(tokio::task::JoinError::is_cancelled) {
            continue;
        }
        let played = joined.map_err(|e| RunError::Harness(format!("a case ended badly: {e}")))?;
        let Some((verdict, changed)) = played else { continue };
        snapshots_changed.extend(changed);
        progress(Progress::Decided(&verdict));
        decided.push(verdict);
    }
    drop(silence);
    decided.sort_by(|a, b| a.case.cmp(&b.case));
    snapshots_changed.sort();
    if run.gateway.panics() > 0 {
        return Err(RunError::Harness(
            "a platform simulator panicked: no verdict stands".to_owned(),
        ));
    }
    let (orphans, _) = run.gateway.orphans();
    let summary = Summary {
        relay: options.profile.name.clone(),
        seed: plan.seed,
        declared_ms: decided.iter().map(|c| c.declared_ms).max().unwrap_or(0),
        cases: decided,
        skipped: plan.skipped,
        run_findings: run.findings(),
        orphans,
        snapshots_changed,
        took_ms: millis(started.elapsed()),
        aborted: silent.or_else(|| run.vitals.gone()).or_else(|| run.relay_exit()),
        reproduce: options.reproduce.clone(),
    };
    if let Ok(run) = Arc::try_unwrap(run) {
        if let Some(relay) = run.shared {
            relay.shut_down().await;
        }
        run.gateway.stop().await;
    }
    Ok(summary)
}

/// Private relay processes at the same time: each costs a process start.
const PRIVATE_RELAYS: usize = 24;

/// What a case may take to settle after its control order was taken, on a busy machine.
const SLACK: Duration = Duration::from_millis(2_500);

/// After this long without any sign of life from the relay it is called silent.
const SILENCE: Duration = Duration::from_millis(2_500);

/// Scenarios to cases.
///
/// # Errors
///
/// If a file cannot be read or the selection matches nothing.
pub fn plan(options: &Options) -> Result<Plan, RunError> {
    let mut plan = cases::plan(&scenarios(options)?, &plan_options(options)).map_err(unplanned)?;
    if options.relay.is_some() {
        // Somebody else's process is neither stopped nor started anew, nor given other settings.
        let reason = "needs a relay process of its own, which a relay given by URL is not";
        let (own, shared): (Vec<_>, Vec<_>) = plan.cases.into_iter().partition(|c| c.private_relay);
        plan.cases = shared;
        plan.skipped
            .extend(own.into_iter().map(|c| Skipped { name: c.name, reason: reason.to_owned() }));
    }
    Ok(plan)
}

/// The same by name only, for lists.
///
/// # Errors
///
/// As [`plan`].
pub fn outline(options: &Options) -> Result<(Vec<Outline>, Vec<Skipped>), RunError> {
    cases::outline(&scenarios(options)?, &plan_options(options)).map_err(unplanned)
}

fn scenarios(options: &Options) -> Result<Vec<Scenario>, RunError> {
    load::load_dir(&options.scenarios).map_err(|e| RunError::Usage(e.to_string()))
}

fn plan_options(options: &Options) -> PlanOptions<'_> {
    PlanOptions {
        seed: options.seed,
        profile: &options.profile,
        platforms: (!options.platforms.is_empty()).then(|| options.platforms.clone()),
        patterns: options.cases.clone(),
    }
}

fn unplanned(error: PlanError) -> RunError {
    match error.nothing_selected() {
        true => RunError::NothingSelected(error.to_string()),
        false => RunError::Usage(error.to_string()),
    }
}

fn shops_needed(plan: &Plan, _options: &Options) -> usize {
    // A shop for each case and a second one for those that need two: no two cases share an account.
    plan.cases.iter().map(Case::shops_needed).sum::<usize>().max(1)
}

async fn shared_relay(
    options: &Options,
    plan: &Plan,
    shops: &[Shop],
    gateway: &Gateway,
) -> Result<Option<Relay>, RunError> {
    if let Some(url) = &options.relay {
        let relay = Relay::at(&options.profile, url, SILENCE).await.map_err(unreachable)?;
        // One that takes connections and never answers would cost every call its whole time.
        return match tokio::time::timeout(SILENCE, relay.http().lower_case.get(url).send()).await {
            Ok(Ok(_)) => Ok(Some(relay)),
            Ok(Err(e)) => Err(unreachable(format!("the relay at {url} does not speak HTTP: {e}"))),
            Err(_) => Err(unreachable(format!(
                "the relay at {url} takes connections but has not answered within {:.1} s",
                SILENCE.as_secs_f64()
            ))),
        };
    }
    if plan.cases.iter().all(|case| case.private_relay) {
        return Ok(None);
    }
    Relay::start(&options.profile, shops, gateway.door(), &options.settings)
        .await
        .map(Some)
        .map_err(unreachable)
}

fn unreachable(error: impl std::fmt::Display) -> RunError {
    RunError::Unreachable(error.to_string())
}

fn millis(d: Duration) -> u64 {
    u64::try_from(d.as_millis()).unwrap_or(u64::MAX)
}

/// Everything that the cases of one run share.
struct Run {
    options: Options,
    started: Instant,
    gateway: Gateway,
    shared: Option<Relay>,
    jobs: Semaphore,
    private: Semaphore,
    shops: Vec<Shop>,
    pool: ShopPool,
    vitals: Vitals,
}

/// Hands out shops: a case has its own for as long as it plays, so that no two cases share an account.
struct ShopPool {
    free: std::sync::Mutex<Vec<usize>>,
    count: Semaphore,
}

/// Shops of one case; they go back to the pool with it.
struct Lease<'a> {
    pool: &'a ShopPool,
    shops: Vec<usize>,
    _count: tokio::sync::SemaphorePermit<'a>,
}

impl ShopPool {
    fn new(len: usize) -> Self {
        // Taken from the end: the first shops first.
        Self { free: std::sync::Mutex::new((0..len).rev().collect()), count: Semaphore::new(len) }
    }

    fn free(&self) -> std::sync::MutexGuard<'_, Vec<usize>> {
        self.free.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn take(&self, n: usize) -> Option<Lease<'_>> {
        let count = self.count.acquire_many(u32::try_from(n).ok()?).await.ok()?;
        let mut free = self.free();
        let shops = (0..n).filter_map(|_| free.pop()).collect();
        Some(Lease { pool: self, shops, _count: count })
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        self.pool.free().append(&mut self.shops);
    }
}

/// Whether the relay lives: so that a dead one costs seconds, not the sum of all timeouts.
#[derive(Default)]
struct Vitals {
    /// Cases in which no call to the relay was answered, in a row.
    unanswered: AtomicUsize,
}

impl Vitals {
    /// No answer to anything in many cases: it is gone.
    fn gone(&self) -> Option<String> {
        (self.unanswered.load(Ordering::Relaxed) >= 8)
            .then(|| "the relay no longer answers: connections to it fail".to_owned())
    }
}

impl Run {
    async fn case(&self, case: Arc<Case>) -> Option<(CaseVerdict, Option<String>)> {
        // A relay of its own costs a process; it takes nobody's place at the shared one.
        let turns = if case.private_relay { &self.private } else { &self.jobs };
        let _turn = turns.acquire().await.ok()?;
        if self.vitals.gone().is_some() {
            return None;
        }
        if case.private_relay {
            return Some(self.with_private_relay(case).await);
        }
        let relay = self.shared.as_ref()?;
        let lease = self.pool.take(case.shops_needed()).await?;
        let shops: Vec<Shop> =
            lease.shops.iter().filter_map(|i| self.shops.get(*i)).cloned().collect();
        let handle = match self.gateway.open(Arc::clone(&case), &shops, None) {
            Ok(handle) => handle,
            Err(why) => return Some((fault(&case, why), None)),
        };
        let (verdict, changed) = self.play(&case, &shops, relay, handle).await;
        Some((verdict, changed))
    }

    async fn with_private_relay(&self, case: Arc<Case>) -> (CaseVerdict, Option<String>) {
        let first = match self.options.profile.shops {
            Shops::AsNeeded => self.shops.len() + case.id * 2,
            Shops::Fixed(_) => 0,
        };
        let shops =
            cases::shops(self.options.seed, first, case.shops_needed(), &self.options.profile);
        self.gateway.add_shops(&shops);
        let door = match self.gateway.open_door().await {
            Ok(door) => door,
            Err(e) => return (fault(&case, e.to_string()), None),
        };
        let mut settings = self.options.settings.clone();
        settings.extend(case.scenario.settings.clone());
        let relay = match Relay::start(&self.options.profile, &shops, &door, &settings).await {
            Ok(relay) => relay,
            Err(e) => {
                let mut verdict = fault(&case, format!("its own relay did not start: {e}"));
                verdict.status = Status::Inconclusive;
                return (verdict, None);
            }
        };
        let handle = match self.gateway.open(Arc::clone(&case), &shops, Some(&door)) {
            Ok(handle) => handle,
            Err(why) => return (fault(&case, why), None),
        };
        let played = self.play(&case, &shops, &relay, handle).await;
        relay.shut_down().await;
        played
    }

    async fn play(
        &self,
        case: &Arc<Case>,
        shops: &[Shop],
        relay: &Relay,
        handle: CaseHandle,
    ) -> (CaseVerdict, Option<String>) {
        let Some(platform) = platforms::by_id(case.platform) else {
            return (fault(case, format!("no platform {}", case.platform)), None);
        };
        let began = Instant::now();
        let mut driver =
            Driver::new(relay, &self.options.profile, case, shops, &handle, self.started)
                .waiting_at_most(self.options.timeout);
        let mut actions = driver.play().await;
        actions.extend(driver.control_order().await);
        self.note_answers(&actions);
        let controls = driver.controls();
        let waited = self.wait(case, platform, &handle, &actions, controls).await;
        let readings = read_back(&mut driver, case, &handle).await;
        drop(driver);
        let captured = handle.close();
        let history = History {
            actions,
            exchanges: captured.exchanges,
            not_kept: captured.not_kept,
            readings,
            waited,
        };
        let policies = &self.options.profile.policies;
        let profile = &self.options.profile;
        let mut verdict = judge::judge(case, platform, shops, &history, &captured.entries, profile);
        let truth = truth::truth(case, platform, profile, &history.actions);
        verdict.took_ms = millis(began.elapsed());
        verdict.declared_ms = millis(history.waited.declared.max(policies.quiet.unsigned()));
        let changed = self.snapshot(case, shops, &history, &truth, &mut verdict);
        (verdict, changed)
    }

    /// Waits until the case is decided: all that the steps imply has happened, the control order was taken, and it has
    /// been quiet for the declared time since.
    async fn wait(
        &self,
        case: &Case,
        platform: &'static dyn Platform,
        handle: &CaseHandle,
        actions: &[Action],
        controls: u32,
    ) -> Waited {
        let profile = &self.options.profile;
        let expected = truth::truth(case, platform, profile, actions);
        let quiet = quiet_window(case, profile, actions, &expected);
        let declared = declared_waiting(case, profile);
        let began = Instant::now();
        let last = began + self.options.timeout + declared;
        let mut deadline = began + SILENCE.max(quiet) + declared;
        let mut missing = Vec::new();
        let sentinel_taken = |log: &Log| {
            log.entries.iter().any(|e| {
                e.owner.as_ref().and_then(|o| o.order.as_ref()) == Some(&OrderRef::Sentinel)
            })
        };
        let settled = loop {
            let settled = handle
                .wait_until(deadline.into(), |log| {
                    // What hangs at another platform decides nothing here.
                    let open = |e: &&Exchange| {
                        e.platform == Some(case.platform) && e.ending == Ending::Open
                    };
                    let open = log.exchanges.iter().filter(open).count();
                    let state = judge::settled(
                        case,
                        platform,
                        &expected,
                        &log.entries,
                        &log.exchanges,
                        open,
                        controls,
                    );
                    missing = state.missing;
                    missing.is_empty()
                })
                .await;
            if settled {
                // Quiet: no platform takes anything more for the declared time. Attempts that fail go on for as long as
                // the failure does; they are in the journal and keep nobody waiting.
                let taken = handle.look(|log| log.entries.len());
                let until = (Instant::now() + quiet).min(last);
                if !handle.wait_until(until.into(), |log| log.entries.len() > taken).await {
                    break true;
                }
                continue;
            }
            let (taken, any, changed) = handle
                .look(|log| (sentinel_taken(log), !log.exchanges.is_empty(), log.last_change));
            // While the relay is still at it, it gets the whole time; one that is silent does not.
            let patience = if taken || any { changed + SLACK + declared } else { deadline };
            let patience = patience.min(last);
            if patience <= Instant::now() {
                break false;
            }
            deadline = patience;
        };
        let sentinel = handle.look(sentinel_taken);
        Waited { decided: settled, sentinel, quiet, missing, declared }
    }

    fn note_answers(&self, actions: &[Action]) {
        let mut calls = actions.iter().filter_map(|a| match &a.what {
            Did::Landing { call, .. } | Did::Webhook { call, .. } => Some(call),
            _ => None,
        });
        let first = calls.next();
        let answered = first.into_iter().chain(calls).any(|call| call.status.is_some());
        if answered {
            self.vitals.unanswered.store(0, Ordering::Relaxed);
        } else {
            self.vitals.unanswered.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn snapshot(
        &self,
        case: &Case,
        shops: &[Shop],
        history: &History,
        truth: &crate::truth::Truth,
        verdict: &mut CaseVerdict,
    ) -> Option<String> {
        let dir = self.options.snapshots.as_ref()?;
        // A failing case says already what is wrong with its payload.
        if verdict.status != Status::Pass {
            return None;
        }
        let text = snapshot::render(case, shops, history, truth)?;
        match snapshot::compare(dir, case, &text, self.options.accept) {
            Ok(Compared::Changed(path)) => Some(path.display().to_string()),
            Ok(_) => None,
            Err(e) => {
                verdict.status = Status::HarnessFault;
                verdict.notes.push(format!("snapshot cannot be compared: {e}"));
                None
            }
        }
    }

    /// Ends when the relay has had time to send something to anybody and has not: with the reason.
    async fn silence(&self) -> String {
        let policies = &self.options.profile.policies;
        let patience = SILENCE + policies.stitch_grace.unsigned() + policies.batch_delay.unsigned();
        if self.shared.is_some() {
            tokio::time::sleep(patience).await;
            if self.gateway.served() == 0 {
                return format!(
                    "the relay takes orders but has sent nothing to any platform within {:.1} s\n\
                     hint: do its platform URLs point at the harness?",
                    patience.as_secs_f64()
                );
            }
        }
        std::future::pending().await
    }

    fn relay_exit(&self) -> Option<String> {
        self.shared.as_ref().and_then(Relay::exited)
    }

    /// Findings that belong to no case: hosts that nobody declared, requests that nobody caused.
    fn findings(&self) -> Vec<Finding> {
        let declared = &self.options.profile.policies.hosts;
        let mut hosts = std::collections::BTreeMap::<String, Vec<u64>>::new();
        for exchange in self.gateway.undeclared() {
            if !declared.contains(&exchange.request.host) {
                hosts.entry(exchange.request.host.clone()).or_default().push(exchange.seq);
            }
        }
        hosts
            .into_iter()
            .map(|(host, exchanges)| Finding {
                check: "egress",
                rule: "egress",
                severity: Severity::Must,
                order: None,
                message: format!("the relay called {host}, which nobody declared"),
                expected: None,
                actual: None,
                source: "https://eur-lex.europa.eu/eli/reg/2016/679/oj",
                exchanges,
                at: None,
            })
            .collect()
    }
}

/// How often a log that lags behind is read again, and after which wait: a log gives no other sign.
const LOG_LOOKS: u32 = 20;
/// See [`LOG_LOOKS`].
const LOG_PAUSE: Duration = Duration::from_millis(100);

/// What the relay says about itself. A relay writes an answer down after it has read it; until then its log is not wrong yet.
async fn read_back(driver: &mut Driver<'_>, case: &Case, handle: &CaseHandle) -> Readings {
    let mut readings = driver.read_back().await;
    for _ in 0..LOG_LOOKS {
        if !lags(&readings, case, handle) {
            break;
        }
        tokio::time::sleep(LOG_PAUSE).await;
        readings = driver.read_back().await;
    }
    readings
}

/// Whether the log still calls pending what the platform has taken, or what the scenario says must have ended.
fn lags(readings: &Readings, case: &Case, handle: &CaseHandle) -> bool {
    let ended = |order: &OrderRef| {
        case.scenario.expect.iter().any(|expect| {
            matches!(expect, Expect::Log(log)
                if log.state != LogState::Pending && OrderRef::Named(log.order.clone()) == *order)
        })
    };
    let taken = |order: &OrderRef| {
        handle.look(|log| {
            log.entries.iter().any(|e| {
                e.channel == Channel::Server
                    && e.owner.as_ref().and_then(|o| o.order.as_ref()) == Some(order)
            })
        })
    };
    readings.log.iter().flatten().any(|entry| {
        entry.platform == case.platform
            && entry.state == Some(LogState::Pending)
            && (ended(&entry.order) || taken(&entry.order))
    })
}

/// How long it must be quiet before silence means something: the declared time, and on top of it whatever may keep an order
/// back in this case: the wait for a landing that is not known, a retry that a failure has put off.
fn quiet_window(case: &Case, profile: &Profile, actions: &[Action], truth: &Truth) -> Duration {
    let policies = &profile.policies;
    let mut quiet = policies.quiet.unsigned() + policies.batch_delay.unsigned();
    if waits_for_landing(case, actions) {
        quiet += policies.stitch_grace.unsigned();
    }
    let floors = case.scenario.given.iter().map(|Given::Platform(fault)| {
        fault.retry_after.or(fault.retry_after_date).map_or(Duration::ZERO, |span| span.unsigned())
    });
    // An order that was counted once its retries were over has no retry left.
    let withheld = truth.named().any(|expected| expected.count != Count::Once);
    if let Some(floor) = floors.max().filter(|_| withheld) {
        quiet += floor + policies.retry_cap.unsigned();
    }
    quiet
}

/// Whether some order's webhook went out before any landing of its shopper had been told.
fn waits_for_landing(case: &Case, actions: &[Action]) -> bool {
    let landed = |by: &str, before: usize| {
        let told = |a: &Action| matches!(&a.what, Did::Landing { by: who, .. } if who == by);
        actions.iter().take(before).any(told)
    };
    actions.iter().enumerate().any(|(i, action)| match &action.what {
        Did::Webhook { order: Some(OrderRef::Named(id)), .. } => {
            case.order(id).is_some_and(|order| !landed(&order.by, i))
        }
        _ => false,
    })
}

/// Waiting that the scenario's faults and the profile's retry policy make unavoidable.
fn declared_waiting(case: &Case, profile: &Profile) -> Duration {
    let policies = &profile.policies;
    let mut sum = policies.stitch_grace.unsigned() + policies.batch_delay.unsigned();
    for Given::Platform(fault) in &case.scenario.given {
        let times = fault.times.unwrap_or(1).min(20);
        let floor = fault
            .retry_after
            .or(fault.retry_after_date)
            .map_or(Duration::ZERO, |span| span.unsigned());
        let silence = match &fault.answers {
            Answers::Never | Answers::CommitThenSilence => policies.delivery_timeout.unsigned(),
            Answers::Delay(span) | Answers::SlowBody(span) => span.unsigned(),
            _ => Duration::ZERO,
        };
        sum += (floor + silence + policies.retry_cap.unsigned()) * times;
    }
    sum
}

fn fault(case: &Case, why: String) -> CaseVerdict {
    CaseVerdict {
        case: case.name.clone(),
        title: case.scenario.title.clone(),
        platform: case.platform.to_owned(),
        covers: case.scenario.covers.clone(),
        status: Status::HarnessFault,
        cells: Vec::new(),
        findings: Vec::new(),
        passed: Vec::new(),
        notes: vec![why],
        took_ms: 0,
        declared_ms: 0,
        evidence: Vec::new(),
    }
}
