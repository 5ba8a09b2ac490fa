//! Environments: one command switches, what changes is shown first, and nothing is ever mixed.

use crate::scene::AGENT;
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::Broker, cli::Cli, engine::Engine, on_both_engines,
};
use serde_json::json;
use std::{
    fs,
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
};

on_both_engines!(
    a_switch_moves_a_running_agent_and_brings_it_back,
    a_switch_that_cannot_be_is_refused_and_changes_nothing,
);

const KEY: &str = "stripe-api-key";
const FILE: &str = "STRIPE_API_KEY";

/// As the article's 4.2 has it, with the store for the vault.
fn manifest() -> String {
    json!({
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": KEY, "envVar": FILE}
        }}}}},
        "environments": {
            "production": {"secrets": {KEY: {"provider": "store"}}},
            "development": {"secrets": {KEY: {"provider": "file", "path": ".secrets/dev.key"}}},
        },
        "openclaw": {"gateway": {"environment": "production"}},
    })
    .to_string()
}

async fn set(engine: Engine) -> Result<(Broker, Admin, Cli)> {
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    admin.apply(&manifest()).await?;
    // The secret of production goes where no environment is named, as that one is active now.
    for _ in 0..3 {
        // Its versions are ahead of the other environment's.
        admin.put(KEY, b"production").await?;
    }
    let cli = Cli::of(&broker)?;
    Ok((broker, admin, cli))
}

fn write_key(broker: &Broker, value: &str) -> Result<()> {
    let folder = broker.providers().join(".secrets");
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
    let mut options = fs::OpenOptions::new();
    let mut file =
        options.write(true).create(true).truncate(true).mode(0o600).open(folder.join("dev.key"))?;
    Ok(writeln!(file, "{value}")?)
}

async fn a_switch_moves_a_running_agent_and_brings_it_back(engine: Engine) -> Result<()> {
    let (broker, admin, cli) = set(engine).await?;
    let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
    agent.file_becomes(FILE, b"production").await?;
    write_key(&broker, "development")?;

    let switch = ["environment", "use", "development", "--agent", AGENT];
    let shown = cli.run(&[&switch[..], &["--dry-run"]].concat())?.ended(0)?;
    for line in [
        "environment: production → development",
        "agent payment-analyst: production → development",
        "  stripe-api-key: store v3 → file v1",
    ] {
        ensure!(shown.out.lines().any(|it| it == line), "{line}: {shown:?}");
    }
    ensure!(agent.read(FILE)?.as_deref() == Some(b"production"), "a dry run did something");
    let asked = cli.run(&switch)?.ended(2)?;
    ensure!(asked.err.contains("add --yes"), "{asked:?}");

    cli.run(&[&switch[..], &["--yes"]].concat())?.ended(0)?;
    agent.file_becomes(FILE, b"development").await?;
    let listed = cli.run(&["environment", "list", "--json"])?.ended(0)?.json()?;
    let development = &listed.as_array().context("no list")?[0];
    ensure!(development["name"] == "development" && development["active"] == true, "{listed}");
    ensure!(development["agents"] == 1, "{listed}");
    // What production does is nothing to it any more.
    let put = ["put", KEY, "--environment", "production"];
    cli.run_with(&put, b"production-2")?.ended(0)?;
    write_key(&broker, "development-2")?;
    agent.file_becomes(FILE, b"development-2").await?;

    cli.run(&["environment", "use", "production", "--all-agents", "--yes"])?.ended(0)?;
    agent.file_becomes(FILE, b"production-2").await?;
    let trail = admin.audit_trail().await?;
    let moves = trail.iter().filter(|it| it.action == "environment.use" && it.object == AGENT);
    ensure!(moves.count() == 2, "the trail does not have both moves");
    Ok(())
}

async fn a_switch_that_cannot_be_is_refused_and_changes_nothing(engine: Engine) -> Result<()> {
    let (_broker, admin, cli) = set(engine).await?;
    let refused = cli.run(&["environment", "use", "nowhere", "--yes"])?.ended(3)?;
    ensure!(refused.err.contains("environment list"), "{refused:?}");
    let switch = ["environment", "use", "development", "--yes", "--agent"];
    cli.run(&[&switch[..], &["nobody"]].concat())?.ended(3)?;
    // Another agent of the name there is another agent.
    let other = json!({"agents": {AGENT: {"tool-bindings": {}}}}).to_string();
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("m.json");
    fs::write(&path, other)?;
    let path = path.to_str().context("a path")?;
    cli.run(&["apply", "-f", path, "--environment", "development"])?.ended(0)?;
    let taken = cli.run(&[&switch[..], &[AGENT]].concat())?.ended(1)?;
    ensure!(taken.err.contains("has an agent \"payment-analyst\" of its own"), "{taken:?}");
    let status = admin.status(AGENT).await?;
    ensure!(status.environment == "production", "{status:?}");
    Ok(())
}
