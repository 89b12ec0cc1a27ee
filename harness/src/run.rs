//! One run: plan, gateway, relay, cases side by side, verdicts. The table of contents of the whole program.

mod again;
pub(crate) mod busy;
mod case;
mod late;
mod pool;
pub(crate) mod relay;
mod spares;
pub(crate) mod strain;
mod turns;
mod unanswered;
pub(crate) mod wait;

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{sync::Semaphore, task::JoinSet};

use again::Starved;
use case::Played;
use late::{Afterwards, undeclared_hosts};
use pool::ShopPool;
use relay::{Vitals, shared_relay};
use spares::Spares;
use strain::Strain;
use turns::{Line, Turns};
use unanswered::Unanswered;
use wait::likely_time;

use crate::{
    exchange::CaseId,
    gateway::{Authority, Gateway, GatewayOptions},
    plan::{
        Case, Plan, Shop, Skipped, Suite,
        cases::{self, Outline, PlanError, PlanOptions},
    },
    platforms::PLATFORMS,
    scenario::{Scenario, load, shard::Shard},
    sut::{
        process::Relay,
        profile::{Profile, Shops},
    },
    verdict::{CaseVerdict, Summary},
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

impl Options {
    /// Whether the case is played in a process that it shares with others in turn: it wants its shop alone, and each process
    /// has only one.
    fn has_spares_for(&self, case: &Case) -> bool {
        case.alone && matches!(self.profile.shops, Shops::Single)
    }

    fn line_of(&self, case: &Case) -> Line {
        match case.private_relay || self.has_spares_for(case) {
            true => Line::OwnProcess,
            false => Line::Shared,
        }
    }
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
    let gateway = gateway(started, options.listen, options.ca.as_deref()).await?;
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
    let new_processes = spares::first_of_scenarios(
        plan.cases.iter().filter(|case| !case.private_relay && options.has_spares_for(case)),
    );
    let few = pool.is_short();
    let jobs = options.jobs.clamp(1, if few { JOBS_IN_FEW_SHOPS } else { usize::MAX });
    let planned = plan.cases.len();
    let mut cases = plan.cases;
    // The longest first, so that none is left waiting alone at the end. Where shops are few, cases that can share one go
    // first, all at the same time; the others follow one by one.
    cases.sort_by_key(|case| {
        (few && case.alone, std::cmp::Reverse(likely_time(case, &options.profile)))
    });
    let lines: Vec<Line> = cases.iter().map(|case| options.line_of(case)).collect();
    let run = Arc::new(Run {
        options: options.clone(),
        started,
        gateway,
        shared,
        planned,
        turns: Turns::new(lines.iter().copied().zip(cases), jobs, PRIVATE_RELAYS),
        private_at_least: Semaphore::new(PRIVATE_AT_LEAST),
        pool,
        shops,
        vitals: Vitals::default(),
        strain: Strain::measure(),
        afterwards: Afterwards::default(),
        unanswered: Unanswered::default(),
        starved: Starved::default(),
        spares: Spares::default(),
        new_processes,
    });
    let mut tasks = JoinSet::new();
    let head_start = tokio::time::Instant::now() + HEAD_START;
    for (place, line) in lines.into_iter().enumerate() {
        let run = Arc::clone(&run);
        tasks.spawn(async move {
            if place >= LONGEST {
                tokio::time::sleep_until(head_start).await;
            }
            run.next_case(line).await
        });
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
        let Some(Played { verdict, changed, .. }) = played else { continue };
        snapshots_changed.extend(changed);
        progress(Progress::Decided(&verdict));
        decided.push(verdict);
    }
    drop(silence);
    decided.sort_by(|a, b| a.case.cmp(&b.case));
    snapshots_changed.sort();
    let is_new = |path: &&String| !Path::new(path).exists();
    let snapshots_new = snapshots_changed.iter().filter(is_new).cloned().collect();
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
    let mut run_findings = undeclared_hosts(&run.gateway, &options.profile.policies);
    run_findings.extend(run.afterwards.redirects(&run.gateway, &decided));
    run_findings.extend(late);
    run_findings.extend(run.end_spares().await);
    if let Some(relay) = &run.shared {
        run.unanswered.note(&relay.services().calls());
    }
    run_findings.extend(run.unanswered.findings());
    let (orphans, _) = run.gateway.orphans();
    let mut summary = Summary {
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
        snapshots_new,
        took_ms: 0,
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
    summary.took_ms = millis(started.elapsed());
    Ok(summary)
}

/// Cases at the same time in a relay with few shops. It is one process beside those of the other cases: asked more at once it
/// answers late for want of a processor, which says nothing about it.
const JOBS_IN_FEW_SHOPS: usize = 24;

/// Private relay processes at the same time: each costs a process start.
const PRIVATE_RELAYS: usize = 24;

/// So many of them start however busy the machine is, where a relay has few shops and nearly every case needs one.
const PRIVATE_AT_LEAST: usize = 6;

/// So many of the longest cases begin before the others: what they wait for ends last, and every case beside them puts off the
/// moment from which they wait.
const LONGEST: usize = 64;

/// By how much. They keep two cores busy for so long. It orders the starts; nothing is concluded from it.
const HEAD_START: Duration = Duration::from_millis(150);

/// Opens the gateway. `started`: when the run began; `listen`: where the platforms are to be found; `ca`: folder with the
/// authority that the relay trusts, `None`: one that ends with the gateway.
///
/// # Errors
///
/// The authority cannot be read, or the address cannot be had: both are the caller's choice.
pub(crate) async fn gateway(
    started: Instant,
    listen: SocketAddr,
    ca: Option<&Path>,
) -> Result<Gateway, RunError> {
    let authority = match ca {
        Some(dir) => Authority::load(dir).map_err(|e| RunError::Usage(e.to_string()))?,
        None => Authority::default(),
    };
    let options = GatewayOptions { started, platforms: PLATFORMS, listen };
    Gateway::start_with(options, authority).await.map_err(|e| match listen.port() {
        // Any port would have done: nobody's options are at fault.
        0 if listen.ip().is_loopback() => {
            RunError::Harness(format!("the ad platforms cannot listen on {listen}: {e}"))
        }
        _ => RunError::Usage(format!(
            "the ad platforms cannot listen on {listen}: {e}\nhint: choose another --listen ADDR, or port 0 for any"
        )),
    })
}

/// Scenarios to cases.
///
/// # Errors
///
/// If a file cannot be read or the selection matches nothing.
pub fn plan(options: &Options) -> Result<Plan, RunError> {
    let mut plan =
        cases::plan(&scenarios(&options.scenarios)?, &plan_options(options)).map_err(unplanned)?;
    if options.relay.is_some() {
        // Somebody else's process is neither stopped nor started anew, nor given other settings.
        let reason = "needs a relay process of its own, which a relay given by URL is not";
        let (own, shared): (Vec<_>, Vec<_>) = plan.cases.into_iter().partition(|c| c.private_relay);
        plan.cases = shared;
        plan.skipped.extend(own.into_iter().map(|c| Skipped {
            name: c.name,
            reason: reason.to_owned(),
            covers: c.scenario.covers.clone(),
        }));
        plan.suite = Suite::of(
            plan.cases.iter().map(|case| case.name.as_str()),
            plan.skipped.iter().map(|skipped| skipped.name.as_str()),
        );
    }
    if let Some(shard) = options.shard {
        plan.cases.retain(|case| shard.contains(&case.name));
        plan.skipped.retain(|skipped| shard.contains(&skipped.name));
    }
    // Those of this run, without gaps: what is played a second time follows them.
    for (id, case) in plan.cases.iter_mut().enumerate() {
        case.id = id;
    }
    Ok(plan)
}

/// The same by name only, for lists. `scenarios`: those of the options' folder.
///
/// # Errors
///
/// If the selection matches nothing, or names a platform that is not known.
pub fn outline(
    options: &Options,
    scenarios: &[Scenario],
) -> Result<(Vec<Outline>, Vec<Skipped>), RunError> {
    let (mut cases, mut skipped) =
        cases::outline(scenarios, &plan_options(options)).map_err(unplanned)?;
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
    let (cases, skipped) = outline(&everything, &scenarios(&options.scenarios)?)?;
    let own_process = |case: &Outline| case.private_relay && options.relay.is_some();
    let played = cases.into_iter().map(|case| (!own_process(&case), case.name));
    Ok(played
        .chain(skipped.into_iter().map(|skipped| (false, skipped.name)))
        .map(|(played, name)| (name, played))
        .collect())
}

/// All scenarios of a folder.
///
/// # Errors
///
/// If a file cannot be read.
pub fn scenarios(folder: &Path) -> Result<Vec<Scenario>, RunError> {
    load::load_dir(folder).map_err(|e| RunError::Usage(e.to_string()))
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
    turns: Turns,
    private_at_least: Semaphore,
    shops: Vec<Shop>,
    pool: ShopPool,
    vitals: Vitals,
    strain: Strain,
    afterwards: Afterwards,
    unanswered: Unanswered,
    starved: Starved,
    spares: Spares,
    /// Cases that are not played in a process that another case has used.
    new_processes: HashSet<CaseId>,
}
