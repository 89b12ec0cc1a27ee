//! The bytes of a connection, some of which have been looked at already.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::{Buf as _, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::server::TlsStream;

use super::wire::Transport;

/// Bytes asked for at a time while looking ahead.
const CHUNK: usize = 4 * 1024;

/// A socket with what was read from it to see what it is, which is read again by whoever serves it.
pub(super) struct Stream {
    ahead: BytesMut,
    socket: TcpStream,
}

impl Stream {
    pub(super) fn new(socket: TcpStream) -> Self {
        // Answers are small; waiting to fill a segment would only add to every latency measured.
        socket.set_nodelay(true).unwrap_or_default();
        Self { ahead: BytesMut::new(), socket }
    }

    /// What was read ahead.
    pub(super) fn ahead(&self) -> &[u8] {
        &self.ahead
    }

    /// Reads more ahead. False at the end of the stream.
    pub(super) async fn look_ahead(&mut self) -> io::Result<bool> {
        self.ahead.reserve(CHUNK);
        Ok(self.socket.read_buf(&mut self.ahead).await? > 0)
    }

    /// Takes off the first bytes of what was read ahead.
    pub(super) fn skip(&mut self, bytes: usize) {
        self.ahead.advance(bytes.min(self.ahead.len()));
    }

    /// The address that the client reached us at.
    pub(super) fn local_ip(&self) -> Option<std::net::IpAddr> {
        self.socket.local_addr().ok().map(|address| address.ip())
    }
}

impl Transport for Stream {
    fn reset_on_drop(&self) {
        // The socket may be dead already; then there is nothing left to reset.
        self.socket.set_zero_linger().unwrap_or_default();
    }
}

impl Transport for TlsStream<Stream> {
    fn reset_on_drop(&self) {
        self.get_ref().0.reset_on_drop();
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.ahead.is_empty() {
            return Pin::new(&mut self.socket).poll_read(cx, buffer);
        }
        let amount = self.ahead.len().min(buffer.remaining());
        let bytes = self.ahead.split_to(amount);
        buffer.put_slice(&bytes);
        if self.ahead.is_empty() {
            // Seldom needed again: a connection lives much longer than its first bytes.
            self.ahead = BytesMut::new();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
