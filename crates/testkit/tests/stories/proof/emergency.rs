//! A key leaked: it is replaced at a hundred agents with one command, which ends in a receipt, and
//! the trail tells the same story.

use super::Stage;
use crate::scene::{STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_domain::version::Version;
use secretref_proto::v1::RotationPhase;
use secretref_testkit::{broker::Broker, cli::Cli, engine::Engine, fleet, on_both_engines};
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

on_both_engines!(
    a_leaked_key_is_replaced_at_a_hundred_agents_with_one_command,
    one_that_leaked_while_the_one_before_is_still_valid_is_replaced_at_once,
);

const AGENTS: usize = 100;

/// A hundred agents that have one key. Where nobody is in a hurry the old one is valid for a day.
fn manifest(agents: &[String]) -> Value {
    let bound = json!({"tool-bindings": {"stripe-payment": {"credentials": {
        "apiKey": {"secretRef": STRIPE, "envVar": "STRIPE_API_KEY"}
    }}}});
    let agents: Map<String, Value> =
        agents.iter().map(|name| (name.clone(), bound.clone())).collect();
    json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": agents,
        "refMap": {STRIPE: {"provider": "store", "service": "stripe", "rotation": {
            "rotator": "random", "overlap": "24h"
        }}},
    })
}

async fn a_leaked_key_is_replaced_at_a_hundred_agents_with_one_command(
    engine: Engine,
) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let agents: Vec<String> = (1..=AGENTS).map(|number| format!("agent-{number:03}")).collect();
    admin.apply(&manifest(&agents).to_string()).await?;
    admin.put(STRIPE, b"leaked").await?;
    let mut fleet = fleet::start_each(&broker, &admin, &agents).await?;

    let cli = Cli::of(&broker)?;
    let rotate = "rotate --force --service stripe --reason leak --wait --json";
    let words: Vec<&str> = rotate.split(' ').collect();
    let ran = cli.run(&words)?.ended(0)?;
    let last = ran.out.lines().last().context("it said nothing")?;
    let last: Value = serde_json::from_str(last)?;
    ensure!(last["phase"] == "finished" && last["force"] == true, "{last}");

    // Every agent has the new one, and it is not what leaked.
    for member in &mut fleet {
        member.applied(STRIPE, Version::new(2).context("a version")?).await?;
        let value = tokio::fs::read(member.secrets().join("STRIPE_API_KEY")).await?;
        ensure!(value.len() == 24, "an agent has {} bytes", value.len());
    }

    // The receipt: who asked, how and why, every instance, and when the old one was revoked.
    let receipt = last["receipt"].as_str().context("no receipt")?;
    let lines: Vec<&str> = receipt.lines().collect();
    let asked = lines.iter().find(|line| line.starts_with("asked for by admin:"));
    ensure!(asked.is_some_and(|line| line.ends_with(", by force: leak")), "{receipt}");
    let proven: BTreeSet<String> = lines.iter().filter_map(|line| proven(line)).collect();
    let named: BTreeSet<&str> = proven.iter().filter_map(|it| it.split('/').next()).collect();
    ensure!(named.iter().copied().eq(agents.iter().map(String::as_str)), "{receipt}");
    ensure!(lines.contains(&format!("proven: {AGENTS} of {AGENTS}").as_str()), "{receipt}");
    let revoked = lines.iter().find_map(|line| line.strip_prefix("v1 revoked "));
    let revoked = revoked.context("it does not say when the old one was revoked")?;

    // The trail, as an operator reads it of this secret.
    let trail = cli.run(&["audit", "log", "--secret", STRIPE, "--json"])?.ended(0)?;
    let entries: Vec<Value> =
        trail.out.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    let of = |action: &str| {
        let found = entries.iter().find(|it| it["action"] == action);
        found.with_context(|| format!("the trail has no {action}: {}", trail.out))
    };
    let begun = of("rotation.begin")?;
    let by = begun["actor"].as_str().unwrap_or_default();
    ensure!(by.starts_with("admin:") && begun["reason"] == "leak", "{begun}");
    ensure!(asked.is_some_and(|line| line.contains(by)), "{by}: {receipt}");
    let drained = of("rotation.drain")?;
    let recipients = drained["recipients"].as_array().context("nobody is named")?;
    let recipients: BTreeSet<String> =
        recipients.iter().filter_map(|it| Some(it.as_str()?.to_owned())).collect();
    ensure!(recipients == proven, "the trail names others than the receipt: {drained}");
    let ended = of("rotation.revoke")?;
    let why = ended["reason"].as_str().unwrap_or_default();
    ensure!(why.ends_with("v1 is revoked") && ended["time"] == revoked, "{ended}: {revoked}");
    let mut order = entries.iter().filter_map(|it| it["action"].as_str());
    let in_turn = ["rotation.begin", "secret.deliver", "rotation.drain", "rotation.revoke"];
    ensure!(in_turn.iter().all(|wanted| order.any(|it| it == *wanted)), "{}", trail.out);
    Ok(())
}

async fn one_that_leaked_while_the_one_before_is_still_valid_is_replaced_at_once(
    engine: Engine,
) -> Result<()> {
    let stage = Stage::set(engine, &super::manifest(json!({"overlap": "24h"}), json!({}))).await?;
    let agent = stage.agent().await?;
    stage.start().await?;
    stage.comes_to(RotationPhase::Draining).await?;
    let leaked = agent.read(STRIPE_FILE)?.context("no file")?;
    // Nobody else may begin another one for a day.
    let refused = stage.cli.run(&["rotate", STRIPE])?.ended(1)?;
    ensure!(refused.err.contains("--force, which ends its overlap first"), "{refused:?}");
    let rotate = ["rotate", STRIPE, "--force", "--reason", "leak", "--wait"];
    stage.cli.run(&rotate)?.ended(0)?;
    let new = agent.read(STRIPE_FILE)?.context("no file")?;
    ensure!(new != leaked, "the agent has what leaked");
    let states = stage.versions()?;
    ensure!(states == ["current", "destroyed", "destroyed"], "{states:?}");
    let trail = stage.cli.run(&["audit", "log", "--secret", STRIPE, "--json"])?.ended(0)?;
    ensure!(trail.out.contains("rotation.hurry"), "it is not in the trail");
    Ok(())
}

/// `NAME/INSTANCE` of a line such as `v2 at NAME INSTANCE: written TIME`.
fn proven(line: &str) -> Option<String> {
    let (who, how) = line.strip_prefix("v2 at ")?.split_once(": written ")?;
    let (agent, instance) = who.split_once(' ')?;
    (!how.is_empty()).then(|| format!("{agent}/{instance}"))
}
