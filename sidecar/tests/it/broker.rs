//! A broker of the wire alone: each stream that a sidecar opens is handed to the test, which says
//! what comes next.

use crate::authority::Authority;
use secretref_identity::{clock::Clock, peer::Peer, server::ServerConfig, server::accept};
use secretref_proto::v1::{
    self, JoinRequest, JoinResponse, RenewRequest, RenewResponse, WatchRequest, WatchResponse,
    enrolment_service_server::{EnrolmentService, EnrolmentServiceServer},
    watch_request, watch_response,
    watch_service_server::{WatchService, WatchServiceServer},
};
use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpListener, TcpStream},
    sync::{mpsc, watch},
    time::timeout,
};
use tokio_stream::wrappers::{ReceiverStream, UnboundedReceiverStream};
use tokio_util::sync::{CancellationToken, DropGuard, WaitForCancellationFutureOwned};
use tonic::{
    Request, Response, Status, Streaming,
    transport::{Server, server::Connected},
};
use uuid::Uuid;

pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
pub(crate) const EPOCH: &str = "0192f0a0-0000-7000-8000-00000000000e";
pub(crate) const AGENT: &str = "payment-analyst";

/// What the broker remembers, beyond any restart.
pub(crate) struct World {
    pub(crate) authority: Authority,
    pub(crate) agent: Uuid,
    pub(crate) instance: Uuid,
    /// From when to when certificates are valid, in seconds from their issue; the next first, and
    /// the last for ever.
    pub(crate) valid: Mutex<Vec<(i64, i64)>>,
    /// Answers of the next joins and renewals, ahead of good ones.
    pub(crate) refusals: Mutex<Vec<Status>>,
    /// Certificate requests that came.
    pub(crate) requests: Mutex<Vec<Vec<u8>>>,
    /// How many that were.
    pub(crate) asked: watch::Sender<usize>,
}

/// One run of the broker. Dropping it kills it, as SIGKILL would.
pub(crate) struct FakeBroker {
    pub(crate) address: SocketAddr,
    streams: mpsc::UnboundedReceiver<FakeStream>,
    _kill: DropGuard,
}

/// One stream, from the broker's side.
pub(crate) struct FakeStream {
    pub(crate) hello: v1::Hello,
    pub(crate) peer: Peer,
    to: mpsc::Sender<Result<WatchResponse, Status>>,
    from: Streaming<WatchRequest>,
}

impl World {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            authority: Authority::new(),
            agent: Uuid::new_v4(),
            instance: Uuid::new_v4(),
            valid: Mutex::new(vec![(-60, 3600)]),
            refusals: Mutex::default(),
            requests: Mutex::default(),
            asked: watch::Sender::new(0),
        })
    }

    /// What every join and renewal comes to.
    fn issue(&self, request: Vec<u8>) -> Result<v1::IssuedCertificate, Status> {
        self.requests.lock().unwrap().push(request.clone());
        self.asked.send_modify(|asked| *asked += 1);
        let mut refusals = self.refusals.lock().unwrap();
        if !refusals.is_empty() {
            return Err(refusals.remove(0));
        }
        let mut valid = self.valid.lock().unwrap();
        let now = if valid.len() > 1 { valid.remove(0) } else { valid[0] };
        Ok(self.authority.issue(&request, self.agent, self.instance, now))
    }
}

impl FakeBroker {
    pub(crate) async fn start(world: &Arc<World>) -> Self {
        Self::start_at(world, "127.0.0.1:0".parse().unwrap()).await
    }

    pub(crate) async fn start_at(world: &Arc<World>, address: SocketAddr) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let kill = CancellationToken::new();
        let (opened, streams) = mpsc::unbounded_channel();
        let (wires, incoming) = mpsc::unbounded_channel();
        tokio::spawn(listen(listener, Arc::clone(world), wires, kill.clone()));
        let service = Service { world: Arc::clone(world), opened };
        let server = Server::builder()
            .add_service(WatchServiceServer::new(service.clone()))
            .add_service(EnrolmentServiceServer::new(service));
        let killed = kill.clone().cancelled_owned();
        tokio::spawn(async move {
            let serving = server.serve_with_incoming(UnboundedReceiverStream::new(incoming));
            tokio::select! { _ = serving => {}, () = killed => {} }
        });
        Self { address, streams, _kill: kill.drop_guard() }
    }

    /// The next stream that a sidecar opens, before anything is said on it.
    pub(crate) async fn silent_stream(&mut self) -> FakeStream {
        timeout(DEADLINE, self.streams.recv()).await.unwrap().unwrap()
    }

    /// The next stream that a sidecar opens, made welcome.
    pub(crate) async fn stream(&mut self, world: &World) -> FakeStream {
        let stream = self.silent_stream().await;
        stream.send(0, watch_response::Message::Welcome(welcome(world))).await;
        stream
    }

    pub(crate) fn has_no_stream(&mut self) -> bool {
        self.streams.try_recv().is_err()
    }
}

pub(crate) fn welcome(world: &World) -> v1::Welcome {
    v1::Welcome {
        agent: AGENT.into(),
        environment: "production".into(),
        instance: world.instance.to_string(),
        broker_id: Uuid::new_v4().to_string(),
        heartbeat_ms: 15_000,
        lease_ms: 600_000,
        stream_age_max_ms: 3_600_000,
        client_version_min: "0.1.0".into(),
        trail_key: String::new(),
    }
}

impl FakeStream {
    pub(crate) async fn send(&self, revision: i64, message: watch_response::Message) {
        self.send_in(EPOCH, revision, message).await;
    }

