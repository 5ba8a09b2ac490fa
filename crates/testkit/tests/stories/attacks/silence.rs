//! B2: streams that are opened and never read, while their secret is rotated.

use super::{BAIT, Siege, identified, sockets_return};
use crate::{attacks::frames, soak};
use anyhow::Result;
use secretref_broker::config::Limits;
use secretref_domain::limit::VALUE_BYTES_MAX;
use secretref_identity::credentials::Credentials;
use secretref_testkit::{admin::Admin, frames::Wire, memory, peer};
use std::path::PathBuf;
use tokio::task::JoinSet;

#[tokio::test(flavor = "multi_thread")]
async fn streams_that_are_never_read() -> Result<()> {
    let streams = soak::count(60, 1_000);
    let limits = Limits { drain_seconds: 0, ..Limits::default() };
    let mut siege = Siege::laid_within(limits).await?;
    // As much as one secret can be, so that what is not read is not small.
    siege.admin.put(BAIT, &vec![b'x'; VALUE_BYTES_MAX]).await?;
    let credentials = enrolled(&siege, streams).await?;
    // The rotations of what nobody reads, and those of the one who does: first with nobody deaf.
    let (door, rotations) = (siege.admin_door(), soak::count(50, 1_000));
    let work = rotate(door.clone(), rotations);
    let before = Box::pin(siege.measure_beside(work)).await?;
    let sockets = memory::sockets(siege.pid()?)?;
    let mut deaf = Vec::with_capacity(streams);
    for one in &credentials {
        let mut wire = Wire::deaf(&siege.address(), &identified(one)?).await?;
        wire.send(&frames::watch()).await?;
        deaf.push(wire);
    }
    let (waits, ()) = siege.victim.while_attacked(rotate(door, rotations)).await?;
    let held = memory::of(siege.pid()?)?.resident_bytes.saturating_sub(before.resident_bytes);
    let each = held / u64::try_from(streams)? / 1024;
    // Nobody waits for them for ever: none answers a ping, and each is cut while it is still there.
    sockets_return(siege.pid()?, sockets).await?;
    drop(deaf);
    let what = format!(
        "{streams} streams, {rotations} rotations of 64 KiB, {each} KiB a stream, all cut at last"
    );
    // A set that is not read lies once in the stream's buffers, and never a second time.
    let bound = 32 + u64::try_from(streams)? / 2;
    siege.lifted("B2 streams that are never read", &before, &waits, &what, bound).await
}

async fn rotate(door: (String, PathBuf), rotations: usize) -> Result<()> {
    let admin = Admin::connect(&door.0, &door.1).await?;
    for number in 0..rotations {
        let mut value = vec![b'x'; VALUE_BYTES_MAX - 8];
        value.extend(format!("{number:08}").bytes());
        admin.put(BAIT, &value).await?;
    }
    Ok(())
}

async fn enrolled(siege: &Siege, count: usize) -> Result<Vec<Credentials>> {
    let mut joining = JoinSet::new();
    let mut credentials = Vec::with_capacity(count);
    for _ in 0..count {
        let (address, token) = (siege.address(), siege.admin.token(super::ATTACKER).await?);
        joining.spawn(async move { peer::enrolled(&address, &token).await });
        if joining.len() >= JOINING_MAX {
            credentials.extend(joining.join_next().await.transpose()?.transpose()?);
        }
    }
    while let Some(joined) = joining.join_next().await {
        credentials.push(joined??);
    }
    Ok(credentials)
}

/// Strangers of one address that the broker lets in at once, and some room.
const JOINING_MAX: usize = 16;
