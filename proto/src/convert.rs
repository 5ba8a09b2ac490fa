//! Wire ↔ domain.
pub mod field;

mod digest;

pub use digest::manifest_digest;
