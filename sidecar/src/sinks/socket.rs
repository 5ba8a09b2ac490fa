//! The socket sink: the agent's secrets over HTTP/1.1 on a unix socket, for a program that asks
//! for a value when it needs one and waits for the next. docs/socket.md describes it.
//!
//! ```text
//! accept ─▶ peer: own user, root, or the shared group; else 403
//!        ─▶ http: a head of 8 KiB within 5 s, no body; 32 clients
//!        ─▶ routes ─▶ shelf (a watch: the newest whole set, never a queue)
//!                 └─▶ witness: who took a value has read it
//! ```

pub mod bind;
mod body;
mod events;
mod http;
mod list;
mod peer;
mod query;
mod resolve;
mod routes;

pub use bind::{Bound, SocketError};
pub use http::converse;

use crate::{refusals::Refusals, status::Status, witness::Witness};
use secretref_domain::{
    clock::{Clock, Timestamp},
    name::{EnvVar, FileName, SecretName},
    value::SecretValue,
    version::Version,
};
use secretref_proto::v1::RotationEffect;
use std::{collections::BTreeMap, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

/// Clients at a time; one more is told to come again.
pub const CLIENTS_MAX: usize = 32;

/// What the socket offers: the whole set, as it is in place.
#[derive(Default)]
pub struct Shelf {
    /// Counts what was offered in this run; the id of an event.
    pub sequence: u64,
    /// Revision of the store.
    pub revision: i64,
    /// Whether a set was ever received; before that nothing is known, which is not "nothing".
    pub received: bool,
    /// What is offered, by the name of its file.
    pub items: BTreeMap<FileName, Item>,
    /// Refs of the agent that have no value, with the broker's reason.
    pub missing: Vec<MissingItem>,
}

/// One credential.
#[derive(Clone)]
pub struct Item {
    /// Secret of the store.
    pub secret: SecretName,
    /// Ref that binds it.
    pub reference: String,
    /// Tool that needs it.
    pub tool: String,
    /// Its key in the tool.
    pub key: String,
    /// Its environment variable.
    pub env_var: Option<EnvVar>,
    /// Its version.
    pub version: Version,
    /// When it stops being valid.
    pub valid_until: Option<Timestamp>,
    /// What its next rotation does to the agent.
    pub effect: RotationEffect,
    /// Its value; `None` once its lease lapsed or it expired.
    pub value: Option<Arc<SecretValue>>,
}

/// A ref that has no value.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MissingItem {
    /// The ref.
    #[serde(rename = "ref")]
    pub reference: String,
    /// Why it has none.
    pub reason: String,
    /// Whether the agent cannot work without it.
    pub required: bool,
}

/// What is served, and to whom.
#[derive(Clone)]
pub struct Desk {
    /// What is offered.
    pub shelf: watch::Receiver<Arc<Shelf>>,
    /// How the sidecar is.
    pub status: watch::Receiver<Status>,
    /// Who is told of each read.
    pub witness: Witness,
    /// Who is told of names that are not bound.
    pub refusals: Refusals,
    /// When that was.
    pub clock: Arc<dyn Clock>,
    /// Group whose members may connect, besides this user and root.
    pub group: Option<u32>,
}

/// Serves until it is told to stop, then takes the socket away.
pub async fn serve(bound: Bound, desk: Desk, stop: CancellationToken) {
    let places = Arc::new(Semaphore::new(CLIENTS_MAX));
    loop {
        let accepted = tokio::select! {
            () = stop.cancelled() => break,
            accepted = bound.listener().accept() => accepted,
        };
        let stream = match accepted {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, as a rule: it comes again at once unless one waits.
                tracing::warn!(%error, "no client of the socket could be taken");
                sleep(ACCEPT_AGAIN).await;
                continue;
            }
        };
        match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => {
                let (desk, stop) = (desk.clone(), stop.clone());
                tokio::spawn(async move {
                    converse(stream, desk, stop).await;
                    drop(place);
                });
            }
            Err(_) => http::turn_away(&stream),
        }
    }
    drop(bound);
}

const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

#[cfg(test)]
mod tests;
