//! SHA-256, alone and as the chain of the audit trail.

use aws_lc_rs::{digest, hmac};

/// SHA-256 over what comes piece by piece.
pub struct Sha256(digest::Context);

impl Default for Sha256 {
    fn default() -> Self {
        Self(digest::Context::new(&digest::SHA256))
    }
}

impl Sha256 {
    /// Takes the next piece.
    pub fn update(&mut self, piece: &[u8]) {
        self.0.update(piece);
    }

    /// The hash of all of them.
    #[must_use]
    pub fn finish(self) -> [u8; 32] {
        let mut hash = [0; 32];
        hash.copy_from_slice(self.0.finish().as_ref());
        hash
    }
}

/// SHA-256 over the parts, one after the other and without framing: a caller whose parts vary in
/// length frames them.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut running = Sha256::default();
    for part in parts {
        running.update(part);
    }
    running.finish()
}

/// In hexadecimal, in small letters.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// HMAC-SHA256 (RFC 2104).
#[must_use]
pub fn keyed(key: &[u8; 32], message: &[u8]) -> [u8; 32] {
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), message);
    let mut hash = [0; 32];
    hash.copy_from_slice(tag.as_ref());
    hash
}

/// The hash of an entry of the audit trail: SHA-256(hash of the entry before | entry). The first
/// entry of a lane has 32 zeros before it. The hash before has a fixed length, so no two pairs
/// give the same bytes.
#[must_use]
pub fn chain_hash(previous: &[u8; 32], entry: &[u8]) -> [u8; 32] {
    sha256(&[previous, entry])
}
