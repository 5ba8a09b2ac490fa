//! Wire ↔ domain.
pub mod field;

mod digest;
mod settings;

pub use digest::manifest_digest;
pub use settings::{from_settings, to_settings};
