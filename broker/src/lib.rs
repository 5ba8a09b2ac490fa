//! The broker: it keeps secrets sealed, decides who may have which, pushes them to the sidecars
//! that are owed them, and writes down every access.
//!
<<<<<<< HEAD
//! Floors, each of which may use only what is below it: `app` → [`grpc`] → [`custody`] → [`store`],
//! [`feed`], [`authority`], [`unseal`] and [`providers`], which do not know one another.
=======
//! Floors, each of which may use only what is below it: `app` → [`grpc`] → [`alerts`] →
//! [`custody`] → [`store`], [`feed`], [`authority`], [`unseal`] and [`notifiers`], which do not
//! know one another → [`outbound`].
>>>>>>> h-c

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
