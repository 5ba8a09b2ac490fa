//! The whole broker in this process, on free ports.

use crate::place::{Place, manifest, root};
use anyhow::{Context, Result};
use secretref_broker::{
    app,
    config::{BrokerFile, Config, Limits, Monitor},
    unseal::write_slot,
};
use secretref_domain::policy::{Role, Roles};
use secretref_envelope::write_file_slot;
use secretref_identity::{
    credentials::Credentials,
    request::{CertificateRequest, parse_request},
};
use secretref_proto::{
    PROTOCOL_VERSION,
    v1::{
        Hello, Manifest, PutSecretRequest, WatchRequest, WatchResponse, watch_request,
        watch_response::Message, watch_service_client::WatchServiceClient,
    },
};
use secretref_testkit::{admin::Admin, broker::TRUST_DOMAIN, engine::Engine, peer, wait::DEADLINE};
use std::{net::SocketAddr, sync::Arc};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Status, Streaming, transport::Channel};
use tonic_types::StatusExt;
use uuid::Uuid;

/// A broker that serves, and an administrator who may do everything.
pub(crate) struct World {
    pub(crate) place: Place,
    pub(crate) admin: Admin,
    pub(crate) credentials: Credentials,
    pub(crate) agents: SocketAddr,
    pub(crate) admins: SocketAddr,
    stop: CancellationToken,
}

impl World {
    pub(crate) async fn serving(engine: Engine) -> Result<Self> {
        let all = [Role::Writer, Role::Reader, Role::Operator, Role::Auditor];
        let limits = Limits { drain_seconds: 0, ..Limits::default() };
        Self::serving_as(engine, Roles::from(all), limits).await
    }

    /// One with limits of its own.
    pub(crate) async fn serving_within(engine: Engine, limits: Limits) -> Result<Self> {
        let all = [Role::Writer, Role::Reader, Role::Operator, Role::Auditor];
        Self::serving_as(engine, Roles::from(all), limits).await
    }

    /// One whose administrator has these roles, and that is asked as often as its tests like.
    pub(crate) async fn serving_for(engine: Engine, roles: Roles) -> Result<Self> {
        let limits = Limits {
            requests_per_second: 10_000,
            requests_burst: 100_000,
            admin_requests_per_second: 100_000,
            admin_requests_burst: 1_000_000,
            failed_enrolments_per_minute: 60_000,
            failed_enrolments_burst: 100_000,
            enrolments_per_second: 10_000,
            enrolments_burst: 100_000,
            streams_per_second: 100_000,
            streams_burst: 1_000_000,
            drain_seconds: 0,
            ..Limits::default()
        };
        Self::serving_as(engine, roles, limits).await
    }

    async fn serving_as(engine: Engine, roles: Roles, limits: Limits) -> Result<Self> {
        let place = Place::found(engine).await?;
        let credentials = first_admin(&place, roles).await?;
        let data_dir = place.folder().to_owned();
        write_slot(&data_dir.join("root.key"), write_file_slot(&root()).as_bytes())?;
        let anywhere: SocketAddr = "127.0.0.1:0".parse()?;
        let file = BrokerFile {
            broker_id: place.broker.0,
            database_url: place.url.clone(),
            trust_domain: TRUST_DOMAIN.to_owned(),
            agent_listen: anywhere,
            admin_listen: anywhere,
            health_listen: anywhere,
            metrics_listen: None,
            advertise: Vec::new(),
            certificate_seconds: 3600,
            provider_roots: None,
            provider_environment: Vec::new(),
            provider_poll_seconds: 1,
            lease_seconds: 3600,
            limits,
            monitor: Monitor::default(),
            audit_file: None,
            syslog: None,
        };
        let config = Config { data_dir, file, passphrase_file: None };
        let (said, mut lines) = mpsc::unbounded_channel();
        let stop = CancellationToken::new();
        let say = move |line: &str| drop(said.send(line.to_owned()));
        let serving = app::serve(config, Arc::new(place.clock.clone()), stop.clone(), say);
        tokio::spawn(async move {
            if let Err(error) = serving.await {
                eprintln!("the broker ended: {error:#}");
            }
        });
        let (mut agents, mut admins) = (anywhere, anywhere);
        loop {
            let line = timeout(DEADLINE, lines.recv()).await?.context("the broker ended")?;
            match line.rsplit_once(' ') {
                Some(("listening agents", address)) => agents = address.parse()?,
                Some(("listening admin", address)) => admins = address.parse()?,
                _ if line == "ready" => break,
                _ => {}
            }
        }
        let admin = Admin::connect_as(&admins.to_string(), &credentials).await?;
        Ok(Self { place, admin, credentials, agents, admins, stop })
    }

    /// One with an agent `worker` that is bound to these, each of which has a first version.
    pub(crate) async fn with_worker(engine: Engine, secrets: &[&str]) -> Result<Self> {
        Self::serving(engine).await?.worker(secrets).await
    }

    /// The same, where everybody may ask as often as he likes.
    pub(crate) async fn with_busy_worker(engine: Engine, secrets: &[&str]) -> Result<Self> {
        let all = [Role::Writer, Role::Reader, Role::Operator, Role::Auditor];
        Self::serving_for(engine, Roles::from(all)).await?.worker(secrets).await
    }

