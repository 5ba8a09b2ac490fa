//! An address that means one server now and another one later, as the name of a database does that
//! has a standby.

use anyhow::Result;
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::watch,
};
use tokio_util::task::AbortOnDropHandle;

/// A switch. Whoever is connected is cut off when it is turned.
pub struct Switch {
    address: SocketAddr,
    upstream: Arc<watch::Sender<Option<SocketAddr>>>,
    _accepting: AbortOnDropHandle<()>,
}

impl Switch {
    /// A switch that leads to a port of this host.
    ///
    /// # Errors
    /// Where nothing can be listened on.
    pub async fn to(port: u16) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let upstream = Arc::new(watch::Sender::new(Some(at(port))));
        let turned = Arc::clone(&upstream);
        let accepting = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(forward(client, turned.subscribe()));
            }
        });
        Ok(Self { address, upstream, _accepting: AbortOnDropHandle::new(accepting) })
    }

    /// The port that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Leads nowhere: whoever is connected is cut off, and whoever comes is turned away.
    pub fn open(&self) {
        self.upstream.send_replace(None);
    }

    /// Leads to another port from now on.
    pub fn turn(&self, port: u16) {
        self.upstream.send_replace(Some(at(port)));
    }
}

async fn forward(mut client: TcpStream, mut upstream: watch::Receiver<Option<SocketAddr>>) {
    let Some(address) = *upstream.borrow_and_update() else { return };
    let Ok(mut server) = TcpStream::connect(address).await else { return };
    tokio::select! {
        // How a connection ends is for its two ends to judge.
        _ = copy_bidirectional(&mut client, &mut server) => {}
        _ = upstream.changed() => {}
    }
}

fn at(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
