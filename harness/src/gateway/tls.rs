//! The server side of a TLS handshake: the name that the client asks for decides the certificate.

use std::io;

use rustls::{AlertDescription, server::Acceptor};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

use super::{certificates::Authority, stream::Stream, unread::WhyUnread};

/// Why there is no TLS connection.
#[derive(Debug)]
pub(super) enum Unfinished {
    /// The caller did not want it.
    Refused,
    /// The handshake did not come to its end.
    Failed {
        /// Why, as far as the client let us know.
        why: WhyUnread,
        /// In the library's words.
        detail: String,
    },
}

/// Takes the client's side of the handshake, and answers with a certificate for the name that `choose` returns, given
/// the name that the client sent (none if it connects to an address).
pub(super) async fn accept(
    stream: Stream,
    authority: &Authority,
    choose: impl FnOnce(Option<&str>, &Stream) -> Option<String>,
) -> Result<TlsStream<Stream>, Unfinished> {
    let start = LazyConfigAcceptor::new(Acceptor::default(), stream).await.map_err(failed)?;
    let name = choose(start.client_hello().server_name(), &start.io).ok_or(Unfinished::Refused)?;
    let config = authority.server_config(&name).map_err(|error| {
        tracing::warn!(%error, "the gateway has no certificate for a host");
        Unfinished::Failed { why: WhyUnread::Tls, detail: error.to_string() }
    })?;
    start.into_stream(config).await.map_err(failed)
}

fn failed(error: io::Error) -> Unfinished {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let why = match tls {
        Some(rustls::Error::AlertReceived(alert)) => match alert {
            AlertDescription::UnknownCA
            | AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            // A signature does not fit whom it trusts under this name.
            | AlertDescription::DecryptError => WhyUnread::Untrusted,
            AlertDescription::CloseNotify | AlertDescription::UserCanceled => WhyUnread::Left,
            _ => WhyUnread::Tls,
        },
        Some(_) => WhyUnread::Tls,
        // The connection ended: some clients refuse a certificate without saying so.
        None => WhyUnread::Left,
    };
    Unfinished::Failed { why, detail: error.to_string() }
}
