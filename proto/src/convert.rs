//! Wire ↔ domain.
pub mod field;

mod digest;
mod schedule;
mod settings;

pub use digest::manifest_digest;
pub use schedule::{from_schedule, to_schedule};
pub use settings::{from_settings, to_settings};
