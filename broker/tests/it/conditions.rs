//! What is so for a while, as the broker tells it: once, whichever broker tells, and what requests
//! about it may say.

use crate::{
    place::{Place, ada, admin, apply, environment, join, manifest, name, put},
    world::{World, fields},
};
use anyhow::{Context, Result, ensure};
use rustls::RootCertStore;
use secretref_broker::{
    alerts::{Alerts, Monitor, Pace},
    custody::{Custody, CustodyError, Remembered, Report, ReportState, Work},
    outbound::{Outbound, Patience},
};
use secretref_domain::{
    alert::ChannelName,
    condition::{Book, Bounds},
    delivery::Evidence,
    id::BrokerId,
    policy::Role,
};
use secretref_proto::v1::{Condition, ListConditionsRequest, TellConditionsRequest};
use secretref_testkit::{
    engine::Engine,
    hook::{Answer, Hook},
    on_both_engines,
    wait::DEADLINE,
};
use serde_json::Value;
use std::{collections::BTreeSet, time::Duration};
use tokio::{task::JoinHandle, time::timeout};
use tokio_util::sync::{CancellationToken, DropGuard};
use tonic::Code;
use uuid::Uuid;

on_both_engines!(
    of_two_brokers_one_tells_and_the_other_goes_on_where_it_stopped,
    who_does_not_have_the_lease_tells_nobody,
    what_is_too_much_for_one_telling_is_counted,
    who_is_behind_is_known_by_what_he_said_last,
    what_requests_about_conditions_say_is_checked,
);

const CHANNEL: &str = r##"{"alerts": {"channels": {"#hook":
    {"type": "webhook", "secretRef": "hook"}}}}"##;

/// One broker that looks and tells, and a pace at which nothing is summed up.
struct Teller {
    alerts: Alerts,
    monitor: Monitor,
    looking: JoinHandle<()>,
    stop: DropGuard,
}

impl Teller {
    fn start(custody: &Custody) -> Result<Self> {
        let outbound = Outbound::believing(RootCertStore::empty(), Patience::default())?;
        let pace = Pace { per_window_max: 10, window: Duration::from_millis(1), ..Pace::default() };
        let alerts = Alerts::start(custody.clone(), outbound, pace);
        let monitor = Monitor::new(custody.clone(), alerts.handle(), Bounds::DEFAULT, 3600);
        let stop = CancellationToken::new();
        let looking = tokio::spawn(monitor.clone().run(stop.clone()));
        Ok(Self { alerts, monitor, looking, stop: stop.drop_guard() })
    }

    /// Waits until it has looked once more than it had.
    async fn looks(&self) -> Result<()> {
        let mut looks = self.monitor.looks();
        let before = *looks.borrow_and_update();
        let ended = looks.wait_for(|count| *count > before);
        timeout(DEADLINE, ended).await.context("it does not look")??;
        Ok(())
    }

    /// As when a broker is stopped.
    async fn stop(self) -> Result<()> {
        drop(self.stop);
        self.looking.await?;
        self.alerts.drain().await;
        Ok(())
    }
}

async fn hooked(engine: Engine) -> Result<(Place, Custody, Hook)> {
    let (place, hook) =
        (Place::found(engine).await?, Hook::start([Answer::Says(200, "ok")]).await?);
    let custody = place.open().await?;
    custody.put(&ada(), put("hook", hook.url("/").as_bytes()), None).await?;
    apply(&custody, CHANNEL).await?;
    Ok((place, custody, hook))
}

/// Puts a secret that ends in a day.
async fn put_soon(place: &Place, custody: &Custody, name: &str) -> Result<()> {
    let mut soon = put(name, b"value");
    soon.expires_at = Some(place.in_seconds(24 * 3600));
    custody.put(&ada(), soon, None).await?;
    Ok(())
}

async fn told(hook: &Hook) -> Result<String> {
    let told: Value = serde_json::from_str(&hook.next().await?.body)?;
    let word = |key: &str| told[key].as_str().unwrap_or_default().to_owned();
    Ok(format!("{} {} {}", word("kind"), word("ref"), word("state")))
}

/// A broker that is opened reads what the others wrote until then.
async fn of_two_brokers_one_tells_and_the_other_goes_on_where_it_stopped(
    engine: Engine,
) -> Result<()> {
    let (place, custody, hook) = hooked(engine).await?;
    put_soon(&place, &custody, "a").await?;
    let other = place.open_as(BrokerId(Uuid::now_v7())).await?;
    let (first, second) = (Teller::start(&custody)?, Teller::start(&other)?);
    ensure!(told(&hook).await? == "expiring a firing");
    first.looks().await?;
    second.looks().await?;
    first.stop().await?;
    second.stop().await?;
    put_soon(&place, &custody, "b").await?;
    let third = Teller::start(&place.open_as(BrokerId(Uuid::now_v7())).await?)?;
    ensure!(told(&hook).await? == "expiring b firing");
    third.stop().await?;
    custody.set_deleted(&ada(), None, "a".parse()?, true, None, None).await?;
    let last = Teller::start(&place.open_as(BrokerId(Uuid::now_v7())).await?)?;
    ensure!(told(&hook).await? == "expiring a resolved");
    last.stop().await?;
    ensure!(hook.rest().await.is_empty(), "told more often");
    Ok(())
}

