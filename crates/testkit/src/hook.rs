//! A web server at the other end of a webhook, over HTTP or TLS: it takes what is posted, and
//! answers as it is told to, however badly.

use crate::wait::DEADLINE;
use anyhow::{Context, Result};
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    task::JoinHandle,
    time::timeout,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, crypto::aws_lc_rs},
};

/// A server; it ends when dropped.
pub struct Hook {
    address: SocketAddr,
    authority: Option<CertificateDer<'static>>,
    requests: tokio::sync::Mutex<mpsc::UnboundedReceiver<Posted>>,
    told: Arc<Told>,
    task: JoinHandle<()>,
}

/// One request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Posted {
    /// Its first line and headers.
    pub head: String,
    /// Its body.
    pub body: String,
}

/// How a request is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    /// With a status and these words.
    Says(u16, &'static str),
    /// With a status and when to come again, in seconds.
    Later(u16, u64),
    /// With the place to go to instead.
    Elsewhere(String),
    /// With a status and a body of this many bytes.
    Endless(u16, u64),
    /// Not at all, the connection stays open.
    Never,
    /// Not at all, the connection is closed.
    Breaks,
}

/// What the server is to do, and did.
struct Told {
    /// The answers to come; the last one is given again and again.
    answers: Mutex<VecDeque<Answer>>,
    body_bytes: AtomicU64,
}

impl Hook {
    /// Starts one that answers in plain HTTP.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start(answers: impl IntoIterator<Item = Answer>) -> Result<Self> {
        Self::serve(answers, None).await
    }

    /// Starts one behind TLS, with a certificate for these names of an authority of its own.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start_tls(
        names: &[&str],
        answers: impl IntoIterator<Item = Answer>,
    ) -> Result<Self> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        let mut authority = CertificateParams::default();
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let root_key = KeyPair::generate()?;
        let root = authority.self_signed(&root_key)?.der().clone();
        let key = KeyPair::generate()?;
        let issuer = Issuer::new(authority, root_key);
        let leaf = CertificateParams::new(names)?.signed_by(&key, &issuer)?.der().clone();
        let key = PrivateKeyDer::try_from(key.serialize_der())
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        let provider = Arc::new(aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(vec![leaf], key)?;
        Self::serve(answers, Some((TlsAcceptor::from(Arc::new(config)), root))).await
    }

    async fn serve(
        answers: impl IntoIterator<Item = Answer>,
        tls: Option<(TlsAcceptor, CertificateDer<'static>)>,
    ) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let (posted, requests) = mpsc::unbounded_channel();
        let answers = Mutex::new(answers.into_iter().collect());
        let told = Arc::new(Told { answers, body_bytes: AtomicU64::new(0) });
        let (acceptor, authority) = tls.unzip();
        let task = tokio::spawn(accept(listener, acceptor, Arc::clone(&told), posted));
        Ok(Self { address, authority, requests: requests.into(), told, task })
    }

    /// Its address with a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.authority.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}{path}", self.address.port())
    }

    /// The authority that has to be believed for it, where it is behind TLS.
    #[must_use]
    pub fn authority(&self) -> Option<CertificateDer<'static>> {
        self.authority.clone()
    }

    /// The next request that came.
    ///
    /// # Errors
    /// Where none comes in time.
    pub async fn next(&self) -> Result<Posted> {
        let mut requests = self.requests.lock().await;
        let posted = timeout(DEADLINE, requests.recv()).await.context("nothing was posted")?;
        posted.context("the server ended")
    }

    /// What came and was not looked at.
    pub async fn rest(&self) -> Vec<Posted> {
        let mut requests = self.requests.lock().await;
        std::iter::from_fn(|| requests.try_recv().ok()).collect()
    }

    /// Answers like this from now on.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        let mut told = self.told.answers.lock().unwrap_or_else(PoisonError::into_inner);
        *told = answers.into_iter().collect();
    }

    /// Bytes of bodies that it could write.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.told.body_bytes.load(Ordering::Relaxed)
    }
}

impl Drop for Hook {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn accept(
    listener: TcpListener,
    acceptor: Option<TlsAcceptor>,
    told: Arc<Told>,
    posted: mpsc::UnboundedSender<Posted>,
) {
    while let Ok((stream, _)) = listener.accept().await {
        let (told, posted, acceptor) = (Arc::clone(&told), posted.clone(), acceptor.clone());
        // A peer that goes away is no failure of the server.
        tokio::spawn(async move {
            match acceptor {
                Some(acceptor) => talk(acceptor.accept(stream).await?, &told, &posted).await,
                None => talk(stream, &told, &posted).await,
            }
        });
    }
}

async fn talk(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    told: &Told,
    posted: &mpsc::UnboundedSender<Posted>,
) -> std::io::Result<()> {
    let request = read(&mut stream).await?;
    let answer = {
        let mut answers = told.answers.lock().unwrap_or_else(PoisonError::into_inner);
        let last = answers.len() == 1;
        if last { answers.front().cloned() } else { answers.pop_front() }
    };
    drop(posted.send(request));
    let (head, mut body_bytes) = match answer.unwrap_or(Answer::Breaks) {
        Answer::Says(status, words) => {
            let head = format!("{status} x\r\nContent-Length: {}\r\n\r\n{words}", words.len());
            (head, 0)
        }
        Answer::Later(status, seconds) => {
            (format!("{status} x\r\nRetry-After: {seconds}\r\nContent-Length: 0\r\n\r\n"), 0)
        }
        Answer::Elsewhere(place) => {
            (format!("302 x\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n"), 0)
        }
        Answer::Endless(status, bytes) => {
            (format!("{status} x\r\nContent-Length: {bytes}\r\n\r\n"), bytes)
        }
        Answer::Breaks => return Ok(()),
        Answer::Never => {
            // Until the peer gives up.
            stream.read_to_end(&mut Vec::new()).await?;
            return Ok(());
        }
    };
    stream.write_all(format!("HTTP/1.1 {head}").as_bytes()).await?;
    let chunk = vec![b'x'; 64 * 1024];
    while body_bytes > 0 {
        let part = chunk.len().min(usize::try_from(body_bytes).unwrap_or(usize::MAX));
        stream.write_all(&chunk[..part]).await?;
        told.body_bytes.fetch_add(part as u64, Ordering::Relaxed);
        body_bytes -= part as u64;
    }
    stream.shutdown().await
}

async fn read(stream: &mut (impl AsyncRead + Unpin)) -> std::io::Result<Posted> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        let text = String::from_utf8_lossy(&bytes);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            let length = name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse());
            length?.ok()
        });
        if body.len() >= length.unwrap_or(0) {
            return Ok(Posted { head: head.to_owned(), body: body.to_owned() });
        }
    }
}
