//! Consumers that do not do as they should: each is named with what is waited for, and as long as
//! one of them is, the old credential is valid.

use super::{Stage, manifest};
use crate::scene::{AGENT, STRIPE, STRIPE_FILE, ref_of};
use anyhow::{Context, Result, ensure};
use rustix::process::{Pid, Signal, kill_process};
use secretref_identity::subject::Subject;
use secretref_proto::v1::{Evidence, ManifestEntry, ResultState, Rotation, RotationPhase};
use secretref_testkit::{
    agent::Agent,
    engine::Engine,
    on_both_engines,
    peer::{self, Watcher, applied},
    wait::eventually,
};
use serde_json::json;
use std::{fs, path::PathBuf};
use uuid::Uuid;

on_both_engines!(
    one_that_never_answers_is_waited_for_until_it_does,
    one_that_left_before_it_answered_is_waited_for,
    one_that_only_took_delivery_is_not_believed,
    one_that_proves_less_than_is_asked_for_is_not_believed,
    one_that_claims_a_version_which_is_none_is_not_believed,
    one_that_says_it_failed_turns_everybody_back,
    one_whose_program_crashes_again_and_again_turns_everybody_back,
    one_that_ends_again_and_again_is_on_nothing,
);

/// A sidecar that says only what it is told to.
pub(super) struct Peer {
    pub(super) watcher: Watcher,
    pub(super) instance: Uuid,
}

impl Peer {
    /// One that is on the first version, beside a good one that is too.
    pub(super) async fn join(stage: &Stage) -> Result<Self> {
        let token = stage.admin.token(AGENT).await?;
        let address = stage.broker.listening().agents.to_string();
        let credentials = peer::enrolled(&address, &token).await?;
        let mut watcher = Watcher::open(&address, &credentials).await?;
        let (nonce, entries) = watcher.manifest().await?;
        watcher.acknowledge(nonce, &entries).await?;
        eventually("it is on the first version", async || {
            let status = stage.admin.status(AGENT).await?;
            let applied = status.refs.iter().filter(|it| it.applied_version == 1).count();
            Ok((applied == 2).then_some(()))
        })
        .await?;
        let Subject::Agent { instance, .. } = credentials.subject() else {
            anyhow::bail!("it became no agent: {:?}", credentials.subject());
        };
        Ok(Self { watcher, instance })
    }

    /// Passes over manifests until this version of the key comes.
    pub(super) async fn is_sent(&mut self, version: i64) -> Result<(i64, ManifestEntry)> {
        loop {
            let (nonce, entries) = self.watcher.manifest().await?;
            let key = entries.iter().find(|it| it.name == STRIPE && it.version == version);
            match key {
                Some(entry) => return Ok((nonce, entry.clone())),
                None => self.watcher.acknowledge(nonce, &entries).await?,
            }
        }
    }

    /// Says that this version of the key is in place, once it is sent.
    pub(super) async fn takes(&mut self, version: i64) -> Result<()> {
        let (nonce, entry) = self.is_sent(version).await?;
        self.watcher.acknowledge(nonce, &[entry]).await
    }
}

impl Stage {
    /// Waits until just one is waited for, for this; `rotate status` names it, and the old
    /// credential is valid.
    async fn waits_because(&self, what: &str) -> Result<Rotation> {
        let told = |it: &Rotation| matches!(it.waits.as_slice(), [wait] if wait.what == what);
        let found = self.until(&format!("waits for one that {what}"), told).await?;
        let instance = &found.waits[0].instance;
        let status = self.cli.run(&["rotate", "status", STRIPE])?.ended(0)?;
        let line = format!("⏳ {AGENT} ({instance}) {what}\n");
        ensure!(status.out.contains(&line), "{line}: {status:?}");
        ensure!(self.versions()? == ["pending", "current"], "{:?}", self.versions()?);
        Ok(found)
    }
}

/// A good one and one of the other kind, and a rotation that begins.
async fn begun(engine: Engine, credential: serde_json::Value) -> Result<(Stage, Agent, Peer)> {
    let stage = Stage::set(engine, &manifest(json!({}), credential)).await?;
    let good = stage.agent().await?;
    let peer = Peer::join(&stage).await?;
    stage.start().await?;
    Ok((stage, good, peer))
}

