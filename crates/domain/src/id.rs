//! Identities: UUIDs that are never used again, each kind a type of its own.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};
use uuid::Uuid;

macro_rules! id {
    ($(#[$doc:meta])* $type:ident) => {
        $(#[$doc])*
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
        )]
        #[serde(transparent)]
        pub struct $type(pub Uuid);

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
        impl FromStr for $type {
            type Err = uuid::Error;
            fn from_str(given: &str) -> Result<Self, uuid::Error> {
                Uuid::parse_str(given).map(Self)
            }
        }
    };
}

id!(
    /// Identity of a secret.
    SecretId
);
id!(
    /// Identity of an agent.
    AgentId
);
id!(
    /// Identity of one running copy of an agent.
    InstanceId
);
id!(
    /// Identity of an administrator.
    AdminId
);
id!(
    /// Identity of a broker; names its audit lane.
    BrokerId
);
id!(
    /// Identity of a rotation.
    RotationId
);

/// Opaque fingerprint of a sealed version: SHA-256 over its ciphertext. Says nothing of the value.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> String {
        digest.to_string()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;
    fn try_from(given: String) -> Result<Self, &'static str> {
        let mut bytes = [0; 32];
        if given.len() != 64 || !given.is_ascii() {
            return Err("a digest is 64 hexadecimal digits");
        }
        for (at, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&given[2 * at..2 * at + 2], 16)
                .map_err(|_| "a digest is 64 hexadecimal digits")?;
        }
        Ok(Self(bytes))
    }
}
