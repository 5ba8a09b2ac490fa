//! Alerts on their way: once each, so many a minute, tried a few times, on the record however they
//! end, and none of it to anybody else's cost.

use crate::place::{Place, ada, apply, environment, name, put};
use anyhow::{Context, Result, ensure};
use rustls::RootCertStore;
use secretref_broker::{
    alerts::{Alerts, NotSent, Pace},
    custody::Custody,
    outbound::{Outbound, Patience},
};
use secretref_domain::{
    alert::{Alert, AlertKind, ChannelName},
    audit::DecodedEntry,
    id::AgentId,
    name::AgentName,
    version::Revision,
};
use secretref_testkit::{
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines, wait,
};
use serde_json::Value;
use std::time::{Duration, Instant};
use uuid::Uuid;

on_both_engines!(
    what_may_pass_is_tried_again_and_what_may_not_is_not,
    a_channel_without_an_address_is_told_of,
    an_agent_is_told_of_once_until_it_is_well_again,
    what_waits_at_the_end_is_sent_as_one,
);

/// A pace of milliseconds.
fn pace() -> Pace {
    Pace {
        per_window_max: 1000,
        window: Duration::from_millis(1),
        waits: [Duration::from_millis(1); 4],
        retry_after_max: Duration::from_millis(1),
        repeat_seconds: 3600,
    }
}

fn brief() -> Patience {
    Patience { connect: Duration::from_secs(2), whole: Duration::from_millis(500) }
}

/// A broker with alerts of its own pace, and two channels.
struct Desk {
    place: Place,
    custody: Custody,
    alerts: Alerts,
}

