//! What an apply says before it does anything, and what it leaves alone.

use crate::scene::{AGENT, PAYMENT_ANALYST, STRIPE, STRIPE_FILE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    ApplyManifestRequest, ApplyManifestResponse, ListAgentsRequest, ManifestChange, ManifestFile,
};
use secretref_testkit::{engine::Engine, on_both_engines};
use tonic::Code;

on_both_engines!(
    a_dry_run_tells_each_key_and_changes_nothing,
    json5_and_yaml_come_to_what_json_comes_to,
    strict_names_every_ref_that_cannot_be_resolved,
    prune_removes_within_its_environment_and_no_secret,
);

pub(crate) async fn apply(
    scene: &Scene,
    files: &[(&str, &str)],
    more: ApplyManifestRequest,
) -> Result<ApplyManifestResponse, tonic::Status> {
    let file = |(name, content): &(&str, &str)| ManifestFile {
        name: (*name).to_owned(),
        content: content.as_bytes().to_vec(),
    };
    let request = ApplyManifestRequest { files: files.iter().map(file).collect(), ..more };
    scene.admin.agents().apply_manifest(request).await.map(tonic::Response::into_inner)
}

pub(crate) fn dry_run() -> ApplyManifestRequest {
    ApplyManifestRequest { validate_only: true, ..ApplyManifestRequest::default() }
}

pub(crate) fn change<'a>(
    answer: &'a ApplyManifestResponse,
    kind: &str,
    name: &str,
) -> Result<&'a ManifestChange> {
    let found = answer.changes.iter().find(|change| change.kind == kind && change.name == name);
    found.with_context(|| format!("no change of {kind} {name}: {answer:?}"))
}

/// Each difference on a line of its own: path, before, after.
pub(crate) fn told(change: &ManifestChange) -> Vec<String> {
    let side = |side: &Option<String>| side.clone().unwrap_or_else(|| "nothing".to_owned());
    let line = |it: &secretref_proto::v1::ManifestDifference| {
        format!("{}: {} → {}", it.path, side(&it.before), side(&it.after))
    };
    change.differences.iter().map(line).collect()
}

async fn agent_names(scene: &Scene, environment: &str) -> Result<Vec<String>> {
    let request =
        ListAgentsRequest { environment: environment.to_owned(), ..ListAgentsRequest::default() };
    let agents = scene.admin.agents().list_agents(request).await?.into_inner().agents;
    Ok(agents.into_iter().map(|agent| agent.name).collect())
}

