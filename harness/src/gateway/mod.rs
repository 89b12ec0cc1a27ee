//! Where all outbound traffic of the relay under test ends up. It answers for the platforms and never forwards.
//!
//! ```text
//! door ──▶ tunnel ──▶ serve ──▶ visit ──▶ route ──▶ intake ──▶ journal ──▶ visit ──▶ wire
//! (listen)  (CONNECT,  (HTTP/1,  (one                (owner,    (written             (pace, reset,
//!            TLS)       HTTP/2)   request)            fault,     down)                silence)
//!                                                     answer)
//! ```
//!
//! - `door`: listening addresses; `tunnel`: what a connection turns out to be; `tls` with `certificates`: as whom it is
//!   answered; `stream`: its bytes; `serve`: one connection; `wire`: how it ends; `visit`: one request; `body`: the pace.
//! - `route`: which platform; `owners`: whose event it is; `accounts`: who may do what.
//! - `arrivals`: by which way of capture requests came.
//! - `faults` with `matchers`: what is planned to go wrong; `intake`: what is done about a request.
//! - `journal`: what happened, written down before a byte is answered; `case`: one case's part of it;
//!   `shared`: one request of several cases; `ledger`: what the platforms took; `strays`: what belongs to nobody;
//!   `unread` with `grpc`: what could not be read.
//!
//! One port serves every way of capture: a base URL, a forward proxy (absolute addresses and CONNECT), and TLS by name.

mod accounts;
mod arrivals;
mod body;
mod case;
mod certificates;
mod coding;
mod door;
mod faults;
mod grpc;
mod intake;
mod journal;
mod ledger;
mod matchers;
mod owners;
mod route;
mod serve;
mod shared;
mod strays;
mod stream;
mod tls;
mod tunnel;
mod unread;
mod visit;
mod wire;

use std::{
    io,
    sync::{Arc, atomic::Ordering},
    time::Instant,
};

use tokio_util::{sync::CancellationToken, task::TaskTracker};

pub use self::strays::LateEvent;
pub use self::{
    arrivals::{Arrival, Rung},
    case::{BYTES_KEPT, Captured, CaseHandle, ENTRIES_KEPT, EXCHANGES_KEPT, Log},
    certificates::{Authority, AuthorityError, CERTIFICATE_FILE, KEY_FILE},
    door::Door,
    unread::{UnreadRequests, UnreadTunnel, WhyUnread, unread_protocol},
};
use self::{journal::State, strays::Strays, wire::lock};
use crate::{
    exchange::Exchange,
    plan::{Case, Shop},
    platforms::Platform,
};

/// How the gateway is set up.
#[derive(Clone, Copy)]
pub struct GatewayOptions {
    /// When the run began: exchanges carry times since then.
    pub started: Instant,
    /// Platforms that it answers for.
    pub platforms: &'static [&'static dyn Platform],
    /// Where the main door listens; port 0: any.
    pub listen: std::net::SocketAddr,
}

impl std::fmt::Debug for GatewayOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("GatewayOptions").field("platforms", &self.platforms.len()).finish()
    }
}

/// The running gateway. Cheap to clone.
#[derive(Clone)]
pub struct Gateway {
    state: Arc<State>,
    authority: Arc<Authority>,
    main: Door,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl std::fmt::Debug for Gateway {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gateway").field("main", &self.main).finish_non_exhaustive()
    }
}

impl Gateway {
    /// Opens the main door. Clients that are to be read through TLS trust an authority that ends with the run.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn start(options: GatewayOptions) -> io::Result<Self> {
        Self::start_with(options, Authority::default()).await
    }

    /// The same with this authority, for relays that were told before whom to trust.
    ///
    /// # Errors
    /// It cannot listen.
    pub async fn start_with(options: GatewayOptions, authority: Authority) -> io::Result<Self> {
        let authority = Arc::new(authority);
        let state = Arc::new(State::new(options.started, options.platforms));
        let tasks = TaskTracker::new();
        let stopping = CancellationToken::new();
        let main =
            Door::open(&state, &tasks, stopping.child_token(), &authority, false, options.listen)
                .await?;
        Ok(Self { state, authority, main, tasks, stopping })
    }

    /// Opens one more door, for a relay of one case. Each platform has an address of its own there, so that it alone
    /// can refuse connections. It closes with its case.
    pub async fn open_door(&self) -> io::Result<Door> {
        let closing = self.stopping.child_token();
        Door::open(&self.state, &self.tasks, closing, &self.authority, true, door::ANY).await
    }

    /// The main door.
    pub fn door(&self) -> &Door {
        &self.main
    }

    /// Makes the shops' accounts known to the platforms.
    pub fn add_shops(&self, shops: &[Shop]) {
        self.state.accounts.add(shops);
    }

    /// Opens a case: its tracers are looked for, its faults are armed. With a private door, everything that arrives
    /// there belongs to it.
    ///
    /// # Errors
    /// A planned fault that cannot be carried out (bad regular expression, status, header), or a case that is open.
    pub fn open(
        &self,
        case: Arc<Case>,
        shops: &[Shop],
        door: Option<&Door>,
    ) -> Result<CaseHandle, String> {
        let id = case.id;
        let case = self.state.open(case, shops)?;
        if let Some(door) = door {
            door.belongs_to(id);
        }
        let state = Arc::clone(&self.state);
        Ok(CaseHandle { state, case, id, door: door.cloned(), closed: false })
    }

    /// Requests to platforms that belong to nobody: how many, and the first for each host and account, at most 50.
    pub fn orphans(&self) -> (u64, Vec<Exchange>) {
        self.strays(|strays| strays.orphans.clone())
    }

    /// Requests for accounts of this run that came when no open case claimed them: retries that outlived their case.
    pub fn late(&self) -> u64 {
        self.strays(|strays| strays.late)
    }

    /// Requests that came in by the main door so far: none means that the relay has sent nothing to anybody.
    pub fn served(&self) -> u64 {
        self.state.served.load(Ordering::Acquire)
    }

    /// Events under new keys for accounts whose case had been judged on that very platform; the first few.
    pub fn late_events(&self) -> Vec<LateEvent> {
        self.strays(|strays| strays.late_events.clone())
    }

    /// Requests to hosts that nobody declared, and along redirects: the first to each host and of each case, at most 50 of either.
    pub fn undeclared(&self) -> Vec<Exchange> {
        self.strays(|strays| strays.undeclared.clone())
    }

    /// By which ways requests to the platforms came in, in the order in which each was first taken.
    pub fn arrivals(&self) -> Vec<Arrival> {
        lock(&self.state.arrivals).0.clone()
    }

    /// Requests in a protocol that the platform's simulator does not speak (gRPC). What they carried is unknown, so an
    /// order that is missing at such a platform is not lost.
    pub fn unreadable(&self) -> Vec<UnreadRequests> {
        lock(&self.state.unread).requests.clone()
    }

    /// Tunnels and TLS connections from which nothing could be read, by host and reason. A hundred
    /// hosts besides the platforms' are told apart.
    pub fn tunnels_unread(&self) -> Vec<UnreadTunnel> {
        lock(&self.state.unread).tunnels.clone()
    }

    /// Connections that ended because a simulator panicked: a defect of the harness, so the run cannot be judged.
    pub fn panics(&self) -> u64 {
        self.state.panics.load(Ordering::Acquire)
    }

    fn strays<R>(&self, f: impl FnOnce(&Strays) -> R) -> R {
        f(&lock(&self.state.strays))
    }

    /// Closes all doors; returns when the last connection is done.
    pub async fn stop(self) {
        self.stopping.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }
}
