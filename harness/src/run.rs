//! One run: plan, gateway, relay, cases side by side, verdicts. The table of contents of the whole program.

mod again;
mod late;
mod pool;
pub(crate) mod strain;
mod unanswered;
pub(crate) mod wait;

use std::{
    collections::BTreeMap,
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::{
    sync::{Notify, Semaphore},
    task::JoinSet,
};

use late::{Afterwards, undeclared_hosts};
use pool::ShopPool;
use strain::Strain;
use unanswered::Unanswered;
use wait::{Terms, likely_time, read_back, too_busy, until_decided};

use crate::{
    driver::Driver,
    gateway::{Authority, CaseHandle, Door, Gateway, GatewayOptions},
    history::{Action, Did, History, Waited},
    judge,
    plan::{
        Case, Plan, Shop, Skipped, Suite,
        cases::{self, Outline, PlanError, PlanOptions},
    },
    platforms::{self, PLATFORMS},
    scenario::{Given, Scenario, load, shard::Shard},
    snapshot::{self, Compared},
    sut::{
        process::{Relay, StartError},
        profile::{Profile, Shops},
    },
    truth,
    verdict::{CaseVerdict, Status, Summary},
};

/// What to run.
#[derive(Debug, Clone)]
pub struct Options {
    /// A relay that is running already; `None`: started as the profile says.
    pub relay: Option<String>,
    /// Where the platforms listen; port 0: any.
    pub listen: SocketAddr,
    /// Folder with the authority that the relay trusts; `None`: one that ends with the run.
    pub ca: Option<PathBuf>,
    /// How to speak to it.
    pub profile: Profile,
    /// Folder with scenario files.
    pub scenarios: PathBuf,
    /// Case patterns; empty: all.
    pub cases: Vec<String>,
    /// Platform ids; empty: all of the profile.
    pub platforms: Vec<String>,
    /// Of the cases that these leave, only this part.
    pub shard: Option<Shard>,
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
    pub settings: BTreeMap<String, serde_json::Value>,
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
    /// Somebody ended it.
    #[error("interrupted: no verdict")]
    Interrupted,
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
    let authority = match &options.ca {
        Some(dir) => Authority::load(dir).map_err(|e| RunError::Usage(e.to_string()))?,
        None => Authority::default(),
    };
    let gateway = GatewayOptions { started, platforms: PLATFORMS, listen: options.listen };
    let gateway = Gateway::start_with(gateway, authority)
        .await
        .map_err(|e| RunError::Harness(format!("the gateway cannot listen: {e}")))?;
    let planned_shops = shops_needed(&plan);
    let shops = cases::shops(plan.seed, 0, planned_shops, &options.profile);
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
    let pool = ShopPool::new(shops.len(), planned_shops);
    let most = if pool.is_short() { JOBS_IN_FEW_SHOPS } else { usize::MAX };
    let jobs = options.jobs.clamp(1, most);
    let run = Arc::new(Run {
        options: options.clone(),
        started,
        gateway,
        shared,
        planned: plan.cases.len(),
        jobs: Semaphore::new(jobs),
        private: Semaphore::new(PRIVATE_RELAYS),
        pool,
        shops,
        vitals: Vitals::default(),
        strain: Strain::measure(),
        afterwards: Afterwards::default(),
        unanswered: Unanswered::default(),
    });
    let mut tasks = JoinSet::new();
    let planned = plan.cases.len();
    let mut cases = plan.cases;
    // The longest first, so that none is left waiting alone at the end. Where shops are few, cases that can share one go
    // first, all at the same time; the others follow one by one.
    let few = run.pool.is_short();
    cases.sort_by_key(|case| {
        (few && case.alone, std::cmp::Reverse(likely_time(case, &options.profile)))
    });
    for case in cases {
        let run = Arc::clone(&run);
        tasks.spawn(async move { run.case(Arc::new(case)).await });
    }
    let mut decided = Vec::new();
    let mut snapshots_changed = Vec::new();
    let watched = Arc::clone(&run);
    let mut silence = Box::pin(async move { watched.end_of_the_relay().await });
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
    let aborted = silent.or_else(|| run.vitals.gone()).or_else(|| run.relay_exit());
    if aborted.is_none() && decided.len() != planned {
        return Err(RunError::Harness(format!(
            "{planned} cases were planned and {} decided: no verdict stands",
            decided.len()
        )));
    }
    if aborted.is_none() {
        again::play(&run, &mut decided).await;
    }
    if run.gateway.panics() > 0 {
        return Err(RunError::Harness(
            "a platform simulator panicked: no verdict stands".to_owned(),
        ));
    }
    let late = run.afterwards.settle(&run.gateway, &mut decided);
    let mut run_findings = undeclared_hosts(&run.gateway, &options.profile.policies.hosts);
    run_findings.extend(late);
    if let Some(relay) = &run.shared {
        run.unanswered.note(&relay.services().calls());
    }
    run_findings.extend(run.unanswered.findings());
    let (orphans, _) = run.gateway.orphans();
    let summary = Summary {
        relay: options.profile.name.clone(),
        seed: plan.seed,
        suite: plan.suite,
        shard: options.shard,
        parts: Vec::new(),
        declared_ms: decided.iter().map(|c| c.declared_ms).max().unwrap_or(0),
        cases: decided,
        skipped: plan.skipped,
        run_findings,
        orphans,
        snapshots_changed,
        took_ms: millis(started.elapsed()),
        aborted,
        reproduce: options.reproduce.clone(),
        baseline: None,
    };
    if let Ok(run) = Arc::try_unwrap(run) {
        if let Some(relay) = run.shared {
            relay.shut_down().await;
        }
        run.gateway.stop().await;
    }
    Ok(summary)
}

/// Cases at the same time in a relay with few shops. It is one process beside those of the other cases: asked more at once it
/// answers late for want of a processor, which says nothing about it.
const JOBS_IN_FEW_SHOPS: usize = 24;

/// Private relay processes at the same time: each costs a process start.
const PRIVATE_RELAYS: usize = 24;

/// A relay that has taken orders and sent nothing to anybody for this long will not send anything.
const NOTHING_SENT: Duration = Duration::from_secs(4);

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
        plan.suite = Suite::of(
            plan.cases.iter().map(|case| case.name.as_str()),
            plan.skipped.iter().map(|skipped| skipped.name.as_str()),
        );
    }
    if let Some(shard) = options.shard {
        plan.cases.retain(|case| shard.contains(&case.name));
        plan.skipped.retain(|skipped| shard.contains(&skipped.name));
    }
    Ok(plan)
}

