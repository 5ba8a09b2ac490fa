//! Nobody gets more than his share: rates and places, and what who is over them is told.

use crate::{
    place::manifest,
    world::{Stream, World, hello, reason},
};
use anyhow::{Context, Result, ensure};
use secretref_broker::config::Limits;
use secretref_identity::{credentials::Credentials, request::CertificateRequest};
use secretref_proto::v1::{
    NeedSnapshot, RenewRequest, SnapshotReason, enrolment_service_client::EnrolmentServiceClient,
    watch_request, watch_response::Message,
};
use secretref_testkit::{engine::Engine, peer};
use std::time::Duration;
use tonic::{Code, Status, transport::Channel};
use tonic_types::StatusExt;

async fn within(limits: Limits) -> Result<World> {
    let world = World::serving_within(Engine::Sqlite, limits).await?;
    world.admin.put("a", b"a-1").await?;
    world.admin.apply(&manifest("worker", &["a"])).await?;
    Ok(world)
}

fn limits() -> Limits {
    Limits { drain_seconds: 0, ..Limits::default() }
}

/// A refusal for too much, with a time that is worth waiting for.
fn told_to_wait(refused: &Status, most: Duration) -> Result<()> {
    ensure!(refused.code() == Code::ResourceExhausted, "{refused}");
    ensure!(reason(refused) == "RATE_LIMITED", "{refused:?}");
    let wait = refused.get_details_retry_info().and_then(|it| it.retry_delay);
    let wait = wait.context("it is not told when to come again")?;
    ensure!(!wait.is_zero() && wait <= most, "{wait:?}");
    Ok(())
}

