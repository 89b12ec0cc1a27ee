//! A running relay: a child process that we start, stop and restart, or a URL that somebody else runs.
//!
//! `child`: the process itself; what is here makes it ready to be started. `waits`: what the machine made it wait.

mod child;
mod waits;

use std::{
    collections::BTreeMap,
    path::Path,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU16, AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use child::{Child, STOP_WITHIN};
pub(crate) use waits::Waits;

use super::{
    Connections, Http, Roots,
    capture::{Around, Tail},
    profile::{Capture, Profile, Start},
    redaction::Redaction,
    runtimes::{self, Trust, TrustError},
    services::Services,
    template::{Facts, TemplateError, Templates, shop_facts},
};
use crate::{
    gateway::Door,
    plan::Shop,
    platforms::PLATFORMS,
    scenario::{Given, Stop},
};

/// How long a start may take, if the profile does not say.
const START_WITHIN: Duration = Duration::from_secs(10);
/// How much longer than declared an answer is waited for.
const LATE_ANSWER: Duration = Duration::from_secs(2);

/// So long a look at what its threads have waited serves others: a small part of any answer that is slow.
const LATELY: Duration = Duration::from_millis(20);

/// The relay cannot be started, stopped or reached.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The profile does not say how.
    #[error("the profile `{0}` says not how the relay is started: add `start`, or give its URL")]
    NoStart(String),
    /// A relay that runs elsewhere cannot be restarted.
    #[error("the relay runs elsewhere and cannot be restarted from here")]
    NotOurs,
    /// The profile's templates do not compile or render.
    #[error("{0}")]
    Template(#[from] TemplateError),
    /// The work folder or a file in it cannot be written.
    #[error("cannot write {what}: {source}")]
    Write {
        /// Which.
        what: String,
        /// Why.
        source: std::io::Error,
    },
    /// The files that say whom to trust cannot be made.
    #[error(transparent)]
    Trust(#[from] TrustError),
    /// The program cannot be run.
    #[error("cannot run `{program}`: {source}")]
    Spawn {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It left before it was ready.
    #[error("the relay left before it was ready ({how}); its last words:\n{words}")]
    Left {
        /// Exit status.
        how: String,
        /// Last lines of standard error.
        words: String,
    },
    /// It is not ready in time.
    #[error("the relay was not ready within {within:?}: {missing}; its last words:\n{words}")]
    NotReady {
        /// How long we waited.
        within: Duration,
        /// What did not happen.
        missing: String,
        /// Last lines of standard error.
        words: String,
    },
    /// Nobody listens at its URL.
    #[error("the relay at {url} cannot be reached: {why}")]
    Unreachable {
        /// As given.
        url: String,
        /// Why.
        why: String,
    },
    /// The HTTP client cannot be made.
    #[error("cannot make an HTTP client: {0}")]
    Client(#[from] reqwest::Error),
    /// Its ready line names no URL.
    #[error("the relay said that it is ready at `{0}`, which is no URL")]
    BadUrl(String),
    /// Its port is somebody else's now: a program that has nothing to do with it, or one that it left behind.
    #[error(
        "{0} was taken while the relay was away, by another program or one that it left behind"
    )]
    PortTaken(String),
    /// It does not leave.
    #[error("the relay did not leave within {0:?} after it was asked to")]
    Stays(Duration),
    /// A stand-in for another service cannot be started.
    #[error("{0}")]
    Service(String),
    /// No free port was found.
    #[error("found no free port on 127.0.0.1")]
    NoPort,
}

/// A relay to talk to.
#[derive(Debug)]
pub struct Relay {
    templates: Templates,
    /// What every call template may refer to.
    facts: Facts,
    http: Http,
    base_url: Mutex<String>,
    child: Option<Child>,
    services: Services,
    /// What its threads had waited when that was last asked for the beginning of a case.
    waits: Mutex<Option<(Instant, Arc<Waits>)>>,
}

/// A moment in what a relay prints.
#[derive(Debug, Clone, Copy, Default)]
pub struct OutputMark([u64; 2]);

impl Relay {
    /// Starts the relay that the profile describes, on a work folder of its own, and waits until it is ready.
    pub async fn start(
        profile: &Profile,
        shops: &[Shop],
        door: &Door,
        settings: &BTreeMap<String, Value>,
    ) -> Result<Self, StartError> {
        Self::start_given(profile, shops, door, settings, &[]).await
    }

    /// The same for one case, whose scenario says what other services answer.
    pub async fn start_given(
        profile: &Profile,
        shops: &[Shop],
        door: &Door,
        settings: &BTreeMap<String, Value>,
        given: &[Given],
    ) -> Result<Self, StartError> {
        let start =
            profile.start.as_ref().ok_or_else(|| StartError::NoStart(profile.name.clone()))?;
        let workdir = tempfile::Builder::new()
            .prefix("relay-")
            .tempdir()
            .map_err(|source| StartError::Write { what: "the work folder".into(), source })?;
        let templates = compile(profile)?;
        let secret = fresh_secret(workdir.path());
        // Whoever embeds the library is not the program that has the reference relay inside.
        let harness = match settings.get("harness").and_then(Value::as_str) {
            Some(program) => program.into(),
            None => std::env::current_exe().unwrap_or_default(),
        };
        let settings = json!(settings);
        let http = http(profile, Roots::None, Connections::OnePerCall)?;
        let services =
            Services::start(&profile.services, given).await.map_err(StartError::Service)?;
        let port = free_port().ok_or(StartError::NoPort)?;
        let listen = format!("127.0.0.1:{port}");
        let trust = trust(profile.capture, start, door, workdir.path())?;
        let context = Facts::from(json!({
            "harness": harness,
            "folder": profile.folder.to_string_lossy(),
            "workdir": workdir.path(),
            "port": port,
            "listen": listen,
            "gateway": gateway_facts(door, trust.as_ref()),
            "services": services.urls(),
            "shops": shops.iter().map(shop_facts).collect::<Vec<_>>(),
            "settings": settings,
            "secret": secret,
        }));
        let (command, own) = render(&templates, start, &context)?;
        let mut env = trust
            .as_ref()
            .map(|trust| runtimes::environment(profile.capture, door, trust))
            .unwrap_or_default();
        // What the profile says itself goes before what follows from its capture.
        env.extend(own);
        write_files(&templates, start, &context, workdir.path())?;
        let child = Child {
            command,
            env,
            ready: start.ready.clone(),
            within: start.within.map_or(START_WITHIN, |span| span.unsigned()),
            listen,
            workdir,
            stdout: Tail::default(),
            stderr: Tail::default(),
            stop_within: STOP_WITHIN,
            running: Mutex::new(None),
            redaction: Redaction::of(shops, &secret),
        };
        let base_url = child.spawn().await?;
        let base_url = Mutex::new(base_url);
        let facts = call_facts(settings, &secret);
        Ok(Self {
            templates,
            facts,
            http,
            base_url,
            child: Some(child),
            services,
            waits: Mutex::default(),
        })
    }

    /// A relay that somebody else runs; it has to take connections within this time.
    pub async fn at(profile: &Profile, url: &str, within: Duration) -> Result<Self, StartError> {
        let url = url.trim_end_matches('/');
        let unreachable = |why: String| StartError::Unreachable { url: url.to_owned(), why };
        let address = url::Url::parse(url)
            .ok()
            .and_then(|url| Some((url.host_str()?.to_owned(), url.port_or_known_default()?)))
            .ok_or_else(|| unreachable("this is no http URL".into()))?;
        match tokio::time::timeout(within, tokio::net::TcpStream::connect(address)).await {
            Ok(Ok(_)) => {}
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(_) => return Err(unreachable(format!("no connection within {within:?}"))),
        }
        Ok(Self {
            templates: compile(profile)?,
            facts: call_facts(json!({}), ""),
            http: http(profile, Roots::OfTheMachine, Connections::OnePerCall)?,
            base_url: Mutex::new(url.to_owned()),
            child: None,
            services: Services::default(),
            waits: Mutex::default(),
        })
    }

    /// Keeps connections to it, if the profile says that it does. Not for one that is stopped in between.
    pub(crate) fn keeping_connections(mut self, profile: &Profile) -> Result<Self, StartError> {
        if profile.send.keep_connections {
            let roots = if self.child.is_some() { Roots::None } else { Roots::OfTheMachine };
            self.http = http(profile, roots, Connections::Kept)?;
        }
        Ok(self)
    }

    /// Clients for calls to it, shared by all cases.
    pub fn http(&self) -> &Http {
        &self.http
    }

    /// Where it listens, without a slash at the end.
    pub fn base_url(&self) -> String {
        lock(&self.base_url).clone()
    }

    /// The profile's templates.
    pub fn templates(&self) -> &Templates {
        &self.templates
    }

    /// What every call template may refer to besides its own facts.
    pub fn call_facts(&self) -> Facts {
        self.facts.clone()
    }

    /// The stand-ins for other services that were started with it.
    pub fn services(&self) -> &Services {
        &self.services
    }

    /// `Some` if the process left by itself: how, and its last words. A relay that runs elsewhere is never known to have.
    pub fn exited(&self) -> Option<String> {
        self.child.as_ref()?.exited()
    }

    /// Ends when the process leaves by itself, with what [`Relay::exited`] says; never for a relay that runs elsewhere.
    pub async fn gone(&self) -> String {
        match &self.child {
            Some(child) => child.gone().await,
            None => std::future::pending().await,
        }
    }

    /// How long its threads have waited for a processor; nothing is known of a relay that runs elsewhere.
    pub(crate) fn waits(&self) -> Waits {
        self.child.as_ref().and_then(Child::pid).map_or_else(Waits::default, Waits::of)
    }

    /// The same to measure from, as it was a moment ago: cases begin many at a time, and each look costs a file for every
    /// thread.
    pub(crate) fn waits_lately(&self) -> Arc<Waits> {
        let mut lately = lock(&self.waits);
        if let Some((at, waits)) = &*lately
            && at.elapsed() < LATELY
        {
            return Arc::clone(waits);
        }
        let waits = Arc::new(self.waits());
        *lately = Some((Instant::now(), Arc::clone(&waits)));
        waits
    }

    /// The last part of what it printed, by stream.
    pub fn output(&self) -> Vec<(&'static str, String)> {
        let streams = self.output_around(OutputMark::default());
        streams.into_iter().map(|(name, around)| (name, around.since)).collect()
    }

    /// How much it has printed so far.
    pub fn output_mark(&self) -> OutputMark {
        self.child.as_ref().map_or_else(OutputMark::default, |child| {
            OutputMark([child.stdout.mark(), child.stderr.mark()])
        })
    }

    /// What it has printed since, and shortly before, by stream.
    pub fn output_around(&self, OutputMark([out, err]): OutputMark) -> Vec<(&'static str, Around)> {
        self.child.as_ref().map_or_else(Vec::new, |child| {
            vec![("stdout", child.stdout.around(out)), ("stderr", child.stderr.around(err))]
        })
    }

    /// Stops the process and returns when it has left. Stopping what has left already is fine.
    pub async fn stop(&self, how: Stop) -> Result<(), StartError> {
        self.child.as_ref().ok_or(StartError::NotOurs)?.stop(how).await
    }

    /// Ends it for good: asked first, killed if it does not leave. A relay that runs elsewhere is left alone.
    pub async fn shut_down(self) {
        if self.stop(Stop::Terminate).await.is_err() {
            // Not ours, or killed by now: either way nothing is left to do.
        }
    }

    /// Stops it and starts it again on the same folder, port and settings. Returns how long it was away.
    pub async fn restart(&self, how: Stop) -> Result<Duration, StartError> {
        let child = self.child.as_ref().ok_or(StartError::NotOurs)?;
        let begin = Instant::now();
        match self.stop(how).await {
            // It had its time to leave, and was killed, as service managers do it.
            Ok(()) | Err(StartError::Stays(_)) => {}
            Err(error) => return Err(error),
        }
        let url = child.spawn().await.map_err(|error| match error {
            StartError::Left { .. } if is_taken(&child.listen) => {
                StartError::PortTaken(child.listen.clone())
            }
            error => error,
        })?;
        *lock(&self.base_url) = url;
        Ok(begin.elapsed())
    }
}

fn call_facts(settings: Value, secret: &str) -> Facts {
    let mut facts = Facts::default();
    facts.insert("settings", settings);
    facts.insert("secret", json!(secret));
    facts
}

/// A call may take what the profile declares for answers, and a little more so that a late answer is seen as late.
fn http(profile: &Profile, roots: Roots, connections: Connections) -> Result<Http, StartError> {
    let within = profile.policies.acknowledge_within.unsigned() + LATE_ANSWER;
    Ok(Http::new(within, roots, connections)?)
}

fn compile(profile: &Profile) -> Result<Templates, StartError> {
    Templates::compile(profile).map_err(|errors| {
        let first = errors.into_iter().next();
        first.map_or(StartError::NotOurs, StartError::Template)
    })
}

type Rendered = (Vec<String>, BTreeMap<String, String>);

fn render(templates: &Templates, start: &Start, context: &Facts) -> Result<Rendered, StartError> {
    let command = (0..start.command.len())
        .map(|i| templates.render(&format!("start.command[{i}]"), context))
        .collect::<Result<_, _>>()?;
    let env = start
        .env
        .keys()
        .map(|name| Ok((name.clone(), templates.render(&format!("start.env.{name}"), context)?)))
        .collect::<Result<_, TemplateError>>()?;
    Ok((command, env))
}

fn write_files(
    templates: &Templates,
    start: &Start,
    context: &Facts,
    workdir: &Path,
) -> Result<(), StartError> {
    for name in start.files.keys() {
        let text = templates.render(&format!("start.files.{name}"), context)?;
        let path = workdir.join(name);
        let write = || {
            if let Some(folder) = path.parent() {
                std::fs::create_dir_all(folder)?;
            }
            std::fs::write(&path, &text)
        };
        write().map_err(|source| StartError::Write { what: name.clone(), source })?;
    }
    Ok(())
}

/// Files of trust, if the profile has any use for them: nothing is made for a run by base URL alone.
fn trust(
    capture: Capture,
    start: &Start,
    door: &Door,
    workdir: &Path,
) -> Result<Option<Trust>, TrustError> {
    let mut texts = start.command.iter().chain(start.env.values()).chain(start.files.values());
    let wanted = capture != Capture::BaseUrl
        || texts.any(|text| TRUST_FACTS.iter().any(|fact| text.contains(fact)));
    wanted.then(|| Trust::write(&workdir.join(".harness"), door)).transpose()
}

/// Facts about the gateway that are files.
const TRUST_FACTS: [&str; 2] = ["gateway.ca", "gateway.node_hook"];

fn gateway_facts(door: &Door, trust: Option<&Trust>) -> Value {
    let mut facts: Map<String, Value> = PLATFORMS
        .iter()
        .map(|platform| (platform.id().to_owned(), door.base_url(platform.id()).into()))
        .collect();
    facts.insert("origin".into(), door.origin().into());
    facts.insert("proxy".into(), door.origin().into());
    facts.insert("address".into(), door.address().into());
    if let Some(trust) = trust {
        facts.insert("ca".into(), json!(trust.ca()));
        facts.insert("node_hook".into(), json!(trust.node_hook()));
    }
    Value::Object(facts)
}

/// Unlike any other run's: made from the folder's random name, the clock, our process and a counter.
fn fresh_secret(workdir: &Path) -> String {
    static COUNTER: AtomicU64 = AtomicU64::new(0);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos();
    let count = COUNTER.fetch_add(1, Ordering::Relaxed);
    let seed = format!("{}|{now}|{}|{count}", workdir.display(), std::process::id());
    let digest = hex::encode(Sha256::digest(seed.as_bytes()));
    format!("tok_{}", digest.get(..40).unwrap_or(&digest))
}

/// A port below the range from which outgoing connections get theirs, so that none takes it while a relay is away.
fn free_port() -> Option<u16> {
    const FIRST: u16 = 15_000;
    const COUNT: u16 = 17_000;
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = (std::process::id().wrapping_mul(131) % u32::from(COUNT)) as u16;
    (0..500).find_map(|_| {
        let step = NEXT.fetch_add(1, Ordering::Relaxed) % COUNT;
        let port = FIRST + (offset + step) % COUNT;
        std::net::TcpListener::bind(("127.0.0.1", port)).ok().map(|_| port)
    })
}

/// Whether somebody still listens at an address that the relay's process has left.
fn is_taken(address: &str) -> bool {
    let bound = std::net::TcpListener::bind(address);
    bound.is_err_and(|error| error.kind() == std::io::ErrorKind::AddrInUse)
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(all(test, unix))]
mod tests;
