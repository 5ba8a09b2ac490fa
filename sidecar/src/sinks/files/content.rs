//! What is in a file: a value as it is, or bytes that were made from values.

use secretref_domain::value::SecretValue;
use std::sync::Arc;
use zeroize::Zeroizing;

/// The bytes of a file. They cannot be printed, and are overwritten when the last copy of the
/// handle is dropped; cloning shares them.
#[derive(Clone)]
pub enum Content {
    /// A value of a secret, as it is.
    Value(Arc<SecretValue>),
    /// Made from values; may be longer than one, and empty.
    Made(Arc<Zeroizing<Vec<u8>>>),
}

impl Content {
    /// Bytes that were made from values.
    #[must_use]
    pub fn made(bytes: Zeroizing<Vec<u8>>) -> Self {
        Self::Made(Arc::new(bytes))
    }

    /// The bytes. Every call is a place where a secret could leak.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        match self {
            Self::Value(value) => value.expose(),
            Self::Made(bytes) => bytes,
        }
    }

    /// How many bytes there are.
    #[must_use]
    pub fn bytes(&self) -> usize {
        match self {
            Self::Value(value) => value.len(),
            Self::Made(bytes) => bytes.len(),
        }
    }

    /// Whether both have the same bytes.
    #[must_use]
    pub fn same_as(&self, other: &Self) -> bool {
        self.expose() == other.expose()
    }
}

impl From<Arc<SecretValue>> for Content {
    fn from(value: Arc<SecretValue>) -> Self {
        Self::Value(value)
    }
}
