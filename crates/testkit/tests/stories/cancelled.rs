//! Requests that are cancelled at every moment lose nothing that was acknowledged, of themselves or
//! of others.

use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_domain::limit::VERSIONS_MAX;
use secretref_proto::v1::{AccessSecretVersionRequest, GetSecretRequest};
use secretref_testkit::{admin::Admin, broker::Broker, engine::Engine, on_both_engines};
use std::{path::PathBuf, time::Duration};
use tokio::{task::JoinSet, time::timeout};

on_both_engines!(cancelled_requests_lose_no_acknowledged_write);

const STORM: usize = 16;
const INNOCENTS: usize = 4;
/// How an answer begins that promises that it changed nothing.
const NOTHING: &str = "nothing was done";
/// Times that a put is refused so before the story gives up; each takes the database's 2 s.
const TRIES_MAX: u32 = 30;

async fn cancelled_requests_lose_no_acknowledged_write(engine: Engine) -> Result<()> {
    let cancels = soak::count(20_000, 1_000_000);
    let broker = Broker::start(engine).await?;
    let mut storm = JoinSet::new();
    for writer in 0..STORM {
        let door = Door::of(&broker);
        storm.spawn(cancelled_puts(door, format!("storm-{writer}"), cancels / STORM));
    }
    let mut innocents = JoinSet::new();
    for writer in 0..INNOCENTS {
        let admin = broker.admin().await?;
        innocents.spawn(plain_puts(admin, format!("innocent-{writer}"), 200));
    }
    let mut newest = innocents.join_all().await;
    newest.extend(storm.join_all().await);
    let admin = broker.admin().await?;
    let mut acknowledged = 0;
    for outcome in newest {
        let (name, version, count) = outcome?;
        acknowledged += count;
        check(&admin, &name, version).await?;
    }
    soak::figure("cancelled requests", &format!("{cancels}, {acknowledged} kept, 0 lost"));
    Ok(())
}

/// Its last acknowledged version is there, with its value, and so is every one before it: versions
/// have no gaps, so a lost one would be written twice. One that so many given up puts followed that
/// it made room for them was there.
async fn check(admin: &Admin, name: &str, version: i64) -> Result<()> {
    if version == 0 {
        return Ok(());
    }
    let request = GetSecretRequest { name: name.to_owned(), ..GetSecretRequest::default() };
    let secret = admin.secrets().get_secret(request).await?.into_inner().secret;
    let current = secret.context("no secret")?.current_version;
    ensure!(current >= version, "{name}: v{version} was acknowledged and v{current} is current");
    if current - version >= i64::try_from(VERSIONS_MAX)? {
        return Ok(());
    }
    let request = AccessSecretVersionRequest {
        name: name.to_owned(),
        version,
        reason: "a story".to_owned(),
        ..AccessSecretVersionRequest::default()
    };
    let answer = admin.secrets().access_secret_version(request).await;
    let answer = answer.with_context(|| format!("{name} v{version}"))?.into_inner();
    ensure!(answer.value.starts_with(name.as_bytes()), "{name} v{version} is another's");
    Ok(())
}

/// Where an administrator comes in again: a broker ends a connection that resets too many requests
/// at once, as those of a rapid reset attack do.
struct Door {
    address: String,
    folder: PathBuf,
}

impl Door {
    fn of(broker: &Broker) -> Self {
        let address = broker.listening().admin.to_string();
        Self { address, folder: broker.data().join("admin") }
    }

    async fn open(&self) -> Result<Admin> {
        Admin::connect(&self.address, &self.folder).await
    }
}

/// Puts, each given up after a random time; returns the newest acknowledged version.
async fn cancelled_puts(door: Door, name: String, count: usize) -> Result<(String, i64, usize)> {
    let mut admin = door.open().await?;
    let (mut newest, mut acknowledged) = (0, 0);
    for number in 0..count {
        let patience = Duration::from_micros(fastrand::u64(0..3_000));
        let value = format!("{name}:{number}");
        // A put that was given up may have happened or not; one that answered has.
        if let Ok(answer) = timeout(patience, admin.put(&name, value.as_bytes())).await {
            let Ok(answer) = answer else {
                admin = door.open().await?;
                continue;
            };
            let version = answer.version.context("no version")?.version;
            ensure!(version > newest, "{name}: v{version} after v{newest}");
            (newest, acknowledged) = (version, acknowledged + 1);
        }
    }
    Ok((name, newest, acknowledged))
}

/// Puts on the same connections of the database, each waited for: their versions have no gap. Where
/// the database has no time, the broker says that nothing was done, and so it must be.
async fn plain_puts(admin: Admin, name: String, count: usize) -> Result<(String, i64, usize)> {
    for number in 1..=count {
        let value = format!("{name}:{number}");
        let mut tries = 0;
        let answer = loop {
            match admin.put(&name, value.as_bytes()).await {
                Err(status) if status.message().starts_with(NOTHING) && tries < TRIES_MAX => {
                    tries += 1;
                }
                other => break other?,
            }
        };
        let version = answer.version.context("no version")?.version;
        ensure!(usize::try_from(version)? == number, "{name}: v{version} after {number} puts");
    }
    Ok((name, i64::try_from(count)?, count))
}
