//! Acknowledged is durable: the broker, and then Postgres, is killed again and again under writes.

use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AccessSecretVersionRequest, PutSecretRequest};
use secretref_testkit::{
    admin::Admin, broker::Broker, engine::Engine, on_both_engines, wait::eventually,
};
use std::collections::BTreeMap;
use tokio::sync::watch;
use uuid::Uuid;

on_both_engines!(what_was_acknowledged_outlives_every_kill);

/// Secrets that are written at the same time.
const WRITERS: usize = 4;

/// What a writer was told: the version and the value of every acknowledged put.
type Journal = BTreeMap<i64, Vec<u8>>;

async fn what_was_acknowledged_outlives_every_kill(engine: Engine) -> Result<()> {
    let kills = soak::count(100, 1_000);
    let mut broker = Broker::start(engine).await?;
    let (alive, seen) = watch::channel(Some(broker.admin().await?));
    let (count, mut counted) = watch::channel(0_u64);
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(writer, seen.clone(), count.clone())))
        .collect();
    drop(seen);
    let mut first = 0;
    for kill in 0..kills {
        // At least one write under way after each start, and a random few more.
        first += fastrand::u64(1..=8);
        counted.wait_for(|count| *count >= first).await?;
        first = *counted.borrow();
        broker.kill9().with_context(|| format!("kill {kill}"))?;
        alive.send_replace(None);
        broker.serve().with_context(|| format!("start after kill {kill}"))?;
        alive.send_replace(Some(broker.admin().await?));
    }
    let admin = broker.admin().await?;
    // Without the last one in the channel a writer would go on with it for ever.
    alive.send_replace(None);
    drop(alive);
    let mut acknowledged = 0;
    for (writer, task) in writers.into_iter().enumerate() {
        let journal = task.await??;
        acknowledged += journal.len();
        check(&admin, writer, &journal).await?;
    }
    soak::figure("kill -9 of the broker", &format!("{kills} kills, {acknowledged} kept, 0 lost"));
    Ok(())
}

fn name(writer: usize) -> String {
    format!("written-{writer}")
}

/// Puts value after value until nobody will come again, and returns what was acknowledged. A put
/// whose answer was lost is repeated with its request id: it happens once.
async fn write(
    writer: usize,
    mut broker: watch::Receiver<Option<Admin>>,
    count: watch::Sender<u64>,
) -> Result<Journal> {
    let mut journal = Journal::new();
    for number in 0.. {
        let request = PutSecretRequest {
            name: name(writer),
            value: format!("{writer}:{number}").into_bytes(),
            request_id: Uuid::new_v4().to_string(),
            ..PutSecretRequest::default()
        };
        let version = loop {
            let Ok(admin) = broker.wait_for(Option::is_some).await.map(|admin| admin.clone())
            else {
                return Ok(journal);
            };
            let admin = admin.context("an administrator")?;
            match admin.secrets().put_secret(request.clone()).await {
                Ok(answer) => break answer.into_inner().version.context("no version")?.version,
                // Killed: wait for the next one. The channel changes when it is there.
                Err(_) if broker.changed().await.is_ok() => {}
                Err(_) => return Ok(journal),
            }
        };
        let double = journal.insert(version, request.value);
        ensure!(double.is_none(), "version {version} was acknowledged twice");
        count.send_modify(|count| *count += 1);
    }
    Ok(journal)
}

/// Versions are without gaps, and each acknowledged one that is still kept has its value.
async fn check(admin: &Admin, writer: usize, journal: &Journal) -> Result<()> {
    let Some((newest, _)) = journal.last_key_value() else { return Ok(()) };
    let oldest_kept = newest - 90;
    for (version, value) in journal.range(oldest_kept..) {
        let request = AccessSecretVersionRequest {
            name: name(writer),
            version: *version,
            reason: "a story".to_owned(),
            ..AccessSecretVersionRequest::default()
        };
        // A new connection may still be under way.
        let read = eventually("the version can be read", async || {
            match admin.secrets().access_secret_version(request.clone()).await {
                Ok(answer) => Ok(Some(answer.into_inner().value)),
                Err(status) if status.code() == tonic::Code::Unavailable => Ok(None),
                Err(status) => Err(status.into()),
            }
        });
        ensure!(read.await? == *value, "{} v{version} is another's", name(writer));
    }
    Ok(())
}
