//! One token, one enrolment: however many hold it, and however they hurry.

use crate::{
    scene::{AGENT, Scene},
    soak,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::config::Limits;
use secretref_identity::request::CertificateRequest;
use secretref_testkit::{broker::Broker, engine::Engine, on_both_engines, peer};
use std::sync::Arc;
use tokio::{sync::Barrier, task::JoinSet};

on_both_engines!(one_of_thirty_two_wins_the_token, the_winner_may_ask_again_with_its_own_key);

const RACERS: usize = 32;

async fn one_of_thirty_two_wins_the_token(engine: Engine) -> Result<()> {
    // All racers but one fail, and they come from one address: its limits are raised, or the token
    // would not be looked at.
    let limits = Limits {
        strangers_per_address_max: 256,
        failed_enrolments_per_minute: 60_000,
        failed_enrolments_burst: 100_000,
        drain_seconds: 0,
        ..Limits::default()
    };
    let scene = Scene::set_on(Broker::start_within(engine, limits).await?).await?;
    let races = soak::count(3, 1_000);
    for _ in 0..races {
        let token: Arc<str> = scene.admin.token(AGENT).await?.into();
        let start = Arc::new(Barrier::new(RACERS));
        let mut racers = JoinSet::new();
        for _ in 0..RACERS {
            let (token, start, address) = (Arc::clone(&token), Arc::clone(&start), scene.agents());
            racers.spawn(async move {
                let request = CertificateRequest::generate().expect("a key");
                let channel = peer::anonymous(&address, &token).await.expect("a connection");
                start.wait().await;
                peer::join(channel, &token, &request).await
            });
        }
        let outcomes = racers.join_all().await;
        let winners = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
        ensure!(winners == 1, "{winners} winners: {outcomes:?}");
        for refused in outcomes.into_iter().filter_map(Result::err) {
            ensure!(refused.code() == tonic::Code::Unauthenticated, "{refused}");
        }
    }
    let instances = scene.admin.status(AGENT).await?.instances.len();
    ensure!(instances == races, "{instances} instances after {races} races");
    let text = format!("{races} races of {RACERS}, one winner each (limits of one address raised)");
    soak::figure("raced token", &text);
    Ok(())
}

async fn the_winner_may_ask_again_with_its_own_key(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let token = scene.admin.token(AGENT).await?;
    let request = CertificateRequest::generate()?;
    let channel = peer::anonymous(&scene.agents(), &token).await?;
    let first = peer::join(channel.clone(), &token, &request).await?;
    let second = peer::join(channel.clone(), &token, &request).await?;
    ensure!(first.instance == second.instance, "a lost answer made a second instance");
    let other = CertificateRequest::generate()?;
    ensure!(peer::join(channel, &token, &other).await.is_err(), "another key came in");
    let credentials = peer::credentials(second, request)?;
    let mut watcher = peer::Watcher::open(&scene.agents(), &credentials).await?;
    let (_, entries) = watcher.manifest().await.context("the winner watches")?;
    ensure!(entries.len() == 2, "{entries:?}");
    Ok(())
}
