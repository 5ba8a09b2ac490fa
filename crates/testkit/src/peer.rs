//! A sidecar reduced to its wire: it joins, renews and watches, and does nothing by itself. For
//! the stories in which a peer has to do what no real sidecar would.

use anyhow::{Context, Result, bail};
use secretref_identity::{
    client::{CONNECT_TIMEOUT, ClientConfig, connect},
    clock::Clock,
    credentials::{Credentials, Holder, TrustBundle},
    join_token::JoinToken,
    request::CertificateRequest,
    subject::TrustDomain,
};
use secretref_proto::{
    PROTOCOL_VERSION,
    v1::{
        Ack, Evidence, Hello, IssuedCertificate, JoinRequest, Manifest, ManifestEntry,
        RenewRequest, Report, ResultState, SecretResult, WatchRequest, WatchResponse,
        enrolment_service_client::EnrolmentServiceClient, watch_request, watch_response::Message,
        watch_service_client::WatchServiceClient,
    },
};
use tokio::{sync::mpsc, time::timeout};
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Status, Streaming, transport::Channel};
use uuid::Uuid;

use crate::wait::DEADLINE;

/// A connection to the agents' listener that shows no certificate, and believes whoever a join
/// token points to.
///
/// # Errors
/// Where the token is none, or nobody answers.
pub async fn anonymous(address: &str, token: &str) -> Result<Channel> {
    let token = JoinToken::parse(token)?;
    let config = ClientConfig::pinned(token.fingerprint(), Clock::system())?;
    Ok(connect(address, Holder::fixed(config), CONNECT_TIMEOUT).await?)
}

/// A connection to the agents' listener with a certificate.
///
/// # Errors
/// Where the broker refuses.
pub async fn identified(address: &str, credentials: &Credentials) -> Result<Channel> {
    let config = ClientConfig::identified(credentials, Clock::system())?;
    Ok(connect(address, Holder::fixed(config), CONNECT_TIMEOUT).await?)
}

/// Trades a join token for an identity with this key.
///
/// # Errors
/// What the broker said.
pub async fn join(
    channel: Channel,
    token: &str,
    request: &CertificateRequest,
) -> Result<IssuedCertificate, Status> {
    let message =
        JoinRequest { token: token.to_owned(), certificate_request_der: request.der.clone() };
    let answer = EnrolmentServiceClient::new(channel).join(message).await?.into_inner();
    answer.issued.ok_or_else(|| Status::internal("the answer has no certificate"))
}

/// Joins with a new key and returns who one is now.
///
/// # Errors
/// What the broker said.
pub async fn enrolled(address: &str, token: &str) -> Result<Credentials> {
    let request = CertificateRequest::generate()?;
    let issued = join(anonymous(address, token).await?, token, &request).await?;
    credentials(issued, request)
}

/// Asks for a new certificate with the one at hand.
///
/// # Errors
/// What the broker said.
pub async fn renewed(address: &str, credentials_now: &Credentials) -> Result<Credentials> {
    let request = CertificateRequest::generate()?;
    let message = RenewRequest { certificate_request_der: request.der.clone() };
    let channel = identified(address, credentials_now).await?;
    let answer = EnrolmentServiceClient::new(channel).renew(message).await?.into_inner();
    credentials(answer.issued.context("the answer has no certificate")?, request)
}

/// What was issued, with the key that it was issued for.
///
/// # Errors
/// Where the two do not fit.
pub fn credentials(issued: IssuedCertificate, request: CertificateRequest) -> Result<Credentials> {
    let bundle = issued.trust_bundle.context("the answer has no roots")?;
    let roots = bundle.roots_der.into_iter().map(Into::into).collect();
    let trust = TrustBundle::new(TrustDomain::parse(&bundle.trust_domain)?, roots)?;
    let chain = issued.chain_der.into_iter().map(Into::into).collect();
    Ok(Credentials::new(chain, request.key, trust)?)
}

/// That an entry of a manifest is in place, in a file.
#[must_use]
pub fn applied(entry: &ManifestEntry) -> SecretResult {
    SecretResult {
        name: entry.name.clone(),
        version: entry.version,
        state: ResultState::Applied.into(),
        evidence: Evidence::Written.into(),
        ..SecretResult::default()
    }
}

