//! What is so for a while: people are told of it once when it begins and once when it is over, by
//! Slack and by a webhook, and an operator sees it.

mod services;

use crate::scene::{AGENT, STRIPE, STRIPE_FILE};
use anyhow::{Context, Result, ensure};
use secretref_broker::config::{BrokerFile, Monitor};
use secretref_domain::clock::Timestamp;
use secretref_proto::v1::{AuditEntry, PutSecretRequest};
use secretref_testkit::{
    admin::Admin,
    agent::Agent,
    broker::Broker,
    cli::Cli,
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines, peer,
    process::Process,
    wait::DEADLINE,
};
use serde_json::{Value, json};
use std::{
    fs,
    os::unix::fs::PermissionsExt,
    time::{SystemTime, UNIX_EPOCH},
};

on_both_engines!(
    a_value_that_ends_is_told_of_once_and_a_restart_changes_nothing,
    what_comes_and_goes_is_told_of_once_until_it_is_quiet,
    a_provider_that_goes_and_comes_back_is_told_of,
    who_is_behind_and_what_nobody_takes_are_told_of,
    an_operator_sees_what_is_so_and_tells_a_channel,
    an_operator_watches_what_begins_and_ends,
);

const DAY: u64 = 24 * 3600;

/// A broker with a Slack channel and a webhook.
pub(super) struct Watch {
    pub(super) broker: Broker,
    pub(super) admin: Admin,
    pub(super) cli: Cli,
    slack: Hook,
    webhook: Hook,
}

/// Something that people were told by the webhook.
#[derive(Debug)]
pub(super) struct Notice {
    pub(super) id: String,
    /// Kind and state: `expiring firing`.
    pub(super) what: String,
    pub(super) reason: String,
    pub(super) body: Value,
}

impl Watch {
    pub(super) async fn set(engine: Engine, monitor: Monitor, manifest: &Value) -> Result<Self> {
        let edit = |file: &mut BrokerFile| {
            file.monitor = monitor;
            file.provider_poll_seconds = 1;
        };
        Self::over(Broker::start_configured(engine, &[], edit).await?, manifest).await
    }

    /// Of a broker that runs.
    pub(super) async fn over(broker: Broker, manifest: &Value) -> Result<Self> {
        let admin = broker.admin().await?;
        let well = || [Answer::Says(200, "ok")];
        let (slack, webhook) = (Hook::start(well()).await?, Hook::start(well()).await?);
        admin.put("slack-url", slack.url("/services/T0/B0/x").as_bytes()).await?;
        admin.put("webhook-url", webhook.url("/alerts").as_bytes()).await?;
        let channels = json!({"alerts": {"channels": {
            "#finance-alerts": {"type": "slack", "secretRef": "slack-url"},
            "pager": {"type": "webhook", "secretRef": "webhook-url"},
        }}});
        admin.apply(&channels.to_string()).await?;
        admin.apply(&manifest.to_string()).await?;
        let cli = Cli::of(&broker)?;
        Ok(Self { broker, admin, cli, slack, webhook })
    }

    pub(super) async fn put_for(&self, name: &str, value: &str, seconds: u64) -> Result<()> {
        let end = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs() + seconds;
        let expire_time = prost_types::Timestamp { seconds: i64::try_from(end)?, nanos: 0 };
        let request = PutSecretRequest {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
            expire_time: Some(expire_time),
            ..PutSecretRequest::default()
        };
        self.admin.secrets().put_secret(request).await?;
        Ok(())
    }

    /// What people are told next: the same by both channels.
    pub(super) async fn told(&self) -> Result<Notice> {
        let body: Value = serde_json::from_str(&self.webhook.next().await?.body)?;
        let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
        let notice = Notice {
            id: text("id"),
            what: format!("{} {}", text("kind"), text("state")),
            reason: text("reason"),
            body: body.clone(),
        };
        let posted: Value = serde_json::from_str(&self.slack.next().await?.body)?;
        let blocks = posted["blocks"].as_array().context("no blocks")?;
        ensure!(blocks.iter().all(|it| it["type"].is_string()), "{posted}");
        let said = posted.to_string();
        let over = notice.what.ends_with("resolved");
        let title = posted["blocks"][0]["text"]["text"].as_str().unwrap_or_default();
        ensure!(title.starts_with(":white_check_mark: over: ") == over, "{title}");
        ensure!(said.contains(&notice.id), "Slack was told of something else: {said}");
        Ok(notice)
    }

