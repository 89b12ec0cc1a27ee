//! Clients that come by tunnel or by TLS, for the tests that need them.

use std::{io, sync::Arc};

use bytes::Bytes;
use harness::gateway::{Door, Gateway};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use crate::support::*;

/// A tunnel, opened by a client of its own making; the error is what came instead of 200.
pub(crate) async fn tunnel(door: &Door, target: &str) -> io::Result<TcpStream> {
    let mut client = Client::connect(&door.origin()).await;
    let seen = client.raw(&format!("CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n")).await?;
    if seen.status == 200 { Ok(client.0) } else { Err(io::Error::other(seen.body)) }
}

/// A TLS client that trusts the certificate in this PEM text, and offers these protocols.
pub(crate) async fn secured<S: AsyncRead + AsyncWrite + Unpin>(
    stream: S,
    name: &str,
    trusted: &str,
    protocols: &[&str],
) -> io::Result<TlsStream<S>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(trusted.as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|p| p.as_bytes().to_vec()).collect();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

/// The certificate to trust.
pub(crate) fn trusted(gateway: &Gateway) -> String {
    gateway.door().authority().certificate_pem().unwrap()
}

/// HTTP/1.1 in TLS in a tunnel to the test platform.
pub(crate) async fn ads(
    gateway: &Gateway,
    door: &Door,
) -> io::Result<Client<TlsStream<TcpStream>>> {
    let stream = tunnel(door, "api.ads.example:443").await?;
    secured(stream, "api.ads.example", &trusted(gateway), &["http/1.1"]).await.map(Client)
}

/// HTTP/2 on some stream. Its connection ends when this is dropped.
pub(crate) struct Client2 {
    sender: http2::SendRequest<Full<Bytes>>,
    connection: tokio::task::JoinHandle<()>,
}

impl Drop for Client2 {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

/// A whole answer over HTTP/2.
#[derive(Debug)]
pub(crate) struct Seen2 {
    pub(crate) head: http::response::Parts,
    pub(crate) body: Vec<u8>,
    /// The stream ended with an error after this much of the body.
    pub(crate) cut: bool,
}

impl Client2 {
    pub(crate) async fn on<S: AsyncRead + AsyncWrite + Unpin + Send + 'static>(stream: S) -> Self {
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        let connection = tokio::spawn(async move { drop(connection.await) });
        Self { sender, connection }
    }

    /// By TLS in a tunnel to the test platform.
    pub(crate) async fn ads(gateway: &Gateway) -> Self {
        let stream = tunnel(gateway.door(), "api.ads.example:443").await.unwrap();
        let trusted = trusted(gateway);
        let stream = secured(stream, "api.ads.example", &trusted, &["h2", "http/1.1"]).await;
        let stream = stream.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
        Self::on(stream).await
    }

    /// Sends a request whose kind of content is `kind`; waits for the answer's head, then its body.
    pub(crate) fn post<B: Into<Bytes>>(
        &self,
        url: &str,
        kind: &str,
        body: B,
    ) -> impl Future<Output = hyper::Result<Seen2>> + use<B> {
        let request = http::Request::post(url)
            .header("content-type", kind)
            .body(Full::new(body.into()))
            .unwrap();
        let mut sender = self.sender.clone();
        async move {
            sender.ready().await?;
            let (head, mut rest) = sender.send_request(request).await?.into_parts();
            let mut seen = Seen2 { head, body: Vec::new(), cut: false };
            while let Some(frame) = rest.frame().await {
                match frame {
                    Ok(frame) => seen.body.extend(frame.into_data().unwrap_or_default()),
                    Err(_) => {
                        seen.cut = true;
                        break;
                    }
                }
            }
            Ok(seen)
        }
    }
}

/// Looks again and again until the condition holds, at most five seconds: for what the gateway notes about clients that
/// have left, which no case waits for.
pub(crate) async fn noted<T>(mut look: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "not noted in time");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
}
