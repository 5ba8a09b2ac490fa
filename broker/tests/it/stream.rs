//! The stream: one manifest at a time, always the last state, and nothing after a revocation.

use crate::{
    place::manifest,
    world::{Stream, World, hello},
};
use anyhow::{Context, Result, ensure};
use prost::Message as _;
use secretref_proto::{
    convert::manifest_digest,
    v1::{
        HeldSecret, Manifest, ManifestKind, NeedSnapshot, Pong, RemovalReason, ResumeToken,
        SnapshotReason, watch_request, watch_response::Message,
    },
};
use secretref_testkit::{engine::Engine, on_both_engines, peer};
use tonic::Code;

on_both_engines!(
    a_hundred_puts_behind_an_unanswered_manifest_are_one_frame,
    what_goes_is_named,
    a_snapshot_is_to_be_had,
    a_stream_resumes_from_what_it_holds,
    what_cannot_be_recorded_is_not_sent,
    nothing_leaves_for_a_slow_reader_after_its_revocation,
    a_value_expires_by_itself,
);

/// Versions of a manifest's entries, each with whether it has a value.
fn entries(manifest: &Manifest) -> Vec<(&str, i64, bool)> {
    let entries = manifest.entries.iter();
    entries.map(|it| (it.name.as_str(), it.version, it.value.is_some())).collect()
}

fn expect(manifest: &Manifest, nonce: i64, wanted: &[(&str, i64, bool)]) -> Result<()> {
    let found = entries(manifest);
    ensure!(manifest.nonce == nonce && found == wanted, "{} {found:?}", manifest.nonce);
    Ok(())
}

async fn a_hundred_puts_behind_an_unanswered_manifest_are_one_frame(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let mut stream = world.stream(hello()).await?;
    let first = stream.manifest().await?;
    expect(&first, 1, &[("a", 1, true), ("b", 1, true)])?;
    for number in 2..=101 {
        world.admin.put("a", format!("a-{number}").as_bytes()).await?;
    }
    // An answer to something else frees nothing.
    stream.acknowledge(7).await?;
    world.admin.put("a", b"a-102").await?;
    stream.acknowledge(1).await?;
    let second = stream.manifest().await?;
    expect(&second, 2, &[("a", 102, true), ("b", 1, false)])?;
    ensure!(second.entries[0].value.as_deref() == Some(b"a-102"), "another value");
    ensure!(second.kind() == ManifestKind::Delta, "{:?}", second.kind());
    ensure!(second.manifest_digest == manifest_digest(&second.entries, None), "the digest differs");
    stream.acknowledge(2).await?;
    world.admin.put("b", b"b-2").await?;
    expect(&stream.manifest().await?, 3, &[("a", 102, false), ("b", 2, true)])
}

async fn what_goes_is_named(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b", "c"]).await?;
    let mut stream = world.stream(hello()).await?;
    let first = stream.manifest().await?;
    ensure!(first.kind() == ManifestKind::Snapshot && first.entries.len() == 3, "{first:?}");
    let request = secretref_proto::v1::DeleteSecretRequest {
        name: "a".to_owned(),
        ..secretref_proto::v1::DeleteSecretRequest::default()
    };
    world.admin.secrets().delete_secret(request).await?;
    world.admin.apply(&manifest("worker", &["a", "b"])).await?;
    stream.acknowledge(1).await?;
    let second = stream.manifest().await?;
    expect(&second, 2, &[("b", 1, false)])?;
    let removed: Vec<_> = second.removed.iter().map(|it| (it.name.as_str(), it.reason())).collect();
    let wanted = [("a", RemovalReason::Deleted), ("c", RemovalReason::Unbound)];
    ensure!(removed == wanted, "{removed:?}");
    let missing: Vec<_> = second.missing.iter().map(|it| it.secret_ref.as_str()).collect();
    ensure!(missing == ["a"], "{missing:?}");
    Ok(())
}

async fn a_snapshot_is_to_be_had(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let mut stream = world.stream(hello()).await?;
    let first = stream.manifest().await?;
    stream.acknowledge(1).await?;
    let need = NeedSnapshot { reason: SnapshotReason::LocalLoss.into() };
    stream.say(watch_request::Message::NeedSnapshot(need)).await?;
    let second = stream.manifest().await?;
    expect(&second, 2, &[("a", 1, true), ("b", 1, true)])?;
    ensure!(second.kind() == ManifestKind::Snapshot, "{:?}", second.kind());

    // One that says that it holds something else gets everything; one that holds the right thing,
    // or has not had the time to, gets nothing.
    let pong = |echo, digest: &[u8]| {
        watch_request::Message::Pong(Pong { echo, manifest_digest: digest.to_vec() })
    };
    stream.say(pong(i64::MAX, &[7; 32])).await?;
    stream.acknowledge(2).await?;
    stream.say(pong(0, &[7; 32])).await?;
    stream.say(pong(i64::MAX, &first.manifest_digest)).await?;
    stream.say(pong(i64::MAX, &[7; 32])).await?;
    expect(&stream.manifest().await?, 3, &[("a", 1, true), ("b", 1, true)])?;
    stream.acknowledge(3).await?;
    world.admin.put("b", b"b-2").await?;
    expect(&stream.manifest().await?, 4, &[("a", 1, false), ("b", 2, true)])
}

