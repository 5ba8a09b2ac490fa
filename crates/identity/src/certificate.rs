//! Reading X.509 certificates, bounded.

use aws_lc_rs::digest;
use rustls::pki_types::{CertificateDer, pem::PemObject};
use x509_parser::prelude::{FromDer, X509Certificate, X509Version};

/// Most bytes of one certificate. Ours have about 600.
pub const CERTIFICATE_BYTES_MAX: usize = 8 * 1024;

/// Most certificates that a peer may present: leaf, intermediate, and roots of which one may be
/// on its way in and one on its way out.
pub const CHAIN_LENGTH_MAX: usize = 5;

/// Why bytes are not a certificate that we read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// It is too large to look at.
    #[error("a certificate has {0} bytes; at most {CERTIFICATE_BYTES_MAX} are read")]
    TooLarge(usize),
    /// There are too many to look at.
    #[error("the peer presented {0} certificates; at most {CHAIN_LENGTH_MAX} are read")]
    TooMany(usize),
    /// It is not DER of an X.509 certificate of version 3, or something follows it.
    #[error("the bytes are not one X.509 version 3 certificate in DER")]
    NotX509,
}

/// When a certificate is valid, both ends included: seconds since the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// First second.
    pub not_before: i64,
    /// Last second.
    pub not_after: i64,
}

impl Validity {
    /// Whether `now` lies in it.
    #[must_use]
    pub fn contains(&self, now: i64) -> bool {
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// SHA-256 of a certificate's subject public key info, which names its key whatever else changes
/// in the certificate (RFC 7469, section 2.4). Join tokens pin the root by it.
///
/// # Errors
/// [`Malformed`] where it cannot be read.
pub fn spki_sha256(certificate: &CertificateDer<'_>) -> Result<[u8; 32], Malformed> {
    Ok(sha256(parse(certificate)?.public_key().raw))
}

/// When a certificate is valid.
///
/// # Errors
/// [`Malformed`] where it cannot be read.
pub fn validity(certificate: &CertificateDer<'_>) -> Result<Validity, Malformed> {
    Ok(validity_of(&parse(certificate)?))
}

/// When the first of the certificates in a PEM text stops being valid: seconds since the epoch.
/// None where there is none, or one that cannot be read. What stands between them, such as their
/// private key, is not decoded.
#[must_use]
pub fn first_end(pem: &[u8]) -> Option<i64> {
    let mut rest = str::from_utf8(pem).ok().filter(|_| pem.len() <= PEM_BYTES_MAX)?;
    let mut first = None;
    while let Some(at) = rest.find(PEM_BEGIN) {
        let section = &rest[at..];
        let (section, after) = section.split_at(section.find(PEM_END)? + PEM_END.len());
        let der = CertificateDer::from_pem_slice(section.as_bytes()).ok()?;
        let end = validity(&der).ok()?.not_after;
        first = Some(first.map_or(end, |first: i64| first.min(end)));
        rest = after;
    }
    first
}

/// Whether a certificate says that it may issue others.
pub(crate) fn is_authority(certificate: &X509Certificate<'_>) -> bool {
    certificate.basic_constraints().is_ok_and(|found| found.is_some_and(|basic| basic.value.ca))
}

pub(crate) fn validity_of(certificate: &X509Certificate<'_>) -> Validity {
    Validity {
        not_before: certificate.validity().not_before.timestamp(),
        not_after: certificate.validity().not_after.timestamp(),
    }
}

/// Reads one certificate, and refuses what is too large before reading it.
pub(crate) fn parse(der: &[u8]) -> Result<X509Certificate<'_>, Malformed> {
    if der.len() > CERTIFICATE_BYTES_MAX {
        return Err(Malformed::TooLarge(der.len()));
    }
    match X509Certificate::from_der(der) {
        Ok(([], certificate)) if certificate.version() == X509Version::V3 => Ok(certificate),
        _ => Err(Malformed::NotX509),
    }
}

/// Refuses a chain that is too long or too large, before any signature is checked.
pub(crate) fn check_size(
    leaf: &CertificateDer<'_>,
    rest: &[CertificateDer<'_>],
) -> Result<(), Malformed> {
    if rest.len() >= CHAIN_LENGTH_MAX {
        return Err(Malformed::TooMany(rest.len() + 1));
    }
    match rest.iter().chain([leaf]).map(|der| der.len()).max() {
        Some(bytes) if bytes > CERTIFICATE_BYTES_MAX => Err(Malformed::TooLarge(bytes)),
        _ => Ok(()),
    }
}

/// SHA-256.
pub(crate) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut out = [0; 32];
    out.copy_from_slice(digest::digest(&digest::SHA256, bytes).as_ref());
    out
}

/// Most bytes of a PEM text that is looked at.
const PEM_BYTES_MAX: usize = 64 * 1024;
const PEM_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const PEM_END: &str = "-----END CERTIFICATE-----";

#[cfg(test)]
mod tests;
