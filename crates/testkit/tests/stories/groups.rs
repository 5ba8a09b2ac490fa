//! What a group binds, all its agents have: from the apply that changes the group alone.

use crate::{
    manifests::{apply, change, dry_run, told},
    scene::{STRIPE, Scene},
};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    ApplyManifestRequest, GetAgentRequest, ListAgentStatusesRequest, ListAgentsRequest,
};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines};
use tonic::Code;

on_both_engines!(
    a_change_of_the_group_reaches_all_its_agents,
    an_agent_says_where_each_binding_comes_from,
    groups_that_do_not_fit_together_are_refused_with_both_places,
    a_group_that_agents_name_is_not_pruned,
);

/// A group with one tool for each secret, whose files are called like the secrets.
fn group(name: &str, secrets: &[&str]) -> String {
    let tool = |name: &&str| {
        format!("\n      {name}: {{credentials: {{key: {{secretRef: {name}, file: {name}}}}}}}")
    };
    let tools: String = secrets.iter().map(tool).collect();
    format!("groups:\n  {name}:\n    tool-bindings:{tools}\n")
}

const MEMBERS: &str = "agents:\n  one: {groups: [finance]}\n  two: {groups: [finance]}\n";

async fn yaml(scene: &Scene, texts: &[&str]) -> Result<(), tonic::Status> {
    let files: Vec<_> = texts.iter().map(|text| ("m.yaml", *text)).collect();
    apply(scene, &files, ApplyManifestRequest::default()).await.map(drop)
}

/// The scene with two members of the group, each under a sidecar that has the Stripe key.
async fn members(scene: &Scene) -> Result<[Agent; 2]> {
    yaml(scene, &[&group("finance", &[STRIPE]), MEMBERS]).await?;
    let one = Agent::enrolled(&scene.broker, &scene.admin, "one").await?;
    let two = Agent::enrolled(&scene.broker, &scene.admin, "two").await?;
    for agent in [&one, &two] {
        agent.file_becomes(STRIPE, b"stripe-1").await?;
    }
    Ok([one, two])
}

async fn a_change_of_the_group_reaches_all_its_agents(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let [one, two] = members(&scene).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    for agent in [&one, &two] {
        agent.file_becomes(STRIPE, b"stripe-2").await?;
    }
    let wider = group("finance", &[STRIPE, "slack-bot-token"]);
    let preview = apply(&scene, &[("m.yaml", &wider)], dry_run()).await?;
    let tool = "groups.finance.tool-bindings.slack-bot-token.credentials.key";
    let expected = [
        format!("{tool}.file: nothing → \"slack-bot-token\""),
        format!("{tool}.secretRef: nothing → \"slack-bot-token\""),
    ];
    let found = told(change(&preview, "group", "finance")?);
    ensure!(found == expected, "{found:?}");
    yaml(&scene, &[&wider]).await?;
    for agent in [&one, &two] {
        agent.file_becomes("slack-bot-token", b"slack-1").await?;
    }
    yaml(&scene, &[&group("finance", &["slack-bot-token"])]).await?;
    for agent in [&one, &two] {
        agent.file_leaves(STRIPE).await?;
        ensure!(agent.read("slack-bot-token")?.is_some(), "the other left too");
    }
    Ok(())
}