/// That an entry of a manifest is not in place, or not yet, and why.
#[must_use]
pub fn result(entry: &ManifestEntry, state: ResultState, detail: &str) -> SecretResult {
    SecretResult {
        state: state.into(),
        evidence: Evidence::Unspecified.into(),
        detail: detail.to_owned(),
        ..applied(entry)
    }
}

/// A watch stream.
pub struct Watcher {
    requests: mpsc::Sender<WatchRequest>,
    responses: Streaming<WatchResponse>,
}

impl Watcher {
    /// Opens a stream and says hello, holding nothing.
    ///
    /// # Errors
    /// Where the broker refuses.
    pub async fn open(address: &str, credentials: &Credentials) -> Result<Self> {
        let channel = identified(address, credentials).await?;
        Ok(Self::open_on(channel).await?)
    }

    /// As [`Watcher::open`], on a connection that is there.
    ///
    /// # Errors
    /// What the broker said.
    pub async fn open_on(channel: Channel) -> Result<Self, Status> {
        let (requests, outgoing) = mpsc::channel(16);
        let hello = Hello {
            protocol_version: PROTOCOL_VERSION,
            client_version: env!("CARGO_PKG_VERSION").to_owned(),
            boot_id: Uuid::new_v4().to_string(),
            stream_seq: 1,
            message_bytes_max: 4 << 20,
            ..Hello::default()
        };
        let hello = WatchRequest { message: Some(watch_request::Message::Hello(hello)) };
        // The channel has room for it.
        requests.try_send(hello).map_err(|error| Status::internal(error.to_string()))?;
        let mut client = WatchServiceClient::new(channel).max_decoding_message_size(8 << 20);
        let responses = client.watch(ReceiverStream::new(outgoing)).await?.into_inner();
        Ok(Self { requests, responses })
    }

    /// The next message; nothing at the end of the stream.
    ///
    /// # Errors
    /// What the stream was ended with, or that nothing came in time.
    pub async fn next(&mut self) -> Result<Option<Message>> {
        let frame = timeout(DEADLINE, self.responses.message()).await;
        match frame.context("the broker said nothing in time")?? {
            None => Ok(None),
            Some(WatchResponse { message: Some(message), .. }) => Ok(Some(message)),
            Some(_) => bail!("a frame without a message"),
        }
    }

    /// Passes over what comes before the next whole manifest, and returns its entries.
    ///
    /// # Errors
    /// Where the stream ends without one.
    pub async fn manifest(&mut self) -> Result<(i64, Vec<ManifestEntry>)> {
        let mut entries = Vec::new();
        while let Some(message) = self.next().await? {
            if let Message::Manifest(Manifest { nonce, last, entries: part, .. }) = message {
                entries.extend(part);
                if last {
                    return Ok((nonce, entries));
                }
            }
        }
        bail!("the stream ended without a manifest")
    }

    /// Says that everything of a manifest is in place.
    ///
    /// # Errors
    /// Where the stream has ended.
    pub async fn acknowledge(&self, nonce: i64, entries: &[ManifestEntry]) -> Result<()> {
        let results = entries.iter().map(applied).collect();
        self.say(watch_request::Message::Ack(Ack { nonce, results })).await
    }

    /// Says that a manifest arrived, and nothing of what became of it.
    ///
    /// # Errors
    /// Where the stream has ended.
    pub async fn receive(&self, nonce: i64) -> Result<()> {
        self.say(watch_request::Message::Ack(Ack { nonce, results: Vec::new() })).await
    }

    /// Says, unasked, what became of secrets.
    ///
    /// # Errors
    /// Where the stream has ended.
    pub async fn report(&self, results: Vec<SecretResult>) -> Result<()> {
        self.say(watch_request::Message::Report(Report { results, ..Report::default() })).await
    }

    /// Says something.
    ///
    /// # Errors
    /// Where the stream has ended.
    pub async fn say(&self, message: watch_request::Message) -> Result<()> {
        let request = WatchRequest { message: Some(message) };
        self.requests.send(request).await.context("the stream has ended")
    }

    /// Everything that still comes until the stream ends, in order or not.
    ///
    /// # Errors
    /// Where it does not end in time.
    pub async fn rest(&mut self) -> Result<Vec<Message>> {
        let mut rest = Vec::new();
        let all = async {
            // A status is an end like any other.
            while let Ok(Some(frame)) = self.responses.message().await {
                rest.extend(frame.message);
            }
        };
        timeout(DEADLINE, all).await.context("the stream was not ended")?;
        Ok(rest)
    }
}
