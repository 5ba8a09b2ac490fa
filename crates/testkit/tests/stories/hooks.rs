//! Hooks: a running agent is told of a new value, and status says that it was.

use crate::scene::{AGENT, SLACK, STRIPE, Scene, ref_of};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{RefState, RefStatus};
use secretref_testkit::{
    agent::Agent,
    engine::Engine,
    on_both_engines,
    process::{Process, binary},
    wait::{DEADLINE, eventually},
};
use std::{
    fs,
    io::{Read, Write},
    net::TcpListener,
    os::unix::fs::PermissionsExt,
    process::Command,
};

on_both_engines!(
    a_process_is_signalled_by_its_pid_file,
    a_web_server_is_told_and_what_fails_is_told_again,
    a_program_runs_only_where_it_was_allowed,
    openclaw_is_asked_to_reload_and_its_warnings_are_failures,
);

/// The payment analyst, with a hook at its Stripe key.
fn manifest(hook: &str) -> String {
    format!(
        r#"{{"agents": {{"{AGENT}": {{"tool-bindings": {{
          "stripe": {{"credentials": {{"apiKey": {{
            "secretRef": "{STRIPE}", "envVar": "STRIPE_API_KEY", "onRotate": "{hook}"}}}}}},
          "slack": {{"credentials": {{"botToken": {{
            "secretRef": "{SLACK}", "envVar": "SLACK_BOT_TOKEN"}}}}}}}}}}}},
          "refMap": {{"{STRIPE}": {{"provider": "store"}}, "{SLACK}": {{"provider": "store"}}}}}}"#
    )
}

impl Scene {
    /// A host that has the first versions, where hooks begin.
    async fn hooked(&self, host: Agent, hook: &str) -> Result<Agent> {
        self.admin.apply(&manifest(hook)).await?;
        let mut host = host;
        host.give_token(&self.admin.token(AGENT).await?)?;
        host.run()?;
        host.file_becomes("STRIPE_API_KEY", b"stripe-1").await?;
        knows_the_first(&host).await?;
        Ok(host)
    }

    async fn evidence(&self, version: i64, wanted: &str) -> Result<()> {
        eventually(&format!("version {version} is {wanted}"), async || {
            let status = ref_of(&self.admin.status(AGENT).await?, STRIPE)?;
            let found = status.instances.first().filter(|instance| instance.version == version);
            Ok(found.filter(|instance| instance.evidence == wanted).map(drop))
        })
        .await
    }

    async fn fails(&self) -> Result<RefStatus> {
        eventually("the status says that the hook failed", async || {
            let status = ref_of(&self.admin.status(AGENT).await?, STRIPE)?;
            Ok((status.state() == RefState::Failed).then_some(status))
        })
        .await
    }
}

async fn knows_the_first(host: &Agent) -> Result<()> {
    let record = host.state().join("hooks.json");
    eventually("the hook knows the first version", async || Ok(record.exists().then_some(()))).await
}

async fn a_process_is_signalled_by_its_pid_file(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Agent::new(&scene.broker)?;
    let script = "trap 'echo reloaded' USR1; echo ready; while :; do sleep 1 & wait; done";
    let mut command = Command::new("sh");
    let agent = Process::start("agent", command.args(["-c", script]), &host.logs())?;
    agent.wait_for_line("ready", DEADLINE)?;
    let pid_file = host.folder().join("agent.pid");
    fs::write(&pid_file, format!("{}\n", agent.pid()))?;
    let hook = format!("signal:USR1@{}", pid_file.display());
    let host = scene.hooked(host, &hook).await?;
    ensure!(!agent.said()?.contains("reloaded"), "the first version is no rotation");
    scene.admin.put(SLACK, b"slack-2").await?;
    host.file_becomes("SLACK_BOT_TOKEN", b"slack-2").await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    agent.wait_for_line("reloaded", DEADLINE)?;
    scene.evidence(2, "reloaded").await?;
    ensure!(agent.said()?.matches("reloaded").count() == 1, "more than once");
    Ok(())
}

