//! `secretref run --schedule`: an agent that has its credentials while it runs, and then no more.

use crate::scene::{AGENT, SLACK, STRIPE, Scene, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    DeleteSecretRequest, RefState, RunOutcome, Schedule, ScheduleState, UndeleteSecretRequest,
};
use secretref_testkit::{
    canary::{Canary, Scanner},
    cli::Cli,
    engine::Engine,
    on_both_engines,
    process::Process,
    tmpfs,
    wait::{DEADLINE, eventually},
};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;

on_both_engines!(
    a_scheduled_agent_has_its_credentials_while_it_runs_alone,
    a_run_whose_refs_do_not_resolve_is_left_out_and_the_next_is_tried,
    a_schedule_that_could_not_begin_is_refused_at_once,
);

/// An operator's host, where one agent runs by a schedule.
struct Host {
    cli: Cli,
    memory: TempDir,
    logs: TempDir,
}

impl Host {
    fn new(scene: &Scene) -> Result<Self> {
        let (cli, memory) = (Cli::of(&scene.broker)?, tmpfs::folder("run-")?);
        Ok(Self { cli, memory, logs: tempfile::tempdir()? })
    }

    fn command(&self, scene: &Scene, cron: &str, script: &str) -> Result<Command> {
        let mut command = self.cli.command(&["run", "--agent", AGENT, "--schedule", cron])?;
        command.env("XDG_RUNTIME_DIR", self.memory.path());
        command.env("SECRETREF_BROKER", scene.agents());
        command.args(["--log-level", "info", "--", "/bin/sh", "-c", script]);
        Ok(command)
    }

    fn run(&self, scene: &Scene, cron: &str, script: &str) -> Result<Process> {
        let mut command = self.command(scene, cron, script)?;
        Process::start("run", &mut command, self.logs.path())
    }

    /// One that is due in a moment, and then not for a day. On a busy machine the moment may be
    /// over before it came so far: then another one is tried.
    async fn run_once(&self, scene: &Scene, script: &str) -> Result<Process> {
        loop {
            let due = seconds_now()? + 4;
            let cron = format!("{} {} {} * * *", due % 60, due / 60 % 60, due / 3600 % 24);
            let mut process = self.run(scene, &cron, script)?;
            let told = schedule(scene, |told| told.next_run_time.is_some()).await?;
            let next = told.next_run_time.context("a next run")?.seconds;
            if next < seconds_now()? + 3600 {
                return Ok(process);
            }
            process.terminate(DEADLINE)?;
        }
    }

    fn is_empty(&self) -> Result<bool> {
        Ok(fs::read_dir(self.memory.path())?.next().is_none())
    }
}

fn seconds_now() -> Result<i64> {
    Ok(i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?)
}

/// What the broker knows of the schedule of the newest instance, once it is this.
async fn schedule(scene: &Scene, wanted: impl Fn(&Schedule) -> bool) -> Result<Schedule> {
    eventually("the schedule is told", async || {
        let status = scene.admin.status(AGENT).await?;
        let told = status.instances.last().and_then(|it| it.schedule.clone());
        Ok(told.filter(|told| wanted(told)))
    })
    .await
}

fn files(folder: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.file_name().to_string_lossy().into_owned());
        }
    }
    Ok(found)
}

