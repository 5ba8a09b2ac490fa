//! Which broker takes a rotation further.

use super::super::{Custody, CustodyError};
use secretref_domain::id::RotationId;
use std::time::Duration;

/// A rotation that this broker takes further, as long as it says so again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease(String);

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
        Ok(self.keep_rotation(&lease).await?.then_some(lease))
    }

    /// Says that a rotation is still this broker's; whether it is.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn keep_rotation(&self, lease: &Lease) -> Result<bool, CustodyError> {
        let now = self.now();
        let lasts = i64::try_from(Lease::LASTS.as_secs()).unwrap_or(i64::MAX);
        let until = now.plus_seconds(lasts);
        Ok(self.shared.store.take_lease(&lease.0, self.broker(), now, until).await?)
    }

    /// Leaves a rotation to whoever comes next.
    pub async fn leave_rotation(&self, lease: Lease) {
        if let Err(error) = self.shared.store.drop_lease(&lease.0, self.broker()).await {
            tracing::debug!(%error, "a lease was not given back: it ends by itself");
        }
    }

    /// Says that what one broker does for all is this one's; whether it is.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn lead(&self, what: &str) -> Result<bool, CustodyError> {
        self.keep_rotation(&Lease(what.to_owned())).await
    }

    /// Leaves what one broker does for all to the next.
    pub async fn follow(&self, what: &str) {
        self.leave_rotation(Lease(what.to_owned())).await;
    }
}
