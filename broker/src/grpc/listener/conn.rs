//! A connection that passed its handshake.

use super::{frames::Frames, pace::Pace, quota::Place};
use secretref_identity::peer::Peer;
use std::{
    future::Future,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
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

/// A connection. It ends when it is killed, when HTTP/2 is not begun in the first seconds, and,
/// where no certificate was shown, after the time that an enrolment takes: a client that shakes
/// hands and then says nothing, or only half of it, would hold its place for ever.
pub struct Conn {
    stream: TlsStream<TcpStream>,
    info: Connection,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
    ends: Option<(Pin<Box<Sleep>>, &'static str)>,
    begun: bool,
    /// Bytes that came before HTTP/2 was begun.
    heard: usize,
    pace: Pace,
    frames: Frames,
    /// Held for as long as the connection is open.
    _places: (OwnedSemaphorePermit, Place),
}

impl Conn {
    pub(super) fn new(
        stream: TlsStream<TcpStream>,
        info: Connection,
        pace: Pace,
        places: (OwnedSemaphorePermit, Place),
    ) -> Self {
        let killed = Box::pin(info.kill.clone().cancelled_owned());
        let silent = Box::pin(tokio::time::sleep(SILENCE_TIME_MAX));
        let ends = Some((silent, "the client did not begin HTTP/2"));
        let frames = Frames::new();
        Self { stream, info, killed, ends, begun: false, heard: 0, pace, frames, _places: places }
    }

    fn poll_end(&mut self, context: &mut Context<'_>) -> io::Result<()> {
        if self.killed.as_mut().poll(context).is_ready() {
            return Err(self.cut());
        }
        if let Some((ends, why)) = &mut self.ends
            && ends.as_mut().poll(context).is_ready()
        {
            return Err(io::Error::new(io::ErrorKind::TimedOut, *why));
        }
        Ok(())
    }

    /// Ends the connection hard: what the system still holds for the peer is thrown away and not
    /// sent. What has left the machine cannot be called back.
    fn cut(&self) -> io::Error {
        if let Err(error) = self.stream.get_ref().0.set_zero_linger() {
            tracing::debug!(%error, "a connection is closed in order rather than cut");
        }
        io::Error::new(io::ErrorKind::ConnectionAborted, "cut by the broker")
    }

    /// Counts what was heard. From the preface on, HTTP/2's own pings find out who is gone; only
    /// strangers have no longer than they need.
    fn hear(&mut self, heard: &[u8]) {
        let (bytes, frames) = (heard.len(), self.frames.count(heard));
        self.pace.read(bytes.max(frames.saturating_mul(FRAME_COST_BYTES)));
        if self.begun {
            return;
        }
        self.heard += bytes;
        if self.heard >= PREFACE_BYTES {
            self.begun = true;
            self.ends = self.info.peer.is_none().then(|| {
                let visit = Box::pin(tokio::time::sleep(STRANGER_TIME_MAX));
                (visit, "the time of a connection without a certificate is over")
            });
        }
    }
}

impl Drop for Conn {
    /// Whoever attends to it need not any more.
    fn drop(&mut self) {
        self.info.kill.cancel();
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
        ready!(self.pace.poll_ready(context));
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        let heard = &buffer.filled()[before..];
        if !heard.is_empty() {
            self.hear(heard);
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
            return Poll::Ready(Err(self.cut()));
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
/// What a frame counts for at least, however small it is.
const FRAME_COST_BYTES: usize = 256;
/// How long a connection may say nothing after its handshake.
const SILENCE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long a connection without a certificate may last: an enrolment takes less than a second.
const STRANGER_TIME_MAX: Duration = Duration::from_secs(30);
