//! One connection's byte stream, so that a planned fault can act below HTTP: reset, cut, or never answer.
//!
//! hyper owns the stream while it serves; [`Line`] is the other handle on it. To end a connection the task that drives
//! hyper drops it; whether the peer then sees a reset or an ordinary end is decided when the stream is dropped.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};

use hyper_util::rt::TokioIo;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_util::sync::CancellationToken;

use super::journal::{State, Ticket};
use crate::exchange::Ending;

/// What a byte stream has to offer to carry planned faults. TLS below CONNECT or SNI implements it over the same socket.
pub(super) trait Transport: AsyncRead + AsyncWrite + Send + Unpin + 'static {
    /// Arranges that dropping the stream sends a reset instead of an ordinary end.
    fn reset_on_drop(&self);
}

impl Transport for TcpStream {
    fn reset_on_drop(&self) {
        // The socket may be dead already; then there is nothing left to reset.
        self.set_zero_linger().unwrap_or_default();
    }
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

/// The gateway's handle on one connection.
pub(super) struct Line {
    state: Arc<State>,
    current: Mutex<Option<Current>>,
    on_flush: Mutex<Option<OnFlush>>,
    hang_up: CancellationToken,
    reset: AtomicBool,
}

impl Line {
    pub(super) fn new(state: Arc<State>) -> Arc<Self> {
        Arc::new(Self {
            state,
            current: Mutex::new(None),
            on_flush: Mutex::new(None),
            hang_up: CancellationToken::new(),
            reset: AtomicBool::new(false),
        })
    }

    /// An exchange is in the journal and now waits for its answer.
    pub(super) fn begin(&self, ticket: Ticket, if_cut_off: Ending) {
        let before = lock(&self.current).replace(Current { ticket, if_cut_off });
        if let Some(before) = before {
            // Cannot happen with HTTP/1: requests of a connection are served one by one.
            self.state.finish(&before.ticket, &Ending::ClientLeft);
        }
    }

    /// The last byte of the answer was handed to hyper; it counts as answered when it is flushed.
    pub(super) fn answer_complete(&self) {
        *lock(&self.on_flush) = Some(OnFlush::Answered);
    }

    /// What was handed to hyper so far is flushed, then the connection ends.
    pub(super) fn hang_up_after_flush(&self) {
        *lock(&self.on_flush) = Some(OnFlush::HangUp);
    }

    /// Ends the connection with a reset; the current exchange ends as [`Ending::Reset`].
    pub(super) fn reset(&self) {
        if let Some(current) = lock(&self.current).as_mut() {
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

    /// The connection is gone: closes the exchange that was still open.
    pub(super) fn settle(&self) {
        let current = lock(&self.current).take();
        if let Some(Current { ticket, if_cut_off }) = current {
            self.state.finish(&ticket, &if_cut_off);
        }
    }

    fn flushed(&self) {
        let due = lock(&self.on_flush).take();
        match due {
            Some(OnFlush::Answered) => {
                let current = lock(&self.current).take();
                if let Some(current) = current {
                    self.state.finish(&current.ticket, &Ending::Answered);
                }
            }
            Some(OnFlush::HangUp) => self.hang_up.cancel(),
            None => {}
        }
    }
}

/// Locks even if a panic elsewhere poisoned the mutex: the data are plain values, whole after each statement.
pub(super) fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The stream as hyper sees it.
pub(super) struct Wire<T: Transport> {
    io: TokioIo<T>,
    line: Arc<Line>,
}

impl<T: Transport> Wire<T> {
    pub(super) fn new(stream: T, line: Arc<Line>) -> Self {
        Self { io: TokioIo::new(stream), line }
    }
}

impl<T: Transport> Drop for Wire<T> {
    fn drop(&mut self) {
        if self.line.reset.load(Ordering::Acquire) {
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
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.io).poll_flush(cx);
        if matches!(flushed, Poll::Ready(Ok(()))) {
            // hyper flushes the stream only after it wrote all that it had buffered.
            self.line.flushed();
        }
        flushed
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}
