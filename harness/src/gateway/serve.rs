//! One HTTP/1.1 connection: reads requests, hands them to the journal, and does on the wire what it says.

use std::{
    convert::Infallible,
    panic::AssertUnwindSafe,
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use futures_util::FutureExt;
use http::{HeaderValue, Response, StatusCode, header};
use http_body_util::BodyExt;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use tokio::net::TcpStream;

use super::{
    body::{Pace, PacedBody},
    door::Door,
    faults::{Act, http_date},
    journal::{Directive, State},
    route::{Route, route},
    wire::{Line, Transport, Wire},
};
use crate::exchange::{Ending, Request};

/// Bytes of a request body that are read; a longer one is answered with 413.
pub(super) const READ_LIMIT: usize = 8 * 1024 * 1024;

/// Bytes beyond [`READ_LIMIT`] that are read and thrown away, so that the client gets to see the 413.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// Most headers of a request, and most bytes of its head; beyond: 431.
const HEADER_LIMIT: usize = 128;
const HEAD_BYTES: usize = 64 * 1024;

/// Serves a connection until it ends, by whichever side.
pub(super) async fn connection(stream: TcpStream, door: Door, state: Arc<State>) {
    // Answers are small; waiting to fill a segment would only add to every latency measured.
    stream.set_nodelay(true).unwrap_or_default();
    let served = AssertUnwindSafe(serve(stream, door, Arc::clone(&state))).catch_unwind();
    if served.await.is_err() {
        // A simulator must never panic, whatever it is sent. If one does, the run must not pass in silence.
        state.panics.fetch_add(1, Ordering::AcqRel);
    }
}

/// The same for any transport (TLS below CONNECT or SNI comes in here, once it is terminated).
async fn serve<T: Transport>(stream: T, door: Door, state: Arc<State>) {
    let line = Line::new(Arc::clone(&state));
    {
        let service = service_fn(|request| {
            let visit =
                Visit { state: Arc::clone(&state), door: door.clone(), line: Arc::clone(&line) };
            async move { Ok::<_, Infallible>(visit.answer(request).await) }
        });
        let served = http1::Builder::new()
            .max_headers(HEADER_LIMIT)
            .max_buf_size(HEAD_BYTES)
            .serve_connection(Wire::new(stream, Arc::clone(&line)), service);
        tokio::select! {
            biased;
            () = line.hung_up() => {}
            () = door.closed() => {}
            ended = served => {
                if let Err(error) = ended {
                    // Relays may send garbage or leave: that is theirs to do, and the journal has what was readable.
                    tracing::debug!(%error, "a connection to the gateway ended early");
                }
            }
        }
        // The stream is dropped here: what the peer sees (end or reset) happens before the journal says so.
    }
    line.settle();
}

/// One request on its way.
struct Visit {
    state: Arc<State>,
    door: Door,
    line: Arc<Line>,
}

impl Visit {
    async fn answer(self, request: hyper::Request<Incoming>) -> Response<PacedBody> {
        let (parts, body) = request.into_parts();
        let mut request = head(&parts);
        let bodyless = parts.method == http::Method::HEAD;
        let route = route(self.state.platforms, &mut request);

        let directive = match self.state.at_head(self.door.entrance(), route, &request) {
            Some(directive) => directive,
            None => {
                let mut arriving = Arriving { visit: &self, route, request: Some(request) };
                match arriving.read(body).await {
                    Some(request) => self.state.receive(self.door.entrance(), route, request),
                    // The client left; dropping `arriving` writes down what came.
                    None => {
                        drop(arriving);
                        self.line.hang_up();
                        return std::future::pending().await;
                    }
                }
            }
        };
        self.act(directive, bodyless).await
    }

    async fn act(self, directive: Directive, bodyless: bool) -> Response<PacedBody> {
        let Directive { reply, act, ticket, now, held_by } = directive;
        let seq = ticket.seq;
        self.line.begin(ticket, act.if_cut_off());
        let pace = match act {
            Act::Reset => {
                self.line.reset();
                return std::future::pending().await;
            }
            Act::Hold => {
                if let Some((case, fault)) = held_by {
                    self.state.hold(&case, fault, seq, &self.line);
                }
                return std::future::pending().await;
            }
            Act::Answer { after, pace } => {
                if after > Duration::ZERO {
                    tokio::time::sleep(after).await;
                }
                pace
            }
        };
        let status =
            StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let bodyless =
            bodyless || matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let text = if bodyless { String::new() } else { reply.body };
        let mut response = Response::new(PacedBody::new(text, pace, Arc::clone(&self.line)));
        *response.status_mut() = status;
        for (name, value) in &reply.headers {
            let name = header::HeaderName::try_from(name.as_str());
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value.as_str())) {
                // How the body is framed is for the connection to say.
                if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
                    response.headers_mut().append(name, value);
                }
            }
        }
        if let Some(date) = http_date(now).and_then(|d| HeaderValue::try_from(d).ok()) {
            response.headers_mut().entry(header::DATE).or_insert(date);
        }
        if status == StatusCode::PAYLOAD_TOO_LARGE {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if pace == Pace::Cut {
            tracing::debug!(seq, "an answer is cut as planned");
        }
        response
    }
}

/// A request whose body is being read. Dropped before the end, it goes into the journal as far as it came.
struct Arriving<'a> {
    visit: &'a Visit,
    route: Route,
    request: Option<Request>,
}

impl Arriving<'_> {
    /// Reads the body; `None` if the client went away before its end.
    async fn read(&mut self, mut body: Incoming) -> Option<Request> {
        let mut bytes: Vec<u8> = Vec::new();
        let mut total = 0_usize;
        while let Some(frame) = body.frame().await {
            let Ok(frame) = frame else {
                self.note(&bytes, total);
                return None;
            };
            let Some(data) = frame.data_ref() else { continue };
            total = total.saturating_add(data.len());
            let room = READ_LIMIT.saturating_sub(bytes.len());
            bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            // Kept up to date, so that a connection dropped while waiting has it.
            if let Some(request) = &mut self.request {
                request.body_bytes = total;
            }
            if total > READ_LIMIT + DRAIN_LIMIT {
                break;
            }
        }
        self.note(&bytes, total);
        let mut request = self.request.take()?;
        request.incomplete = total > READ_LIMIT;
        Some(request)
    }

    fn note(&mut self, bytes: &[u8], total: usize) {
        if let Some(request) = &mut self.request {
            request.body = String::from_utf8_lossy(bytes).into_owned();
            request.body_bytes = total;
        }
    }
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if let Some(mut request) = self.request.take() {
            request.incomplete = true;
            let visit = self.visit;
            let directive = visit.state.receive(visit.door.entrance(), self.route, request);
            visit.state.finish(&directive.ticket, &Ending::ClientLeft);
        }
    }
}

/// The head of a request in owned, bounded strings.
fn head(parts: &http::request::Parts) -> Request {
    let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let named = parts.uri.authority().map(ToString::to_string);
    let host = named.or_else(|| parts.headers.get(header::HOST).map(text)).unwrap_or_default();
    Request {
        method: parts.method.to_string(),
        host,
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or_default().to_owned(),
        headers: parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
        body: String::new(),
        body_bytes: 0,
        incomplete: false,
    }
}
