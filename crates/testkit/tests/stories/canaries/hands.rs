//! Every way by which an agent gets its secrets, all at once, and what goes wrong in each: of all
//! that is said and written about it, nothing holds a value.

use super::database;
use crate::{
    process::told,
    scene::{AGENT, SLACK, STRIPE, STRIPE_FILE, Scene},
    socket::get,
};
use anyhow::{Context, Result, ensure};
use secretref_testkit::{
    agent::Agent,
    canary::{Canary, Scanner},
    cli::Cli,
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines,
    process::Process,
    wait::eventually,
};
use serde_json::{Value, json};
use std::fs;

on_both_engines!(no_hand_drops_a_value);

const MADE: &str = "made-here";
const MADE_FILE: &str = "MADE_HERE";
const CHANNEL: &str = "channel-url";

/// An agent with files, a template, a dotenv form, a socket, a hook and a gated program.
fn manifest(hook: &str, template: &str) -> Value {
    let credential = |value: Value| json!({"credentials": {"key": value}});
    json!({
        "secrets": {"rotators": {"random": {"length": 40}}},
        "alerts": {"channels": {"people": {"type": "webhook", "secretRef": CHANNEL}}},
        "agents": {AGENT: {
            "dotenv": "all.env",
            "process": {"gate": {"alive": "200ms"}},
            "auth-profiles": {"slack": {"required": true, "on-failure": "deny-and-alert"}},
            "tool-bindings": {
                "stripe": credential(json!({"secretRef": STRIPE, "envVar": STRIPE_FILE})),
                "slack": credential(json!({"secretRef": SLACK, "file": "app.ini",
                    "template": template, "onRotate": hook})),
                "made": credential(json!({"secretRef": MADE, "envVar": MADE_FILE})),
            },
        }},
        "refMap": {
            STRIPE: {"provider": "store"},
            SLACK: {"provider": "store"},
            MADE: {"provider": "store", "rotation": {"rotator": "random", "overlap": "0s"}},
        },
    })
}

/// A program that says nothing of what it has, and does not live with a bad value.
const SILENT: &str = r#"case "$STRIPE_API_KEY" in *bad*) exit 3;; esac
    echo "runs in $$"; while :; do sleep 0.05; done"#;

/// What was said, by whom.
#[derive(Default)]
struct Heard(Vec<(String, Vec<u8>)>);

impl Heard {
    fn add(&mut self, place: impl Into<String>, content: impl Into<Vec<u8>>) {
        self.0.push((place.into(), content.into()));
    }

    /// What an operator's command says, however it ends.
    fn command(&mut self, cli: &Cli, line: &str) -> Result<()> {
        let arguments: Vec<&str> = line.split(' ').collect();
        let ran = cli.run(&arguments)?;
        // What was not understood never got as far as a value, and proves nothing.
        ensure!(!ran.err.contains("secretref help"), "{line}: {ran:?}");
        ensure!(!ran.out.is_empty() || !ran.err.is_empty(), "{line} said nothing");
        self.add(format!("standard output of {line}"), ran.out);
        self.add(format!("standard error of {line}"), ran.err);
        Ok(())
    }
}

