//! The way to a service over HTTP: bounded in time and length, with the authorities that it is to
//! be believed by.

use super::{RotatorError, of_host};
use crate::{
    outbound::{Outbound, Patience, Trouble},
    permits::Permits,
    trust,
};
use reqwest::{Client, RequestBuilder};
use secretref_domain::name::RotatorAlias;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::Duration};
use zeroize::{Zeroize, Zeroizing};

/// The way.
pub(super) struct WayOut {
    alias: RotatorAlias,
    outbound: Outbound,
}

/// What a service answered.
pub(super) struct Answered {
    pub(super) status: u16,
    /// Its body; overwritten when dropped.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// JSON whose texts are overwritten when dropped.
pub(super) struct Wiped(pub(super) Value);

impl Wiped {
    /// Reads JSON; none where it is none.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        serde_json::from_slice(bytes).ok().map(Self)
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        wipe(&mut self.0);
    }
}

/// As deep as the parser went.
fn wipe(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(items) => items.iter_mut().for_each(wipe),
        Value::Object(members) => members.values_mut().for_each(wipe),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

impl WayOut {
    /// A way that believes the authorities in a PEM file below the roots, else those of the host.
    pub(super) async fn open(
        alias: &RotatorAlias,
        permits: &Arc<Permits>,
        ca_file: Option<PathBuf>,
    ) -> Result<Self, RotatorError> {
        let setting = format!("the caFile of rotator {alias}");
        let roots = trust::roots(&setting, ca_file.as_deref(), false, permits).await;
        let roots = roots.map_err(|error| of_host(alias, error))?;
        let patience = Patience { connect: CONNECT_TIME_MAX, whole: ANSWER_TIME_MAX };
        let outbound = Outbound::believing(roots, patience).map_err(|error| {
            let message = format!("has no way out: {error}");
            RotatorError::passing(alias, message, "look at the broker's log")
        })?;
        Ok(Self { alias: alias.clone(), outbound })
    }

    pub(super) fn client(&self) -> &Client {
        self.outbound.client()
    }

    /// Sends a request, and takes what is answered. `what` is what for, in words: `its mint`.
    pub(super) async fn send(
        &self,
        request: RequestBuilder,
        what: &str,
    ) -> Result<Answered, RotatorError> {
        let lost = |error: &reqwest::Error| {
            let trouble = Trouble::of(error);
            let message = format!("was not answered for {what}: {trouble}");
            match trouble {
                Trouble::Untrusted => {
                    let fix = "look who answers there; name its authority as its CA file";
                    RotatorError::lasting(&self.alias, message, fix)
                }
                _ => RotatorError::passing(&self.alias, message, "look at the service"),
            }
        };
        let mut answer = request.send().await.map_err(|error| lost(&error))?;
        let status = answer.status().as_u16();
        // Room at once for what is usual: a buffer that grows leaves copies behind.
        let mut body = Zeroizing::new(Vec::with_capacity(ROOM_BYTES));
        while let Some(chunk) = answer.chunk().await.map_err(|error| lost(&error))? {
            let bytes = body.len() + chunk.len();
            if bytes > ANSWER_BYTES_MAX {
                let message = format!("was answered more than {ANSWER_BYTES_MAX} bytes for {what}");
                return Err(RotatorError::lasting(&self.alias, message, "ask it for less"));
            }
            if bytes > body.capacity() {
                let mut larger = Zeroizing::new(Vec::with_capacity(bytes.next_power_of_two()));
                larger.extend_from_slice(&body);
                body = larger;
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answered { status, body })
    }
}

/// Whether an answer may be another one the next time that it is asked for.
pub(super) fn may_pass(status: u16) -> bool {
    status >= 500 || matches!(status, 408 | 425 | 429)
}

/// A connection, TLS included.
const CONNECT_TIME_MAX: Duration = Duration::from_secs(5);
/// A request, its answer included.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
const ANSWER_BYTES_MAX: usize = 1 << 20;
const ROOM_BYTES: usize = 16 * 1024;