async fn renew(channel: &Channel) -> Result<(), Status> {
    let request = CertificateRequest::generate().expect("a key");
    let message = RenewRequest { certificate_request_der: request.der };
    EnrolmentServiceClient::new(channel.clone()).renew(message).await.map(drop)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_asks_too_often_is_told_to_wait() -> Result<()> {
    let world = within(Limits { requests_per_second: 1, requests_burst: 3, ..limits() }).await?;
    let noisy = world.agent_channel(&world.enrolled("worker").await?).await?;
    let quiet = world.agent_channel(&world.enrolled("worker").await?).await?;
    let mut refused = Vec::new();
    for _ in 0..20 {
        refused.extend(renew(&noisy).await.err());
    }
    ensure!(refused.len() > 10, "{} of 20 were refused", refused.len());
    told_to_wait(&refused[0], Duration::from_secs(1))?;
    // It is the same for its streams, and nothing to anybody else.
    let refused = Stream::open(noisy, hello()).await.err().context("a stream was opened")?;
    told_to_wait(&refused, Duration::from_secs(1))?;
    for _ in 0..3 {
        renew(&quiet).await?;
    }
    Ok(())
}

/// Joins with a token that was used: a failure that the broker has to look at.
async fn fail_to_join(world: &World, spent: &str) -> Result<Status> {
    let channel = peer::anonymous(&world.agents.to_string(), spent).await?;
    let other = CertificateRequest::generate()?;
    peer::join(channel, spent, &other).await.err().context("a used token was taken")
}

#[tokio::test(flavor = "multi_thread")]
async fn failed_enrolments_of_an_address_are_few_and_good_ones_are_not_counted() -> Result<()> {
    let world = within(Limits { failed_enrolments_burst: 3, ..limits() }).await?;
    for _ in 0..10 {
        world.enrolled("worker").await?;
    }
    let spent = world.admin.token("worker").await?;
    peer::enrolled(&world.agents.to_string(), &spent).await?;
    for _ in 0..3 {
        let refused = fail_to_join(&world, &spent).await?;
        ensure!(refused.code() == Code::Unauthenticated, "{refused}");
    }
    told_to_wait(&fail_to_join(&world, &spent).await?, Duration::from_secs(12))?;
    // A good token is not spent by being refused so.
    let good = world.admin.token("worker").await?;
    let channel = peer::anonymous(&world.agents.to_string(), &good).await?;
    let request = CertificateRequest::generate()?;
    let refused = peer::join(channel, &good, &request).await.err().context("it was taken")?;
    told_to_wait(&refused, Duration::from_secs(12))?;
    let trail = world.admin.audit_trail().await?;
    let failed = trail.iter().filter(|it| it.action == "agent.join" && it.reason.contains("used"));
    ensure!(failed.count() == 3, "what was refused at the door has a record");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn enrolments_and_streams_are_taken_in_at_a_rate() -> Result<()> {
    let bound = Limits {
        enrolments_per_second: 1,
        enrolments_burst: 2,
        streams_per_second: 1,
        streams_burst: 1,
        ..limits()
    };
    let world = within(bound).await?;
    let (one, other) = (world.enrolled("worker").await?, world.enrolled("worker").await?);
    let token = world.admin.token("worker").await?;
    let channel = peer::anonymous(&world.agents.to_string(), &token).await?;
    let request = CertificateRequest::generate()?;
    let refused = peer::join(channel, &token, &request).await.err().context("a third came in")?;
    told_to_wait(&refused, Duration::from_secs(1))?;

    let mut first = Stream::open(world.agent_channel(&one).await?, hello()).await?;
    let second = Stream::open(world.agent_channel(&other).await?, hello()).await;
    told_to_wait(&second.err().context("a second was opened")?, Duration::from_secs(1))?;
    ensure!(matches!(first.next().await?, Message::Welcome(_)), "the first is not served");
    Ok(())
}

/// What a stream says unasked is read no faster than requests are, and it is not cut for it. A
/// revocation does not wait behind it.
#[tokio::test(flavor = "multi_thread")]
async fn who_talks_too_much_is_not_listened_to() -> Result<()> {
    let world = within(Limits { requests_per_second: 1, requests_burst: 5, ..limits() }).await?;
    world.admin.put("b", b"b-1").await?;
    world.admin.apply(&manifest("quiet", &["b"])).await?;
    let quiet = world.agent_channel(&world.enrolled("quiet").await?).await?;
    let mut quiet = Stream::open(quiet, hello()).await?;
    ensure!(matches!(quiet.next().await?, Message::Welcome(_)), "no welcome");
    let nonce = quiet.manifest().await?.nonce;
    quiet.acknowledge(nonce).await?;

    let mut stream = world.stream(hello()).await?;
    for _ in 0..60 {
        let need = NeedSnapshot { reason: SnapshotReason::LocalLoss.into() };
        stream.say(watch_request::Message::NeedSnapshot(need)).await?;
    }
    // Time enough to be heard: somebody else is served more often than this one has spoken.
    for _ in 0..80 {
        world.admin.put("b", b"b-2").await?;
        let nonce = quiet.manifest().await?.nonce;
        quiet.acknowledge(nonce).await?;
    }
    world.admin.revoke("worker").await?;
    let (mut manifests, mut revoked) = (0, false);
    while let Ok(Some(response)) = stream.response().await {
        manifests += usize::from(matches!(response.message, Some(Message::Manifest(_))));
        revoked |= matches!(response.message, Some(Message::Revoke(_)));
    }
    ensure!(revoked, "it was not told of its revocation");
    ensure!((6..40).contains(&manifests), "{manifests} of its 60 words were heard");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_of_an_address_are_few() -> Result<()> {
    let world = within(Limits { strangers_per_address_max: 2, ..limits() }).await?;
    let worker = world.enrolled("worker").await?;
    let token = world.admin.token("worker").await?;
    let address = world.agents.to_string();
    // The connection of the enrolment may not be gone yet.
    let held = secretref_testkit::wait::eventually("two strangers have a connection", async || {
        let both =
            (peer::anonymous(&address, &token).await, peer::anonymous(&address, &token).await);
        let (Ok(one), Ok(other)) = both else { return Ok(None) };
        let spent = CertificateRequest::generate()?;
        let alive = peer::join(one.clone(), &token, &spent).await;
        Ok((alive.is_ok() || alive.is_err_and(|it| it.code() == Code::Unauthenticated))
            .then_some((one, other)))
    })
    .await?;
    let third = match peer::anonymous(&address, &token).await {
        // It is refused after its handshake, which may be while it is being used.
        Ok(channel) => peer::join(channel, &token, &CertificateRequest::generate()?).await.err(),
        Err(_) => return known_is_served(&world, &worker).await,
    };
    let third = third.context("a third was served")?;
    ensure!(third.code() != Code::Unauthenticated, "a third was heard: {third}");
    drop(held);
    known_is_served(&world, &worker).await
}

/// Whoever is known has places of his own.
async fn known_is_served(world: &World, worker: &Credentials) -> Result<()> {
    let mut stream = Stream::open(world.agent_channel(worker).await?, hello()).await?;
    ensure!(matches!(stream.next().await?, Message::Welcome(_)), "no welcome");
    Ok(())
}
