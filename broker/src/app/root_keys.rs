//! The root keys in a broker's folder: the one that it seals by, and the next one while there is
//! one. A broker that serves looks at them now and then, and follows the one that the database
//! names.

use super::Opening;
use crate::{
    config::Config,
    custody::{Custody, Rewrapped, sealed_keyring},
    store::Store,
    unseal::{UnsealError, unseal},
};
use anyhow::Context;
use secretref_envelope::{KekId, Keyring, RootKey};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    time::Duration,
};
use tokio::time::Instant;
use zeroize::Zeroizing;

/// The root key of a folder, and the next one where there is one. The passphrase is asked for once.
pub(crate) fn unseal_both(config: &Config) -> Result<(RootKey, Option<RootKey>), UnsealError> {
    let mut kept: Option<Zeroizing<Vec<u8>>> = None;
    let mut passphrase = || match &kept {
        Some(passphrase) => Ok(passphrase.clone()),
        None => config.passphrase().inspect(|passphrase| kept = Some(passphrase.clone())),
    };
    let root = unseal(&config.root_key(), &mut passphrase)?;
    match unseal(&config.next_root_key(), &mut passphrase) {
        Ok(next) => Ok((root, Some(next))),
        Err(UnsealError::Missing(_)) => Ok((root, None)),
        Err(error) => Err(error),
    }
}

/// The keys of a database, by root keys of a folder: sealed where none of them is the database's.
pub(crate) async fn open_keyring(
    store: &Store,
    root: RootKey,
    next: Option<RootKey>,
) -> Result<Keyring, Opening> {
    let sealed = sealed_keyring(&store.vaults().await?)?;
    let (named, other) = match next {
        Some(next) if next.id() == sealed.kek_id => (next, Some(root)),
        other => (root, other),
    };
    let open = || {
        let keyring = Keyring::open(named, &sealed)?;
        match other {
            Some(other) => keyring.holding(other),
            None => Ok(keyring),
        }
    };
    open().map_err(|error| Opening::Sealed(error.into()))
}

/// How far a broker is with the next root key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// There is none.
    None,
    /// It is held, and the database names the one before.
    Held,
    /// It is sealed by, and data keys are wrapped anew.
    Rewrapping,
    /// It took the place of the one before just now.
    Done,
}

/// Follows the root key that the database names.
pub(crate) struct RootKeys {
    root: PathBuf,
    next: PathBuf,
    passphrase_file: Option<PathBuf>,
    /// Id of the next one, once it is held.
    held: Option<KekId>,
    rewrapped: Rewrapped,
    /// Since when nothing was found that is under another root key.
    clean: Option<Instant>,
    /// For how long nothing may be found before the one before is let go.
    settle: Duration,
}

impl RootKeys {
    /// For a broker's folder; with other brokers where the database is shared.
    pub(crate) fn new(config: &Config, shared: bool) -> Self {
        Self {
            root: config.root_key(),
            next: config.next_root_key(),
            passphrase_file: config.passphrase_file.clone(),
            held: None,
            rewrapped: Rewrapped::default(),
            clean: None,
            settle: if shared { SETTLE_SHARED } else { SETTLE_ALONE },
        }
    }

    /// Does what is next, a bounded part of it.
    pub(crate) async fn look(&mut self, custody: &Custody) -> anyhow::Result<Standing> {
        if !self.next.try_exists()? {
            self.held = None;
        } else if self.held.is_none() {
            self.hold(custody).await?;
        }
        custody.follow_root_key().await.with_context(|| {
            format!(
                "the database names another root key. Fix: copy root.key.next of another broker \
                 here, then secretref-broker root-key next --from FILE --data-dir {}",
                self.root.parent().unwrap_or(&self.root).display()
            )
        })?;
        match self.held {
            None => Ok(Standing::None),
            Some(next) if next == custody.root_key() => self.rewrap(custody).await,
            Some(_) => Ok(Standing::Held),
        }
    }

    async fn hold(&mut self, custody: &Custody) -> anyhow::Result<()> {
        let (path, passphrase) = (self.next.clone(), self.passphrase_file.clone());
        // Argon2 takes some tenths of a second of a core.
        let unsealed = tokio::task::spawn_blocking(move || {
            unseal(&path, || match &passphrase {
                Some(path) => crate::config::read_passphrase(path),
                None => Err(io::Error::other(
                    "it is under a passphrase. Fix: serve with --passphrase-file FILE",
                )),
            })
        });
        let root = unsealed.await??;
        let id = root.id();
        custody.hold_root_key(root).await?;
        tracing::info!(root_key = %id, "the next root key is held");
        self.held = Some(id);
        Ok(())
    }

    async fn rewrap(&mut self, custody: &Custody) -> anyhow::Result<Standing> {
        let rewrapped = custody.rewrap(ROWS_PER_LOOK).await?;
        self.rewrapped.replaced += rewrapped.replaced;
        self.rewrapped.refused = rewrapped.refused;
        if rewrapped.replaced > 0 || rewrapped.more {
            self.clean = None;
            return Ok(Standing::Rewrapping);
        }
        let clean = *self.clean.get_or_insert_with(Instant::now);
        if clean.elapsed() < self.settle {
            return Ok(Standing::Rewrapping);
        }
        fs::rename(&self.next, &self.root).with_context(|| {
            format!("{} could not take the place of root.key", self.next.display())
        })?;
        if let Some(folder) = self.root.parent() {
            File::open(folder)?.sync_all()?;
        }
        custody.retire_root_keys(self.rewrapped).await?;
        let Rewrapped { replaced, refused, .. } = std::mem::take(&mut self.rewrapped);
        let root_key = custody.root_key();
        tracing::info!(replaced, refused, %root_key, "the root key was rotated");
        (self.clean, self.held) = (None, None);
        Ok(Standing::Done)
    }
}

/// Versions whose data keys are wrapped anew at one look: others write in between.
const ROWS_PER_LOOK: u64 = 2_000;
/// Longer than whoever reads a row takes to open it.
const SETTLE_ALONE: Duration = Duration::from_secs(2);
/// Longer than brokers take to follow the root key that the database names.
const SETTLE_SHARED: Duration = Duration::from_secs(10);
