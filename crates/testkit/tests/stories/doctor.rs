//! The doctor at a real installation: what is found appears and goes with what is wrong.

use crate::scene::{AGENT, SLACK, STRIPE, manifest};
use anyhow::{Result, ensure};
use secretref_testkit::{
    agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines, wait,
};
use std::{fs, os::unix::fs::PermissionsExt};

on_both_engines!(the_doctor_finds_what_is_wrong_and_nothing_else);

/// The codes that are found, but for what is this machine's own, and the exit code.
fn visit(cli: &Cli) -> Result<(Vec<String>, i32)> {
    let ran = cli.run(&["doctor", "--json"])?;
    let found = ran.json()?;
    let mut codes = Vec::new();
    for finding in found["findings"].as_array().into_iter().flatten() {
        let field = |name: &str| finding[name].as_str().unwrap_or_default();
        ensure!(!field("fix").is_empty() && !field("problem").is_empty(), "{finding}");
        codes.push(field("code").to_owned());
    }
    codes.retain(|code| !["swap-on", "secrets-on-disk"].contains(&code.as_str()));
    ensure!(ran.err.is_empty(), "JSON and words: {ran:?}");
    Ok((codes, ran.code))
}

async fn the_doctor_finds_what_is_wrong_and_nothing_else(engine: Engine) -> Result<()> {
    let mut broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    let cli = Cli::of(&broker)?;
    let calm = visit(&cli)?.0;
    ensure!(calm.is_empty(), "{calm:?}");

    admin.put(STRIPE, b"stripe-1").await?;
    admin.apply(&manifest(AGENT, &[STRIPE, SLACK])).await?;
    let (codes, exit) = visit(&cli)?;
    ensure!(codes == ["agent-without-sidecar", "ref-unresolved"] && exit == 2, "{codes:?} {exit}");
    cli.run_with(&["put", SLACK, "--ttl", "1d"], b"slack-1")?.ended(0)?;
    let _agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    wait::eventually("the sidecar is connected", async || {
        let (codes, _) = visit(&cli)?;
        Ok((codes == ["secret-expires-soon"]).then_some(()))
    })
    .await?;
    let ran = cli.run(&["doctor"])?.ended(1)?;
    ensure!(ran.out.contains("Fix: secretref put slack-bot-token --ttl 90d"), "{ran:?}");
    ensure!(ran.err.contains("1 agent") && ran.err.contains("2 secrets"), "{ran:?}");

    let key = broker.data().join("admin/admin.key");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o640))?;
    let (codes, exit) = visit(&cli)?;
    ensure!(codes == ["key-not-private"] && exit == 2, "{codes:?} {exit}");
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600))?;
    let nowhere = cli.run(&["doctor", "--profile", "none", "--json"])?.ended(2)?;
    ensure!(nowhere.out.contains("profile-missing"), "{nowhere:?}");

    // Another's authority, by whom this broker is nobody.
    let other = Broker::start(Engine::Sqlite).await?;
    let address = broker.listening().admin.to_string();
    let stranger = Cli::with(&address, &other.data().join("admin"))?;
    let (codes, exit) = visit(&stranger)?;
    ensure!(codes == ["broker-refuses"] && exit == 2, "{codes:?} {exit}");
    broker.stop()?;
    let (codes, exit) = visit(&cli)?;
    ensure!(codes == ["broker-unreachable"] && exit == 69, "{codes:?} {exit}");
    Ok(())
}
