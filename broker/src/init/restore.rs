//! `backup` and `restore`. A backup is the whole database as it was at one time, in a file that is
//! a SQLite store of its own: from either engine, into either. Values in it are sealed as they are
//! in the database, by a root key that is not in it.

use super::{make_folder, new_file, passphrase, slot, write_file};
use crate::{
    app::{
        Opening, SystemClock, blob, open,
        root_keys::{open_keyring, unseal_both},
        trail_key_of, verify,
    },
    authority::Authority,
    config::{
        BROKER_FILE, BackupArguments, Config, FolderLock, ROOT_KEY_FILE, RestoreArguments,
        read_passphrase,
    },
    custody::{AUTHORITY, State},
    store::{Store, StoreError},
    telemetry::announce,
    unseal::{unseal, write_slot},
};
use anyhow::{Context, bail};
use secretref_domain::{
    clock::{Clock, Timestamp},
    trail::Verified,
};
use secretref_envelope::{Keyring, RootKey};
use std::{
    fs::{self, File, OpenOptions},
    io,
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::Arc,
};

/// Writes a backup of a database, whether brokers serve or not.
///
/// # Errors
/// What kept it from being written; there is no file of that name then.
pub async fn backup(arguments: &BackupArguments) -> anyhow::Result<()> {
    let mut config = Config::load(&arguments.data_dir)?;
    if let Some(url) = &arguments.database_url {
        config.file.database_url.clone_from(url);
    }
    let out = &arguments.out;
    if out.try_exists()? {
        bail!("{} is there already. Fix: name another file with --out", out.display());
    }
    let store = Store::open(&config.file.database_url).await?;
    let parent = out.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(Path::new("."));
    // What is not whole has no name: the folder goes, whatever happens.
    let partial = scratch().tempdir_in(parent).with_context(|| parent.display().to_string())?;
    let path = partial.path().join(FILE);
    let file = open_file(&path).await?;
    file.migrate().await?;
    let copied = store.copy_to(&file, None).await?;
    file.close().await;
    store.close().await;
    File::open(&path)?.sync_all()?;
    // Not a rename: a file that came there meanwhile is not written over.
    fs::hard_link(&path, out).with_context(|| out.display().to_string())?;
    File::open(parent)?.sync_all()?;
    let rows = |table| copied.get(table).copied().unwrap_or(0);
    announce(&format!(
        "backed up to {}: versions {}, records of authority {}, entries of the audit trail {}",
        out.display(),
        rows("secret_versions"),
        rows("authority_log"),
        rows("audit")
    ));
    announce("its values are sealed by the root key, which is not in it: keep that apart");
    Ok(())
}

/// Verifies a backup and makes an empty database from it.
///
/// # Errors
/// What is in the way, and how to clear it; the database is as it was.
pub async fn restore(arguments: &RestoreArguments) -> anyhow::Result<()> {
    let is_new = !arguments.data_dir.join(BROKER_FILE).try_exists()?;
    let (root, next) = keys(arguments, is_new)?;
    // On a copy: it may be of an older release, and whoever restores changes no backup.
    let folder = scratch().tempdir()?;
    let path = folder.path().join(FILE);
    copy_file(&arguments.backup, &path)
        .with_context(|| format!("--backup {}", arguments.backup.display()))?;
    let backup = open_file(&path).await?;
    backup.migrate().await?;
    let own = own_slot(arguments, &root, is_new)?;
    let keyring = open_keyring(&backup, root, next).await.map_err(Opening::into_error)?;
    let domain = check(&backup, &keyring).await?;
    if arguments.dry_run {
        backup.close().await;
        announce("nothing was changed");
        return Ok(());
    }
    let config = match own {
        Some(slot) => new_folder(arguments, &slot, &domain)?,
        None => Config::load(&arguments.data_dir)?,
    };
    let Some(_alone) = FolderLock::alone(&config.data_dir)? else {
        bail!("a broker serves from {}. Fix: stop it", config.data_dir.display());
    };
    let url = arguments.database_url.as_ref().unwrap_or(&config.file.database_url);
    let store = Store::open(url).await?;
    store.migrate().await?;
    match backup.copy_to(&store, Some(SystemClock.now())).await {
        Err(StoreError::NotEmpty) => bail!(
            "the database is not empty. Fix: name an empty one with --database-url, or move what \
             there is away"
        ),
        outcome => outcome?,
    };
    backup.close().await;
    store.close().await;
    record(arguments, config).await?;
    announce("restored: the database is what the backup was");
    announce("what was changed after the backup is gone, revocations too: revoke again what was");
    announce("certificates that were issued after it are refused: secretref agent token AGENT");
    announce(&format!("next: secretref-broker serve --data-dir {}", arguments.data_dir.display()));
    Ok(())
}

