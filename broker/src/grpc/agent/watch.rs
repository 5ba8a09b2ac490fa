//! `WatchService`: one session for each stream.

mod frame;
mod session;

use crate::{
    alerts::Handle,
    config::Limits,
    custody::Custody,
    grpc::{
        caller,
        rate::{Bucket, Rate},
        status,
    },
};
use secretref_proto::v1;
use session::{Session, Terms};
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::{StreamExt, adapters::Map, wrappers::ReceiverStream};
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// A message on its way out. Boxed: a channel makes room for 32 of what it carries, and a stream
/// has at most one under way.
type Outgoing = Box<Result<v1::WatchResponse, Status>>;

pub(crate) struct Watch {
    custody: Custody,
    alerts: Handle,
    limits: Limits,
    /// Streams that are opened, of all agents together.
    opened: Mutex<Bucket>,
    stop: CancellationToken,
}

impl Watch {
    pub(crate) fn new(
        custody: Custody,
        alerts: Handle,
        limits: Limits,
        stop: CancellationToken,
    ) -> Self {
        Self { custody, alerts, limits, opened: Mutex::default(), stop }
    }

    /// Lets a stream be opened: a fleet that comes at once is taken in as fast as the broker can
    /// work out its sets, and no faster.
    fn admit(&self) -> Result<(), Status> {
        let (count, burst) = (self.limits.streams_per_second, self.limits.streams_burst);
        let rate = Rate::new(count, Duration::from_secs(1), burst);
        let mut opened = self.opened.lock().unwrap_or_else(PoisonError::into_inner);
        let taken = opened.take(rate, Instant::now());
        taken.map_err(|wait| {
            status::overloaded("streams", "too many streams are being opened", wait)
        })
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
        self.admit()?;
        let admitted = self.custody.admit(&presented.caller, &serial).await;
        let admission = admitted.map_err(status::of)?;
        // One place: the session waits for the connection to take a message before the next.
        let (outbound, responses) = mpsc::channel(1);
        let (alerts, stop) = (self.alerts.clone(), self.stop.clone());
        let terms = Terms { not_after, limits: self.limits, alerts, stop };
        let session = Session::new(self.custody.clone(), admission, terms, outbound);
        tokio::spawn(session.run(request.into_inner(), kill));
        Ok(Response::new(ReceiverStream::new(responses).map(|outgoing| *outgoing)))
    }
}
