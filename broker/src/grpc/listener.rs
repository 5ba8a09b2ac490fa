//! The accept loop: TLS handshakes with limits, one peer for each connection.
//!
//! tonic's own loop has no limit on connections or handshakes, takes TLS 1.2, and resumes
//! sessions, which would skip the verifier.

mod conn;
mod frames;
mod handshakes;
mod pace;
mod quota;

pub use conn::Conn;
pub(super) use conn::Connection;
pub(super) use quota::network;

use crate::{config::Limits, metrics};
use arc_swap::ArcSwap;
use handshakes::Handshakes;
use pace::Pace;
use quota::{Place, Quota};
use rustix::{
    net::sockopt::set_socket_recv_buffer_size,
    process::{Resource, getrlimit},
};
use secretref_identity::server::{ServerConfig, accept};
use std::{io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// Whom a port is for: what a connection may cost is another for each.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Port {
    /// For sidecars, of whom there are many, each with little to say.
    Agents,
    /// For administrators, of whom there are few, whose requests are large.
    Admins,
}

/// The TLS configuration of a port; swapped whole, and taken by the next connection.
pub type Doors = Arc<ArcSwap<ServerConfig>>;

/// A port that is bound.
pub struct Listener {
    tcp: TcpListener,
    doors: Doors,
    port: Port,
    limits: Limits,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// Where it cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        doors: Doors,
        port: Port,
        limits: Limits,
    ) -> io::Result<Self> {
        let tcp = TcpListener::bind(address).await?;
        if port == Port::Agents {
            // Taken over by each connection: what is not read waits with whoever sends it, and not
            // in the system's memory, which would take megabytes of each.
            set_socket_recv_buffer_size(&tcp, AGENT_RECEIVE_BUFFER_BYTES)?;
        }
        Ok(Self { tcp, doors, port, limits })
    }

    /// The address that it is bound to.
    ///
    /// # Errors
    /// Where the system does not say.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.tcp.local_addr()
    }

    /// Accepts until `stop`; connections that passed the handshake come out.
    #[must_use]
    pub fn run(self, stop: CancellationToken) -> ReceiverStream<io::Result<Conn>> {
        let (accepted, incoming) = mpsc::channel(64);
        tokio::spawn(async move {
            tokio::select! {
                () = stop.cancelled() => {}
                () = self.accept_all(accepted) => {}
            }
        });
        ReceiverStream::new(incoming)
    }

    async fn accept_all(self, accepted: mpsc::Sender<io::Result<Conn>>) {
        let connections_max = self.port.connections_max(&self.limits);
        let connections = Arc::new(Semaphore::new(connections_max));
        let mut handshakes = Handshakes::new(self.limits.handshakes_max);
        let quota = Quota::new(&self.limits);
        loop {
            let (tcp, address) = match self.tcp.accept().await {
                Ok(accepted) => accepted,
                Err(error) => {
                    // Out of descriptors, say: to try again at once would only spin.
                    tracing::warn!(%error, "a connection was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Ok(connection) = Arc::clone(&connections).try_acquire_owned() else {
                metrics::refused("connections");
                tracing::warn!(%address, limit = connections_max, "too many connections");
                continue;
            };
            handshakes.make_room();
            let arrival = Arrival {
                tcp,
                address,
                connection,
                port: self.port,
                quota: quota.clone(),
                doors: self.doors.load_full(),
            };
            let accepted = accepted.clone();
            let handshake = tokio::spawn(async move {
                if let Some(conn) = arrival.greet().await {
                    // It is no handshake any more, so it is not ended as one.
                    tokio::spawn(async move { drop(accepted.send(Ok(conn)).await) });
                }
            });
            handshakes.begin(address.ip(), handshake.abort_handle());
        }
    }
}

impl Port {
    /// Connections in all: never so many that no descriptor is left for the store, the log and the
    /// other port.
    fn connections_max(self, limits: &Limits) -> usize {
        let configured = usize::try_from(limits.connections_max).unwrap_or(usize::MAX);
        let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
        let files = usize::try_from(files).unwrap_or(usize::MAX);
        let room = match self {
            Self::Agents => files.saturating_sub(DESCRIPTORS_KEPT + ADMIN_CONNECTIONS_MAX),
            Self::Admins => ADMIN_CONNECTIONS_MAX,
        };
        if self == Self::Agents && room < configured {
            tracing::warn!(configured, room, "the limit of open files is below connections_max");
        }
        configured.min(room)
    }

    /// How fast somebody is read.
    fn pace(self, place: &Place) -> Pace {
        let (per_second, burst) = match self {
            Self::Agents if place.is_strangers() => (STRANGERS_BYTES_PER_SECOND, STRANGERS_BURST),
            Self::Agents => (AGENT_BYTES_PER_SECOND, AGENT_BYTES_BURST),
            Self::Admins => (ADMIN_BYTES_PER_SECOND, ADMIN_BYTES_BURST),
        };
        Pace::new(per_second, burst, place.account())
    }
}

/// A connection before its handshake.
struct Arrival {
    tcp: TcpStream,
    address: SocketAddr,
    connection: OwnedSemaphorePermit,
    port: Port,
    quota: Quota,
    doors: Arc<ServerConfig>,
}

impl Arrival {
    async fn greet(self) -> Option<Conn> {
        let Self { tcp, address, connection, port, quota, doors } = self;
        if let Err(error) = tcp.set_nodelay(true) {
            tracing::debug!(%address, %error, "a connection was gone at once");
            return None;
        }
        let greeted = accept(tcp, &doors, HANDSHAKE_TIME_MAX).await;
        let (stream, peer) = match greeted {
            Ok(greeted) => greeted,
            Err(error) => {
                tracing::info!(%address, %error, "a handshake failed");
                return None;
            }
        };
        let place = match quota.enter(peer.as_ref(), address.ip()) {
            Ok(place) => place,
            Err(full) => {
                metrics::refused("connections_of_peer");
                tracing::warn!(%address, %full, "a connection was refused");
                return None;
            }
        };
        let info = Connection { address, peer: peer.map(Arc::new), kill: CancellationToken::new() };
        let pace = port.pace(&place);
        Some(Conn::new(stream, info, pace, (connection, place)))
    }
}

/// How long a handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// Descriptors that connections never take.
const DESCRIPTORS_KEPT: usize = 256;
/// Connections of the administrators' port in all.
const ADMIN_CONNECTIONS_MAX: usize = 1024;
/// An instance, over all its connections. A flood of small frames costs the most for each byte, so
/// each counts for 256 at least: these are 1,024 pings.
const AGENT_BYTES_PER_SECOND: u32 = 256 * 1024;
/// As many bytes at once: four messages of the largest size.
const AGENT_BYTES_BURST: u32 = 1024 * 1024;
/// What the system holds of an agent's connection before it is read; it keeps twice as much for its
/// own needs.
const AGENT_RECEIVE_BUFFER_BYTES: usize = 64 * 1024;
/// Strangers of one address: 200 enrolments of a host with as many sidecars.
const STRANGERS_BYTES_PER_SECOND: u32 = 1024 * 1024;
const STRANGERS_BURST: u32 = 4 * 1024 * 1024;
/// An administrator, over all his connections.
const ADMIN_BYTES_PER_SECOND: u32 = 32 * 1024 * 1024;
const ADMIN_BYTES_BURST: u32 = 64 * 1024 * 1024;
