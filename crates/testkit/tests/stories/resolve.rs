//! `secretref resolve`, as `OpenClaw` starts it: no environment, another folder, a request on
//! standard input.

use crate::scene::{AGENT, SLACK, STRIPE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    cli::{Cli, Ran},
    engine::Engine,
    on_both_engines,
    process::binary,
    wait::eventually,
};
use serde_json::{Value, json};
use std::{
    io::Write,
    process::{Command, Stdio},
};

on_both_engines!(
    a_running_sidecar_answers,
    without_a_sidecar_the_broker_answers,
    whoever_is_shut_out_is_given_nothing,
);

/// Runs it on a request.
fn resolve(arguments: &[&str], request: &[u8]) -> Result<Ran> {
    let mut child = Command::new(binary("secretref")?)
        .arg("resolve")
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().context("no standard input")?;
    // It may end before it has read all of it.
    drop(stdin.write_all(request));
    drop(stdin);
    Ran::from_output(child.wait_with_output()?)
}

fn asking(ids: &[&str]) -> Vec<u8> {
    json!({"protocolVersion": 1, "provider": "broker", "ids": ids}).to_string().into_bytes()
}

/// By the protocol, an answer is one document, has the version, and each id once.
fn answered(ran: Ran, ids: &[&str]) -> Result<Value> {
    let ran = ran.ended(0)?;
    ensure!(ran.err.is_empty(), "{ran:?}");
    let answer = ran.json()?;
    ensure!(answer["protocolVersion"] == 1, "{answer}");
    for id in ids {
        let places = [answer["values"].get(id), answer["errors"].get(id)];
        ensure!(places.iter().flatten().count() == 1, "{id} in {answer}");
    }
    let all = [&answer["values"], &answer["errors"]];
    let count: usize = all.iter().filter_map(|it| it.as_object()).map(serde_json::Map::len).sum();
    ensure!(count == ids.len(), "{answer}");
    Ok(answer)
}

/// What the trail has of names that were refused.
async fn refusals(scene: &Scene) -> Result<Vec<String>> {
    let trail = scene.admin.audit_trail().await?;
    let refused = trail.into_iter().filter(|it| it.action == "secret.resolve");
    let refused = refused.inspect(|it| assert_eq!(it.decision, "denied"));
    Ok(refused.map(|it| it.object).collect())
}

async fn with_socket(scene: &Scene) -> Result<Agent> {
    let agent = Agent::new(&scene.broker)?;
    let socket = agent.socket().display().to_string();
    let mut agent = agent.with(["--socket", &socket]);
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    agent.run()?;
    agent.file_becomes("STRIPE_API_KEY", b"stripe-1").await?;
    Ok(agent)
}

async fn a_running_sidecar_answers(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.admin.put("not-bound", b"of nobody").await?;
    let mut agent = with_socket(&scene).await?;
    let socket = agent.socket().display().to_string();
    let by_socket = ["--socket", &socket];
    let ids = [STRIPE, SLACK, "not-bound", "nowhere/at#all"];
    let answer = answered(resolve(&by_socket, &asking(&ids))?, &ids)?;
    ensure!(answer["values"] == json!({STRIPE: "stripe-1", SLACK: "slack-1"}), "{answer}");
    for id in ["not-bound", "nowhere/at#all"] {
        ensure!(answer["errors"][id]["code"] == "NOT_FOUND", "{answer}");
    }
    // Whoever asks again is not written down again.
    answered(resolve(&by_socket, &asking(&ids))?, &ids)?;
    eventually("what was refused is on the record", async || {
        Ok((refusals(&scene).await?.len() >= 2).then_some(()))
    })
    .await?;
    let mut refused = refusals(&scene).await?;
    refused.sort_unstable();
    ensure!(refused == ["not-bound", "nowhere/at#all"], "{refused:?}");

    // A new value is there as soon as it is in place; one that is none of JSON's is an error of its
    // own; and what was read is known to have been.
    scene.admin.put(STRIPE, b"\xff\xfe").await?;
    agent.file_becomes("STRIPE_API_KEY", b"\xff\xfe").await?;
    eventually("the socket has the new one", async || {
        let answer = answered(resolve(&by_socket, &asking(&[STRIPE, SLACK]))?, &[STRIPE, SLACK])?;
        Ok((answer["errors"][STRIPE]["code"] == "NOT_TEXT").then_some(()))
    })
    .await?;
    many_and_broken(&by_socket)?;

    // Without its broker a sidecar answers on; without the sidecar nobody does.
    scene.broker.stop()?;
    let answer = answered(resolve(&by_socket, &asking(&[SLACK]))?, &[SLACK])?;
    ensure!(answer["values"][SLACK] == "slack-1", "{answer}");
    agent.kill9()?;
    let ran = resolve(&by_socket, &asking(&[SLACK]))?.ended(69)?;
    ensure!(ran.out.is_empty() && ran.err.lines().count() == 1, "{ran:?}");
    // One that is starting is waited for.
    scene.broker.serve()?;
    let (waiting, starting) = std::thread::scope(|scope| {
        let asked = scope.spawn(|| resolve(&by_socket, &asking(&[SLACK])));
        let started = agent.run();
        (asked.join(), started)
    });
    starting?;
    answered(waiting.map_err(|_| anyhow::anyhow!("it fell"))??, &[SLACK])?;
    Ok(())
}