async fn one_that_never_answers_is_waited_for_until_it_does(engine: Engine) -> Result<()> {
    let (stage, good, mut peer) = begun(engine, json!({})).await?;
    let (nonce, entry) = peer.is_sent(2).await?;
    let waiting = stage.waits_because("is on v1").await?;
    // Whoever answers is proven meanwhile, and has the new one.
    ensure!(waiting.proofs.len() == 1, "{waiting:?}");
    good.file_changes(STRIPE_FILE, b"stripe-1").await?;
    // As late as it may be, the answer counts.
    peer.watcher.acknowledge(nonce, &[entry]).await?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.proofs.len() == 2, "{done:?}");
    ensure!(stage.versions()? == ["current", "destroyed"], "{:?}", stage.versions()?);
    Ok(())
}

/// It was sent the old one and is gone before it said anything: it may be on it all the same.
async fn one_that_left_before_it_answered_is_waited_for(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let address = stage.broker.listening().agents.to_string();
    let credentials = peer::enrolled(&address, &stage.admin.token(AGENT).await?).await?;
    let mut watcher = Watcher::open(&address, &credentials).await?;
    watcher.manifest().await?;
    drop(watcher);
    stage.start().await?;
    let waiting = stage.waits_because("is on v1").await?;
    // The operator knows that it never comes back.
    let evict = ["rotate", "evict", STRIPE, &waiting.waits[0].instance];
    stage.cli.run(&evict)?.ended(0)?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.proofs.is_empty() && done.evicted_instances.len() == 1, "{done:?}");
    let receipt = stage.cli.run(&["rotate", "receipt", STRIPE])?.ended(0)?.out;
    let told = format!("proven: 0 of 1\nnot waited for: {}\n", done.evicted_instances[0]);
    ensure!(receipt.contains(&told), "{receipt}");
    Ok(())
}

async fn one_that_only_took_delivery_is_not_believed(engine: Engine) -> Result<()> {
    let (stage, _good, mut peer) = begun(engine, json!({})).await?;
    let (nonce, entry) = peer.is_sent(2).await?;
    peer.watcher.receive(nonce).await?;
    stage.waits_because("is on v1").await?;
    let later = peer::result(&entry, ResultState::Deferred, "the program restarts at nine");
    peer.watcher.report(vec![later]).await?;
    stage.waits_because("will be on v2 later: the program restarts at nine").await?;
    peer.watcher.report(vec![applied(&entry)]).await?;
    stage.comes_to(RotationPhase::Finished).await?;
    Ok(())
}

async fn one_that_proves_less_than_is_asked_for_is_not_believed(engine: Engine) -> Result<()> {
    let hook = json!({"evidence": "reloaded"});
    let stage = Stage::set(engine, &manifest(json!({}), hook)).await?;
    let mut peer = Peer::join(&stage).await?;
    stage.start().await?;
    let (nonce, entry) = peer.is_sent(2).await?;
    peer.watcher.acknowledge(nonce, std::slice::from_ref(&entry)).await?;
    stage.waits_because("has v2 written, and is to be proven reloaded").await?;
    let mut better = applied(&entry);
    better.evidence = Evidence::Reloaded.into();
    peer.watcher.report(vec![better]).await?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.proofs.len() == 1 && done.proofs[0].evidence == "reloaded", "{done:?}");
    Ok(())
}

async fn one_that_claims_a_version_which_is_none_is_not_believed(engine: Engine) -> Result<()> {
    let (stage, _good, mut peer) = begun(engine, json!({})).await?;
    let (nonce, entry) = peer.is_sent(2).await?;
    let claim = ManifestEntry { version: 99, ..entry.clone() };
    peer.watcher.acknowledge(nonce, &[claim]).await?;
    let what = "will be on v2 later: it says that it is on v99, which there is not";
    stage.waits_because(what).await?;
    peer.watcher.report(vec![applied(&entry)]).await?;
    stage.comes_to(RotationPhase::Finished).await?;
    Ok(())
}