/// One that died holds the lease until it lapses: nobody tells meanwhile, and then another does.
async fn who_does_not_have_the_lease_tells_nobody(engine: Engine) -> Result<()> {
    let (place, custody, hook) = hooked(engine).await?;
    let died = place.open_as(BrokerId(Uuid::now_v7())).await?;
    ensure!(died.take_work(Work::Telling).await?.is_some());
    put_soon(&place, &custody, "a").await?;
    let teller = Teller::start(&custody)?;
    teller.looks().await?;
    put_soon(&place, &custody, "b").await?;
    teller.looks().await?;
    ensure!(custody.book().await? == Book::default(), "somebody was told");
    place.clock.advance_seconds(16);
    ensure!(told(&hook).await? == "expiring a firing");
    ensure!(told(&hook).await? == "expiring b firing");
    teller.stop().await?;
    ensure!(hook.rest().await.is_empty(), "told more often");
    Ok(())
}

async fn what_is_too_much_for_one_telling_is_counted(engine: Engine) -> Result<()> {
    let (place, custody, hook) = hooked(engine).await?;
    for number in 0..13 {
        put_soon(&place, &custody, &format!("s{number:02}")).await?;
    }
    let teller = Teller::start(&custody)?;
    for number in 0..13 {
        ensure!(told(&hook).await? == format!("expiring s{number:02} firing"));
    }
    let channel = ChannelName::parse("#hook")?;
    let tell = async |named: BTreeSet<_>, over: BTreeSet<_>| {
        teller.monitor.tell(&environment("default"), &channel, None, named, over).await
    };
    let sent = tell(BTreeSet::new(), BTreeSet::new()).await?;
    ensure!(sent.told == 13 && sent.failed.is_none(), "{sent:?}");
    let mut more = Vec::new();
    for _ in 0..10 {
        let posted: Value = serde_json::from_str(&hook.next().await?.body)?;
        more.push(posted["more"].as_u64().context("no number")?);
    }
    ensure!(more == [0, 0, 0, 0, 0, 0, 0, 0, 0, 3], "{more:?}");
    // Of what is named only what is so is told, and of what is over only what is not.
    let so = teller.monitor.conditions(None, None).await?;
    ensure!(so.len() == 13, "{so:?}");
    let (one, mut gone) = (so[0].key.clone(), so[1].key.clone());
    gone.reference = Some("gone".parse()?);
    let named = BTreeSet::from([one.clone(), gone.clone()]);
    ensure!(tell(named, BTreeSet::from([one, gone])).await?.told == 2);
    let posted = [told(&hook).await?, told(&hook).await?];
    ensure!(posted == ["expiring s00 firing", "expiring gone resolved"], "{posted:?}");
    ensure!(hook.rest().await.is_empty(), "told more often");
    for role in [Role::Writer, Role::Reader, Role::Auditor] {
        let refused = custody.may_tell_conditions(&admin(&[role]), None, &channel).await.err();
        ensure!(matches!(refused, Some(CustodyError::Denied(_))), "{role:?}: {refused:?}");
    }
    teller.stop().await?;
    Ok(())
}

