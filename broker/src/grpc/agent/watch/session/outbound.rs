//! The way out of a session.

use super::End;
use crate::{custody::Custody, grpc::agent::watch::Outgoing};
use secretref_proto::{convert::field::to_time, v1};
use std::time::Duration;
use tokio::{sync::mpsc, time::timeout};
use tonic::Status;

/// The way out: every message is stamped, and one that is not taken in time ends the stream.
pub(super) struct Outbound {
    responses: mpsc::Sender<Outgoing>,
    epoch: String,
    message_bytes_max: usize,
}

impl Outbound {
    pub(super) fn new(responses: mpsc::Sender<Outgoing>, epoch: String) -> Self {
        Self { responses, epoch, message_bytes_max: MESSAGE_BYTES_MAX }
    }

    /// Names the history that everything from here on is of.
    pub(super) fn begin(&mut self, epoch: String) {
        self.epoch = epoch;
    }

    /// Keeps messages below what the sidecar takes.
    pub(super) fn limit(&mut self, message_bytes_max: usize) {
        self.message_bytes_max = self.message_bytes_max.min(message_bytes_max);
    }

    /// How much of a manifest fits into one message; a quarter is left for what is not values.
    pub(super) fn part_bytes_max(&self) -> usize {
        self.message_bytes_max / 4 * 3
    }

    pub(super) async fn send(
        &self,
        custody: &Custody,
        message: v1::watch_response::Message,
    ) -> Result<(), End> {
        let response = v1::WatchResponse {
            store_epoch: self.epoch.clone(),
            revision: custody.feed().revision().0,
            send_time: Some(to_time(custody.now())),
            message: Some(message),
        };
        // A stalled connection is cut; the sidecar comes again and gets what it lacks.
        match timeout(SEND_TIME_MAX, self.responses.send(Box::new(Ok(response)))).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) => Err(End::Gone),
            Err(_) => Err(End::Stalled),
        }
    }

    pub(super) async fn fail(&self, status: Status) {
        drop(timeout(SEND_TIME_MAX, self.responses.send(Box::new(Err(status)))).await);
    }
}

/// Largest message that a broker sends, in bytes.
const MESSAGE_BYTES_MAX: usize = 1024 * 1024;
/// How long a message may wait to be taken.
const SEND_TIME_MAX: Duration = Duration::from_secs(15);