async fn no_hand_drops_a_value(engine: Engine) -> Result<()> {
    let mut scene = Scene::set(engine).await?;
    let cli = Cli::of(&scene.broker)?;
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let people = Hook::start([Answer::Says(500, "no")]).await?;
    let kinds = ["first", "bad", "slack", "second", "imported", "made", "literal"];
    let [first, bad, slack, second, imported, made, literal] = kinds.map(Canary::new);
    let door = Canary::of(format!("/T0/{}", first.value().replace(['?', '~', '>'], "x")));
    let mut heard = Heard::default();

    scene.admin.put(STRIPE, first.bytes()).await?;
    scene.admin.put(SLACK, slack.bytes()).await?;
    scene.admin.put(MADE, made.bytes()).await?;
    scene.admin.put(CHANNEL, people.url(door.value()).as_bytes()).await?;
    let good = manifest(&hook.url("/reload"), "token = {{ value }}\n");
    scene.admin.apply(&good.to_string()).await?;
    let token = Canary::of(scene.admin.token(AGENT).await?);
    let mut agent = Agent::new(&scene.broker)?;
    agent.give_token(token.value())?;
    let socket = agent.socket();
    let socket_option = ["--socket", socket.to_str().context("a path in UTF-8")?];
    agent.run_with(&socket_option, &["/bin/sh", "-c", SILENT])?;
    agent.file_becomes("app.ini", format!("token = {}\n", slack.value()).as_bytes()).await?;
    agent.says("runs in ")?;
    agent.file_becomes(STRIPE_FILE, first.bytes()).await?;
    let (code, list) = get(&socket, "secrets")?;
    ensure!(code == "200" && list.contains("first"), "{code}");
    let record = agent.state().join("hooks.json");
    eventually("the hook knows the first version", async || Ok(record.exists().then_some(())))
        .await?;

    // A rotation that arrives, and one that the program does not live with.
    scene.admin.put(SLACK, second.bytes()).await?;
    let posted = hook.next().await?;
    heard.add("what the hook was told", posted.head + &posted.body);
    scene.admin.put(STRIPE, bad.bytes()).await?;
    told(&scene, STRIPE, ("FAILED", 3)).await?;
    // A template that names what is not there.
    let broken = manifest(&hook.url("/reload"), "token = {{ value }} {{ secrets.NOT }}\n");
    scene.admin.apply(&broken.to_string()).await?;
    eventually("the template fails", async || {
        Ok(cli.run(&["status", "--agent", AGENT])?.out.contains("app.ini").then_some(()))
    })
    .await?;
    heard.command(&cli, "status --agent payment-analyst")?;
    scene.admin.apply(&good.to_string()).await?;
    // A rotation whose new value nobody typed.
    let rotated = cli.run(&["rotate", MADE, "--reason", "for the story", "--wait"])?.ended(0)?;
    heard.add("what rotate said", rotated.out + &rotated.err);
    let new = agent.file_changes(MADE_FILE, made.bytes()).await?;
    let new = Canary::of(String::from_utf8(new)?);
    // What is imported, and what is typed where a ref belongs.
    let folder = tempfile::tempdir()?;
    let dotenv = folder.path().join(".env");
    fs::write(&dotenv, format!("TWILIO_TOKEN='{}'\n", imported.value()))?;
    let path = dotenv.to_str().context("a path in UTF-8")?;
    let ran = cli.run(&["import", path, "--agent", "imported", "--tool", "twilio"])?.ended(0)?;
    heard.add("what import said", ran.out + &ran.err);
    let typed = json!({"agents": {"typed": {"tool-bindings": {"t": {
        "credentials": {"key": literal.value()}}}}}});
    let typed_at = folder.path().join("typed.json");
    fs::write(&typed_at, typed.to_string())?;
    heard.command(&cli, &format!("apply -f {}", typed_at.display()))?;
    // What an agent cannot work without is gone, and a channel that refuses is told of it.
    heard.command(&cli, "delete slack-bot-token")?;
    let posted = people.next().await?;
    heard.add("what people were told", posted.body);

    for line in [
        "status --secrets --all",
        "status --agent payment-analyst --json",
        "agent show payment-analyst",
        "explain stripe-api-key",
        "versions stripe-api-key --json",
        "list",
        "audit --secrets --verbose",
        "audit --secrets --json",
        "rotate history",
        "rotate receipt made-here",
        "rotate made-here --plan",
        "alert list",
        "doctor --json",
    ] {
        heard.command(&cli, line)?;
    }
    for entry in scene.admin.audit_trail().await? {
        heard.add("the audit trail", entry.canonical);
    }

    let canaries = [&first, &bad, &slack, &second, &imported, &made, &literal, &door, &token, &new];
    let mut scanner = Scanner::new(canaries)?;
    for (place, content) in &heard.0 {
        scanner.bytes(place, content);
    }
    for process in [scene.broker.process(), agent.sidecar()] {
        scanner.process(process.map(Process::pid).context("it runs")?)?;
    }
    scanner.path(scene.broker.folder())?;
    agent.stop()?;
    scene.broker.stop()?;
    scanner.path(scene.broker.folder())?;
    scanner.path(agent.folder())?;
    scanner.path(&cli.folder())?;
    database(&scene.broker.database_url(), engine, &mut scanner).await?;
    // The join token is in its own file, where whoever enrols it put it.
    let token_file = agent.folder().join("token").display().to_string();
    let leaks: Vec<_> = scanner.leaks().iter().filter(|it| it.place != token_file).collect();
    ensure!(scanner.scanned_bytes() > 100_000, "hardly anything was scanned");
    ensure!(leaks.is_empty(), "{leaks:#?}");
    Ok(())
}
