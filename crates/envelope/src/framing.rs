//! The one way in which several byte strings become one, so that no two lists of strings give the
//! same bytes: each has its length before it. Never JSON, never a separator.
//!
//! ```text
//! | length: u64 BE | bytes | length: u64 BE | bytes | …
//! ```

/// The length that stands before a part.
pub(crate) fn length(part: &[u8]) -> [u8; 8] {
    (part.len() as u64).to_be_bytes()
}

/// Appends a part with its length before it.
pub(crate) fn push(out: &mut Vec<u8>, part: &[u8]) {
    out.extend_from_slice(&length(part));
    out.extend_from_slice(part);
}
