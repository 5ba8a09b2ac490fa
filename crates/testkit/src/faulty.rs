//! A server over HTTP that does what no server should, on a real socket.
//!
//! It reads a request up to the end of its head and then has its trouble, with every connection the
//! same. Over TLS it has it after the handshake.

use crate::authority::Issued;
use anyhow::Result;
use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    time::interval,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::task::AbortOnDropHandle;

/// What the server does.
#[derive(Debug, Clone)]
pub enum Trouble {
    /// It takes the connection and never answers.
    Silent,
    /// It answers bytes that are no HTTP.
    Garbage,
    /// It answers a body in chunks, of which the first has no length.
    BadChunk,
    /// It answers with a status and a body.
    Answers(u16, String),
    /// It sends a body without an end: a gibibyte.
    Endless,
    /// It resets the connection once it was asked.
    Reset,
    /// It closes the connection in the middle of a body.
    Truncated,
    /// It sends the reader elsewhere.
    Redirects(String),
    /// It sends a byte of a body each second.
    Drips,
}

/// A server in trouble. Stopped when dropped.
pub struct Faulty {
    address: SocketAddr,
    is_tls: bool,
    seen: Arc<Seen>,
    _accepting: AbortOnDropHandle<()>,
}

#[derive(Default)]
struct Seen {
    requests: AtomicUsize,
    body_bytes: AtomicU64,
}

impl Faulty {
    /// Starts one over plain HTTP.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start(trouble: Trouble) -> Result<Self> {
        Self::listen(trouble, None).await
    }

    /// Starts one over TLS.
    ///
    /// # Errors
    /// Where it cannot listen.
    pub async fn start_tls(trouble: Trouble, issued: &Issued) -> Result<Self> {
        Self::listen(trouble, Some(TlsAcceptor::from(issued.server()?))).await
    }

    async fn listen(trouble: Trouble, tls: Option<TlsAcceptor>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let (address, is_tls) = (listener.local_addr()?, tls.is_some());
        let seen = Arc::new(Seen::default());
        let within = Arc::clone(&seen);
        let accepting = async move {
            // Ended together with this one.
            let mut connections = Vec::new();
            while let Ok((stream, _)) = listener.accept().await {
                let (trouble, seen, tls) = (trouble.clone(), Arc::clone(&within), tls.clone());
                let serving = tokio::spawn(async move {
                    // A client that goes away is what it is for.
                    let _ = serve(stream, tls, &trouble, &seen).await;
                });
                connections.push(AbortOnDropHandle::new(serving));
            }
        };
        let accepting = AbortOnDropHandle::new(tokio::spawn(accepting));
        Ok(Self { address, is_tls, seen, _accepting: accepting })
    }

    /// Its address, without a slash at the end.
    #[must_use]
    pub fn url(&self) -> String {
        let scheme = if self.is_tls { "https" } else { "http" };
        format!("{scheme}://{}", self.address)
    }

    /// How many requests it was sent.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.seen.requests.load(Ordering::SeqCst)
    }

    /// How many bytes of bodies could be sent.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.seen.body_bytes.load(Ordering::SeqCst)
    }
}

/// An address at which nobody listens.
///
/// # Errors
/// Where there is no free port.
pub async fn nobody() -> Result<String> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    Ok(format!("http://{}", listener.local_addr()?))
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    trouble: &Trouble,
    seen: &Seen,
) -> Result<()> {
    if matches!(trouble, Trouble::Reset) {
        // What is closed now is reset.
        stream.set_zero_linger()?;
    }
    match tls {
        Some(tls) => answer(tls.accept(stream).await?, trouble, seen).await,
        None => answer(stream, trouble, seen).await,
    }
}

async fn answer(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    trouble: &Trouble,
    seen: &Seen,
) -> Result<()> {
    head(&mut stream).await?;
    seen.requests.fetch_add(1, Ordering::SeqCst);
    let (status, headers, length) = match trouble {
        Trouble::Silent => return std::future::pending().await,
        Trouble::Reset => return Ok(()),
        Trouble::Garbage => {
            stream.write_all(b"\x16\x03\x01 what is this\r\n\r\n").await?;
            return Ok(stream.shutdown().await?);
        }
        Trouble::BadChunk => {
            let chunk = b"HTTP/1.1 200 as told\r\ntransfer-encoding: chunked\r\n\r\nno length\r\n";
            stream.write_all(chunk).await?;
            return Ok(stream.shutdown().await?);
        }
        Trouble::Answers(status, body) => (*status, String::new(), body.len() as u64),
        Trouble::Redirects(to) => (307, format!("location: {to}\r\n"), 0),
        Trouble::Endless => (200, String::new(), ENDLESS_BYTES),
        Trouble::Truncated | Trouble::Drips => (200, String::new(), DRIPS),
    };
    let head = format!(
        "HTTP/1.1 {status} as told\r\ncontent-type: application/json\r\nconnection: close\r\n\
         {headers}content-length: {length}\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await?;
    match trouble {
        Trouble::Answers(_, body) => stream.write_all(body.as_bytes()).await?,
        Trouble::Truncated => stream.write_all(b"{\"data\":").await?,
        Trouble::Drips => {
            let mut ticks = interval(Duration::from_secs(1));
            for _ in 0..DRIPS {
                ticks.tick().await;
                stream.write_all(b" ").await?;
                stream.flush().await?;
            }
        }
        Trouble::Endless => {
            let chunk = vec![b' '; CHUNK_BYTES];
            let mut sent = 0;
            while sent < ENDLESS_BYTES {
                stream.write_all(&chunk).await?;
                sent += CHUNK_BYTES as u64;
                seen.body_bytes.fetch_add(CHUNK_BYTES as u64, Ordering::SeqCst);
            }
        }
        _ => {}
    }
    Ok(stream.shutdown().await?)
}

/// Reads to the end of a request's head; what follows it is not looked at.
async fn head(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut read = Vec::new();
    while !read.windows(4).any(|it| it == b"\r\n\r\n") {
        anyhow::ensure!(read.len() < HEAD_BYTES_MAX, "the head of the request is too long");
        anyhow::ensure!(stream.read_buf(&mut read).await? > 0, "the request broke off");
    }
    Ok(())
}

const HEAD_BYTES_MAX: usize = 64 * 1024;
const ENDLESS_BYTES: u64 = 1 << 30;
const CHUNK_BYTES: usize = 64 * 1024;
/// Bytes, and seconds.
const DRIPS: u64 = 3600;