    /// Has people told of something else, and returns once they were: whatever else was news by
    /// then they would have been told before.
    pub(super) async fn nothing_else(&self, marker: &str) -> Result<()> {
        self.put_for(marker, "marker", 5 * DAY).await?;
        let notice = self.told().await?;
        let of = notice.body["ref"] == marker && notice.what == "expiring firing";
        ensure!(of, "told of something else: {notice:?}");
        ensure!(self.webhook.rest().await.is_empty(), "told of more");
        Ok(())
    }
}

/// One agent that is bound to the Stripe key.
fn analyst() -> Value {
    json!({
        "agents": {AGENT: {"tool-bindings": {"stripe-payment": {"credentials": {
            "apiKey": {"secretRef": STRIPE, "envVar": STRIPE_FILE}
        }}}}},
        "refMap": {STRIPE: {"provider": "store"}},
    })
}

async fn a_value_that_ends_is_told_of_once_and_a_restart_changes_nothing(
    engine: Engine,
) -> Result<()> {
    let mut watch = Watch::set(engine, Monitor::default(), &analyst()).await?;
    watch.put_for(STRIPE, "stripe-1", 3 * DAY).await?;
    let began = watch.told().await?;
    ensure!(began.what == "expiring firing" && began.body["ref"] == STRIPE, "{began:?}");
    ensure!(began.body["severity"] == "warning", "{began:?}");
    ensure!(began.body["fix"] == "secretref put stripe-api-key", "{began:?}");
    ensure!(began.reason.starts_with("its value is valid until 20"), "{began:?}");
    watch.nothing_else("one").await?;
    let status = watch.broker.stop()?;
    ensure!(status.success(), "{status}");
    watch.broker.serve()?;
    watch.admin = watch.broker.admin().await?;
    watch.nothing_else("two").await?;
    // It ends for good: that is another trouble, and no good news of the first.
    watch.put_for(STRIPE, "stripe-2", 1).await?;
    let ended = watch.told().await?;
    ensure!(ended.what == "expired firing" && ended.body["severity"] == "error", "{ended:?}");
    watch.broker.stop()?;
    watch.broker.serve()?;
    watch.admin = watch.broker.admin().await?;
    watch.nothing_else("three").await?;
    watch.put_for(STRIPE, "stripe-3", 90 * DAY).await?;
    let over = watch.told().await?;
    ensure!(over.what == "expired resolved" && over.id == ended.id, "{over:?}");
    ensure!(over.body["severity"] == "info" && over.reason.starts_with("it is over"), "{over:?}");
    watch.nothing_else("four").await?;
    // Each was sent on the record, and no value is in any of it.
    let sent = |it: &AuditEntry| it.action == "alert.send" && it.reason.contains("(ref stripe");
    let trail = watch.admin.audit_trail().await?;
    ensure!(trail.iter().filter(|it| sent(it)).count() == 2 * 3, "not three by each channel");
    Ok(())
}

async fn what_comes_and_goes_is_told_of_once_until_it_is_quiet(engine: Engine) -> Result<()> {
    let quiet = Monitor { quiet_seconds: 3, ..Monitor::default() };
    let watch = Watch::set(engine, quiet, &analyst()).await?;
    watch.put_for(STRIPE, "stripe-1", 3 * DAY).await?;
    let began = watch.told().await?;
    watch.put_for(STRIPE, "stripe-2", 90 * DAY).await?;
    let over = watch.told().await?;
    ensure!(over.what == "expiring resolved" && over.id == began.id, "{over:?}");
    // It is so again at once: people are told when they have had their quiet, and it still is.
    watch.put_for(STRIPE, "stripe-3", 3 * DAY).await?;
    let again = watch.told().await?;
    ensure!(again.what == "expiring firing" && again.id != began.id, "{again:?}");
    let time = |notice: &Notice| {
        let time = notice.body["time"].as_str().and_then(Timestamp::parse);
        time.context("no time")
    };
    let apart = time(&again)?.millis_since(time(&over)?);
    ensure!(apart >= 3_000, "told after {apart} ms");
    Ok(())
}

