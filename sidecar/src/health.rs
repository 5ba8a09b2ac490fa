//! How the sidecar is, over plain HTTP: for container health checks and orchestrators.
//!
//! ```text
//! GET /healthz   200 {"status":"alive"}                    the process serves
//! GET /readyz    200 {"status":"ready|scheduled",…}        an agent can start, or is to run
//!                503 {"status":"waiting|lapsed|revoked|stopped",…} it cannot, and why
//! ```
//! Nothing else is answered, and no name of a secret is in an answer.

mod probe;

pub use probe::{Answer, probe};

use crate::status::Status;
use std::{fmt::Write as _, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use tokio_util::sync::CancellationToken;

/// Answers until it is told to stop. At most [`CONNECTIONS_MAX`] at a time; more are closed.
pub async fn serve(
    listener: TcpListener,
    status: watch::Receiver<Status>,
    stop: CancellationToken,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => return,
            accepted = listener.accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, as a rule: it comes again at once unless one waits.
                tracing::warn!(%error, "no health check could be taken");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        if let Ok(place) = Arc::clone(&places).try_acquire_owned() {
            let status = status.borrow().clone();
            tokio::spawn(async move {
                // Whoever is too slow, or leaves, gets no answer; that is his loss alone.
                drop(timeout(REQUEST_MAX, answer(stream, &status)).await);
                drop(place);
            });
        }
    }
}

async fn answer(mut stream: TcpStream, status: &Status) -> std::io::Result<()> {
    let head = head(&mut stream).await?;
    let text = respond(head.as_deref(), status);
    stream.write_all(text.as_bytes()).await?;
    stream.shutdown().await
}

/// Up to the empty line; `None` where there is more than is read.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Option<Vec<u8>>> {
    let mut head = Vec::with_capacity(512);
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if head.len() >= HEAD_BYTES_MAX {
            return Ok(None);
        }
        if stream.read_buf(&mut head).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(Some(head))
}

/// The whole answer to a request's head.
fn respond(head: Option<&[u8]>, status: &Status) -> String {
    let Some(head) = head else {
        return response("431 Request Header Fields Too Large", "", false);
    };
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    let (method, path, version) = (words.next(), words.next(), words.next());
    let known = matches!(version, Some(b"HTTP/1.1" | b"HTTP/1.0")) && words.next().is_none();
    let (Some(method), Some(path), true) = (method, path, known) else {
        return response("400 Bad Request", "", false);
    };
    if !matches!(method, b"GET" | b"HEAD") {
        return response("405 Method Not Allowed", "", false);
    }
    let only_head = method == b"HEAD";
    match path {
        b"/healthz" => response("200 OK", "{\"status\":\"alive\"}\n", only_head),
        b"/readyz" => {
            let code = if status.is_ready() { "200 OK" } else { "503 Service Unavailable" };
            response(code, &body(status), only_head)
        }
        _ => response("404 Not Found", "", only_head),
    }
}

fn body(status: &Status) -> String {
    let mut body = serde_json::json!({
        "status": status.word(),
        "connected": status.connected,
        "revision": status.revision,
        "applied": status.applied.len(),
        "failed": status.failed.len(),
    });
    if let Some(alarm) = &status.trail_alarm {
        body["trail_alarm"] = alarm.as_str().into();
    }
    format!("{body}\n")
}

fn response(code: &str, body: &str, only_head: bool) -> String {
    let mut text = format!("HTTP/1.1 {code}\r\nContent-Length: {}\r\n", body.len());
    text.push_str("Content-Type: application/json\r\nCache-Control: no-store\r\n");
    // Writing to a string cannot fail.
    let _ = write!(text, "Connection: close\r\n\r\n{}", if only_head { "" } else { body });
    text
}

/// Health checks under way at a time.
pub const CONNECTIONS_MAX: usize = 16;
const HEAD_BYTES_MAX: usize = 4096;
const REQUEST_MAX: Duration = Duration::from_secs(2);
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
