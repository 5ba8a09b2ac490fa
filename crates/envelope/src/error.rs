//! Why something was not sealed or not opened. No error holds a byte of a key or a value.

use crate::root_key::KekId;

/// Why something was not sealed or not opened, by whose fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// The stored bytes are not what was sealed for this place: somebody changed them, or moved
    /// them here from another row.
    #[error("the {what} failed authentication: it was changed, or belongs to another row")]
    Refused {
        /// Which stored thing.
        what: &'static str,
    },
    /// The operator unsealed another root key than the one this needs.
    #[error("root key {wanted} is needed and is not the one that was unsealed; unseal that one")]
    WrongKey {
        /// Id of the root key that is needed.
        wanted: KekId,
    },
    /// The stored bytes have not the layout of what they should be.
    #[error("the {what} is malformed: {why}")]
    Malformed {
        /// Which stored thing.
        what: &'static str,
        /// What is wrong with it.
        why: &'static str,
    },
    /// The caller named a place of which one part is empty or all zeros.
    #[error("the {part} is empty or zero, and would bind nothing; pass the real one")]
    EmptyContext {
        /// Which part of the context.
        part: &'static str,
    },
    /// The caller passed more than one data key seals.
    #[error("{bytes} bytes are too many to seal; the limit is {max}")]
    TooLong {
        /// How many bytes were passed.
        bytes: usize,
        /// How many are allowed.
        max: usize,
    },
    /// The caller named a root key that the keyring holds already, or one too many.
    #[error("root key {id} was not added: {why}")]
    KeyNotAdded {
        /// Id of the root key.
        id: KekId,
        /// Why not.
        why: &'static str,
    },
    /// The operating system gave no random bytes.
    #[error("the operating system gave no random bytes; nothing was sealed")]
    Entropy,
    /// The cipher could not be set up, which only a host without memory does.
    #[error("the cipher could not be set up; the host is out of memory")]
    Cipher,
}
