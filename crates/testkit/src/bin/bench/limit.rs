//! The limit: a bare tonic server. Mutual TLS as the broker has it, AES-256-GCM, one Postgres
//! commit, one watch channel; no policy, no audit trail, no resumption, no digests. What a broker
//! cannot do with less.

use crate::{
    clock::now_micros,
    options::LimitOptions,
    wire::{Door, Kept, Seen, Update, Value, Verbs},
};
use anyhow::{Context, Result, ensure};
use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bytes::Bytes;
use secretref_broker::authority::Authority;
use secretref_identity::{
    clock::Clock,
    credentials::Credentials,
    request::{CertificateRequest, parse_request},
    server::{ServerConfig, accept},
    subject::TrustDomain,
};
use secretref_testkit::broker::TRUST_DOMAIN;
use sqlx::{PgPool, postgres::PgPoolOptions};
use std::{
    fs, io,
    io::Write,
    path::Path,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_stream::{
    StreamExt,
    wrappers::{ReceiverStream, WatchStream},
};
use tonic::{Status, Streaming, codegen::BoxStream, transport::Server};
use uuid::Uuid;

/// File of a client's certificate chain, of its key, and of the root.
pub(crate) const CLIENT_FILES: [&str; 3] = ["client.crt", "client.key", "ca.crt"];

/// Serves until it is killed.
pub(crate) async fn serve(options: LimitOptions) -> Result<()> {
    let (clock, domain) = (Clock::system(), TrustDomain::parse(TRUST_DOMAIN)?);
    let authority = Authority::create(domain, clock.now())?;
    let (own, client) = issue(&authority, &clock)?;
    leave(&options.folder, &client)?;
    let tls = ServerConfig::for_agents(&own, &authority.agent_anchors(), clock)?;
    let database = PgPoolOptions::new().max_connections(CONNECTIONS_MAX);
    let database = database.connect(&options.database_url).await.context("the database")?;
    sqlx::query(TABLE).execute(&database).await?;
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let address = listener.local_addr()?;
    let (accepted, incoming) = mpsc::channel(64);
    tokio::spawn(accept_all(listener, Arc::new(tls), accepted));
    let mut out = io::stdout();
    writeln!(out, "listening limit {address}")?;
    let door = Door::new(Limit::new(database)?);
    let incoming = ReceiverStream::new(incoming);
    Ok(Server::builder().add_service(door).serve_with_incoming(incoming).await?)
}

/// The server's credentials and those that all its clients share.
fn issue(authority: &Authority, clock: &Clock) -> Result<(Credentials, Credentials)> {
    let now = clock.now();
    let (own, client) = (CertificateRequest::generate()?, CertificateRequest::generate()?);
    let names = ["localhost".to_owned()];
    let served =
        authority.issue_server(&parse_request(&own.der)?, Uuid::new_v4(), &names, now, DAY)?;
    let ids = (Uuid::new_v4(), Uuid::new_v4());
    let issued = authority.issue_agent(&parse_request(&client.der)?, ids.0, ids.1, now, DAY)?;
    let trust = authority.trust_bundle()?;
    Ok((
        Credentials::new(served.chain, own.key, trust.clone())?,
        Credentials::new(issued.chain, client.key, trust)?,
    ))
}

fn leave(folder: &Path, client: &Credentials) -> Result<()> {
    let key = client.key().expose_pem();
    let texts = [client.chain_pem(), key.to_string(), client.trust().to_pem()];
    for (name, text) in CLIENT_FILES.iter().zip(texts) {
        fs::write(folder.join(name), text)?;
    }
    Ok(())
}

type Accepted = mpsc::Sender<io::Result<tokio_rustls::server::TlsStream<TcpStream>>>;

async fn accept_all(listener: TcpListener, tls: Arc<ServerConfig>, accepted: Accepted) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, accepted) = (Arc::clone(&tls), accepted.clone());
        tokio::spawn(async move {
            if tcp.set_nodelay(true).is_ok()
                && let Ok((stream, _)) = accept(tcp, &tls, HANDSHAKE_TIME_MAX).await
            {
                drop(accepted.send(Ok(stream)).await);
            }
        });
    }
}

struct Limit {
    database: PgPool,
    key: RandomizedNonceKey,
    updates: watch::Sender<Update>,
    sealed: Mutex<Vec<u8>>,
}

impl Limit {
    fn new(database: PgPool) -> Result<Self> {
        let mut key = [0; 32];
        aws_lc_rs::rand::fill(&mut key)?;
        let key = RandomizedNonceKey::new(&AES_256_GCM, &key)?;
        let limit = Self {
            database,
            key,
            updates: watch::Sender::new(Update::default()),
            sealed: Mutex::default(),
        };
        *limit.sealed() = limit.seal(&[7; 256]).ok().context("sealing")?;
        ensure!(limit.read().is_ok(), "what was just sealed is not opened");
        Ok(limit)
    }

    fn sealed(&self) -> MutexGuard<'_, Vec<u8>> {
        self.sealed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nonce, ciphertext, tag.
    fn seal(&self, value: &[u8]) -> Result<Vec<u8>, Status> {
        let mut body = value.to_vec();
        let nonce = self.key.seal_in_place_append_tag(Aad::empty(), &mut body);
        let nonce = nonce.map_err(|_| Status::internal("sealing"))?;
        Ok([nonce.as_ref().as_slice(), &body].concat())
    }

    async fn commit(&self, value: &[u8]) -> Result<(), Status> {
        let sealed = self.seal(value)?;
        let inserted = sqlx::query(INSERT).bind(&sealed).execute(&self.database).await;
        inserted.map_err(|error| Status::unavailable(error.to_string()))?;
        *self.sealed() = sealed;
        Ok(())
    }
}

impl Verbs for Limit {
    async fn publish(&self, value: Bytes) -> Result<Kept, Status> {
        let micros = now_micros();
        self.commit(&value).await?;
        self.updates.send_modify(|update| {
            update.revision += 1;
            update.value = value;
        });
        Ok(Kept { micros })
    }

    async fn write(&self, value: Bytes) -> Result<Kept, Status> {
        let micros = now_micros();
        self.commit(&value).await?;
        Ok(Kept { micros })
    }

    fn read(&self) -> Result<Value, Status> {
        let sealed = self.sealed().clone();
        let (nonce, body) = sealed.split_at_checked(NONCE_LEN).unwrap_or_default();
        let nonce = Nonce::try_assume_unique_for_key(nonce);
        let nonce = nonce.map_err(|_| Status::internal("a nonce"))?;
        let mut body = body.to_vec();
        let opened = self.key.open_in_place(nonce, Aad::empty(), &mut body);
        let opened = opened.map_err(|_| Status::internal("opening"))?.len();
        body.truncate(opened);
        Ok(Value { value: body.into() })
    }

    fn watch(&self, mut seen: Streaming<Seen>) -> BoxStream<Update> {
        tokio::spawn(async move { while let Ok(Some(_)) = seen.message().await {} });
        Box::pin(WatchStream::new(self.updates.subscribe()).map(Ok))
    }
}

const DAY: i64 = 24 * 3600;
/// As many as a broker has.
const CONNECTIONS_MAX: u32 = 32;
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
const TABLE: &str = "CREATE TABLE IF NOT EXISTS sealed \
                     (id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body BYTEA NOT NULL)";
const INSERT: &str = "INSERT INTO sealed (body) VALUES ($1)";
