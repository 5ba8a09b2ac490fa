//! The safe: how a value is sealed so that the database, its backups and whoever writes to it
//! learn nothing and can move nothing. Pure functions over bytes: no input or output, no clock,
//! no log. Randomness comes from the operating system.
//!
//! ```text
//! root key   32 B + id, never in the database; comes out of a slot at start
//!  └ HKDF-SHA-256(root key, salt = 32 random bytes, info = label | AAD) -> wrap key | commitment
//!     └ AES-256-GCM(wrap key, nonce = 0, AAD with the root key's id) seals the data key
//!
//! data key   32 random bytes, a new one for every version of every secret
//!  └ AES-256-GCM(data key, random nonce, AAD without the root key's id) seals the value
//! ```
//!
//! Every AES key seals one plaintext, so there is no counter of uses to lose in a restore, a fork
//! or a snapshot of a virtual machine. The root key's id stands in the wrap alone, so a new root
//! key rewraps data keys and touches no value. The keys for the authority log and for the audit
//! trail are random and wrapped like a data key, so a new root key leaves every MAC as it is.

mod aead;
mod context;
mod data_key;
mod derivation;
mod error;
mod framing;
mod hash;
mod key_bytes;
mod keyring;
mod root_key;
mod sealed;
mod slot;
#[cfg(test)]
mod vector;
mod wrapped;

pub use context::Context;
pub use data_key::{DataKey, PLAINTEXT_BYTES_MAX};
pub use error::EnvelopeError;
pub use hash::{chain_hash, sha256};
pub use keyring::{Keyring, ROOT_KEYS_MAX};
pub use root_key::{KekId, RootKey};
pub use sealed::{Sealed, SealedKeyring, SealedVersion};
pub use slot::{
    PASSPHRASE_BYTES_MAX, PASSPHRASE_BYTES_MIN, SLOT_BYTES_MAX, SealedRootKey, Slot, SlotError,
    write_file_slot, write_passphrase_slot,
};
pub use wrapped::WrappedKey;
