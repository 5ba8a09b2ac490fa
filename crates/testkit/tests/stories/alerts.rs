//! Alerts: whoever is to know that a tool goes without its credential is told, once; and a channel
//! that does not answer costs nobody anything.

use crate::{
    canaries::database,
    process::{STAYS, secretref},
    scene::{AGENT, PAYMENT_ANALYST, SLACK, SLACK_FILE, STRIPE, Scene},
};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{AuditEntry, DeleteSecretRequest};
use secretref_testkit::{
    admin::Admin,
    agent::Agent,
    broker::Broker,
    canary::{Canary, Scanner},
    cli::Cli,
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines,
    process::Process,
    tmpfs,
    wait::{DEADLINE, eventually},
};
use serde_json::Value;
use std::{fs, path::Path, process::Stdio};

on_both_engines!(
    a_tool_without_its_credential_is_told_of_once,
    what_is_only_to_be_logged_is_only_logged,
    a_dead_slack_harms_nobody,
    a_channel_is_tried_before_it_is_needed,
);

const WEBHOOK: &str = "slack-webhook";
const CHANNELS: &str = r##"{"alerts": {"channels": {
    "#finance-alerts": {"type": "slack", "secretRef": "slack-webhook"},
    "ops-log": {"type": "log"}}}}"##;

/// A broker with the payment analyst, a Slack channel, and no value for Stripe.
struct Office {
    scene: Scene,
    hook: Hook,
    /// The part of the webhook's address that lets one write to the channel.
    path: Canary,
}

impl Office {
    async fn open(engine: Engine) -> Result<Self> {
        let broker = Broker::start(engine).await?;
        let admin = broker.admin().await?;
        let hook = Hook::start([Answer::Says(200, "ok")]).await?;
        let tail: String = std::iter::repeat_with(fastrand::alphanumeric).take(24).collect();
        let path = Canary::of(format!("/services/T0/B0/{tail}"));
        admin.apply(PAYMENT_ANALYST).await?;
        admin.apply(CHANNELS).await?;
        admin.put(SLACK, b"slack-1").await?;
        admin.put(WEBHOOK, hook.url(path.value()).as_bytes()).await?;
        Ok(Self { scene: Scene { broker, admin }, hook, path })
    }

    /// The next thing that Slack was told.
    async fn told(&self) -> Result<Value> {
        let posted = self.hook.next().await?;
        let path = self.path.value();
        ensure!(posted.head.starts_with(&format!("POST {path} HTTP/1.1")), "{posted:?}");
        Ok(serde_json::from_str(&posted.body)?)
    }

    /// What `secretref run` of a program that ends at once came to.
    fn run(&self, memory: &Path) -> Result<(Option<i32>, String)> {
        let mut command = secretref(&self.scene, memory)?;
        let command = command.args(["--", "/bin/sh", "-c", "exit 0"]).stdin(Stdio::null());
        let output = command.output()?;
        Ok((output.status.code(), String::from_utf8(output.stderr)?))
    }

    async fn delete(&self, name: &str) -> Result<()> {
        let request =
            DeleteSecretRequest { name: name.to_owned(), ..DeleteSecretRequest::default() };
        self.scene.admin.secrets().delete_secret(request).await?;
        Ok(())
    }

    /// What the broker logged.
    fn log(&self) -> Result<String> {
        Ok(fs::read_to_string(self.scene.broker.process().context("it runs")?.log())?)
    }
}

/// What the trail has of alerts by a channel, once there are so many.
async fn outcomes(admin: &Admin, channel: &str, count: usize) -> Result<Vec<String>> {
    let ours = |it: &AuditEntry| it.action == "alert.send" && it.object == channel;
    eventually(&format!("{count} alerts by {channel} are on record"), async || {
        let trail = admin.audit_trail().await?;
        let found: Vec<_> = trail.into_iter().filter(ours).map(|it| it.reason).collect();
        Ok((found.len() >= count).then_some(found))
    })
    .await
}

