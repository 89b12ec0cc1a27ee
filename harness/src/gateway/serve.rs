//! One connection that speaks HTTP: drives hyper, and ends the connection when the journal says so.

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
};

use futures_util::FutureExt;
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    body::Ended,
    door::Door,
    journal::State,
    tunnel::Way,
    visit::Visit,
    wire::{Lines, StreamGuard, Transport, Wire},
};

/// Most headers of a request, and most bytes of its head; beyond: 431.
const HEADER_LIMIT: usize = 128;
pub(super) const HEAD_BYTES: usize = 64 * 1024;

/// Requests of one HTTP/2 connection at the same time; more wait at the client.
const STREAM_LIMIT: u32 = 128;

/// What every connection needs to be served. Cheap to clone.
#[derive(Clone)]
pub(super) struct Host {
    pub(super) door: Door,
    pub(super) state: Arc<State>,
    /// Owns every task.
    pub(super) tasks: TaskTracker,
}

/// Runs what serves a connection. A simulator must never panic, whatever it is sent; if one does, the run must not pass
/// in silence.
pub(super) async fn guarded(state: Arc<State>, served: impl Future<Output = ()>) {
    if AssertUnwindSafe(served).catch_unwind().await.is_err() {
        state.panics.fetch_add(1, Ordering::AcqRel);
    }
}

/// Serves HTTP/1.1 until the connection ends, by whichever side.
pub(super) async fn http1<T: Transport>(stream: T, way: Arc<Way>, host: Host) {
    let (lines, line) = Lines::single(&host.state);
    {
        let service = service_fn(|request| {
            let visit =
                Visit { host: host.clone(), way: Arc::clone(&way), line: Arc::clone(&line) };
            async move { Ok::<_, Ended>(visit.answer(request).await) }
        });
        let served = http1::Builder::new()
            .max_headers(HEADER_LIMIT)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(Wire::new(stream, Arc::clone(&lines)), service);
        tokio::select! {
            biased;
            () = line.hung_up() => {}
            () = host.door.closed() => {}
            ended = served => note(ended),
        }
        // The stream is dropped here: what the peer sees (end or reset) happens before the journal says so.
    }
    lines.settle();
}

/// Serves HTTP/2 until the connection ends, by whichever side.
pub(super) async fn http2<T: Transport>(stream: T, way: Arc<Way>, host: Host) {
    let lines = Lines::many(&host.state);
    let over = CancellationToken::new();
    let requests =
        Requests { tasks: host.tasks.clone(), state: Arc::clone(&host.state), over: over.clone() };
    {
        // Requests that are under way end with their connection.
        let _over = over.drop_guard();
        let service = service_fn(|request| {
            let line = lines.add();
            let visit =
                Visit { host: host.clone(), way: Arc::clone(&way), line: Arc::clone(&line) };
            async move {
                let guard = StreamGuard::new(&line);
                tokio::select! {
                    biased;
                    // hyper answers an error with `RST_STREAM`.
                    () = line.hung_up() => Err(Ended),
                    answer = visit.answer(request) => {
                        Ok(answer.map(|body| body.on_stream(guard)))
                    }
                }
            }
        });
        let served = http2::Builder::new(requests)
            .max_concurrent_streams(STREAM_LIMIT)
            .max_header_list_size(HEAD_BYTES as u32)
            .serve_connection(Wire::new(stream, Arc::clone(&lines)), service);
        tokio::select! {
            biased;
            () = host.door.closed() => {}
            ended = served => note(ended),
        }
    }
    lines.settle();
}

/// Relays may send garbage or leave: that is theirs to do, and the journal has what was readable.
fn note(ended: hyper::Result<()>) {
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the gateway ended early");
    }
}

/// Where hyper runs the requests of one HTTP/2 connection.
#[derive(Clone)]
struct Requests {
    tasks: TaskTracker,
    state: Arc<State>,
    over: CancellationToken,
}

impl<F: Future<Output = ()> + Send + 'static> Executor<F> for Requests {
    fn execute(&self, request: F) {
        let over = self.over.clone();
        let served = async move {
            tokio::select! {
                () = over.cancelled() => {}
                () = request => {}
            }
        };
        self.tasks.spawn(guarded(Arc::clone(&self.state), served));
    }
}
