//! The audit trail as syslog messages: every entry arrives, whenever the broker was killed and
//! whenever the collector hung up.

use anyhow::{Context, Result, bail, ensure};
use secretref_broker::config::Syslog;
use secretref_proto::v1::AuditEntry;
use secretref_testkit::{authority::Authority, broker::Broker, engine::Engine, wait::eventually};
use serde_json::Value;
use std::{
    collections::BTreeMap,
    fs::{self, Permissions},
    net::SocketAddr,
    os::unix::fs::PermissionsExt,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
};
use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader},
    net::{TcpListener, UdpSocket, UnixDatagram},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

/// What came, by number: the line of each message, and how often it came.
type Heard = Arc<Mutex<BTreeMap<i64, (Value, usize)>>>;

/// How a collector listens.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Kind {
    Unix,
    Udp,
    Tcp,
    Tls,
}

/// Takes messages as RFC 5424, 5425 and 6587 say that they come.
struct Collector {
    kind: Kind,
    folder: TempDir,
    authority: Authority,
    /// Where it listens again after it was away.
    at: Option<SocketAddr>,
    heard: Heard,
    tasks: JoinSet<Result<()>>,
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_arrives_by_a_socket_of_the_host() -> Result<()> {
    each_entry_arrives(Kind::Unix).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_arrives_by_udp() -> Result<()> {
    each_entry_arrives(Kind::Udp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_arrives_by_tcp() -> Result<()> {
    each_entry_arrives(Kind::Tcp).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_entry_arrives_by_tls() -> Result<()> {
    each_entry_arrives(Kind::Tls).await
}

async fn each_entry_arrives(kind: Kind) -> Result<()> {
    let mut collector = Collector::new(kind)?;
    collector.listen().await?;
    let settings = collector.settings()?;
    let roots = vec![collector.folder.path().to_owned()];
    let mut broker = Broker::start_configured(Engine::Sqlite, &[], |file| {
        file.syslog = Some(settings);
        file.provider_roots = Some(roots);
    })
    .await?;
    for round in 0..3 {
        let admin = broker.admin().await?;
        for number in 0..8 {
            admin.put(&format!("secret-{round}-{number}"), b"value").await?;
        }
        collector.hears_all(&broker).await.with_context(|| format!("round {round}"))?;
        // Of a datagram to a host that does not listen nobody is told.
        if kind != Kind::Udp {
            collector.hang_up().await?;
            let admin = broker.admin().await?;
            admin.put("while-nobody-listens", b"value").await?;
        }
        broker.kill9()?;
        if kind != Kind::Udp {
            collector.listen().await?;
        }
        broker.serve()?;
    }
    collector.hears_all(&broker).await?;
    let heard = collector.heard.lock().unwrap_or_else(PoisonError::into_inner);
    let twice = heard.values().filter(|(_, times)| *times > 1).count();
    ensure!(twice < heard.len() || kind != Kind::Unix, "everything came again at each start");
    Ok(())
}

impl Collector {
    fn new(kind: Kind) -> Result<Self> {
        let (folder, authority) = (TempDir::new()?, Authority::new()?);
        fs::write(folder.path().join(CA), authority.pem())?;
        fs::set_permissions(folder.path().join(CA), Permissions::from_mode(0o600))?;
        let (heard, tasks) = (Heard::default(), JoinSet::new());
        Ok(Self { kind, folder, authority, at: None, heard, tasks })
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn settings(&self) -> Result<Syslog> {
        let at = || self.at.context("it does not listen");
        let address = match self.kind {
            Kind::Unix => format!("unix://{}", self.socket().display()),
            Kind::Udp => format!("udp://{}", at()?),
            Kind::Tcp => format!("tcp://{}", at()?),
            Kind::Tls => format!("tls://{}", at()?),
        };
        let ca_file = (self.kind == Kind::Tls).then(|| self.folder.path().join(CA));
        Ok(Syslog { address, ca_file })
    }

    async fn listen(&mut self) -> Result<()> {
        let heard = Arc::clone(&self.heard);
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        match self.kind {
            Kind::Unix => {
                let socket = UnixDatagram::bind(self.socket())?;
                self.tasks.spawn(async move {
                    let mut message = vec![0; 1 << 16];
                    loop {
                        let length = socket.recv(&mut message).await?;
                        hear(&heard, &message[..length])?;
                    }
                });
            }
            Kind::Udp => {
                let socket = UdpSocket::bind(self.at.unwrap_or(any)).await?;
                self.at = Some(socket.local_addr()?);
                self.tasks.spawn(async move {
                    let mut message = vec![0; 1 << 16];
                    loop {
                        let length = socket.recv(&mut message).await?;
                        hear(&heard, &message[..length])?;
                    }
                });
            }
            Kind::Tcp | Kind::Tls => {
                let listener = TcpListener::bind(self.at.unwrap_or(any)).await?;
                self.at = Some(listener.local_addr()?);
                let issued = self.authority.issue()?;
                let acceptor = TlsAcceptor::from(issued.server()?);
                let is_tls = self.kind == Kind::Tls;
                self.tasks.spawn(async move {
                    loop {
                        let (stream, _) = listener.accept().await?;
                        let heard = Arc::clone(&heard);
                        if is_tls {
                            hear_stream(&heard, acceptor.accept(stream).await?).await?;
                        } else {
                            hear_stream(&heard, stream).await?;
                        }
                    }
                });
            }
        }
        Ok(())
    }

    async fn hang_up(&mut self) -> Result<()> {
        self.tasks.shutdown().await;
        if self.kind == Kind::Unix {
            fs::remove_file(self.socket())?;
        }
        Ok(())
    }

    /// Waits until it has every entry of the trail, as it stands there.
    async fn hears_all(&mut self, broker: &Broker) -> Result<()> {
        let (admin, lane) = (broker.admin().await?, broker.id()?.to_string());
        eventually("the collector has every entry", async || {
            if let Some(ended) = self.tasks.try_join_next() {
                ended??;
            }
            let trail = admin.audit_trail().await?;
            let wanted: Vec<AuditEntry> = trail.into_iter().filter(|it| it.lane == lane).collect();
            let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
            for entry in &wanted {
                let Some((line, _)) = heard.get(&entry.seq) else { return Ok(None) };
                let hash: String = entry.hash.iter().map(|byte| format!("{byte:02x}")).collect();
                ensure!(line["hash"] == *hash && line["lane"] == *lane, "{line} is another entry");
            }
            Ok(Some(()))
        })
        .await
    }
}

/// Messages that follow their length.
async fn hear_stream(heard: &Heard, stream: impl AsyncRead + Unpin) -> Result<()> {
    let mut stream = BufReader::new(stream);
    loop {
        let mut length = Vec::new();
        // It may end anywhere: the broker was killed.
        if stream.read_until(b' ', &mut length).await.unwrap_or(0) == 0
            || length.pop() != Some(b' ')
        {
            return Ok(());
        }
        let mut message = vec![0; std::str::from_utf8(&length)?.parse()?];
        if stream.read_exact(&mut message).await.is_err() {
            return Ok(());
        }
        hear(heard, &message)?;
    }
}

/// Reads a message by the grammar of RFC 5424, 6.
fn hear(heard: &Heard, message: &[u8]) -> Result<()> {
    let text = std::str::from_utf8(message)?;
    let mut fields = text.splitn(7, ' ');
    let mut next = || fields.next().with_context(|| format!("{text} is cut off"));
    let (priority, at, _host) = (next()?, next()?, next()?);
    let (software, pid, id, rest) = (next()?, next()?, next()?, next()?);
    ensure!(matches!(priority, "<110>1" | "<108>1"), "{text}: {priority}");
    ensure!(software == "secretref-broker" && pid.parse::<u32>().is_ok(), "{text}");
    let origin = "[origin software=\"secretref-broker\" swVersion=\"";
    let Some((_, rest)) = rest.strip_prefix(origin).and_then(|rest| rest.split_once("\"]")) else {
        bail!("{text} has no origin");
    };
    let rest = rest.strip_prefix("[meta sequenceId=\"").context("no number")?;
    let (number, line) = rest.split_once("\"] ").context("no end")?;
    let line: Value = serde_json::from_str(line)?;
    let denied = line["decision"] == "denied";
    ensure!((priority == "<108>1") == denied, "{text}: the severity is another");
    ensure!(line["action"] == id && line["time"] == at, "{text}: the header is another's");
    let seq = line["seq"].as_i64().context("no number")?;
    ensure!(number == seq.to_string(), "{text}: the number is another");
    let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
    heard.entry(seq).or_insert((line, 0)).1 += 1;
    Ok(())
}

/// Name of the file with the authority.
const CA: &str = "collector-ca.pem";
