//! A root key that takes the place of another while brokers serve. Data keys are wrapped anew;
//! values, MACs and the audit trail stay as they are.
//!
//! ```text
//! next key in every folder ─▶ every broker opens by both ─▶ the vault names the next one
//!   ─▶ every broker seals by it, and rewraps what is still under another ─▶ nothing is left
//!   ─▶ the key before is let go
//! ```
//! Each step is taken again where it was cut short, by whichever broker comes to it: what a broker
//! sealed by the key before, in the moment before it knew, that broker can open and finds.

use super::{
    AUDIT_KEY, AUTHORITY, CHECKPOINTS, Custody, CustodyError, KEK_CHECK, KEK_ID, MAC_KEY, RECEIPTS,
    Shared, plan::event,
};
use crate::store::{Store, StoreError, WrappedRow};
use secretref_domain::{
    caller::Caller,
    id::{BrokerId, SecretId},
    version::Version,
};
use secretref_envelope::{EnvelopeError, KekId, Keyring, RootKey, SealedKeyring};
use std::{collections::BTreeMap, sync::Arc};
use uuid::Uuid;

/// What came of looking for data keys that are not under the active root key.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Rewrapped {
    /// How many are under it now.
    pub replaced: u64,
    /// How many were not opened by any root key of this broker: such rows were of no use before.
    pub refused: u64,
    /// Whether there may be more of them.
    pub more: bool,
}

/// The keyring as a vault holds it.
pub(crate) fn sealed_keyring(
    vault: &BTreeMap<String, Vec<u8>>,
) -> Result<SealedKeyring, StoreError> {
    let blob = |name: &str| vault.get(name).cloned().ok_or_else(|| missing(name));
    let sized = |name, bytes: Vec<u8>| bytes.try_into().map_err(|_| missing(name));
    let id = Uuid::from_slice(&blob(KEK_ID)?).map_err(|_| missing(KEK_ID))?;
    Ok(SealedKeyring {
        kek_id: KekId(id),
        check: sized(KEK_CHECK, blob(KEK_CHECK)?)?,
        mac_key: blob(MAC_KEY)?,
        audit_key: blob(AUDIT_KEY)?,
    })
}

