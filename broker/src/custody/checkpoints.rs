//! Checkpoints of the audit trail: signed, by a key that is used for nothing else, from what is
//! committed. The writer does not wait for them, and they do not wait for it.

use super::{Custody, CustodyError, plan::event};
use crate::store::{CheckpointRow, Store, StoreError, TreeRow};
use secretref_domain::{
    caller::Caller,
    checkpoint::{self, Checkpoint, LANES_MAX, LaneEnd},
    id::BrokerId,
    policy::Action,
    trail::{Row, follow},
    tree::{Frontier, Hash, Place, complete, leaf},
};
use secretref_identity::note::{NoteSigner, NoteVerifier};
use std::collections::BTreeMap;

/// What is in the trail and not signed yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsigned {
    /// Entries that the newest checkpoint covers.
    pub signed: u64,
    /// Entries that came since.
    pub since: u64,
}

/// A trail that is being extended.
struct Extension {
    tree: Frontier,
    lanes: BTreeMap<BrokerId, LaneEnd>,
    /// Hashes of subtrees that are complete by now: for each level from which index on.
    made: BTreeMap<u32, (u64, Vec<Hash>)>,
}

impl Custody {
    /// The key that checkpoints are verified by, for whoever reads the trail.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn trail_key(&self, caller: &Caller) -> Result<NoteVerifier, CustodyError> {
        self.permit(caller, Action::AuditRead, || event(caller, "audit.key")).await?;
        self.checkpoint_key().await
    }

    /// The key that checkpoints are verified by.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn checkpoint_key(&self) -> Result<NoteVerifier, CustodyError> {
        Ok(self.checkpoint_signer().await?.verifier())
    }

    /// How much of the trail is signed.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn unsigned(&self) -> Result<Unsigned, CustodyError> {
        let store = &self.shared.store;
        // In this order: what comes in between is counted, never missed.
        let newest = store.newest_checkpoint().await?.map_or(0, |row| row.size);
        let ends = store.lane_ends().await?;
        let all: u64 = ends.iter().map(|(_, end)| u64::try_from(end.seq).unwrap_or(0)).sum();
        let signed = u64::try_from(newest).unwrap_or(0);
        Ok(Unsigned { signed, since: all.saturating_sub(signed) })
    }

    /// Signs the entries that came since the newest checkpoint, 10,000 at most; says how many. To
    /// be called under the lease; where another broker was quicker, nothing is signed.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] where the trail is not what was written: such is never signed.
    pub async fn sign_trail(&self) -> Result<u64, CustodyError> {
        let store = &self.shared.store;
        let signer = self.checkpoint_signer().await?;
        let before = match store.newest_checkpoint().await? {
            Some(row) => Some(read(&signer.verifier(), &row)?),
            None => None,
        };
        let mut extension = Extension::begin(store, before.as_ref()).await?;
        let after = extension.tree.size();
        for (lane, end) in store.lane_ends().await? {
            let room = ENTRIES_MAX.saturating_sub(extension.tree.size() - after);
            extension.take(store, lane, end.seq, i64::try_from(room).unwrap_or(i64::MAX)).await?;
        }
        let Extension { tree, lanes, made } = extension;
        let (size, root) = (tree.size(), tree.root());
        if size == after {
            return Ok(0);
        }
        if lanes.len() > LANES_MAX {
            return Err(damaged(format!("it has more than {LANES_MAX} lanes")).into());
        }
        let origin = checkpoint::origin(&self.authority().domain().to_string());
        let checkpoint = Checkpoint { origin, size, root, after, lanes };
        let note = signer.sign(&checkpoint.to_string()).map_err(|error| failed(&error))?;
        let row = CheckpointRow { size: number(size)?, follows: number(after)?, note };
        let tree = made.into_iter().map(|(level, (index, hashes))| {
            let first = Place { level, index };
            TreeRow { first, hashes }
        });
        let added = store.add_checkpoint(row, tree.collect()).await?;
        Ok(if added { size - after } else { 0 })
    }

    async fn checkpoint_signer(&self) -> Result<NoteSigner, CustodyError> {
        self.signer(CHECKPOINTS, "audit").await
    }
}

impl Extension {
    /// From a checkpoint on, whose root the stored subtrees have to come to.
    async fn begin(store: &Store, before: Option<&Checkpoint>) -> Result<Self, StoreError> {
        let Some(before) = before else {
            let (tree, lanes) = (Frontier::default(), BTreeMap::new());
            return Ok(Self { tree, lanes, made: BTreeMap::new() });
        };
        let mut subtrees = Vec::new();
        for place in complete(before.size) {
            subtrees.push(store.subtree(place).await?);
        }
        let tree = Frontier::of(before.size, subtrees);
        let tree = tree.filter(|tree| tree.root() == before.root).ok_or_else(|| {
            damaged(format!("its tree is not that of the checkpoint of size {}", before.size))
        })?;
        Ok(Self { tree, lanes: before.lanes.clone(), made: BTreeMap::new() })
    }

    /// Takes at most so many entries of a lane that ends at a number.
    async fn take(
        &mut self,
        store: &Store,
        lane: BrokerId,
        ends: i64,
        room: i64,
    ) -> Result<(), StoreError> {
        let mut end = self.lanes.get(&lane).copied().unwrap_or(LaneEnd::START);
        if ends < end.seq {
            return Err(damaged(format!("lane {lane} ends at {ends}, and {} is signed", end.seq)));
        }
        let last = ends.min(end.seq.saturating_add(room));
        while end.seq < last {
            let rows = store.lane_entries(lane, end.seq, last, SCAN).await?;
            if rows.is_empty() {
                return Err(damaged(format!("entry {} of lane {lane} is lost", end.seq + 1)));
            }
            for row in rows {
                let (seq, hash, canonical) = (row.seq, row.hash, &row.entry[..]);
                end = follow(end, Row { lane, seq, canonical, hash })
                    .map_err(|finding| damaged(finding.to_string()))?;
                let made = &mut self.made;
                self.tree.push(leaf(canonical), |Place { level, index }, hash| {
                    made.entry(level).or_insert_with(|| (index, Vec::new())).1.push(hash);
                });
            }
        }
        if end.seq > 0 {
            self.lanes.insert(lane, end);
        }
        Ok(())
    }
}

/// A checkpoint as it is stored, where it is signed by the key.
fn read(key: &NoteVerifier, row: &CheckpointRow) -> Result<Checkpoint, StoreError> {
    let named = |why: &dyn std::fmt::Display| {
        damaged(format!("its checkpoint of size {}: {why}", row.size))
    };
    let text = key.verify(&row.note).map_err(|error| named(&error))?;
    let checkpoint = Checkpoint::parse(text).map_err(|error| named(&error))?;
    if number(checkpoint.size)? == row.size {
        Ok(checkpoint)
    } else {
        Err(named(&"it stands under another size"))
    }
}

fn number(size: u64) -> Result<i64, StoreError> {
    i64::try_from(size).map_err(|_| damaged("it is too long".to_owned()))
}

fn damaged(why: String) -> StoreError {
    StoreError::Damaged(format!("the audit trail: {why}; no checkpoint of it is signed"))
}

fn failed(error: &dyn std::fmt::Display) -> CustodyError {
    CustodyError::Internal(format!("signing a checkpoint: {error}"))
}

/// Name of the sealed key in the vault.
pub(crate) const CHECKPOINTS: &str = "checkpoints";
/// Entries that one checkpoint adds; what is more waits for the next.
const ENTRIES_MAX: u64 = 10_000;
/// Entries that are read at once.
const SCAN: i64 = 500;
