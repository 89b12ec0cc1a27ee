//! One request: read, handed to the journal, answered as it says.

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use http::{HeaderValue, Method, Response, StatusCode, Version, header};
use http_body_util::BodyExt;
use hyper::body::{Body as _, Incoming};

use super::{
    arrivals::Rung,
    body::{Pace, PacedBody},
    coding::{Decoded, decoded},
    faults::{Act, http_date},
    journal::Directive,
    route::{Asked, Route, route},
    serve::Host,
    tunnel::{self, Way},
    unread::{WhyUnread, unread_protocol},
    wire::{Line, lock},
};
use crate::exchange::{Ending, Request, bare_host};

/// Bytes of a request body that are read; a longer one is answered with 413.
pub(super) const READ_LIMIT: usize = 8 * 1024 * 1024;

/// Bytes beyond [`READ_LIMIT`] that are read and thrown away, so that the client gets to see the 413.
const DRAIN_LIMIT: usize = 64 * 1024 * 1024;

/// The header that names how a body is compressed.
const CODING: &str = "content-encoding";

/// One request on its way.
pub(super) struct Visit {
    pub(super) host: Host,
    pub(super) way: Arc<Way>,
    pub(super) line: Arc<Line>,
}

impl Visit {
    pub(super) async fn answer(self, request: hyper::Request<Incoming>) -> Response<PacedBody> {
        self.way.used.store(true, Ordering::Release);
        let (parts, body) = request.into_parts();
        if parts.method == Method::CONNECT {
            return self.no_tunnel(&parts);
        }
        self.host.state.note_served(self.host.door.entrance());
        let (mut request, asked) = self.head(&parts);
        let bodyless = parts.method == Method::HEAD;
        let path_as_asked = request.path.len();
        let route = route(self.host.state.platforms, &asked, &mut request);
        if let Route::Platform(platform) = route {
            let rung = Rung::of(&self.way, &parts, request.path.len() != path_as_asked);
            lock(&self.host.state.arrivals).note(platform.id(), rung, parts.version);
        }

        let early = self.host.state.at_head(self.host.door.entrance(), route, &request);
        let directive = match early {
            Some(directive) => directive,
            None => {
                let multiplexed = parts.version >= Version::HTTP_2;
                match Arriving::new(&self, route, request).read(body, multiplexed).await {
                    Some(request) => self.receive(route, request),
                    // The client left; what came is written down.
                    None => {
                        self.line.hang_up();
                        return std::future::pending().await;
                    }
                }
            }
        };
        self.act(directive, bodyless).await
    }

    /// The head of a request in owned, bounded strings, and whom it is for.
    fn head(&self, parts: &http::request::Parts) -> (Request, Asked<'_>) {
        let text = |value: &HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
        let named = parts.uri.authority().map(ToString::to_string);
        // With HTTP/2 every request names its host like this; with HTTP/1 only those to a proxy do.
        let to_a_proxy = named.is_some() && parts.version < Version::HTTP_2;
        let by_header = || parts.headers.get(header::HOST).map(text);
        let host = self.way.host.clone().or(named).or_else(by_header).unwrap_or_default();
        let request = Request {
            method: parts.method.to_string(),
            host,
            path: parts.uri.path().to_owned(),
            query: parts.uri.query().unwrap_or_default().to_owned(),
            headers: parts.headers.iter().map(|(n, v)| (n.as_str().to_owned(), text(v))).collect(),
            body: String::new(),
            body_bytes: 0,
            incomplete: false,
        };
        let origin = self.host.door.entrance().origin;
        (request, Asked { by_proxy: self.way.tunnelled || to_a_proxy, origin })
    }

    fn receive(&self, route: Route, request: Request) -> Directive {
        let (state, entrance) = (&self.host.state, self.host.door.entrance());
        match (route, unread_protocol(&request)) {
            (Route::Platform(platform), Some(protocol)) => {
                state.unreadable(entrance, platform, protocol, request)
            }
            _ => state.receive(entrance, route, request),
        }
    }

    /// Tunnels have connections of their own: one within another could not be told from it by its faults.
    fn no_tunnel(&self, parts: &http::request::Parts) -> Response<PacedBody> {
        let target = parts.uri.host().map(bare_host).unwrap_or_default();
        tunnel::note(&self.host, &target, WhyUnread::Nested, "");
        let text = "open a connection of its own for each tunnel\n".to_owned();
        let mut answer = Response::new(PacedBody::new(text, Pace::Whole, Arc::clone(&self.line)));
        *answer.status_mut() = StatusCode::BAD_REQUEST;
        answer.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        answer
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
                match held_by {
                    Some((case, fault)) => self.host.state.hold(&case, fault, seq, &self.line),
                    // Its case closed at this moment: nobody is left to lift the fault.
                    None => self.line.reset(),
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
    /// `None` once it was handed on.
    request: Option<Request>,
    /// The body so far, at most [`READ_LIMIT`] bytes of it.
    bytes: Vec<u8>,
    /// Bytes that came, those included that were thrown away.
    total: usize,
}

impl<'a> Arriving<'a> {
    fn new(visit: &'a Visit, route: Route, request: Request) -> Self {
        Self { visit, route, request: Some(request), bytes: Vec::new(), total: 0 }
    }

    /// Reads the body; `None` if the client went away before its end. `multiplexed`: it is a stream among others.
    async fn read(mut self, mut body: Incoming, multiplexed: bool) -> Option<Request> {
        while let Some(frame) = body.frame().await {
            let frame = frame.ok()?;
            let Some(data) = frame.data_ref() else { continue };
            self.total = self.total.saturating_add(data.len());
            let room = READ_LIMIT.saturating_sub(self.bytes.len());
            self.bytes.extend_from_slice(data.get(..room.min(data.len())).unwrap_or_default());
            if self.total > READ_LIMIT + DRAIN_LIMIT {
                return self.take(true);
            }
        }
        // A stream that the client resets with NO_ERROR ends without an error, and without its end.
        if multiplexed && !body.is_end_stream() {
            return None;
        }
        let is_too_long = self.total > READ_LIMIT;
        self.take(is_too_long)
    }

    /// The request with as much of its body as came.
    fn take(&mut self, incomplete: bool) -> Option<Request> {
        let mut request = self.request.take()?;
        request.body_bytes = self.total;
        request.incomplete = incomplete;
        let coding = request.header(CODING).unwrap_or_default();
        match decoded(coding, &self.bytes, READ_LIMIT) {
            Decoded::No => request.body = String::from_utf8_lossy(&self.bytes).into_owned(),
            Decoded::Whole(plain) => as_if_plain(&mut request, plain.len(), &plain),
            Decoded::Longer(plain) => as_if_plain(&mut request, READ_LIMIT + 1, &plain),
        }
        Some(request)
    }
}

/// The request as it would have come without compression.
fn as_if_plain(request: &mut Request, length: usize, body: &[u8]) {
    request.headers.retain(|(name, _)| name != CODING);
    request.body = String::from_utf8_lossy(body).into_owned();
    request.body_bytes = length;
    request.incomplete |= length > READ_LIMIT;
}

impl Drop for Arriving<'_> {
    fn drop(&mut self) {
        if let Some(request) = self.take(true) {
            let visit = self.visit;
            let directive = visit.receive(self.route, request);
            visit.host.state.finish(&directive.ticket, &Ending::ClientLeft);
        }
    }
}
