//! `join`: another broker over a database that has one. It gets a folder, an identity and a slot of
//! the root key of its own; everything else is in the database already, sealed by that key.

use super::{is_made, make_folder, new_file, passphrase, slot, write_file};
use crate::{
    app::{Opening, SystemClock, blob, open, root_keys::open_keyring},
    authority::Authority,
    config::{Config, JoinArguments, ROOT_KEY_FILE, read_passphrase},
    custody::AUTHORITY,
    store::Store,
    telemetry::announce,
    unseal::{unseal, write_slot},
};
use anyhow::{Context, bail};
use std::sync::Arc;

/// Makes another broker. Nothing is written before the root key has opened the database.
///
/// # Errors
/// What is in the way, and how to clear it.
pub async fn join(arguments: &JoinArguments) -> anyhow::Result<()> {
    if is_made(&arguments.data_dir, arguments.unless_made) {
        return Ok(());
    }
    let store = Store::open(&arguments.database_url).await?;
    if !store.is_shared() {
        bail!(
            "--database-url names a file, which one broker has for itself. Fix: name a Postgres \
             database; several brokers need one"
        );
    }
    store.migrate().await?;
    if store.head().await?.is_none() {
        bail!("the database is empty. Fix: make the first broker with secretref-broker init");
    }
    let root_passphrase = || match &arguments.root_passphrase_file {
        Some(path) => read_passphrase(path),
        None => Err(std::io::Error::other(
            "it is under a passphrase. Fix: name it with --root-passphrase-file FILE",
        )),
    };
    let root = unseal(&arguments.root_key, root_passphrase)?;
    let own = slot(&root, passphrase(arguments.passphrase_file.as_deref())?.as_ref())?;
    let keyring = open_keyring(&store, root, None).await.map_err(Opening::into_error)?;
    let sealed = blob(&store, AUTHORITY).await?;
    let authority = Authority::import(&keyring.open_blob(AUTHORITY, &sealed)?)?;
    store.close().await;

    let data_dir = make_folder(&arguments.data_dir)?;
    write_slot(&data_dir.join(ROOT_KEY_FILE), own.as_bytes())?;
    let (url, domain) = (arguments.database_url.clone(), authority.domain().to_string());
    write_file(&data_dir, &new_file(&data_dir, url, &domain, &arguments.places))?;

    let mut config = Config::load(&data_dir)?;
    config.passphrase_file.clone_from(&arguments.passphrase_file);
    let custody = open(&config, Arc::new(SystemClock)).await.map_err(Opening::into_error)?;
    let joined = custody.joined(&arguments.places.advertise).await;
    custody.close().await;
    joined.context("that it joined was not recorded")?;
    announce(&format!("made a broker in {}", data_dir.display()));
    announce(&format!("next: secretref-broker serve --data-dir {}", data_dir.display()));
    announce("then name it to sidecars: --broker FIRST:7443 --broker THIS:7443");
    Ok(())
}
