//! An identity as a file.

use rustls_pki_types::CertificateDer;
use secretref_domain::name::{AgentName, EnvironmentName, NameError};
use secretref_identity::{
    certificate::Validity,
    credentials::{Credentials, CredentialsError, KeyError, PrivateKey, TrustBundle},
    request::CertificateRequest,
    subject::{Subject, SubjectError, TrustDomain},
};
use secretref_proto::v1;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Who this sidecar is.
pub struct Identity {
    /// Name of its agent.
    pub agent: AgentName,
    /// Environment of its agent.
    pub environment: EnvironmentName,
    /// Its certificate and key, and whom it believes.
    pub credentials: Credentials,
    /// Which copy of the agent it is.
    pub instance: Uuid,
}

/// Why an identity cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file is no such file.
    #[error("it is not what a sidecar writes ({0})")]
    Json(serde_json::Error),
    /// It was written by a sidecar of another time.
    #[error("it is of format {0}; this sidecar reads format {FORMAT}")]
    Format(u32),
    /// A name in it is outside its grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The trust domain in it is none.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// Certificate, key or roots cannot be used.
    #[error(transparent)]
    Credentials(#[from] CredentialsError),
    /// The key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The certificate is another kind than an agent's, or names another instance.
    #[error("the certificate is not for this instance of an agent")]
    NotThisInstance,
    /// The broker left something out.
    #[error("the broker's answer has no {0}")]
    Missing(&'static str),
    /// The roots that came are not those that the token named.
    #[error("the broker's roots do not include the one that the join token names")]
    OtherAuthority,
}

impl Identity {
    /// Puts together what a broker issued for a key.
    ///
    /// # Errors
    /// [`IdentityError`] where it does not fit together.
    pub fn issued(
        issued: v1::IssuedCertificate,
        key: PrivateKey,
        agent: AgentName,
        environment: EnvironmentName,
    ) -> Result<Self, IdentityError> {
        let bundle = issued.trust_bundle.ok_or(IdentityError::Missing("trust bundle"))?;
        let chain = issued.chain_der.into_iter().map(CertificateDer::from).collect();
        let credentials = Credentials::new(chain, key, trust(bundle)?)?;
        let identity = Self::new(agent, environment, credentials)?;
        if issued.instance != identity.instance.to_string() {
            return Err(IdentityError::NotThisInstance);
        }
        Ok(identity)
    }

    /// The same identity, believing other roots.
    ///
    /// # Errors
    /// [`IdentityError`] where the roots cannot be used.
    pub fn believing(&self, bundle: v1::TrustBundle) -> Result<Self, IdentityError> {
        let trust = trust(bundle)?;
        let key = self.credentials.key().expose_pem();
        let credentials = Credentials::from_pem(&self.credentials.chain_pem(), &key, trust)?;
        Self::new(self.agent.clone(), self.environment.clone(), credentials)
    }

    /// When its certificate is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        self.credentials.validity()
    }

    pub(super) fn parse(bytes: &[u8]) -> Result<Self, IdentityError> {
        let file: File = serde_json::from_slice(bytes).map_err(IdentityError::Json)?;
        let key = Zeroizing::new(file.key);
        if file.format != FORMAT {
            return Err(IdentityError::Format(file.format));
        }
        let trust = TrustBundle::from_pem(TrustDomain::parse(&file.trust_domain)?, &file.roots)?;
        let credentials = Credentials::from_pem(&file.chain, &key, trust)?;
        Self::new(
            AgentName::parse(&file.agent)?,
            EnvironmentName::parse(&file.environment)?,
            credentials,
        )
    }

    pub(super) fn encode(&self) -> Zeroizing<Vec<u8>> {
        let key = self.credentials.key().expose_pem();
        encode(&FileRef {
            format: FORMAT,
            agent: self.agent.as_str(),
            environment: self.environment.as_str(),
            trust_domain: self.credentials.trust().domain().as_str(),
            chain: &self.credentials.chain_pem(),
            roots: &self.credentials.trust().to_pem(),
            key: &key,
        })
    }

    fn new(
        agent: AgentName,
        environment: EnvironmentName,
        credentials: Credentials,
    ) -> Result<Self, IdentityError> {
        let Subject::Agent { instance, .. } = credentials.subject() else {
            return Err(IdentityError::NotThisInstance);
        };
        Ok(Self { agent, environment, credentials, instance })
    }
}

/// A key whose join was begun, with the request that was made for it.
pub(super) struct PendingSlot;

impl PendingSlot {
    pub(super) fn parse(bytes: &[u8]) -> Result<CertificateRequest, IdentityError> {
        let file: PendingFile = serde_json::from_slice(bytes).map_err(IdentityError::Json)?;
        let key = Zeroizing::new(file.key);
        if file.format != FORMAT {
            return Err(IdentityError::Format(file.format));
        }
        Ok(CertificateRequest { key: PrivateKey::from_pem(&key)?, der: file.request })
    }

    pub(super) fn encode(request: &CertificateRequest) -> Zeroizing<Vec<u8>> {
        let key = request.key.expose_pem();
        encode(&PendingFileRef { format: FORMAT, request: &request.der, key: &key })
    }
}

fn trust(bundle: v1::TrustBundle) -> Result<TrustBundle, IdentityError> {
    let domain = TrustDomain::parse(&bundle.trust_domain)?;
    let roots = bundle.roots_der.into_iter().map(CertificateDer::from).collect();
    Ok(TrustBundle::new(domain, roots)?)
}

fn encode(file: &impl Serialize) -> Zeroizing<Vec<u8>> {
    // Room for all of it from the start: a buffer that grows leaves copies of the key behind.
    let mut bytes = Zeroizing::new(Vec::with_capacity(64 * 1024));
    let written = serde_json::to_writer(&mut *bytes, file);
    debug_assert!(written.is_ok(), "strings and numbers always become JSON in memory");
    bytes
}

#[derive(Deserialize)]
struct File {
    format: u32,
    agent: String,
    environment: String,
    trust_domain: String,
    chain: String,
    roots: String,
    key: String,
}

#[derive(Serialize)]
struct FileRef<'a> {
    format: u32,
    agent: &'a str,
    environment: &'a str,
    trust_domain: &'a str,
    chain: &'a str,
    roots: &'a str,
    key: &'a str,
}

#[derive(Deserialize)]
struct PendingFile {
    format: u32,
    request: Vec<u8>,
    key: String,
}

#[derive(Serialize)]
struct PendingFileRef<'a> {
    format: u32,
    request: &'a [u8],
    key: &'a str,
}

const FORMAT: u32 = 1;
