//! Several brokers over one database: whatever is done at one is so at all, and a sidecar is at
//! home at any of them.

use crate::{
    scene::{AGENT, SLACK_FILE, STRIPE, STRIPE_FILE, Scene},
    soak::{count, figure},
};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use secretref_broker::config::Limits;
use secretref_proto::v1::{AgentState, InstanceRefStatus};
use secretref_testkit::{
    admin::Admin,
    agent::Agent,
    broker::Broker,
    cli::Cli,
    engine::Engine,
    peer::{self, Watcher},
    sql::Sql,
    wait::{DEADLINE, Observer, eventually},
};
use std::time::{Duration, Instant};

/// Two brokers over one Postgres.
struct Pair {
    scene: Scene,
    other: Broker,
    /// The same administrator, at the other one.
    elsewhere: Admin,
}

impl Pair {
    async fn set() -> Result<Self> {
        Self::set_on(Broker::start(Engine::Postgres).await?).await
    }

    async fn set_on(broker: Broker) -> Result<Self> {
        let scene = Scene::set_on(broker).await?;
        let mut other = scene.broker.another()?;
        other.serve()?;
        let elsewhere = other.admin().await?;
        Ok(Self { scene, other, elsewhere })
    }

    /// A sidecar that knows the other broker alone, and has the first versions.
    async fn agent_elsewhere(&self) -> Result<Agent> {
        let agent = Agent::enrolled(&self.other, &self.scene.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        Ok(agent)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_changed_at_one_is_pushed_by_the_other() -> Result<()> {
    let pair = Pair::set().await?;
    let (here, there) = (pair.scene.agent().await?, pair.agent_elsewhere().await?);
    for number in 2..7 {
        let value = format!("stripe-{number}");
        let admin = if number % 2 == 0 { &pair.scene.admin } else { &pair.elsewhere };
        admin.put(STRIPE, value.as_bytes()).await?;
        here.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
        there.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
    }
    // Either of them knows what both sidecars said, and that both are there.
    for admin in [&pair.scene.admin, &pair.elsewhere] {
        eventually("both are on the sixth version", async || {
            let status = admin.status(AGENT).await?;
            let stripe = crate::scene::ref_of(&status, STRIPE)?;
            let applied =
                |it: &&InstanceRefStatus| it.version == 6 && it.state == "APPLIED" && it.connected;
            Ok((stripe.instances.iter().filter(applied).count() == 2).then_some(()))
        })
        .await?;
    }
    Cli::of(&pair.other)?.run(&["audit", "verify"])?.ended(0)?;
    Ok(())
}

/// A notification is lost wherever its connection is: whoever relied on it would wait for ever.
#[tokio::test(flavor = "multi_thread")]
async fn a_lost_doorbell_delays_a_push_and_loses_none() -> Result<()> {
    let pair = Pair::set().await?;
    let there = pair.agent_elsewhere().await?;
    let mut sql = Sql::connect(&pair.scene.broker.database_url()).await?;
    for number in 2..10 {
        // Whoever listens is cut off, at this moment.
        sql.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
             WHERE datname = current_database() AND query LIKE 'LISTEN%'",
        )
        .await?;
        let value = format!("stripe-{number}");
        pair.scene.admin.put(STRIPE, value.as_bytes()).await?;
        there.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
    }
    Ok(())
}

/// Who was let in at one broker a moment ago is no stranger to the other.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_let_in_at_one_is_known_at_the_other() -> Result<()> {
    let pair = Pair::set().await?;
    let (here, there) = (pair.scene.agents(), pair.other.listening().agents.to_string());
    for round in 0..20 {
        let token = pair.scene.admin.token(AGENT).await?;
        let credentials = peer::enrolled(&here, &token).await?;
        let mut watcher = Watcher::open(&there, &credentials).await?;
        let (_, first) = watcher.manifest().await.with_context(|| format!("round {round}"))?;
        ensure!(first.len() == 2, "round {round}: {} entries", first.len());
    }
    let cli = Cli::of(&pair.scene.broker)?;
    for round in 0..5 {
        let (name, out) = (format!("ada-{round}"), cli.folder().join(format!("ada-{round}")));
        let folder = out.to_str().context("a path")?;
        cli.run(&["admin", "create", &name, "--role", "auditor", "--out", folder])?.ended(0)?;
        let ada = Cli::with(&pair.other.listening().admin.to_string(), &out)?;
        ada.run(&["audit", "log"])?.ended(0)?;
    }
    Ok(())
}

/// When `revoke` has returned, no broker sends the agent anything: not even one that was not to be
/// reached when it happened.
#[tokio::test(flavor = "multi_thread")]
async fn a_revocation_is_so_at_every_broker_when_it_returns() -> Result<()> {
    let pair = Pair::set().await?;
    let there = pair.agent_elsewhere().await?;
    pair.scene.admin.revoke(AGENT).await?;
    // It follows at once: nothing has to be waited for but its sidecar.
    let known = pair.elsewhere.status(AGENT).await?;
    ensure!(known.state() == AgentState::Revoked, "the other broker does not know: {known:?}");
    pair.scene.admin.put(STRIPE, b"stripe-2").await?;
    there.file_leaves(STRIPE_FILE).await?;
    there.file_leaves(SLACK_FILE).await?;
    Ok(())
}

/// A broker that can write and cannot read what others changed sends no value by what it knew.
#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_behind_sends_nothing() -> Result<()> {
    let scene = Scene::set(Engine::Postgres).await?;
    let url = scene.broker.database_url();
    let mut sql = Sql::connect(&url).await?;
    let role = format!("blind_{}", scene.broker.id()?.simple());
    sql.script(&format!(
        "CREATE ROLE {role} LOGIN PASSWORD 'blind'; \
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO {role}"
    ))
    .await?;
    let (_, place) = url.split_once('@').context("a URL with a role")?;
    let mut other = scene.broker.another()?;
    other.connect_by(&format!("postgres://{role}:blind@{place}"))?;
    other.serve()?;
    // At home at that broker alone; at its end everything is wiped.
    let mut agent = Agent::enrolled(&other, &scene.admin, AGENT).await?;
    agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    agent.stop()?;
    sql.script(&format!("REVOKE SELECT ON authority_log FROM {role}")).await?;
    let began = Instant::now();
    scene.admin.revoke(AGENT).await?;
    let took = began.elapsed();
    ensure!(took < Duration::from_secs(4), "who is behind was waited for: {took:?}");
    agent.run()?;
    let process = other.process().context("it runs")?;
    process.wait_for_line("nothing was sent", DEADLINE)?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a revoked agent was sent a value");
    sql.script(&format!("GRANT SELECT ON authority_log TO {role}")).await?;
    agent.says("revoked")?;
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "a revoked agent was sent a value");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_stood_still_sends_nothing_by_what_it_knew() -> Result<()> {
    let pair = Pair::set().await?;
    let there = pair.agent_elsewhere().await?;
    let frozen = pair.other.process().context("it runs")?;
    frozen.signal(Signal::STOP)?;
    let began = Instant::now();
    pair.scene.admin.revoke(AGENT).await?;
    let took = began.elapsed();
    ensure!(took < Duration::from_secs(5), "the revocation waited {took:?} for a dead broker");
    pair.scene.admin.put(STRIPE, b"stripe-2").await?;
    let files = there.secrets();
    let observer = Observer::start(move || match std::fs::read(files.join(STRIPE_FILE)) {
        Ok(value) => {
            ensure!(value == b"stripe-1", "a revoked agent was sent {value:?}");
            Ok(())
        }
        Err(_) => Ok(()),
    });
    frozen.signal(Signal::CONT)?;
    there.file_leaves(STRIPE_FILE).await?;
    observer.end().await?;
    Ok(())
}

