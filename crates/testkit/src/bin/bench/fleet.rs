//! The sidecars of a run: clients in this process, each with its own connection and stream. The
//! same for broker and limit, but for what they read off the wire.

use crate::{
    clock::now_micros,
    servers::{is_overloaded, turns},
    wire::{LimitClient, Seen},
};
use anyhow::{Context, Result, bail, ensure};
use bytes::Bytes;
use secretref_domain::{name::FileName, value::SecretValue};
use secretref_identity::credentials::Credentials;
use secretref_proto::{
    PROTOCOL_VERSION,
    v1::{
        Ack, Evidence, Hello, ManifestEntry, Pong, ResultState, SecretResult, WatchRequest,
        watch_request::Message as Say, watch_response::Message as Heard,
        watch_service_client::WatchServiceClient,
    },
};
use secretref_sidecar::sinks::files::{FileEntry, FileSet, FileSink, FileSinkConfig};
use secretref_testkit::{peer::identified, tmpfs};
use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tempfile::TempDir;
use tokio::{
    sync::{Semaphore, mpsc},
    task::{JoinSet, spawn_blocking},
    time::{Instant as Deadline, timeout_at},
};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use uuid::Uuid;

/// Where a client connects, and as whom.
pub(crate) struct Line {
    pub(crate) address: String,
    pub(crate) credentials: Arc<Credentials>,
    pub(crate) protocol: Protocol,
}

/// What is spoken on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Protocol {
    /// `secretref.v1.WatchService`.
    Broker,
    /// The limit's own.
    Limit,
}

/// The real file sink of each client, on a tmpfs. Broker and limit share them: their rounds take
/// turns.
pub(crate) struct Sinks {
    sinks: Vec<Arc<Mutex<FileSink>>>,
    /// Whether values are put in place, or only taken.
    applying: Arc<AtomicBool>,
    _folder: TempDir,
}

impl Sinks {
    pub(crate) fn open(count: usize) -> Result<Self> {
        let folder = tmpfs::folder("secretref-bench-")?;
        let open = |number: usize| -> Result<_> {
            let dir = folder.path().join(number.to_string());
            let config = FileSinkConfig { dir, allow_disk: false, group: None, mode: None };
            Ok(Arc::new(Mutex::new(FileSink::open(config)?)))
        };
        let sinks = (0..count).map(open).collect::<Result<_>>()?;
        Ok(Self { sinks, applying: Arc::default(), _folder: folder })
    }

    /// Whether clients put values in place from now on.
    pub(crate) fn apply(&self, applying: bool) {
        self.applying.store(applying, Ordering::SeqCst);
    }

    /// Removes sets whose grace is over, as a sidecar does when it is idle.
    pub(crate) fn prune(&self) {
        for sink in &self.sinks {
            sink.lock().unwrap_or_else(PoisonError::into_inner).prune(Instant::now());
        }
    }
}

/// Clients with a stream each. They end when this is dropped.
pub(crate) struct Fleet {
    clients: JoinSet<Result<()>>,
    arrivals: mpsc::UnboundedReceiver<Arrival>,
    count: usize,
}

/// A value at a client.
struct Arrival {
    client: usize,
    at: i64,
    value: Bytes,
}

impl Fleet {
    /// Connects everybody, and waits until each has its first value; when it did, in microseconds,
    /// ascending.
    pub(crate) async fn open(lines: Vec<Line>, sinks: &Sinks) -> Result<(Self, Vec<i64>)> {
        let (sender, arrivals) = mpsc::unbounded_channel();
        let (mut clients, count) = (JoinSet::new(), lines.len());
        let dialling = Arc::new(Semaphore::new(DIALS_MAX));
        for (client, (line, sink)) in lines.into_iter().zip(&sinks.sinks).enumerate() {
            let station = Station {
                client,
                arrivals: sender.clone(),
                sink: Arc::clone(sink),
                applying: Arc::clone(&sinks.applying),
            };
            clients.spawn(station.follow(line, Arc::clone(&dialling)));
        }
        let mut fleet = Self { clients, arrivals, count };
        let times = fleet.collect(None).await.context("the first value of each client")?;
        Ok((fleet, times))
    }

    /// Waits until this value, and nothing else, has come to every client once; when it did, in
    /// microseconds, ascending.
    pub(crate) async fn collect(&mut self, wanted: Option<&Bytes>) -> Result<Vec<i64>> {
        let deadline = Deadline::now() + DELIVERY_TIME_MAX;
        let (mut times, mut who) = (Vec::with_capacity(self.count), HashSet::new());
        while times.len() < self.count {
            let missing = self.count - times.len();
            let next = async {
                tokio::select! {
                    biased;
                    arrival = self.arrivals.recv() => arrival.context("no client is left"),
                    ended = self.clients.join_next() => {
                        ended.context("no client is left")??.context("a client ended")?;
                        bail!("a stream was ended by the server")
                    }
                }
            };
            let late = || format!("{missing} of {} deliveries are missing", self.count);
            let arrival = timeout_at(deadline, next).await.with_context(late)??;
            if let Some(wanted) = wanted {
                ensure!(arrival.value == *wanted, "client {} has a wrong value", arrival.client);
            }
            ensure!(who.insert(arrival.client), "client {} was told twice", arrival.client);
            times.push(arrival.at);
        }
        times.sort_unstable();
        Ok(times)
    }
}

