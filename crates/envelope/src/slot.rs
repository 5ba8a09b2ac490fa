//! Slots: how a root key is kept for one broker. A slot is one small text, in a version of its
//! own; whoever holds the text reads and writes it, here are only the bytes.
//!
//! ```text
//! secretref root key v1                     secretref root key v1
//! kind: file                                kind: passphrase
//! kek: <uuid>                               kek: <uuid>
//! key: <base64 of 32 bytes>                 argon2id: m=65536,t=3,p=1
//! sum: <hex of 32 bytes>                    salt: <base64 of 16 bytes>
//!                                           commit: <base64 of 32 bytes>
//!                                           sealed: <base64 of 32 bytes and a tag of 16>
//!                                           sum: <hex of 32 bytes>
//! ```
//!
//! Every line ends with a line feed; no line may be missing, added or moved. `sum` is SHA-256 over
//! all lines before it: it tells a torn or edited text from a whole one with the wrong key or
//! passphrase. It authenticates nothing.
//!
//! Passphrase: Argon2id(passphrase, salt) -> key | commitment; AES-256-GCM(key, nonce = 0) seals
//! the root key with the label "secretref/v1/slot", the root key's id, the parameters and the salt
//! as AAD. Nobody limits how often a passphrase is guessed once the text is stolen, so a short one
//! protects nothing.

use crate::{
    error::EnvelopeError,
    key_bytes::{KEY_BYTES, KeyBytes},
    root_key::{KekId, RootKey},
};
use document::{Document, Draft};
use zeroize::Zeroizing;

mod document;
mod passphrase;

pub use document::SLOT_BYTES_MAX;
pub use passphrase::{
    PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, SealedRootKey, write_passphrase_slot,
};

/// A slot that was read, and not unlocked yet. It cannot be printed: one kind holds the key.
pub enum Slot {
    /// The root key itself, in a file that only the broker may read.
    File(RootKey),
    /// The root key under a passphrase.
    Passphrase(SealedRootKey),
}

/// Why a slot was not read, unlocked or written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SlotError {
    /// It was not written in full, or was edited.
    #[error("the root key slot is torn or was edited: its checksum differs; restore it")]
    Torn,
    /// A newer release wrote it.
    #[error("the root key slot is of a version that this release does not know; upgrade")]
    UnknownVersion,
    /// It is whole, and not a slot as this release writes it.
    #[error("the root key slot is malformed in line {line}: {why}")]
    Malformed {
        /// Number of the line, from 1.
        line: usize,
        /// What is wrong with it.
        why: &'static str,
    },
    /// It is locked with a passphrase and none was given.
    #[error("the root key slot needs its passphrase, and none was given")]
    PassphraseNeeded,
    /// It is not locked with a passphrase and one was given: whoever gave it believes in a
    /// protection that is not there.
    #[error("the root key slot is not locked with a passphrase, and one was given; remove it")]
    PassphraseUnused,
    /// It is locked with another passphrase.
    #[error("the passphrase is not the one of this root key slot")]
    WrongPassphrase,
    /// The new passphrase is too short or too long.
    #[error(
        "a passphrase has {PASSPHRASE_BYTES_MIN} to {PASSPHRASE_BYTES_MAX} bytes; this one has {0}"
    )]
    PassphraseLength(usize),
    /// The host gave no memory or no random bytes.
    #[error(transparent)]
    Host(EnvelopeError),
}

impl Slot {
    /// Reads a slot of up to [`SLOT_BYTES_MAX`] bytes.
    ///
    /// # Errors
    /// [`SlotError::Torn`], [`SlotError::UnknownVersion`] or [`SlotError::Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<Self, SlotError> {
        let mut document = Document::open(bytes)?;
        match document.field("kind: ", "`kind: ` belongs here")? {
            "file" => Self::parse_file(document),
            "passphrase" => SealedRootKey::parse(document).map(Self::Passphrase),
            _ => Err(document.malformed("this release knows the kinds `file` and `passphrase`")),
        }
    }

    fn parse_file(mut document: Document<'_>) -> Result<Self, SlotError> {
        let kek_id = document.kek_id()?;
        let mut bytes = KeyBytes::zeroed();
        document.base64("key: ", "`key: ` and 32 bytes in base64 belong here", bytes.as_mut())?;
        if bytes.as_ref() == &[0; KEY_BYTES] {
            return Err(document.malformed("the key is all zeros"));
        }
        document.end()?;
        Ok(Self::File(RootKey::from_key_bytes(kek_id, bytes)))
    }

    /// Id of the root key in it.
    #[must_use]
    pub fn kek_id(&self) -> KekId {
        match self {
            Self::File(root) => root.id(),
            Self::Passphrase(sealed) => sealed.kek_id(),
        }
    }

    /// Whether [`Slot::unlock`] needs a passphrase.
    #[must_use]
    pub fn needs_passphrase(&self) -> bool {
        matches!(self, Self::Passphrase(_))
    }

    /// Takes the root key out. With a passphrase this takes 64 MiB of memory and some tenths of a
    /// second of one core.
    ///
    /// # Errors
    /// [`SlotError::PassphraseNeeded`], [`SlotError::PassphraseUnused`],
    /// [`SlotError::WrongPassphrase`], [`SlotError::Host`], and [`SlotError::Malformed`] where the
    /// passphrase is right and the text was made up.
    pub fn unlock(self, passphrase: Option<&[u8]>) -> Result<RootKey, SlotError> {
        match (self, passphrase) {
            (Self::File(root), None) => Ok(root),
            (Self::File(_), Some(_)) => Err(SlotError::PassphraseUnused),
            (Self::Passphrase(_), None) => Err(SlotError::PassphraseNeeded),
            (Self::Passphrase(sealed), Some(passphrase)) => sealed.unlock(passphrase),
        }
    }
}

/// The text of a file slot. It holds the key in clear: write it to a file of mode 0600 only.
#[must_use]
pub fn write_file_slot(root: &RootKey) -> Zeroizing<String> {
    let mut draft = Draft::new("file", root.id());
    draft.base64("key: ", root.bytes().as_ref());
    draft.finish()
}

#[cfg(test)]
mod tests;
