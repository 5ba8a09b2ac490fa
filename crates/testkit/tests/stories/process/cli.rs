//! `secretref run`: one command from an operator to a program with an agent's credentials.

use super::{STAYS, is_gone, pid_of};
use crate::scene::{AGENT, STRIPE, Scene, manifest};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    canary::{Canary, Scanner},
    engine::Engine,
    on_both_engines,
    process::{Process, binary},
    tmpfs,
    wait::DEADLINE,
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

on_both_engines!(
    an_operator_runs_a_program_in_one_command,
    an_identity_can_be_kept_over_several_runs,
    the_manifests_command_is_run_where_none_is_given,
    every_ref_that_fails_is_named_at_once,
);

/// `secretref run`, as an operator on this host.
pub(crate) fn secretref(scene: &Scene, memory: &Path) -> Result<Command> {
    let admin = scene.broker.data().join("admin");
    let mut command = Command::new(binary("secretref")?);
    command.args(["run", "--agent", AGENT]).env_clear();
    command.env("PATH", "/usr/bin:/bin").env("XDG_RUNTIME_DIR", memory);
    command.env("SECRETREF_ADDR", scene.broker.listening().admin.to_string());
    command.env("SECRETREF_BROKER", scene.agents());
    for (name, file) in [("CA", "ca.crt"), ("CERT", "admin.crt"), ("KEY", "admin.key")] {
        command.env(format!("SECRETREF_{name}"), admin.join(file));
    }
    Ok(command)
}

fn is_empty(folder: &Path) -> Result<bool> {
    Ok(fs::read_dir(folder)?.next().is_none())
}

async fn an_operator_runs_a_program_in_one_command(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let (memory, logs) = (tmpfs::folder("run-")?, tempfile::tempdir()?);
    let canary = Canary::new("run");
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let mut command = secretref(&scene, memory.path())?;
    command.args(["--", "/bin/sh", "-c", STAYS]);
    let mut process = Process::start("run", &mut command, logs.path())?;
    let first = pid_of(&process.wait_for_line("has stripe-2, slack-1 in ", DEADLINE)?)?;
    ensure!(!is_empty(memory.path())?, "its folder is elsewhere");
    let script = "echo \"has ${#STRIPE_API_KEY}\"";
    let mut other = secretref(&scene, memory.path())?;
    other.args(["--only-env", "STRIPE_API_KEY", "--", "/bin/sh", "-c", script]);
    let other = other.stdin(Stdio::null()).output()?;
    ensure!(other.status.success() && other.stdout == b"has 8\n", "{other:?}");

    scene.admin.put(STRIPE, canary.bytes()).await?;
    let length = canary.value().len();
    is_gone(first).await?;
    process.wait_for_line(&format!("has {}", canary.value()), DEADLINE)?;
    ensure!(length > 8, "the value is like the one before");
    let mut scanner = Scanner::new([&canary])?;
    scanner.process(process.pid())?;
    ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
    let status = process.terminate(DEADLINE)?;
    ensure!(status.code() == Some(0), "{status}: {}", process.said()?);
    ensure!(is_empty(memory.path())?, "something was left in {}", memory.path().display());
    Ok(())
}

async fn an_identity_can_be_kept_over_several_runs(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let memory = tmpfs::folder("run-")?;
    let state = memory.path().join("state");
    for run in 0..2 {
        let mut command = secretref(&scene, memory.path())?;
        command.arg("--state-dir").arg(&state).args(["--", "sh", "-c", "cat; exit 4"]);
        // Standard input is the program's own, whoever enrolled.
        let input = tempfile::tempfile()?;
        std::io::Write::write_all(&mut &input, b"piped")?;
        std::io::Seek::rewind(&mut &input)?;
        let output = command.stdin(input).output()?;
        ensure!(output.status.code() == Some(4) && output.stdout == b"piped", "{run}: {output:?}");
    }
    let instances = scene.admin.status(AGENT).await?.instances.len();
    ensure!(instances == 1, "{instances} instances of two runs");
    let left: Vec<_> = fs::read_dir(memory.path())?.collect::<Result<_, _>>()?;
    ensure!(left.len() == 1, "{left:?}");
    Ok(())
}