async fn a_tool_without_its_credential_is_told_of_once(engine: Engine) -> Result<()> {
    let mut office = Office::open(engine).await?;
    let (memory, logs) = (tmpfs::folder("run-")?, tempfile::tempdir()?);
    let mut scanner = Scanner::new([&office.path])?;
    for _ in 0..3 {
        let (code, said) = office.run(memory.path())?;
        ensure!(code == Some(78) && said.contains(STRIPE), "{code:?}: {said}");
        scanner.bytes("what `run` said", said.as_bytes());
    }
    let told = office.told().await?.to_string();
    let reason = format!("secret \\\"{STRIPE}\\\" is not in the store`");
    for word in [AGENT, "stripe-payment", STRIPE, &reason, "secretref put stripe-api-key"] {
        ensure!(told.contains(word), "{word} is not in {told}");
    }
    let about = format!("unresolved (agent {AGENT}, tool stripe-payment, ref {STRIPE})");
    let sent = outcomes(&office.scene.admin, "#finance-alerts", 1).await?;
    ensure!(sent == [format!("sent: {about}")], "{sent:?}");
    // With its value everything is well, and what comes later is another trouble.
    office.scene.admin.put(STRIPE, b"stripe-1").await?;
    let (code, said) = office.run(memory.path())?;
    ensure!(code == Some(0), "{said}");
    let mut command = secretref(&office.scene, memory.path())?;
    command.args(["--", "/bin/sh", "-c", STAYS]);
    let run = Process::start("run", &mut command, logs.path())?;
    run.wait_for_line("has stripe-1, slack-1", DEADLINE)?;
    let told = office.told().await?.to_string();
    ensure!(told.contains(":white_check_mark: over:") && told.contains(&reason), "{told}");
    office.delete(STRIPE).await?;
    let told = office.told().await?.to_string();
    ensure!(told.contains("is deleted") && told.contains("secretref undelete"), "{told}");
    for channel in ["#finance-alerts", "ops-log"] {
        let sent = outcomes(&office.scene.admin, channel, 3).await?;
        ensure!(sent.len() == 3 && sent.iter().all(|it| it.starts_with("sent: ")), "{sent:?}");
    }
    ensure!(office.hook.rest().await.is_empty(), "it was told of more often");
    let trail = office.scene.admin.audit_trail().await?;
    let reads = trail.iter().filter(|it| it.action == "secret.access" && it.object == WEBHOOK);
    ensure!(reads.clone().all(|it| it.actor.starts_with("broker:")) && reads.count() == 3);
    let log = office.log()?;
    ensure!(log.matches("secretref::alert").count() == 3, "the channel `ops-log` has not three");
    drop(run);
    office.is_secret(engine, &mut scanner).await
}

impl Office {
    /// Looks for the address in everything that is left.
    async fn is_secret(&mut self, engine: Engine, scanner: &mut Scanner) -> Result<()> {
        let broker = &mut self.scene.broker;
        for entry in self.scene.admin.audit_trail().await? {
            scanner.bytes("the audit trail", format!("{entry:?}").as_bytes());
        }
        broker.stop()?;
        scanner.path(broker.folder())?;
        database(&broker.database_url(), engine, scanner).await?;
        ensure!(scanner.scanned_bytes() > 10_000, "hardly anything was scanned");
        ensure!(scanner.leaks().is_empty(), "{:#?}", scanner.leaks());
        Ok(())
    }
}

