//! The sidecar runs the agent's program: a rotation reaches it through its environment, a bad one
//! is taken back, and it ends as a program without a sidecar would.

mod cli;
mod ends;
mod first;
mod gated;
mod lease;

pub(crate) use cli::secretref;

use crate::scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, Scene, only_instance};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::InstanceRefStatus;
use secretref_testkit::{
    agent::Agent, canary::Canary, canary::Scanner, engine::Engine, on_both_engines,
    process::Process, wait::eventually,
};
use std::path::Path;

on_both_engines!(
    a_rotation_starts_the_program_again_with_the_new_value,
    the_same_bytes_start_nothing_again,
    a_signal_is_sent_where_one_is_asked_for,
    only_what_is_allowed_is_inherited,
    the_sidecar_itself_has_no_value_anywhere,
    the_program_does_not_outlive_a_killed_sidecar,
);

/// Says what it has, and stays.
pub(super) const STAYS: &str = r#"trap 'echo "bye $STRIPE_API_KEY"; exit 0' TERM
    echo "has $STRIPE_API_KEY, $SLACK_BOT_TOKEN in $$"
    while :; do sleep 0.05; done"#;

/// A host whose sidecar runs a shell script, with these options.
pub(super) async fn running(scene: &Scene, options: &[&str], script: &str) -> Result<Agent> {
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    agent.run_with(options, &["/bin/sh", "-c", script])?;
    Ok(agent)
}

/// The payment analyst with more of its own.
pub(super) async fn with_keys(scene: &Scene, keys: &str) -> Result<()> {
    let name = r#""name": "支付分析 Agent","#;
    let manifest = crate::scene::PAYMENT_ANALYST.replace(name, &format!("{name} {keys},"));
    ensure!(manifest.contains(keys), "the manifest is as it was");
    scene.admin.apply(&manifest).await?;
    Ok(())
}

/// Waits until the broker was told this of the only instance.
pub(crate) async fn told(
    scene: &Scene,
    secret: &str,
    wanted: (&str, i64),
) -> Result<InstanceRefStatus> {
    eventually(&format!("{secret} is {wanted:?}"), async || {
        let status = crate::scene::ref_of(&scene.admin.status(AGENT).await?, secret)?;
        if status.instances.is_empty() {
            return Ok(None);
        }
        let instance = only_instance(&status)?.clone();
        Ok((instance.state == wanted.0 && instance.version == wanted.1).then_some(instance))
    })
    .await
}

/// The process that said a line that ends in ` in PID`.
pub(super) fn pid_of(line: &str) -> Result<u32> {
    let (_, pid) = line.rsplit_once(" in ").context("no process is named")?;
    Ok(pid.trim().parse()?)
}

pub(super) async fn is_gone(pid: u32) -> Result<()> {
    eventually(&format!("process {pid} is gone"), async || {
        Ok((!Path::new(&format!("/proc/{pid}")).exists()).then_some(()))
    })
    .await
}

fn times(agent: &Agent, what: &str) -> Result<usize> {
    Ok(agent.said()?.matches(what).count())
}

async fn a_rotation_starts_the_program_again_with_the_new_value(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = running(&scene, &[], STAYS).await?;
    let first = pid_of(&agent.says("has stripe-1, slack-1 in ")?)?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let second = pid_of(&agent.says("has stripe-2, slack-1 in ")?)?;
    ensure!(first != second, "an environment changed in a living process");
    is_gone(first).await?;
    let instance = told(&scene, STRIPE, ("APPLIED", 2)).await?;
    ensure!(instance.evidence == "written", "{instance:?}");
    ensure!(agent.read(STRIPE_FILE)?.as_deref() == Some(b"stripe-2"), "the file is behind");
    ensure!(times(&agent, "bye stripe-1")? == 1, "the old one was not asked to end");
    let status = agent.stop()?;
    ensure!(status.code() == Some(0), "the program's own code: {status}");
    ensure!(agent.read(STRIPE_FILE)?.is_none(), "the files are still there");
    is_gone(second).await
}

