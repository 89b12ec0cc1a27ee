//! From an accepted socket to HTTP: what the first bytes say, tunnels (CONNECT), TLS.
//!
//! ```text
//!            ┌─ CONNECT host ──▶ 200 ──┐ (once)
//! bytes ──▶ look ◀────────────────────┘
//!            ├─ TLS ──▶ leaf for the name asked for ──▶ HTTP/1.1 or HTTP/2, as the client chooses
//!            ├─ `PRI * HTTP/2.0` ──▶ HTTP/2
//!            └─ else ──▶ HTTP/1.1
//! ```
//!
//! A tunnel never leads anywhere but here: what comes out of it is served as any other connection, and what cannot be
//! read is written down as such.

use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use http::uri::Authority as HostAndPort;
use tokio::io::AsyncWriteExt as _;
use tokio_rustls::server::TlsStream;

use super::{
    route::platform_of,
    serve::{self, HEAD_BYTES, Host},
    stream::Stream,
    tls::{self, Unfinished},
    unread::WhyUnread,
    wire::lock,
};
use crate::exchange::bare_host;

/// How long a client may take from its first byte until it can send a request: tunnel and handshake together.
const READY_WITHIN: Duration =
    if cfg!(test) { Duration::from_millis(300) } else { Duration::from_secs(10) };

const CONNECT: &[u8] = b"CONNECT ";
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// The first byte of a TLS record that carries a handshake.
const TLS: u8 = 0x16;

/// How a connection came, as far as that tells where it wants to go.
#[derive(Debug, Default)]
pub(super) struct Way {
    /// Host that the tunnel or the TLS handshake named, bare; `None`: each request says.
    pub(super) host: Option<String>,
    /// It was asked for by CONNECT: the client means that very host, none of the gateway's own paths.
    pub(super) tunnelled: bool,
    /// A request came.
    pub(super) used: AtomicBool,
}