impl Desk {
    /// With a webhook at `hook`, and one at `other` where there is another.
    async fn open(
        engine: Engine,
        pace: Pace,
        hook: Option<&Hook>,
        other: Option<&Hook>,
    ) -> Result<Self> {
        let place = Place::found(engine).await?;
        let custody = place.open().await?;
        let mut channels = Vec::new();
        for (called, hook) in [("hook", hook), ("other", other)] {
            if let Some(hook) = hook {
                let url = hook.url("/T0/B0");
                custody.put(&ada(), put(called, url.as_bytes()), None).await?;
                channels.push(format!(
                    r##""#{called}": {{"type": "webhook", "secretRef": "{called}"}}"##
                ));
            }
        }
        let channels = channels.join(", ");
        apply(&custody, &format!(r#"{{"alerts": {{"channels": {{{channels}}}}}}}"#)).await?;
        let outbound = Outbound::believing(RootCertStore::empty(), brief())?;
        let alerts = Alerts::start(custody.clone(), outbound, pace);
        Ok(Self { place, custody, alerts })
    }

    /// What the trail says of what was sent, and what was not.
    async fn outcomes(&self) -> Result<Vec<String>> {
        let trail = self.place.trail().await?.into_iter();
        Ok(trail.filter(|it| it.action == "alert.send").map(|it| it.reason).collect())
    }

    /// Waits until so many outcomes are in the trail.
    async fn settled(&self, count: usize) -> Result<Vec<String>> {
        wait::eventually(&format!("{count} outcomes are on record"), async || {
            let outcomes = self.outcomes().await?;
            Ok((outcomes.len() >= count).then_some(outcomes))
        })
        .await
    }
}

fn alert(reason: &str) -> Alert {
    Alert {
        agent: Some(AgentName::parse("payer").unwrap()),
        reference: Some(name("key")),
        reason: reason.to_owned(),
        fix: "secretref put key".to_owned(),
        ..Alert::of(AlertKind::Unresolved, environment("default"))
    }
}

async fn told(hook: &Hook) -> Result<Value> {
    Ok(serde_json::from_str(&hook.next().await?.body)?)
}

async fn what_may_pass_is_tried_again_and_what_may_not_is_not(engine: Engine) -> Result<()> {
    let well = || Answer::Says(200, "ok");
    let hook = Hook::start([Answer::Says(500, ""), Answer::Later(429, 3600), well()]).await?;
    let desk = Desk::open(engine, pace(), Some(&hook), None).await?;
    desk.alerts.handle().raise(alert("one"));
    let posted = [told(&hook).await?, told(&hook).await?, told(&hook).await?];
    ensure!(posted[0] == posted[1] && posted[1] == posted[2], "a retry says something else");
    let outcomes = desk.settled(1).await?;
    ensure!(outcomes == ["sent: unresolved (agent payer, ref key)"], "{outcomes:?}");
    let table = [
        (Answer::Says(503, ""), "it answered 503 (5 tries)", 5),
        (Answer::Never, "it did not answer in time (5 tries)", 5),
        (Answer::Breaks, "it cannot be reached (5 tries)", 5),
        (Answer::Says(404, ""), "it answered 404 (1 try)", 1),
        (
            Answer::Elsewhere(hook.url("/x")),
            "it answered 302, and redirects are not followed (1",
            1,
        ),
    ];
    for (at, (answer, said, tries)) in table.into_iter().enumerate() {
        hook.answer([answer]);
        desk.alerts.handle().raise(alert(said));
        let outcomes = desk.settled(at + 2).await?;
        let last = outcomes.last().context("nothing on record")?;
        let start = "not sent: unresolved (agent payer, ref key): ";
        ensure!(last.strip_prefix(start).is_some_and(|rest| rest.starts_with(said)), "{last}");
        ensure!(hook.rest().await.len() == tries, "not {tries} tries");
    }
    // Each try read the address, on the record; what was corrected meanwhile is used.
    let reads = desk.place.trail().await?.into_iter().filter(is_read).count();
    ensure!(reads == 3 + 5 + 5 + 5 + 1 + 1, "{reads} reads");
    Ok(())
}

fn is_read(entry: &DecodedEntry) -> bool {
    entry.action == "secret.access" && entry.reason == "alert channel \"#hook\""
}

async fn a_channel_without_an_address_is_told_of(engine: Engine) -> Result<()> {
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let desk = Desk::open(engine, pace(), Some(&hook), None).await?;
    let handle = desk.alerts.handle();
    let test =
        async || handle.test(environment("default"), ChannelName::parse("#hook").unwrap()).await;
    test().await.map_err(|not| anyhow::anyhow!("{not:?}"))?;
    ensure!(told(&hook).await?["kind"] == "test");
    desk.custody.set_deleted(&ada(), None, name("hook"), true, None, None).await?;
    let NotSent { reason, fix } = test().await.err().context("it was sent")?;
    ensure!(reason.contains("\"hook\" is deleted") && fix == "secretref undelete hook", "{reason}");
    desk.custody.set_deleted(&ada(), None, name("hook"), false, None, None).await?;
    desk.custody.put(&ada(), put("hook", b"hooks.example/secret-path"), None).await?;
    let NotSent { reason, fix } = test().await.err().context("it was sent")?;
    ensure!(reason.starts_with("its address is not one") && fix == "secretref put hook");
    ensure!(!reason.contains("secret-path"), "{reason}");
    ensure!(desk.outcomes().await?.len() == 3);
    ensure!(hook.rest().await.is_empty(), "something was sent");
    Ok(())
}

async fn an_agent_is_told_of_once_until_it_is_well_again(engine: Engine) -> Result<()> {
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let desk = Desk::open(engine, pace(), Some(&hook), None).await?;
    let (handle, agent) = (desk.alerts.handle(), AgentId(Uuid::from_u128(1)));
    // A thousand instances of one agent come at once, and go on failing.
    for revision in [1, 1, 2, 2] {
        for _ in 0..250 {
            handle.observe(agent, Revision(revision), vec![alert("one")]);
        }
    }
    let first = told(&hook).await?;
    ensure!(first["reason"] == "one", "{first}");
    handle.observe(agent, Revision(3), Vec::new());
    let over = told(&hook).await?;
    ensure!(over["state"] == "resolved" && over["id"] == first["id"], "{over}");
    handle.observe(agent, Revision(4), vec![alert("one")]);
    let again = told(&hook).await?;
    ensure!(again["reason"] == "one" && again["id"] != first["id"], "{again}");
    // Still there after an hour: a reminder, under its name.
    desk.place.clock.advance_seconds(3600);
    handle.observe(agent, Revision(4), vec![alert("one")]);
    let reminder = told(&hook).await?;
    ensure!(reminder["id"] == again["id"] && reminder["time"] != again["time"], "{reminder}");
    let said = desk.settled(4).await?;
    ensure!(said[1] == "sent: unresolved is over (agent payer, ref key)", "{said:?}");
    ensure!(hook.rest().await.is_empty(), "told more often");
    Ok(())
}

async fn what_waits_at_the_end_is_sent_as_one(engine: Engine) -> Result<()> {
    let hook = Hook::start([Answer::Says(503, ""), Answer::Says(200, "ok")]).await?;
    let patient = Pace { waits: [Duration::from_secs(3600); 4], ..pace() };
    let desk = Desk::open(engine, patient, Some(&hook), None).await?;
    let handle = desk.alerts.handle();
    (0..10).for_each(|at| handle.raise(alert(&at.to_string())));
    // The first waits an hour for its second try, and the others for it.
    ensure!(told(&hook).await?["reason"] == "0");
    let Desk { place, custody: _custody, alerts } = desk;
    alerts.drain().await;
    let last = told(&hook).await?;
    ensure!(last["reason"] == "1" && last["more"] == 8, "{last}");
    ensure!(hook.rest().await.is_empty());
    let trail = place.trail().await?;
    let outcomes: Vec<_> = trail.iter().filter(|it| it.action == "alert.send").collect();
    let reasons: Vec<_> = outcomes.iter().map(|it| it.reason.as_str()).collect();
    let about = "unresolved (agent payer, ref key)";
    ensure!(
        reasons
            == [
                &format!("not sent: {about}: it answered 503 (1 try)"),
                &format!("sent: {about} and 8 more")
            ],
        "{reasons:?}"
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waits_for_the_next_window_is_sent_at_the_end_too() -> Result<()> {
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let slow = Pace { per_window_max: 1, window: Duration::from_secs(3600), ..pace() };
    let desk = Desk::open(Engine::Sqlite, slow, Some(&hook), None).await?;
    (0..5).for_each(|at| desk.alerts.handle().raise(alert(&at.to_string())));
    ensure!(told(&hook).await?["reason"] == "0");
    desk.settled(1).await?;
    let Desk { custody: _custody, alerts, .. } = desk;
    alerts.drain().await;
    let last = told(&hook).await?;
    ensure!(last["reason"] == "1" && last["more"] == 3, "{last}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_for_a_channel_is_summed_up() -> Result<()> {
    let hook = Hook::start([Answer::Says(200, "ok")]).await?;
    let few = Pace { per_window_max: 3, window: Duration::from_millis(300), ..pace() };
    let desk = Desk::open(Engine::Sqlite, few, Some(&hook), None).await?;
    let handle = desk.alerts.handle();
    (0..41).for_each(|at| handle.raise(alert(&at.to_string())));
    let mut all = Vec::new();
    for _ in 0..4 {
        let told = told(&hook).await?;
        all.push((told["reason"].as_str().unwrap_or_default().to_owned(), told["more"].clone()));
    }
    let expected = [("0", 0), ("1", 0), ("2", 0), ("3", 37)];
    let expected = expected.map(|(reason, more)| (reason.to_owned(), Value::from(more)));
    ensure!(all == expected, "{all:?}");
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_channel_holds_nobody_up() -> Result<()> {
    let (dead, well) =
        (Hook::start([Answer::Never]).await?, Hook::start([Answer::Says(200, "ok")]).await?);
    let desk = Desk::open(Engine::Sqlite, pace(), Some(&dead), Some(&well)).await?;
    let handle = desk.alerts.handle();
    handle.raise(alert("first"));
    dead.next().await?;
    // Far more than there is place for; whoever raises waits for none of it.
    let before = Instant::now();
    (0..100_000).for_each(|at| handle.raise(alert(&at.to_string())));
    let took = before.elapsed();
    ensure!(told(&well).await?["reason"] == "first");
    ensure!(told(&well).await?["reason"] == "0", "the other channel waits too");
    println!("100,000 alerts were raised in {took:?}");
    // Custody is as quick as ever.
    desk.custody.put(&ada(), put("a", b"one"), None).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn an_environment_without_a_channel_is_spoken_of_in_the_log_alone() -> Result<()> {
    let desk = Desk::open(Engine::Sqlite, pace(), None, None).await?;
    desk.alerts.handle().raise(alert("one"));
    let Desk { place, custody, alerts } = desk;
    alerts.drain().await;
    ensure!(place.trail().await?.iter().all(|it| it.action != "alert.send"));
    drop(custody);
    Ok(())
}
