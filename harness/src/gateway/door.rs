//! Doors: the addresses that a relay is told to use instead of the platforms' own.

use std::{
    collections::HashMap,
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use tokio::{net::TcpListener, sync::Semaphore};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    certificates::Authority,
    intake::Entrance,
    journal::State,
    serve::Host,
    stream::Stream,
    tunnel,
    wire::{Transport, lock},
};
use crate::{
    exchange::{CaseId, Ending},
    platforms::Platform,
};

/// Connections served at one door at the same time; others wait in the kernel's queue.
const CONNECTION_LIMIT: usize = 1_000;

/// Pause after `accept` failed (out of file descriptors): trying again at once would only burn the processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);

/// A set of listening addresses. Cheap to clone.
#[derive(Clone)]
pub struct Door {
    shared: Arc<Shared>,
}

struct Shared {
    origin: String,
    /// Addresses that serve one platform only, so that it can be refused before a byte is read.
    own: HashMap<&'static str, SocketAddr>,
    owner: Mutex<Option<CaseId>>,
    closing: CancellationToken,
    slots: Arc<Semaphore>,
    authority: Arc<Authority>,
}

impl std::fmt::Debug for Door {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Door").field("origin", &self.shared.origin).finish_non_exhaustive()
    }
}

impl Door {
    /// Listens on `listen` for everything and, if `per_platform`, one more for each platform.
    pub(super) async fn open(
        state: &Arc<State>,
        tasks: &TaskTracker,
        closing: CancellationToken,
        authority: &Arc<Authority>,
        per_platform: bool,
        listen: SocketAddr,
    ) -> io::Result<Self> {
        let common = TcpListener::bind(listen).await?;
        let mut listeners = Vec::new();
        let mut own = HashMap::new();
        if per_platform {
            for platform in state.platforms {
                let listener = TcpListener::bind(ANY).await?;
                own.insert(platform.id(), listener.local_addr()?);
                listeners.push((listener, Some(*platform)));
            }
        }
        let origin = format!("http://{}", common.local_addr()?);
        listeners.push((common, None));
        let shared = Arc::new(Shared {
            origin,
            own,
            owner: Mutex::new(None),
            closing,
            slots: Arc::new(Semaphore::new(CONNECTION_LIMIT)),
            authority: Arc::clone(authority),
        });
        let door = Self { shared };
        for (listener, platform) in listeners {
            let (door, state) = (door.clone(), Arc::clone(state));
            let tracker = tasks.clone();
            tasks.spawn(async move { door.accept(listener, platform, state, tracker).await });
        }
        Ok(door)
    }

    /// Base URL of a platform: `http://127.0.0.1:PORT/meta`.
    pub fn base_url(&self, platform: &str) -> String {
        match self.shared.own.get(platform) {
            Some(address) => format!("http://{address}/{platform}"),
            None => format!("{}/{platform}", self.shared.origin),
        }
    }

    /// Where everything is served: `http://127.0.0.1:PORT`.
    pub fn origin(&self) -> String {
        self.shared.origin.clone()
    }

    /// `127.0.0.1:PORT`: where TLS by name and plain connections go.
    pub fn address(&self) -> &str {
        self.shared.origin.strip_prefix("http://").unwrap_or(&self.shared.origin)
    }

    /// Whom a client has to trust to be read here.
    pub fn authority(&self) -> &Authority {
        &self.shared.authority
    }

    /// From now on everything that arrives belongs to this case.
    pub(super) fn belongs_to(&self, case: CaseId) {
        *lock(&self.shared.owner) = Some(case);
    }

    /// Stops listening and drops the connections.
    pub(super) fn close(&self) {
        self.shared.closing.cancel();
    }

    /// Resolves when the door closes.
    pub(super) async fn closed(&self) {
        self.shared.closing.cancelled().await;
    }

    /// True once it is closed.
    pub(super) fn is_closed(&self) -> bool {
        self.shared.closing.is_cancelled()
    }

    /// As the journal sees it.
    pub(super) fn entrance(&self) -> Entrance<'_> {
        Entrance { owner: *lock(&self.shared.owner), origin: &self.shared.origin }
    }

    async fn accept(
        self,
        listener: TcpListener,
        platform: Option<&'static dyn Platform>,
        state: Arc<State>,
        tasks: TaskTracker,
    ) {
        loop {
            let accepted = tokio::select! {
                () = self.closed() => return,
                accepted = async {
                    let slot = Arc::clone(&self.shared.slots).acquire_owned().await;
                    (slot, listener.accept().await)
                } => accepted,
            };
            match accepted {
                (Ok(slot), Ok((socket, _))) => {
                    let stream = Stream::new(socket);
                    if platform.is_some_and(|p| self.refuses(&state, p, &stream)) {
                        continue;
                    }
                    let (door, state) = (self.clone(), Arc::clone(&state));
                    let host = Host { door, state, tasks: tasks.clone() };
                    tasks.spawn(async move {
                        tunnel::connection(stream, host).await;
                        drop(slot);
                    });
                }
                (Ok(_), Err(error)) => {
                    tracing::warn!(%error, "the gateway cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
                (Err(_), _) => return,
            }
        }
    }

    /// True if a planned fault refuses this connection; it is reset when it is dropped.
    ///
    /// A closed port would refuse more truly, but then nobody could tell whether and how often anyone knocked.
    pub(super) fn refuses(
        &self,
        state: &State,
        platform: &'static dyn Platform,
        stream: &impl Transport,
    ) -> bool {
        let Some(directive) = state.at_accept(self.entrance(), platform) else { return false };
        stream.reset_on_drop();
        state.finish(&directive.ticket, &Ending::Reset);
        true
    }
}

/// Any free port of this machine alone.
pub(super) const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);