/// One client's place.
struct Station {
    client: usize,
    arrivals: mpsc::UnboundedSender<Arrival>,
    sink: Arc<Mutex<FileSink>>,
    applying: Arc<AtomicBool>,
}

impl Station {
    async fn follow(self, line: Line, dialling: Arc<Semaphore>) -> Result<()> {
        let turn = dialling.acquire().await?;
        let channel = identified(&line.address, &line.credentials).await?;
        drop(turn);
        let mut turns = turns();
        loop {
            turns.tick().await;
            let outcome = match line.protocol {
                Protocol::Broker => self.follow_broker(channel.clone()).await,
                Protocol::Limit => self.follow_limit(channel.clone()).await,
            };
            match outcome {
                Err(error) if is_overloaded(&error) => {}
                outcome => return outcome,
            }
        }
    }

    async fn follow_broker(&self, channel: Channel) -> Result<()> {
        let (say, outgoing) = mpsc::channel(4);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: Uuid::new_v4().to_string(),
            stream_seq: 1,
            message_bytes_max: 1 << 20,
            ..Hello::default()
        };
        say.send(WatchRequest { message: Some(Say::Hello(hello)) }).await?;
        let mut client = WatchServiceClient::new(channel);
        let mut frames = client.watch(ReceiverStream::new(outgoing)).await?.into_inner();
        let mut digest = Vec::new();
        while let Some(frame) = frames.message().await? {
            let answer = match frame.message {
                Some(Heard::Manifest(mut manifest)) => {
                    ensure!(manifest.last && manifest.entries.len() == 1, "not the set of one");
                    let entry = manifest.entries.remove(0);
                    digest = manifest.manifest_digest;
                    let results = vec![self.take_entry(entry).await?];
                    Say::Ack(Ack { nonce: manifest.nonce, results })
                }
                Some(Heard::Heartbeat(heartbeat)) => {
                    Say::Pong(Pong { echo: heartbeat.echo, manifest_digest: digest.clone() })
                }
                Some(Heard::Welcome(_)) => continue,
                Some(Heard::Revoke(_) | Heard::GoAway(_) | Heard::Error(_)) | None => {
                    bail!("sent away")
                }
                Some(_) => continue,
            };
            say.send(WatchRequest { message: Some(answer) }).await?;
        }
        Ok(())
    }

    async fn take_entry(&self, entry: ManifestEntry) -> Result<SecretResult> {
        let file = entry.targets.first().context("an entry without a target")?.file.clone();
        self.take(&file, entry.value.context("an entry without a value")?).await?;
        Ok(SecretResult {
            name: entry.name,
            version: entry.version,
            state: ResultState::Applied.into(),
            evidence: Evidence::Written.into(),
            ..SecretResult::default()
        })
    }

    async fn follow_limit(&self, channel: Channel) -> Result<()> {
        let (say, outgoing) = mpsc::channel(4);
        let mut updates = LimitClient::new(channel).watch(ReceiverStream::new(outgoing)).await?;
        while let Some(update) = updates.message().await? {
            self.take("BENCH_KEY", update.value).await?;
            say.send(Seen { revision: update.revision }).await?;
        }
        Ok(())
    }

    /// Puts a value in place, where it is to be, and says when it was.
    async fn take(&self, file: &str, value: Bytes) -> Result<()> {
        if self.applying.load(Ordering::Relaxed) {
            let (sink, set) = (Arc::clone(&self.sink), set_of(file, &value)?);
            let apply = move || sink.lock().unwrap_or_else(PoisonError::into_inner).apply(&set);
            spawn_blocking(apply).await??;
        }
        let arrival = Arrival { client: self.client, at: now_micros(), value };
        self.arrivals.send(arrival).ok().context("nobody waits any more")
    }
}

fn set_of(file: &str, value: &Bytes) -> Result<FileSet> {
    let value = Arc::new(SecretValue::new(value.to_vec())?);
    let (name, value) = (FileName::parse(file)?, value.into());
    let entry = FileEntry { name, value, mode: None, owner: None };
    Ok(FileSet { files: vec![entry] })
}

/// Connections that are being made at once: below what a broker takes.
const DIALS_MAX: usize = 64;
const DELIVERY_TIME_MAX: Duration = Duration::from_secs(60);
