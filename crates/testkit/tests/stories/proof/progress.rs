//! How a rotation is looked at while it goes on: on a terminal a bar and a table that are drawn
//! again and again, in a pipe a line for each change.

use super::{Stage, manifest, trouble::Peer};
use crate::scene::{AGENT, STRIPE};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{engine::Engine, on_both_engines, process::Process, wait::DEADLINE};
use serde_json::{Value, json};

on_both_engines!(
    a_terminal_shows_a_bar_and_who_is_waited_for,
    a_pipe_gets_a_line_for_each_change,
    a_broker_that_is_started_again_meanwhile_is_waited_for,
);

const ROTATE: &str = "rotate stripe-api-key --reason progress --wait";

/// Starts the command with its output in a pipe.
fn piped(stage: &Stage, more: &[&str]) -> Result<(Process, tempfile::TempDir)> {
    let logs = tempfile::tempdir()?;
    let words: Vec<&str> = ROTATE.split(' ').chain(more.iter().copied()).collect();
    let process = Process::start("rotate", &mut stage.cli.command(&words)?, logs.path())?;
    Ok((process, logs))
}

async fn a_terminal_shows_a_bar_and_who_is_waited_for(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let _good = stage.agent().await?;
    let mut peer = Peer::join(&stage).await?;
    let mut terminal = stage.cli.at_terminal(&format!("secretref {ROTATE}"), (40, 90))?;
    // One of two is proven, and the other is waited for.
    let half = format!("{STRIPE} {}{} 1/2 pushing", "█".repeat(12), "░".repeat(12));
    terminal.shows(&half).await?;
    let screen = terminal.shows("✅ v2 written").await?;
    let row = format!("{AGENT}  {}  ⏳ is on v1", &peer.instance.to_string()[..8]);
    ensure!(screen.contains(&row), "{row}: {screen}");
    peer.takes(2).await?;
    let (status, bytes) = terminal.ended()?;
    let screen = terminal.screen();
    ensure!(status.success(), "{status}: {screen}");
    let whole = format!("{STRIPE} {} 2/2 finished, v1 is revoked", "█".repeat(24));
    ensure!(screen.contains(&whole), "{screen}");
    // All of it was drawn in one place, and the receipt follows it.
    let drawn = |what: &str| screen.matches(what).count();
    ensure!(drawn("█") == 24 && drawn("INSTANCE") == 1, "{screen}");
    ensure!(drawn("⏳") == 0 && drawn("✅ v2 written") == 2, "{screen}");
    ensure!(screen.contains("proven: 2 of 2\nv1 revoked 20"), "{screen}");
    let printed = String::from_utf8(bytes)?;
    ensure!(printed.matches("INSTANCE").count() > 1, "it was not alive: {printed:?}");
    Ok(())
}

async fn a_pipe_gets_a_line_for_each_change(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let _good = stage.agent().await?;
    let mut peer = Peer::join(&stage).await?;
    let (mut plain, _logs) = piped(&stage, &[])?;
    let waits = format!("{STRIPE}: pushing, applied 1/2; {AGENT} ({}) is on v1", peer.instance);
    plain.wait_for_line(&waits, DEADLINE)?;
    peer.takes(2).await?;
    let (status, said) = (plain.wait(DEADLINE)?, plain.said()?);
    let end = "finished, v1 is revoked\nsecretref rotation receipt v1\n";
    ensure!(status.success() && said.contains(end), "{status}: {said}");
    ensure!(!said.contains('\x1b') && !said.contains('█'), "it draws in a pipe: {said}");

    // For programs each line is a document, and the last one has the receipt.
    let (mut lines, _logs) = piped(&stage, &["--json"])?;
    let waits = format!(r#""instance":"{}","what":"is on v2""#, peer.instance);
    lines.wait_for_line(&waits, DEADLINE)?;
    peer.takes(3).await?;
    let (status, said) = (lines.wait(DEADLINE)?, lines.said()?);
    ensure!(status.success(), "{status}: {said}");
    let documents: Vec<Value> =
        said.lines().map(serde_json::from_str).collect::<serde_json::Result<_>>()?;
    let (last, before) = documents.split_last().context("it said nothing")?;
    ensure!(!before.is_empty() && before.iter().all(|it| it.get("receipt").is_none()), "{said}");
    let receipt = last["receipt"].as_str().unwrap_or_default();
    ensure!(last["phase"] == "finished" && receipt.contains("\nproven: 2 of 2\n"), "{said}");
    Ok(())
}

async fn a_broker_that_is_started_again_meanwhile_is_waited_for(engine: Engine) -> Result<()> {
    let mut stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let mut agent = stage.agent().await?;
    agent.kill9()?;
    let (mut rotate, _logs) = piped(&stage, &[])?;
    rotate.wait_for_line("applied 0/1", DEADLINE)?;
    stage.broker.kill9()?;
    rotate.wait_for_line("waiting for the broker at ", DEADLINE)?;
    stage.broker.serve()?;
    agent.run()?;
    let (status, said) = (rotate.wait(DEADLINE)?, rotate.said()?);
    ensure!(status.success() && said.contains("\nproven: 1 of 1\n"), "{status}: {said}");
    Ok(())
}
