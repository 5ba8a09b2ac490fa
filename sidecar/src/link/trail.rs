//! The audit trail as it comes down the stream: kept where it goes on, told where it does not.

use super::{Link, dial::Session, end::End, report::witnessed, stream::push};
use crate::trail::{Shown, Trail};
use secretref_proto::v1::Checkpoint;
use std::sync::Arc;
use tokio::task::spawn_blocking;

impl Link {
    /// Takes up what an earlier process of this sidecar kept.
    pub(super) async fn recall_trail(&mut self) {
        let state = Arc::clone(&self.state);
        let kept = match spawn_blocking(move || state.trail()).await {
            Ok(Ok(kept)) => kept,
            Ok(Err(error)) => {
                tracing::error!(%error, "what was kept of the audit trail is not there");
                return;
            }
            Err(error) => {
                tracing::error!(%error, "what was kept of the audit trail is not there");
                return;
            }
        };
        match kept.map(|kept| Trail::parse(&kept)) {
            None => {}
            Some(Ok(trail)) => self.trail = trail,
            Some(Err(error)) => tracing::error!(%error, "the audit trail is witnessed anew"),
        }
        self.tell_trail();
    }

    /// Takes the key that a broker names.
    pub(super) async fn pin_trail(&mut self, key: &str) {
        if self.trail.pin(key) == Shown::Keep {
            self.keep_trail().await;
        }
    }

    /// Takes a checkpoint that the broker shows, and tells it what is held where it cannot know or
    /// something is wrong.
    pub(super) async fn witness(
        &mut self,
        session: &mut Session,
        shown: &Checkpoint,
    ) -> Result<(), End> {
        let alarmed = self.trail.alarm().is_some();
        let came = self.trail.shown(shown, session.witness_said);
        session.witness_said = came == Shown::Say;
        if came == Shown::Keep {
            self.keep_trail().await;
        }
        if came == Shown::Say || alarmed != self.trail.alarm().is_some() {
            push(session, witnessed(self.trail.said()))?;
        }
        Ok(())
    }

    async fn keep_trail(&mut self) {
        self.tell_trail();
        let (state, record) = (Arc::clone(&self.state), self.trail.encode());
        match spawn_blocking(move || state.store_trail(&record)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a checkpoint was not stored"),
            Err(error) => tracing::error!(%error, "a checkpoint was not stored"),
        }
    }

    /// Secrets are served on: an alarm is for people.
    fn tell_trail(&self) {
        let Some(alarm) = self.trail.alarm() else { return };
        let fresh = self.status.send_if_modified(|status| {
            let fresh = status.trail_alarm.as_deref() != Some(alarm);
            status.trail_alarm = Some(alarm.to_owned());
            fresh
        });
        if fresh {
            tracing::error!(alarm, "the broker's audit trail is not what it was");
        }
    }
}
