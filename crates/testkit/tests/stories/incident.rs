//! The questions that people ask after an incident, and the commands that answer them.

use crate::scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_domain::clock::Timestamp;
use secretref_testkit::{
    agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines, wait,
};
use serde_json::{Value, json};
use std::time::{SystemTime, UNIX_EPOCH};

on_both_engines!(
    whom_a_leaked_key_reached_is_told,
    what_an_agent_held_since_a_time_is_told,
    what_an_agent_held_is_rotated_and_the_rest_is_listed,
);

/// A time for `--since`.
fn now() -> Result<String> {
    let micros = SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros();
    Ok(Timestamp::from_micros(i64::try_from(micros)?).to_string())
}

/// What a command prints with `--json`.
fn json(cli: &Cli, line: &str) -> Result<Value> {
    let words: Vec<&str> = line.split(' ').chain(["--json"]).collect();
    cli.run(&words)?.ended(0)?.json()
}

/// What `agent held` says: secret, version and state, in its order.
fn held(cli: &Cli, since: &str) -> Result<Vec<(String, i64, String)>> {
    let secrets = json(cli, &format!("agent held {AGENT} --since {since}"))?;
    let rows = secrets.as_array().context("no list")?.iter().flat_map(|secret| {
        let versions = secret["versions"].as_array().into_iter().flatten();
        versions.map(|it| {
            let word = |text: &Value| text.as_str().unwrap_or_default().to_owned();
            (word(&secret["secret"]), it["version"].as_i64().unwrap_or(0), word(&it["state"]))
        })
    });
    Ok(rows.collect())
}

fn row(secret: &str, version: i64, state: &str) -> (String, i64, String) {
    (secret.to_owned(), version, state.to_owned())
}

async fn whom_a_leaked_key_reached_is_told(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let agent = scene.agent().await?;
    scene.applied(STRIPE, 1).await?;
    cli.run(&["get", STRIPE, "--reveal", "--reason", "to compare"])?.ended(0)?;
    let impact = json(&cli, &format!("impact {STRIPE}"))?;
    let [holder] = impact["holders"].as_array().context("no holders")?.as_slice() else {
        anyhow::bail!("not one holder: {impact}");
    };
    ensure!(holder["agent"] == AGENT && holder["version"] == 1, "{impact}");
    ensure!(holder["state"] == "APPLIED" && holder["evidence"] == "written", "{impact}");
    ensure!(holder["connected"] == true && holder["since_time"].is_string(), "{impact}");
    let instance = holder["instance"].clone();
    let [reading] = impact["readings"].as_array().context("no readings")?.as_slice() else {
        anyhow::bail!("not one reading: {impact}");
    };
    let by = reading["actor"].as_str().unwrap_or_default();
    ensure!(by.starts_with("admin:") && reading["reason"] == "to compare", "{impact}");
    let uses = json!([{
        "agent": AGENT, "tool": "stripe-payment", "key": "apiKey", "ref": STRIPE,
        "file": STRIPE_FILE, "env": "STRIPE_API_KEY", "group": null,
    }]);
    ensure!(impact["uses"] == uses, "{impact}");
    ensure!(impact["examined_since"] == Value::Null, "{impact}");

    // Who had it once is found when nobody has it any more.
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    scene.admin.revoke(AGENT).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    let impact = wait::eventually("nobody holds it", async || {
        let impact = json(&cli, &format!("impact {STRIPE}"))?;
        Ok((impact["holders"] == json!([])).then_some(impact))
    })
    .await?;
    let [recipient] = impact["recipients"].as_array().context("no recipients")?.as_slice() else {
        anyhow::bail!("not one recipient: {impact}");
    };
    ensure!(recipient["agent"] == AGENT && recipient["instance"] == instance, "{impact}");
    ensure!(recipient["versions"] == json!([1, 2]) && recipient["deliveries"] == 2, "{impact}");
    let time = |key: &str| recipient[key].as_str().unwrap_or_default().to_owned();
    ensure!(time("first_time") < time("last_time"), "{impact}");
    // As people read it, and of what the trail does not have.
    let text = cli.run(&["impact", STRIPE])?.ended(0)?.out;
    ensure!(text.contains("ever sent to: 1 instance") && text.contains("v1 v2"), "{text}");
    ensure!(text.contains("to compare") && text.contains("stripe-payment.apiKey"), "{text}");
    let later = json(&cli, &format!("impact {STRIPE} --since {}", now()?))?;
    ensure!(later["recipients"] == json!([]) && later["readings"] == json!([]), "{later}");
    cli.run(&["impact", "nothing"])?.ended(3)?;
    Ok(())
}