async fn the_manifests_command_is_run_where_none_is_given(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let memory = tmpfs::folder("run-")?;
    let none = secretref(&scene, memory.path())?.stdin(Stdio::null()).output()?;
    let said = String::from_utf8(none.stderr)?;
    ensure!(none.status.code() == Some(2) && said.contains("names no `command`"), "{said}");
    let keys = r#""command": ["/bin/sh", "-c", "echo \"by $STRIPE_API_KEY\"; exit 6"]"#;
    super::with_keys(&scene, keys).await?;
    let output = secretref(&scene, memory.path())?.stdin(Stdio::null()).output()?;
    ensure!(output.status.code() == Some(6), "{output:?}");
    ensure!(output.stdout == b"by stripe-1\n", "{output:?}");
    let mut stranger = secretref(&scene, memory.path())?;
    let stranger = stranger.args(["--agent", "nobody"]).stdin(Stdio::null()).output()?;
    let refused = stranger.status.code().context("a code")?;
    ensure!(refused == 2, "an agent that is named twice: {stranger:?}");
    ensure!(is_empty(memory.path())?, "something was left");
    Ok(())
}

async fn every_ref_that_fails_is_named_at_once(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let memory = tmpfs::folder("run-")?;
    // One is in no store, one has a provider that nobody set up, and one the agent may not have.
    let may = format!(r#"{{"capabilities": ["{STRIPE}", "absent", "elsewhere"], "tool-bindings""#);
    let manifest = manifest(AGENT, &[STRIPE, "absent", "elsewhere", "denied"])
        .replace(r#"{"tool-bindings""#, &may)
        .replace(r#""elsewhere": {"provider": "store"}"#, r#""elsewhere": {"provider": "nobody"}"#);
    scene.admin.apply(&manifest).await?;
    let run = |more: &[&str]| -> Result<(Option<i32>, String, String)> {
        let mut command = secretref(&scene, memory.path())?;
        command.args(more).args(["--", "/bin/sh", "-c", "echo started"]);
        let output = command.stdin(Stdio::null()).output()?;
        let text = |bytes| String::from_utf8(bytes);
        Ok((output.status.code(), text(output.stdout)?, text(output.stderr)?))
    };
    let (code, out, said) = run(&[])?;
    ensure!(code == Some(78) && out.is_empty(), "{code:?}: {out}{said}");
    let table = [
        ("absent", "secret \"absent\" is not in the store", "secretref put absent"),
        ("elsewhere", "provider \"nobody\" is not set up", "secrets.providers.nobody"),
        ("denied", "capability \"denied\" missing", "add \"denied\" to the capabilities"),
    ];
    for (secret, reason, fix) in table {
        let start = format!("error: ref \"{secret}\" (tool {secret}) is not resolvable: {reason}");
        let line = said.lines().find(|line| line.starts_with(&start));
        let line = line.with_context(|| format!("{secret} is not named: {said}"))?;
        ensure!(line.split_once(". Fix: ").is_some_and(|it| it.1.contains(fix)), "{line}");
    }
    ensure!(said.matches("error: ref ").count() == 3, "{said}");
    ensure!(!said.contains(" INFO ") && !said.contains(" DEBUG "), "it logs too much: {said}");
    ensure!(is_empty(memory.path())?, "something was left");
    let (code, _, said) = run(&["--log-level", "info"])?;
    ensure!(code == Some(78) && said.contains(" INFO ") && !said.contains(" DEBUG "), "{said}");
    let (_, _, said) = run(&["--log-level", "error"])?;
    ensure!(said.lines().all(|line| line.contains("ERROR") || line.starts_with("error")), "{said}");
    Ok(())
}
