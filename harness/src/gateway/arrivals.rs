//! By which rung of the capture ladder requests to the platforms came in, and in which version of HTTP: counted, so that
//! somebody who sets a relay up can be told how it is led here.

use std::fmt;

use http::Version;

use super::tunnel::Way;

/// How a request found its way to the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// The client was given the platform's base URL: `http://127.0.0.1:PORT/meta`.
    BaseUrl,
    /// It takes the gateway for its proxy and sent the whole address in the clear.
    AbsoluteForm,
    /// It takes the gateway for its proxy and asked for a tunnel.
    Connect,
    /// The platform's own name led here and was said in the TLS handshake.
    Sni,
    /// The platform's own name led here, and only the request said it: no TLS, or none with SNI.
    Host,
}

impl Rung {
    /// In words that read after "captured by".
    pub fn says(self) -> &'static str {
        match self {
            Self::BaseUrl => "base URL",
            Self::AbsoluteForm => "proxy (absolute address, no TLS)",
            Self::Connect => "proxy (CONNECT)",
            Self::Sni => "host name (TLS by SNI)",
            Self::Host => "host name (by the Host header)",
        }
    }

    /// `by_base_url`: the path named the platform, whatever the connection was like.
    pub(super) fn of(way: &Way, parts: &http::request::Parts, by_base_url: bool) -> Self {
        // With HTTP/1 only requests to a proxy name their host in the request line.
        let absolute = parts.uri.authority().is_some() && parts.version < Version::HTTP_2;
        match way.host {
            _ if by_base_url => Self::BaseUrl,
            _ if way.tunnelled => Self::Connect,
            Some(_) => Self::Sni,
            None if absolute => Self::AbsoluteForm,
            None => Self::Host,
        }
    }
}

/// Requests to one platform that came in the same way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// Platform id.
    pub platform: &'static str,
    /// How.
    pub rung: Rung,
    /// `HTTP/1.1` or `HTTP/2.0`.
    pub version: Version,
    /// How many.
    pub count: u64,
}

impl fmt::Display for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, {:?}", self.rung.says(), self.version)
    }
}

/// All arrivals of a run: at most one for each platform, rung and version.
#[derive(Default)]
pub(super) struct Arrivals(pub(super) Vec<Arrival>);

impl Arrivals {
    pub(super) fn note(&mut self, platform: &'static str, rung: Rung, version: Version) {
        let same = |a: &&mut Arrival| (a.platform, a.rung, a.version) == (platform, rung, version);
        match self.0.iter_mut().find(same) {
            Some(arrival) => arrival.count += 1,
            None => self.0.push(Arrival { platform, rung, version, count: 1 }),
        }
    }
}
