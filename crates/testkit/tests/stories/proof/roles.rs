//! Two roles of a real Postgres take turns while clients log in with what is in the agent's file:
//! no login fails, no query fails, and every old password is refused afterwards.

use crate::{scene::AGENT, soak};
use anyhow::{Context, Result, bail, ensure};
use secretref_proto::v1::{GetRotationRequest, RotationPhase, StartRotationsRequest};
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

const FILE: &str = "ORDERS_URL";
const CLIENTS: usize = 8;

/// What the clients did.
#[derive(Default)]
struct Work {
    over: AtomicBool,
    logins: AtomicU64,
}

async fn roles_take_turns_under_clients_that_never_notice(engine: Engine) -> Result<()> {
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
    let (rotations, began) = (soak::count(50, 1_000), Instant::now());
    let mut old = first;
    for number in 1..=rotations {
        rotate(&admin).await.with_context(|| format!("rotation {number}"))?;
        let new = agent.read(FILE)?.context("no file")?;
        let new = String::from_utf8(new)?;
        ensure!(new != old, "rotation {number} changed nothing");
        let gone = std::mem::replace(&mut old, new);
        ensure!(Sql::connect(&gone).await.is_err(), "the old one of rotation {number} works");
        if let Some(failed) = clients.try_join_next() {
            failed??;
        }
    }
    work.over.store(true, Ordering::Relaxed);
    while let Some(client) = clients.join_next().await {
        client??;
    }
    let (logins, seconds) = (work.logins.load(Ordering::Relaxed), began.elapsed().as_secs_f64());
    let what = format!(
        "{rotations} rotations of a Postgres role under {CLIENTS} clients: {logins} logins and \
         queries, 0 failed, {rotations} old passwords refused, {seconds:.1} s"
    );
    soak::figure("rotation", &what);
    ensure!(logins > 0, "nobody worked");
    Ok(())
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
    let secret_ref = || "orders".to_owned();
    let request =
        StartRotationsRequest { secret_ref: secret_ref(), ..StartRotationsRequest::default() };
    admin.rotations().start_rotations(request).await?;
    eventually("the rotation is finished", async || {
        let request =
            GetRotationRequest { secret_ref: secret_ref(), ..GetRotationRequest::default() };
        let found = admin.rotations().get_rotation(request).await?.into_inner().rotation;
        let found = found.context("no rotation")?;
        match found.phase() {
            RotationPhase::Finished => Ok(Some(())),
            RotationPhase::Failed | RotationPhase::Aborted => bail!("{found:?}"),
            _ => Ok(None),
        }
    })
    .await
}
