//! One client's connection: who it is, how long it may take, and nothing of HTTP but what is
//! needed.

use super::{Desk, body::Body, peer, resolve, routes};
use hyper::{Request, Response, body::Incoming, header, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::UnixStream,
    time::{Sleep, sleep},
};
use tokio_util::sync::CancellationToken;

/// Longest head of a request, in bytes.
const HEAD_BYTES_MAX: usize = 8 * 1024;
/// Header fields of a request.
const FIELDS_MAX: usize = 64;
/// How long a whole request may take to arrive, and how long a connection may be idle.
const REQUEST_MAX: Duration = Duration::from_secs(5);
/// How long a client may take none of what is sent to it.
const STUCK_MAX: Duration = Duration::from_secs(5);

/// Serves one connection until it ends, or the sidecar does.
pub async fn converse(stream: UnixStream, desk: Desk, stop: CancellationToken) {
    let stranger = match peer::check(&stream, desk.group) {
        Ok(Ok(())) => None,
        Ok(Err(stranger)) => {
            tracing::warn!(uid = stranger.uid, why = %stranger, "a stranger came to the socket");
            Some(stranger.to_string())
        }
        Err(error) => {
            tracing::warn!(%error, "a client of the socket could not be told from a stranger");
            return;
        }
    };
    let ending = stop.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (desk, stranger, ending) = (desk.clone(), stranger.clone(), ending.clone());
        async move {
            let response = match stranger {
                Some(why) => closing(routes::forbidden(&why)),
                None if resolve::is_meant(&request) => {
                    closing(resolve::respond(request, &desk).await)
                }
                None if has_body(&request) => closing(routes::no_body()),
                None => routes::respond(&request, desk, ending).await,
            };
            Ok::<_, Infallible>(response)
        }
    });
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(REQUEST_MAX);
    http.max_buf_size(HEAD_BYTES_MAX).max_headers(FIELDS_MAX);
    let connection = http.serve_connection(TokioIo::new(Patient::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        ended = connection.as_mut() => ended,
        () = stop.cancelled() => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection to the socket broke");
    }
}

/// Too many are here: says so at once, or not at all.
pub(super) fn turn_away(stream: &UnixStream) {
    drop(stream.try_write(BUSY));
}

fn has_body(request: &Request<Incoming>) -> bool {
    let length = request.headers().get(header::CONTENT_LENGTH);
    request.headers().contains_key(header::TRANSFER_ENCODING)
        || length.is_some_and(|length| length.as_bytes() != b"0")
}

fn closing(mut response: Response<Body>) -> Response<Body> {
    let close = header::HeaderValue::from_static("close");
    response.headers_mut().insert(header::CONNECTION, close);
    response
}

/// A stream on which writing fails once nothing was taken for [`STUCK_MAX`].
struct Patient {
    stream: UnixStream,
    stuck: Option<Pin<Box<Sleep>>>,
}

impl Patient {
    fn new(stream: UnixStream) -> Self {
        Self { stream, stuck: None }
    }

    fn patiently<T>(
        &mut self,
        context: &mut Context<'_>,
        write: impl FnOnce(Pin<&mut UnixStream>, &mut Context<'_>) -> Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if let Poll::Ready(wrote) = write(Pin::new(&mut self.stream), context) {
            self.stuck = None;
            return Poll::Ready(wrote);
        }
        let stuck = self.stuck.get_or_insert_with(|| Box::pin(sleep(STUCK_MAX)));
        ready!(stuck.as_mut().poll(context));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.patiently(context, |stream, context| stream.poll_write(context, bytes))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.patiently(context, |stream, context| stream.poll_write_vectored(context, parts))
    }

    /// So that values are sent from where they are, not from a copy in a buffer.
    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.patiently(context, |stream, context| stream.poll_flush(context))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

const BUSY: &[u8] = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\n\
    Content-Type: application/json\r\nContent-Length: 94\r\n\r\n\
    {\"error\":\"32 clients are connected, which is all\",\
    \"fix\":\"end one, or come again in a second\"}\n";
