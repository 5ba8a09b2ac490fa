//! What a binary has to show, and whom it believes.

mod private_key;
mod publisher;

pub use private_key::{KeyError, PrivateKey};
pub use publisher::{Holder, Publisher, publisher};

use crate::{
    certificate::{self, CHAIN_LENGTH_MAX, Malformed, Validity},
    peer::{Peer, PeerError, Serial},
    subject::{Subject, TrustDomain},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    pki_types::{CertificateDer, pem::PemObject},
    sign::CertifiedKey,
};
use std::sync::Arc;

/// Most bytes of a PEM text that is read: a chain of the longest kind, four thirds for base64,
/// and room for comments.
pub const PEM_BYTES_MAX: usize = 128 * 1024;

/// Whom a binary believes: its trust domain and the root certificates of the authority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrustBundle {
    domain: TrustDomain,
    roots: Vec<CertificateDer<'static>>,
}

/// A certificate chain with its key, and whom its holder believes. Files and databases are the
/// caller's: this takes and gives PEM.
pub struct Credentials {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKey,
    trust: TrustBundle,
    leaf: Peer,
    certified: Arc<CertifiedKey>,
}

/// Why credentials were refused.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The text has no certificate, or something in it cannot be read.
    #[error("{what} is not PEM with 1 to {CHAIN_LENGTH_MAX} certificates: {why}")]
    Pem {
        /// Which of the texts.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// A root cannot be read.
    #[error("a root certificate is unusable: {0}")]
    Root(#[from] Malformed),
    /// A root is no authority.
    #[error("a root certificate is not that of an authority (CA:TRUE is missing)")]
    NotAnAuthority,
    /// The leaf names no one of ours.
    #[error("the certificate is unusable: {0}")]
    Leaf(#[from] PeerError),
    /// The private key cannot be used.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// The private key belongs to another certificate.
    #[error(
        "the private key does not belong to the certificate; give the two that were made together"
    )]
    KeyMismatch,
}

impl TrustBundle {
    /// Believes these roots, for this trust domain.
    ///
    /// # Errors
    /// [`CredentialsError`] where there are none or too many, or one is not an authority's.
    pub fn new(
        domain: TrustDomain,
        roots: Vec<CertificateDer<'static>>,
    ) -> Result<Self, CredentialsError> {
        check_count("the trust bundle", roots.len())?;
        for root in &roots {
            if !certificate::is_authority(&certificate::parse(root)?) {
                return Err(CredentialsError::NotAnAuthority);
            }
        }
        Ok(Self { domain, roots })
    }

    /// Believes the roots of a PEM text.
    ///
    /// # Errors
    /// [`CredentialsError`] where the text or a root in it is wrong.
    pub fn from_pem(domain: TrustDomain, pem: &str) -> Result<Self, CredentialsError> {
        Self::new(domain, certificates("the trust bundle", pem)?)
    }

    /// The trust domain.
    #[must_use]
    pub fn domain(&self) -> &TrustDomain {
        &self.domain
    }

    /// The root certificates, at least one.
    #[must_use]
    pub fn roots(&self) -> &[CertificateDer<'static>] {
        &self.roots
    }

    /// Whether one of the roots has the key with this fingerprint. Whoever joined by a pin asks
    /// this of the bundle that came back, before believing it.
    #[must_use]
    pub fn has_root(&self, spki_sha256: &[u8; 32]) -> bool {
        self.roots
            .iter()
            .any(|root| certificate::spki_sha256(root).is_ok_and(|found| found == *spki_sha256))
    }

    /// The roots as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem(&self.roots)
    }
}

impl Credentials {
    /// Puts together a chain (leaf first, then its intermediates, without the root), the key of
    /// its leaf and whom to believe. Whether the leaf is still valid is not asked: an expired
    /// certificate may still renew.
    ///
    /// # Errors
    /// [`CredentialsError`] where the leaf names no one in the bundle's trust domain, or the key is
    /// not the leaf's.
    pub fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKey,
        trust: TrustBundle,
    ) -> Result<Self, CredentialsError> {
        check_count("the certificate chain", chain.len())?;
        // The standing depends on the time of asking, so it is not kept: any time will do here.
        let leaf = Peer::from_certificate(&chain[0], &trust.domain, i64::MIN)?;
        let certified = CertifiedKey::new(chain.clone(), key.signing_key()?);
        certified.keys_match().map_err(|_| CredentialsError::KeyMismatch)?;
        Ok(Self { chain, key, trust, leaf, certified: Arc::new(certified) })
    }

    /// Reads a chain and its key from PEM.
    ///
    /// # Errors
    /// As [`Credentials::new`], and where a text is wrong. The key's text is never quoted.
    pub fn from_pem(
        chain_pem: &str,
        key_pem: &str,
        trust: TrustBundle,
    ) -> Result<Self, CredentialsError> {
        let chain = certificates("the certificate chain", chain_pem)?;
        Self::new(chain, PrivateKey::from_pem(key_pem)?, trust)
    }

    /// The chain as PEM, leaf first.
    #[must_use]
    pub fn chain_pem(&self) -> String {
        pem(&self.chain)
    }

    /// The key of the leaf.
    #[must_use]
    pub fn key(&self) -> &PrivateKey {
        &self.key
    }

    /// Whom these credentials believe.
    #[must_use]
    pub fn trust(&self) -> &TrustBundle {
        &self.trust
    }

    /// Whom the leaf is for.
    #[must_use]
    pub fn subject(&self) -> Subject {
        self.leaf.subject
    }

    /// The serial number of the leaf.
    #[must_use]
    pub fn serial(&self) -> Serial {
        self.leaf.serial
    }

    /// When the leaf is valid.
    #[must_use]
    pub fn validity(&self) -> Validity {
        Validity { not_before: self.leaf.not_before, not_after: self.leaf.not_after }
    }

    /// Chain and key as rustls takes them.
    pub(crate) fn certified(&self) -> &Arc<CertifiedKey> {
        &self.certified
    }
}

/// Reads certificates from PEM; other blocks are an error, so that a key file given by mistake is
/// named as one.
fn certificates(
    what: &'static str,
    pem: &str,
) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let wrong = |why: String| CredentialsError::Pem { what, why };
    if pem.len() > PEM_BYTES_MAX {
        return Err(wrong(format!("it has {} bytes, more than {PEM_BYTES_MAX}", pem.len())));
    }
    if pem.contains("PRIVATE KEY") {
        return Err(wrong("it has a private key, which belongs into a file of its own".to_owned()));
    }
    let found = CertificateDer::pem_slice_iter(pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| wrong(error.to_string()))?;
    check_count(what, found.len())?;
    Ok(found)
}

fn check_count(what: &'static str, found: usize) -> Result<(), CredentialsError> {
    if (1..=CHAIN_LENGTH_MAX).contains(&found) {
        return Ok(());
    }
    Err(CredentialsError::Pem { what, why: format!("it has {found} certificates") })
}

/// RFC 7468: base64 in lines of 64.
fn pem(certificates: &[CertificateDer<'_>]) -> String {
    let mut text = String::new();
    for certificate in certificates {
        text.push_str("-----BEGIN CERTIFICATE-----\n");
        let encoded = BASE64_STANDARD.encode(certificate);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END CERTIFICATE-----\n");
    }
    text
}

#[cfg(test)]
mod tests;
