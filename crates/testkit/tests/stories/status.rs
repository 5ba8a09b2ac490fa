//! What the operator sees of the fleet, once and live.

use crate::scene::{AGENT, SLACK, STRIPE, Scene, manifest, ref_of};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use secretref_proto::v1::{ApplyManifestRequest, ManifestFile, PutSecretRequest, ResultState};
use secretref_testkit::{
    cli::Cli,
    engine::Engine,
    on_both_engines,
    peer::{self, Watcher},
    process::Process,
    wait::{DEADLINE, eventually},
};

on_both_engines!(
    the_whole_fleet_is_shown_by_agent,
    changes_are_lines_in_a_pipe,
    changes_are_documents_for_programs,
    a_late_word_of_what_was_replaced_is_not_the_last_one,
);

/// Another environment with an agent that has one secret and lacks the other.
async fn staging(scene: &Scene) -> Result<()> {
    let file = ManifestFile {
        name: "m.json".to_owned(),
        content: manifest("tester", &["here", "absent"]).into_bytes(),
    };
    let request = ApplyManifestRequest {
        files: vec![file],
        environment: "staging".to_owned(),
        ..ApplyManifestRequest::default()
    };
    scene.admin.agents().apply_manifest(request).await?;
    let put = PutSecretRequest {
        name: "here".to_owned(),
        environment: "staging".to_owned(),
        value: b"value".to_vec(),
        ..PutSecretRequest::default()
    };
    scene.admin.secrets().put_secret(put).await?;
    Ok(())
}

/// A slow sidecar frees a manifest before it is in place; what became of that may be told after
/// what became of the next.
async fn a_late_word_of_what_was_replaced_is_not_the_last_one(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let credentials = peer::enrolled(&scene.agents(), &token).await?;
    let mut sidecar = Watcher::open(&scene.agents(), &credentials).await?;
    let (nonce, first) = sidecar.manifest().await?;
    sidecar.receive(nonce).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let (nonce, second) = sidecar.manifest().await?;
    sidecar.acknowledge(nonce, &second).await?;
    sidecar.report(first.iter().map(peer::applied).collect()).await?;
    // What comes after it on the stream: by then it was heard.
    let slack = second.iter().find(|entry| entry.name == SLACK).context("no entry")?;
    sidecar.report(vec![peer::result(slack, ResultState::Failed, "a mark")]).await?;
    eventually("the last report is known", async || {
        let slack = ref_of(&scene.admin.status(AGENT).await?, SLACK)?;
        Ok(slack.instances.iter().any(|it| it.detail == "a mark").then_some(()))
    })
    .await?;
    let stripe = ref_of(&scene.admin.status(AGENT).await?, STRIPE)?;
    let held: Vec<_> = stripe.instances.iter().map(|it| (it.version, &*it.state)).collect();
    ensure!(held == [(2, "APPLIED")], "{stripe:?}");
    Ok(())
}

async fn the_whole_fleet_is_shown_by_agent(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    staging(&scene).await?;
    let _agent = scene.agent().await?;
    scene.applied(STRIPE, 1).await?;
    let cli = Cli::of(&scene.broker)?;
    let shown = cli.run(&["status", "--secrets", "--all"])?.ended(0)?.out;
    let heads: Vec<&str> = shown.lines().filter(|line| !line.starts_with("     ")).collect();
    let of = |at: usize| heads.get(at).copied().unwrap_or_default();
    ensure!(of(0) == format!("{AGENT} (default, active)"), "{shown}");
    ensure!(of(1).starts_with("✅ SLACK_BOT_TOKEN: injected (no expiry)   v1 applied "), "{shown}");
    ensure!(of(2).starts_with("✅ STRIPE_API_KEY: injected (no expiry)   v1 applied "), "{shown}");
    ensure!(of(2).ends_with(", file, store"), "{shown}");
    ensure!(of(3) == "tester (staging, active)", "{shown}");
    ensure!(of(4) == "❌ absent: unresolved (secret \"absent\" is not in the store)", "{shown}");
    ensure!(shown.contains("     Fix: secretref put absent\n"), "{shown}");
    ensure!(of(5) == "⚠️ here: waiting (v1: no instance has connected)", "{shown}");
    ensure!(heads.len() == 6, "{shown}");

    let all = cli.run(&["gateway", "status", "--secrets", "--all", "--json"])?.ended(0)?.json()?;
    let who: Vec<_> =
        all.as_array().context("no list")?.iter().map(|it| it["agent"].as_str()).collect();
    ensure!(who == [Some(AGENT), Some("tester")], "{all}");
    ensure!(all[1]["environment"] == "staging", "{all}");
    ensure!(all[1]["refs"][0]["fix"] == "secretref put absent", "{all}");
    // Where an environment is named, it is that one's agents.
    let one = cli.run(&["status", "--all", "--environment", "staging", "--json"])?.ended(0)?;
    ensure!(one.json()?.as_array().is_some_and(|all| all.len() == 1), "{one:?}");
    let table = cli.run(&["status", "--all"])?.ended(0)?.out;
    ensure!(table.starts_with("ENVIRONMENT  AGENT "), "{table}");
    Ok(())
}

