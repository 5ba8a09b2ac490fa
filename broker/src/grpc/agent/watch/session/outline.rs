//! A stream on which a sidecar asks only what its agent would get: no value leaves, so nothing is
//! delivered, and it is no stream of the feed: no push is owed to it.

use super::{End, Opening, Session};
use crate::grpc::{agent::watch::frame::parts, status};
use secretref_proto::v1;
use std::time::Duration;
use tokio::time::timeout;
use tonic::Streaming;

impl Session {
    /// Answers once, and waits a moment for the sidecar to go.
    pub(super) async fn outline(
        &mut self,
        opening: Opening,
        inbound: &mut Streaming<v1::WatchRequest>,
    ) -> Result<(), End> {
        self.begin(opening);
        let welcome = self.welcome().await;
        self.out.send(&self.custody, welcome).await?;
        let frame = self.custody.outline(&self.admission).map_err(status::of)?;
        self.refuse(frame.revision, &frame.missing).await;
        for manifest in parts(frame, 1, self.out.part_bytes_max()).manifests {
            self.out.send(&self.custody, v1::watch_response::Message::Manifest(manifest)).await?;
        }
        let gone = async { while let Ok(Some(_)) = inbound.message().await {} };
        tokio::select! {
            _ = timeout(STAY_MAX, gone) => {}
            () = self.stop.cancelled() => {}
        }
        Ok(())
    }
}

/// How long a sidecar has to go after it was answered.
const STAY_MAX: Duration = Duration::from_secs(5);
