//! An agent that a manifest no longer names is revoked: its sidecar wipes at once, whether it is
//! connected then or comes back later.

use crate::scene::{AGENT, SLACK_FILE, STRIPE, STRIPE_FILE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{ApplyManifestRequest, ManifestFile};
use secretref_testkit::{engine::Engine, on_both_engines, wait::DEADLINE};

on_both_engines!(a_removed_agent_is_wiped_at_once_even_if_it_was_away);

async fn a_removed_agent_is_wiped_at_once_even_if_it_was_away(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let connected = scene.agent().await?;
    let mut away = scene.agent().await?;
    away.kill9()?;
    ensure!(away.read(STRIPE_FILE)?.is_some(), "its files went with the sidecar");

    let file = ManifestFile {
        name: "manifest.json".to_owned(),
        content: manifest("witness", &[STRIPE]).into_bytes(),
    };
    let request =
        ApplyManifestRequest { files: vec![file], prune: true, ..ApplyManifestRequest::default() };
    scene.admin.agents().apply_manifest(request).await?;
    ensure!(scene.admin.status(AGENT).await.is_err(), "the agent is still there");
    connected.file_leaves(STRIPE_FILE).await?;
    connected.file_leaves(SLACK_FILE).await?;

    // Its lease has most of an hour left: that it wipes is because it is told to.
    away.run()?;
    away.sidecar().context("no sidecar")?.wait_for_line("revoked", DEADLINE)?;
    away.file_leaves(STRIPE_FILE).await?;
    away.file_leaves(SLACK_FILE).await?;
    Ok(())
}
