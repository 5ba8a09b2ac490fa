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

/// Every value of the story.
struct Values {
    first: Canary,
    bad: Canary,
    slack: Canary,
    second: Canary,
    imported: Canary,
    made: Canary,
    literal: Canary,
    /// What lets one write to the channel.
    door: Canary,
    token: Canary,
}

impl Values {
    fn new(token: String) -> Self {
        let kinds = ["first", "bad", "slack", "second", "imported", "made", "literal"];
        let [first, bad, slack, second, imported, made, literal] = kinds.map(Canary::new);
        let door: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let (door, token) = (Canary::of(format!("/T0/B0/{door}")), Canary::of(token));
        Self { first, bad, slack, second, imported, made, literal, door, token }
    }

    fn all(&self) -> [&Canary; 9] {
        let Self { first, bad, slack, second, imported, made, literal, door, token } = self;
        [first, bad, slack, second, imported, made, literal, door, token]
    }
}

/// The agent with all its hands, and everybody who listens.
struct Hands {
    scene: Scene,
    cli: Cli,
    agent: Agent,
    hook: Hook,
    people: Hook,
    values: Values,
    heard: Heard,
}

async fn no_hand_drops_a_value(engine: Engine) -> Result<()> {
    let mut hands = Hands::filled(Scene::set(engine).await?).await?;
    hands.troubles().await?;
    let new = hands.rotation().await?;
    hands.files()?;
    hands.commands().await?;
    hands.are_clean(&new, engine).await
}

impl Hands {
    /// Each way has its first value.
    async fn filled(scene: Scene) -> Result<Self> {
        let hook = Hook::start([Answer::Says(200, "ok")]).await?;
        let people = Hook::start([Answer::Says(500, "no")]).await?;
        let good = manifest(&hook.url("/reload"), GOOD);
        scene.admin.apply(&good.to_string()).await?;
        let values = Values::new(scene.admin.token(AGENT).await?);
        scene.admin.put(STRIPE, values.first.bytes()).await?;
        scene.admin.put(SLACK, values.slack.bytes()).await?;
        scene.admin.put(MADE, values.made.bytes()).await?;
        scene.admin.put(CHANNEL, people.url(values.door.value()).as_bytes()).await?;
        let mut agent = Agent::new(&scene.broker)?;
        agent.give_token(values.token.value())?;
        let socket = agent.socket();
        let socket_option = ["--socket", socket.to_str().context("a path in UTF-8")?];
        agent.run_with(&socket_option, &["/bin/sh", "-c", SILENT])?;
        let ini = format!("token = {}\n", values.slack.value());
        agent.file_becomes("app.ini", ini.as_bytes()).await?;
        agent.says("runs in ")?;
        agent.file_becomes(STRIPE_FILE, values.first.bytes()).await?;
        let (code, list) = get(&socket, "secrets")?;
        ensure!(code == "200" && list.contains("first"), "{code}");
        let record = agent.state().join("hooks.json");
        eventually("the hook knows the first version", async || Ok(record.exists().then_some(())))
            .await?;
        let (cli, heard) = (Cli::of(&scene.broker)?, Heard::default());
        Ok(Self { scene, cli, agent, hook, people, values, heard })
    }

    /// A new value that arrives, one that the program does not live with, and a template that
    /// names what is not there.
    async fn troubles(&mut self) -> Result<()> {
        self.scene.admin.put(SLACK, self.values.second.bytes()).await?;
        let posted = self.hook.next().await?;
        self.heard.add("what the hook was told", posted.head + &posted.body);
        self.scene.admin.put(STRIPE, self.values.bad.bytes()).await?;
        told(&self.scene, STRIPE, ("FAILED", 3)).await?;
        let broken = manifest(&self.hook.url("/reload"), "token = {{ value }} {{ secrets.NOT }}\n");
        self.scene.admin.apply(&broken.to_string()).await?;
        eventually("the template fails", async || {
            let said = self.cli.run(&["status", "--agent", AGENT])?.out;
            Ok(said.contains("app.ini").then_some(()))
        })
        .await?;
        self.heard.command(&self.cli, "status --agent payment-analyst")?;
        let good = manifest(&self.hook.url("/reload"), GOOD);
        self.scene.admin.apply(&good.to_string()).await?;
        Ok(())
    }

    /// A rotation, whose new value nobody typed.
    async fn rotation(&mut self) -> Result<Canary> {
        let rotate = ["rotate", MADE, "--reason", "for the story", "--wait"];
        let rotated = self.cli.run(&rotate)?.ended(0)?;
        self.heard.add("what rotate said", rotated.out + &rotated.err);
        let new = self.agent.file_changes(MADE_FILE, self.values.made.bytes()).await?;
        Ok(Canary::of(String::from_utf8(new)?))
    }

    /// What is imported, and what is typed where a ref belongs.
    fn files(&mut self) -> Result<()> {
        let folder = tempfile::tempdir()?;
        let dotenv = folder.path().join(".env");
        fs::write(&dotenv, format!("TWILIO_TOKEN='{}'\n", self.values.imported.value()))?;
        let path = dotenv.to_str().context("a path in UTF-8")?;
        let import = ["import", path, "--agent", "imported", "--tool", "twilio"];
        let ran = self.cli.run(&import)?.ended(0)?;
        self.heard.add("what import said", ran.out + &ran.err);
        let typed = json!({"agents": {"typed": {"tool-bindings": {"t": {
            "credentials": {"key": self.values.literal.value()}}}}}});
        let typed_at = folder.path().join("typed.json");
        fs::write(&typed_at, typed.to_string())?;
        self.heard.command(&self.cli, &format!("apply -f {}", typed_at.display()))
    }

    /// What an agent cannot work without is gone, and a channel that refuses is told of it. Then
    /// everything that an operator can ask.
    async fn commands(&mut self) -> Result<()> {
        self.heard.command(&self.cli, "delete slack-bot-token")?;
        let posted = self.people.next().await?;
        self.heard.add("what people were told", posted.body);
        for line in COMMANDS {
            self.heard.command(&self.cli, line)?;
        }
        for entry in self.scene.admin.audit_trail().await? {
            self.heard.add("the audit trail", entry.canonical);
        }
        Ok(())
    }

    async fn are_clean(mut self, new: &Canary, engine: Engine) -> Result<()> {
        let mut scanner = Scanner::new(self.values.all().into_iter().chain([new]))?;
        for (place, content) in &self.heard.0 {
            scanner.bytes(place, content);
        }
        for process in [self.scene.broker.process(), self.agent.sidecar()] {
            scanner.process(process.map(Process::pid).context("it runs")?)?;
        }
        scanner.path(self.scene.broker.folder())?;
        self.agent.stop()?;
        self.scene.broker.stop()?;
        scanner.path(self.scene.broker.folder())?;
        scanner.path(self.agent.folder())?;
        scanner.path(&self.cli.folder())?;
        database(&self.scene.broker.database_url(), engine, &mut scanner).await?;
        // The join token is in its own file, where whoever enrols it put it.
        let token_file = self.agent.folder().join("token").display().to_string();
        let leaks: Vec<_> = scanner.leaks().iter().filter(|it| it.place != token_file).collect();
        ensure!(scanner.scanned_bytes() > 100_000, "hardly anything was scanned");
        ensure!(leaks.is_empty(), "{leaks:#?}");
        Ok(())
    }
}

const GOOD: &str = "token = {{ value }}\n";
const COMMANDS: [&str; 14] = [
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
    "monitor --once --check-expiry 3650",
    "doctor --json",
];