/// The root keys that the backup is under: of the folder, or the one that was named for a new one.
fn keys(arguments: &RestoreArguments, is_new: bool) -> anyhow::Result<(RootKey, Option<RootKey>)> {
    match (&arguments.root_key, is_new) {
        (Some(path), true) => {
            let passphrase = || match &arguments.root_passphrase_file {
                Some(path) => read_passphrase(path),
                None => Err(io::Error::other(
                    "it is under a passphrase. Fix: name it with --root-passphrase-file FILE",
                )),
            };
            Ok((unseal(path, passphrase)?, None))
        }
        (None, false) => {
            let mut config = Config::load(&arguments.data_dir)?;
            config.passphrase_file.clone_from(&arguments.passphrase_file);
            Ok(unseal_both(&config)?)
        }
        (None, true) => bail!(
            "there is no broker in {}. Fix: name the root key that the backup is under with \
             --root-key FILE",
            arguments.data_dir.display()
        ),
        (Some(_), false) => bail!(
            "there is a broker in {}, with a root key of its own. Fix: leave --root-key out, or \
             name a new folder",
            arguments.data_dir.display()
        ),
    }
}

/// The slot that a new folder gets.
fn own_slot(
    arguments: &RestoreArguments,
    root: &RootKey,
    is_new: bool,
) -> anyhow::Result<Option<zeroize::Zeroizing<String>>> {
    if !is_new || arguments.dry_run {
        return Ok(None);
    }
    let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
    slot(root, passphrase.as_ref()).map(Some)
}

/// Verifies a backup to its end, and says what is in it; the trust domain.
async fn check(backup: &Store, keyring: &Keyring) -> anyhow::Result<String> {
    let sealed = blob(backup, AUTHORITY).await?;
    let authority = Authority::import(&keyring.open_blob(AUTHORITY, &sealed)?)?;
    let key = trail_key_of(backup, keyring, &authority).await?;
    let verified: Verified = verify::to_its_end(verify::read(backup, &key, None)).await?;
    let state = verify::to_its_end(verify::held(backup, keyring)).await?;
    let State { revisions, values, .. } = state;
    let newest = backup.audit_before(None, Timestamp::from_micros(0), 1).await?;
    announce(&format!(
        "the backup is whole: revisions {revisions}, values {values}, entries of the audit trail \
         {}; the newest is of {}",
        verified.entries(),
        newest.first().map_or_else(|| "no time".to_owned(), |entry| entry.at.to_string())
    ));
    Ok(authority.domain().to_string())
}

/// Makes the folder of a new broker.
fn new_folder(arguments: &RestoreArguments, slot: &str, domain: &str) -> anyhow::Result<Config> {
    let data_dir = make_folder(&arguments.data_dir)?;
    write_slot(&data_dir.join(ROOT_KEY_FILE), slot.as_bytes())?;
    let embedded = || format!("sqlite://{}", data_dir.join("secretref.db").display());
    let url = arguments.database_url.clone().unwrap_or_else(embedded);
    write_file(&data_dir, &new_file(&data_dir, url, domain, &arguments.places))?;
    Config::load(&data_dir)
}

/// Has the trail say that it was restored.
async fn record(arguments: &RestoreArguments, mut config: Config) -> anyhow::Result<()> {
    config.passphrase_file.clone_from(&arguments.passphrase_file);
    if let Some(url) = &arguments.database_url {
        config.file.database_url.clone_from(url);
    }
    let custody = open(&config, Arc::new(SystemClock)).await.map_err(Opening::into_error)?;
    let recorded = custody.restored().await;
    custody.close().await;
    recorded.context("that it was restored was not recorded")
}

/// Copies a backup into a folder of ours.
fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let mut options = OpenOptions::new();
    let mut copy = options.write(true).create_new(true).mode(0o600).open(to)?;
    io::copy(&mut File::open(from)?, &mut copy).map(drop)
}

/// A folder of ours that goes with everything in it.
fn scratch() -> tempfile::Builder<'static, 'static> {
    let mut folder = tempfile::Builder::new();
    folder.prefix("secretref-backup-");
    folder
}

async fn open_file(path: &Path) -> Result<Store, StoreError> {
    Store::open(&format!("sqlite://{}", path.display())).await
}

/// Name of the database while it is worked on.
const FILE: &str = "backup.db";
