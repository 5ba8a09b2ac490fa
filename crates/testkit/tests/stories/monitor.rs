//! What ends, fails or is stuck is told of before an agent goes without: once when it begins, and
//! once when it is over.

use crate::scene::{AGENT, SLACK, SLACK_FILE, STRIPE};
use anyhow::{Context, Result, ensure};
use secretref_broker::app;
use secretref_domain::clock::{Clock, Timestamp};
use secretref_proto::v1::PutSecretRequest;
use secretref_testkit::{
    admin::Admin,
    agent::Agent,
    broker::Broker,
    cli::Cli,
    clock::ManualClock,
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines,
    process::Process,
    wait::DEADLINE,
};
use serde_json::{Value, json};
use std::sync::Arc;

on_both_engines!(
    an_end_is_told_of_once_and_that_it_is_over_too,
    a_rotation_that_fails_is_told_of,
    an_operator_looks_once_or_goes_on,
);

const CHANNELS: [(&str, &str); 2] = [("#finance-alerts", "slack"), ("pager", "webhook")];
const DAY: i64 = 86_400;

/// A broker with two channels that people read, and a clock that a story moves.
struct Office {
    broker: Broker,
    admin: Admin,
    clock: ManualClock,
    slack: Hook,
    pager: Hook,
}

impl Office {
    async fn open(engine: Engine) -> Result<Self> {
        let clock = ManualClock::at(app::SystemClock.now());
        let broker = Broker::start_by(engine, Arc::new(clock.clone())).await?;
        let admin = broker.admin().await?;
        let well = || Hook::start([Answer::Says(200, "ok")]);
        let (slack, pager) = (well().await?, well().await?);
        admin.put("slack-url", slack.url("/T0/B0").as_bytes()).await?;
        admin.put("pager-url", pager.url("/page").as_bytes()).await?;
        let channel = |kind: &str| {
            json!({"type": kind, "secretRef": match kind {
                "slack" => "slack-url",
                _ => "pager-url",
            }})
        };
        let channels: serde_json::Map<String, Value> =
            CHANNELS.iter().map(|(name, kind)| ((*name).to_owned(), channel(kind))).collect();
        let manifest = json!({
            "alerts": {"channels": channels},
            "refMap": {
                STRIPE: {"provider": "store"},
                SLACK: {"provider": "store", "rotation": {"rotator": "random"}},
            },
        });
        admin.apply(&manifest.to_string()).await?;
        Ok(Self { broker, admin, clock, slack, pager })
    }

    async fn put(&self, name: &str, value: &str, days: i64) -> Result<Timestamp> {
        let end = self.clock.now().plus_seconds(days * DAY);
        let request = PutSecretRequest {
            name: name.to_owned(),
            value: value.as_bytes().to_vec(),
            expire_time: Some(prost_types::Timestamp {
                seconds: end.as_micros() / 1_000_000,
                nanos: 0,
            }),
            ..PutSecretRequest::default()
        };
        self.admin.secrets().put_secret(request).await?;
        Ok(end)
    }

    /// The next thing that both were told, as the pager reads it.
    async fn told(&self) -> Result<Value> {
        let slack: Value = serde_json::from_str(&self.slack.next().await?.body)?;
        let pager: Value = serde_json::from_str(&self.pager.next().await?.body)?;
        let text = slack["text"].as_str().context("no text")?;
        let reason = pager["reason"].as_str().context("no reason")?;
        ensure!(text.contains(reason) && slack["blocks"].is_array(), "{slack}");
        Ok(pager)
    }
}

async fn an_end_is_told_of_once_and_that_it_is_over_too(engine: Engine) -> Result<()> {
    let office = Office::open(engine).await?;
    let end = office.put(STRIPE, "stripe-1", 10).await?;
    // Nothing is near yet. What is told first is therefore the end that comes near.
    office.clock.advance_seconds(3 * DAY + 60);
    let began = office.told().await?;
    ensure!(began["kind"] == "expiring" && began["ref"] == STRIPE, "{began}");
    ensure!(began["over"] == false && began["severity"] == "warning", "{began}");
    let reason = began["reason"].as_str().unwrap_or_default();
    ensure!(reason.starts_with(&format!("its value ends {}", &end.to_string()[..10])), "{began}");
    ensure!(began["fix"] == format!("secretref put {STRIPE}"), "{began}");
    // It is told of once, however often it is looked at; what is told next is that it has ended.
    office.clock.advance_seconds(3 * DAY);
    office.clock.advance_seconds(4 * DAY);
    let ended = office.told().await?;
    ensure!(ended["kind"] == "expired" && ended["severity"] == "error", "{ended}");
    office.clock.advance_seconds(61);
    let over = office.told().await?;
    ensure!(over["kind"] == "expiring" && over["over"] == true, "{over}");
    ensure!(over["id"] == began["id"], "both ends have another name: {over}");
    // A value that lasts is the end of it, once it has lasted for a minute.
    office.put(STRIPE, "stripe-2", 100).await?;
    let looked = office.clock.advance_seconds(0);
    let settled = async {
        // Moved on until the broker has looked twice: before the minute, and after it.
        loop {
            office.clock.advance_seconds(31);
            tokio::task::yield_now().await;
            if let Ok(told) = tokio::time::timeout(LOOKS, office.told()).await {
                return told;
            }
        }
    };
    let over = tokio::time::timeout(DEADLINE, settled).await??;
    ensure!(over["kind"] == "expired" && over["over"] == true, "{over}");
    ensure!(office.clock.now() >= looked.plus_seconds(60), "it was told of too soon");
    Ok(())
}