async fn a_stream_resumes_from_what_it_holds(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let credentials = world.enrolled("worker").await?;
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, hello()).await?;
    let welcome = stream.response().await?.context("no welcome")?;
    let first = stream.manifest().await?;
    drop(stream);
    world.admin.put("b", b"b-2").await?;
    let have = |entry: &secretref_proto::v1::ManifestEntry| HeldSecret {
        name: entry.name.clone(),
        version: entry.version,
        digest: entry.digest.clone(),
    };
    let resume = |store_epoch: &str, revision| {
        let token = ResumeToken { store_epoch: store_epoch.into(), revision, ..Default::default() };
        let have = first.entries.iter().map(have).collect();
        secretref_proto::v1::Hello { resume: Some(token), have, ..hello() }
    };
    let others = uuid::Uuid::new_v4().to_string();
    let cases = [
        // What it holds is not sent again.
        (resume(&welcome.store_epoch, welcome.revision), false),
        // It comes from another history, or from a future of this one.
        (resume(&others, welcome.revision), true),
        (resume(&welcome.store_epoch, i64::MAX), true),
        (secretref_proto::v1::Hello { resume: None, ..resume("", 0) }, true),
    ];
    for (hello, with_a) in cases {
        let mut stream = Stream::open(world.agent_channel(&credentials).await?, hello).await?;
        let Message::Welcome(_) = stream.next().await? else { anyhow::bail!("no welcome") };
        expect(&stream.manifest().await?, 1, &[("a", 1, with_a), ("b", 2, true)])?;
    }
    Ok(())
}

async fn what_cannot_be_recorded_is_not_sent(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let credentials = world.enrolled("worker").await?;
    let mut sql = world.place.sql().await?;
    sql.run("ALTER TABLE audit RENAME TO elsewhere").await?;
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, hello()).await?;
    let Message::Welcome(_) = stream.next().await? else { anyhow::bail!("no welcome") };
    // A put that fails has been through the writer, and so has the stream's own record before it.
    ensure!(world.admin.put("a", b"a-2").await.is_err(), "a put that is not recorded");
    sql.run("ALTER TABLE elsewhere RENAME TO audit").await?;
    expect(&stream.manifest().await?, 1, &[("a", 1, true), ("b", 1, true)])?;
    let trail = world.place.trail().await?;
    let deliveries = trail.iter().filter(|it| it.action == "secret.deliver").count();
    ensure!(deliveries == 2, "{deliveries} deliveries on record, 2 values were sent");
    Ok(())
}

