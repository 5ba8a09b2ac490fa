//! Two roles of a real Postgres take turns while clients log in with what is in the agent's file:
//! no login fails, no query fails, and every old password is refused afterwards.

use crate::{scene::AGENT, soak};
use anyhow::{Context, Result, bail, ensure};
use secretref_proto::v1::{GetRotationRequest, Rotation, RotationPhase, StartRotationsRequest};
use secretref_testkit::{
    admin::Admin, agent::Agent, broker::Broker, engine::Engine, on_both_engines,
    postgres::database, sql::Sql, wait::eventually,
};
use serde_json::json;
use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::task::JoinSet;
use uuid::Uuid;

on_both_engines!(roles_take_turns_under_clients_that_never_notice);

pub(super) const ORDERS: &str = "orders";
const FILE: &str = "ORDERS_URL";
const CLIENTS: usize = 8;

/// A service whose two roles take turns, an agent that has the credential, and clients that log in
/// with what is in the agent's file.
pub(super) struct Orders {
    pub(super) broker: Broker,
    pub(super) admin: Admin,
    agent: Agent,
    work: Arc<Work>,
    clients: JoinSet<Result<()>>,
}

/// What the clients did.
#[derive(Default)]
struct Work {
    over: AtomicBool,
    logins: AtomicU64,
}

async fn roles_take_turns_under_clients_that_never_notice(engine: Engine) -> Result<()> {
    let mut orders = Orders::set(engine).await?;
    let (rotations, began) = (soak::count(50, 1_000), Instant::now());
    let mut old = orders.credential()?;
    for number in 1..=rotations {
        rotate(&orders.admin).await.with_context(|| format!("rotation {number}"))?;
        let new = orders.credential()?;
        ensure!(new != old, "rotation {number} changed nothing");
        let gone = std::mem::replace(&mut old, new);
        ensure!(Sql::connect(&gone).await.is_err(), "the old one of rotation {number} works");
        orders.none_failed().await?;
    }
    let (logins, seconds) = (orders.end().await?, began.elapsed().as_secs_f64());
    let what = format!(
        "{rotations} rotations of a Postgres role under {CLIENTS} clients: {logins} logins and \
         queries, 0 failed, {rotations} old passwords refused, {seconds:.1} s"
    );
    soak::figure("rotation", &what);
    Ok(())
}

impl Orders {
    pub(super) async fn set(engine: Engine) -> Result<Self> {
        let orders = database().await?;
        let orders = orders.split('?').next().unwrap_or_default().to_owned();
        let address = orders.rsplit_once('@').context("no address")?.1.to_owned();
        let id = Uuid::new_v4().simple().to_string();
        let users = [format!("orders_{id}_a"), format!("orders_{id}_b")];
        let mut sql = Sql::connect(&orders).await?;
        sql.run(&format!("CREATE ROLE {} LOGIN PASSWORD 'first-password'", users[0])).await?;
        sql.run(&format!("CREATE ROLE {} NOLOGIN", users[1])).await?;
        let first = format!("postgres://{}:first-password@{address}", users[0]);
        let broker = Broker::start(engine).await?;
        let admin = broker.admin().await?;
        let manifest = json!({
            "secrets": {"rotators": {"orders": {
                "type": "postgres-role", "address": address, "users": users,
                "secrets": {"admin": {"secretRef": "orders-admin"}},
            }}},
            "agents": {AGENT: {"tool-bindings": {"orders": {"credentials": {
                "url": {"secretRef": "orders", "envVar": FILE}
            }}}}},
            "refMap": {
                // Longer than a client takes from its look into the file to the end of its login.
                "orders": {"provider": "store", "rotation": {"rotator": "orders", "overlap": "1s"}},
                "orders-admin": {"provider": "store"},
            },
        });
        admin.apply(&manifest.to_string()).await?;
        admin.put("orders", first.as_bytes()).await?;
        admin.put("orders-admin", orders.as_bytes()).await?;
        let agent = Agent::enrolled(&broker, &admin, AGENT).await?;
        agent.file_becomes(FILE, first.as_bytes()).await?;
        let work = Arc::new(Work::default());
        let mut clients = JoinSet::new();
        for _ in 0..CLIENTS {
            clients.spawn(work_on(agent.secrets().join(FILE), Arc::clone(&work)));
        }
        Ok(Self { broker, admin, agent, work, clients })
    }

    /// What is in the agent's file.
    pub(super) fn credential(&self) -> Result<String> {
        Ok(String::from_utf8(self.agent.read(FILE)?.context("no file")?)?)
    }

    /// That no client has ended: each does where a login or a query fails.
    pub(super) async fn none_failed(&mut self) -> Result<()> {
        match self.clients.try_join_next() {
            Some(failed) => failed?,
            None => Ok(()),
        }
    }

    /// Ends the clients, of which none has failed; gives how often they logged in.
    pub(super) async fn end(mut self) -> Result<u64> {
        self.work.over.store(true, Ordering::Relaxed);
        while let Some(client) = self.clients.join_next().await {
            client??;
        }
        let logins = self.work.logins.load(Ordering::Relaxed);
        ensure!(logins > 0, "nobody worked");
        Ok(logins)
    }
}

/// Logs in with what is in the file, and asks something, again and again.
async fn work_on(file: PathBuf, work: Arc<Work>) -> Result<()> {
    while !work.over.load(Ordering::Relaxed) {
        let url = tokio::fs::read_to_string(&file).await.context("the file is away")?;
        let mut sql = Sql::connect(&url).await.context("a login failed")?;
        for _ in 0..3 {
            let answer = sql.number("SELECT CAST(42 AS BIGINT)").await.context("a query failed")?;
            ensure!(answer == 42, "{answer}");
        }
        work.logins.fetch_add(1, Ordering::Relaxed);
    }
    Ok(())
}

async fn rotate(admin: &Admin) -> Result<()> {
    start(admin).await?;
    let over = ends(admin).await?;
    match over.phase() {
        RotationPhase::Finished => Ok(()),
        _ => bail!("{over:?}"),
    }
}

pub(super) async fn start(admin: &Admin) -> Result<()> {
    let secret_ref = ORDERS.to_owned();
    let request = StartRotationsRequest { secret_ref, ..StartRotationsRequest::default() };
    admin.rotations().start_rotations(request).await?;
    Ok(())
}

pub(super) async fn look(admin: &Admin) -> Result<Rotation> {
    let secret_ref = ORDERS.to_owned();
    let request = GetRotationRequest { secret_ref, ..GetRotationRequest::default() };
    let found = admin.rotations().get_rotation(request).await?.into_inner().rotation;
    found.context("no rotation")
}

/// Waits until the newest rotation is over.
pub(super) async fn ends(admin: &Admin) -> Result<Rotation> {
    eventually("the rotation is over", async || {
        let found = look(admin).await?;
        let over = [RotationPhase::Finished, RotationPhase::Failed, RotationPhase::Aborted];
        Ok(over.contains(&found.phase()).then_some(found))
    })
    .await
}