async fn a_rotation_that_fails_is_told_of(engine: Engine) -> Result<()> {
    let office = Office::open(engine).await?;
    // A program that lives with the old value alone.
    let manifest = json!({
        "secrets": {"rotators": {"random": {"length": 24}}},
        "agents": {AGENT: {
            "process": {"gate": {"alive": "200ms"}},
            "tool-bindings": {"slack": {"credentials": {
                "botToken": {"secretRef": SLACK, "envVar": SLACK_FILE}}}},
        }},
    });
    office.admin.apply(&manifest.to_string()).await?;
    office.admin.put(SLACK, b"slack-1").await?;
    let mut agent = Agent::new(&office.broker)?;
    agent.give_token(&office.admin.token(AGENT).await?)?;
    let script = r#"test "$SLACK_BOT_TOKEN" = slack-1 || exit 7
        echo "lives"; while :; do sleep 0.05; done"#;
    agent.run_with(&[], &["/bin/sh", "-c", script])?;
    agent.says("lives")?;
    let cli = Cli::of(&office.broker)?;
    cli.run(&["rotate", SLACK, "--reason", "for the story", "--wait"])?.ended(1)?;
    let told = office.told().await?;
    ensure!(told["kind"] == "rotation-failed" && told["ref"] == SLACK, "{told}");
    ensure!(told["reason"].as_str().is_some_and(|it| it.contains("could not take v2")), "{told}");
    ensure!(told["fix"] == format!("secretref rotate {SLACK}"), "{told}");
    Ok(())
}

async fn an_operator_looks_once_or_goes_on(engine: Engine) -> Result<()> {
    let office = Office::open(engine).await?;
    let cli = Cli::of(&office.broker)?;
    let clear = cli.run(&["monitor", "--once"])?.ended(0)?;
    ensure!(clear.err.contains("nothing stands in environment default"), "{clear:?}");
    // Beyond the broker's own week, so that only who asks is told.
    office.put(STRIPE, "stripe-1", 20).await?;
    cli.run(&["monitor", "--check-expiry", "7", "--once"])?.ended(0)?;
    let far = ["monitor", "--check-expiry", "30", "--alert-channel", "#finance-alerts", "--once"];
    let found = cli.run(&far)?.ended(1)?;
    ensure!(
        found.out.contains("expiring") && found.out.contains("ref stripe-api-key"),
        "{found:?}"
    );
    ensure!(found.err.contains("alert channel #finance-alerts was told of 1"), "{found:?}");
    let slack: Value = serde_json::from_str(&office.slack.next().await?.body)?;
    ensure!(slack["text"].as_str().is_some_and(|it| it.contains("ends soon")), "{slack}");
    let json =
        cli.run(&["monitor", "--check-expiry", "30", "--once", "--json"])?.ended(1)?.json()?;
    ensure!(json["conditions"][0]["ref"] == STRIPE && json["told"].is_null(), "{json}");
    cli.run(&["monitor", "--alert-channel", "#nobodys", "--once"])?.ended(3)?;

    // Going on: what begins and what is over, a JSON line each.
    let logs = tempfile::tempdir()?;
    let mut command = cli.command(&["monitor", "--check-expiry", "30", "--json"])?;
    let mut monitor = Process::start("monitor", &mut command, logs.path())?;
    let began = monitor.wait_for_line("expiring", DEADLINE)?;
    let began: Value = serde_json::from_str(&began)?;
    ensure!(began["over"] == false && began["condition"]["ref"] == STRIPE, "{began}");
    office.put(STRIPE, "stripe-2", 100).await?;
    let over = monitor.wait_for_line(r#""over":true"#, DEADLINE)?;
    ensure!(over.contains(STRIPE), "{over}");
    monitor.terminate(DEADLINE)?;
    Ok(())
}

/// How long the broker has to look again: it does so once a second.
const LOOKS: std::time::Duration = std::time::Duration::from_secs(3);
