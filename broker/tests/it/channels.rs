//! Alert channels: kept by an apply, shown, removed, and opened by the broker alone.

use crate::{
    place::{Place, ada, admin, apply, environment, join, manifest, nobody, put, to_apply},
    world::World,
};
use anyhow::{Context, Result, ensure};
use secretref_broker::custody::{AppliedChange, Apply, Custody, CustodyError};
use secretref_domain::{
    alert::{ChannelKind, ChannelName},
    audit::Decision,
    caller::Caller,
    policy::Role,
};
use secretref_proto::v1::{ListChannelsRequest, TestChannelRequest};
use secretref_testkit::{engine::Engine, on_both_engines};
use tonic::Code;

on_both_engines!(
    an_apply_keeps_what_it_names_and_a_prune_removes_the_rest,
    a_channel_without_an_address_is_listed_with_its_fix,
    only_the_broker_opens_a_channel_and_it_is_on_record,
);

const FINANCE: &str = r##"{"alerts": {"channels": {
    "#finance": {"type": "slack", "secretRef": "hook"},
    "log": {"type": "log"}}}}"##;

fn channel(name: &str) -> ChannelName {
    ChannelName::parse(name).unwrap()
}

async fn applied(custody: &Custody, apply: Apply) -> Result<Vec<AppliedChange>> {
    Ok(custody.apply(&ada(), apply, Vec::new(), None).await?.answer.changes)
}

fn said(changes: &[AppliedChange]) -> Vec<String> {
    let channels = changes.iter().filter(|change| change.kind == "channel");
    channels.map(|change| format!("{} {}", change.name, change.action)).collect()
}

async fn names(custody: &Custody, of: &str) -> Result<Vec<String>> {
    let found = custody.list_channels(&ada(), Some(environment(of))).await?;
    Ok(found.into_iter().map(|view| view.name.to_string()).collect())
}

async fn an_apply_keeps_what_it_names_and_a_prune_removes_the_rest(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let dry = Apply { validate_only: true, ..to_apply(FINANCE) };
    let changes = applied(&custody, dry).await?;
    ensure!(said(&changes) == ["#finance created", "log created"], "{changes:?}");
    let shown: Vec<_> = changes[0].differences.iter().map(|it| it.path.as_str()).collect();
    ensure!(
        shown == ["alerts.channels[\"#finance\"].secretRef", "alerts.channels[\"#finance\"].type"]
    );
    ensure!(names(&custody, "default").await?.is_empty(), "a dry run kept something");
    let changes = applied(&custody, to_apply(FINANCE)).await?;
    ensure!(said(&changes) == ["#finance created", "log created"], "{changes:?}");
    let changes = applied(&custody, to_apply(FINANCE)).await?;
    ensure!(said(&changes) == ["#finance unchanged", "log unchanged"], "{changes:?}");
    let other = FINANCE.replace("slack", "webhook");
    let changes = applied(&custody, to_apply(&other)).await?;
    ensure!(said(&changes) == ["#finance updated", "log unchanged"], "{changes:?}");
    // It goes where the apply goes.
    let elsewhere = Apply { environment: Some(environment("staging")), ..to_apply(FINANCE) };
    applied(&custody, elsewhere).await?;
    ensure!(names(&custody, "staging").await? == ["#finance", "log"]);
    let kept = r#"{"alerts": {"channels": {"log": {"type": "log"}}}}"#;
    let changes = applied(&custody, Apply { prune: true, ..to_apply(kept) }).await?;
    ensure!(said(&changes) == ["log unchanged", "#finance removed"], "{changes:?}");
    ensure!(names(&custody, "default").await? == ["log"]);
    ensure!(names(&custody, "staging").await? == ["#finance", "log"], "pruned elsewhere too");
    let trail = place.trail().await?;
    let told = |object: &str, reason: &str| {
        trail
            .iter()
            .any(|it| it.object_kind == "channel" && it.object == object && it.reason == reason)
    };
    ensure!(told("#finance", "created") && told("#finance", "removed"), "{trail:?}");
    // What another broker reads of the log is the same.
    drop(custody);
    let custody = place.open().await?;
    ensure!(names(&custody, "default").await? == ["log"]);
    let many: Vec<String> = (0..40).map(|at| format!(r#""x{at}": {{"type": "log"}}"#)).collect();
    let many = |from: &str| {
        let channels = many.join(", ").replace('x', from);
        format!(r#"{{"alerts": {{"channels": {{{channels}}}}}}}"#)
    };
    apply(&custody, &many("a")).await?;
    let refused = apply(&custody, &many("b")).await.err();
    ensure!(
        matches!(&refused, Some(CustodyError::Invalid { problem, .. })
        if problem.contains("would have 81: 64 at most")),
        "{refused:?}"
    );
    Ok(())
}

async fn a_channel_without_an_address_is_listed_with_its_fix(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    let answer = custody.apply(&ada(), to_apply(FINANCE), Vec::new(), None).await?.answer;
    let [found] = answer.unresolved.as_slice() else { anyhow::bail!("{:?}", answer.unresolved) };
    ensure!(found.reference.as_str() == "hook" && found.agents.is_empty(), "{found:?}");
    ensure!(found.channels == [channel("#finance")].into(), "{found:?}");
    ensure!(found.fix == "secretref put hook" && !found.required, "{found:?}");
    let strict = Apply { strict: true, ..to_apply(FINANCE) };
    let refused = custody.apply(&ada(), strict, Vec::new(), None).await.err();
    ensure!(
        matches!(&refused, Some(CustodyError::Precondition { fix, .. })
        if fix == "secretref put hook"),
        "{refused:?}"
    );
    // A ref that an agent is bound to and that is a channel's address is listed once.
    let both = FINANCE.replacen(
        '{',
        r#"{"agents": {"worker": {"tool-bindings": {"t": {"credentials":
        {"k": {"secretRef": "hook", "file": "f"}}}}}}, "#,
        1,
    );
    let answer = custody.apply(&ada(), to_apply(&both), Vec::new(), None).await?.answer;
    let [found] = answer.unresolved.as_slice() else { anyhow::bail!("{:?}", answer.unresolved) };
    ensure!(found.agents.len() == 1 && found.channels.len() == 1 && found.required, "{found:?}");
    let listed = custody.list_channels(&ada(), None).await?;
    let problem = listed[0].problem.clone().context("no problem")?;
    ensure!(problem.0.contains("\"hook\" is not in the store"), "{problem:?}");
    ensure!(listed[1].problem.is_none(), "a log has an address");
    custody.put(&ada(), put("hook", b"https://hooks.example/x"), None).await?;
    ensure!(custody.list_channels(&ada(), None).await?[0].problem.is_none());
    let answer = custody.apply(&ada(), to_apply(FINANCE), Vec::new(), None).await?.answer;
    ensure!(answer.unresolved.is_empty(), "{:?}", answer.unresolved);
    Ok(())
}

