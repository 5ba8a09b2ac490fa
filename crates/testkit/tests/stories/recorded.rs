//! Nothing leaves before it is on the record: whatever happens between a change, its record and
//! what is sent of it, what clients have is what the trail says.

use crate::{scene::STRIPE, soak};
use anyhow::{Context, Result, bail, ensure};
use secretref_identity::credentials::Credentials;
use secretref_proto::v1::{AccessSecretVersionRequest, PutSecretRequest, watch_response::Message};
use secretref_testkit::{
    admin::Admin,
    broker::{Broker, ready},
    engine::Engine,
    on_both_engines,
    peer::{self, Watcher},
    sql::Refusal,
    wait::eventually,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};
use tokio::{sync::watch, task::JoinSet};
use tonic::Code;

on_both_engines!(
    what_clients_have_is_what_the_trail_says,
    where_nothing_can_be_recorded_nothing_leaves_and_all_is_well_again_by_itself,
);

const CLIENTS: usize = 4;

/// Who got which version.
type Got = BTreeSet<(String, i64)>;

/// What all clients have got.
struct Received {
    got: Mutex<Got>,
    count: watch::Sender<usize>,
}

fn agent(number: usize) -> String {
    format!("agent-{number}")
}

async fn what_clients_have_is_what_the_trail_says(engine: Engine) -> Result<()> {
    let faults = soak::count(200, 10_000);
    let mut broker = Broker::start(engine).await?;
    let mut admin = broker.admin().await?;
    let (received, mut clients) = watched(&broker, &admin).await?;
    let mut counted = received.count.subscribe();
    let mut read = Got::new();
    for fault in 0..faults {
        match fault % 5 {
            // Somewhere between a change, its record, and what is sent of it.
            0 => {
                let reached = *counted.borrow_and_update() + fastrand::usize(0..=CLIENTS);
                let put = tokio::spawn({
                    let mut secrets = admin.secrets();
                    let (name, value) = (STRIPE.to_owned(), format!("value-{fault}").into_bytes());
                    let put = PutSecretRequest { name, value, ..PutSecretRequest::default() };
                    async move { secrets.put_secret(put).await.is_ok() }
                });
                // Ended by its answer where it is not pushed to that many.
                tokio::select! {
                    seen = counted.wait_for(|count| *count >= reached) => drop(seen?),
                    _ = put => {}
                }
                broker.kill9()?;
                // Each is sent one when it comes again.
                let again = *counted.borrow() + CLIENTS;
                broker.serve()?;
                admin = broker.admin().await?;
                counted.wait_for(|count| *count >= again).await?;
            }
            1 | 2 => {
                let refusal = Refusal::of(&broker.database_url(), "audit", None).await?;
                let refused = admin.put(STRIPE, format!("lost-{fault}").as_bytes()).await;
                let refused = refused.err().context("it was put without a record")?;
                ensure!(refused.code() == Code::Unavailable, "{refused:?}");
                refusal.lift().await?;
                admin.put(STRIPE, format!("kept-{fault}").as_bytes()).await?;
            }
            _ => {
                let refusal = Refusal::of(&broker.database_url(), "audit", None).await?;
                let refused = access(&admin).await;
                ensure!(refused.is_err_and(|it| it.code() == Code::Unavailable), "it was read");
                refusal.lift().await?;
                read.insert(("admin".to_owned(), access(&admin).await?));
            }
        }
    }
    let recorded = recorded(&admin).await?;
    let mut got = received.got.lock().unwrap_or_else(PoisonError::into_inner).clone();
    got.extend(read);
    let unrecorded: Vec<_> = got.difference(&recorded).collect();
    ensure!(unrecorded.is_empty(), "not on the record: {unrecorded:?}");
    ensure!(got.len() > faults / 3, "the clients got {} only", got.len());
    let what = format!(
        "{faults} faults between a change, its record and what is sent: {} deliveries and reads, \
         {} recorded, 0 without a record",
        got.len(),
        recorded.len()
    );
    soak::figure("A1 audit before effect", &what);
    // The broker waits for whoever is connected.
    clients.shutdown().await;
    Ok(())
}