async fn a_web_server_is_told_and_what_fails_is_told_again(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let address = listener.local_addr()?;
    let host = Agent::new(&scene.broker)?;
    let mut host = scene.hooked(host, &format!("http://{address}/reload")).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let body = r#""secrets":[{"name":"STRIPE_API_KEY","version":2}]}"#;
    let told = answer(&listener, "200 OK")?;
    ensure!(told.starts_with("POST /reload HTTP/1.1\r\n") && told.ends_with(body), "{told}");
    scene.evidence(2, "reloaded").await?;
    // Refused: the value is in place all the same, and status says what is amiss.
    scene.admin.put(STRIPE, b"stripe-3").await?;
    answer(&listener, "500 Internal Server Error")?;
    let status = scene.fails().await?;
    ensure!(status.reason.contains("it is in place, the hook failed: http://127."), "{status:?}");
    host.file_becomes("STRIPE_API_KEY", b"stripe-3").await?;
    answer(&listener, "200 OK")?;
    scene.evidence(3, "reloaded").await?;
    ensure!(scene.applied(STRIPE, 3).await?.state() == RefState::Injected);
    // What happened while the sidecar was away is still owed.
    host.kill9()?;
    scene.admin.put(STRIPE, b"stripe-4").await?;
    host.run()?;
    let told = answer(&listener, "204 No Content")?;
    ensure!(told.contains(r#""version":4"#), "{told}");
    scene.evidence(4, "reloaded").await?;
    Ok(())
}

/// Takes one request and answers it. Where none comes the test's own limit ends it.
fn answer(listener: &TcpListener, head: &str) -> Result<String> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    let (mut request, mut more) = (Vec::new(), [0; 1024]);
    while !request.ends_with(b"]}") {
        let bytes = stream.read(&mut more)?;
        ensure!(bytes > 0, "the request ended early");
        request.extend_from_slice(more.get(..bytes).context("more than was read")?);
    }
    write!(stream, "HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n")?;
    Ok(String::from_utf8(request)?)
}

async fn a_program_runs_only_where_it_was_allowed(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Agent::new(&scene.broker)?;
    // A tmpfs may not let programs run.
    let folder = tempfile::tempdir()?;
    let program = folder.path().join("reload");
    let said = folder.path().join("said");
    fs::write(&program, format!("#!/bin/sh\necho \"$@\" >> {}\n", said.display()))?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    let hook = format!("exec:{}", program.display());
    let mut host = scene.hooked(host, &hook).await?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    let status = scene.fails().await?;
    let reason = format!("not started with --allow-exec {}", program.display());
    ensure!(status.reason.contains(&reason) && !said.exists(), "{status:?}");
    host.stop()?;
    let mut host = host.with(["--allow-exec".into(), program.into_os_string()]);
    host.run()?;
    scene.evidence(2, "reloaded").await?;
    ensure!(fs::read_to_string(&said)? == "STRIPE_API_KEY\n", "{said:?}");
    Ok(())
}

/// An agent without files: what plays `openclaw` does what it does, and asks `secretref resolve`.
async fn openclaw_is_asked_to_reload_and_its_warnings_are_failures(engine: Engine) -> Result<()> {
    let scene = Scene::set(engine).await?;
    let host = Agent::new(&scene.broker)?;
    let socket = host.socket().display().to_string();
    let folder = tempfile::tempdir()?;
    let [program, resolved, warnings] =
        ["openclaw", "resolved", "warnings"].map(|name| folder.path().join(name));
    let script = format!(
        r#"#!/bin/sh
[ "$*" = "secrets reload --json" ] || exit 2
echo '{{"protocolVersion":1,"provider":"broker","ids":["{STRIPE}"]}}' |
    {} resolve --socket {socket} > {} || exit 1
printf '{{"ok": true, "warningCount": %s}}\n' "$(cat {})"
"#,
        binary("secretref")?.display(),
        resolved.display(),
        warnings.display()
    );
    fs::write(&program, script)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    scene.admin.apply(&manifest(&format!("openclaw:{}", program.display()))).await?;
    let program = program.display().to_string();
    let mut host = host.with(["--no-files", "--socket", &socket, "--allow-exec", &program]);
    host.give_token(&scene.admin.token(AGENT).await?)?;
    host.run()?;
    knows_the_first(&host).await?;
    ensure!(!resolved.exists(), "the first version is no rotation");
    fs::write(&warnings, "0")?;
    scene.admin.put(STRIPE, b"stripe-2").await?;
    scene.evidence(2, "reloaded").await?;
    ensure!(fs::read_to_string(&resolved)?.contains("\"stripe-2\""), "it has another value");
    // It has the value, and says that something of it is not fresh: that is no reload.
    fs::write(&warnings, "1")?;
    scene.admin.put(STRIPE, b"stripe-3").await?;
    let status = scene.fails().await?;
    ensure!(status.reason.contains("it reloaded with warnings (1)"), "{status:?}");
    fs::write(&warnings, "0")?;
    scene.evidence(3, "reloaded").await
}
