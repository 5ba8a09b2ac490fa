//! The sidecar's and the administrator's side of a connection.

mod connect;
mod verifier;

pub use connect::{CONNECT_TIMEOUT, ConnectError, Refusal, connect, connect_lazy, dial};

use crate::{
    clock::Clock,
    credentials::Credentials,
    provider::{ALPN, provider},
    subject::Subject,
};
use rustls::{client::Resumption, sign::SingleCertAndKey, version::TLS13};
use std::sync::Arc;
use verifier::{BrokerVerifier, Trust};

/// Everything that a client needs to reach a broker: whom it believes, and who it is. It is
/// swapped whole; a connection that is open keeps what it was opened with.
pub struct ClientConfig {
    tls: Arc<rustls::ClientConfig>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub enum ClientConfigError {
    /// The certificate is a broker's.
    #[error("the certificate is for {0:?}; an agent's or an administrator's is wanted")]
    NotAClient(Subject),
    /// TLS does not take what was given.
    #[error("TLS cannot be set up: {0}")]
    Tls(#[from] rustls::Error),
}

impl ClientConfig {
    /// A client that is somebody: an agent or an administrator. It believes the roots of its
    /// credentials, and takes any broker of their trust domain, whatever the address is called.
    ///
    /// The name in the address is **not** compared with the certificate. The authority is private
    /// and certifies brokers only for being brokers, so the SPIFFE id says all that a DNS name
    /// would; and a broker that is reached through another name, an address or a forwarded port
    /// is still the same broker.
    ///
    /// # Errors
    /// [`ClientConfigError`] where the credentials are a broker's.
    pub fn identified(credentials: &Credentials, clock: Clock) -> Result<Self, ClientConfigError> {
        if matches!(credentials.subject(), Subject::Broker { .. }) {
            return Err(ClientConfigError::NotAClient(credentials.subject()));
        }
        let who = SingleCertAndKey::from(Arc::clone(credentials.certified()));
        let builder = builder(Trust::Roots(credentials.trust().clone()), clock)?;
        Ok(Self::finish(builder.with_client_cert_resolver(Arc::new(who))))
    }

    /// A client that is nobody yet, and knows of the authority only the fingerprint of its root
    /// key, from a join token. The root itself has to come in the broker's chain; the broker's
    /// trust domain is taken as it comes. Enough to join, and nothing else is open to it.
    ///
    /// # Errors
    /// [`ClientConfigError`] where TLS cannot be set up.
    pub fn pinned(root_spki_sha256: [u8; 32], clock: Clock) -> Result<Self, ClientConfigError> {
        let builder = builder(Trust::Pin(root_spki_sha256), clock)?;
        Ok(Self::finish(builder.with_no_client_auth()))
    }

    fn finish(mut tls: rustls::ClientConfig) -> Self {
        tls.alpn_protocols = vec![ALPN.to_vec()];
        tls.resumption = Resumption::disabled();
        tls.enable_early_data = false;
        Self { tls: Arc::new(tls) }
    }
}

type Builder = rustls::ConfigBuilder<rustls::ClientConfig, rustls::client::WantsClientCert>;

fn builder(trust: Trust, clock: Clock) -> Result<Builder, rustls::Error> {
    Ok(rustls::ClientConfig::builder_with_details(provider(), Arc::new(clock))
        .with_protocol_versions(&[&TLS13])?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(BrokerVerifier::new(trust))))
}