async fn the_same_bytes_start_nothing_again(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = running(&scene, &[], STAYS).await?;
    let first = pid_of(&agent.says("has stripe-1, slack-1 in ")?)?;
    for version in 2..4 {
        scene.admin.put(STRIPE, b"stripe-1").await?;
        told(&scene, STRIPE, ("APPLIED", version)).await?;
    }
    // What changes nothing for the program does not touch it, and what does is not missed then.
    scene.admin.put(SLACK, b"slack-2").await?;
    let second = pid_of(&agent.says("has stripe-1, slack-2 in ")?)?;
    ensure!(first != second && times(&agent, "has stripe")? == 2, "it was started too often");
    agent.stop()?;
    Ok(())
}

async fn a_signal_is_sent_where_one_is_asked_for(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let script = format!(
        r#"trap 'echo "told $(cat "$0/{STRIPE_FILE}")"' HUP; echo "has $STRIPE_API_KEY in $$"
           while :; do sleep 0.05; done"#
    );
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    let folder = agent.secrets();
    let folder = folder.to_str().context("a path in UTF-8")?;
    agent.run_with(&["--on-rotate", "signal:HUP"], &["/bin/sh", "-c", &script, folder])?;
    let pid = pid_of(&agent.says("has stripe-1 in ")?)?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.says("told stripe-2")?;
    told(&scene, STRIPE, ("APPLIED", 2)).await?;
    ensure!(Path::new(&format!("/proc/{pid}")).exists(), "it was started again");
    agent.stop()?;
    Ok(())
}

async fn only_what_is_allowed_is_inherited(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    with_keys(&scene, r#""process": {"inherit": ["TEST_INHERITED"]}"#).await?;
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    let script = r#"umask; env | sed 's/=.*//' | sort | tr '\n' ' '; echo; echo over"#;
    let mut command = agent.run_command(&["--only-env", "SLACK_BOT_TOKEN"], &[])?;
    command.args(["--", "/bin/sh", "-c", script]);
    command.env_clear().envs([
        ("PATH", "/usr/bin:/bin"),
        ("LC_ALL", "C"),
        ("TEST_INHERITED", "x"),
        ("TEST_OTHER", "x"),
        ("SECRETREF_ADDR", "x"),
    ]);
    agent.start(command)?;
    agent.says("over")?;
    let said = agent.said()?;
    let names = said.lines().find(|line| line.contains("SLACK_BOT_TOKEN")).context("no names")?;
    let own = ["_", "PWD", "OLDPWD", "SHLVL"];
    let names: Vec<&str> =
        names.split(' ').filter(|it| !it.is_empty() && !own.contains(it)).collect();
    ensure!(names == ["LC_ALL", "PATH", "SLACK_BOT_TOKEN", "TEST_INHERITED"], "{names:?}");
    ensure!(said.lines().any(|line| line == "0022"), "the sidecar's own mask was left to it");
    ensure!(agent.ended()?.code() == Some(0), "it ended otherwise");
    Ok(())
}

async fn the_sidecar_itself_has_no_value_anywhere(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let values = ["first", "second"].map(Canary::new);
    scene.admin.put(STRIPE, values[0].bytes()).await?;
    let script = r#"echo "has ${#STRIPE_API_KEY} in $$"; while :; do sleep 0.05; done"#;
    let mut agent = running(&scene, &[], script).await?;
    let length = values[0].bytes().len();
    let first = pid_of(&agent.says(&format!("has {length} in "))?)?;
    let mut scanner = Scanner::new(&values)?;
    scanner.process(first)?;
    ensure!(scanner.leaks().len() == 1, "the program has it elsewhere, or not at all");
    let mut scanner = Scanner::new(&values)?;
    scanner.process(agent.sidecar().map(Process::pid).context("it runs")?)?;
    scene.admin.put(STRIPE, values[1].bytes()).await?;
    is_gone(first).await?;
    told(&scene, STRIPE, ("APPLIED", 3)).await?;
    scanner.process(agent.sidecar().map(Process::pid).context("it runs")?)?;
    agent.stop()?;
    scanner.path(&agent.logs())?;
    scanner.path(&agent.state())?;
    scanner.path(&agent.secrets())?;
    ensure!(scanner.scanned_bytes() > 1_000, "hardly anything was scanned");
    ensure!(scanner.leaks().is_empty(), "{:#?}", scanner.leaks());
    Ok(())
}

async fn the_program_does_not_outlive_a_killed_sidecar(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = running(&scene, &[], STAYS).await?;
    let pid = pid_of(&agent.says("has stripe-1, slack-1 in ")?)?;
    agent.kill9()?;
    is_gone(pid).await
}
