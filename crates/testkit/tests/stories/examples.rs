//! The examples of docs/examples, run as they stand beside a real sidecar.

use crate::scene::{AGENT, STRIPE, STRIPE_FILE, Scene};
use anyhow::{Context, Result, bail, ensure};
use aws_lc_rs::digest::{SHA256, digest};
use secretref_testkit::{
    agent::Agent, engine::Engine, on_both_engines, process::Process, wait::DEADLINE,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

on_both_engines!(python_and_node_read_and_follow);

/// An example, what runs it, and the line that installs that.
const EXAMPLES: [(&str, &str, &str); 4] = [
    ("python/from_socket.py", "python3", "apt-get install python3"),
    ("python/from_files.py", "python3", "apt-get install python3"),
    ("node/from_socket.mjs", "node", "apt-get install nodejs"),
    ("node/from_files.mjs", "node", "apt-get install nodejs"),
];

async fn python_and_node_read_and_follow(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Agent::new(&scene.broker)?;
    let socket = host.socket();
    let mut host = host.with(["--socket".into(), socket.into_os_string()]);
    host.give_token(&scene.admin.token(AGENT).await?)?;
    host.run()?;
    host.file_becomes(STRIPE_FILE, b"stripe-1").await?;
    scene.applied(STRIPE, 1).await?;
    let mut following = Vec::new();
    for (example, program, install) in EXAMPLES {
        let output = command(&host, example, program).output();
        let output = output.with_context(|| format!("{program} is missing. Fix: {install}"))?;
        let said = String::from_utf8(output.stdout.clone())?;
        ensure!(output.status.success() && said == line(example, 1), "{example}: {output:?}");
        let mut command = command(&host, example, program);
        let name = example.replace('/', "-");
        let process = Process::start(&name, command.arg("--follow"), &host.logs())?;
        process.wait_for_line(line(example, 1).trim(), DEADLINE)?;
        following.push((example, process));
    }
    scene.admin.put(STRIPE, b"stripe-2").await?;
    for (example, process) in &following {
        process.wait_for_line(line(example, 2).trim(), DEADLINE)?;
    }
    // Whoever follows is not thrown off by a restart of the sidecar.
    host.stop()?;
    host.run()?;
    scene.admin.put(STRIPE, b"stripe-3").await?;
    for (example, process) in &following {
        process.wait_for_line(line(example, 3).trim(), DEADLINE)?;
        if process.said()?.contains("stripe-") {
            bail!("{example} printed a value");
        }
    }
    Ok(())
}

fn command(host: &Agent, example: &str, program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(folder().join(example));
    let place = if example.contains("socket") { host.socket() } else { host.secrets() };
    command.arg(place).arg(STRIPE_FILE);
    command
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/examples")
}

/// What an example prints for a version.
fn line(example: &str, version: u32) -> String {
    let digest = digest(&SHA256, format!("stripe-{version}").as_bytes());
    let hex: String = digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
    let which = if example.contains("socket") { format!(" v{version}") } else { String::new() };
    format!("{STRIPE_FILE}{which} sha256 {hex}\n")
}