/// As many ids as there may be, and what is no request.
fn many_and_broken(arguments: &[&str]) -> Result<()> {
    let ids: Vec<String> = (0..513).map(|number| format!("id-{number:0>250}")).collect();
    let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
    answered(resolve(arguments, &asking(&ids[..512]))?, &ids[..512])?;
    answered(resolve(arguments, &asking(&[]))?, &[])?;
    let padded = |bytes: usize| {
        let mut request = asking(&[SLACK]);
        request.resize(bytes, b' ');
        request
    };
    answered(resolve(arguments, &padded(256 * 1024))?, &[SLACK])?;
    for broken in [
        asking(&ids),
        padded(256 * 1024 + 1),
        padded(4 << 20),
        Vec::new(),
        b"\xff".to_vec(),
        b"[]".to_vec(),
        b"{\"protocolVersion\":2,\"ids\":[\"a\"]}".to_vec(),
        b"{\"protocolVersion\":\"1\",\"ids\":[\"a\"]}".to_vec(),
        b"{\"protocolVersion\":1,\"ids\":{}}".to_vec(),
        b"{\"protocolVersion\":1}".to_vec(),
        b"{\"protocolVersion\":1,\"ids\":[\"a\"]".to_vec(),
    ] {
        let shown = String::from_utf8_lossy(&broken[..broken.len().min(80)]).into_owned();
        let ran = resolve(arguments, &broken)?;
        ensure!(ran.code == 2 && ran.out.is_empty(), "{shown}: {ran:?}");
        ensure!(ran.err.lines().count() == 1 && ran.err.contains("Fix: "), "{shown}: {ran:?}");
    }
    Ok(())
}

async fn without_a_sidecar_the_broker_answers(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    scene.admin.put("not-bound", b"of nobody").await?;
    let mut agent = with_socket(&scene).await?;
    agent.kill9()?;
    let (socket, state) = (agent.socket(), agent.state());
    let (socket, state) = (socket.display().to_string(), state.display().to_string());
    let broker = scene.agents();
    let by_broker = ["--socket", &socket, "--state-dir", &state, "--broker", &broker];
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let before = deliveries(&scene).await?;
    let ids = [STRIPE, "not-bound", "a b"];
    let answer = answered(resolve(&by_broker, &asking(&ids))?, &ids)?;
    ensure!(answer["values"] == json!({STRIPE: "stripe-2"}), "{answer}");
    ensure!(answer["errors"]["not-bound"]["code"] == "NOT_FOUND", "{answer}");
    // On the record by the time that it is answered: the value, and what there is none of.
    ensure!(deliveries(&scene).await? == before + 1, "it left without a record");
    let mut refused = refusals(&scene).await?;
    refused.sort_unstable();
    ensure!(refused == ["a b", "not-bound"], "{refused:?}");
    many_and_broken(&by_broker)?;
    // What is bound and has no value says why.
    Cli::of(&scene.broker)?.run(&["delete", SLACK])?.ended(0)?;
    let answer = answered(resolve(&by_broker, &asking(&[SLACK]))?, &[SLACK])?;
    ensure!(answer["errors"][SLACK]["code"] == "UNAVAILABLE", "{answer}");
    scene.broker.stop()?;
    let ran = resolve(&by_broker, &asking(&[STRIPE]))?.ended(69)?;
    ensure!(ran.out.is_empty() && ran.err.lines().count() == 1, "{ran:?}");
    for arguments in [&["--state-dir", state.as_str()][..], &[]] {
        let ran = resolve(arguments, &asking(&[STRIPE]))?.ended(2)?;
        ensure!(ran.out.is_empty(), "{ran:?}");
    }
    Ok(())
}

/// How often this agent was sent the Stripe key.
async fn deliveries(scene: &Scene) -> Result<usize> {
    let trail = scene.admin.audit_trail().await?;
    let ours = trail.iter().filter(|it| it.action == "secret.deliver" && it.object == STRIPE);
    Ok(ours.filter(|it| it.decision == "allowed").count())
}

async fn whoever_is_shut_out_is_given_nothing(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = with_socket(&scene).await?;
    let state = agent.state().display().to_string();
    let broker = scene.agents();
    let by_broker = ["--state-dir", &state, "--broker", &broker];
    answered(resolve(&by_broker, &asking(&[STRIPE]))?, &[STRIPE])?;
    agent.kill9()?;
    scene.admin.revoke(AGENT).await?;
    let ran = resolve(&by_broker, &asking(&[STRIPE]))?.ended(1)?;
    ensure!(ran.out.is_empty() && !ran.err.contains("stripe-1"), "{ran:?}");
    Ok(())
}