async fn an_agent_says_where_each_binding_comes_from(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let own = "agents:\n  one:\n    groups: [finance]\n    tool-bindings:\n      own: \
               {credentials: {key: {secretRef: slack-bot-token}}}\n";
    yaml(&scene, &[&group("finance", &[STRIPE]), own]).await?;
    let request = GetAgentRequest { name: "one".to_owned(), ..GetAgentRequest::default() };
    let agent = scene.admin.agents().get_agent(request).await?.into_inner().agent;
    let agent = agent.context("no agent")?;
    ensure!(agent.groups == ["finance"], "{agent:?}");
    let from: Vec<_> =
        agent.bindings.iter().map(|it| (it.tool.as_str(), it.group.as_str())).collect();
    ensure!(from == [("own", ""), (STRIPE, "finance")], "{from:?}");

    let mut agents = scene.admin.agents();
    let list =
        |group: &str| ListAgentsRequest { group: group.to_owned(), ..ListAgentsRequest::default() };
    let found = agents.list_agents(list("finance")).await?.into_inner().agents;
    let names: Vec<_> = found.iter().map(|agent| agent.name.as_str()).collect();
    ensure!(names == ["one"], "{names:?}");
    let missing = agents.list_agents(list("nobody")).await.err().context("it is listed")?;
    ensure!(missing.code() == Code::NotFound, "{missing:?}");
    let request = ListAgentStatusesRequest {
        group: "finance".to_owned(),
        ..ListAgentStatusesRequest::default()
    };
    let statuses = agents.list_agent_statuses(request).await?.into_inner().statuses;
    ensure!(statuses.len() == 1 && statuses[0].agent == "one", "{statuses:?}");
    ensure!(statuses[0].refs.len() == 2, "{statuses:?}");
    Ok(())
}

async fn groups_that_do_not_fit_together_are_refused_with_both_places(
    engine: Engine,
) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let one_file = "groups:\n  first:\n    tool-bindings:\n      a: {credentials: {k: {secretRef: \
                    one, file: key}}}\n  second:\n    tool-bindings:\n      b: {credentials: {k: \
                    {secretRef: two, file: key}}}\n";
    yaml(&scene, &[one_file]).await?;
    let both = "agents:\n  mixed: {groups: [first, second]}\n";
    let refused = yaml(&scene, &[both]).await.err().context("it was taken")?;
    ensure!(refused.code() == Code::InvalidArgument, "{refused:?}");
    for place in [
        "groups.first.tool-bindings.a.credentials.k",
        "groups.second.tool-bindings.b.credentials.k",
        "agent mixed",
    ] {
        ensure!(refused.message().contains(place), "{place} is not named: {refused:?}");
    }
    yaml(&scene, &["agents:\n  plain: {groups: [first]}\n"]).await?;
    // Later, by a change of the group alone.
    let own = "agents:\n  plain:\n    groups: [first]\n    tool-bindings:\n      own: \
               {credentials: {k: {secretRef: two, file: later}}}\n";
    yaml(&scene, &[own]).await?;
    let later = one_file.replace("one, file: key", "one, file: later");
    let refused = yaml(&scene, &[&later]).await.err().context("it was taken")?;
    let place = "agents.plain.tool-bindings.own.credentials.k";
    ensure!(refused.message().contains(place), "{refused:?}");
    let unknown = yaml(&scene, &["agents:\n  lost: {groups: [nowhere]}\n"]).await;
    let unknown = unknown.err().context("a group that is not there was taken")?;
    ensure!(unknown.message().contains("agents.lost.groups[0]"), "{unknown:?}");
    Ok(())
}

async fn a_group_that_agents_name_is_not_pruned(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let [one, two] = members(&scene).await?;
    let prune = || ApplyManifestRequest { prune: true, ..ApplyManifestRequest::default() };
    let refs = "refMap:\n  stripe-api-key: {provider: store}\n";
    let refused = apply(&scene, &[("m.yaml", MEMBERS), ("m.yaml", refs)], prune()).await;
    let refused = refused.err().context("it was pruned")?;
    ensure!(refused.code() == Code::FailedPrecondition, "{refused:?}");
    ensure!(refused.message().contains("one, two"), "the agents are not named: {refused:?}");
    ensure!(one.read(STRIPE)?.is_some(), "it was pruned all the same");
    let left = "agents:\n  one: {}\n";
    let answer = apply(&scene, &[("m.yaml", left), ("m.yaml", refs)], prune()).await?;
    ensure!(change(&answer, "group", "finance")?.action == "removed", "{answer:?}");
    one.file_leaves(STRIPE).await?;
    two.file_leaves(STRIPE).await?;
    Ok(())
}
