//! The broker: it keeps secrets sealed, decides who may have which, pushes them to the sidecars
//! that are owed them, and writes down every access.
//!
//! Floors, each of which may use only what is below it: `app` → [`grpc`] → [`alerts`] and
//! [`refresh`] → [`custody`] → [`store`], [`feed`], [`authority`], [`unseal`], [`providers`] and
//! [`notifiers`], which do not know one another → [`outbound`].

pub mod alerts;
pub mod app;
pub mod authority;
pub mod config;
pub mod custody;
pub mod feed;
pub mod grpc;
pub mod health;
pub mod init;
pub mod notifiers;
pub mod outbound;
pub mod providers;
pub mod refresh;
pub mod store;
pub mod telemetry;
pub mod unseal;
