//! A connection that passed its handshake.

use super::quota::Place;
use secretref_identity::peer::Peer;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    sync::OwnedSemaphorePermit,
    time::Sleep,
};
use tokio_rustls::server::TlsStream;
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};
use tonic::transport::server::Connected;

/// What a handler may know of its connection.
#[derive(Clone)]
pub struct Connection {
    /// Where it comes from.
    pub address: SocketAddr,
    /// Who is at its other end; nobody where no certificate was presented.
    pub peer: Option<Arc<Peer>>,
    /// Ends the connection at once, whatever it is doing.
    pub kill: CancellationToken,
}

/// A connection. It ends when it is killed, and when HTTP/2 is not begun in the first seconds: a
/// client that shakes hands and then says nothing, or half of it, would hold its place for ever.
pub struct Conn {
    stream: TlsStream<TcpStream>,
    info: Connection,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    silent: Option<Pin<Box<Sleep>>>,
    /// Bytes that came in the first seconds.
    heard: usize,
    /// Held for as long as the connection is open.
    _places: (OwnedSemaphorePermit, Place),
}

impl Conn {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        info: Connection,
        connection: OwnedSemaphorePermit,
        place: Place,
    ) -> Self {
        let killed = Box::pin(info.kill.clone().cancelled_owned());
        let silent = Some(Box::pin(tokio::time::sleep(SILENCE_TIME_MAX)));
        Self { stream, info, killed, silent, heard: 0, _places: (connection, place) }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.killed.as_mut().poll(context).is_ready() {
            return Err(io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the broker"));
        }
        if let Some(silent) = &mut self.silent
            && silent.as_mut().poll(context).is_ready()
        {
            return Err(io::Error::new(io::ErrorKind::TimedOut, "the client did not begin HTTP/2"));
        }
        Ok(())
    }
}

impl Connected for Conn {
    type ConnectInfo = Connection;
    fn connect_info(&self) -> Connection {
        self.info.clone()
    }
}

impl AsyncRead for Conn {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.poll_end(context)?;
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if self.silent.is_some() {
            self.heard += buffer.filled().len() - before;
            // From the preface on, HTTP/2's own pings find out who is gone.
            if self.heard >= PREFACE_BYTES {
                self.silent = None;
            }
        }
        polled
    }
}

impl AsyncWrite for Conn {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.info.kill.is_cancelled() {
            let error = io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the broker");
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// What every client of HTTP/2 says first.
const PREFACE_BYTES: usize = 24;
/// How long a connection may say nothing after its handshake.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(5);
