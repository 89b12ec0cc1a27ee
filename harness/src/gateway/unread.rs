//! What reached the gateway and could not be read: tunnels whose client would not speak to it, and protocols that no
//! simulator knows. An order that may have gone that way is not lost, it is unknown.

use std::collections::BTreeSet;

use crate::exchange::Request;

/// Hosts beyond the platforms' that are told apart; more are counted together.
const KEPT: usize = 100;

/// Stands for all hosts beyond those that are told apart.
const FURTHER_HOSTS: &str = "further hosts";

/// Bytes of a host name and of a detail that are kept.
const TEXT_KEPT: usize = 200;

/// Why nothing could be read from a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum WhyUnread {
    /// The client refused the certificate: it does not trust the run's authority, or knows the real one by heart.
    Untrusted,
    /// The client went away during the handshake without saying why.
    Left,
    /// The handshake was done, then the client left without a request: some look at the certificate only then (Node),
    /// or compare it with one that they know by heart.
    NoRequest,
    /// What came in the tunnel is neither TLS nor HTTP.
    NotHttp,
    /// The client did not get through the tunnel's beginning in time.
    Slow,
    /// TLS went wrong in another way: old versions, unknown ciphers, a broken record.
    Tls,
    /// The client asked for a tunnel without saying where to, or in a head that is too long or cut short: it was refused.
    NoTarget,
    /// The tunnel was asked for on a connection that had carried requests, or inside another tunnel.
    Nested,
}

impl WhyUnread {
    /// What happened, in words that read after "connections to HOST could not be read:".
    pub fn says(self) -> &'static str {
        match self {
            Self::Untrusted => "the client refused the certificate",
            Self::Left => "the client ended the handshake without a word",
            Self::NoRequest => "the client left after the handshake without a request",
            Self::NotHttp => "it carries neither TLS nor HTTP",
            Self::Slow => "the client did not finish the handshake in time",
            Self::Tls => "the TLS handshake failed",
            Self::NoTarget => "the client's CONNECT does not say HOST:PORT, and was refused",
            Self::Nested => "it was asked for inside another connection",
        }
    }

    /// What to try.
    pub fn hint(self) -> &'static str {
        match self {
            Self::Untrusted | Self::Left | Self::NoRequest => {
                "let the relay trust the run's authority (its runtime may want another variable or file), or switch its certificate pinning off"
            }
            Self::NotHttp => "take this host out of the proxy (NO_PROXY) if it is no ad platform",
            Self::Slow => "does the client speak TLS in the tunnel?",
            Self::Tls => "TLS 1.2 and 1.3 are offered",
            Self::NoTarget => "a client asks a proxy for a tunnel with CONNECT HOST:PORT",
            Self::Nested => "open one connection for each tunnel",
        }
    }
}

/// Connections to one host from which nothing could be read, for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadTunnel {
    /// Host asked for, bare; empty if the client did not say. Of many hosts the later ones are one entry, see
    /// [`UnreadTunnel::named_host`].
    pub host: String,
    /// Platform of that host, if it is one.
    pub platform: Option<&'static str>,
    /// Why.
    pub why: WhyUnread,
    /// What the TLS library said of the last one.
    pub detail: String,
    /// How many.
    pub count: u64,
}

impl UnreadTunnel {
    /// The host, if it is a single one and the client named it.
    pub fn named_host(&self) -> Option<&str> {
        Some(self.host.as_str()).filter(|host| !host.is_empty() && *host != FURTHER_HOSTS)
    }
}

impl std::fmt::Display for UnreadTunnel {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = if self.host.is_empty() { "a host that was not named" } else { &self.host };
        write!(
            f,
            "{} connections to {host} could not be read: {}\nhint: {}",
            self.count,
            self.why.says(),
            self.why.hint()
        )
    }
}

/// Requests to a platform in a protocol that its simulator does not speak.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnreadRequests {
    /// Platform id; `None`: a host that nobody declared.
    pub platform: Option<&'static str>,
    /// `grpc`.
    pub protocol: &'static str,
    /// How many.
    pub count: u64,
}

impl std::fmt::Display for UnreadRequests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} requests came in {}, which no simulator reads\nhint: let the relay use the platform's REST interface",
            self.count, self.protocol
        )
    }
}

/// Everything of the kind in a run.
#[derive(Default)]
pub(super) struct Unread {
    pub(super) tunnels: Vec<UnreadTunnel>,
    pub(super) requests: Vec<UnreadRequests>,
}

impl Unread {
    pub(super) fn tunnel(
        &mut self,
        host: &str,
        platform: Option<&'static str>,
        why: WhyUnread,
        detail: &str,
    ) {
        let kept = |text: &str| text.chars().take(TEXT_KEPT).collect::<String>();
        let (mut host, detail) = (kept(host), kept(detail));
        // Platforms have few hosts, and theirs are never counted with others: what cannot be read there is an excuse for
        // that platform and for none else.
        if platform.is_none() && self.is_one_too_many(&host) {
            FURTHER_HOSTS.clone_into(&mut host);
        }
        match self.tunnels.iter_mut().find(|t| t.host == host && t.why == why) {
            Some(tunnel) => {
                tunnel.count += 1;
                tunnel.detail = detail;
            }
            None => self.tunnels.push(UnreadTunnel { host, platform, why, detail, count: 1 }),
        }
    }