/// Twenty values of the largest size are more than the connection's buffers hold, so most of them
/// are still in the broker when the revocation comes.
async fn nothing_leaves_for_a_slow_reader_after_its_revocation(engine: Engine) -> Result<()> {
    let names: Vec<String> = (0..20).map(|at| format!("s{at:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with_worker(engine, &names).await?;
    for name in &names {
        world.admin.put(name, &[b'x'; 65_536]).await?;
    }
    let slow = secretref_proto::v1::Hello { message_bytes_max: 262_144, ..hello() };
    let mut stream = world.stream(slow).await?;
    let Message::Manifest(part) = stream.next().await? else { anyhow::bail!("no manifest") };
    ensure!(!part.last && part.entries.len() == 2, "{} entries", part.entries.len());
    let revoked = world.admin.revoke("worker").await?;
    ensure!(revoked.cut_streams == 1, "{revoked:?}");
    let mut late = 0;
    while let Ok(Some(response)) = stream.response().await {
        if let Some(Message::Manifest(part)) = response.message {
            late += part.entries.len();
        }
    }
    // What was on its way already, in this process's own buffers, cannot be taken back: less than
    // one part.
    ensure!(late == 0, "{late} values arrived after the revocation was acknowledged");
    let credentials = world.enrolled("worker").await;
    ensure!(credentials.is_err(), "a revoked agent came in");
    Ok(())
}

async fn a_value_expires_by_itself(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let soon = secretref_proto::convert::field::to_time(world.place.in_seconds(1));
    let request = secretref_proto::v1::PutSecretRequest {
        expire_time: Some(soon),
        ..crate::world::put_request("a", b"a-2")
    };
    world.admin.secrets().put_secret(request).await?;
    let mut stream = world.stream(hello()).await?;
    let first = stream.manifest().await?;
    expect(&first, 1, &[("a", 2, true), ("b", 1, true)])?;
    ensure!(first.entries[0].expire_time == Some(soon), "{:?}", first.entries[0].expire_time);
    stream.acknowledge(1).await?;
    world.place.clock.advance_seconds(1);
    let second = stream.manifest().await?;
    expect(&second, 2, &[("b", 1, false)])?;
    ensure!(second.removed.len() == 1 && second.removed[0].name == "a", "{second:?}");
    Ok(())
}

/// Twenty values of the largest size, for a sidecar that takes the smallest messages.
#[tokio::test(flavor = "multi_thread")]
async fn parts_stay_below_the_limit_of_a_message() -> Result<()> {
    let names: Vec<String> = (0..20).map(|at| format!("s{at:02}")).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::with_worker(Engine::Sqlite, &names).await?;
    for name in &names {
        world.admin.put(name, &[b'x'; 65_536]).await?;
    }
    for (message_bytes_max, limit) in [(262_144, 262_144), (16_777_216, 1 << 20)] {
        let narrow = secretref_proto::v1::Hello { message_bytes_max, ..hello() };
        let mut stream = world.stream(narrow).await?;
        let (mut number, mut entries) = (0, Vec::new());
        loop {
            let response = stream.response().await?.context("the stream ended")?;
            ensure!(response.encoded_len() <= limit, "{} bytes", response.encoded_len());
            let Some(Message::Manifest(part)) = response.message else {
                anyhow::bail!("no manifest")
            };
            ensure!((part.nonce, part.part) == (1, number), "{} {}", part.nonce, part.part);
            number += 1;
            entries.extend(part.entries);
            if part.last {
                ensure!(
                    part.manifest_digest == manifest_digest(&entries, None),
                    "the digest differs"
                );
                break;
            }
        }
        ensure!(entries.len() == 20 && number > 1, "{} entries", entries.len());
        let whole = entries.iter().all(|it| it.value.as_ref().is_some_and(|it| it.len() == 65_536));
        ensure!(whole, "a value is not whole");
    }
    Ok(())
}

/// As many refs without a value as an agent can have, for a sidecar that takes the smallest
/// messages.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_stays_below_the_limit_of_a_message() -> Result<()> {
    let names: Vec<String> = (0..256).map(|at| format!("{at:03}{}", "n".repeat(125))).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let world = World::serving(Engine::Sqlite).await?;
    // Files have shorter names than secrets.
    let text = names.iter().fold(manifest("worker", &names), |text, name| {
        text.replace(&format!(r#""file": "{name}""#), &format!(r#""file": "{}""#, &name[..40]))
            .replace(
                &format!(r#""{name}": {{"credentials""#),
                &format!(r#""{}": {{"credentials""#, &name[..40]),
            )
    });
    world.admin.apply(&text).await?;
    // These three fill a part; what is missing has to go into the next.
    for (name, bytes) in names.iter().zip([65_536, 65_536, 61_000]) {
        world.admin.put(name, &vec![b'x'; bytes]).await?;
    }
    let narrow = secretref_proto::v1::Hello { message_bytes_max: 262_144, ..hello() };
    let mut stream = world.stream(narrow).await?;
    let (mut found, mut missing) = (0, 0);
    loop {
        let response = stream.response().await?.context("the stream ended")?;
        ensure!(response.encoded_len() <= 262_144, "{} bytes", response.encoded_len());
        let Some(Message::Manifest(part)) = response.message else { anyhow::bail!("no manifest") };
        found += part.entries.len();
        missing += part.missing.len();
        if part.last {
            break;
        }
    }
    ensure!((found, missing) == (3, 253), "{found} values, {missing} missing");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_and_removed_agents_have_no_stream() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let credentials = world.enrolled("worker").await?;
    let token = world.admin.token("worker").await?;
    let stranger = peer::anonymous(&world.agents.to_string(), &token).await?;
    let refused = Stream::open(stranger, hello()).await.err().context("a stranger watches")?;
    ensure!(refused.code() == Code::Unauthenticated, "{refused}");
    let channel = world.agent_channel(&credentials).await?;
    let request = secretref_proto::v1::ApplyManifestRequest {
        files: vec![secretref_proto::v1::ManifestFile {
            name: "manifest.json".to_owned(),
            content: manifest("other", &["a"]).into_bytes(),
        }],
        prune: true,
        ..Default::default()
    };
    world.admin.agents().apply_manifest(request).await?;
    let refused = Stream::open(channel, hello()).await.err().context("a removed agent watches")?;
    ensure!(refused.code() == Code::PermissionDenied, "{refused}");
    ensure!(crate::world::reason(&refused) == "AGENT_REVOKED", "{refused:?}");
    Ok(())
}
