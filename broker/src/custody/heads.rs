//! The newest checkpoint of the audit trail, for sidecars: each is shown how it goes on from the
//! one that the sidecar holds.

use super::{Custody, CustodyError};
use secretref_domain::tree::{Hash, consistency, join};
use secretref_identity::note::NoteVerifier;
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{OnceCell, watch};

/// The newest checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TrailHead {
    /// Entries that it covers.
    pub size: u64,
    /// The signed note.
    pub note: Arc<str>,
}

/// From which size to which, and the proof.
type Proof = ((u64, u64), Arc<[Hash]>);

/// What custody keeps of checkpoints in memory.
pub(super) struct Heads {
    newest: watch::Sender<Option<TrailHead>>,
    key: OnceCell<NoteVerifier>,
    /// The proof that was asked for last: a fleet asks for the same one.
    proof: Mutex<Option<Proof>>,
}

impl Heads {
    /// Nothing is known yet.
    pub(super) fn new() -> Self {
        let (newest, key, proof) = (watch::Sender::new(None), OnceCell::new(), Mutex::default());
        Self { newest, key, proof }
    }
}

impl Custody {
    /// The newest checkpoint, now and from now on; [`Custody::look_at_head`] keeps it so.
    #[must_use]
    pub fn head(&self) -> watch::Receiver<Option<TrailHead>> {
        self.shared.heads.newest.subscribe()
    }

    /// Looks what the newest checkpoint is, whoever made it.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn look_at_head(&self) -> Result<Option<TrailHead>, CustodyError> {
        let row = self.shared.store.newest_checkpoint().await?;
        let head = row.map(|row| TrailHead {
            size: u64::try_from(row.size).unwrap_or(0),
            note: row.note.into(),
        });
        self.shared.heads.newest.send_if_modified(|before| {
            let changed = *before != head;
            before.clone_from(&head);
            changed
        });
        Ok(head)
    }

    /// The key of checkpoints, for sidecars.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn key_of_heads(&self) -> Result<NoteVerifier, CustodyError> {
        let key = self.shared.heads.key.get_or_try_init(|| self.checkpoint_key()).await?;
        Ok(key.clone())
    }

    /// The proof that a checkpoint goes on from a smaller one; empty where it does not.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn consistency(&self, old: u64, new: u64) -> Result<Arc<[Hash]>, CustodyError> {
        let heads = &self.shared.heads;
        let known =
            |asked: &Mutex<Option<_>>| asked.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some((sizes, proof)) = known(&heads.proof)
            && sizes == (old, new)
        {
            return Ok(proof);
        }
        let mut proof = Vec::new();
        for places in consistency(old, new).unwrap_or_default() {
            let mut subtrees = Vec::with_capacity(places.len());
            for place in places {
                subtrees.push(self.shared.store.subtree(place).await?);
            }
            proof.extend(join(&subtrees));
        }
        let proof: Arc<[Hash]> = proof.into();
        let asked = ((old, new), Arc::clone(&proof));
        *heads.proof.lock().unwrap_or_else(PoisonError::into_inner) = Some(asked);
        Ok(proof)
    }
}