    async fn worker(self, secrets: &[&str]) -> Result<Self> {
        for secret in secrets {
            self.admin.put(secret, format!("{secret}-1").as_bytes()).await?;
        }
        self.admin.apply(&manifest("worker", secrets)).await?;
        Ok(self)
    }

    /// Stops the broker, as SIGTERM does.
    pub(crate) fn stop(&self) {
        self.stop.cancel();
    }

    /// A new instance of an agent.
    pub(crate) async fn enrolled(&self, agent: &str) -> Result<Credentials> {
        let token = self.admin.token(agent).await?;
        peer::enrolled(&self.agents.to_string(), &token).await
    }

    /// A connection to the agents' port.
    pub(crate) async fn agent_channel(&self, credentials: &Credentials) -> Result<Channel> {
        peer::identified(&self.agents.to_string(), credentials).await
    }

    /// A stream of a new instance of `worker`, after its welcome.
    pub(crate) async fn stream(&self, hello: Hello) -> Result<Stream> {
        let credentials = self.enrolled("worker").await?;
        let mut stream = Stream::open(self.agent_channel(&credentials).await?, hello).await?;
        match stream.next().await? {
            Message::Welcome(_) => Ok(stream),
            other => anyhow::bail!("no welcome: {other:?}"),
        }
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

async fn first_admin(place: &Place, roles: Roles) -> Result<Credentials> {
    let custody = place.open().await?;
    let request = CertificateRequest::generate()?;
    let key = parse_request(&request.der)?;
    let grant = custody.first_admin("ada", roles, key, 30 * 24 * 3600).await?;
    Ok(Credentials::new(grant.issued.chain, request.key, custody.trust_bundle()?)?)
}

/// A Hello of a sidecar that holds nothing.
pub(crate) fn hello() -> Hello {
    Hello {
        protocol_version: PROTOCOL_VERSION,
        client_version: "0.1.0".to_owned(),
        boot_id: Uuid::new_v4().to_string(),
        stream_seq: 1,
        message_bytes_max: 4 << 20,
        ..Hello::default()
    }
}

pub(crate) fn put_request(name: &str, value: &[u8]) -> PutSecretRequest {
    PutSecretRequest { name: name.to_owned(), value: value.to_vec(), ..PutSecretRequest::default() }
}

/// A watch stream, message by message.
pub(crate) struct Stream {
    requests: mpsc::Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
}

impl Stream {
    pub(crate) async fn open(channel: Channel, hello: Hello) -> Result<Self, Status> {
        Self::open_with(channel, watch_request::Message::Hello(hello)).await
    }

    pub(crate) async fn open_with(
        channel: Channel,
        first: watch_request::Message,
    ) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(16);
        let first = WatchRequest { message: Some(first) };
        requests.try_send(first).map_err(|error| Status::internal(error.to_string()))?;
        let mut client = WatchServiceClient::new(channel).max_decoding_message_size(8 << 20);
        let responses = client.watch(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { requests, responses })
    }

    pub(crate) async fn say(&self, message: watch_request::Message) -> Result<()> {
        let request = WatchRequest { message: Some(message) };
        self.requests.send(request).await.context("the stream has ended")
    }

    /// The next response, or what the stream ended with.
    pub(crate) async fn response(&mut self) -> Result<Option<WatchResponse>, Status> {
        let response = timeout(DEADLINE, self.responses.message()).await;
        response.unwrap_or_else(|_| Err(Status::deadline_exceeded("nothing came in time")))
    }

    pub(crate) async fn next(&mut self) -> Result<Message> {
        let response = self.response().await?.context("the stream ended")?;
        response.message.context("a response without a message")
    }

    /// The next manifest, in its parts; heartbeats are passed over.
    pub(crate) async fn parts(&mut self) -> Result<Vec<Manifest>> {
        let mut parts = Vec::new();
        loop {
            match self.next().await? {
                Message::Manifest(part) => {
                    let last = part.last;
                    parts.push(part);
                    if last {
                        return Ok(parts);
                    }
                }
                Message::Heartbeat(_) => {}
                other => anyhow::bail!("not a manifest: {other:?}"),
            }
        }
    }

    /// The next manifest, which has one part.
    pub(crate) async fn manifest(&mut self) -> Result<Manifest> {
        let parts = self.parts().await?;
        let [part]: [Manifest; 1] =
            parts.try_into().map_err(|_| anyhow::anyhow!("more than one part"))?;
        Ok(part)
    }

    /// The first manifest of a stream that was just opened.
    pub(crate) async fn manifest_after_welcome(&mut self) -> Result<Manifest> {
        match self.next().await? {
            Message::Welcome(_) => self.manifest().await,
            other => anyhow::bail!("no welcome: {other:?}"),
        }
    }

    pub(crate) async fn acknowledge(&self, nonce: i64) -> Result<()> {
        let ack = secretref_proto::v1::Ack { nonce, results: Vec::new() };
        self.say(watch_request::Message::Ack(ack)).await
    }
}

/// The fields that a refusal names.
pub(crate) fn fields(status: &Status) -> Vec<String> {
    let violations = status.get_details_bad_request().map(|it| it.field_violations);
    violations.unwrap_or_default().into_iter().map(|it| it.field).collect()
}

/// The reason that a refusal names for programs.
pub(crate) fn reason(status: &Status) -> String {
    status.get_details_error_info().map(|it| it.reason).unwrap_or_default()
}
