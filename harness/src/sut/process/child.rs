//! A relay's process: its start, its life, its end.
//!
//! It gets a work folder and a process group of its own, and nothing of our environment but `PATH` and `HOME`. Whatever it
//! starts belongs to the group and ends with it: what is left when it has left is killed, or it would answer in the place of
//! the next one. It dies with its [`Child`]: dropping it kills the whole group. If the harness itself is killed (`SIGKILL`) it cannot do so any more and
//! the process stays; run under a supervisor or a container where that matters.

use std::{
    collections::BTreeMap,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use regex::Regex;
use rustix::process::{Pid, Signal, kill_process_group, test_kill_process_group};
use tokio::{
    process::Command,
    sync::{oneshot, watch},
    task::JoinHandle,
};

use super::{StartError, lock};
use crate::{
    scenario::Stop,
    sut::{
        capture::{Tail, follow},
        profile::Ready,
        redaction::Redaction,
    },
};

/// How long a relay may take to leave after it was asked to; then it is killed.
pub(super) const STOP_WITHIN: Duration = Duration::from_secs(10);
/// Longest answer of a ready probe's connection.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);
/// How long what it has started may take to leave after it.
const LEFTOVERS_WITHIN: Duration = Duration::from_secs(2);
/// How many lines of its output an error message shows.
const SHOWN_LINES: usize = 12;
/// Characters of what should be a URL that an error message shows.
const SHOWN_URL: usize = 200;

/// What is needed to start the process, again and again.
#[derive(Debug)]
pub(super) struct Child {
    pub(super) command: Vec<String>,
    pub(super) env: BTreeMap<String, String>,
    pub(super) ready: Ready,
    pub(super) within: Duration,
    pub(super) listen: String,
    pub(super) workdir: tempfile::TempDir,
    pub(super) stdout: Tail,
    pub(super) stderr: Tail,
    pub(super) running: Mutex<Option<Running>>,
    /// What must not be shown when its last words are.
    pub(super) redaction: Redaction,
    /// How long it may take to leave after it was asked to.
    pub(super) stop_within: Duration,
}

/// One life of the process.
#[derive(Debug)]
pub(super) struct Running {
    pid: u32,
    pub(super) exit: watch::Receiver<Option<ExitStatus>>,
    kill: Option<oneshot::Sender<()>>,
    /// It was asked to leave, and what it has started with it.
    asked: Arc<AtomicBool>,
    supervisor: JoinHandle<()>,
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exit.borrow().is_none() {
            // The group first, while our child still holds its id; then the child itself (killed when dropped).
            signal_group(self.pid, Stop::Kill);
        }
        self.supervisor.abort();
    }
}