async fn a_dry_run_tells_each_key_and_changes_nothing(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let changed = PAYMENT_ANALYST
        .replace(r#""secretRef": "stripe-api-key""#, r#""secretRef": "stripe-live-key""#)
        .replace(r#""runtime": "subagent","#, r#""description": "new","#);
    let answer = apply(&scene, &[("m.json", &changed)], dry_run()).await?;
    ensure!(answer.revision == 0, "{answer:?}");
    let agent = change(&answer, "agent", AGENT)?;
    ensure!(agent.action == "updated", "{agent:?}");
    let expected = [
        "agents.payment-analyst.description: nothing → \"new\"",
        "agents.payment-analyst.runtime: \"subagent\" → nothing",
        "agents.payment-analyst.tool-bindings.stripe-payment.credentials.apiKey.secretRef: \
         \"stripe-api-key\" → \"stripe-live-key\"",
    ];
    ensure!(told(agent) == expected, "{:?}", told(agent));
    let again = apply(&scene, &[("m.json", PAYMENT_ANALYST)], dry_run()).await?;
    ensure!(again.changes.iter().all(|it| it.action == "unchanged"), "{again:?}");
    let done = apply(&scene, &[("m.json", &changed)], ApplyManifestRequest::default()).await?;
    ensure!(done.changes.iter().all(|it| it.differences.is_empty()), "only a dry run tells them");
    Ok(())
}

async fn json5_and_yaml_come_to_what_json_comes_to(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let json5 = PAYMENT_ANALYST.replacen('{', "{ // the article's agent\n", 1);
    let yaml = "
agents:
  payment-analyst:
    name: 支付分析 Agent
    runtime: subagent
    capabilities: [stripe-payment, slack-notifier, data-processing]
    auth-profiles:
      stripe-payment: {required: true, on-failure: deny-and-alert}
      slack-notifier: {required: true, on-failure: deny-and-log}
    tool-bindings:
      stripe-payment:
        required: true
        credentials:
          apiKey: {secretRef: stripe-api-key, envVar: STRIPE_API_KEY}
      slack-notifier:
        required: true
        credentials:
          botToken: {secretRef: slack-bot-token, envVar: SLACK_BOT_TOKEN}
refMap:
  stripe-api-key: {provider: store, required: true}
  slack-bot-token: {provider: store, required: true}
";
    for (name, text) in [("m.json5", json5.as_str()), ("m.yaml", yaml), ("piped", yaml)] {
        let answer = apply(&scene, &[(name, text)], dry_run()).await?;
        ensure!(answer.changes.len() == 3, "{answer:?}");
        ensure!(answer.changes.iter().all(|it| it.action == "unchanged"), "{name}: {answer:?}");
    }
    let refused = apply(&scene, &[("m.json", &json5)], dry_run()).await;
    let refused = refused.err().context("JSON5 was taken for JSON")?;
    ensure!(refused.message().contains("ends in `.json5`"), "{refused:?}");
    Ok(())
}

async fn strict_names_every_ref_that_cannot_be_resolved(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let text = manifest("buyer", &["one", "two", STRIPE]);
    let strict = ApplyManifestRequest { strict: true, ..ApplyManifestRequest::default() };
    let refused = apply(&scene, &[("m.json", &text)], strict.clone()).await;
    let refused = refused.err().context("what cannot be resolved was taken")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
    for name in ["\"one\"", "\"two\""] {
        ensure!(refused.message().contains(name), "{name} is not named: {refused:?}");
    }
    ensure!(!refused.message().contains(STRIPE), "what resolves is named: {refused:?}");
    ensure!(agent_names(&scene, "").await? == [AGENT], "it was applied");
    scene.admin.put("one", b"1").await?;
    scene.admin.put("two", b"2").await?;
    apply(&scene, &[("m.json", &text)], strict).await?;
    ensure!(agent_names(&scene, "").await? == ["buyer", AGENT], "it was not applied");
    Ok(())
}

async fn prune_removes_within_its_environment_and_no_secret(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let other = ApplyManifestRequest {
        environment: "staging".to_owned(),
        ..ApplyManifestRequest::default()
    };
    apply(&scene, &[("m.json", &manifest("elsewhere", &["far"]))], other).await?;
    let agent = scene.agent().await?;
    let keep = manifest("witness", &[STRIPE]);
    let prune = ApplyManifestRequest { prune: true, ..ApplyManifestRequest::default() };
    let preview = ApplyManifestRequest { validate_only: true, ..prune.clone() };
    let preview = apply(&scene, &[("m.json", &keep)], preview).await?;
    for (kind, name) in [("agent", AGENT), ("ref", "slack-bot-token")] {
        let removed = change(&preview, kind, name)?;
        ensure!(removed.action == "removed", "{removed:?}");
        ensure!(!removed.differences.is_empty(), "what goes is not told: {removed:?}");
        ensure!(removed.differences.iter().all(|it| it.after.is_none()), "{removed:?}");
    }
    ensure!(agent_names(&scene, "").await? == [AGENT], "a dry run pruned");
    apply(&scene, &[("m.json", &keep)], prune).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    ensure!(agent_names(&scene, "").await? == ["witness"], "not pruned");
    ensure!(agent_names(&scene, "staging").await? == ["elsewhere"], "pruned elsewhere");
    let secret = scene.admin.put_version("slack-bot-token", b"slack-2").await?;
    ensure!(secret == 2, "the secret was pruned too: version {secret}");
    Ok(())
}
