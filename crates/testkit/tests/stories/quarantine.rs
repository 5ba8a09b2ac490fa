//! A quarantined agent is shut out at once and everywhere, and let in again by one word.

use crate::scene::{AGENT, SLACK_FILE, STRIPE, STRIPE_FILE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::watch_response::Message;
use secretref_testkit::{
    agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines, peer, wait,
};
use serde_json::{Value, json};

on_both_engines!(
    a_quarantined_agent_is_cut_and_wiped_and_stays_out_after_a_restart,
    one_that_does_not_listen_is_cut_before_the_command_returns,
    a_released_agent_comes_in_as_the_instance_that_it_was,
    who_comes_with_a_new_token_comes_alone,
    no_rotation_waits_for_a_quarantined_agent,
);

fn quarantine(cli: &Cli) -> Result<Value> {
    let words = ["agent", "quarantine", AGENT, "--reason", "odd requests", "--json"];
    cli.run(&words)?.ended(0)?.json()
}

/// What `agent list` calls the agent's state.
fn state(cli: &Cli) -> Result<String> {
    let agents = cli.run(&["agent", "list", "--json"])?.ended(0)?.json()?;
    let found = agents.as_array().into_iter().flatten().find(|it| it["agent"] == AGENT);
    let found = found.context("the agent is not listed")?;
    Ok(found["state"].as_str().unwrap_or_default().to_owned())
}

async fn a_quarantined_agent_is_cut_and_wiped_and_stays_out_after_a_restart(
    engine: Engine,
) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let mut agent = scene.agent().await?;
    let unused = scene.admin.token(AGENT).await?;
    scene.applied(STRIPE, 1).await?;
    let told = quarantine(&cli)?;
    ensure!(told["state"] == "quarantined" && told["cut_streams"] == 1, "{told}");
    let held = told["held"].as_array().context("nothing held")?;
    let names: Vec<&Value> = held.iter().map(|it| &it["secret"]).collect();
    ensure!(names == ["slack-bot-token", STRIPE], "{told}");
    ensure!(held[1]["versions"][0]["state"] == "current", "{told}");
    // When the command has returned there is no stream, and the sidecar was told to wipe.
    let shown = cli.run(&["agent", "show", AGENT, "--json"])?.ended(0)?.json()?;
    ensure!(shown["instances"][0]["connected"] == false, "{shown}");
    ensure!(shown["quarantine_time"].is_string(), "{shown}");
    agent.file_leaves(STRIPE_FILE).await?;
    agent.file_leaves(SLACK_FILE).await?;
    ensure!(state(&cli)? == "quarantined", "{}", state(&cli)?);
    let status = cli.run(&["status", "--agent", AGENT, "--secrets"])?.ended(0)?;
    ensure!(status.err.contains(&format!("agent {AGENT} is quarantined")), "{}", status.err);

    scene.broker.kill9()?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    let cli = Cli::of(&scene.broker)?;
    ensure!(state(&cli)? == "quarantined", "{}", state(&cli)?);
    ensure!(peer::enrolled(&scene.agents(), &unused).await.is_err(), "an unused token works");
    let refused = cli.run(&["agent", "token", AGENT])?.ended(1)?;
    ensure!(refused.err.contains(&format!("secretref agent release {AGENT}")), "{}", refused.err);
    agent.kill9()?;
    agent.run()?;
    let sidecar = agent.sidecar().context("no sidecar")?;
    sidecar.wait_for_line("is quarantined", wait::DEADLINE)?;
    scene.admin.apply(&manifest("witness", &[STRIPE])).await?;
    let witness = Agent::enrolled(&scene.broker, &scene.admin, "witness").await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    witness.file_becomes(STRIPE, b"stripe-2").await?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a quarantined agent got a value");

    let trail = cli.run(&["audit", "log", "--agent", AGENT, "--json"])?.ended(0)?;
    let entries: Vec<Value> =
        trail.out.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    let entry = entries.iter().find(|it| it["action"] == "agent.quarantine");
    let entry = entry.with_context(|| format!("it is not in the trail: {}", trail.out))?;
    ensure!(entry["reason"] == "odd requests" && entry["decision"] == "allowed", "{entry}");
    Ok(())
}

