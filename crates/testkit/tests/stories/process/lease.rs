//! Values that may not be kept any longer take the program along that has them.

use super::{STAYS, is_gone, pid_of, running};
use crate::scene::{AGENT, STRIPE_FILE, Scene};
use anyhow::{Result, ensure};
use secretref_testkit::{engine::Engine, on_both_engines};

on_both_engines!(a_lapsed_lease_stops_the_program, a_revocation_stops_the_program);

async fn a_lapsed_lease_stops_the_program(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let bound = r#""envVar": "STRIPE_API_KEY""#;
    let manifest =
        crate::scene::PAYMENT_ANALYST.replace(bound, &format!(r#"{bound}, "maxStale": "1s""#));
    scene.admin.apply(&manifest).await?;
    let mut agent = running(&scene, &[], STAYS).await?;
    let first = pid_of(&agent.says("has stripe-1, slack-1 in ")?)?;
    scene.broker.kill9()?;
    is_gone(first).await?;
    agent.file_leaves(STRIPE_FILE).await?;
    ensure!(agent.sidecar().is_some(), "the sidecar ended with it");
    scene.broker.serve()?;
    secretref_testkit::wait::eventually("it runs again", async || {
        Ok((agent.said()?.matches("has stripe-1, slack-1 in ").count() >= 2).then_some(()))
    })
    .await?;
    agent.stop()?;
    Ok(())
}

async fn a_revocation_stops_the_program(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let agent = running(&scene, &[], STAYS).await?;
    let first = pid_of(&agent.says("has stripe-1, slack-1 in ")?)?;
    scene.admin.revoke(AGENT).await?;
    is_gone(first).await?;
    agent.file_leaves(STRIPE_FILE).await
}