/// One broker after the other is stopped and started, with a put in each gap: no sidecar misses a
/// version, goes back, or is for a moment without its file.
#[tokio::test(flavor = "multi_thread")]
async fn brokers_are_restarted_in_turn_and_nobody_notices() -> Result<()> {
    let limits = Limits { drain_seconds: 10, ..Limits::default() };
    let mut pair = Pair::set_on(Broker::start_within(Engine::Postgres, limits).await?).await?;
    let rounds = count(5, 100);
    let (mut agents, mut observers) = (Vec::new(), Vec::new());
    for _ in 0..3 {
        let brokers = [&pair.scene.broker, &pair.other];
        let agent = Agent::enrolled_at(&brokers, &pair.scene.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        observers.push(never_without(&agent));
        agents.push(agent);
    }
    let mut version = 1;
    for round in 0..rounds {
        let first = round % 2 == 0;
        let (down, up) = match first {
            true => (&mut pair.scene.broker, &pair.other),
            false => (&mut pair.other, &pair.scene.broker),
        };
        let admin = up.admin().await?;
        down.begin_stop()?;
        version = put_and_wait(&admin, version, &agents).await?;
        let ended = down.wait(DEADLINE)?;
        ensure!(ended.success(), "a broker ended with {ended}");
        version = put_and_wait(&admin, version, &agents).await?;
        down.serve()?;
        let admin = down.admin().await?;
        version = put_and_wait(&admin, version, &agents).await?;
    }
    let mut looks = 0;
    for observer in observers {
        looks += observer.end().await?;
    }
    let text = format!("{rounds} restarts, {version} versions, 3 sidecars, {looks} looks at files");
    figure("brokers_are_restarted_in_turn", &text);
    Ok(())
}

async fn put_and_wait(admin: &Admin, version: u32, agents: &[Agent]) -> Result<u32> {
    let version = version + 1;
    let value = format!("stripe-{version}");
    admin.put(STRIPE, value.as_bytes()).await?;
    for agent in agents {
        agent.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
    }
    Ok(version)
}

/// Looks all the while that an agent has its file, and that its version never goes back.
fn never_without(agent: &Agent) -> Observer {
    let (path, mut last) = (agent.secrets().join(STRIPE_FILE), 0);
    Observer::start(move || {
        let value = std::fs::read_to_string(&path).context("an agent is without its file")?;
        let number = value.strip_prefix("stripe-").and_then(|it| it.parse::<u32>().ok());
        let number = number.with_context(|| format!("no value that was ever put: {value:?}"))?;
        ensure!(number >= last, "version {number} after version {last}");
        last = number;
        Ok(())
    })
}
