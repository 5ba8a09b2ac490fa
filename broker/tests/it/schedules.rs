//! Programs that run by a schedule: what is known of one while it waits and nobody is connected,
//! and the look that delivers nothing.

use crate::world::{Stream, World, hello};
use anyhow::{Context, Result, ensure};
use secretref_domain::{
    clock::{Clock, Timestamp},
    id::BrokerId,
    name::AgentName,
    schedule::{Outcome, Run, State, Told},
};
use secretref_proto::{
    convert::{from_schedule, to_schedule},
    v1::{Hello, RefState, Report, watch_request::Message as Saying, watch_response::Message},
};
use secretref_testkit::{engine::Engine, on_both_engines, wait::eventually};

on_both_engines!(
    a_schedule_is_known_while_nobody_is_connected,
    a_look_before_a_run_delivers_nothing,
    another_process_ends_what_the_one_before_said,
);

/// As it is told before the first run.
fn told(world: &World, state: State, next_in_seconds: i64) -> Told {
    let now = Timestamp::from_micros(world.place.clock.now().as_micros() / 1_000_000 * 1_000_000);
    Told {
        cron: "0 9 * * 1-5".to_owned(),
        time_zone: "Europe/Berlin".to_owned(),
        state,
        next_run: Some(now.plus_seconds(next_in_seconds)),
        running_since: None,
        last_run: None,
    }
}

/// Whether the status of the worker is this for its only ref and instance.
async fn shows(world: &World, state: RefState, wanted: Option<&Told>) -> Result<()> {
    eventually(&format!("{state:?} {wanted:?}"), async || {
        let status = world.admin.status("worker").await?;
        let instance = status.instances.first().context("no instance")?;
        let told = instance.schedule.as_ref().map(from_schedule).transpose()?;
        let found = (status.refs[0].state(), told.as_ref());
        Ok((found == (state, wanted)).then_some(()))
    })
    .await
}

async fn a_schedule_is_known_while_nobody_is_connected(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a"]).await?;
    let credentials = world.enrolled("worker").await?;
    let channel = world.agent_channel(&credentials).await?;
    let running = told(&world, State::Running, 3600);
    let introduced = Hello { schedule: Some(to_schedule(&running)), ..hello() };
    let mut stream = Stream::open(channel, introduced).await?;
    stream.manifest_after_welcome().await?;
    shows(&world, RefState::Pending, Some(&running)).await?;

    let run = Run {
        due: world.place.in_seconds(-60),
        start: Some(world.place.in_seconds(-59)),
        end: world.place.in_seconds(-1),
        outcome: Outcome::Ended,
        exit_code: 3,
        detail: String::new(),
    };
    let waiting = Told { last_run: Some(run), ..told(&world, State::Waiting, 3600) };
    let report = |told: &Told| {
        Saying::Report(Report { schedule: Some(to_schedule(told)), ..Report::default() })
    };
    stream.say(report(&waiting)).await?;
    // What is not plausible is not taken, and nobody is cut for it.
    stream.say(report(&Told { cron: String::new(), ..waiting.clone() })).await?;
    shows(&world, RefState::Pending, Some(&waiting)).await?;
    drop(stream);
    shows(&world, RefState::Scheduled, Some(&waiting)).await?;
    let status = world.admin.status("worker").await?;
    let next = waiting.next_run.context("a next run")?;
    ensure!(status.refs[0].reason == format!("next run {next}"), "{status:?}");

    // It outlives the broker, and is in the trail.
    let other = world.place.open_as(BrokerId(uuid::Uuid::now_v7())).await?;
    let agent = other.show_agent(&crate::place::ada(), None, &AgentName::parse("worker")?).await?;
    let kept = other.agent_schedules(&crate::place::ada(), agent.0.id).await?;
    ensure!(kept.len() == 1 && kept[0].told == waiting, "{kept:?}");
    let trail = world.place.trail().await?;
    let noted: Vec<_> = trail.iter().filter(|it| it.action == "agent.schedule").collect();
    let last = noted.last().context("nothing is in the trail")?;
    ensure!(last.object == "worker" && last.reason == waiting.words(), "{last:?}");

    // A run that nobody has heard of a minute after it was due is no reason for calm.
    world.place.clock.advance_seconds(3600 + 60);
    shows(&world, RefState::Scheduled, Some(&waiting)).await?;
    world.place.clock.advance_seconds(1);
    shows(&world, RefState::Waiting, Some(&waiting)).await?;
    // And at last it is forgotten.
    world.place.clock.advance_seconds(8 * 24 * 3600);
    other.tidy().await?;
    ensure!(other.agent_schedules(&crate::place::ada(), agent.0.id).await?.is_empty(), "it stays");
    Ok(())
}

async fn a_look_before_a_run_delivers_nothing(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a", "b"]).await?;
    let credentials = world.enrolled("worker").await?;
    let waiting = told(&world, State::Waiting, 3600);
    let before = world.place.trail().await?.len();
    let look = Hello { schedule: Some(to_schedule(&waiting)), values_withheld: true, ..hello() };
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, look).await?;
    let Message::Welcome(_) = stream.next().await? else { anyhow::bail!("no welcome") };
    let manifest = stream.manifest().await?;
    let names: Vec<_> = manifest.entries.iter().map(|it| (it.name.as_str(), it.version)).collect();
    ensure!(names == [("a", 1), ("b", 1)], "{names:?}");
    ensure!(manifest.entries.iter().all(|it| it.value.is_none()), "a value left");
    ensure!(manifest.entries[0].targets[0].secret_ref == "a", "{manifest:?}");
    // It is no stream: nobody is connected, and a put is owed to nobody.
    let status = world.admin.status("worker").await?;
    ensure!(!status.instances[0].connected, "{status:?}");
    ensure!(status.refs[0].state() == RefState::Scheduled, "{status:?}");
    world.admin.put("a", b"a-2").await?;
    drop(stream);
    let trail = world.place.trail().await?.split_off(before);
    let actions: Vec<_> = trail.iter().map(|it| it.action.as_str()).collect();
    ensure!(!actions.contains(&"secret.deliver"), "{actions:?}");
    ensure!(actions.contains(&"agent.schedule"), "{actions:?}");
    Ok(())
}

async fn another_process_ends_what_the_one_before_said(engine: Engine) -> Result<()> {
    let world = World::with_worker(engine, &["a"]).await?;
    let credentials = world.enrolled("worker").await?;
    let waiting = told(&world, State::Waiting, 3600);
    let schedule = Some(to_schedule(&waiting));
    let look = Hello { schedule: schedule.clone(), values_withheld: true, ..hello() };
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, look).await?;
    stream.manifest_after_welcome().await?;
    shows(&world, RefState::Scheduled, Some(&waiting)).await?;
    // The same instance, without a schedule.
    world.place.clock.advance_seconds(1);
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, hello()).await?;
    let manifest = stream.manifest_after_welcome().await?;
    let applied = secretref_proto::v1::SecretResult {
        name: "a".to_owned(),
        version: 1,
        state: secretref_proto::v1::ResultState::Applied.into(),
        ..secretref_proto::v1::SecretResult::default()
    };
    let ack = secretref_proto::v1::Ack { nonce: manifest.nonce, results: vec![applied] };
    stream.say(Saying::Ack(ack)).await?;
    shows(&world, RefState::Injected, None).await?;
    drop(stream);
    shows(&world, RefState::Waiting, None).await
}
