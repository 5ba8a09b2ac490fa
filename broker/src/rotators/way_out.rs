//! The way to a service over HTTP: bounded in time and length, with the authorities that it is to
//! be believed by.

use super::{RotatorError, of_host};
use crate::{
    outbound::{Outbound, Patience, Trouble},
    permits::{Permits, files},
};
use reqwest::{Client, RequestBuilder};
use rustls::RootCertStore;
use rustls_pki_types::{CertificateDer, pem::PemObject};
use secretref_domain::name::RotatorAlias;
use serde_json::Value;
use std::{path::PathBuf, sync::Arc, time::Duration};
use tokio::task::spawn_blocking;
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
        let (permits, of) = (Arc::clone(permits), alias.clone());
        let outbound = spawn_blocking(move || outbound(&of, &permits, ca_file)).await;
        let outbound = outbound.unwrap_or_else(|error| {
            let message = format!("has no way out: {error}");
            Err(RotatorError::passing(alias, message, "look at the broker's host"))
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

fn outbound(
    alias: &RotatorAlias,
    permits: &Permits,
    ca_file: Option<PathBuf>,
) -> Result<Outbound, RotatorError> {
    let patience = Patience { connect: CONNECT_TIME_MAX, whole: ANSWER_TIME_MAX };
    let made = match ca_file {
        None => Outbound::new(patience),
        Some(path) => {
            let pem = files::read_below(&permits.roots, &path, CA_BYTES_MAX)
                .map_err(|error| of_host(alias, error))?;
            let no_authority = || {
                let shown = path.display();
                let message = format!("has the CA file {shown}, which is no PEM of authorities");
                let fix = format!("write PEM certificates of the authority to {shown}");
                RotatorError::lasting(alias, message, fix)
            };
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                let certificate = certificate.map_err(|_| no_authority())?;
                roots.add(certificate).map_err(|_| no_authority())?;
            }
            if roots.is_empty() {
                return Err(no_authority());
            }
            Outbound::believing(roots, patience)
        }
    };
    made.map_err(|error| {
        RotatorError::passing(alias, format!("has no way out: {error}"), "look at the broker's log")
    })
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
const CA_BYTES_MAX: usize = 256 * 1024;
const ROOM_BYTES: usize = 16 * 1024;