async fn a_provider_that_goes_and_comes_back_is_told_of(engine: Engine) -> Result<()> {
    let soon = Monitor { degraded_seconds: 1, ..Monitor::default() };
    let watch = Watch::set(engine, soon, &json!({})).await?;
    let path = watch.broker.providers().join("secrets.json");
    let write = || -> Result<()> {
        fs::write(&path, json!({"a": "one", "b": "two"}).to_string())?;
        Ok(fs::set_permissions(&path, fs::Permissions::from_mode(0o600))?)
    };
    write()?;
    let of_file = |target: &str| json!({"provider": "file", "target": target});
    let manifest = json!({
        "secrets": {"providers": {"file": {"path": "secrets.json"}}},
        "agents": {AGENT: {"tool-bindings": {"t": {"credentials": {
            "a": {"secretRef": "ref-a"}, "b": {"secretRef": "ref-b"},
        }}}}},
        "refMap": {"ref-a": of_file("/a"), "ref-b": of_file("/b")},
    });
    watch.admin.apply(&manifest.to_string()).await?;
    let agent = Agent::enrolled(&watch.broker, &watch.admin, AGENT).await?;
    agent.file_becomes("a", b"one").await?;
    // Others may read it: the provider does not, and both refs are one trouble.
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644))?;
    let began = watch.told().await?;
    ensure!(began.what == "provider-degraded firing", "{began:?}");
    ensure!(began.body["provider"] == "file" && began.body["ref"].is_null(), "{began:?}");
    ensure!(began.reason.contains("2 refs: ref-a, ref-b"), "{began:?}");
    ensure!(began.body["severity"] == "error", "{began:?}");
    watch.nothing_else("one").await?;
    write()?;
    let over = watch.told().await?;
    ensure!(over.what == "provider-degraded resolved" && over.id == began.id, "{over:?}");
    // A record that is gone is a trouble of its ref alone.
    fs::write(&path, json!({"a": "one"}).to_string())?;
    let began = watch.told().await?;
    let of = began.body["ref"] == "ref-b" && began.body["provider"] == "file";
    ensure!(of && began.what == "provider-degraded firing", "{began:?}");
    write()?;
    ensure!(watch.told().await?.id == began.id);
    watch.nothing_else("two").await
}

async fn who_is_behind_and_what_nobody_takes_are_told_of(engine: Engine) -> Result<()> {
    let soon = Monitor { lagging_seconds: 1, unused_seconds: 1, ..Monitor::default() };
    let mut watch = Watch::set(engine, soon, &analyst()).await?;
    watch.put_for(STRIPE, "stripe-1", 90 * DAY).await?;
    let began = watch.told().await?;
    ensure!(began.what == "never-used firing" && began.body["ref"] == STRIPE, "{began:?}");
    ensure!(began.reason.contains(AGENT), "{began:?}");
    let agents = watch.broker.listening().agents.to_string();
    let credentials = peer::enrolled(&agents, &watch.admin.token(AGENT).await?).await?;
    let mut sidecar = peer::Watcher::open(&agents, &credentials).await?;
    let (nonce, entries) = sidecar.manifest().await?;
    sidecar.acknowledge(nonce, &entries).await?;
    let over = watch.told().await?;
    ensure!(over.what == "never-used resolved" && over.id == began.id, "{over:?}");
    // It gets another version, and says nothing.
    watch.put_for(STRIPE, "stripe-2", 90 * DAY).await?;
    let began = watch.told().await?;
    let of = began.body["ref"] == STRIPE && began.body["agent"] == AGENT;
    ensure!(of && began.what == "consumer-lagging firing", "{began:?}");
    ensure!(began.reason.ends_with("is on v1"), "{began:?}");
    watch.nothing_else("one").await?;
    // The broker is started again: it comes back, and is as far as it was.
    watch.broker.stop()?;
    watch.broker.serve()?;
    watch.admin = watch.broker.admin().await?;
    let agents = watch.broker.listening().agents.to_string();
    let mut sidecar = peer::Watcher::open(&agents, &credentials).await?;
    let (nonce, entries) = sidecar.manifest().await?;
    watch.nothing_else("two").await?;
    sidecar.acknowledge(nonce, &entries).await?;
    let over = watch.told().await?;
    ensure!(over.what == "consumer-lagging resolved" && over.id == began.id, "{over:?}");
    watch.nothing_else("three").await
}

