//! Sidecars as witnesses of the audit trail: each is shown every checkpoint, and how it goes on
//! from the one that it holds.

use super::{End, Session};
use secretref_domain::{
    alert::{Alert, AlertKind},
    limit::DETAIL_BYTES_MAX,
};
use secretref_proto::v1;

impl Session {
    /// Takes what the sidecar says that it holds, and has people told where it found something
    /// wrong. A word of the sidecar: nothing is granted or refused by it.
    pub(super) fn witnessed(&mut self, said: v1::TrailWitness) {
        self.witness = Some(u64::try_from(said.size).unwrap_or(0));
        self.head_due = true;
        let mut alarm = said.alarm;
        alarm.truncate(alarm.floor_char_boundary(DETAIL_BYTES_MAX));
        if alarm.is_empty() {
            return;
        }
        let agent = &self.admission.name;
        tracing::error!(%agent, alarm, "a sidecar finds the audit trail altered");
        let environment = self.admission.environment.clone();
        self.alerts.raise(Alert {
            agent: Some(agent.clone()),
            reason: alarm.clone(),
            fix: "secretref audit verify; see docs/audit.md".to_owned(),
            ..Alert::of(AlertKind::TrailAlarm, environment)
        });
        if let Some(subscription) = &self.subscription {
            subscription.alarm(alarm, self.custody.now());
        }
    }

    /// Shows the newest checkpoint. What the store does not answer now is shown with the next one.
    pub(super) async fn show_head(&mut self) -> Result<(), End> {
        self.head_due = false;
        let Some(old) = self.witness else { return Ok(()) };
        let mut head = self.head.borrow_and_update().clone();
        if head.as_ref().is_none_or(|head| head.size < old) {
            // Another broker may have made one that this one has not seen yet.
            match self.custody.look_at_head().await {
                Ok(newest) => head = newest,
                Err(error) => {
                    tracing::debug!(%error, "a checkpoint was not shown");
                    return Ok(());
                }
            }
        }
        let (size, note) =
            head.map_or((0, String::new()), |head| (head.size, head.note.to_string()));
        let proof = match self.custody.consistency(old.min(size), size).await {
            Ok(proof) if old <= size => proof.iter().map(|hash| hash.to_vec()).collect(),
            Ok(_) => Vec::new(),
            Err(error) => {
                // With a tree that lost something there is no proof, and the sidecar says so.
                tracing::error!(%error, "the audit tree gives no proof");
                Vec::new()
            }
        };
        let checkpoint = v1::Checkpoint {
            note: note.into_bytes(),
            old_size: i64::try_from(old).unwrap_or(i64::MAX),
            proof,
        };
        self.out.send(&self.custody, v1::watch_response::Message::Checkpoint(checkpoint)).await?;
        self.witness = Some(old.max(size));
        Ok(())
    }
}
