//! The system under test: a child process or a URL, and the profile that says how to speak to it.

pub mod capture;
pub mod load;
pub mod process;
pub mod profile;
mod redaction;
mod rules;
pub mod runtimes;
pub mod schema;
pub mod secret;
pub mod services;
pub mod template;

use std::time::Duration;

/// A client for talking to a relay: no proxy, no redirects (a store treats them as failures), bounded time, a connection for
/// each call.
pub fn client(timeout: Duration) -> reqwest::Result<reqwest::Client> {
    builder(timeout, Connections::OnePerCall).build()
}

fn builder(timeout: Duration, connections: Connections) -> reqwest::ClientBuilder {
    // Someone may have installed it before; that is as good.
    drop(rustls::crypto::ring::default_provider().install_default());
    let most_idle = match connections {
        Connections::OnePerCall => 0,
        Connections::Kept => usize::MAX,
    };
    reqwest::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(timeout)
        .pool_max_idle_per_host(most_idle)
        .pool_idle_timeout(KEPT)
}

/// Whether connections are used again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Connections {
    /// Servers close idle ones (Node after 5 s, others at once): a call that crosses with that gets no answer, which would be
    /// nobody's fault and look like the relay's.
    OnePerCall,
    /// For a relay that says it keeps them, see [`profile::Send::keep_connections`].
    Kept,
}

/// How long an idle connection may still be used.
const KEPT: Duration = Duration::from_secs(5);

/// The clients of a run: the case of header names is the connection's, so there are two.
#[derive(Debug, Clone)]
pub struct Http {
    /// `X-Shopify-Topic`, as most senders write over HTTP/1.1.
    pub title_case: reqwest::Client,
    /// `x-shopify-topic`, as over HTTP/2.
    pub lower_case: reqwest::Client,
}

/// Which certificate authorities are trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Roots {
    /// Those of the machine, for relays far away.
    OfTheMachine,
    /// None: a child process is spoken to in the clear, and loading a machine's roots takes longer than starting it.
    None,
}

impl Http {
    /// Both, with the same bound on one call's time.
    pub fn new(timeout: Duration, roots: Roots, connections: Connections) -> reqwest::Result<Self> {
        let builder = || match roots {
            Roots::OfTheMachine => builder(timeout, connections),
            Roots::None => builder(timeout, connections).tls_certs_only([]),
        };
        Ok(Self {
            title_case: builder().http1_title_case_headers().build()?,
            lower_case: builder().build()?,
        })
    }
}

/// Why a header cannot be sent, if it cannot: the reason begins with what is wrong, `its value holds a line break ...`.
pub(crate) fn header_problem(name: &str, value: &str) -> Option<&'static str> {
    use reqwest::header::{HeaderName, HeaderValue};
    if HeaderName::from_bytes(name.as_bytes()).is_err() {
        Some("its name holds a blank or another character that no header name may have")
    } else if HeaderValue::from_bytes(value.as_bytes()).is_err() {
        Some("its value holds a line break or another control character")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        net::TcpListener,
        task::JoinSet,
    };

    use super::*;

    /// So many connections a server sees that keeps them open.
    async fn connections_of_three_calls(client: &reqwest::Client) -> usize {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let calls = async {
            for _ in 0..3 {
                assert_eq!(client.get(&url).send().await.unwrap().status(), 204);
            }
        };
        let mut seen = JoinSet::new();
        let serve = async {
            loop {
                let (mut stream, _) = listener.accept().await.unwrap();
                seen.spawn(async move {
                    let mut request = [0; 1024];
                    while stream.read(&mut request).await.is_ok_and(|read| read > 0) {
                        stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                    }
                });
            }
        };
        tokio::select! {
            () = calls => {}
            () = serve => {}
        }
        seen.len()
    }

    #[tokio::test]
    async fn a_connection_is_used_again_only_if_it_is_to_be_kept() {
        let within = Duration::from_secs(5);
        assert_eq!(connections_of_three_calls(&client(within).unwrap()).await, 3);
        for (connections, seen) in [(Connections::OnePerCall, 3), (Connections::Kept, 1)] {
            let http = Http::new(within, Roots::None, connections).unwrap();
            assert_eq!(connections_of_three_calls(&http.title_case).await, seen);
            assert_eq!(connections_of_three_calls(&http.lower_case).await, seen);
        }
    }
}
