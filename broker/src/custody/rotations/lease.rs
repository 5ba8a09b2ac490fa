//! Which broker does what only one does at a time: takes a rotation further, tells of conditions.

use super::super::{Custody, CustodyError};
use secretref_domain::id::RotationId;
use std::time::Duration;

/// A piece of work that is this broker's, as long as it says so again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease(String);

/// What one broker does for all.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Work {
    /// Tells people of conditions.
    Telling,
    /// Tests credentials at their services.
    Testing,
    /// Signs the audit trail.
    Signing,
}

impl Lease {
    /// How long it is this broker's.
    pub const LASTS: Duration = Duration::from_secs(15);
    /// How often it has to say so.
    pub const BEAT: Duration = Duration::from_secs(4);
}

impl Custody {
    /// Takes a rotation; none where another broker has it.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn take_rotation(&self, id: RotationId) -> Result<Option<Lease>, CustodyError> {
        let lease = Lease(format!("rotation/{id}"));
        Ok(self.keep_lease(&lease).await?.then_some(lease))
    }

    /// Takes a piece of work; none where another broker has it.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn take_work(&self, work: Work) -> Result<Option<Lease>, CustodyError> {
        let lease = Lease(match work {
            Work::Telling => "conditions".to_owned(),
            Work::Testing => "trials".to_owned(),
            Work::Signing => "checkpoints".to_owned(),
        });
        Ok(self.keep_lease(&lease).await?.then_some(lease))
    }

    /// Says that a piece of work is still this broker's; whether it is.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn keep_lease(&self, lease: &Lease) -> Result<bool, CustodyError> {
        let now = self.now();
        let lasts = i64::try_from(Lease::LASTS.as_secs()).unwrap_or(i64::MAX);
        let until = now.plus_seconds(lasts);
        Ok(self.shared.store.take_lease(&lease.0, self.broker(), now, until).await?)
    }

    /// Leaves a piece of work to whoever comes next.
    pub async fn leave(&self, lease: Lease) {
        if let Err(error) = self.shared.store.drop_lease(&lease.0, self.broker()).await {
            tracing::debug!(%error, "a lease was not given back: it ends by itself");
        }
    }
}
