//! Private keys, which never leave the process that made them but as a file of its own.

use aws_lc_rs::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use rustls::{
    crypto::aws_lc_rs::sign::any_supported_type,
    pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject},
    sign::SigningKey,
};
use std::sync::Arc;
use zeroize::{Zeroize, Zeroizing};

/// A private key: PKCS#8 in DER. It cannot be printed, cloned or compared, and is overwritten
/// when dropped.
///
/// ```compile_fail
/// let key = secretref_identity::credentials::PrivateKey::generate().unwrap();
/// println!("{key:?}");
/// ```
/// ```compile_fail
/// let key = secretref_identity::credentials::PrivateKey::generate().unwrap();
/// let copy = key.clone();
/// ```
pub struct PrivateKey(Zeroizing<Vec<u8>>);

/// Why there is no usable private key. Nothing of the key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The cryptographic library made none, for want of randomness.
    #[error("no key pair could be made: the system gave no randomness")]
    Generate,
    /// The text is not one private key.
    #[error("the private key is not PEM of the kind `BEGIN PRIVATE KEY` (PKCS#8)")]
    Pem,
    /// The key is of a kind that we cannot use.
    #[error("the private key is broken or of an unsupported kind; use P-256 or Ed25519")]
    Unsupported,
    /// The library would not sign with it.
    #[error("nothing could be signed with the private key")]
    Sign,
}

impl PrivateKey {
    /// Makes a new key on the curve P-256.
    ///
    /// # Errors
    /// [`KeyError::Generate`] where the system has no randomness.
    pub fn generate() -> Result<Self, KeyError> {
        let pkcs8 =
            EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_ASN1_SIGNING, &SystemRandom::new())
                .map_err(|_| KeyError::Generate)?;
        Ok(Self(Zeroizing::new(pkcs8.as_ref().to_vec())))
    }

    /// Takes a key in PKCS#8 DER.
    ///
    /// # Errors
    /// [`KeyError::Unsupported`] where it is broken or of another kind.
    pub fn from_der(pkcs8: Zeroizing<Vec<u8>>) -> Result<Self, KeyError> {
        let key = Self(pkcs8);
        key.signing_key()?;
        Ok(key)
    }

    /// Reads a key from PEM, `BEGIN PRIVATE KEY`.
    ///
    /// # Errors
    /// [`KeyError`]; it quotes nothing of the text.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        let mut key =
            PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| KeyError::Pem)?;
        let der = Zeroizing::new(key.secret_pkcs8_der().to_vec());
        key.zeroize();
        Self::from_der(der)
    }

    /// The key as PKCS#8 DER. Every call is a place where the key could leak.
    #[must_use]
    pub fn expose_der(&self) -> &[u8] {
        &self.0
    }

    /// The key as PEM, for a file that its owner alone may read. Every call is a place where the
    /// key could leak.
    #[must_use]
    pub fn expose_pem(&self) -> Zeroizing<String> {
        let encoded = Zeroizing::new(BASE64_STANDARD.encode(&*self.0));
        // Room for all of it from the start: a text that grows leaves copies behind.
        let mut text = Zeroizing::new(String::with_capacity(2 * encoded.len() + 128));
        text.push_str("-----BEGIN PRIVATE KEY-----\n");
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(64));
            text.push_str(line);
            text.push('\n');
            rest = after;
        }
        text.push_str("-----END PRIVATE KEY-----\n");
        text
    }

    /// The key as rustls signs with it. It is borrowed, because rustls would drop an owned copy
    /// without overwriting it.
    pub(crate) fn signing_key(&self) -> Result<Arc<dyn SigningKey>, KeyError> {
        let der = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.0.as_slice()));
        any_supported_type(&der).map_err(|_| KeyError::Unsupported)
    }
}
