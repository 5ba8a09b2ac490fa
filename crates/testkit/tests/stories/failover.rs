//! The database fails over to a standby: brokers and sidecars go on with what it has.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    broker::Broker,
    cli::Cli,
    postgres::Postgres,
    sql::Sql,
    switch::Switch,
    wait::{Observer, eventually},
};
use tokio::task::spawn_blocking;

/// Two brokers over a server that has a standby, and a sidecar that knows both.
struct Stage {
    primary: Postgres,
    standby: Postgres,
    switch: Switch,
    scene: Scene,
    other: Broker,
    agent: Agent,
}

impl Stage {
    async fn set() -> Result<Self> {
        let primary = spawn_blocking(Postgres::start).await??;
        let switch = Switch::to(primary.port()).await?;
        let url = primary.create_database().await?;
        let through = url.replace(
            &format!("127.0.0.1:{}", primary.port()),
            &format!("127.0.0.1:{}", switch.port()),
        );
        let scene = Scene::set_on(Broker::start_over(&through)?).await?;
        let mut other = scene.broker.another()?;
        other.serve()?;
        let agent = Agent::enrolled_at(&[&scene.broker, &other], &scene.admin, AGENT).await?;
        agent.file_becomes(STRIPE_FILE, b"stripe-1").await?;
        let standby = primary.standby()?;
        Ok(Self { primary, standby, switch, scene, other, agent })
    }

    /// Waits until the standby has everything that the primary has.
    async fn followed(&self) -> Result<()> {
        let mut primary = Sql::connect(&self.primary.superuser_url()).await?;
        eventually("the standby has everything", async || {
            let behind = "SELECT count(*) FROM pg_stat_replication \
                          WHERE state = 'streaming' AND replay_lsn = pg_current_wal_lsn()";
            Ok((primary.number(behind).await? == 1).then_some(()))
        })
        .await
    }

    /// The primary dies, and its name means the standby from here on.
    fn fail_over(&mut self) -> Result<()> {
        self.switch.open();
        self.primary.kill9()?;
        self.standby.promote()?;
        self.switch.turn(self.standby.port());
        Ok(())
    }

    /// Puts by either broker, and waits for the agent's file.
    async fn both_go_on(&self) -> Result<()> {
        for (broker, value) in [(&self.other, "by-the-other"), (&self.scene.broker, "by-the-first")]
        {
            let admin = broker.admin().await?;
            let put = eventually("a broker has its database again", async || {
                Ok(admin.put(STRIPE, value.as_bytes()).await.ok())
            });
            put.await?;
            self.agent.file_becomes(STRIPE_FILE, value.as_bytes()).await?;
        }
        Cli::of(&self.other)?.run(&["audit", "verify"])?.ended(0)?;
        Ok(())
    }

    /// Looks all the while that the agent has its file.
    fn never_without(&self) -> Observer {
        let path = self.agent.secrets().join(STRIPE_FILE);
        Observer::start(move || {
            std::fs::read(&path).context("the agent is without its file").map(drop)
        })
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_standby_that_has_everything_takes_over() -> Result<()> {
    let mut stage = Stage::set().await?;
    let observer = stage.never_without();
    stage.scene.admin.put(STRIPE, b"stripe-2").await?;
    stage.agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    stage.followed().await?;
    stage.fail_over()?;
    stage.both_go_on().await?;
    observer.end().await?;
    Ok(())
}

/// What was committed last is gone: nobody goes on as if it were there, and nobody refuses what
/// comes in its place because it has an older number.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_standby_never_had_is_given_up_everywhere() -> Result<()> {
    let mut stage = Stage::set().await?;
    let observer = stage.never_without();
    stage.scene.admin.put(STRIPE, b"stripe-2").await?;
    stage.agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    stage.followed().await?;
    stage.standby.stop()?;
    for value in ["stripe-3", "stripe-4"] {
        stage.scene.admin.put(STRIPE, value.as_bytes()).await?;
    }
    stage.agent.file_becomes(STRIPE_FILE, b"stripe-4").await?;
    stage.switch.open();
    stage.primary.kill9()?;
    stage.standby.restart()?;
    stage.standby.promote()?;
    stage.switch.turn(stage.standby.port());
    stage.agent.file_becomes(STRIPE_FILE, b"stripe-2").await?;
    // The third version is another one now.
    stage.both_go_on().await?;
    observer.end().await?;
    let versions = Cli::of(&stage.other)?.run(&["versions", STRIPE])?.ended(0)?;
    ensure!(!versions.out.contains("v5"), "lost versions are back: {versions:?}");
    Ok(())
}