/// A connection that is ready for HTTP.
enum Ready {
    Plain(Stream, Way, Version),
    Tls(Box<TlsStream<Stream>>, Way, Version),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Version {
    Http1,
    Http2,
}

/// What a connection begins with.
enum First {
    Connect,
    Tls,
    Http(Version),
    /// The client left before it could be told.
    Nothing,
}

/// Serves a connection until it ends, by whichever side.
pub(super) async fn connection(stream: Stream, host: Host) {
    let state = Arc::clone(&host.state);
    serve::guarded(state, entered(stream, host)).await;
}

async fn entered(mut stream: Stream, host: Host) {
    let mut asked = String::new();
    let ready = tokio::select! {
        biased;
        () = host.door.closed() => return,
        ready = async {
            // A client may open a connection long before it has use for it.
            if !stream.look_ahead().await.unwrap_or(false) {
                return None;
            }
            match tokio::time::timeout(READY_WITHIN, ready(stream, &host, &mut asked)).await {
                Ok(ready) => ready,
                Err(_) => {
                    note(&host, &asked, WhyUnread::Slow, "");
                    None
                }
            }
        } => ready,
    };
    match ready {
        None => {}
        Some(Ready::Plain(stream, way, Version::Http1)) => {
            serve::http1(stream, Arc::new(way), host).await;
        }
        Some(Ready::Plain(stream, way, Version::Http2)) => {
            serve::http2(stream, Arc::new(way), host).await;
        }
        Some(Ready::Tls(stream, way, version)) => {
            let way = Arc::new(way);
            match version {
                Version::Http1 => serve::http1(*stream, Arc::clone(&way), host.clone()).await,
                Version::Http2 => serve::http2(*stream, Arc::clone(&way), host.clone()).await,
            }
            if !way.used.load(Ordering::Acquire) && !host.door.is_closed() {
                note(&host, &asked, WhyUnread::NoRequest, "");
            }
        }
    }
}

/// Opens tunnel and TLS. `asked` is the host as far as the client has named one. `None`: nothing is to be served.
async fn ready(mut stream: Stream, host: &Host, asked: &mut String) -> Option<Ready> {
    let mut way = Way::default();
    let mut first = first(&mut stream).await;
    if matches!(first, First::Connect) {
        let target = match target(&mut stream).await {
            Ok(target) => target,
            Err(NoTarget { answer, host: named }) => {
                note(host, &named, WhyUnread::NoTarget, "");
                // Whether the client hears it is its own affair.
                drop(stream.write_all(answer.as_bytes()).await);
                return None;
            }
        };
        *asked = bare_host(target.host());
        way.tunnelled = true;
        if is_refused(host, asked, &stream) {
            return None;
        }
        stream.write_all(b"HTTP/1.1 200 Connection Established\r\n\r\n").await.ok()?;
        if stream.ahead().is_empty() && !stream.look_ahead().await.unwrap_or(false) {
            note(host, asked, WhyUnread::Left, "");
            return None;
        }
        if asked.parse::<IpAddr>().is_err() {
            way.host = Some(asked.clone());
        }
        first = self::first(&mut stream).await;
    }
    match first {
        First::Http(_) if way.tunnelled && !begins_like_http(&stream) => {
            note(host, asked, WhyUnread::NotHttp, "");
            None
        }
        First::Http(version) => Some(Ready::Plain(stream, way, version)),
        First::Tls => secured(stream, way, host, asked).await,
        First::Connect => {
            note(host, asked, WhyUnread::Nested, "");
            None
        }
        First::Nothing => {
            if way.tunnelled {
                note(host, asked, WhyUnread::Left, "");
            }
            None
        }
    }
}

async fn secured(stream: Stream, mut way: Way, host: &Host, asked: &mut String) -> Option<Ready> {
    let address = stream.local_ip();
    let finished = tls::accept(stream, host.door.authority(), |hello, stream| {
        let named = hello.map(bare_host);
        // By name on a fixed address, or in a tunnel to an address: here the client says for the first time whom it wants.
        if let (None, Some(named)) = (&way.host, &named) {
            asked.clone_from(named);
            if is_refused(host, asked, stream) {
                return None;
            }
            way.host = Some(named.clone());
        }
        // The client checks the certificate against the name in its URL: that is what it sent, or an address.
        let asked = (!asked.is_empty()).then(|| asked.clone());
        named.or(asked).or_else(|| address.map(|ip| ip.to_string()))
    });
    match finished.await {
        Ok(stream) => {
            let version = match stream.get_ref().1.alpn_protocol() {
                Some(b"h2") => Version::Http2,
                _ => Version::Http1,
            };
            Some(Ready::Tls(Box::new(stream), way, version))
        }
        Err(Unfinished::Refused) => None,
        Err(Unfinished::Failed { why, detail }) => {
            note(host, asked, why, &detail);
            None
        }
    }
}

/// Reads on until the first bytes tell what this is.
async fn first(stream: &mut Stream) -> First {
    loop {
        match stream.ahead() {
            [] => {}
            [TLS, ..] => return First::Tls,
            seen if seen.starts_with(CONNECT) => return First::Connect,
            seen if seen.starts_with(HTTP2) => return First::Http(Version::Http2),
            seen if CONNECT.starts_with(seen) || HTTP2.starts_with(seen) => {}
            _ => return First::Http(Version::Http1),
        }
        if !stream.look_ahead().await.unwrap_or(false) {
            return First::Nothing;
        }
    }
}

/// A CONNECT request that leads nowhere.
struct NoTarget {
    /// What to answer.
    answer: String,
    /// The host, bare, if it can be read all the same; else empty.
    host: String,
}

/// Where a CONNECT request wants to go; it is taken off the stream.
async fn target(stream: &mut Stream) -> Result<HostAndPort, NoTarget> {
    let no_target = |status: &str, why: &str| {
        let length = why.len();
        let answer = format!(
            "HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{why}"
        );
        NoTarget { answer, host: String::new() }
    };
    let length = loop {
        let end = |mark: &[u8]| {
            let found = stream.ahead().windows(mark.len()).position(|window| window == mark)?;
            Some(found + mark.len())
        };
        if let Some(length) = end(b"\r\n\r\n").or_else(|| end(b"\n\n")) {
            break length;
        }
        if stream.ahead().len() > HEAD_BYTES {
            return Err(no_target("431 Request Header Fields Too Large", "the head is too long\n"));
        }
        if !stream.look_ahead().await.unwrap_or(false) {
            return Err(no_target("400 Bad Request", "the head ends in the middle\n"));
        }
    };
    let head = stream.ahead().get(CONNECT.len()..length).unwrap_or_default();
    let line = head.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let target = line.split(|byte| *byte == b' ').next().unwrap_or_default();
    let target = HostAndPort::try_from(target.trim_ascii()).ok();
    stream.skip(length);
    match target {
        Some(target) if !target.host().is_empty() && target.port_u16().is_some() => Ok(target),
        unusable => Err(NoTarget {
            host: unusable.map(|target| bare_host(target.host())).unwrap_or_default(),
            ..no_target("400 Bad Request", "CONNECT needs HOST:PORT\n")
        }),
    }
}

/// A tunnel may also carry HTTP in the clear; methods begin with a letter.
fn begins_like_http(stream: &Stream) -> bool {
    stream.ahead().first().is_some_and(u8::is_ascii_alphabetic)
}

/// True if a planned fault refuses connections to this host; the stream is then reset when it is dropped.
fn is_refused(host: &Host, name: &str, stream: &Stream) -> bool {
    platform_of(host.state.platforms, name)
        .is_some_and(|platform| host.door.refuses(&host.state, platform, stream))
}

/// Writes down that nothing could be read of what was for this (bare) host.
pub(super) fn note(host: &Host, asked: &str, why: WhyUnread, detail: &str) {
    let platform = platform_of(host.state.platforms, asked).map(|platform| platform.id());
    tracing::debug!(host = asked, ?why, detail, "a connection to the gateway could not be read");
    lock(&host.state.unread).tunnel(asked, platform, why, detail);
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use std::time::{Duration, Instant};

    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpStream,
    };

