//! The socket: an agent asks for its secrets, waits for the next, and status says that it read.

use crate::scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, Scene, only_instance, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    engine::Engine,
    on_both_engines,
    process::Process,
    wait::{DEADLINE, eventually},
};
use std::{os::unix::fs::PermissionsExt, path::Path, process::Command};

on_both_engines!(
    an_agent_asks_for_its_secrets_and_status_says_so,
    a_waiting_client_gets_the_next_version,
    events_tell_of_changes_without_values,
    an_agent_lives_from_the_socket_alone,
    a_stranger_gets_nothing,
);

impl Scene {
    /// A host whose sidecar serves a socket that has the first set.
    async fn served(&self, more: &[&str]) -> Result<Agent> {
        let host = Agent::new(&self.broker)?;
        let socket = host.socket();
        let mut host = host.with(["--socket".into(), socket.into_os_string()]).with(more);
        host.give_token(&self.admin.token(AGENT).await?)?;
        host.run()?;
        eventually("the socket has the first set", async || {
            let (code, _) = get(&host.socket(), &format!("secrets/{STRIPE_FILE}?version=0"))?;
            Ok((code == "200").then_some(()))
        })
        .await?;
        Ok(host)
    }
}

/// What curl says to a path: the code and the body.
pub(crate) fn get(socket: &Path, path: &str) -> Result<(String, String)> {
    let output = curl(socket, path).arg("--write-out").arg("\n%{http_code}").output()?;
    let text = String::from_utf8(output.stdout)?;
    let (body, code) = text.rsplit_once('\n').context("curl said nothing")?;
    Ok((code.to_owned(), body.to_owned()))
}

fn curl(socket: &Path, path: &str) -> Command {
    let mut command = Command::new("curl");
    command.args(["--silent", "--no-buffer", "--max-time", "60", "--unix-socket"]).arg(socket);
    command.arg(format!("http://secretref/v1/{path}"));
    command
}

async fn an_agent_asks_for_its_secrets_and_status_says_so(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = scene.served(&[]).await?;
    let mode = std::fs::metadata(host.socket())?.permissions().mode();
    ensure!(mode & 0o777 == 0o600, "{mode:o}");
    let (code, list) = get(&host.socket(), "secrets")?;
    let list: serde_json::Value = serde_json::from_str(&list)?;
    ensure!(code == "200" && list["secrets"][STRIPE_FILE]["value"] == "stripe-1", "{list}");
    ensure!(list["secrets"]["SLACK_BOT_TOKEN"]["tool"] == "slack-notifier", "{list}");
    evidence(&scene, STRIPE, "read").await?;
    evidence(&scene, SLACK, "read").await?;
    // The next version was not read yet, and nobody says that it was.
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let status = scene.applied(STRIPE, 2).await?;
    ensure!(only_instance(&status)?.evidence == "written", "{status:?}");
    let (_, value) = get(&host.socket(), &format!("secrets/{STRIPE_FILE}"))?;
    ensure!(value == "stripe-2", "{value}");
    evidence(&scene, STRIPE, "read").await?;
    let (code, answer) = get(&host.socket(), "secrets/OTHER")?;
    ensure!(code == "404" && answer.contains("no credential of this agent"), "{answer}");
    ensure!(get(&host.socket(), "health")?.0 == "200");
    Ok(())
}

/// Waits until the status says how the sidecar knows.
async fn evidence(scene: &Scene, secret: &str, wanted: &str) -> Result<()> {
    eventually(&format!("the evidence of {secret} is {wanted:?}"), async || {
        let status = ref_of(&scene.admin.status(AGENT).await?, secret)?;
        let found = status.instances.first().map(|instance| instance.evidence.as_str());
        Ok((found == Some(wanted)).then_some(()))
    })
    .await
}

async fn a_waiting_client_gets_the_next_version(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = scene.served(&[]).await?;
    let path = format!("secrets/{STRIPE_FILE}?version=1&wait=50ms");
    ensure!(get(&host.socket(), &path)?.0 == "304");
    let socket = host.socket();
    let path = format!("secrets/{STRIPE_FILE}?version=1&wait=60s");
    let waiting = tokio::task::spawn_blocking(move || get(&socket, &path));
    scene.admin.put(SLACK, b"slack-2").await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let (code, value) = waiting.await??;
    ensure!(code == "200" && value == "stripe-2", "{code} {value}");
    Ok(())
}

async fn events_tell_of_changes_without_values(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = scene.served(&[]).await?;
    let events = Process::start("events", &mut curl(&host.socket(), "events"), &host.logs())?;
    let event = |version: i64, state: &str| {
        format!(r#"{{"name":"{STRIPE_FILE}","state":"{state}","version":{version}}}"#)
    };
    events.wait_for_line(&event(1, "current"), DEADLINE)?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    events.wait_for_line(&event(2, "current"), DEADLINE)?;
    let name = STRIPE.to_owned();
    let request = secretref_proto::v1::DeleteSecretRequest { name, ..Default::default() };
    scene.admin.secrets().delete_secret(request).await?;
    events.wait_for_line(&event(2, "removed"), DEADLINE)?;
    ensure!(!events.said()?.contains("stripe-"), "a value is in an event");
    Ok(())
}

async fn an_agent_lives_from_the_socket_alone(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let mut host = scene.served(&["--no-files"]).await?;
    ensure!(std::fs::read_dir(host.secrets())?.next().is_none(), "there is a file");
    // Offered is not read, and is not called written either.
    let status = scene.applied(SLACK, 1).await?;
    ensure!(only_instance(&status)?.evidence.is_empty(), "{status:?}");
    get(&host.socket(), "secrets/SLACK_BOT_TOKEN")?;
    evidence(&scene, SLACK, "read").await?;
    // Evidence outlives the stream that it was told on.
    let socket = host.socket();
    host.stop()?;
    ensure!(!socket.exists(), "the socket is still there");
    host.run()?;
    eventually("the socket is back", async || {
        Ok(get(&socket, "secrets").is_ok_and(|(code, _)| code == "200").then_some(()))
    })
    .await
}

async fn a_stranger_gets_nothing(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = scene.served(&[]).await?;
    let socket = host.socket();
    ensure!(rustix::process::geteuid().is_root(), "run as root: it asks as another user");
    // Somebody opened folder and socket to all; the sidecar still looks who comes.
    for path in [host.folder(), &socket] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o777))?;
    }
    let mut asked = curl(&socket, "secrets");
    std::os::unix::process::CommandExt::uid(&mut asked, NOBODY);
    std::os::unix::process::CommandExt::gid(&mut asked, NOBODY);
    let output = asked.arg("--include").output()?;
    let answer = String::from_utf8(output.stdout)?;
    ensure!(answer.starts_with("HTTP/1.1 403 "), "{answer}");
    ensure!(!answer.contains("stripe-1") && answer.contains("user 65534"), "{answer}");
    let sidecar = host.sidecar().context("no sidecar")?;
    sidecar.wait_for_line("a stranger came to the socket", DEADLINE)?;
    Ok(())
}

const NOBODY: u32 = 65_534;