async fn one_that_says_it_failed_turns_everybody_back(engine: Engine) -> Result<()> {
    let (stage, good, mut peer) = begun(engine, json!({})).await?;
    let (_, entry) = peer.is_sent(2).await?;
    let failed = peer::result(&entry, ResultState::Failed, "the disk is full");
    peer.watcher.report(vec![failed]).await?;
    let failed = stage.comes_to(RotationPhase::Failed).await?;
    let instance = &peer.instance;
    let why =
        format!("agent {AGENT} (instance {instance}): it could not take v2: the disk is full");
    ensure!(failed.reason == why, "{why}: {failed:?}");
    good.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    ensure!(stage.versions()? == ["current", "destroyed", "previous"], "{:?}", stage.versions()?);
    let said = stage.cli.run(&["rotate", "status", STRIPE])?.ended(0)?;
    ensure!(said.out.contains(&why), "{said:?}");
    Ok(())
}

/// A program that says what it lives with, unless it is broken.
async fn breakable(stage: &Stage, options: &[&str]) -> Result<(Agent, PathBuf, String)> {
    let mut agent = Agent::new(&stage.broker)?;
    agent.give_token(&stage.admin.token(AGENT).await?)?;
    let broken = agent.folder().join("broken");
    let script = format!(
        r#"if [ -e {} ]; then exit 7; fi; echo "lives with $STRIPE_API_KEY in $$"
        while :; do sleep 0.05; done"#,
        broken.display()
    );
    agent.run_with(options, &["/bin/sh", "-c", &script])?;
    Ok((agent, broken, script))
}

/// Its sidecar starts it again and again.
async fn one_whose_program_crashes_again_and_again_turns_everybody_back(
    engine: Engine,
) -> Result<()> {
    let mut manifest = manifest(json!({}), json!({}));
    manifest["agents"][AGENT]["process"] = json!({"gate": {"alive": "200ms"}});
    let stage = Stage::set(engine, &manifest).await?;
    let (agent, broken, _) = breakable(&stage, &["--restart", "on-failure"]).await?;
    let line = agent.says("lives with stripe-1 in ")?;
    let pid: i32 = line.rsplit(' ').next().context("a process")?.parse()?;
    eventually("it has passed its first gate", async || {
        let status = ref_of(&stage.admin.status(AGENT).await?, STRIPE)?;
        Ok((status.applied_version == 1).then_some(()))
    })
    .await?;
    fs::write(&broken, "")?;
    kill_process(Pid::from_raw(pid).context("a process")?, Signal::KILL)?;
    agent.says("the program ended; it is started again after a pause")?;
    stage.start().await?;
    let failed = stage.comes_to(RotationPhase::Failed).await?;
    let why = "could not take v2: before it had passed its gate: it ended with code 7";
    ensure!(failed.reason.contains(why) && failed.reason.contains(AGENT), "{failed:?}");
    ensure!(stage.versions()? == ["current", "destroyed", "previous"], "{:?}", stage.versions()?);
    // Once it lives again, the next one is through.
    fs::remove_file(&broken)?;
    stage.start().await?;
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.proofs.len() == 1 && done.proofs[0].evidence == "gated", "{done:?}");
    Ok(())
}

/// As a container that ends with its program and is started again: each time it says that it has
/// nothing any more, so it is on no old credential, and nobody waits for it.
async fn one_that_ends_again_and_again_is_on_nothing(engine: Engine) -> Result<()> {
    let stage = Stage::set(engine, &manifest(json!({}), json!({}))).await?;
    let (mut agent, broken, script) = breakable(&stage, &[]).await?;
    agent.says("lives with stripe-1 in ")?;
    fs::write(&broken, "")?;
    // Killed, it could not say that it is gone: it is waited for.
    agent.kill9()?;
    stage.start().await?;
    stage.waits_because("is on v1").await?;
    let program = ["/bin/sh", "-c", &script];
    for _ in 0..2 {
        agent.run_with(&[], &program)?;
        let status = agent.ended()?;
        ensure!(status.code() == Some(7), "{status}: {}", agent.said()?);
    }
    let done = stage.comes_to(RotationPhase::Finished).await?;
    ensure!(done.proofs.is_empty(), "{done:?}");
    let trail = stage.admin.audit_trail().await?;
    let at = |action: &str| {
        let at = trail.iter().position(|it| it.action == action && it.object == STRIPE);
        at.with_context(|| format!("the trail has no {action}"))
    };
    ensure!(at("secret.wiped")? < at("rotation.drain")?, "it was not waited for");
    fs::remove_file(&broken)?;
    agent.run_with(&[], &program)?;
    let line = agent.says("lives with ")?;
    ensure!(agent.read(STRIPE_FILE)?.is_some_and(|it| it.len() == 24), "{line}");
    Ok(())
}