/// What a vault holds of a keyring.
pub(crate) fn keyring_blobs(sealed: &SealedKeyring) -> [(&'static str, Vec<u8>); 4] {
    [
        (KEK_ID, sealed.kek_id.0.as_bytes().to_vec()),
        (KEK_CHECK, sealed.check.to_vec()),
        (MAC_KEY, sealed.mac_key.clone()),
        (AUDIT_KEY, sealed.audit_key.clone()),
    ]
}

pub(crate) fn missing(name: &str) -> StoreError {
    StoreError::Damaged(format!("{name} is missing from the vault; restore a backup"))
}

/// Brokers that do not hold a root key beside the one that they seal by.
pub(crate) async fn brokers_without(
    store: &Store,
    next: KekId,
) -> Result<Vec<BrokerId>, StoreError> {
    let holders = store.key_holders().await?;
    let without = holders.into_iter().filter(|(_, held)| *held != Some(next.0));
    Ok(without.map(|(broker, _)| broker).collect())
}

/// Has the vault name a root key that a keyring holds as the active one.
pub(crate) async fn switch_root_key(
    store: &Store,
    keyring: &Keyring,
    next: KekId,
) -> Result<(), CustodyError> {
    let before = keyring_blobs(&sealed_keyring(&store.vaults().await?)?);
    let after = keyring_blobs(&keyring.sealed_under(next)?);
    let blobs = before.into_iter().zip(after).map(|((name, was), (_, is))| (name, was, is));
    Ok(store.replace_vaults(blobs.collect()).await?)
}

impl Shared {
    /// The keys as they are now.
    pub(super) fn keyring(&self) -> Arc<Keyring> {
        self.keyring.load_full()
    }
}

impl Custody {
    /// Id of the root key that is sealed by.
    #[must_use]
    pub fn root_key(&self) -> KekId {
        self.shared.keyring().kek_id()
    }

    /// Takes a root key beside the one that is sealed by, where it is not held since the start, and
    /// says so to whoever waits for it.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn hold_root_key(&self, root: RootKey) -> Result<(), CustodyError> {
        let id = root.id();
        let before = self.shared.keyring();
        if !before.holds(id) {
            self.shared.keyring.store(Arc::new(before.holding(root)?));
        }
        self.shared.store.hold_key(self.broker(), Some(id.0)).await?;
        self.note_root_key("root_key.hold", id, String::new()).await
    }

    /// Seals by the root key that the vault names; whether that is another one than before.
    ///
    /// # Errors
    /// [`CustodyError`], where it is one that this broker does not hold: it goes on with its own.
    pub async fn follow_root_key(&self) -> Result<bool, CustodyError> {
        let before = self.root_key();
        let named = self.shared.store.vault(KEK_ID).await?.ok_or_else(|| missing(KEK_ID))?;
        if named == before.0.as_bytes() {
            return Ok(false);
        }
        let sealed = sealed_keyring(&self.shared.store.vaults().await?)?;
        let keyring = self.shared.keyring().activated(&sealed)?;
        let id = keyring.kek_id();
        self.shared.keyring.store(Arc::new(keyring));
        self.note_root_key("root_key.activate", id, format!("in place of {before}")).await?;
        Ok(true)
    }

    /// Wraps data keys anew that are not under the active root key: those of so many versions at
    /// most, and all of the vault.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn rewrap(&self, limit: u64) -> Result<Rewrapped, CustodyError> {
        let keyring = self.shared.keyring();
        let mut outcome =
            Rewrapped { replaced: self.rewrap_vault(&keyring).await?, ..Rewrapped::default() };
        let mut after: Option<(SecretId, Version)> = None;
        loop {
            let store = &self.shared.store;
            let rows = store.wrapped_by_others(keyring.kek_id().0, after, ROWS_AT_ONCE).await?;
            let Some(last) = rows.last() else { return Ok(outcome) };
            after = Some((last.secret, last.version));
            let mut replaced = Vec::with_capacity(rows.len());
            for row in rows {
                match keyring.rewrap(&row.environment, row.secret, row.version, &row.wrapped) {
                    Ok(Some(wrapped)) => replaced.push((row, wrapped)),
                    Ok(None) => {}
                    Err(error) => {
                        outcome.refused += 1;
                        say_refused(&row, error);
                    }
                }
            }
            outcome.replaced += store.rewrap(replaced).await?;
            if outcome.replaced >= limit {
                return Ok(Rewrapped { more: true, ..outcome });
            }
        }
    }

    async fn rewrap_vault(&self, keyring: &Keyring) -> Result<u64, CustodyError> {
        let (store, mut replaced) = (&self.shared.store, 0);
        for name in [AUTHORITY, CHECKPOINTS, RECEIPTS] {
            let Some(before) = store.vault(name).await? else { continue };
            if let Some(after) = keyring.rewrap_blob(name, &before)? {
                // One that was replaced meanwhile is looked at again.
                match store.replace_vault(name, &before, &after).await {
                    Ok(()) | Err(StoreError::Damaged(_)) => replaced += 1,
                    Err(error) => return Err(error.into()),
                }
            }
        }
        Ok(replaced)
    }

    /// Lets go of every root key but the active one: nothing is under another any more.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn retire_root_keys(&self, rewrapped: Rewrapped) -> Result<(), CustodyError> {
        let Rewrapped { replaced, refused, .. } = rewrapped;
        self.shared.store.scrub().await?;
        self.shared.keyring.store(Arc::new(self.shared.keyring().alone()));
        self.shared.store.hold_key(self.broker(), None).await?;
        let mut what = format!("wrapped anew here: {replaced}");
        if refused > 0 {
            what.push_str(&format!("; not opened by any root key: {refused}"));
        }
        self.note_root_key("root_key.retire", self.root_key(), what).await
    }

    async fn note_root_key(
        &self,
        action: &'static str,
        id: KekId,
        reason: String,
    ) -> Result<(), CustodyError> {
        let mut record = event(&Caller::Broker { id: self.broker() }, action);
        (record.object_kind, record.object_id, record.reason) = ("root_key", id.0, reason);
        record.object = id.to_string();
        self.writer.note(vec![record]).await
    }
}

fn say_refused(row: &WrappedRow, error: EnvelopeError) {
    tracing::error!(
        secret = %row.secret, version = %row.version, %error,
        "a stored data key was not opened, and stays as it is; restore the row from a backup"
    );
}

/// Data keys that one transaction replaces.
const ROWS_AT_ONCE: i64 = 200;
