//! The sidecar as the first process of a container.

use crate::scene::{AGENT, Scene};
use anyhow::{Context, Result, bail, ensure};
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines, wait::eventually};
use std::{
    fs,
    io::Write,
    process::{Command, Stdio},
};

on_both_engines!(as_the_first_process_it_leaves_no_zombie);

/// Leaves orphans behind, and stays.
const BEARS_ORPHANS: &str = r#"i=0; while [ $i -lt 20 ]; do (sleep 0.05 & ) ; i=$((i + 1)); done
    echo "orphans are born"; while :; do sleep 0.1; done"#;

async fn as_the_first_process_it_leaves_no_zombie(engine: Engine) -> Result<()> {
    let Some(namespace) = namespace()? else { return Ok(()) };
    let scene = Scene::set(engine).await?;
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    let inner = agent.run_command(&[], &["/bin/sh", "-c", BEARS_ORPHANS])?;
    let mut command = Command::new("unshare");
    command.args(namespace).arg(inner.get_program()).args(inner.get_args());
    agent.start(command)?;
    agent.says("orphans are born")?;
    let outer = agent.sidecar().context("it runs")?.pid();
    let first = children(outer)?.pop().context("nothing runs in the namespace")?.0;
    // Twenty orphans became its children; when they have ended, only the program is left.
    let mut most = 0;
    eventually("all orphans are reaped", async || {
        let there = children(first)?;
        most = most.max(there.len());
        Ok((there.len() == 1).then_some(()))
    })
    .await?;
    ensure!(children(first)?.iter().all(|(_, state)| *state != 'Z'), "a zombie was left");
    let first = rustix::process::Pid::from_raw(i32::try_from(first)?).context("a process")?;
    rustix::process::kill_process(first, rustix::process::Signal::TERM)?;
    let status = agent.ended()?;
    ensure!(status.code() == Some(128 + 15), "the code is lost on the way: {status}");
    Ok(())
}

/// Options of `unshare` for a namespace of processes; nothing where this user may make none.
fn namespace() -> Result<Option<&'static [&'static str]>> {
    const ROOT: &[&str] = &["--pid", "--fork", "--kill-child", "--mount-proc"];
    const USER: &[&str] =
        &["--user", "--map-root-user", "--pid", "--fork", "--kill-child", "--mount-proc"];
    let root = rustix::process::geteuid().is_root();
    let options = if root { ROOT } else { USER };
    let tried = Command::new("unshare").args(options).arg("true").stdin(Stdio::null()).output();
    let tried = tried.context("unshare of util-linux is needed to be the first process")?;
    if tried.status.success() {
        return Ok(Some(options));
    }
    let why = String::from_utf8_lossy(&tried.stderr).into_owned();
    if root {
        bail!("root may make no namespace of processes here, so this is NOT tested: {why}");
    }
    writeln!(std::io::stderr(), "NOT TESTED: this user may make no such namespace: {why}")?;
    Ok(None)
}

/// The children of a process, and the state of each.
fn children(of: u32) -> Result<Vec<(u32, char)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc")? {
        let name = entry?.file_name();
        let Some(pid) = name.to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        // `PID (NAME) STATE PARENT …`; one that is gone meanwhile is none.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        let Some((_, rest)) = stat.rsplit_once(") ") else { continue };
        let mut words = rest.split(' ');
        let (state, parent) = (words.next(), words.next());
        if parent.and_then(|parent| parent.parse().ok()) == Some(of) {
            found.push((pid, state.and_then(|state| state.chars().next()).unwrap_or('?')));
        }
    }
    Ok(found)
}
