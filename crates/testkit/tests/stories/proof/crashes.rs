//! A broker that dies in any phase of a rotation, and is started again: the rotation ends as it
//! would have, nothing is revoked too early, and nobody notices.

use super::roles::{ORDERS, Orders, ends, look, start};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AbortRotationRequest, RotationPhase};
use secretref_testkit::{engine::Engine, on_both_engines, sql::Sql};

on_both_engines!(
    a_broker_that_dies_in_any_phase_ends_the_rotation_all_the_same,
    one_that_dies_while_a_rotation_turns_back_ends_it_too,
);

const PHASES: [RotationPhase; 7] = [
    RotationPhase::Minting,
    RotationPhase::Setting,
    RotationPhase::Testing,
    RotationPhase::Pushing,
    RotationPhase::Promoting,
    RotationPhase::Draining,
    RotationPhase::Revoking,
];

/// How often a phase is waited for: one that is over before it is seen is tried again.
const TRIES_MAX: usize = 40;

async fn a_broker_that_dies_in_any_phase_ends_the_rotation_all_the_same(
    engine: Engine,
) -> Result<()> {
    let mut orders = Orders::set(engine).await?;
    let mut hit = Vec::new();
    for (number, phase) in PHASES.into_iter().enumerate() {
        for turn in 0..TRIES_MAX {
            let old = orders.credential()?;
            start(&orders.admin).await?;
            // One that is over at once is hit from the one before.
            let seen = PHASES[number.saturating_sub(turn % 2)];
            let died_in = die_in(&mut orders, seen).await?;
            let done = ends(&orders.admin).await?;
            ensure!(done.phase() == RotationPhase::Finished, "{phase:?}: {done:?}");
            ensure!(done.proofs.len() == 1, "{phase:?}: {done:?}");
            let new = orders.credential()?;
            ensure!(new != old, "{phase:?}: nothing changed");
            ensure!(Sql::connect(&new).await.is_ok(), "{phase:?}: the new one does not work");
            ensure!(Sql::connect(&old).await.is_err(), "{phase:?}: the old one works");
            // One version was made, however often the step was done.
            ensure!(done.new_version == done.old_version + 1, "{phase:?}: {done:?}");
            orders.none_failed().await.with_context(|| format!("{phase:?}"))?;
            if died_in == phase {
                hit.push(phase);
                break;
            }
        }
    }
    ensure!(hit == PHASES, "it died in {hit:?} only");
    orders.end().await?;
    Ok(())
}

async fn one_that_dies_while_a_rotation_turns_back_ends_it_too(engine: Engine) -> Result<()> {
    let mut orders = Orders::set(engine).await?;
    let mut died = false;
    for _ in 0..TRIES_MAX {
        let old = orders.credential()?;
        start(&orders.admin).await?;
        until(&orders, RotationPhase::Draining).await?;
        let new = orders.credential()?;
        let secret_ref = ORDERS.to_owned();
        let abort = AbortRotationRequest { secret_ref, ..AbortRotationRequest::default() };
        orders.admin.rotations().abort_rotation(abort).await?;
        died |=
            die_in(&mut orders, RotationPhase::Withdrawing).await? == RotationPhase::Withdrawing;
        let done = ends(&orders.admin).await?;
        ensure!(done.phase() == RotationPhase::Aborted, "{done:?}");
        ensure!(orders.credential()? == old, "it has another one");
        ensure!(Sql::connect(&old).await.is_ok(), "the old one does not work");
        ensure!(Sql::connect(&new).await.is_err(), "the new one works");
        orders.none_failed().await?;
        if died {
            break;
        }
    }
    ensure!(died, "it was always too late");
    orders.end().await?;
    Ok(())
}

/// Waits until the rotation has come to a phase, or further.
async fn until(orders: &Orders, phase: RotationPhase) -> Result<()> {
    // As fast as can be: phases are over within milliseconds.
    while look(&orders.admin).await?.phase() < phase {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// Kills the broker in a phase and starts it again; says which phase it really died in.
async fn die_in(orders: &mut Orders, phase: RotationPhase) -> Result<RotationPhase> {
    until(orders, phase).await?;
    orders.broker.kill9()?;
    let died_in = recorded(orders).await?;
    orders.broker.serve()?;
    orders.admin = orders.broker.admin().await?;
    Ok(died_in)
}

/// The phase that the log has as the last one.
async fn recorded(orders: &Orders) -> Result<RotationPhase> {
    let mut sql = Sql::connect(&orders.broker.database_url()).await?;
    let newest = "SELECT record FROM authority_log ORDER BY revision DESC, position DESC LIMIT 9";
    for record in sql.blobs(newest).await? {
        let record: serde_json::Value = serde_json::from_slice(&record)?;
        let phase = record.pointer("/change/rotation/phase/is").and_then(|it| it.as_str());
        let phase = phase.map(|it| format!("ROTATION_PHASE_{}", it.to_uppercase()));
        if let Some(phase) = phase.and_then(|it| RotationPhase::from_str_name(&it)) {
            return Ok(phase);
        }
    }
    anyhow::bail!("the log has no rotation")
}
