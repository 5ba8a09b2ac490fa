//! Who is at the other end, read from the verified certificate and nothing else.

use crate::{
    certificate::{self, Malformed, sha256},
    request::is_certified,
    subject::{Subject, SubjectError, TrustDomain},
};
use rustls::pki_types::CertificateDer;
use std::fmt;
use x509_parser::{
    oid_registry::{
        OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER, OID_X509_EXT_BASIC_CONSTRAINTS,
        OID_X509_EXT_EXTENDED_KEY_USAGE, OID_X509_EXT_KEY_USAGE, OID_X509_EXT_SUBJECT_ALT_NAME,
        OID_X509_EXT_SUBJECT_KEY_IDENTIFIER, Oid,
    },
    prelude::{GeneralName, X509Certificate},
};

/// A peer, as its verified certificate says. Read once when the connection is accepted; whoever
/// asks later asks this.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// Whom the certificate is for.
    pub subject: Subject,
    /// The certificate's serial number.
    pub serial: Serial,
    /// First second of the certificate, since the epoch.
    pub not_before: i64,
    /// Last second of the certificate, since the epoch.
    pub not_after: i64,
    /// SHA-256 of the certificate's subject public key info.
    pub spki_sha256: [u8; 32],
    /// Whether the certificate was still valid when it was read.
    pub standing: Standing,
}

/// Whether a certificate was valid when its peer connected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// It was. A connection may outlive it: who holds one open watches [`Peer::not_after`].
    Valid,
    /// It had ended, at most [`EXPIRED_GRACE_SECONDS`](crate::server::EXPIRED_GRACE_SECONDS)
    /// before. Such a peer may renew and do nothing else.
    Expired,
}

/// A certificate's serial number: 16 bytes, random, positive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Serial([u8; 16]);

/// Why a certificate names no peer of ours, although its chain may be sound.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PeerError {
    /// It cannot be read.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// It has an extension twice, or one that cannot be read.
    #[error("the certificate's {0} cannot be read or stands there twice")]
    Extension(&'static str),
    /// It has an extension that none of ours has: what is not read may mean something to somebody.
    #[error("the certificate has the extension {0}, which none of ours has")]
    Foreign(String),
    /// Its key is of a kind that is not certified here.
    #[error("the certificate's key is neither on P-256 nor Ed25519")]
    Key,
    /// It does not have exactly one URI.
    #[error(
        "the certificate has {0} URI names; exactly one is wanted, the SPIFFE id (a common name \
         means nothing here)"
    )]
    Uris(usize),
    /// The URI is no name of ours.
    #[error(transparent)]
    Subject(#[from] SubjectError),
    /// It carries names besides the URI, which only a broker's may.
    #[error("the certificate has other names besides its URI; only a broker's has those")]
    OtherNames,
    /// It is not for what its subject does.
    #[error(
        "the certificate's extended key usage is not exactly {wanted}, which is what its name is \
         for"
    )]
    Purpose {
        /// The purpose that its name asks for.
        wanted: &'static str,
    },
    /// It may sign certificates, or may not sign handshakes.
    #[error("the certificate is not for signing handshakes only (digitalSignature, CA:FALSE)")]
    KeyUsage,
    /// Its serial number is none of ours.
    #[error("the certificate's serial number is not a positive number of 16 bytes")]
    Serial,
    /// It is sound, but not for this door.
    #[error("the certificate is for {found}; this port is for {wanted}")]
    Door {
        /// Whom it is for.
        found: &'static str,
        /// Who may come in.
        wanted: &'static str,
    },
}

impl Peer {
    /// Reads the peer from a leaf certificate **that was verified**: the chain is not looked at
    /// here. `now` decides the [`Standing`] only.
    ///
    /// # Errors
    /// [`PeerError`] where the certificate names no one of ours.
    pub fn from_certificate(
        leaf: &CertificateDer<'_>,
        domain: &TrustDomain,
        now: i64,
    ) -> Result<Self, PeerError> {
        let certificate = certificate::parse(leaf)?;
        check_extensions(&certificate)?;
        if !is_certified(certificate.public_key().raw) {
            return Err(PeerError::Key);
        }
        let (uri, other_names) = names(&certificate)?;
        let subject = Subject::parse(&uri, domain)?;
        if other_names && !matches!(subject, Subject::Broker { .. }) {
            return Err(PeerError::OtherNames);
        }
        check_purpose(&certificate, &subject)?;
        check_key_usage(&certificate)?;
        let certificate::Validity { not_before, not_after } =
            certificate::validity_of(&certificate);
        Ok(Self {
            subject,
            serial: Serial::from_der(certificate.raw_serial()).ok_or(PeerError::Serial)?,
            not_before,
            not_after,
            spki_sha256: sha256(certificate.public_key().raw),
            standing: if now > not_after { Standing::Expired } else { Standing::Valid },
        })
    }
}

