//! `ResolveService`.

use crate::{
    custody::{Custody, Resolved},
    grpc::{caller, status},
};
use secretref_domain::limit::{RESOLVE_BYTES_MAX, RESOLVE_ID_BYTES_MAX, RESOLVE_IDS_MAX};
use secretref_proto::v1;
use tonic::{Request, Response, Status};

pub(crate) struct Resolve {
    custody: Custody,
}

impl Resolve {
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

#[tonic::async_trait]
impl v1::resolve_service_server::ResolveService for Resolve {
    async fn resolve(
        &self,
        request: Request<v1::ResolveRequest>,
    ) -> Result<Response<v1::ResolveResponse>, Status> {
        let presented = caller::of(&self.custody, &request, false)?;
        let serial = presented
            .serial
            .ok_or_else(|| status::unauthenticated("this needs the agent's certificate"))?;
        let admitted = self.custody.admit(&presented.caller, &serial).await;
        let admission = admitted.map_err(status::of)?;
        let ids = request.into_inner().ids;
        check(&ids).map_err(|problem| status::invalid("ids".to_owned(), problem))?;
        let resolved = self.custody.resolve(&admission, &ids).await.map_err(status::of)?;
        let mut room = RESOLVE_BYTES_MAX;
        let refs = ids.into_iter().zip(resolved);
        let refs = refs.map(|(id, resolved)| to_ref(id, resolved, &mut room)).collect();
        Ok(Response::new(v1::ResolveResponse { refs }))
    }
}

fn check(ids: &[String]) -> Result<(), String> {
    if ids.is_empty() || ids.len() > RESOLVE_IDS_MAX {
        return Err(format!("there are {} of them; 1 to {RESOLVE_IDS_MAX} may be", ids.len()));
    }
    match ids.iter().find(|id| id.is_empty() || id.len() > RESOLVE_ID_BYTES_MAX) {
        Some(id) => Err(format!("one has {} bytes; it has 1 to {RESOLVE_ID_BYTES_MAX}", id.len())),
        None => Ok(()),
    }
}

fn to_ref(id: String, resolved: Resolved, room: &mut usize) -> v1::ResolvedRef {
    let refused = |id, code: &str, message| v1::ResolvedRef {
        id,
        error_code: code.to_owned(),
        message,
        ..v1::ResolvedRef::default()
    };
    match resolved {
        Resolved::Refused(why) => refused(id, why.code, why.message),
        Resolved::Value { version, body } => {
            let value = body.expose();
            match room.checked_sub(value.len()) {
                Some(left) => {
                    *room = left;
                    v1::ResolvedRef { id, value, version: version.get(), ..Default::default() }
                }
                None => {
                    let message = format!(
                        "the values have more than {RESOLVE_BYTES_MAX} bytes together. Fix: ask \
                         for fewer at a time"
                    );
                    refused(id, "TOO_LARGE", message)
                }
            }
        }
    }
}