/// The same by name only, for lists.
///
/// # Errors
///
/// As [`plan`].
pub fn outline(options: &Options) -> Result<(Vec<Outline>, Vec<Skipped>), RunError> {
    let (mut cases, mut skipped) =
        cases::outline(&scenarios(options)?, &plan_options(options)).map_err(unplanned)?;
    if let Some(shard) = options.shard {
        cases.retain(|case| shard.contains(&case.name));
        skipped.retain(|skipped| shard.contains(&skipped.name));
    }
    Ok((cases, skipped))
}

/// Every case of the suite, whatever is selected, and whether this relay can play it.
///
/// # Errors
///
/// If a file cannot be read.
pub fn suite(options: &Options) -> Result<Vec<(String, bool)>, RunError> {
    let everything =
        Options { cases: Vec::new(), platforms: Vec::new(), shard: None, ..options.clone() };
    let (cases, skipped) = outline(&everything)?;
    let own_process = |case: &Outline| case.private_relay && options.relay.is_some();
    let played = cases.into_iter().map(|case| (!own_process(&case), case.name));
    Ok(played
        .chain(skipped.into_iter().map(|skipped| (false, skipped.name)))
        .map(|(played, name)| (name, played))
        .collect())
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

fn shops_needed(plan: &Plan) -> usize {
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
        return reached(&options.profile, url).await.map(Some);
    }
    if plan.cases.iter().all(|case| case.private_relay) {
        return Ok(None);
    }
    started(&options.profile, shops, gateway.door(), &options.settings, &[])
        .await
        .map(Some)
        .map_err(unreachable)
}

/// A relay that somebody else runs, if it speaks HTTP.
///
/// # Errors
///
/// If nobody answers at this address, or the profile does not list the relay's shops.
pub(crate) async fn reached(profile: &Profile, url: &str) -> Result<Relay, RunError> {
    let relay = Relay::at(profile, url, SILENCE).await.map_err(unreachable)?;
    // One that takes connections and never answers would cost every call its whole time.
    match tokio::time::timeout(SILENCE, relay.http().lower_case.get(url).send()).await {
        Ok(Ok(_)) if !matches!(profile.shops, Shops::Fixed(_)) => Err(RunError::Usage(
            "a relay given by URL has its shops already\nhint: list them in the profile under `shops: { fixed: [...] }`"
                .to_owned(),
        )),
        Ok(Ok(_)) => Ok(relay),
        Ok(Err(e)) => Err(unreachable(format!("the relay at {url} does not speak HTTP: {e}"))),
        Err(_) => Err(unreachable(format!(
            "the relay at {url} takes connections but has not answered within {:.1} s",
            SILENCE.as_secs_f64()
        ))),
    }
}

/// Starts a relay. Its port was free a moment before: if somebody took it since, another one is tried, once.
pub(crate) async fn started(
    profile: &Profile,
    shops: &[Shop],
    door: &Door,
    settings: &BTreeMap<String, serde_json::Value>,
    given: &[Given],
) -> Result<Relay, StartError> {
    let start = || Relay::start_given(profile, shops, door, settings, given);
    match start().await {
        Err(StartError::Left { .. }) => start().await,
        result => result,
    }
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
    /// Cases of the plan; those with a higher id are played a second time.
    planned: usize,
    jobs: Semaphore,
    private: Semaphore,
    shops: Vec<Shop>,
    pool: ShopPool,
    vitals: Vitals,
    strain: Strain,
    afterwards: Afterwards,
    unanswered: Unanswered,
}

