//! The broker: it keeps secrets sealed, decides who may have which, pushes them to the sidecars
//! that are owed them, and writes down every access.
//!
//! Floors, each of which may use only what is below it: `app` → [`grpc`] → [`alerts`], [`refresh`]
//! and [`rotation`] → [`custody`] → [`store`], [`feed`], [`authority`], [`unseal`], [`providers`],
//! [`rotators`] and [`notifiers`], which do not know one another → [`aws`] → [`outbound`],
//! [`trust`] and [`permits`].

pub mod alerts;
pub mod app;
pub mod authority;
pub mod aws;
pub mod checkpoints;
pub mod config;
pub mod copies;
pub mod custody;
pub mod feed;
pub mod grpc;
pub mod health;
pub mod init;
pub mod metrics;
pub mod notifiers;
pub mod outbound;
pub mod permits;
pub mod providers;
pub mod refresh;
pub mod rotation;
pub mod rotators;
pub mod store;
pub mod telemetry;
pub mod trust;
pub mod unseal;
