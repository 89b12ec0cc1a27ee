//! One connection's byte stream, so that a planned fault can act below HTTP: reset, cut, or never answer.
//!
//! hyper owns the stream while it serves; [`Line`] is the other handle on it. To end a connection the task that drives
//! hyper drops it; whether the peer then sees a reset or an ordinary end is decided when the stream is dropped.
//!
//! With HTTP/1 a line is the connection. With HTTP/2 each request has a line of its own, and what a fault does to it it
//! does to that stream alone: the client sees `RST_STREAM` where it would have seen a reset or a connection cut off.
//! Requests that share the connection by chance are not struck.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

use super::journal::{State, Ticket};
use crate::exchange::Ending;

/// What a byte stream has to offer to carry planned faults; TLS offers it over the same socket.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Arranges that dropping the stream sends a reset instead of an ordinary end.
    fn reset_on_drop(&self);
}

/// What happens once everything written so far is with the kernel.
#[derive(Debug, Clone, Copy)]
enum OnFlush {
    /// The answer is out.
    Answered,
    /// The connection ends here, in the middle of the answer.
    HangUp,
}

/// The exchange that is being answered, and how it ends if the connection ends now.
struct Current {
    ticket: Ticket,
    if_cut_off: Ending,
}

/// How far a line has come. One lock holds all of it: a stream's own task and that of its connection change it at the same
/// time, and neither may see half of what the other does.
#[derive(Default)]
struct Progress {
    current: Option<Current>,
    /// What to do at a flush that comes after this many bytes were written.
    on_flush: Option<(OnFlush, u64)>,
    /// The connection is gone: whatever begins now has ended.
    gone: bool,
}

/// The gateway's handle on one connection, or on one stream of an HTTP/2 connection.
pub(super) struct Line {
    state: Arc<State>,
    progress: Mutex<Progress>,
    written: Arc<AtomicU64>,
    hang_up: CancellationToken,
    reset: AtomicBool,
}

impl Line {
    /// An exchange is in the journal and now waits for its answer.
    pub(super) fn begin(&self, ticket: Ticket, if_cut_off: Ending) {
        let (before, gone) = {
            let mut progress = lock(&self.progress);
            (progress.current.replace(Current { ticket, if_cut_off }), progress.gone)
        };
        if let Some(before) = before {
            // Cannot happen: requests of an HTTP/1 connection are served one by one, and a stream carries only one.
            self.state.finish(&before.ticket, &Ending::ClientLeft);
        }
        if gone {
            self.end();
        }
    }

    /// The last byte of the answer was handed to hyper; it counts as answered when it is flushed.
    pub(super) fn answer_complete(&self) {
        self.at_flush(OnFlush::Answered);
    }

    /// What was handed to hyper so far is flushed, then the connection ends.
    pub(super) fn hang_up_after_flush(&self) {
        self.at_flush(OnFlush::HangUp);
    }

    fn at_flush(&self, what: OnFlush) {
        lock(&self.progress).on_flush = Some((what, self.written.load(Ordering::Acquire)));
    }

    /// Ends the connection with a reset; the current exchange ends as [`Ending::Reset`].
    pub(super) fn reset(&self) {
        if let Some(current) = lock(&self.progress).current.as_mut() {
            current.if_cut_off = Ending::Reset;
        }
        self.reset.store(true, Ordering::Release);
        self.hang_up.cancel();
    }

    /// Ends the connection in the ordinary way.
    pub(super) fn hang_up(&self) {
        self.hang_up.cancel();
    }

    /// Resolves when the connection has to end.
    pub(super) async fn hung_up(&self) {
        self.hang_up.cancelled().await;
    }

    /// The same for who cannot borrow it.
    pub(super) fn hung_up_owned(&self) -> WaitForCancellationFutureOwned {
        self.hang_up.clone().cancelled_owned()
    }

    /// The connection is gone: closes the exchange that was still open, and any that begins only now.
    fn settle(&self) {
        lock(&self.progress).gone = true;
        self.end();
    }

    /// The stream is done: closes its exchange, unless its answer is complete and only waits for the flush.
    fn stream_done(&self) {
        let current = {
            let mut progress = lock(&self.progress);
            match progress.on_flush {
                Some((OnFlush::Answered, _)) if !progress.gone => None,
                _ => progress.current.take(),
            }
        };
        self.cut_off(current);
    }

    fn end(&self) {
        let current = lock(&self.progress).current.take();
        self.cut_off(current);
    }

    fn cut_off(&self, current: Option<Current>) {
        if let Some(Current { ticket, if_cut_off }) = current {
            self.state.finish(&ticket, &if_cut_off);
        }
    }

    fn flushed(&self, written: u64) {
        let (due, answered) = {
            let mut progress = lock(&self.progress);
            // A flush of what another stream wrote before says nothing about this one.
            let due = progress.on_flush.take_if(|(_, after)| written > *after).map(|(due, _)| due);
            let is_answered = matches!(due, Some(OnFlush::Answered));
            (due, if is_answered { progress.current.take() } else { None })
        };
        if let Some(current) = answered {
            self.state.finish(&current.ticket, &Ending::Answered);
        }
        if matches!(due, Some(OnFlush::HangUp)) {
            self.hang_up.cancel();
        }
    }
}

/// Locks even if a panic elsewhere poisoned the mutex: the data are plain values, whole after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The lines of one connection: a single one with HTTP/1, one for each request with HTTP/2.
pub(super) struct Lines {
    state: Arc<State>,
    all: Mutex<Vec<Arc<Line>>>,
    /// Bytes that the connection took from hyper so far.
    written: Arc<AtomicU64>,
    /// A line is less than the connection.
    multiplexed: bool,
}

