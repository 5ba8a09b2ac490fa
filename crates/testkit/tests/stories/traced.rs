//! One trace of a rotation, from the command to every sidecar that has it, as a real collector gets
//! it.

use crate::scene::{AGENT, PAYMENT_ANALYST, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    broker::Broker,
    canary::{Canary, Scanner},
    cli::Cli,
    collector::Collector,
    engine::Engine,
    wait::eventually,
};
use serde_json::Value;
use std::collections::BTreeSet;

fn named<'s>(spans: &'s [Value], trace: &str, name: &str) -> Vec<&'s Value> {
    spans.iter().filter(|span| span["trace"] == trace && span["name"] == name).collect()
}

/// Two brokers over one database, sidecars at each: all of it is one trace.
#[tokio::test(flavor = "multi_thread")]
async fn one_trace_holds_the_command_the_commit_and_every_apply() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let collector = Collector::start(folder.path()).await?;
    let variables = collector.variables();
    let told: Vec<(&str, &str)> = variables.iter().map(|(name, it)| (*name, &**it)).collect();
    let broker = Broker::start_configured(Engine::Postgres, &told, |_| {}).await?;
    let mut other = broker.another()?;
    other.serve()?;
    let admin = broker.admin().await?;
    admin.apply(PAYMENT_ANALYST).await?;
    admin.put(STRIPE, b"stripe-1").await?;
    let mut agents = Vec::new();
    for at in [&broker, &broker, &other, &other] {
        let mut agent = Agent::new(at)?;
        agent.give_token(&admin.token(AGENT).await?)?;
        let mut command = agent.run_command(&[], &[])?;
        command.envs(variables.iter().map(|(name, value)| (*name, value)));
        agent.start(command)?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        agents.push(agent);
    }

    let value = Canary::of("sk_live_traced_0123456789abcdef".to_owned());
    let cli = Cli::of(&broker)?;
    let mut command = cli.command(&["put", STRIPE, "--any-shape"])?;
    command.envs(variables.iter().map(|(name, value)| (*name, value)));
    let file = folder.path().join("value");
    std::fs::write(&file, value.value())?;
    let done = command.stdin(std::fs::File::open(&file)?).output()?;
    ensure!(done.status.success(), "{done:?}");
    for agent in &agents {
        agent.file_becomes(STRIPE_FILE, value.value().as_bytes()).await?;
    }

    let spans = eventually("the collector has every apply", async || {
        let spans = collector.spans()?;
        let Some(command) = spans.iter().find(|span| span["name"] == "secretref put") else {
            return Ok(None);
        };
        let trace = command["trace"].as_str().context("a trace")?.to_owned();
        let whole = named(&spans, &trace, "apply").len() == agents.len()
            && named(&spans, &trace, "push").len() == agents.len()
            && named(&spans, &trace, "commit").len() == 1;
        Ok(whole.then_some((trace, spans)))
    });
    let (trace, spans) = spans.await?;
    // Each is a part of the one before it: command → request → commit → push → apply.
    let only = |name: &str| -> Result<&Value> {
        let found = named(&spans, &trace, name);
        ensure!(found.len() == 1, "{name}: {found:?}");
        Ok(found[0])
    };
    let (command, request, commit) = (only("secretref put")?, only("request")?, only("commit")?);
    ensure!(command["service"] == "secretref" && commit["service"] == "secretref-broker");
    ensure!(request["parent"] == command["span"], "{request}");
    ensure!(request["attributes"]["rpc.method"] == "PutSecret", "{request}");
    ensure!(commit["parent"] == request["span"], "{commit}");
    let (pushes, applies) = (named(&spans, &trace, "push"), named(&spans, &trace, "apply"));
    ensure!(pushes.iter().all(|push| push["parent"] == commit["span"]), "{pushes:?}");
    let pushed: BTreeSet<_> = pushes.iter().map(|push| push["span"].to_string()).collect();
    let parents: BTreeSet<_> = applies.iter().map(|apply| apply["parent"].to_string()).collect();
    ensure!(pushed == parents && pushed.len() == agents.len(), "{pushes:?} {applies:?}");
    let instances: BTreeSet<_> =
        applies.iter().map(|it| it["attributes"]["secretref.instance"].to_string()).collect();
    ensure!(instances.len() == agents.len(), "{applies:?}");
    ensure!(applies.iter().all(|it| it["service"] == "secretref-sidecar"), "{applies:?}");
    // Names and numbers, and never a value.
    let mut scanner = Scanner::new(&[value])?;
    scanner.bytes("what the collector got", &std::fs::read(collector.file())?);
    ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
    Ok(())
}
