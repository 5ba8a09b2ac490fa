//! A gRPC channel over it all, against tonic's own server.

use super::world::*;
use futures_util::StreamExt;
use secretref_identity::{
    client::{CONNECT_TIMEOUT, ClientConfig, ConnectError, Refusal, connect, connect_lazy},
    credentials::{Holder, publisher},
    peer::{Peer, Serial},
    server::{ServerConfig, accept},
};
use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
};
use tokio_rustls::server::TlsStream;
use tonic::{
    Code, Status,
    body::Body,
    transport::{Channel, Server, server::Connected},
};
use tower::{Service, ServiceExt};

/// What the server's listener yields; ends when the test cuts it.
struct Wire {
    tls: TlsStream<TcpStream>,
    cut: Arc<AtomicBool>,
}

impl Connected for Wire {
    type ConnectInfo = ();
    fn connect_info(&self) {}
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.cut.load(Ordering::SeqCst) {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        Pin::new(&mut self.tls).poll_read(context, buffer)
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.tls).poll_write(context, bytes)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_flush(context)
    }
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.tls).poll_shutdown(context)
    }
}

/// tonic's server without a service: whatever is asked is answered with `Unimplemented`.
async fn serve(
    listener: TcpListener,
    mut config: watch::Receiver<Arc<ServerConfig>>,
    came: mpsc::UnboundedSender<Option<Peer>>,
    cut: Arc<AtomicBool>,
) {
    let (wires, incoming) = mpsc::unbounded_channel();
    let accepting = async move {
        loop {
            let (tcp, _) = listener.accept().await.unwrap();
            let config = Arc::clone(&config.borrow_and_update());
            cut.store(false, Ordering::SeqCst);
            if let Ok((tls, peer)) = accept(tcp, &config, LONG).await {
                came.send(peer).unwrap();
                wires.send(io::Result::Ok(Wire { tls, cut: Arc::clone(&cut) })).ok();
            }
        }
    };
    let incoming = futures_util::stream::unfold(incoming, |mut incoming| async {
        incoming.recv().await.map(|wire| (wire, incoming))
    });
    let server = Server::builder()
        .add_routes(tonic::service::Routes::default())
        .serve_with_incoming(incoming.boxed());
    let (never, _) = tokio::join!(accepting, server);
    let () = never;
}

async fn ask(channel: &mut Channel) -> Code {
    let request = http::Request::post("/secretref.v1.Nothing/Ask")
        .header("content-type", "application/grpc")
        .body(Body::empty())
        .unwrap();
    match channel.ready().await.unwrap().call(request).await {
        Ok(response) => Status::from_header_map(response.headers()).unwrap().code(),
        Err(_) => Code::Unavailable,
    }
}

fn serial_of(came: Option<Option<Peer>>) -> Serial {
    came.unwrap().unwrap().serial
}

#[tokio::test]
async fn a_renewed_identity_is_taken_by_the_next_connection() {
    let world = World::new();
    let identity = |serial: u8| {
        let leaf = world.agent(|params| {
            params.serial_number = Some(rcgen::SerialNumber::from_slice(&[serial; 16]));
        });
        ClientConfig::identified(&world.credentials(leaf), at(NOW)).unwrap()
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (_door, doors) = watch::channel(Arc::new(world.agents_door(at(NOW))));
    let (sender, mut came) = mpsc::unbounded_channel();
    let cut = Arc::new(AtomicBool::new(false));
    let server = tokio::spawn(serve(listener, doors, sender, Arc::clone(&cut)));

    let (mut publisher, holder) = publisher(identity(0x41));
    let mut channel = connect(&address, holder, CONNECT_TIMEOUT).await.unwrap();
    assert_eq!(ask(&mut channel).await, Code::Unimplemented);
    assert_eq!(serial_of(came.recv().await).as_bytes(), &[0x41; 16]);

    publisher.publish(identity(0x42));
    assert_eq!(ask(&mut channel).await, Code::Unimplemented);
    assert!(came.try_recv().is_err(), "the open connection stays");

    cut.store(true, Ordering::SeqCst);
    // The broken connection may fail one request; the next one finds a new connection.
    let reconnected = async { while ask(&mut channel).await != Code::Unimplemented {} };
    tokio::time::timeout(LONG, reconnected).await.unwrap();
    assert_eq!(serial_of(came.recv().await).as_bytes(), &[0x42; 16]);
    server.abort();
}

#[tokio::test]
async fn a_refusal_is_found_inside_what_tonic_says() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (_door, doors) = watch::channel(Arc::new(world.agents_door(at(NOW + 30 * DAY))));
    let (sender, _came) = mpsc::unbounded_channel();
    let server = tokio::spawn(serve(listener, doors, sender, Arc::default()));

    // The server's clock is ahead, so the agent's certificate ended; the broker's did too, but
    // only the client could mind, and its clock is right.
    let agent = world.credentials(world.agent(|_| {}));
    let config = ClientConfig::identified(&agent, at(NOW)).unwrap();
    let holder = Holder::fixed(config);
    let error = connect(&address, holder.clone(), CONNECT_TIMEOUT).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { refusal: Refusal::Expired, .. }), "{error}");

    let mut channel = connect_lazy(&address, holder, CONNECT_TIMEOUT).unwrap();
    let request = http::Request::post("/x/Y").body(Body::empty()).unwrap();
    let error = channel.ready().await.unwrap().call(request).await.unwrap_err();
    let status = Status::from_error(Box::new(error));
    assert!(matches!(
        ConnectError::within(&status),
        Some(ConnectError::Refused { refusal: Refusal::Expired, .. })
    ));
    server.abort();
}