async fn a_scheduled_agent_has_its_credentials_while_it_runs_alone(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let canary = Canary::new("scheduled");
    scene.admin.put(STRIPE, canary.bytes()).await?;
    let host = Host::new(&scene)?;
    let mut process = host.run_once(&scene, "echo \"has ${#STRIPE_API_KEY}\"; exit 3").await?;
    // It waits: nobody is connected, no value left, and that is as it should be.
    let status = scene.admin.status(AGENT).await?;
    ensure!(status.instances.iter().all(|it| !it.connected), "{status:?}");
    ensure!(ref_of(&status, STRIPE)?.state() == RefState::Scheduled, "{status:?}");
    let shown = host.cli.run(&["status", "--agent", AGENT, "--secrets"])?.ended(0)?.out;
    ensure!(shown.starts_with("⏳ next run 20") && shown.contains(" UTC (in "), "{shown}");
    ensure!(shown.contains("⏳ STRIPE_API_KEY: waiting (v2, next run "), "{shown}");
    let delivered = scene.admin.audit_trail().await?;
    let delivered = delivered.iter().filter(|it| it.action == "secret.deliver").count();
    ensure!(delivered == 0, "{delivered} deliveries before the first run");
    let waiting = files(host.memory.path())?;
    ensure!(!waiting.iter().any(|name| name.contains("STRIPE")), "{waiting:?}");

    let length = canary.bytes().len();
    process.wait_for_line(&format!("has {length}"), DEADLINE)?;
    let told = schedule(&scene, |told| told.last_run.is_some()).await?;
    let run = told.last_run.clone().context("a last run")?;
    ensure!(told.state() == ScheduleState::Waiting, "{told:?}");
    ensure!((run.outcome(), run.exit_code) == (RunOutcome::Ended, 3), "{run:?}");

    // Between runs there is nothing: not in a file, not in memory, not in an environment.
    let mut scanner = Scanner::new([&canary])?;
    scanner.process(process.pid())?;
    scanner.path(host.memory.path())?;
    ensure!(scanner.scanned_bytes() > 1_000, "hardly anything was scanned");
    ensure!(scanner.leaks().is_empty(), "{:?}", scanner.leaks());
    let left = files(host.memory.path())?;
    ensure!(!left.iter().any(|name| name.contains("STRIPE") || name == "lease.json"), "{left:?}");

    // A broker that was away knows it still.
    scene.broker.kill9()?;
    scene.broker.serve()?;
    scene.admin = scene.broker.admin().await?;
    ensure!(schedule(&scene, |_| true).await? == told, "it was forgotten");
    let json = host.cli.run(&["status", "--agent", AGENT, "--json"])?.ended(0)?.json()?;
    let instances = json[0]["instances"].as_array().context("no instances")?;
    let shown = &instances.last().context("no instance")?["schedule"];
    ensure!(shown["state"] == "waiting" && shown["last_run"]["exit_code"] == 3, "{shown}");
    let shown = host.cli.run(&["status", "--all"])?.ended(0)?.out;
    ensure!(shown.contains(" waiting ") && shown.contains("last run exit 3 at "), "{shown}");
    let doctor = host.cli.run(&["doctor", "--json"])?;
    ensure!(
        doctor.out.contains("run-failed") && !doctor.out.contains("without-sidecar"),
        "{doctor:?}"
    );

    let status = process.terminate(DEADLINE)?;
    ensure!(status.code() == Some(0), "{status}: {}", process.said()?);
    ensure!(host.is_empty()?, "something was left: {:?}", files(host.memory.path())?);
    schedule(&scene, |told| told.state() == ScheduleState::Ended).await?;
    let status = scene.admin.status(AGENT).await?;
    ensure!(ref_of(&status, STRIPE)?.state() == RefState::Waiting, "{status:?}");
    Ok(())
}

async fn a_run_whose_refs_do_not_resolve_is_left_out_and_the_next_is_tried(
    engine: Engine,
) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Host::new(&scene)?;
    let script = "echo \"has $SLACK_BOT_TOKEN\"";
    let mut process = host.run(&scene, "* * * * * *", script)?;
    process.wait_for_line("has slack-1", DEADLINE)?;
    let mut secrets = scene.admin.secrets();
    let name = || SLACK.to_owned();
    secrets.delete_secret(DeleteSecretRequest { name: name(), ..Default::default() }).await?;
    // A run may also be left out because the one before it takes long.
    let skipped = |told: &Schedule| {
        told.last_run.as_ref().is_some_and(|run| {
            run.outcome() == RunOutcome::Skipped
                && run.detail.contains("secretref undelete slack-bot-token")
        })
    };
    let told = schedule(&scene, skipped).await?;
    ensure!(told.state() != ScheduleState::Ended, "it was the end");
    process.wait_for_line("ref \"slack-bot-token\" (tool slack-notifier) is not", DEADLINE)?;
    secrets.undelete_secret(UndeleteSecretRequest { name: name(), ..Default::default() }).await?;
    scene.admin.put(SLACK, b"slack-2").await?;
    process.wait_for_line("has slack-2", DEADLINE)?;
    process.terminate(DEADLINE)?;
    Ok(())
}

async fn a_schedule_that_could_not_begin_is_refused_at_once(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Host::new(&scene)?;
    let mut secrets = scene.admin.secrets();
    for name in [STRIPE, SLACK] {
        let name = name.to_owned();
        secrets.delete_secret(DeleteSecretRequest { name, ..Default::default() }).await?;
    }
    let mut command = host.command(&scene, "@yearly", "echo started")?;
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8(output.stderr)?;
    ensure!(output.status.code() == Some(78) && output.stdout.is_empty(), "{said}");
    for name in [STRIPE, SLACK] {
        let fix = format!("is deleted. Fix: secretref undelete {name}");
        let line = said.lines().find(|line| line.starts_with("error: ref") && line.ends_with(&fix));
        ensure!(line.is_some(), "{name}: {said}");
    }
    ensure!(host.is_empty()?, "something was left");
    Ok(())
}
