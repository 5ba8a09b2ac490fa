//! The word that a part of the audit trail is in an archive. Without it, signed by a checkpoint,
//! nothing is removed from the trail and nobody believes a trail that begins later.

use super::{Custody, CustodyError, plan::event};
use secretref_domain::{caller::Caller, hash::hex, policy::Action, trail::ARCHIVED};

impl Custody {
    /// Records that the trail up to a checkpoint is in a file of this SHA-256.
    ///
    /// # Errors
    /// [`CustodyError::NotFound`] where there is no checkpoint of that size,
    /// [`CustodyError::Precondition`] where that part is removed already, a denial, or
    /// [`CustodyError::Store`].
    pub async fn record_archive(
        &self,
        caller: &Caller,
        size: i64,
        sha256: &[u8; 32],
    ) -> Result<(), CustodyError> {
        let record = || {
            let mut event = event(caller, ARCHIVED);
            event.object_kind = "archive";
            event.object = hex(sha256);
            event.version = size;
            event
        };
        self.permit(caller, Action::AuditArchive, record).await?;
        if self.shared.store.checkpoint(size).await?.is_none() {
            return Err(CustodyError::NotFound {
                kind: "checkpoint of size",
                name: size.to_string(),
                fix: "archive the trail as this broker shows it: secretref audit archive"
                    .to_owned(),
            });
        }
        let begins = self.shared.store.trail_beginning().await?;
        if size <= begins {
            return Err(CustodyError::Precondition {
                code: "ARCHIVED_ALREADY",
                message: format!("the trail begins after entry {begins}: the archive is older"),
                fix: "archive what is there: secretref audit archive".to_owned(),
            });
        }
        self.writer.note(vec![record()]).await
    }
}
