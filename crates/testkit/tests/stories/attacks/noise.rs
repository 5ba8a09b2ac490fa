//! B4: one agent asks a hundred times as often as it may.

use super::Siege;
use crate::soak;
use anyhow::{Context, Result, ensure};
use secretref_identity::{credentials::Credentials, request::CertificateRequest};
use secretref_proto::v1::{
    NeedSnapshot, RenewRequest, SnapshotReason, enrolment_service_client::EnrolmentServiceClient,
    watch_request,
};
use secretref_testkit::{peer, peer::Watcher};
use std::error::Error;
use tokio::task::JoinSet;
use tonic::{Code, Status, transport};
use tonic_types::StatusExt;

#[derive(Default)]
struct Answers {
    taken: usize,
    refused: usize,
    /// Lost with their connection, which is opened anew by itself: whoever is too busy shouting to
    /// answer a ping is cut.
    cut: usize,
}

#[tokio::test(flavor = "multi_thread")]
async fn one_noisy_agent() -> Result<()> {
    let mut siege = Siege::laid().await?;
    let noisy = siege.attacker().await?;
    let before = siege.measure().await?;
    // Twenty a second are allowed, and a hundred at once.
    let requests = soak::count(2_000, 200_000);
    let attack = shout(siege.address(), noisy, requests);
    let (waits, answers) = siege.victim.while_attacked(attack).await?;
    let Answers { taken, refused, cut } = answers;
    let told = taken + refused + cut;
    ensure!(told == requests, "{told} of {requests} have an answer");
    ensure!(refused > taken, "{taken} of {requests} were taken");
    let what = format!(
        "{requests} requests and as many messages, {taken} taken, {refused} refused, {cut} cut"
    );
    siege.lifted("B4 one noisy agent", &before, &waits, &what, 64).await
}

async fn shout(address: String, credentials: Credentials, requests: usize) -> Result<Answers> {
    let channel = peer::identified(&address, &credentials).await?;
    let watcher = Watcher::open(&address, &credentials).await?;
    // Each of these asks for everything anew; it is read no faster than it may speak, so this waits
    // in TCP for ever.
    let talking = tokio::spawn(async move {
        for _ in 0..requests {
            let need = NeedSnapshot { reason: SnapshotReason::LocalLoss.into() };
            if watcher.say(watch_request::Message::NeedSnapshot(need)).await.is_err() {
                break;
            }
        }
    });
    let der = CertificateRequest::generate()?.der;
    let mut calls = JoinSet::new();
    let mut answers = Answers::default();
    for _ in 0..requests {
        let (mut client, der) = (EnrolmentServiceClient::new(channel.clone()), der.clone());
        calls.spawn(async move {
            client.renew(RenewRequest { certificate_request_der: der }).await.map(drop)
        });
        if calls.len() >= AT_ONCE {
            count(&mut answers, calls.join_next().await.context("none")??)?;
        }
    }
    while let Some(answer) = calls.join_next().await {
        count(&mut answers, answer?)?;
    }
    talking.abort();
    Ok(answers)
}

fn count(answers: &mut Answers, answer: Result<(), Status>) -> Result<()> {
    match answer {
        Ok(()) => answers.taken += 1,
        Err(status) if status.source().is_some_and(|it| it.is::<transport::Error>()) => {
            answers.cut += 1;
        }
        Err(status) => {
            ensure!(status.code() == Code::ResourceExhausted, "{status}");
            let wait = status.get_details_retry_info().and_then(|it| it.retry_delay);
            ensure!(wait.is_some_and(|wait| !wait.is_zero()), "it is not told when: {status:?}");
            answers.refused += 1;
        }
    }
    Ok(())
}

/// As many as one connection may have.
const AT_ONCE: usize = 32;
