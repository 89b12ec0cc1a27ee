//! The body of an answer, with a pace: at once, drop by drop, or cut in the middle.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::time::{Instant, Sleep, sleep_until};
use tokio_util::sync::WaitForCancellationFutureOwned;

use super::wire::{Line, StreamGuard};

/// Shortest pause between two drops: timers are no finer.
const TICK: Duration = Duration::from_millis(1);

/// How a body is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Pace {
    /// At once.
    Whole,
    /// One byte at a time (or a few, if the span is shorter than a millisecond per byte), over this long.
    Slow(Duration),
    /// Half of it, then the connection (or stream) ends although more was announced.
    Cut,
}

/// An exchange ends here as planned, without (the rest of) an answer.
#[derive(Debug, thiserror::Error)]
#[error("ended as planned")]
pub(super) struct Ended;

/// What a body needs where a connection carries several.
struct OwnStream {
    hung_up: Pin<Box<WaitForCancellationFutureOwned>>,
    _guard: StreamGuard,
}

/// A body that tells its connection when it was handed out.
pub(super) struct PacedBody {
    rest: Bytes,
    pace: Pace,
    line: Arc<Line>,
    /// Bytes per drop, pause, and the pause that is running.
    drops: Option<(usize, Duration, Pin<Box<Sleep>>)>,
    cut: bool,
    own_stream: Option<OwnStream>,
}

impl PacedBody {
    pub(super) fn new(text: String, pace: Pace, line: Arc<Line>) -> Self {
        let rest = Bytes::from(text);
        let drops = match pace {
            Pace::Slow(over) => {
                let bytes = rest.len().max(1);
                let drops = usize::try_from(over.as_millis()).unwrap_or(usize::MAX).clamp(1, bytes);
                let pause = over
                    .checked_div(u32::try_from(drops).unwrap_or(u32::MAX))
                    .unwrap_or(TICK)
                    .max(TICK);
                Some((bytes.div_ceil(drops), pause, Box::pin(sleep_until(Instant::now() + pause))))
            }
            Pace::Whole | Pace::Cut => None,
        };
        if rest.is_empty() {
            // hyper never polls an empty body; the head that it writes next is the whole answer.
            match pace {
                Pace::Cut => line.hang_up_after_flush(),
                Pace::Whole | Pace::Slow(_) => line.answer_complete(),
            }
        }
        Self { rest, pace, line, drops, cut: false, own_stream: None }
    }

    /// The same on a stream of its own, which it can end without ending the connection.
    pub(super) fn on_stream(mut self, guard: StreamGuard) -> Self {
        let hung_up = Box::pin(self.line.hung_up_owned());
        self.own_stream = Some(OwnStream { hung_up, _guard: guard });
        self
    }
}

impl Body for PacedBody {
    type Data = Bytes;
    type Error = Ended;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Ended>>> {
        if self.cut {
            // The connection ends with the next flush; this body never gets any further.
            let Some(own) = &mut self.own_stream else { return Poll::Pending };
            ready!(own.hung_up.as_mut().poll(cx));
            return Poll::Ready(Some(Err(Ended)));
        }
        if self.rest.is_empty() {
            return Poll::Ready(None);
        }
        let amount = match self.pace {
            Pace::Whole => self.rest.len(),
            Pace::Cut => self.rest.len() / 2,
            Pace::Slow(_) => match &mut self.drops {
                None => self.rest.len(),
                Some((bytes, pause, sleep)) => {
                    ready!(sleep.as_mut().poll(cx));
                    let next = sleep.deadline() + *pause;
                    sleep.as_mut().reset(next);
                    *bytes
                }
            },
        };
        let amount = amount.min(self.rest.len());
        let chunk = self.rest.split_to(amount);
        if self.pace == Pace::Cut {
            self.cut = true;
            self.line.hang_up_after_flush();
            if chunk.is_empty() {
                return self.poll_frame(cx);
            }
        } else if self.rest.is_empty() {
            self.line.answer_complete();
        }
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_empty() && !self.cut
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.rest.len() as u64)
    }
}