async fn one_that_does_not_listen_is_cut_before_the_command_returns(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let token = scene.admin.token(AGENT).await?;
    let credentials = peer::enrolled(&scene.agents(), &token).await?;
    let mut watcher = peer::Watcher::open(&scene.agents(), &credentials).await?;
    let (nonce, entries) = watcher.manifest().await?;
    watcher.acknowledge(nonce, &entries).await?;
    // It takes what it is sent, and never says that it has wiped.
    quarantine(&cli)?;
    let shown = cli.run(&["agent", "show", AGENT, "--json"])?.ended(0)?.json()?;
    ensure!(shown["instances"][0]["connected"] == false, "{shown}");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let rest = watcher.rest().await?;
    let bodies = rest.iter().filter_map(|message| match message {
        Message::Manifest(manifest) => Some(manifest),
        _ => None,
    });
    let bodies = bodies.flat_map(|it| &it.entries).filter(|entry| entry.value.is_some()).count();
    ensure!(bodies == 0, "a value left after the quarantine");
    let told = rest.iter().any(|message| {
        matches!(message, Message::Revoke(revoke) if revoke.reason.contains("quarantined"))
    });
    ensure!(told, "it was not told to wipe: {rest:?}");
    ensure!(peer::renewed(&scene.agents(), &credentials).await.is_err(), "it was renewed");
    let again = match peer::Watcher::open(&scene.agents(), &credentials).await {
        Err(_) => true,
        Ok(mut watcher) => watcher.manifest().await.is_err(),
    };
    ensure!(again, "a quarantined certificate watches");
    Ok(())
}

async fn a_released_agent_comes_in_as_the_instance_that_it_was(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let mut agent = scene.agent().await?;
    let instances = |cli: &Cli| -> Result<Value> {
        let shown = cli.run(&["agent", "show", AGENT, "--json"])?.ended(0)?.json()?;
        Ok(shown["instances"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|it| it["instance"].clone())
            .collect())
    };
    let before = instances(&cli)?;
    let refused = cli.run(&["agent", "release", AGENT])?.ended(1)?;
    ensure!(refused.err.contains("not in quarantine"), "{}", refused.err);
    quarantine(&cli)?;
    // Again is no mistake.
    ensure!(quarantine(&cli)?["state"] == "quarantined", "it is quarantined twice");
    agent.file_leaves(STRIPE_FILE).await?;
    let words = ["agent", "release", AGENT, "--reason", "a false alarm"];
    let ran = cli.run(&words)?.ended(0)?;
    ensure!(ran.out == format!("{AGENT} released, it is active\n"), "{}", ran.out);
    agent.kill9()?;
    agent.run()?;
    agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(instances(&cli)? == before && before != json!([]), "{before}");
    scene.admin.revoke(AGENT).await?;
    let refused = cli.run(&["agent", "release", AGENT])?.ended(1)?;
    ensure!(refused.err.contains("is revoked"), "{}", refused.err);
    let refused = cli.run(&["agent", "quarantine", AGENT])?.ended(1)?;
    ensure!(refused.err.contains("is revoked"), "{}", refused.err);
    Ok(())
}

async fn who_comes_with_a_new_token_comes_alone(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let mut old = scene.agent().await?;
    quarantine(&cli)?;
    old.file_leaves(STRIPE_FILE).await?;
    let token = cli.run(&["agent", "token", AGENT, "--readmit"])?.ended(0)?.out;
    let mut new = Agent::new(&scene.broker)?;
    new.give_token(token.trim())?;
    new.run()?;
    new.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(state(&cli)? == "active", "{}", state(&cli)?);
    old.kill9()?;
    old.run()?;
    let sidecar = old.sidecar().context("no sidecar")?;
    sidecar.wait_for_line("revoked", wait::DEADLINE)?;
    ensure!(old.read(STRIPE_FILE)?.is_none(), "what was quarantined came in again");
    Ok(())
}

/// One that is away cannot say that it has wiped, and nobody believes it if it could: the
/// credential is taken from it all the same.
async fn no_rotation_waits_for_a_quarantined_agent(engine: Engine) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let cli = Cli::of(&broker)?;
    let bound = json!({"tool-bindings": {"a": {"credentials": {
        "key": {"secretRef": STRIPE, "file": STRIPE}
    }}}});
    let manifest = json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": {AGENT: bound},
        "refMap": {STRIPE: {"provider": "store", "rotation": {
            "rotator": "random", "overlap": "0s"
        }}},
    });
    admin.apply(&manifest.to_string()).await?;
    admin.put(STRIPE, b"leaked").await?;
    let mut agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(STRIPE, b"leaked").await?;
    agent.kill9()?;
    quarantine(&cli)?;
    let words = ["rotate", "--held-by", AGENT, "--reason", "host", "--wait=20s", "--json"];
    let ran = cli.run(&words)?.ended(0)?;
    let last: Value = serde_json::from_str(ran.out.lines().last().context("it said nothing")?)?;
    ensure!(last["phase"] == "finished", "{last}");
    Ok(())
}