    /// How often something came for this platform.
    pub(super) fn count(&self, platform: &str) -> u64 {
        let requests = self.requests.iter().filter(|r| r.platform == Some(platform));
        let tunnels = self.tunnels.iter().filter(|t| t.platform == Some(platform));
        requests.map(|r| r.count).chain(tunnels.map(|t| t.count)).sum()
    }

    /// What came for this platform, in words.
    pub(super) fn says(&self, platform: &str) -> Option<String> {
        let request = self.requests.iter().find(|r| r.platform == Some(platform));
        let tunnel = self.tunnels.iter().find(|t| t.platform == Some(platform));
        request.map(ToString::to_string).or_else(|| tunnel.map(ToString::to_string))
    }

    /// True for a new host when as many as are kept are known.
    fn is_one_too_many(&self, host: &str) -> bool {
        let strangers = self.tunnels.iter().filter(|t| t.platform.is_none());
        let hosts: BTreeSet<&str> = strangers.map(|t| t.host.as_str()).collect();
        hosts.len() >= KEPT && !hosts.contains(host)
    }

    pub(super) fn request(&mut self, platform: Option<&'static str>, protocol: &'static str) {
        // Bounded by the platforms and protocols there are.
        let known =
            self.requests.iter_mut().find(|r| r.platform == platform && r.protocol == protocol);
        match known {
            Some(requests) => requests.count += 1,
            None => self.requests.push(UnreadRequests { platform, protocol, count: 1 }),
        }
    }
}

/// The protocol of a request that no simulator speaks; `None` for those that are read.
pub fn unread_protocol(request: &Request) -> Option<&'static str> {
    let kind = request.header("content-type")?.trim();
    let is_grpc = kind.get(..16).is_some_and(|k| k.eq_ignore_ascii_case("application/grpc"))
        // `application/grpc-web` too: its bodies are the same.
        && kind.get(16..).is_some_and(|rest| {
            rest.is_empty() || rest.starts_with(['+', ';', '-', ' '])
        });
    is_grpc.then_some("grpc")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_tunnel_is_counted_and_their_number_is_bounded() {
        let mut unread = Unread::default();
        for i in 0..1_000 {
            unread.tunnel(&format!("h{}", i % 500), None, WhyUnread::Left, &"x".repeat(5_000));
            unread.tunnel("h0", None, WhyUnread::Untrusted, "alert");
        }
        assert_eq!(unread.tunnels.len(), KEPT + 2, "h0 for two reasons, and the further ones");
        assert_eq!(unread.tunnels.iter().map(|t| t.count).sum::<u64>(), 2_000);
        let named = unread.tunnels.iter().filter_map(UnreadTunnel::named_host);
        assert_eq!(named.collect::<BTreeSet<_>>().len(), KEPT);
        let h0 = |why| unread.tunnels.iter().find(|t| t.host == "h0" && t.why == why);
        assert_eq!(h0(WhyUnread::Left).map(|t| t.count), Some(2));
        assert_eq!(h0(WhyUnread::Untrusted).map(|t| t.count), Some(1_000));
        assert!(unread.tunnels.iter().all(|t| t.detail.len() <= TEXT_KEPT));
    }

    #[test]
    fn a_platform_is_never_counted_with_others() {
        let mut unread = Unread::default();
        for i in 0..1_000 {
            unread.tunnel(&format!("h{i}"), None, WhyUnread::Left, "");
        }
        for platform in ["meta", "tiktok"] {
            unread.tunnel(&format!("api.{platform}.example"), Some(platform), WhyUnread::Left, "");
        }
        let of = |platform| unread.tunnels.iter().find(|t| t.platform == platform);
        for platform in ["meta", "tiktok"] {
            let found = of(Some(platform)).map(|t| (t.named_host(), t.count));
            assert_eq!(found, Some((Some(&*format!("api.{platform}.example")), 1)));
        }
        let further = unread.tunnels.iter().find(|t| t.host == FURTHER_HOSTS);
        assert_eq!(further.map(|t| (t.named_host(), t.platform, t.count)), Some((None, None, 900)));
    }

    #[test]
    fn grpc_is_told_by_its_content_type() {
        let of = |kind: &str| {
            let headers = vec![("content-type".to_owned(), kind.to_owned())];
            unread_protocol(&Request { headers, ..Request::default() })
        };
        for grpc in ["application/grpc", "Application/gRPC+proto", "application/grpc; x=y"] {
            assert_eq!(of(grpc), Some("grpc"), "{grpc}");
        }
        for other in ["application/json", "application/grpcx", "application/x-protobuf", "é", ""] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
