//! How a program ends, and what comes of it.

use super::{STAYS, pid_of, running};
use crate::scene::{AGENT, Scene};
use anyhow::{Context, Result, ensure};
use rustix::process::Signal;
use secretref_testkit::{agent::Agent, engine::Engine, on_both_engines};

on_both_engines!(
    exit_codes_are_those_of_the_table,
    what_cannot_be_resolved_is_named_all_at_once,
    signals_reach_the_program,
    a_crash_loop_backs_off,
);

async fn exit_codes_are_those_of_the_table(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(&scene.admin.token(AGENT).await?)?;
    let table: [(&[&str], i32); 8] = [
        (&["/bin/sh", "-c", "exit 0"], 0),
        (&["/bin/sh", "-c", "exit 7"], 7),
        (&["sh", "-c", "exit 255"], 255),
        (&["/bin/sh", "-c", "kill -TERM $$"], 128 + 15),
        (&["/bin/sh", "-c", "kill -KILL $$"], 128 + 9),
        (&["/etc/passwd"], 126),
        (&["/no/such/program"], 127),
        (&["no-such-program-in-the-path"], 127),
    ];
    for (program, code) in table {
        agent.run_with(&[], program)?;
        let status = agent.ended()?;
        ensure!(status.code() == Some(code), "{program:?}: {status}, not {code}");
        let names: Vec<_> = std::fs::read_dir(agent.secrets())?.collect::<Result<_, _>>()?;
        ensure!(names.len() == 1, "{program:?} left more than the lock: {names:?}");
    }
    Ok(())
}

async fn what_cannot_be_resolved_is_named_all_at_once(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let manifest = crate::scene::PAYMENT_ANALYST
        .replace(r#"["stripe-payment", "slack-notifier", "data-processing"]"#, r#"["other"]"#);
    scene.admin.apply(&manifest).await?;
    let mut agent = running(&scene, &[], "echo started").await?;
    let status = agent.ended()?;
    ensure!(status.code() == Some(78), "{status}");
    let said = agent.said()?;
    for reference in ["stripe-api-key", "slack-bot-token"] {
        let line = said.lines().find(|line| {
            line.starts_with("error: ") && line.contains(&format!("ref \"{reference}\""))
        });
        let line = line.with_context(|| format!("{reference} is not named: {said}"))?;
        ensure!(line.contains("capability") && line.contains(". Fix: add "), "{line}");
    }
    ensure!(!said.lines().any(|line| line == "started"), "it was started");

    scene.admin.apply(crate::scene::PAYMENT_ANALYST).await?;
    agent.run_with(&["--only-env", "NO_SUCH"], &["/bin/echo", "started"])?;
    ensure!(agent.ended()?.code() == Some(78), "a variable that is none was started with");
    agent.run_with(&["--secrets-ref", "other-ref"], &["/bin/echo", "started"])?;
    ensure!(agent.ended()?.code() == Some(78), "a ref that is none was started with");
    ensure!(!agent.said()?.lines().any(|line| line == "started"), "it was started");
    let program = ["/bin/sh", "-c", "echo \"as ${KEY-} ${SLACK_BOT_TOKEN-none}\""];
    agent.run_with(&["--secrets-ref", "stripe-api-key", "--env", "KEY"], &program)?;
    ensure!(agent.ended()?.code() == Some(0), "it was not started");
    ensure!(agent.said()?.contains("as stripe-1 none"), "{}", agent.said()?);
    Ok(())
}

async fn signals_reach_the_program(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let script = r#"for s in HUP USR1 USR2 QUIT WINCH INT; do trap "echo got $s" $s; done
        trap 'echo got TERM; exit 5' TERM; echo "ready in $$"
        while :; do sleep 0.05; done"#;
    let mut agent = running(&scene, &[], script).await?;
    agent.says("ready in ")?;
    let signals = [
        (Signal::HUP, "HUP"),
        (Signal::USR1, "USR1"),
        (Signal::USR2, "USR2"),
        (Signal::QUIT, "QUIT"),
        (Signal::WINCH, "WINCH"),
    ];
    for (signal, name) in signals {
        agent.sidecar().context("it runs")?.signal(signal)?;
        agent.says(&format!("got {name}"))?;
    }
    let status = agent.stop()?;
    ensure!(status.code() == Some(5), "the program's own code is lost: {status}");
    // And one that does not end by itself is killed, after the time that it has.
    super::with_keys(&scene, r#""process": {"stopTimeout": "100ms"}"#).await?;
    agent.run_with(
        &[],
        &["/bin/sh", "-c", "trap '' TERM; echo deaf in $$; while :; do sleep 1; done"],
    )?;
    agent.says("deaf in ")?;
    let status = agent.stop()?;
    ensure!(status.code() == Some(128 + 9), "{status}");
    Ok(())
}

async fn a_crash_loop_backs_off(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let script = "echo \"ran in $$\"; exit 9";
    let mut agent = running(&scene, &["--restart", "on-failure"], script).await?;
    // The first pauses are between half and all of 200, 400 and 800 ms.
    agent.says("started again after a pause")?;
    let third = secretref_testkit::wait::eventually("three pauses", async || {
        let said = agent.said()?;
        let pauses: Vec<f64> = said.lines().filter_map(pause_ms).collect();
        Ok((pauses.len() >= 3).then_some(pauses))
    })
    .await?;
    for (at, pause) in third.iter().take(3).enumerate() {
        let whole = 200.0 * f64::from(1 << at);
        ensure!((whole / 2.0..=whole).contains(pause), "pause {at} is {pause} ms: {third:?}");
    }
    let status = agent.stop()?;
    ensure!(status.code().is_some_and(|code| [0, 128 + 15].contains(&code)), "{status}");
    agent.run_with(&["--restart", "on-failure"], &["/bin/sh", "-c", "exit 0"])?;
    ensure!(agent.ended()?.code() == Some(0), "a good end is an end");
    agent.run_with(&["--restart", "always"], &["/bin/sh", "-c", STAYS])?;
    pid_of(&agent.says("has stripe-1")?)?;
    agent.stop()?;
    Ok(())
}

/// The pause of a log line, in milliseconds.
fn pause_ms(line: &str) -> Option<f64> {
    let (_, pause) = line.split_once("pause=")?;
    let pause = pause.split_whitespace().next()?;
    let ms = pause.strip_suffix("ms").map(|ms| ms.parse());
    let seconds = || Some(pause.strip_suffix('s')?.parse::<f64>().map(|seconds| seconds * 1e3));
    ms.or_else(seconds)?.ok()
}