async fn only_the_broker_opens_a_channel_and_it_is_on_record(engine: Engine) -> Result<()> {
    let place = Place::found(engine).await?;
    let custody = place.open().await?;
    custody.put(&ada(), put("a", b"one"), None).await?;
    apply(&custody, &manifest("worker", &["a"])).await?;
    apply(&custody, FINANCE).await?;
    let (of, finance) = (environment("default"), channel("#finance"));
    let broker = Caller::Broker { id: custody.broker() };
    let refused = custody.open_channel(&broker, &of, &finance).await.err();
    ensure!(
        matches!(&refused, Some(CustodyError::Precondition { code: "CHANNEL_UNRESOLVED", fix, .. })
        if fix == "secretref put hook"),
        "{refused:?}"
    );
    custody.put(&ada(), put("hook", b"https://hooks.example/x"), None).await?;
    let opened = custody.open_channel(&broker, &of, &finance).await?;
    ensure!(opened.kind == ChannelKind::Slack);
    ensure!(opened.address.context("no address")?.expose() == b"https://hooks.example/x");
    let trail = place.trail().await?;
    let read = trail.last().context("an empty trail")?;
    ensure!(read.action == "secret.access" && read.object == "hook", "{read:?}");
    ensure!(read.actor == format!("broker:{}", custody.broker()) && read.version == 1, "{read:?}");
    ensure!(read.reason == "alert channel \"#finance\"", "{read:?}");
    let opened = custody.open_channel(&broker, &of, &channel("log")).await?;
    ensure!(opened.kind == ChannelKind::Log && opened.address.is_none());
    let worker = join(&custody, "worker").await?.caller;
    let before = place.trail().await?.len();
    for who in [&worker, &nobody(), &ada()] {
        for name in ["#finance", "nothing"] {
            let denied = [
                custody.open_channel(who, &of, &channel(name)).await.err(),
                custody.record_alert(who, &of, &channel(name), String::new()).await.err(),
                custody.channels_of(who, &of).await.err(),
            ];
            ensure!(
                denied.iter().all(|it| matches!(it, Some(CustodyError::Denied(_)))),
                "{who}: {denied:?}"
            );
        }
    }
    let denials = place.trail().await?.split_off(before);
    ensure!(denials.len() == 18, "{} denials of 18 are on record", denials.len());
    ensure!(denials.iter().all(|it| it.decision == Decision::Denied), "{denials:?}");
    // Whoever tries a channel needs the operator's role, and is on record.
    let operator = admin(&[Role::Operator]);
    custody.try_channel(&operator, None, &finance).await?;
    let trail = place.trail().await?;
    let tried = trail.last().context("an empty trail")?;
    ensure!(tried.action == "alert.test" && tried.object == "#finance", "{tried:?}");
    for role in [Role::Writer, Role::Reader, Role::Auditor] {
        let refused = custody.try_channel(&admin(&[role]), None, &finance).await.err();
        ensure!(matches!(refused, Some(CustodyError::Denied(_))), "{role:?}: {refused:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_requests_about_channels_say_is_checked() -> Result<()> {
    let world = World::serving(Engine::Sqlite).await?;
    let mut alerts = world.admin.alerts();
    for environment in ["Prod", "a b", "../a"] {
        let environment = environment.to_owned();
        let list = ListChannelsRequest { environment: environment.clone() };
        let refused = alerts.list_channels(list).await.err().context("it was taken")?;
        ensure!(crate::world::fields(&refused) == ["environment"], "{refused:?}");
        let test = TestChannelRequest { name: "x".into(), environment };
        let refused = alerts.test_channel(test).await.err().context("it was taken")?;
        ensure!(crate::world::fields(&refused) == ["environment"], "{refused:?}");
    }
    for name in ["", "a\nb", &"x".repeat(81)] {
        let test = TestChannelRequest { name: name.to_owned(), ..Default::default() };
        let refused = alerts.test_channel(test).await.err().context("it was taken")?;
        ensure!(refused.code() == Code::InvalidArgument, "{refused}");
        ensure!(crate::world::fields(&refused) == ["name"], "{refused:?}");
    }
    let test = TestChannelRequest { name: "#none".into(), ..Default::default() };
    let refused = alerts.test_channel(test).await.err().context("it was sent")?;
    ensure!(refused.code() == Code::NotFound, "{refused}");
    Ok(())
}
