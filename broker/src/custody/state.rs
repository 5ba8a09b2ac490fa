//! Whether the tables hold what the log of authority says, and whether log and audit trail are of
//! one history. For whoever verifies a database; nothing is changed.
//!
//! ```text
//! authority log ─▶ folded, each record by its MAC ─▶ ledger ─▶ each value: there, and it opens
//!       │                                                └──◀── and no other row
//!       └─ MAC at each revision ◀── the same in each entry of the trail; an entry for each
//! ```

use super::{
    CustodyError,
    load::{fold_log, target},
    secrets::opened,
};
use crate::store::{Head, Store, StoreError};
use secretref_domain::{
    audit::DecodedEntry,
    id::{BrokerId, SecretId},
    ledger::{Ledger, Secret},
    version::{Revision, Version},
};
use secretref_envelope::Keyring;
use std::collections::{BTreeMap, HashSet};

/// What was held against one another, and fits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct State {
    /// Revisions of the log of authority.
    pub revisions: usize,
    /// Sealed values that opened.
    pub values: usize,
    /// Entries of the trail that are of the log's history.
    pub entries: usize,
}

/// Something that does not fit.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The tables and the log, or the log and the trail, say different things.
    #[error("{0}")]
    Differs(String),
    /// It could not be read.
    #[error(transparent)]
    Custody(#[from] CustodyError),
}

impl From<StoreError> for StateError {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Damaged(what) => Self::Differs(what),
            error => Self::Custody(error.into()),
        }
    }
}

/// Folds the log and holds it against the tables. What a broker commits meanwhile is looked at
/// from anew.
///
/// # Errors
/// [`StateError`].
pub async fn verify_state(store: &Store, keyring: &Keyring) -> Result<State, StateError> {
    let mut round = 0;
    loop {
        round += 1;
        let head = target(store).await?;
        let found = Folding::of(store, keyring, &head).await?.hold_against(store, keyring).await;
        let moved = store.head().await?.as_ref() != Some(&head);
        match found {
            Err(StateError::Differs(_)) if moved && round < ROUNDS_MAX => {}
            found => return found,
        }
    }
}

/// The log, folded.
struct Folding {
    ledger: Ledger,
    /// The MAC of the log's end at each revision that changed something.
    macs: BTreeMap<Revision, [u8; 32]>,
    end: Revision,
}

impl Folding {
    async fn of(store: &Store, keyring: &Keyring, head: &Head) -> Result<Self, StateError> {
        let mut macs = BTreeMap::from([(Revision(0), [0; 32])]);
        let ledger = fold_log(store, keyring, head, |head| {
            macs.insert(head.revision, head.mac);
        });
        Ok(Self { ledger: ledger.await?, macs, end: head.revision })
    }

    async fn hold_against(self, store: &Store, keyring: &Keyring) -> Result<State, StateError> {
        let values = self.values(store, keyring).await?;
        self.no_other_rows(store).await?;
        let entries = self.trail(store).await?;
        Ok(State { revisions: self.macs.len() - 1, values, entries })
    }

    /// Every value that the ledger has a version for is there, and is that one.
    async fn values(&self, store: &Store, keyring: &Keyring) -> Result<usize, StateError> {
        let mut values = 0;
        for secret in self.ledger.secrets() {
            for version in secret.versions.iter().filter(|(_, version)| !version.destroyed) {
                let row = store.sealed(secret.id, *version.0).await?;
                if let Err(why) = opened(keyring, secret, *version.0, row) {
                    return Err(StateError::Differs(named(secret, *version.0, &why)));
                }
                values += 1;
            }
        }
        Ok(values)
    }

    /// Every sealed row is one that the ledger knows: a destroyed value that is there again was put
    /// back by somebody.
    async fn no_other_rows(&self, store: &Store) -> Result<(), StateError> {
        let mut after: Option<(SecretId, i64)> = None;
        loop {
            let rows = store.sealed_after(after, PAGE).await?;
            for (id, version) in &rows {
                after = Some((*id, version.get()));
                let secret = self.ledger.secret(*id);
                let known = secret.and_then(|secret| secret.versions.get(version));
                if known.is_none_or(|known| known.destroyed) {
                    let what = match secret {
                        Some(secret) => named(
                            secret,
                            *version,
                            "its value was destroyed, and it \
                            is in the database",
                        ),
                        None => format!(
                            "a value of secret {id} is in the database, and the log \
                            has no such secret"
                        ),
                    };
                    return Err(StateError::Differs(what));
                }
            }
            if rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                return Ok(());
            }
        }
    }

    /// Every entry was written when the log was what it says, and every change has one.
    async fn trail(&self, store: &Store) -> Result<usize, StateError> {
        let (mut entries, mut told) = (0, HashSet::new());
        // Of what was archived, the trail tells no more.
        let mut begins = Revision(0);
        let is_cut = store.trail_beginning().await? > 0;
        for (lane, _) in store.lane_ends().await? {
            let mut after = 0;
            loop {
                let rows = store.lane_entries(lane, after, i64::MAX, PAGE).await?;
                for row in &rows {
                    let entry = DecodedEntry::decode(&row.entry)
                        .map_err(|error| differs(lane, row.seq, &error.to_string()))?;
                    if is_cut && after == 0 {
                        begins = begins.max(entry.revision);
                    }
                    after = row.seq;
                    entries += 1;
                    told.insert(entry.revision);
                    let fits = self.macs.get(&entry.revision) == Some(&entry.authority_mac);
                    if !fits && entry.revision <= self.end {
                        let what = format!(
                            "it was written at {} of another log than this one",
                            entry.revision
                        );
                        return Err(differs(lane, row.seq, &what));
                    }
                }
                if rows.len() < usize::try_from(PAGE).unwrap_or(usize::MAX) {
                    break;
                }
            }
        }
        let untold = self.macs.keys().find(|at| **at > begins && !told.contains(at));
        match untold {
            Some(at) => Err(StateError::Differs(format!(
                "{at} of the log changed something, and no entry of the audit trail tells of it"
            ))),
            None => Ok(entries),
        }
    }
}

fn named(secret: &Secret, version: Version, why: &str) -> String {
    format!("{version} of secret {:?} in {}: {why}", secret.name.as_str(), secret.environment)
}

fn differs(lane: BrokerId, seq: i64, what: &str) -> StateError {
    StateError::Differs(format!("entry {seq} of lane {lane}: {what}"))
}

/// Rows that are read at once.
const PAGE: i64 = 500;
/// How often it is begun anew where a broker commits all the while.
const ROUNDS_MAX: usize = 5;
