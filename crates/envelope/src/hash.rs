//! SHA-256, alone and as the chain of the audit trail: the domain's, against known answers.

pub use secretref_domain::hash::{chain_hash, sha256};

#[cfg(test)]
mod tests;
