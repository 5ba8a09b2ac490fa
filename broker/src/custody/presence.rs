//! Who is connected, to this broker and to the others.

use super::{Custody, CustodyError};
use secretref_domain::id::InstanceId;
use std::{
    collections::HashSet,
    sync::{MutexGuard, PoisonError, atomic::Ordering},
};

/// What custody keeps of it in memory.
#[derive(Default)]
pub(super) struct Presence {
    /// Who was connected here when it was said last.
    told: HashSet<InstanceId>,
    /// Who is connected to other brokers, as they said last.
    elsewhere: HashSet<InstanceId>,
}

impl Custody {
    /// Whether an instance holds a stream of another broker, by that one's word of the last
    /// seconds.
    #[must_use]
    pub fn is_elsewhere(&self, instance: &InstanceId) -> bool {
        self.presence().elsewhere.contains(instance)
    }

    /// Says who holds a stream of this broker where that changed, or it is `due`, and looks who
    /// holds one of another. To be called every few seconds.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn keep_presence(&self, due: bool) -> Result<(), CustodyError> {
        let present = self.feed().present();
        if due || self.presence().told != present {
            self.tell_presence().await?;
            self.presence().told = present;
        }
        if self.shared.store.is_shared() {
            let since = self.now().plus_millis(-PRESENCE_MILLIS_MAX);
            let elsewhere = self.shared.store.presence_elsewhere(self.broker(), since).await?;
            self.presence().elsewhere = elsewhere;
        }
        Ok(())
    }

    fn presence(&self) -> MutexGuard<'_, Presence> {
        self.shared.presence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Says who holds a stream of this broker, and when those who no longer do held one last. To
    /// be called now and then.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    async fn tell_presence(&self) -> Result<(), CustodyError> {
        let now = self.now();
        // Those of this broker before it was started again: what it says now is not of them.
        if !self.shared.presence_told.swap(true, Ordering::Relaxed)
            && let Some((at, instances)) = self.shared.store.presence_of(self.broker()).await?
        {
            for instance in instances {
                self.shared.store.set_contact(instance, at).await?;
            }
        }
        for instance in self.feed().departed() {
            self.shared.store.set_contact(instance, now).await?;
        }
        let present: Vec<u8> =
            self.feed().present().iter().flat_map(|instance| instance.0.into_bytes()).collect();
        self.shared.store.set_presence(self.broker(), now, present).await?;
        let before = now.plus_millis(-CONTACT_MILLIS_KEPT);
        self.shared.store.forget_contacts(before).await?;
        Ok(())
    }
}

/// After so long a broker's word of who is connected to it counts for nothing: it says it anew
/// every 10 s at least.
const PRESENCE_MILLIS_MAX: i64 = 25_000;
/// The longest that a sidecar may keep what it has, and what a certificate may be renewed after.
const CONTACT_MILLIS_KEPT: i64 = 100 * 24 * 3600 * 1000;