async fn what_is_only_to_be_logged_is_only_logged(engine: Engine) -> Result<()> {
    let office = Office::open(engine).await?;
    let admin = &office.scene.admin;
    admin.put(STRIPE, b"stripe-1").await?;
    let agent = Agent::enrolled(&office.scene.broker, admin, AGENT).await?;
    agent.file_becomes(SLACK_FILE, b"slack-1").await?;
    // Slack's failure policy is to log.
    office.delete(SLACK).await?;
    agent.file_leaves(SLACK_FILE).await?;
    let denied = |it: &AuditEntry| {
        let reason = "tool \"slack-notifier\": secret \"slack-bot-token\" is deleted";
        it.action == "secret.deliver" && it.decision == "denied" && it.reason == reason
    };
    let wanted = "the refusal is on record";
    eventually(wanted, async || Ok(admin.audit_trail().await?.iter().any(denied).then_some(())))
        .await?;
    // Nobody is told of what an agent can do without.
    let optional = PAYMENT_ANALYST
        .replace(
            r#""required": true, "on-failure": "deny-and-alert""#,
            r#""on-failure": "deny-and-alert""#,
        )
        .replace(
            r#""required": true,
          "credentials": {"apiKey""#,
            r#""required": false, "credentials": {"apiKey""#,
        )
        .replace(
            r#""stripe-api-key": {"provider": "store", "required": true}"#,
            r#""stripe-api-key": {"provider": "store"}"#,
        );
    admin.apply(&optional).await?;
    office.delete(STRIPE).await?;
    agent.says("a ref has no value")?;
    // What it cannot do without, and may not have, it is told of: and of nothing before.
    admin.apply(&PAYMENT_ANALYST.replace(r#"["stripe-payment", "#, "[")).await?;
    let told = office.told().await?.to_string();
    ensure!(told.contains(":no_entry:") && told.contains("capability"), "{told}");
    outcomes(admin, "#finance-alerts", 1).await?;
    ensure!(office.hook.rest().await.is_empty(), "it was told of more often");
    let trail = admin.audit_trail().await?;
    ensure!(trail.iter().filter(|it| denied(it)).count() == 1, "recorded more than once");
    let log = office.log()?;
    let logged = |line: &&str| line.contains(" WARN ") && line.contains("a tool has no credential");
    let of_slack = |line: &&str| line.contains("slack-notifier") && line.contains("is deleted");
    ensure!(log.lines().filter(logged).filter(of_slack).count() == 1, "not logged once");
    Ok(())
}

async fn a_dead_slack_harms_nobody(engine: Engine) -> Result<()> {
    let mut office = Office::open(engine).await?;
    let admin = office.scene.admin.clone();
    admin.put(STRIPE, b"stripe-1").await?;
    let agent = office.scene.agent().await?;
    office.hook.answer([Answer::Never]);
    office.delete(STRIPE).await?;
    office.told().await?;
    // While Slack is silent everybody is served.
    for round in 2..12 {
        let value = format!("slack-{round}");
        admin.put(SLACK, value.as_bytes()).await?;
        agent.file_becomes(SLACK_FILE, value.as_bytes()).await?;
    }
    let status = office.scene.broker.stop()?;
    ensure!(status.success(), "{status}");
    office.scene.broker.serve()?;
    let admin = office.scene.broker.admin().await?;
    let said = outcomes(&admin, "#finance-alerts", 1).await?;
    let last = said.first().context("nothing is on record")?;
    ensure!(last.starts_with("not sent: ") && last.contains("did not answer in time"), "{last}");
    Ok(())
}

async fn a_channel_is_tried_before_it_is_needed(engine: Engine) -> Result<()> {
    let office = Office::open(engine).await?;
    let cli = Cli::of(&office.scene.broker)?;
    let listed = cli.run(&["alert", "list"])?.ended(0)?.out;
    ensure!(listed.contains("#finance-alerts  slack  slack-webhook  ready"), "{listed}");
    cli.run(&["alert", "test", "#finance-alerts"])?.ended(0)?;
    ensure!(office.told().await?.to_string().contains("can write to this channel"));
    cli.run(&["alert", "test", "ops-log"])?.ended(0)?;
    ensure!(office.log()?.contains("secretref::alert"), "the log says nothing");
    cli.run(&["alert", "test", "#none"])?.ended(3)?;
    office.hook.answer([Answer::Says(404, "no_service")]);
    let gone = cli.run(&["alert", "test", "#finance-alerts"])?.ended(1)?.err;
    let said = "nothing was sent: it answered 404 (no_service). Fix: secretref put slack-webhook";
    ensure!(gone.contains(said), "{gone}");
    ensure!(!gone.contains(office.path.value()), "{gone}");
    office.delete(WEBHOOK).await?;
    let lost = cli.run(&["alert", "test", "#finance-alerts"])?.ended(1)?.err;
    ensure!(lost.contains("is deleted. Fix: secretref undelete slack-webhook"), "{lost}");
    let listed = cli.run(&["alert", "list", "--json"])?.ended(0)?.json()?;
    ensure!(listed[0]["fix"] == "secretref undelete slack-webhook", "{listed}");
    let pruned = r#"{"alerts": {"channels": {"ops-log": {"type": "log"}}}}"#;
    let file = cli.folder().with_extension("json");
    fs::write(&file, pruned)?;
    let file = file.display().to_string();
    let shown = cli.run(&["apply", "-f", &file, "--prune", "--dry-run"])?.ended(0)?.out;
    ensure!(shown.contains("channel #finance-alerts: would be removed"), "{shown}");
    let trail = office.scene.admin.audit_trail().await?;
    let tries =
        trail.iter().filter(|it| it.action == "alert.test" && it.actor.starts_with("admin"));
    ensure!(tries.count() == 4, "not every test is on record");
    Ok(())
}
