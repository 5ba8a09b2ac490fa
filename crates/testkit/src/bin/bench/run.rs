//! What `secretref run` adds to the start of a program.

use crate::{
    clock::now_micros,
    push::Contestant,
    servers::{Server, Shape},
    table::{Figure, LIMIT, Table, Target, median},
};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{process::binary, tmpfs};
use std::{
    io::{self, Write},
    path::Path,
    process::{Command, Stdio},
};

/// The program that is started: its first instruction says when it was.
pub(crate) fn say_moment() -> Result<()> {
    Ok(writeln!(io::stdout(), "{}", now_micros())?)
}

/// Measures from just before the first process is made until the program's first instruction: of a
/// bare start, and of one under `secretref run` with an identity that is there already.
pub(crate) async fn measure(contestants: &[Contestant], rounds: usize) -> Result<Table> {
    let mut table = Table::new("start of a program, enrolled".to_owned());
    let program = std::env::current_exe()?;
    let folder = tmpfs::folder("secretref-bench-run-")?;
    let mut starts = Vec::new();
    for contestant in contestants {
        let state = folder.path().join(contestant.name);
        let start: Box<dyn Fn() -> Result<Command>> = match &contestant.server {
            Server::Limit(_) => {
                let program = program.clone();
                Box::new(move || Ok(Command::new(&program)))
            }
            Server::Broker(broker) => {
                broker.prepare(Shape::Instances, 1).await?;
                enrol(&broker.admin()?.token("bench").await?, broker.agents(), &state)?;
                let (program, address) = (program.clone(), broker.agents().to_owned());
                let memory = folder.path().to_owned();
                Box::new(move || under_run(&program, &address, &state, &memory))
            }
        };
        starts.push((contestant.name, start, Vec::new()));
    }
    // They take turns, so that what else the machine does falls on all of them.
    for round in 0..WARM_UP + rounds {
        for (_, start, times) in &mut starts {
            let took = time(start()?)?;
            if round >= WARM_UP {
                times.push(took);
            }
        }
    }
    let medians: Vec<(&'static str, f64)> =
        starts.into_iter().map(|(name, _, times)| (name, median(times))).collect();
    let figures = medians.iter().map(|(name, ms)| Figure::new(name, *ms)).collect();
    table.add("exec to first instruction", "ms", figures, None);
    let bare = medians.iter().find(|(name, _)| *name == LIMIT).context("no bare start")?.1;
    let added = medians.iter().map(|(name, ms)| {
        let added = if *name == LIMIT { f64::NAN } else { ms - bare };
        Figure::new(name, added)
    });
    table.add("added by secretref run", "ms", added.collect(), Some(Target::NumberMax(30.0)));
    Ok(table)
}

/// Milliseconds from now until the program's first instruction.
fn time(mut command: Command) -> Result<f64> {
    command.arg("moment").stdin(Stdio::null()).stderr(Stdio::piped());
    let before = now_micros();
    let output = command.output()?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = || String::from_utf8_lossy(&output.stderr).into_owned();
    ensure!(output.status.success(), "{}: {}", output.status, errors());
    let after: i64 = said.trim().parse().with_context(errors)?;
    Ok((after - before) as f64 / 1000.0)
}

fn enrol(token: &str, broker: &str, state: &Path) -> Result<()> {
    let mut command = Command::new(binary("secretref-sidecar")?);
    command.args(["enroll", "--broker", broker, "--token-file", "-", "--log-level", "warn"]);
    command.arg("--state-dir").arg(state);
    let mut child = command.stdin(Stdio::piped()).spawn()?;
    child.stdin.take().context("no input")?.write_all(token.as_bytes())?;
    ensure!(child.wait()?.success(), "the sidecar was not enrolled");
    Ok(())
}

fn under_run(program: &Path, broker: &str, state: &Path, memory: &Path) -> Result<Command> {
    let mut command = Command::new(binary("secretref")?);
    command.args(["run", "--agent", "bench", "--broker", broker, "--state-dir"]).arg(state);
    command.env("XDG_RUNTIME_DIR", memory).arg("--").arg(program);
    Ok(command)
}

const WARM_UP: usize = 3;
