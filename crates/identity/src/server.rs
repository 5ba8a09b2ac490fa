//! The broker's side of a connection: who may come in, and who came.

mod verifier;

pub use verifier::EXPIRED_GRACE_SECONDS;

use crate::{
    certificate::{self, CHAIN_LENGTH_MAX, Malformed},
    clock::Clock,
    credentials::Credentials,
    peer::{Peer, PeerError},
    provider::{ALPN, provider},
    subject::{Subject, TrustDomain},
};
use rustls::{
    AlertDescription, RootCertStore,
    pki_types::CertificateDer,
    server::{NoServerSessionStorage, VerifierBuilderError},
    sign::SingleCertAndKey,
    version::TLS13,
};
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    time::timeout,
};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use verifier::{ClientVerifier, Door};

/// Everything that a listener needs to take a connection. It is swapped whole, so a new server
/// certificate and new anchors are seen together, by the next connection. Make a new one whenever
/// either was renewed: anchors that are not valid at the time of making are left out.
pub struct ServerConfig {
    tls: Arc<rustls::ServerConfig>,
    domain: TrustDomain,
    clock: Clock,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ServerConfigError {
    /// The server's certificate is for somebody else.
    #[error("the server's certificate is for {0:?}; a broker's is wanted")]
    NotABroker(Subject),
    /// The chain that would be presented is longer than clients read.
    #[error("chain and roots are {0} certificates; clients read at most {CHAIN_LENGTH_MAX}")]
    ChainTooLong(usize),
    /// No anchor is valid now.
    #[error("no authority for client certificates is valid now; renew the intermediates")]
    NoAnchors,
    /// An anchor cannot be read.
    #[error("an authority for client certificates is unusable: {0}")]
    Anchor(#[from] Malformed),
    /// TLS does not take what was given.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
    /// The verifier does not take what was given.
    #[error("client certificates cannot be verified: {0}")]
    Verifier(#[from] VerifierBuilderError),
}

/// Why a connection was not taken.
#[derive(Debug, thiserror::Error)]
pub enum AcceptError {
    /// The client took too long.
    #[error("the handshake was not finished within {0:?}")]
    TimedOut(Duration),
    /// The client went away.
    #[error("the connection broke during the handshake: {0}")]
    Broken(#[source] io::Error),
    /// We refused the client: its certificate, its version of TLS, or what it sent.
    #[error("the client was refused: {0}")]
    Refused(#[source] rustls::Error),
    /// The client refused us, and said so.
    #[error("the client refused this server: {0:?}")]
    RefusedByClient(AlertDescription),
    /// The client did not offer HTTP/2.
    #[error("the client did not offer HTTP/2 (ALPN h2)")]
    NoHttp2,
    /// The certificate was verified, but names no one of ours.
    #[error("the client was refused: {0}")]
    Peer(#[from] PeerError),
}

impl ServerConfig {
    /// The agents' port. A client without a certificate comes in as nobody (`None` from
    /// [`accept`]), and its caller lets it join and nothing else. One with a certificate must be
    /// an agent under one of `anchors`: the intermediates that issue to agents, and not the root,
    /// so that nothing else under the root passes. A certificate that ended at most
    /// [`EXPIRED_GRACE_SECONDS`] ago comes in as expired.
    ///
    /// # Errors
    /// [`ServerConfigError`] where credentials or anchors are unusable.
    pub fn for_agents(
        credentials: &Credentials,
        anchors: &[CertificateDer<'_>],
        clock: Clock,
    ) -> Result<Self, ServerConfigError> {
        Self::new(credentials, anchors, clock, Door::Agents)
    }

    /// The administrators' port. A certificate is required; it must be valid now, and an
    /// administrator's under one of `anchors`.
    ///
    /// # Errors
    /// [`ServerConfigError`] where credentials or anchors are unusable.
    pub fn for_admins(
        credentials: &Credentials,
        anchors: &[CertificateDer<'_>],
        clock: Clock,
    ) -> Result<Self, ServerConfigError> {
        Self::new(credentials, anchors, clock, Door::Admins)
    }

    fn new(
        credentials: &Credentials,
        anchors: &[CertificateDer<'_>],
        clock: Clock,
        door: Door,
    ) -> Result<Self, ServerConfigError> {
        if !matches!(credentials.subject(), Subject::Broker { .. }) {
            return Err(ServerConfigError::NotABroker(credentials.subject()));
        }
        let domain = credentials.trust().domain().clone();
        let anchors = valid_anchors(anchors, clock.now())?;
        let verifier = ClientVerifier::new(anchors, door, domain.clone())?;
        let mut certified = (**credentials.certified()).clone();
        // Whoever joins knows the root by its fingerprint only, so the root goes along.
        certified.cert.extend(credentials.trust().roots().iter().cloned());
        if certified.cert.len() > CHAIN_LENGTH_MAX {
            return Err(ServerConfigError::ChainTooLong(certified.cert.len()));
        }
        let mut tls =
            rustls::ServerConfig::builder_with_details(provider(), Arc::new(clock.clone()))
                .with_protocol_versions(&[&TLS13])?
                .with_client_cert_verifier(Arc::new(verifier))
                .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
        tls.alpn_protocols = vec![ALPN.to_vec()];
        // Every connection asks the verifier. A resumed one would not.
        tls.session_storage = Arc::new(NoServerSessionStorage {});
        tls.send_tls13_tickets = 0;
        tls.max_early_data_size = 0;
        Ok(Self { tls: Arc::new(tls), domain, clock })
    }
}

/// Takes one connection: the handshake, HTTP/2, and who it is. `None` is a client that showed no
/// certificate, which the agents' port alone lets through.
///
/// # Errors
/// [`AcceptError`]; the connection is closed then.
pub async fn accept<IO: AsyncRead + AsyncWrite + Unpin>(
    stream: IO,
    config: &ServerConfig,
    handshake_timeout: Duration,
) -> Result<(TlsStream<IO>, Option<Peer>), AcceptError> {
    let acceptor = TlsAcceptor::from(Arc::clone(&config.tls));
    let stream = match timeout(handshake_timeout, acceptor.accept(stream)).await {
        Err(_) => return Err(AcceptError::TimedOut(handshake_timeout)),
        Ok(Err(error)) => return Err(failure(error)),
        Ok(Ok(stream)) => stream,
    };
    let session = stream.get_ref().1;
    if session.alpn_protocol() != Some(ALPN) {
        return Err(AcceptError::NoHttp2);
    }
    let peer = match session.peer_certificates() {
        Some([leaf, ..]) => Some(Peer::from_certificate(leaf, &config.domain, config.clock.now())?),
        _ => None,
    };
    Ok((stream, peer))
}

/// Only authorities, and only those that are valid now: webpki does not look at an anchor's dates.
fn valid_anchors(
    anchors: &[CertificateDer<'_>],
    now: i64,
) -> Result<RootCertStore, ServerConfigError> {
    let mut store = RootCertStore::empty();
    for anchor in anchors {
        let certificate = certificate::parse(anchor)?;
        if certificate::is_authority(&certificate)
            && certificate::validity_of(&certificate).contains(now)
        {
            store.add(anchor.clone().into_owned())?;
        }
    }
    if store.is_empty() { Err(ServerConfigError::NoAnchors) } else { Ok(store) }
}

/// tokio-rustls hides what TLS said inside an `io::Error`.
fn failure(error: io::Error) -> AcceptError {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::AlertReceived(alert)) => AcceptError::RefusedByClient(*alert),
        Some(refused) => AcceptError::Refused(refused.clone()),
        None => AcceptError::Broken(error),
    }
}