    use crate::{
        gateway::{Gateway, GatewayOptions, WhyUnread},
        platforms::PLATFORMS,
    };

    #[tokio::test]
    async fn who_begins_and_does_not_go_on_is_let_go_and_noted() {
        let options = GatewayOptions {
            started: Instant::now(),
            platforms: PLATFORMS,
            listen: ([127, 0, 0, 1], 0).into(),
        };
        let gateway = Gateway::start(options).await.unwrap();
        let tunnel = &b"CONNECT graph.facebook.com:443 HTTP/1.1\r\n\r\n"[..];
        let half_hello = [tunnel, b"\x16\x03\x01\x02\x00\x01"].concat();
        let slow = [&b"CONNECT graph.face"[..], b"PRI * HTTP", b"\x16", tunnel, &half_hello];
        let mut clients = Vec::new();
        // They never say anything, and may: who waits at the door costs nothing.
        let mut patient = TcpStream::connect(gateway.door().address()).await.unwrap();
        for bytes in slow {
            let mut client = TcpStream::connect(gateway.door().address()).await.unwrap();
            client.write_all(bytes).await.unwrap();
            clients.push(client);
        }
        for mut client in clients {
            let mut rest = Vec::new();
            let ended = client.read_to_end(&mut rest);
            // However it ends: the gateway has not read all that the client sent.
            drop(tokio::time::timeout(Duration::from_secs(5), ended).await.unwrap());
        }
        let unread = gateway.tunnels_unread();
        assert!(unread.iter().all(|t| t.why == WhyUnread::Slow), "{unread:?}");
        let of = |host: &str| unread.iter().find(|t| t.host == host).map_or(0, |t| t.count);
        assert_eq!((of(""), of("graph.facebook.com")), (3, 2), "{unread:?}");
        patient.write_all(b"GET /meta/ HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        patient.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 "), "{answer}");
        gateway.stop().await;
    }
}