async fn who_is_behind_is_known_by_what_he_said_last(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    let admission = join(&custody, "worker").await?.admitted(&custody).await?;
    let boot = Uuid::from_u128(1);
    let stream = custody.feed().subscribe(admission.agent, admission.instance, boot);
    let mut remembered = Remembered::new();
    // Where it stands then, and whether anybody has taken anything.
    let mut says = async |version, state, detail: &str| {
        let (evidence, detail) = (Evidence::Written, detail.to_owned());
        let name = name("a");
        let deliveries = Vec::new();
        let report = Report { name, version, state, evidence, detail, deliveries };
        custody.report(&admission, boot, vec![report]);
        let seen = custody.seen(&Bounds::DEFAULT, &mut remembered).await?;
        let behind = seen.behind.into_values().flatten().next();
        let since = behind.as_ref().map(|it| it.since);
        let stands = behind.map(|it| it.stands).unwrap_or_default();
        anyhow::Ok((stands, since, !seen.taken.is_empty()))
    };
    let (stands, _, taken) = says(1, ReportState::Received, "").await?;
    ensure!(stands == "has v1 and did not put it in place" && !taken, "{stands}");
    ensure!(says(1, ReportState::Applied, "").await? == (String::new(), None, true));
    custody.put(&ada(), put("a", b"two"), None).await?;
    let since = place.in_seconds(0);
    for (version, state, detail, wanted) in [
        (1, ReportState::Applied, "", "is on v1"),
        (1, ReportState::Deferred, "at nine", "is on v1"),
        (2, ReportState::Received, "", "has v2 and did not put it in place"),
        (2, ReportState::Failed, "", "could not take v2"),
        (2, ReportState::Failed, "disk full", "could not take v2: disk full"),
    ] {
        let (stands, seen_since, _) = says(version, state, detail).await?;
        // It has been behind all the while.
        ensure!(stands == wanted && seen_since == Some(since), "{stands} since {seen_since:?}");
        place.clock.advance_seconds(1);
    }
    for (version, state) in
        [(2, ReportState::Deferred), (2, ReportState::Applied), (1, ReportState::Wiped)]
    {
        let (stands, ..) = says(version, state, "").await?;
        ensure!(stands.is_empty(), "{state:?}: {stands}");
    }
    let (_, again, _) = says(1, ReportState::Applied, "").await?;
    ensure!(again == Some(place.in_seconds(0)), "what was over is not remembered");
    // Who is not connected does not lag: he gets it when he comes.
    drop(stream);
    let (stands, ..) = says(1, ReportState::Applied, "").await?;
    ensure!(stands.is_empty(), "{stands}");
    Ok(())
}

async fn what_requests_about_conditions_say_is_checked(engine: Engine) -> Result<()> {
    let world = World::serving(engine).await?;
    let mut alerts = world.admin.alerts();
    let list = ListConditionsRequest::default;
    for (request, field) in [
        (ListConditionsRequest { environment: "a b".into(), ..list() }, "environment"),
        (
            ListConditionsRequest {
                environment: "default".into(),
                all_environments: true,
                ..list()
            },
            "environment",
        ),
        (ListConditionsRequest { expiring_days: -1, ..list() }, "expiring_days"),
        (ListConditionsRequest { expiring_days: 3_651, ..list() }, "expiring_days"),
    ] {
        let refused = alerts.list_conditions(request).await.err().context("it was taken")?;
        ensure!(fields(&refused) == [field], "{refused:?}");
    }
    let tell =
        || TellConditionsRequest { channel: "#x".into(), ..TellConditionsRequest::default() };
    let key = || Condition {
        kind: "expiring".into(),
        environment: "default".into(),
        ..Condition::default()
    };
    let of = |key: Condition| TellConditionsRequest { began: vec![key], ..tell() };
    for (request, field) in [
        (TellConditionsRequest { environment: "a b".into(), ..tell() }, "environment"),
        (TellConditionsRequest { channel: String::new(), ..tell() }, "channel"),
        (TellConditionsRequest { expiring_days: 3_651, ..tell() }, "expiring_days"),
        (TellConditionsRequest { began: vec![key(); 1_001], ..tell() }, "began"),
        (TellConditionsRequest { over: vec![key(); 1_001], ..tell() }, "over"),
        (of(Condition { kind: "odd".into(), ..key() }), "kind"),
        (of(Condition { environment: String::new(), ..key() }), "environment"),
        (of(Condition { provider: "a b".into(), ..key() }), "provider"),
        (of(Condition { secret_ref: "a b".into(), ..key() }), "secret_ref"),
        (of(Condition { agent: "a b".into(), ..key() }), "agent"),
        (of(Condition { tool: "\n".into(), ..key() }), "tool"),
    ] {
        let said = format!("{request:?}");
        let refused = alerts.tell_conditions(request).await.err().context(said.clone())?;
        ensure!(fields(&refused) == [field], "{said}: {refused:?}");
    }
    let refused = alerts.tell_conditions(tell()).await.err().context("it was taken")?;
    ensure!(refused.code() == Code::NotFound, "{refused}");
    let log = r#"{"alerts": {"channels": {"log": {"type": "log"}}}}"#;
    world.admin.apply(log).await?;
    let elsewhere = Condition { environment: "elsewhere".into(), ..key() };
    let request = TellConditionsRequest { channel: "log".into(), ..of(elsewhere) };
    let refused = alerts.tell_conditions(request).await.err().context("it was taken")?;
    ensure!(fields(&refused) == ["began"], "{refused:?}");
    let request = TellConditionsRequest { channel: "log".into(), ..tell() };
    ensure!(alerts.tell_conditions(request).await?.into_inner().told == 0);
    Ok(())
}