    pub(crate) async fn send_in(
        &self,
        epoch: &str,
        revision: i64,
        message: watch_response::Message,
    ) {
        let frame = WatchResponse {
            store_epoch: epoch.into(),
            revision,
            send_time: None,
            message: Some(message),
        };
        self.to.send(Ok(frame)).await.unwrap();
    }

    pub(crate) async fn manifest(&self, revision: i64, manifest: v1::Manifest) {
        self.send(revision, watch_response::Message::Manifest(manifest)).await;
    }

    pub(crate) async fn heartbeat(&self, revision: i64, digest: [u8; 32]) {
        let manifest_digest = digest.to_vec();
        let heartbeat = v1::Heartbeat { manifest_digest, stale: false, echo: 1 };
        self.send(revision, watch_response::Message::Heartbeat(heartbeat)).await;
    }

    /// Ends the stream with an error.
    pub(crate) async fn fail(self, status: Status) {
        self.to.send(Err(status)).await.unwrap();
    }

    /// What the sidecar says next; `None` where it ended the stream.
    pub(crate) async fn heard(&mut self) -> Option<watch_request::Message> {
        let message = timeout(DEADLINE, self.from.message()).await.unwrap();
        message.ok().flatten().and_then(|request| request.message)
    }

    pub(crate) async fn ack(&mut self) -> v1::Ack {
        match self.heard().await {
            Some(watch_request::Message::Ack(ack)) => ack,
            other => panic!("an ack was due: {other:?}"),
        }
    }

    /// What became of a manifest that changed something: in its answer, or after it on a machine
    /// that is busy.
    pub(crate) async fn results(&mut self) -> Vec<v1::SecretResult> {
        let answered = self.ack().await.results;
        if answered.is_empty() { self.report().await.results } else { answered }
    }

    pub(crate) async fn report(&mut self) -> v1::Report {
        match self.heard().await {
            Some(watch_request::Message::Report(report)) => report,
            other => panic!("a report was due: {other:?}"),
        }
    }

    pub(crate) async fn pong(&mut self) -> v1::Pong {
        match self.heard().await {
            Some(watch_request::Message::Pong(pong)) => pong,
            other => panic!("a pong was due: {other:?}"),
        }
    }

    pub(crate) async fn need_snapshot(&mut self) -> v1::SnapshotReason {
        match self.heard().await {
            Some(watch_request::Message::NeedSnapshot(need)) => need.reason(),
            other => panic!("a need of everything was due: {other:?}"),
        }
    }
}

#[derive(Clone)]
struct Service {
    world: Arc<World>,
    opened: mpsc::UnboundedSender<FakeStream>,
}

#[derive(Clone)]
struct Who(Option<Peer>);

#[tonic::async_trait]
impl WatchService for Service {
    type WatchStream = ReceiverStream<Result<WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let peer = request.extensions().get::<Who>().and_then(|who| who.0.clone());
        let peer = peer.ok_or_else(|| Status::unauthenticated("nobody"))?;
        let mut from = request.into_inner();
        let hello = match from.message().await?.and_then(|request| request.message) {
            Some(watch_request::Message::Hello(hello)) => hello,
            _ => return Err(Status::invalid_argument("no hello")),
        };
        let (to, frames) = mpsc::channel(16);
        let stream = FakeStream { hello, peer, to, from };
        self.opened.send(stream).map_err(|_| Status::unavailable("the test is over"))?;
        Ok(Response::new(ReceiverStream::new(frames)))
    }
}

#[tonic::async_trait]
impl EnrolmentService for Service {
    async fn join(&self, request: Request<JoinRequest>) -> Result<Response<JoinResponse>, Status> {
        let request = request.into_inner();
        if request.token != *self.world.authority.token().expose() {
            return Err(Status::unauthenticated("no such token"));
        }
        Ok(Response::new(JoinResponse {
            issued: Some(self.world.issue(request.certificate_request_der)?),
            agent: AGENT.into(),
            environment: "production".into(),
        }))
    }

    async fn renew(
        &self,
        request: Request<RenewRequest>,
    ) -> Result<Response<RenewResponse>, Status> {
        if request.extensions().get::<Who>().is_none_or(|who| who.0.is_none()) {
            return Err(Status::unauthenticated("nobody"));
        }
        let issued = self.world.issue(request.into_inner().certificate_request_der)?;
        Ok(Response::new(RenewResponse { issued: Some(issued) }))
    }
}

async fn listen(
    listener: TcpListener,
    world: Arc<World>,
    wires: mpsc::UnboundedSender<io::Result<Wire>>,
    kill: CancellationToken,
) {
    let (credentials, anchors) = (world.authority.broker(), world.authority.anchors());
    let config = ServerConfig::for_agents(&credentials, &anchors, Clock::system()).unwrap();
    let config = Arc::new(config);
    loop {
        let tcp = tokio::select! {
            accepted = listener.accept() => accepted.unwrap().0,
            () = kill.cancelled() => return,
        };
        let (config, wires, kill) = (Arc::clone(&config), wires.clone(), kill.clone());
        tokio::spawn(async move {
            if let Ok((tls, peer)) = accept(tcp, &config, DEADLINE).await {
                let killed = Box::pin(kill.cancelled_owned());
                drop(wires.send(Ok(Wire { tls, who: Who(peer), killed })));
            }
        });
    }
}

/// A connection that breaks when the broker is killed.
struct Wire {
    tls: tokio_rustls::server::TlsStream<TcpStream>,
    who: Who,
    killed: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl Connected for Wire {
    type ConnectInfo = Who;
    fn connect_info(&self) -> Who {
        self.who.clone()
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.killed.as_mut().poll(context).is_ready() {
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
