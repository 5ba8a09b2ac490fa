//! SHA-256, alone and as the chain of the audit trail.

use aws_lc_rs::digest;

/// SHA-256 over the parts, one after the other and without framing: a caller whose parts vary in
/// length frames them.
#[must_use]
pub fn sha256(parts: &[&[u8]]) -> [u8; 32] {
    let mut context = digest::Context::new(&digest::SHA256);
    for part in parts {
        context.update(part);
    }
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The hash of an entry of the audit trail: SHA-256(hash of the entry before | entry). The first
/// entry of a lane has 32 zeros before it. The hash before has a fixed length, so no two pairs
/// give the same bytes.
#[must_use]
pub fn chain_hash(previous: &[u8; 32], entry: &[u8]) -> [u8; 32] {
    sha256(&[previous, entry])
}