impl Lines {
    /// For HTTP/1, with its line.
    pub(super) fn single(state: &Arc<State>) -> (Arc<Self>, Arc<Line>) {
        let lines = Self::new(state, false);
        let line = lines.add();
        (Arc::new(lines), line)
    }

    /// For HTTP/2; a line is added for each request.
    pub(super) fn many(state: &Arc<State>) -> Arc<Self> {
        Arc::new(Self::new(state, true))
    }

    fn new(state: &Arc<State>, multiplexed: bool) -> Self {
        Self {
            state: Arc::clone(state),
            all: Mutex::default(),
            written: Arc::default(),
            multiplexed,
        }
    }

    /// One more line.
    pub(super) fn add(&self) -> Arc<Line> {
        let line = Arc::new(Line {
            state: Arc::clone(&self.state),
            progress: Mutex::default(),
            written: Arc::clone(&self.written),
            hang_up: CancellationToken::new(),
            reset: AtomicBool::new(false),
        });
        let mut all = lock(&self.all);
        // Nobody else holds those whose request is done.
        all.retain(|line| Arc::strong_count(line) > 1 || lock(&line.progress).current.is_some());
        all.push(Arc::clone(&line));
        line
    }

    /// The connection is gone: closes the exchanges that were still open.
    pub(super) fn settle(&self) {
        let all = std::mem::take(&mut *lock(&self.all));
        for line in all {
            line.settle();
        }
    }

    fn flushed(&self) {
        let written = self.written.load(Ordering::Acquire);
        for line in lock(&self.all).iter() {
            line.flushed(written);
        }
    }

    /// True if the whole connection is to be reset.
    fn is_reset(&self) -> bool {
        !self.multiplexed && lock(&self.all).iter().any(|l| l.reset.load(Ordering::Acquire))
    }
}

/// Held as long as hyper has anything to do for a stream. An exchange that is not about to be answered ends with it.
pub(super) struct StreamGuard(Arc<Line>);

impl StreamGuard {
    pub(super) fn new(line: &Arc<Line>) -> Self {
        Self(Arc::clone(line))
    }
}

impl Drop for StreamGuard {
    fn drop(&mut self) {
        self.0.stream_done();
    }
}

/// The stream as hyper sees it.
pub(super) struct Wire<T: Transport> {
    io: TokioIo<T>,
    lines: Arc<Lines>,
}

impl<T: Transport> Wire<T> {
    pub(super) fn new(stream: T, lines: Arc<Lines>) -> Self {
        Self { io: TokioIo::new(stream), lines }
    }

    fn count(&self, written: &Poll<io::Result<usize>>) {
        if let Poll::Ready(Ok(bytes)) = written {
            self.lines.written.fetch_add(*bytes as u64, Ordering::AcqRel);
        }
    }
}

impl<T: Transport> Drop for Wire<T> {
    fn drop(&mut self) {
        if self.lines.is_reset() {
            self.io.inner().reset_on_drop();
        }
    }
}

impl<T: Transport> hyper::rt::Read for Wire<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: hyper::rt::ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_read(cx, buffer)
    }
}

impl<T: Transport> hyper::rt::Write for Wire<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write(cx, bytes);
        self.count(&written);
        written
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.io).poll_write_vectored(cx, slices);
        self.count(&written);
        written
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // hyper flushes the stream only after it wrote all that it had buffered.
            self.lines.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::Instant;

    use super::*;
    use crate::{
        exchange::Request,
        gateway::{case::CaseState, faults::Act, intake::Entrance, route::Route},
        plan::{
            cases::{PlanOptions, plan},
            tests::{profile, scenario},
        },
    };

    /// An open case, and a request of it that waits for its answer.
    fn waiting() -> (Arc<State>, Arc<CaseState>, Ticket) {
        let profile = profile();
        let options =
            PlanOptions { seed: 1, profile: &profile, platforms: None, patterns: Vec::new() };
        let plan = plan(&[scenario("t/a", "steps: [{ order: { id: A } }]")], &options).unwrap();
        let case = Arc::new(plan.cases.into_iter().next().unwrap());
        let state = Arc::new(State::new(Instant::now(), &[]));
        let entrance = Entrance { owner: Some(case.id), origin: "" };
        let case = state.open(case, &[]).unwrap();
        let ticket = state.receive(entrance, Route::Undeclared, Request::default()).ticket;
        (state, case, ticket)
    }

    fn ending(case: &CaseState) -> Ending {
        lock(&case.inner).log.exchanges[0].ending.clone()
    }

    #[test]
    fn what_begins_when_its_connection_is_gone_ends_at_once() {
        let (state, case, ticket) = waiting();
        let lines = Lines::many(&state);
        let line = lines.add();
        lines.settle();
        assert_eq!(ending(&case), Ending::Open);
        line.begin(ticket, Act::ORDINARY.if_cut_off());
        assert_eq!(ending(&case), Ending::ClientLeft);
        assert_eq!(lock(&case.inner).log.open, 0);
    }

    #[test]
    fn a_stream_that_is_done_before_its_flush_counts_as_answered() {
        for flushed in [true, false] {
            let (state, case, ticket) = waiting();
            let lines = Lines::many(&state);
            let line = lines.add();
            let guard = StreamGuard::new(&line);
            line.begin(ticket, Act::ORDINARY.if_cut_off());
            line.answer_complete();
            drop(guard);
            assert_eq!(ending(&case), Ending::Open);
            if flushed {
                lines.written.fetch_add(1, Ordering::AcqRel);
                lines.flushed();
            }
            lines.settle();
            assert_eq!(ending(&case) == Ending::Answered, flushed);
        }
    }
}
