//! The main job: a rotation reaches a running agent.

use crate::scene::{AGENT, SLACK, SLACK_FILE, STRIPE, STRIPE_FILE, Scene, manifest, only_instance};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    AccessSecretVersionRequest, ActivateSecretVersionRequest, DeleteSecretRequest,
    DestroySecretVersionRequest, UndeleteSecretRequest,
};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines};
use tonic::Code;

on_both_engines!(
    a_new_version_reaches_the_running_agent,
    an_older_version_comes_back_as_a_new_one,
    a_deleted_secret_leaves_and_comes_back,
    a_destroyed_version_is_gone,
    any_bytes_arrive_as_they_are,
);

async fn a_new_version_reaches_the_running_agent(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    let version = scene.admin.put_version(STRIPE, b"stripe-2").await?;
    ensure!(version == 2, "{version}");
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    ensure!(agent.read(SLACK_FILE)?.as_deref() == Some(b"slack-1".as_slice()), "the other changed");
    let status = scene.applied(STRIPE, 2).await?;
    let instance = only_instance(&status)?;
    ensure!(instance.state == "APPLIED" && instance.evidence == "written", "{instance:?}");
    ensure!(instance.version == 2 && status.version == 2, "{status:?}");
    ensure!(scene.applied(SLACK, 1).await?.version == 1, "the other was told of");
    Ok(())
}

async fn an_older_version_comes_back_as_a_new_one(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    let request = ActivateSecretVersionRequest {
        name: STRIPE.to_owned(),
        version: 1,
        ..ActivateSecretVersionRequest::default()
    };
    let answer = scene.admin.secrets().activate_secret_version(request).await?.into_inner();
    let version = answer.version.context("no version")?;
    ensure!(version.version == 3 && version.activated_from == 1, "{version:?}");
    agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    scene.applied(STRIPE, 3).await?;
    Ok(())
}

async fn a_deleted_secret_leaves_and_comes_back(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = scene.agent().await?;
    let name = || STRIPE.to_owned();
    let mut secrets = scene.admin.secrets();
    secrets.delete_secret(DeleteSecretRequest { name: name(), ..Default::default() }).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    ensure!(agent.read(SLACK_FILE)?.is_some(), "the other left too");
    secrets.undelete_secret(UndeleteSecretRequest { name: name(), ..Default::default() }).await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-1").await
}

async fn a_destroyed_version_is_gone(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut secrets = scene.admin.secrets();
    let destroy = |version| DestroySecretVersionRequest {
        name: STRIPE.to_owned(),
        version,
        ..DestroySecretVersionRequest::default()
    };
    let refused = secrets.destroy_secret_version(destroy(1)).await;
    let refused = refused.expect_err("the current version was destroyed");
    ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    secrets.destroy_secret_version(destroy(1)).await?;
    let read = AccessSecretVersionRequest {
        name: STRIPE.to_owned(),
        version: 1,
        reason: "a story".to_owned(),
        ..AccessSecretVersionRequest::default()
    };
    let refused = secrets.access_secret_version(read).await.expect_err("it can be read");
    ensure!(refused.code() == Code::FailedPrecondition, "{refused}");
    Ok(())
}

async fn any_bytes_arrive_as_they_are(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let largest: Vec<u8> = (0..65_536).map(|at| u8::try_from(at % 251).unwrap_or(0)).collect();
    let values: [(&str, &[u8]); 4] = [
        ("bytes", &[0, 255, 10, 13, 0]),
        ("text", "schlüssel\n".as_bytes()),
        ("one", b"x"),
        ("largest", &largest),
    ];
    for (name, value) in values {
        scene.admin.put(name, value).await?;
    }
    scene.admin.apply(&manifest("reader", &values.map(|(name, _)| name))).await?;
    let agent = Agent::enrolled(&scene.broker, &scene.admin, "reader").await?;
    for (name, value) in values {
        agent.file_becomes(name, value).await?;
    }
    let too_large = [largest.as_slice(), b"x"].concat();
    for value in [b"".as_slice(), &too_large] {
        let refused = scene.admin.put("refused", value).await.expect_err("any size is taken");
        ensure!(refused.code() == Code::InvalidArgument, "{refused}");
    }
    ensure!(scene.admin.status(AGENT).await?.instances.is_empty(), "the other agent came in");
    Ok(())
}
