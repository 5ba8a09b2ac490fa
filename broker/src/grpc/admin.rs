//! What administrators reach.

mod admins;
mod agents;
mod alerts;
mod audit;
mod environments;
mod providers;
mod references;
mod rotations;
mod secrets;
mod sources;
mod status;
mod traces;

pub(super) use admins::Admins;
pub(super) use agents::Agents;
pub(super) use alerts::Alerts;
pub(super) use audit::Audit;
pub(super) use environments::Environments;
pub(super) use providers::Providers;
pub(super) use references::References;
pub(super) use rotations::Rotations;
pub(super) use secrets::Secrets;
pub(super) use traces::Traces;

use super::status as refuse;
use prost::Message;
use secretref_domain::caller::Caller;
use secretref_proto::convert::field;
use tonic::Status;

use crate::custody::{Custody, RequestKey};

/// The key of a request that can be retried: its id, and what it says. `content` is the request
/// itself, so that another request with the same id is found out.
fn request_key(
    custody: &Custody,
    caller: &Caller,
    id: &str,
    method: &str,
    content: &impl Message,
) -> Result<Option<RequestKey>, Status> {
    let id = field::optional("request_id", id).map_err(refuse::field)?;
    let content = || zeroize::Zeroizing::new(content.encode_to_vec());
    Ok(id.map(|id| custody.request_key(caller, id, method, &content())))
}
