//! Certificate requests: PKCS#10, of which only the public key and the proof of possession count.

use crate::{
    certificate::sha256,
    credentials::{KeyError, PrivateKey},
};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ED25519, UnparsedPublicKey, VerificationAlgorithm,
};
use rcgen::{CertificateParams, DistinguishedName, KeyPair, PKCS_ECDSA_P256_SHA256};
use rustls::pki_types::PrivatePkcs8KeyDer;
use x509_parser::{certification_request::X509CertificationRequest, prelude::FromDer};
use zeroize::Zeroize;

/// Most bytes of a request. Ours have about 220.
pub const REQUEST_BYTES_MAX: usize = 4096;

/// A new key and the request for its certificate. The key stays here; the request travels.
pub struct CertificateRequest {
    /// The new key.
    pub key: PrivateKey,
    /// The request in DER.
    pub der: Vec<u8>,
}

/// A public key that its owner proved to have: on P-256 or Ed25519, in the one DER encoding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    spki: Vec<u8>,
}

/// Why a request was refused. All of it is the sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// It is too large to look at.
    #[error("the certificate request has {0} bytes; at most {REQUEST_BYTES_MAX} are read")]
    TooLarge(usize),
    /// It is not DER of a PKCS#10 request, or something follows it.
    #[error("the bytes are not one certificate request (PKCS#10 in DER)")]
    NotPkcs10,
    /// Its key is of a kind that is not certified here.
    #[error(
        "the certificate request's key is not supported; make one on the curve P-256 \
         (uncompressed point) or Ed25519"
    )]
    KeyKind,
    /// Its signature was not made by its key, or not in the way that goes with the key.
    #[error("the certificate request's signature does not fit its key")]
    Signature,
}

impl CertificateRequest {
    /// Makes a key on P-256 and a request without any name: the broker gives the name.
    ///
    /// # Errors
    /// [`KeyError`] where no key can be made or used.
    pub fn generate() -> Result<Self, KeyError> {
        Self::of(PrivateKey::generate()?)
    }

    /// A request for a key that is there already, such as one whose certificate did not arrive.
    ///
    /// # Errors
    /// [`KeyError`] where the key is none on P-256.
    pub fn of(key: PrivateKey) -> Result<Self, KeyError> {
        let der = request(&key)?;
        Ok(Self { key, der })
    }
}

fn request(key: &PrivateKey) -> Result<Vec<u8>, KeyError> {
    let pkcs8 = PrivatePkcs8KeyDer::from(key.expose_der());
    let mut pair = KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8, &PKCS_ECDSA_P256_SHA256)
        .map_err(|_| KeyError::Unsupported)?;
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    let request = params.serialize_request(&pair).map_err(|_| KeyError::Sign);
    pair.zeroize();
    Ok(request?.der().to_vec())
}

/// Reads a request: verifies that its sender has the private key, and takes the public key. Its
/// subject, its extensions and its attributes are **not read**: whoever asks does not choose what
/// the certificate says.
///
/// # Errors
/// [`RequestError`], each of them the sender's fault.
pub fn parse_request(der: &[u8]) -> Result<PublicKey, RequestError> {
    if der.len() > REQUEST_BYTES_MAX {
        return Err(RequestError::TooLarge(der.len()));
    }
    let Ok(([], request)) = X509CertificationRequest::from_der(der) else {
        return Err(RequestError::NotPkcs10);
    };
    let spki = request.certification_request_info.subject_pki.raw;
    let kind = Kind::of(spki).ok_or(RequestError::KeyKind)?;
    let (signed, signature) =
        (request.certification_request_info.raw, &*request.signature_value.data);
    if !kind.is_spelled(der, signed, signature) {
        return Err(RequestError::Signature);
    }
    UnparsedPublicKey::new(kind.algorithm, &spki[kind.prefix.len()..])
        .verify(signed, signature)
        .map_err(|_| RequestError::Signature)?;
    Ok(PublicKey { spki: spki.to_vec() })
}

impl PublicKey {
    /// The key as subject public key info in DER.
    #[must_use]
    pub fn spki_der(&self) -> &[u8] {
        &self.spki
    }

    /// SHA-256 of the subject public key info.
    #[must_use]
    pub fn spki_sha256(&self) -> [u8; 32] {
        sha256(&self.spki)
    }
}

/// Whether a certificate's key is one that could have been certified: whoever presents another has
/// no certificate of ours, and no number of his is raised to a power to find that out.
pub(crate) fn is_certified(spki: &[u8]) -> bool {
    Kind::of(spki).is_some()
}

/// A kind of key that is certified. Its subject public key info is this prefix and then the key,
/// so one key has one encoding:
/// ```text
/// P-256    30 59 30 13 06 07 ecPublicKey 06 08 prime256v1 03 42 00 | 04 x(32) y(32)
/// Ed25519  30 2a 30 05 06 03 Ed25519 03 21 00 | key(32)
/// ```
struct Kind {
    prefix: &'static [u8],
    key_bytes: usize,
    signature_algorithm: &'static [u8],
    algorithm: &'static dyn VerificationAlgorithm,
}

impl Kind {
    fn of(spki: &[u8]) -> Option<&'static Self> {
        KINDS.iter().find(|kind| {
            spki.len() == kind.prefix.len() + kind.key_bytes && spki.starts_with(kind.prefix)
        })
    }

    /// Whether a request is what its parts are when they are written again: what was signed, the
    /// algorithm that goes with the key, and the signature. The parser is lenient where nothing is
    /// signed, and two spellings of one request would be one too many.
    fn is_spelled(&self, der: &[u8], signed: &[u8], signature: &[u8]) -> bool {
        // Signatures of both kinds are shorter than 128 bytes, so the length is one byte.
        let Ok(bits @ ..128) = u8::try_from(signature.len() + 1) else { return false };
        let content = [signed, self.signature_algorithm, &[0x03, bits, 0], signature].concat();
        let header = match content.len() {
            length @ ..0x80 => vec![0x30, length as u8],
            length @ ..0x100 => vec![0x30, 0x81, length as u8],
            length => vec![0x30, 0x82, (length >> 8) as u8, length as u8],
        };
        der == [header, content].concat()
    }
}

const KINDS: [Kind; 2] = [
    Kind {
        prefix: b"\x30\x59\x30\x13\x06\x07\x2a\x86\x48\xce\x3d\x02\x01\
                  \x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07\x03\x42\x00",
        key_bytes: 65,
        signature_algorithm: b"\x30\x0a\x06\x08\x2a\x86\x48\xce\x3d\x04\x03\x02",
        algorithm: &ECDSA_P256_SHA256_ASN1,
    },
    Kind {
        prefix: b"\x30\x2a\x30\x05\x06\x03\x2b\x65\x70\x03\x21\x00",
        key_bytes: 32,
        signature_algorithm: b"\x30\x05\x06\x03\x2b\x65\x70",
        algorithm: &ED25519,
    },
];

#[cfg(test)]
mod tests;