/// `secretref status --watch` in a pipe.
fn watching(cli: &Cli, logs: &std::path::Path, more: &[&str]) -> Result<Process> {
    let mut command = cli.command(&["status", "--watch", "--interval", "1s"])?;
    Process::start("watch", command.args(more), logs)
}

async fn changes_are_lines_in_a_pipe(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let (cli, logs) = (Cli::of(&scene.broker)?, tempfile::tempdir()?);
    let mut watch = watching(&cli, logs.path(), &["--secrets", "--all"])?;
    let who = format!("{AGENT} (default)");
    let waits = format!("{who} ⚠️ STRIPE_API_KEY: waiting (v1: no instance has connected)");
    watch.wait_for_line(&waits, DEADLINE)?;
    let mut agent = scene.agent().await?;
    watch.wait_for_line(&format!("{who}: active, 1 of 1 connected"), DEADLINE)?;
    let injected = |version: u32| {
        format!("{who} ✅ STRIPE_API_KEY: injected (no expiry)   v{version} applied ")
    };
    watch.wait_for_line(&injected(1), DEADLINE)?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    watch.wait_for_line(&injected(2), DEADLINE)?;
    // A broker that goes away is waited for.
    scene.broker.kill9()?;
    watch.wait_for_line("error: the broker did not answer", DEADLINE)?;
    scene.broker.serve()?;
    watch.wait_for_line("the broker answers again", DEADLINE)?;
    agent.stop()?;
    watch.wait_for_line(&format!("{who}: active, 0 of 1 connected"), DEADLINE)?;
    watch.signal(Signal::INT)?;
    let status = watch.wait(DEADLINE)?;
    ensure!(status.code() == Some(0), "{status}");
    // What stayed the same was said once.
    let said = watch.said()?;
    ensure!(said.matches("SLACK_BOT_TOKEN: waiting (v1: no instance has").count() == 1, "{said}");
    Ok(())
}

async fn changes_are_documents_for_programs(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let (cli, logs) = (Cli::of(&scene.broker)?, tempfile::tempdir()?);
    let mut watch = watching(&cli, logs.path(), &["--json"])?;
    let document = |line: &str| serde_json::from_str::<serde_json::Value>(line);
    let first = document(&watch.wait_for_line("\"state\":\"waiting\"", DEADLINE)?)?;
    ensure!(first["agent"] == AGENT && first["refs"][1]["version"] == 1, "{first}");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let second = document(&watch.wait_for_line("\"version\":2", DEADLINE)?)?;
    ensure!(second["refs"][1]["ref"] == STRIPE && second["refs"][0]["version"] == 1, "{second}");
    watch.signal(Signal::INT)?;
    ensure!(watch.wait(DEADLINE)?.code() == Some(0), "it ended otherwise");
    ensure!(watch.said()?.lines().count() == 2, "{}", watch.said()?);
    Ok(())
}

/// The fleet in one screen, and as numbers for programs.
#[tokio::test(flavor = "multi_thread")]
async fn top_draws_the_fleet_and_counts_it() -> Result<()> {
    let mut scene = Scene::set(Engine::Sqlite).await?;
    let cli = Cli::of(&scene.broker)?;
    let top = cli.at_terminal("secretref top --interval 1s", (30, 150))?;
    top.shows("agents 0 of 1 connected").await?;
    let agent = scene.agent().await?;
    let screen = top.shows("refs 2 of 2 in place, 0 behind").await?;
    ensure!(screen.contains("sidecars 0.1.0 × 1") && screen.contains(AGENT), "{screen}");
    let counted = cli.run(&["top", "--json"])?.ended(0)?.json()?;
    ensure!(counted["instances_connected"] == 1 && counted["refs_in_place"] == 2, "{counted}");
    let once = cli.run(&["top"])?.ended(0)?.out;
    ensure!(once.contains("AGENT") && !once.contains('\u{1b}'), "{once}");
    // A broker that goes away is waited for, and what was there is still to be seen.
    scene.broker.kill9()?;
    let screen = top.shows("the broker is away").await?;
    ensure!(screen.contains(AGENT), "{screen}");
    scene.broker.serve()?;
    top.shows("agents 1 of 1 connected").await?;
    top.shows("UTC").await?;
    drop(agent);
    Ok(())
}
