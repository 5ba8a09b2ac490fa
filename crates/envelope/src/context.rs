//! What a sealed thing is bound to: the place where it is stored.

use crate::{error::EnvelopeError, framing, root_key::KekId, sealed::Sealed, wrapped::WrappedKey};
use secretref_domain::{id::SecretId, name::EnvironmentName, version::Version};

/// The place of a sealed thing. It is authenticated with the ciphertext (as AAD), so bytes that
/// were copied to another row, another version or another environment do not open there. It is
/// made of what never changes: a secret's identity and not its name, so a rename reseals nothing.
///
/// ```text
/// | format: u8 = 1 | algorithm: u8 | parts: u8 | then each part: length: u64 BE | bytes |
///
/// parts of a version:   "secret-version" | environment | secret: 16 | version: u64 BE | "value"
/// parts of a key:       "key"  | purpose
/// parts of a blob:      "blob" | purpose
/// last part of a wrap:  … | id of the root key: 16
/// ```
///
/// The algorithm is that of the blob ([`Sealed::ALGORITHM`], [`WrappedKey::ALGORITHM`]). A part
/// that is empty or all zeros is refused before any key is touched: it would bind nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Context {
    parts: Vec<Part>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Part {
    name: &'static str,
    bytes: Vec<u8>,
}

const FORMAT: u8 = 1;

impl Context {
    /// The value of one version of a secret.
    #[must_use]
    pub fn secret_version(
        environment: &EnvironmentName,
        secret: SecretId,
        version: Version,
    ) -> Self {
        // A version is 1 or more; anything else becomes the zero that `encode` refuses.
        let version = u64::try_from(version.get()).unwrap_or(0);
        Self {
            parts: vec![
                part("table", b"secret-version"),
                part("environment", environment.as_str().as_bytes()),
                part("secret id", secret.0.as_bytes()),
                part("version", &version.to_be_bytes()),
                part("field", b"value"),
            ],
        }
    }

    /// A key of the keyring, such as the one for row MACs.
    #[must_use]
    pub fn key(purpose: &'static str) -> Self {
        Self { parts: vec![part("table", b"key"), part("purpose", purpose.as_bytes())] }
    }

    /// A blob such as the private key of an authority. Apart from [`Context::key`], so that the
    /// data key of a blob can never stand in for a key of the keyring.
    #[must_use]
    pub fn blob(purpose: &'static str) -> Self {
        Self { parts: vec![part("table", b"blob"), part("purpose", purpose.as_bytes())] }
    }

    /// AAD of a value. Without the root key's id, so that a new root key touches no value.
    pub(crate) fn sealing_aad(&self) -> Result<Vec<u8>, EnvelopeError> {
        encode(Sealed::ALGORITHM, self.parts.iter())
    }

    /// AAD of a wrapped data key.
    pub(crate) fn wrapping_aad(&self, kek_id: KekId) -> Result<Vec<u8>, EnvelopeError> {
        let last = part("root key id", kek_id.0.as_bytes());
        encode(WrappedKey::ALGORITHM, self.parts.iter().chain([&last]))
    }
}

fn part(name: &'static str, bytes: &[u8]) -> Part {
    Part { name, bytes: bytes.to_vec() }
}

fn encode<'a>(
    algorithm: u8,
    parts: impl Iterator<Item = &'a Part>,
) -> Result<Vec<u8>, EnvelopeError> {
    const PARTS_AT: usize = 2;
    let mut aad = vec![FORMAT, algorithm, 0];
    for part in parts {
        // An empty part has no byte other than zero, so this refuses it too.
        if part.bytes.iter().all(|byte| *byte == 0) {
            return Err(EnvelopeError::EmptyContext { part: part.name });
        }
        framing::push(&mut aad, &part.bytes);
        aad[PARTS_AT] += 1;
    }
    Ok(aad)
}

#[cfg(test)]
mod tests;
