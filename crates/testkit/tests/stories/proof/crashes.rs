//! A broker that dies in any phase of a rotation, and is started again: the rotation ends as it
//! would have, nothing is revoked too early, and nobody notices.
//!
//! The database refuses the record of the phase that comes next, so that the broker stands where it
//! is to die however short the phase is.

use super::roles::{ORDERS, Orders, ends, look, start};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AbortRotationRequest, RotationPhase};
use secretref_testkit::{
    broker::Broker,
    engine::Engine,
    on_both_engines,
    process::Process,
    sql::{Refusal, Sql},
    wait::eventually,
};

on_both_engines!(
    a_broker_that_dies_in_any_phase_ends_the_rotation_all_the_same,
    one_that_dies_while_a_rotation_turns_back_ends_it_too,
);

/// Each phase with the record that ends it.
const PHASES: [(RotationPhase, &str); 7] = [
    (RotationPhase::Minting, "setting"),
    (RotationPhase::Setting, "testing"),
    (RotationPhase::Testing, "pushing"),
    (RotationPhase::Pushing, "promoting"),
    (RotationPhase::Promoting, "draining"),
    (RotationPhase::Draining, "revoking"),
    (RotationPhase::Revoking, "finished"),
];

/// When in a phase the broker dies.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// Once the phase is recorded, whatever of its step is done by then.
    Entered,
    /// Its step is done, twice perhaps, and not recorded.
    Done,
}

async fn a_broker_that_dies_in_any_phase_ends_the_rotation_all_the_same(
    engine: Engine,
) -> Result<()> {
    for (phase, ended_by) in PHASES {
        // With an agent of its own, which has not learnt to wait for a broker that dies often.
        let mut orders = Orders::set(engine).await?;
        for moment in [Moment::Entered, Moment::Done] {
            dies_in(&mut orders, phase, ended_by, moment)
                .await
                .with_context(|| format!("{phase:?}, {moment:?}"))?;
        }
        orders.end().await?;
    }
    Ok(())
}

async fn dies_in(
    orders: &mut Orders,
    phase: RotationPhase,
    ended_by: &str,
    moment: Moment,
) -> Result<()> {
    let old = orders.credential()?;
    let refusal = refused(&orders.broker, ended_by).await?;
    start(&orders.admin).await?;
    die(orders, phase, moment).await?;
    // Nothing is revoked before all have the new one for as long as the two overlap.
    if phase != RotationPhase::Revoking {
        ensure!(Sql::connect(&old).await.is_ok(), "the old one was revoked");
    }
    refusal.lift().await?;
    restart(orders).await?;
    let done = ends(&orders.admin).await?;
    ensure!(done.phase() == RotationPhase::Finished, "{done:?}");
    ensure!(done.proofs.len() == 1, "{done:?}");
    let new = orders.credential()?;
    ensure!(new != old, "nothing changed");
    ensure!(Sql::connect(&new).await.is_ok(), "the new one does not work");
    ensure!(Sql::connect(&old).await.is_err(), "the old one works");
    // One version was made, however often the step was done.
    ensure!(done.new_version == done.old_version + 1, "{done:?}");
    orders.none_failed().await
}

async fn one_that_dies_while_a_rotation_turns_back_ends_it_too(engine: Engine) -> Result<()> {
    let mut orders = Orders::set(engine).await?;
    for moment in [Moment::Entered, Moment::Done] {
        let old = orders.credential()?;
        let refusal = refused(&orders.broker, "aborted").await?;
        start(&orders.admin).await?;
        until(&orders, RotationPhase::Draining).await?;
        let new = orders.credential()?;
        let secret_ref = ORDERS.to_owned();
        let abort = AbortRotationRequest { secret_ref, ..AbortRotationRequest::default() };
        orders.admin.rotations().abort_rotation(abort).await?;
        die(&mut orders, RotationPhase::Withdrawing, moment).await?;
        refusal.lift().await?;
        restart(&mut orders).await?;
        let done = ends(&orders.admin).await?;
        ensure!(done.phase() == RotationPhase::Aborted, "{moment:?}: {done:?}");
        ensure!(orders.credential()? == old, "{moment:?}: it has another one");
        ensure!(Sql::connect(&old).await.is_ok(), "{moment:?}: the old one does not work");
        ensure!(Sql::connect(&new).await.is_err(), "{moment:?}: the new one works");
        orders.none_failed().await?;
    }
    orders.end().await?;
    Ok(())
}

/// Waits until the rotation has come to a phase.
async fn until(orders: &Orders, phase: RotationPhase) -> Result<()> {
    let what = format!("the rotation is {phase:?}");
    eventually(&what, async || Ok((look(&orders.admin).await?.phase() == phase).then_some(())))
        .await
}

/// Kills the broker in a phase that it cannot leave.
async fn die(orders: &mut Orders, phase: RotationPhase, moment: Moment) -> Result<()> {
    until(orders, phase).await?;
    if matches!(moment, Moment::Done) {
        let broker = orders.broker.process().context("the broker does not run")?;
        is_refused(broker).await?;
        ensure!(look(&orders.admin).await?.phase() == phase, "it went on");
    }
    orders.broker.kill9()
}

/// Waits until the record of a step that is done was refused.
pub(super) async fn is_refused(broker: &Process) -> Result<()> {
    eventually("the record was refused", async || {
        let said = broker.said()?;
        Ok(said.contains("a step of a rotation was not recorded").then_some(()))
    })
    .await
}

async fn restart(orders: &mut Orders) -> Result<()> {
    orders.broker.serve()?;
    orders.admin = orders.broker.admin().await?;
    Ok(())
}

/// Has the database take no record of a phase.
pub(super) async fn refused(broker: &Broker, phase: &str) -> Result<Refusal> {
    let record = format!("\"is\":\"{phase}\"");
    Refusal::of(&broker.database_url(), "authority_log", Some(("record", &record))).await
}