/// Whether the relay lives: so that a dead one costs seconds, not the sum of all timeouts.
#[derive(Default)]
struct Vitals {
    /// An order of some case was acknowledged.
    took_order: Notify,
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
        let lease = self.pool.take(case.shops_needed(), case.alone).await?;
        let shops: Vec<Shop> =
            lease.shops().iter().filter_map(|i| self.shops.get(*i)).cloned().collect();
        let handle = match self.gateway.open(Arc::clone(&case), &shops, None) {
            Ok(handle) => handle,
            Err(why) => return Some((fault(&case, why), None)),
        };
        let (verdict, changed) = self.play(&case, &shops, relay, handle).await;
        Some((verdict, changed))
    }

    async fn with_private_relay(&self, case: Arc<Case>) -> (CaseVerdict, Option<String>) {
        let first = match self.options.profile.shops {
            Shops::AsNeeded | Shops::Single => self.shops.len() + case.id * 2,
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
        let given = &case.scenario.given;
        let relay = match started(&self.options.profile, &shops, &door, &settings, given).await {
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
        let (began, playing) = (Instant::now(), self.strain.mark());
        let mut driver =
            Driver::new(relay, &self.options.profile, case, shops, &handle, self.started)
                .waiting_at_most(self.options.timeout);
        let mut actions = driver.play().await;
        actions.extend(driver.control_order().await);
        let answered = self.note_answers(&actions);
        let controls = driver.controls();
        let profile = &self.options.profile;
        let truth = truth::truth(case, platform, profile, &actions);
        let busy = self.strain.too_much(&playing).map(too_busy);
        let terms = Terms {
            profile,
            timeout: self.options.timeout,
            strain: &self.strain,
            gateway: &self.gateway,
        };
        let waited = if answered {
            until_decided(terms, case, platform, &handle, &actions, &truth, controls).await
        } else {
            // Nothing can come of calls of which none was answered.
            let missing = vec!["an answer of the relay to any call".to_owned()];
            Waited { missing, ..Waited::default() }
        };
        let waited = Waited { busy, ..waited };
        let mut readings = read_back(&mut driver, case, &handle).await;
        if case.private_relay {
            readings.services = relay.services().calls();
            self.unanswered.note(&readings.services);
        }
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
        let entries = &captured.entries;
        let mut verdict = judge::judge(case, platform, shops, &history, entries, profile, &truth);
        self.afterwards.judged(case, &truth);
        verdict.took_ms = millis(began.elapsed());
        verdict.declared_ms = millis(history.waited.declared.max(policies.quiet.unsigned()));
        // Played again it has other values than those that snapshots were made with.
        let changed = (case.id < self.planned)
            .then(|| self.snapshot(case, shops, &history, &truth, &mut verdict))
            .flatten();
        (verdict, changed)
    }

    /// Whether any call was answered.
    fn note_answers(&self, actions: &[Action]) -> bool {
        let mut calls = actions.iter().filter_map(|a| match &a.what {
            Did::Landing { call, .. } | Did::Webhook { call, .. } => Some(call),
            _ => None,
        });
        let acknowledged = |a: &Action| matches!(&a.what, Did::Webhook { call, .. } if call.status.is_some_and(|s| (200..300).contains(&s)));
        if actions.iter().any(acknowledged) {
            self.vitals.took_order.notify_one();
        }
        let first = calls.next();
        let answered = first.into_iter().chain(calls).any(|call| call.status.is_some());
        if answered {
            self.vitals.unanswered.store(0, Ordering::Relaxed);
        } else {
            self.vitals.unanswered.fetch_add(1, Ordering::Relaxed);
        }
        answered
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

    /// Ends when nothing more can come of the shared relay: it has left, or sends nothing.
    async fn end_of_the_relay(&self) -> String {
        let Some(relay) = &self.shared else { return std::future::pending().await };
        tokio::select! {
            why = relay.gone() => why,
            why = self.silence() => why,
        }
    }

    /// Ends when the relay has had time to send something to anybody and has not: with the reason.
    async fn silence(&self) -> String {
        let policies = &self.options.profile.policies;
        let patience = NOTHING_SENT + policies.batch_delay.unsigned();
        if self.shared.is_some() {
            // Its time begins when it has taken an order: a slow acknowledgement is another fault.
            self.vitals.took_order.notified().await;
            let (began, mark) = (Instant::now(), self.strain.mark());
            while let Some(left) =
                self.strain.stretched(patience, &mark).checked_sub(began.elapsed())
                && !left.is_zero()
            {
                tokio::time::sleep(left).await;
            }
            if self.gateway.served() == 0 {
                if let Some(tunnel) = self.gateway.tunnels_unread().first() {
                    return format!(
                        "the relay takes orders, but nothing that it sends can be read: {tunnel}"
                    );
                }
                return format!(
                    "the relay takes orders but has sent nothing to any platform within {:.1} s\n\
                     hint: do its platform URLs point at {}? Has it seen these orders before (then leave --seed away)?",
                    patience.as_secs_f64(),
                    self.gateway.door().base_url("meta")
                );
            }
        }
        std::future::pending().await
    }

    fn relay_exit(&self) -> Option<String> {
        self.shared.as_ref().and_then(Relay::exited)
    }
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
        known: Vec::new(),
    }
}