impl Serial {
    /// Makes a serial number from 16 random bytes: positive, and always 16 bytes long in DER, so
    /// the first byte is forced into 0x40 to 0x7f; 126 bits stay random.
    #[must_use]
    pub fn from_random(mut bytes: [u8; 16]) -> Self {
        bytes[0] = (bytes[0] & 0x3f) | 0x40;
        Self(bytes)
    }

    /// Takes the bytes of a serial number that was issued.
    #[must_use]
    pub fn from_bytes(bytes: [u8; 16]) -> Option<Self> {
        (0x40..0x80).contains(&bytes[0]).then_some(Self(bytes))
    }

    /// The bytes, most significant first.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 16] {
        &self.0
    }

    fn from_der(integer: &[u8]) -> Option<Self> {
        Self::from_bytes(integer.try_into().ok()?)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The one URI of a certificate.
pub(crate) fn uri(certificate: &X509Certificate<'_>) -> Result<String, PeerError> {
    Ok(names(certificate)?.0)
}

/// The one URI, and whether there are names of other kinds.
fn names(certificate: &X509Certificate<'_>) -> Result<(String, bool), PeerError> {
    let names = certificate
        .subject_alternative_name()
        .map_err(|_| PeerError::Extension("subject alternative name"))?
        .map_or(&[][..], |extension| &extension.value.general_names);
    let uris: Vec<_> = names
        .iter()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        })
        .collect();
    match uris[..] {
        [uri] => Ok((uri.to_owned(), names.len() > 1)),
        _ => Err(PeerError::Uris(uris.len())),
    }
}

/// Each extension is one that ours have, and stands there once.
fn check_extensions(certificate: &X509Certificate<'_>) -> Result<(), PeerError> {
    let extensions = certificate.extensions();
    for (at, extension) in extensions.iter().enumerate() {
        if !EXTENSIONS.contains(&extension.oid) {
            return Err(PeerError::Foreign(extension.oid.to_id_string()));
        }
        if extensions[..at].iter().any(|before| before.oid == extension.oid) {
            return Err(PeerError::Extension("extension"));
        }
    }
    Ok(())
}

/// An extended key usage has to be there, and to be the one that the name asks for, to the byte:
/// webpki takes a certificate without any for every purpose.
fn check_purpose(certificate: &X509Certificate<'_>, subject: &Subject) -> Result<(), PeerError> {
    let (wanted, der) = match subject {
        Subject::Broker { .. } => ("serverAuth", SERVER_AUTH),
        Subject::Agent { .. } | Subject::Admin { .. } => ("clientAuth", CLIENT_AUTH),
    };
    let mut extensions = certificate.extensions().iter();
    let usage = extensions.find(|extension| extension.oid == OID_X509_EXT_EXTENDED_KEY_USAGE);
    if usage.is_some_and(|usage| usage.value == der) {
        Ok(())
    } else {
        Err(PeerError::Purpose { wanted })
    }
}

fn check_key_usage(certificate: &X509Certificate<'_>) -> Result<(), PeerError> {
    let basic =
        certificate.basic_constraints().map_err(|_| PeerError::Extension("basic constraints"))?;
    let usage = certificate.key_usage().map_err(|_| PeerError::Extension("key usage"))?;
    let signs_certificates = basic.is_some_and(|extension| extension.value.ca);
    // Bit 0 of the extension is digitalSignature (RFC 5280, section 4.2.1.3); nothing besides.
    let signs_handshakes_only = usage.is_some_and(|extension| extension.value.flags == 1);
    if signs_certificates || !signs_handshakes_only {
        return Err(PeerError::KeyUsage);
    }
    Ok(())
}

/// What ours have, and nothing else.
const EXTENSIONS: [Oid<'static>; 6] = [
    OID_X509_EXT_SUBJECT_ALT_NAME,
    OID_X509_EXT_KEY_USAGE,
    OID_X509_EXT_EXTENDED_KEY_USAGE,
    OID_X509_EXT_BASIC_CONSTRAINTS,
    OID_X509_EXT_AUTHORITY_KEY_IDENTIFIER,
    OID_X509_EXT_SUBJECT_KEY_IDENTIFIER,
];
/// An extended key usage of one purpose: a sequence of one object identifier.
const SERVER_AUTH: &[u8] = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01";
const CLIENT_AUTH: &[u8] = b"\x30\x0a\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x02";
