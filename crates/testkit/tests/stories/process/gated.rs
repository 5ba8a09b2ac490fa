//! A program has to pass its gate with new values, else everything is put back.

use super::{STAYS, is_gone, pid_of, running, told, with_keys};
use crate::scene::{SLACK, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{engine::Engine, on_both_engines, wait::eventually};

on_both_engines!(
    a_value_that_fails_the_gate_is_put_back,
    a_check_decides_where_the_host_allows_it,
    one_bad_value_does_not_keep_back_the_others,
    a_hand_over_never_leaves_none_running,
);

/// Ends at once with a bad value.
const PICKY: &str = r#"echo "has $STRIPE_API_KEY, $SLACK_BOT_TOKEN in $$"
    case "$STRIPE_API_KEY" in bad*) exit 3;; esac
    while :; do sleep 0.05; done"#;

async fn a_value_that_fails_the_gate_is_put_back(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    with_keys(&scene, r#""process": {"gate": {"alive": "300ms"}}"#).await?;
    let mut agent = running(&scene, &[], PICKY).await?;
    let first = pid_of(&agent.says("has stripe-1, ")?)?;
    let good = told(&scene, STRIPE, ("APPLIED", 1)).await?;
    ensure!(good.evidence == "gated", "{good:?}");
    scene.admin.put(STRIPE, b"bad-2").await?;
    let failed = told(&scene, STRIPE, ("FAILED", 2)).await?;
    ensure!(failed.detail.contains("it ended with code 3"), "the reason is not told: {failed:?}");
    is_gone(first).await?;
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"stripe-1"), "the file was not put back");
    let runs = |said: &str| -> Vec<String> {
        let lines = said.lines().filter_map(|line| line.strip_prefix("has "));
        lines.filter_map(|line| Some(line.split(',').next()?.to_owned())).collect()
    };
    eventually("it runs on the old value", async || {
        let all = runs(&agent.said()?);
        Ok((all == ["stripe-1", "bad-2", "stripe-1"]).then_some(()))
    })
    .await?;
    scene.admin.put(STRIPE, b"stripe-3").await?;
    told(&scene, STRIPE, ("APPLIED", 3)).await?;
    // The bad one was tried once.
    let all = runs(&agent.said()?);
    ensure!(all == ["stripe-1", "bad-2", "stripe-1", "stripe-3"], "{all:?}");
    agent.stop()?;
    Ok(())
}

async fn a_check_decides_where_the_host_allows_it(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let check = r#"case \"$STRIPE_API_KEY\" in bad*) exit 1;; esac"#;
    let gate = format!(r#""command": ["/bin/sh", "-c", "{check}"], "timeout": "500ms""#);
    with_keys(&scene, &format!(r#""process": {{"gate": {{{gate}}}}}"#)).await?;

    let mut agent = running(&scene, &[], STAYS).await?;
    let code = agent.ended()?.code();
    let said = agent.said()?;
    ensure!(code == Some(1) && said.contains("--allow-exec /bin/sh"), "{code:?}: {said}");

    agent.run_with(&["--allow-exec", "/bin/sh"], &["/bin/sh", "-c", STAYS])?;
    agent.says("has stripe-1, ")?;
    told(&scene, STRIPE, ("APPLIED", 1)).await?;
    scene.admin.put(STRIPE, b"bad-2").await?;
    let failed = told(&scene, STRIPE, ("FAILED", 2)).await?;
    ensure!(failed.detail.contains("its gate was not passed"), "{failed:?}");
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"stripe-1"), "the file was not put back");
    agent.stop()?;
    Ok(())
}

async fn one_bad_value_does_not_keep_back_the_others(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    with_keys(&scene, r#""process": {"gate": {"alive": "300ms"}}"#).await?;
    let mut agent = running(&scene, &[], PICKY).await?;
    told(&scene, STRIPE, ("APPLIED", 1)).await?;
    scene.admin.put(STRIPE, b"bad-2").await?;
    told(&scene, STRIPE, ("FAILED", 2)).await?;
    scene.admin.put(SLACK, b"slack-2").await?;
    told(&scene, SLACK, ("APPLIED", 2)).await?;
    agent.says("has stripe-1, slack-2 ")?;
    told(&scene, STRIPE, ("FAILED", 2)).await?;
    agent.stop()?;
    Ok(())
}

async fn a_hand_over_never_leaves_none_running(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let keys = r#""process": {"handOver": true, "gate": {"alive": "200ms"}}"#;
    with_keys(&scene, keys).await?;
    let script = PICKY.replace("while", "trap 'echo \"bye $STRIPE_API_KEY\"; exit 0' TERM\n while");
    let mut agent = running(&scene, &[], &script).await?;
    agent.says("has stripe-1, ")?;
    told(&scene, STRIPE, ("APPLIED", 1)).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.says("bye stripe-1")?;
    let second = pid_of(&agent.says("has stripe-2, ")?)?;
    told(&scene, STRIPE, ("APPLIED", 2)).await?;
    let said = agent.said()?;
    let at = |what: &str| said.find(what).with_context(|| format!("nobody said {what:?}: {said}"));
    ensure!(at("has stripe-2")? < at("bye stripe-1")?, "there was a gap");
    // One that does not pass is never noticed by the one that runs.
    scene.admin.put(STRIPE, b"bad-3").await?;
    told(&scene, STRIPE, ("FAILED", 3)).await?;
    ensure!(!agent.said()?.contains("bye stripe-2"), "the good one was stopped");
    ensure!(std::path::Path::new(&format!("/proc/{second}")).exists(), "it is gone");
    agent.stop()?;
    Ok(())
}
