//! The accept loop: TLS handshakes with limits, one peer for each connection.
//!
//! tonic's own loop has no limit on connections or handshakes, takes TLS 1.2, and resumes
//! sessions, which would skip the verifier.

mod conn;
mod quota;

pub use conn::Conn;
pub(super) use conn::Connection;

use arc_swap::ArcSwap;
use quota::Quota;
use secretref_identity::server::{ServerConfig, accept};
use std::{collections::VecDeque, io, net::SocketAddr, sync::Arc, time::Duration};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{OwnedSemaphorePermit, Semaphore, mpsc},
    task::AbortHandle,
};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;

/// How much one port takes.
#[derive(Debug, Clone, Copy)]
pub struct ListenerLimits {
    /// Connections in all.
    pub connections_max: usize,
    /// Handshakes under way at once; one more ends the oldest.
    pub handshakes_max: usize,
    /// Connections of one identity.
    pub per_identity_max: usize,
}

impl Default for ListenerLimits {
    fn default() -> Self {
        Self { connections_max: 10_000, handshakes_max: 256, per_identity_max: 4 }
    }
}

/// The TLS configuration of a port; swapped whole, and taken by the next connection.
pub type Doors = Arc<ArcSwap<ServerConfig>>;

/// A port that is bound.
pub struct Listener {
    tcp: TcpListener,
    doors: Doors,
    limits: ListenerLimits,
}

impl Listener {
    /// Binds an address.
    ///
    /// # Errors
    /// Where it cannot be bound.
    pub async fn bind(
        address: SocketAddr,
        doors: Doors,
        limits: ListenerLimits,
    ) -> io::Result<Self> {
        Ok(Self { tcp: TcpListener::bind(address).await?, doors, limits })
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
        let connections = Arc::new(Semaphore::new(self.limits.connections_max));
        let mut handshakes = VecDeque::with_capacity(self.limits.handshakes_max);
        let quota = Quota::new(self.limits.per_identity_max);
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
                let limit = self.limits.connections_max;
                tracing::warn!(%address, limit, "too many connections");
                continue;
            };
            make_room(&mut handshakes, self.limits.handshakes_max);
            let arrival = Arrival {
                tcp,
                address,
                connection,
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
            handshakes.push_back(handshake.abort_handle());
        }
    }
}

/// Ends the oldest handshake where there is no room for another. Those who are slow on purpose are
/// the oldest; who waited for them to time out would let them keep everybody else out.
fn make_room(handshakes: &mut VecDeque<AbortHandle>, max: usize) {
    handshakes.retain(|handshake| !handshake.is_finished());
    while handshakes.len() >= max
        && let Some(oldest) = handshakes.pop_front()
    {
        tracing::warn!(limit = max, "too many handshakes: the oldest is ended");
        oldest.abort();
    }
}

/// A connection before its handshake.
struct Arrival {
    tcp: TcpStream,
    address: SocketAddr,
    connection: OwnedSemaphorePermit,
    quota: Quota,
    doors: Arc<ServerConfig>,
}

impl Arrival {
    async fn greet(self) -> Option<Conn> {
        let Self { tcp, address, connection, quota, doors } = self;
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
        let Some(place) = quota.enter(peer.as_ref()) else {
            tracing::warn!(%address, "too many connections of one identity");
            return None;
        };
        let info = Connection { address, peer: peer.map(Arc::new), kill: CancellationToken::new() };
        Some(Conn::new(stream, info, connection, place))
    }
}

/// How long a handshake may take.
const HANDSHAKE_TIME_MAX: Duration = Duration::from_secs(5);
/// How long to wait when no connection can be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