async fn an_operator_sees_what_is_so_and_tells_a_channel(engine: Engine) -> Result<()> {
    let watch = Watch::set(engine, Monitor::default(), &analyst()).await?;
    let once = |more: &[&str]| watch.cli.run(&[&["monitor", "--once"], more].concat());
    // Nothing is so but that the agent has no value.
    let found = once(&["--json"])?.ended(1)?.json()?;
    ensure!(found[0]["kind"] == "unresolved" && found[1].is_null(), "{found}");
    watch.put_for(STRIPE, "stripe-1", 20 * DAY).await?;
    once(&[])?.ended(0)?;
    let found = once(&["--check-expiry", "30"])?.ended(1)?;
    ensure!(found.out.contains("expiring   warning   ref stripe-api-key"), "{found:?}");
    ensure!(found.out.contains("valid until 20"), "{found:?}");
    ensure!(found.out.contains("secretref put stripe-api-key"), "{found:?}");
    let found = once(&["--check-expiry", "30", "--json", "--all"])?.ended(1)?.json()?;
    ensure!(found[0]["kind"] == "expiring" && found[0]["ref"] == STRIPE, "{found}");
    // One channel is told of it, and nobody else.
    let channel = ["--check-expiry", "30", "--alert-channel", "pager"];
    let told = once(&channel)?.ended(1)?;
    ensure!(told.err.contains("alert channel pager was told of 1 condition"), "{told:?}");
    let posted: Value = serde_json::from_str(&watch.webhook.next().await?.body)?;
    ensure!(posted["kind"] == "expiring" && posted["ref"] == STRIPE, "{posted}");
    ensure!(watch.slack.rest().await.is_empty(), "Slack was told too");
    once(&["--alert-channel", "nobody"])?.ended(3)?;
    watch.webhook.answer([Answer::Says(404, "")]);
    let failed = once(&channel)?.ended(1)?;
    let said = "alert channel pager was told of 0 conditions: it answered 404";
    ensure!(failed.err.contains(said) && failed.err.contains("Fix: "), "{failed:?}");
    let trail = watch.admin.audit_trail().await?;
    let asked = trail.iter().filter(|it| it.action == "alert.tell" && it.object == "pager");
    ensure!(asked.count() == 2, "not each is on record");
    Ok(())
}

async fn an_operator_watches_what_begins_and_ends(engine: Engine) -> Result<()> {
    let watch = Watch::set(engine, Monitor::default(), &json!({})).await?;
    let logs = tempfile::tempdir()?;
    let follow = |name: &str, more: &[&str]| -> Result<Process> {
        let arguments = [&["monitor", "--interval", "1s"], more].concat();
        Process::start(name, &mut watch.cli.command(&arguments)?, logs.path())
    };
    let people = follow("people", &["--check-expiry", "30", "--alert-channel", "pager"])?;
    people.wait_for_line("nothing is so", DEADLINE)?;
    let programs = follow("programs", &["--check-expiry", "30", "--json"])?;
    watch.put_for(STRIPE, "stripe-1", 20 * DAY).await?;
    people.wait_for_line("⚠️ expiring: stripe-api-key (valid until 20", DEADLINE)?;
    programs.wait_for_line("\"state\":\"firing\",\"kind\":\"expiring\"", DEADLINE)?;
    let began: Value = serde_json::from_str(&watch.webhook.next().await?.body)?;
    ensure!(began["kind"] == "expiring" && began["state"] == "firing", "{began}");
    watch.put_for(STRIPE, "stripe-2", 90 * DAY).await?;
    people.wait_for_line("✅ expiring: stripe-api-key: it is over", DEADLINE)?;
    programs.wait_for_line("\"state\":\"resolved\",\"kind\":\"expiring\"", DEADLINE)?;
    let over: Value = serde_json::from_str(&watch.webhook.next().await?.body)?;
    ensure!(over["kind"] == "expiring" && over["state"] == "resolved", "{over}");
    ensure!(watch.webhook.rest().await.is_empty(), "told more often");
    Ok(())
}
