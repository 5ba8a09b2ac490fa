//! The files of OpenClaw: where credentials stand in them, and how one is replaced by a ref without
//! another byte of the file changing. OpenClaw 2026.3.2 and later (`src/secrets/` of its sources).

pub mod edit;
pub mod naming;
pub mod targets;
pub mod text;
pub mod value;