impl Child {
    /// Starts the process and waits until it is ready; its base URL.
    pub(super) async fn spawn(&self) -> Result<String, StartError> {
        let (program, arguments) = self
            .command
            .split_first()
            .ok_or_else(|| StartError::NoStart("a command without a program".into()))?;
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env_clear()
            .envs(
                ["PATH", "HOME"]
                    .into_iter()
                    .filter_map(|name| Some((name, std::env::var_os(name)?))),
            )
            .envs(&self.env)
            .current_dir(self.workdir.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command.process_group(0);
        let spawned = command
            .spawn()
            .map_err(|source| StartError::Spawn { program: program.clone(), source })?;
        let (found, line) = watch::channel(None);
        let running = self.supervise(spawned, found)?;
        let mut exit = running.exit.clone();
        *lock(&self.running) = Some(running);
        let ready = tokio::time::timeout(self.within, self.ready(line, &mut exit)).await;
        match ready {
            Ok(result) => result,
            Err(_) => {
                lock(&self.running).take();
                let missing = match &self.ready {
                    Ready::Line(expression) => {
                        format!("no line on standard output matched `{expression}`")
                    }
                    Ready::Path(path) => {
                        format!("http://{}{path} did not answer with 2xx", self.listen)
                    }
                };
                let words = self.last_words();
                Err(StartError::NotReady { within: self.within, missing, words })
            }
        }
    }

    /// Stops the process and returns when it has left. Stopping what has left already is fine.
    pub(super) async fn stop(&self, how: Stop) -> Result<(), StartError> {
        let Some(mut running) = lock(&self.running).take() else { return Ok(()) };
        if running.exit.borrow().is_some() {
            return Ok(());
        }
        // All of the group, as a service manager does: a wrapper may not pass it on.
        running.asked.store(true, Ordering::Relaxed);
        signal_group(running.pid, how);
        if left(&mut running.exit, self.stop_within).await {
            return Ok(());
        }
        if let Some(kill) = running.kill.take() {
            // Nobody listens: the supervisor saw the exit at this very moment.
            if kill.send(()).is_err() {
                return Ok(());
            }
        }
        left(&mut running.exit, self.stop_within).await;
        Err(StartError::Stays(self.stop_within))
    }

    /// Of the process that runs, or ran last.
    pub(super) fn pid(&self) -> Option<u32> {
        lock(&self.running).as_ref().map(|running| running.pid)
    }

    /// See [`Relay::exited`](super::Relay::exited).
    pub(super) fn exited(&self) -> Option<String> {
        let status = (*lock(&self.running).as_ref()?.exit.borrow())?;
        Some(format!("{status}; its last words:\n{}", self.last_words()))
    }

    /// See [`Relay::gone`](super::Relay::gone).
    pub(super) async fn gone(&self) -> String {
        let exit = lock(&self.running).as_ref().map(|running| running.exit.clone());
        let Some(mut exit) = exit else { return std::future::pending().await };
        if exit.wait_for(Option::is_some).await.is_err() {
            // Its owner is going: there is nobody left to tell.
            return std::future::pending().await;
        }
        match self.exited() {
            Some(how) => how,
            // We stopped it ourselves.
            None => std::future::pending().await,
        }
    }

    /// The last lines on standard error, or else on standard output, without secrets that we gave it.
    fn last_words(&self) -> String {
        let mut words = self.stderr.last_lines(SHOWN_LINES);
        if words.trim().is_empty() {
            words = self.stdout.last_lines(SHOWN_LINES);
        }
        self.redaction.redact(&words)
    }

    /// Reads the process's output and waits for its end, in tasks that end with it.
    fn supervise(
        &self,
        mut spawned: tokio::process::Child,
        found: watch::Sender<Option<String>>,
    ) -> Result<Running, StartError> {
        let pid = spawned.id().unwrap_or_default();
        let line = match &self.ready {
            Ready::Line(expression) => Regex::new(expression).ok().map(|regex| (regex, found)),
            Ready::Path(_) => None,
        };
        let mut readers = Vec::new();
        if let Some(stdout) = spawned.stdout.take() {
            readers.push(follow(stdout, self.stdout.clone(), line));
        }
        if let Some(stderr) = spawned.stderr.take() {
            readers.push(follow(stderr, self.stderr.clone(), None));
        }
        let (kill, killed) = oneshot::channel();
        let (exit_sender, exit) = watch::channel(None);
        let asked = Arc::new(AtomicBool::new(false));
        let was_asked = Arc::clone(&asked);
        #[expect(
            clippy::disallowed_methods,
            reason = "`Running` owns the handle and aborts it when it goes"
        )]
        let supervisor = tokio::spawn(async move {
            let status = tokio::select! {
                status = spawned.wait() => status,
                Ok(()) = killed => {
                    // Failing means that it is gone already; `wait` tells.
                    drop(spawned.start_kill());
                    spawned.wait().await
                }
            };
            if was_asked.load(Ordering::Relaxed) {
                leftovers_gone(pid).await;
            }
            signal_group(pid, Stop::Kill);
            // Its last words first: who sees the exit may quote them. A grandchild may hold the pipes open for ever.
            let words = async {
                for reader in readers {
                    drop(reader.await);
                }
            };
            drop(tokio::time::timeout(Duration::from_millis(200), words).await);
            exit_sender.send_replace(Some(status.unwrap_or_default()));
        });
        Ok(Running { pid, exit, kill: Some(kill), asked, supervisor })
    }

    async fn ready(
        &self,
        mut line: watch::Receiver<Option<String>>,
        exit: &mut watch::Receiver<Option<ExitStatus>>,
    ) -> Result<String, StartError> {
        let ready = async {
            match &self.ready {
                Ready::Line(_) => {
                    let url = line.wait_for(Option::is_some).await.map(|url| url.clone());
                    match url {
                        Ok(url) => url.unwrap_or_default(),
                        // Standard output ended without the line: the exit or the deadline tells.
                        Err(_) => std::future::pending().await,
                    }
                }
                Ready::Path(path) => probe(&self.listen, path).await,
            }
        };
        tokio::select! {
            biased;
            // Who answers in its place is somebody else.
            status = exit.wait_for(Option::is_some) => {
                let how = status.ok().and_then(|status| *status).map_or_else(String::new, |s| s.to_string());
                Err(StartError::Left { how, words: self.last_words() })
            }
            url = ready => match url::Url::parse(&url) {
                Ok(_) => Ok(url.trim_end_matches('/').to_owned()),
                Err(_) => {
                    let shown = self.redaction.redact(&url);
                    Err(StartError::BadUrl(shown.chars().take(SHOWN_URL).collect()))
                }
            },
        }
    }
}

/// Asks until the path answers with 2xx. A stranger gives no other sign, so this is the one place that polls.
async fn probe(listen: &str, path: &str) -> String {
    let client = crate::sut::client(PROBE_TIMEOUT);
    let url = format!("http://{listen}{path}");
    loop {
        if let Ok(client) = &client
            && client.get(&url).send().await.is_ok_and(|answer| answer.status().is_success())
        {
            return format!("http://{listen}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

pub(super) async fn left(exit: &mut watch::Receiver<Option<ExitStatus>>, within: Duration) -> bool {
    tokio::time::timeout(within, exit.wait_for(Option::is_some)).await.is_ok()
}

/// Waits until nothing is left of the group of a process that has left, but not for ever.
async fn leftovers_gone(pid: u32) {
    let gone = async {
        // Nobody tells of the end of processes that are not our own children: this is asked.
        while group_lives(pid) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    // Who stays is killed.
    drop(tokio::time::timeout(LEFTOVERS_WITHIN, gone).await);
}

fn group(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().and_then(Pid::from_raw)
}

fn group_lives(pid: u32) -> bool {
    group(pid).is_some_and(|group| test_kill_process_group(group).is_ok())
}

/// Signals a group that may be gone already; who waits for its end does so in either case.
fn signal_group(pid: u32, how: Stop) {
    let signal = match how {
        Stop::Kill => Signal::KILL,
        Stop::Terminate => Signal::TERM,
    };
    let _gone = group(pid).is_none_or(|group| kill_process_group(group, signal).is_err());
}
