//! `WatchService`: one session for each stream.

mod frame;
mod session;

use crate::{
    custody::Custody,
    grpc::{caller, status},
};
use secretref_proto::v1;
use session::Session;
use tokio::sync::mpsc;
use tokio_stream::{StreamExt, adapters::Map, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// A message on its way out. Boxed: a channel makes room for 32 of what it carries, and a stream
/// has at most one under way.
type Outgoing = Box<Result<v1::WatchResponse, Status>>;

pub(crate) struct Watch {
    custody: Custody,
    stop: CancellationToken,
}

impl Watch {
    pub(crate) fn new(custody: Custody, stop: CancellationToken) -> Self {
        Self { custody, stop }
    }
}

#[tonic::async_trait]
impl v1::watch_service_server::WatchService for Watch {
    type WatchStream =
        Map<ReceiverStream<Outgoing>, fn(Outgoing) -> Result<v1::WatchResponse, Status>>;

    async fn watch(
        &self,
        request: Request<Streaming<v1::WatchRequest>>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let presented = caller::of(&self.custody, &request, false)?;
        let kill = caller::connection(&request)?.kill.clone();
        let (Some(serial), Some(not_after)) = (presented.serial, presented.not_after) else {
            return Err(status::unauthenticated("a stream needs the agent's certificate"));
        };
        let admitted = self.custody.admit(&presented.caller, &serial).await;
        let admission = admitted.map_err(status::of)?;
        // One place: the session waits for the connection to take a message before the next.
        let (outbound, responses) = mpsc::channel(1);
        let session =
            Session::new(self.custody.clone(), admission, not_after, outbound, self.stop.clone());
        tokio::spawn(session.run(request.into_inner(), kill));
        Ok(Response::new(ReceiverStream::new(responses).map(|outgoing| *outgoing)))
    }
}