async fn where_nothing_can_be_recorded_nothing_leaves_and_all_is_well_again_by_itself(
    engine: Engine,
) -> Result<()> {
    let broker = Broker::start(engine).await?;
    let admin = broker.admin().await?;
    admin.apply(&manifest()).await?;
    admin.put(STRIPE, b"first").await?;
    let credentials = enrolled(&broker, &admin, &agent(0)).await?;
    let (health, agents) = (broker.listening().health, broker.listening().agents.to_string());
    ensure!(ready(health).await, "it is not ready before");
    let refusal = Refusal::of(&broker.database_url(), "audit", None).await?;
    // Whoever comes now gets no value.
    let mut watcher = Watcher::open(&agents, &credentials).await?;
    let waits = tokio::spawn(async move { watcher.manifest().await });
    let refused = admin.put(STRIPE, b"second").await.err().context("it was put")?;
    ensure!(refused.code() == Code::Unavailable && !refused.message().is_empty(), "{refused:?}");
    ensure!(access(&admin).await.is_err_and(|it| it.code() == Code::Unavailable), "it was read");
    eventually("health says so", async || Ok((!ready(health).await).then_some(()))).await?;
    if waits.is_finished() {
        ensure!(waits.await?.is_err(), "values left without a record");
    } else {
        waits.abort();
    }
    refusal.lift().await?;
    eventually("it is well again", async || Ok(ready(health).await.then_some(()))).await?;
    admin.put(STRIPE, b"third").await?;
    let mut watcher = Watcher::open(&agents, &credentials).await?;
    let (_, entries) = watcher.manifest().await?;
    ensure!(entries.iter().any(|it| it.name == STRIPE && it.version == 2), "{}", entries.len());
    let trail = admin.audit_trail().await?;
    let said = trail.iter().find(|it| it.action == "audit.resume");
    let said = said.context("the trail does not say that it stood still")?;
    ensure!(said.reason.starts_with("nothing was recorded since"), "{}", said.reason);
    Ok(())
}

/// Agents that are bound to one secret.
fn manifest() -> String {
    let bound = json!({"tool-bindings": {"stripe-payment": {"credentials": {
        "apiKey": {"secretRef": STRIPE, "envVar": "STRIPE_API_KEY"}
    }}}});
    let agents: Map<String, Value> =
        (0..CLIENTS).map(|number| (agent(number), bound.clone())).collect();
    json!({"agents": agents, "refMap": {STRIPE: {"provider": "store"}}}).to_string()
}

async fn enrolled(broker: &Broker, admin: &Admin, agent: &str) -> Result<Credentials> {
    let token = admin.token(agent).await?;
    peer::enrolled(&broker.listening().agents.to_string(), &token).await
}

/// Clients that come again whenever their stream ends, and keep account of what they got.
async fn watched(broker: &Broker, admin: &Admin) -> Result<(Arc<Received>, JoinSet<()>)> {
    admin.apply(&manifest()).await?;
    admin.put(STRIPE, b"first").await?;
    let (count, mut counted) = watch::channel(0);
    let received = Arc::new(Received { got: Mutex::default(), count });
    let mut clients = JoinSet::new();
    for number in 0..CLIENTS {
        let credentials = enrolled(broker, admin, &agent(number)).await?;
        let address = broker.listening().agents.to_string();
        let received = Arc::clone(&received);
        clients.spawn(async move {
            loop {
                // Ended with the broker, or before it is there again.
                let _ = watch_all(&address, &credentials, &agent(number), &received).await;
                tokio::task::yield_now().await;
            }
        });
    }
    counted.wait_for(|count| *count >= CLIENTS).await?;
    Ok((received, clients))
}

async fn watch_all(
    address: &str,
    credentials: &Credentials,
    agent: &str,
    received: &Received,
) -> Result<()> {
    let mut watcher = Watcher::open(address, credentials).await?;
    while let Some(message) = watcher.next().await? {
        let Message::Manifest(manifest) = message else { continue };
        for entry in manifest.entries.iter().filter(|it| it.value.is_some()) {
            let mut got = received.got.lock().unwrap_or_else(PoisonError::into_inner);
            got.insert((agent.to_owned(), entry.version));
            drop(got);
            received.count.send_modify(|count| *count += 1);
        }
        if manifest.last {
            watcher.acknowledge(manifest.nonce, &manifest.entries).await?;
        }
    }
    bail!("the stream ended")
}

/// The version that an administrator gets.
async fn access(admin: &Admin) -> Result<i64, tonic::Status> {
    let request = AccessSecretVersionRequest {
        name: STRIPE.to_owned(),
        reason: "for the story".to_owned(),
        ..AccessSecretVersionRequest::default()
    };
    let read = admin.secrets().access_secret_version(request).await?.into_inner();
    Ok(read.version.map_or(0, |it| it.version))
}

/// Who may have got which version, as the trail says.
async fn recorded(admin: &Admin) -> Result<Got> {
    let mut recorded = Got::new();
    for entry in admin.audit_trail().await? {
        let of_it = entry.object == STRIPE && entry.decision == "allowed";
        match entry.action.as_str() {
            "secret.deliver" if of_it => recorded.extend(entry.recipients.iter().map(|it| {
                let name = it.split('/').next().unwrap_or_default();
                (name.to_owned(), entry.version)
            })),
            "secret.access" if of_it => drop(recorded.insert(("admin".to_owned(), entry.version))),
            _ => {}
        }
    }
    Ok(recorded)
}
