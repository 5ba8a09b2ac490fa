//! How a sidecar becomes somebody, once.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, Scene, only_instance};
use anyhow::{Result, ensure};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, peer};
use tonic::Code;

on_both_engines!(
    a_token_in_a_file_lets_one_sidecar_in,
    a_token_that_is_none_is_refused_without_being_quoted,
    without_a_certificate_there_is_nothing_but_join,
);

async fn a_token_in_a_file_lets_one_sidecar_in(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let mut first = Agent::new(&scene.broker)?;
    first.give_token(&token)?;
    first.run()?;
    first.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    let status = scene.applied(STRIPE, 1).await?;
    let instance = only_instance(&status)?;
    ensure!(instance.connected && instance.evidence == "written", "{instance:?}");

    let second = Agent::new(&scene.broker)?;
    second.give_token(&token)?;
    let refused = second.enroll()?;
    let said = String::from_utf8(refused.stderr)?;
    ensure!(refused.status.code() == Some(1), "{}: {said}", refused.status);
    ensure!(!said.contains(&token), "the token is quoted");
    ensure!(second.read(STRIPE_FILE)?.is_none(), "a refused sidecar has a secret");
    ensure!(scene.admin.status(AGENT).await?.instances.len() == 1, "a refused sidecar is listed");
    let trail = scene.admin.audit_trail().await?;
    ensure!(trail.iter().any(|entry| entry.decision == "denied"), "the refusal is not audited");
    Ok(())
}

async fn a_token_that_is_none_is_refused_without_being_quoted(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut token = scene.admin.token(AGENT).await?;
    let last = token.pop();
    token.push(if last == Some('a') { 'b' } else { 'a' });
    for wrong in [token.as_str(), "srj_", "", "password"] {
        let agent = Agent::new(&scene.broker)?;
        agent.give_token(wrong)?;
        let refused = agent.enroll()?;
        let said = String::from_utf8(refused.stderr)?;
        ensure!(refused.status.code() == Some(2), "{wrong:?}: {}: {said}", refused.status);
        ensure!(said.contains("error:") && said.contains("Fix:"), "{wrong:?}: {said}");
        ensure!(wrong.len() < 5 || !said.contains(wrong), "{wrong:?} is quoted: {said}");
    }
    Ok(())
}

async fn without_a_certificate_there_is_nothing_but_join(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let channel = peer::anonymous(&scene.agents(), &token).await?;
    let Err(refused) = peer::Watcher::open_on(channel.clone()).await else {
        anyhow::bail!("a nobody watches");
    };
    ensure!(refused.code() == Code::Unauthenticated, "{refused}");
    let mut admin = secretref_proto::v1::secrets_service_client::SecretsServiceClient::new(channel);
    let refused = admin.list_secrets(secretref_proto::v1::ListSecretsRequest::default()).await;
    let refused = refused.expect_err("the agents' listener administers");
    ensure!(matches!(refused.code(), Code::Unauthenticated | Code::Unimplemented), "{refused}");
    Ok(())
}