async fn what_an_agent_held_since_a_time_is_told(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let before = now()?;
    let agent = scene.agent().await?;
    scene.applied(STRIPE, 1).await?;
    let first = [row(SLACK, 1, "current"), row(STRIPE, 1, "current")];
    ensure!(held(&cli, &before)? == first, "{:?}", held(&cli, &before)?);

    // What it had at the time counts; what it no longer had then does not.
    let between = now()?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    let both = [row(SLACK, 1, "current"), row(STRIPE, 1, "previous"), row(STRIPE, 2, "current")];
    ensure!(held(&cli, &between)? == both, "{:?}", held(&cli, &between)?);
    let after = [row(SLACK, 1, "current"), row(STRIPE, 2, "current")];
    ensure!(held(&cli, &now()?)? == after, "{:?}", held(&cli, &now()?)?);

    cli.run(&["destroy", STRIPE, "--version", "1"])?.ended(0)?;
    ensure!(held(&cli, &between)?.contains(&row(STRIPE, 1, "destroyed")), "v1 is not destroyed");
    let text = cli.run(&["agent", "held", AGENT])?.ended(0)?;
    ensure!(text.err.contains(&format!("secretref rotate --held-by {AGENT}")), "{}", text.err);

    // One that was removed is found by what the trail says.
    scene.admin.revoke(AGENT).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    let gone = scene.broker.folder().join("none.json");
    std::fs::write(&gone, r#"{"agents": {"another": {"tool-bindings": {}}}}"#)?;
    let file = gone.to_str().context("a path")?;
    cli.run(&["apply", "-f", file, "--prune"])?.ended(0)?;
    cli.run(&["agent", "show", AGENT])?.ended(3)?;
    ensure!(held(&cli, &between)?.contains(&row(SLACK, 1, "current")), "it was forgotten");
    cli.run(&["agent", "held", "no-one"])?.ended(3)?;
    Ok(())
}

async fn what_an_agent_held_is_rotated_and_the_rest_is_listed(engine: Engine) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let cli = Cli::of(&broker)?;
    let bound = |name: &str| json!({"credentials": {"key": {"secretRef": name, "file": name}}});
    let rotated = json!({"provider": "store", "rotation": {"rotator": "random"}});
    let manifest = json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": {
            "worker": {"tool-bindings": {"a": bound("rotated"), "b": bound("by-hand")}},
            "other": {"tool-bindings": {"c": bound("others")}},
        },
        "refMap": {
            "rotated": rotated, "others": rotated, "by-hand": {"provider": "store"},
        },
    });
    admin.apply(&manifest.to_string()).await?;
    for name in ["rotated", "by-hand", "others"] {
        admin.put(name, b"leaked").await?;
    }
    let worker = Agent::enrolled(&broker, &admin, "worker").await?;
    worker.file_becomes("rotated", b"leaked").await?;
    worker.file_becomes("by-hand", b"leaked").await?;

    let plan = cli.run(&["rotate", "--held-by", "worker", "--plan", "--json"])?.ended(1)?;
    let refs: Vec<Value> = plan.json()?.as_array().context("no list")?.clone();
    ensure!(refs.len() == 1 && refs[0]["ref"] == "rotated", "{refs:?}");
    ensure!(plan.err.contains("by-hand would not be rotated"), "{}", plan.err);
    ensure!(plan.err.contains("names no rotator"), "{}", plan.err);
    ensure!(plan.err.contains("secretref put by-hand"), "{}", plan.err);

    let since = "2020-01-01";
    let words = ["rotate", "--held-by", "worker", "--since", since, "--force", "--wait", "--json"];
    let ran = cli.run(&words)?.ended(1)?;
    let last: Value = serde_json::from_str(ran.out.lines().last().context("it said nothing")?)?;
    ensure!(last["ref"] == "rotated" && last["phase"] == "finished", "{last}");
    let why = last["request_reason"].as_str().unwrap_or_default();
    ensure!(why.starts_with("held by agent worker since 2020-01-01T"), "{last}");
    ensure!(ran.err.contains("by-hand is not rotated"), "{}", ran.err);
    let replaced = worker.file_changes("rotated", b"leaked").await?;
    ensure!(replaced.len() == 24, "{} bytes", replaced.len());
    let versions = json(&cli, "versions others")?;
    ensure!(versions.as_array().is_some_and(|all| all.len() == 1), "{versions}");
    // What it held before is revoked, and told apart from what it holds now.
    let secrets = json(&cli, "agent held worker")?;
    let found = secrets.as_array().into_iter().flatten();
    let states: Vec<&Value> = found
        .filter(|it| it["secret"] == "rotated")
        .flat_map(|it| it["versions"].as_array().into_iter().flatten())
        .map(|it| &it["state"])
        .collect();
    ensure!(states == ["destroyed", "current"], "{secrets}");
    // By one that ends soon none is.
    let words = ["rotate", "--held-by", "worker", "--days-remaining", "7"];
    let ran = cli.run(&words)?.ended(1)?;
    ensure!(ran.err.contains("no value ends that soon"), "{}", ran.err);
    Ok(())
}
