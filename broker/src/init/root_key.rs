//! `root-key`: another root key for brokers that serve, or for one that does not.

use super::slot;
use crate::{
    app::{
        Opening, SystemClock, open,
        root_keys::{RootKeys, Standing, open_keyring, unseal_both},
    },
    config::{Config, FolderLock, NextArguments, RootKeyCommand, RotateArguments, read_passphrase},
    custody::{brokers_without, switch_root_key},
    store::Store,
    telemetry::announce,
    unseal::{needs_passphrase, unseal, write_slot},
};
use anyhow::{Context, bail};
use secretref_domain::id::BrokerId;
use secretref_envelope::{KekId, RootKey};
use std::{path::Path, sync::Arc, time::Duration};
use tokio::time::{Instant, sleep};

/// Does what is to be done about the root key.
///
/// # Errors
/// What is in the way, and how to clear it.
pub async fn root_key(command: RootKeyCommand) -> anyhow::Result<()> {
    match command {
        RootKeyCommand::Next(arguments) => next(&arguments),
        RootKeyCommand::Rotate(arguments) => Box::pin(rotate(&arguments)).await,
    }
}

/// Makes the next root key in a folder, or takes it over from a copy.
fn next(arguments: &NextArguments) -> anyhow::Result<()> {
    let config = load(&arguments.data_dir, arguments.passphrase_file.as_deref())?;
    let Some(from) = &arguments.from else {
        let made = make(&config)?;
        announce(&format!("made {made} in {}", config.next_root_key().display()));
        return Ok(());
    };
    let passphrase = || match &arguments.from_passphrase_file {
        Some(path) => read_passphrase(path),
        None => Err(std::io::Error::other(
            "it is under a passphrase. Fix: name it with --from-passphrase-file FILE",
        )),
    };
    let root = unseal(from, passphrase)?;
    keep(&config, &root)?;
    let path = config.next_root_key();
    announce(&format!("took {} over into {}", root.id(), path.display()));
    announce(&format!("{} is of no use any more: remove it", from.display()));
    Ok(())
}

/// Rotates to the next root key, and waits until nothing is left under the one before.
async fn rotate(arguments: &RotateArguments) -> anyhow::Result<()> {
    let config = load(&arguments.data_dir, arguments.passphrase_file.as_deref())?;
    // Held to the end, so that no broker begins to serve from this folder half-way.
    let alone = FolderLock::alone(&config.data_dir)?;
    let store = Store::open(&config.file.database_url).await?;
    store.migrate().await?;
    if !config.next_root_key().try_exists()? {
        let made = make(&config)?;
        announce(&format!("made {made} in {}", config.next_root_key().display()));
    }
    let (root, next) = unseal_both(&config)?;
    let next = next.context("root.key.next was there, and is not any more")?;
    let (before, after) = (root.id(), next.id());
    let keyring = open_keyring(&store, root, Some(next)).await.map_err(Opening::into_error)?;
    if keyring.kek_id() == before {
        let serves = alone.is_none();
        wait_for_holders(&config, &store, after, serves, &arguments.without).await?;
        switch_root_key(&store, &keyring, after).await?;
        announce(&format!("sealing by {after} from now on, in place of {before}"));
    }
    match alone {
        Some(_) => rewrap(&config).await?,
        None => wait(&config).await?,
    }
    store.close().await;
    announce(&format!(
        "{} is the root key {after}: keep a copy apart from the database's backups",
        config.root_key().display()
    ));
    announce(&format!("backups from before need {before}: keep its copy for as long as them"));
    Ok(())
}

fn load(data_dir: &Path, passphrase_file: Option<&Path>) -> anyhow::Result<Config> {
    let mut config = Config::load(data_dir)?;
    config.passphrase_file = passphrase_file.map(Path::to_owned);
    Ok(config)
}

/// Makes the next root key; its id.
fn make(config: &Config) -> anyhow::Result<KekId> {
    let root = RootKey::generate()?;
    keep(config, &root)?;
    Ok(root.id())
}

/// Keeps a root key as the next one, under a passphrase where the one before is.
fn keep(config: &Config, root: &RootKey) -> anyhow::Result<()> {
    let (path, current) = (config.next_root_key(), config.root_key());
    if path.try_exists()? {
        bail!(
            "{} is there already. Fix: secretref-broker root-key rotate, or remove it where no \
             broker has followed it yet",
            path.display()
        );
    }
    let passphrase = match needs_passphrase(&current)? {
        true => Some(config.passphrase().with_context(|| current.display().to_string())?),
        false => None,
    };
    Ok(write_slot(&path, slot(root, passphrase.as_ref())?.as_bytes())?)
}

/// Waits until this folder's broker holds the next root key, if it serves, and refuses where
/// another one does not.
async fn wait_for_holders(
    config: &Config,
    store: &Store,
    next: KekId,
    serves: bool,
    without: &[uuid::Uuid],
) -> anyhow::Result<()> {
    let own = BrokerId(config.file.broker_id);
    let began = Instant::now();
    while serves && store.key_holders().await?.get(&own) != Some(&Some(next.0)) {
        if began.elapsed() > HOLD_TIME_MAX {
            bail!(
                "the broker that serves from this folder did not take the next root key. Fix: \
                   see its log"
            );
        }
        sleep(LOOK_EVERY).await;
    }
    let mut missing = brokers_without(store, next).await?;
    missing.retain(|broker| *broker != own && !without.contains(&broker.0));
    if !missing.is_empty() {
        let names: Vec<_> = missing.iter().map(ToString::to_string).collect();
        bail!(
            "brokers of this database do not hold the next root key, and could open nothing: {}. \
             Fix: copy {} to each host, and there secretref-broker root-key next --from FILE; for \
             one that is gone for good --without BROKER",
            names.join(", "),
            config.next_root_key().display()
        );
    }
    Ok(())
}

/// Wraps data keys anew, where no broker serves from the folder.
async fn rewrap(config: &Config) -> anyhow::Result<()> {
    let custody = open(config, Arc::new(SystemClock)).await.map_err(Opening::into_error)?;
    let mut keys = RootKeys::new(config, custody.is_shared());
    let rotated = async {
        while keys.look(&custody).await? != Standing::Done {
            sleep(LOOK_EVERY).await;
        }
        anyhow::Ok(())
    };
    let rotated = rotated.await;
    custody.close().await;
    rotated
}

/// Waits until the broker that serves from the folder has done it.
async fn wait(config: &Config) -> anyhow::Result<()> {
    announce("the broker wraps data keys anew, and goes on where this is stopped");
    let began = Instant::now();
    while config.next_root_key().try_exists()? {
        if began.elapsed() > REWRAP_TIME_MAX {
            bail!(
                "the broker is not done yet, or has ended; nothing is lost, and it goes on when it \
                 serves. Fix: see its log, then this command again"
            );
        }
        sleep(LOOK_EVERY).await;
    }
    Ok(())
}

/// A broker that serves looks every 2 s.
const HOLD_TIME_MAX: Duration = Duration::from_secs(20);
/// At 1,000 data keys a second, more than an environment may have.
const REWRAP_TIME_MAX: Duration = Duration::from_secs(1_800);
const LOOK_EVERY: Duration = Duration::from_millis(200);
