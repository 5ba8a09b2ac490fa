//! A first message that is not a Hello, or not a valid one, is refused with its field's name.

use crate::world::{Stream, World, fields, hello};
use anyhow::{Context, Result, ensure};
use secretref_proto::v1::{
    Ack, HeldSecret, Hello, NeedSnapshot, Pong, Report, ResumeToken, Schedule, ScheduleState,
    StreamErrorCode, watch_request, watch_response::Message,
};
use secretref_testkit::engine::Engine;
use tonic::{Code, Status};

async fn refusal(world: &World, first: watch_request::Message) -> Result<Status> {
    let credentials = world.enrolled("worker").await?;
    let channel = world.agent_channel(&credentials).await?;
    let mut stream = match Stream::open_with(channel, first).await {
        Ok(stream) => stream,
        Err(status) => return Ok(status),
    };
    match stream.response().await {
        Err(status) => Ok(status),
        Ok(response) => anyhow::bail!("it was answered: {response:?}"),
    }
}

/// A Hello that resumes with what `held` says that it has.
async fn resuming(world: &World, held: HeldSecret) -> Result<Hello> {
    let credentials = world.enrolled("worker").await?;
    let mut stream = Stream::open(world.agent_channel(&credentials).await?, hello()).await?;
    let welcome = stream.response().await?.context("no welcome")?;
    let resume = Some(ResumeToken { store_epoch: welcome.store_epoch, ..ResumeToken::default() });
    Ok(Hello { resume, have: vec![held], ..hello() })
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hello_that_is_not_valid_is_refused_with_its_field() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let held = HeldSecret { name: "a".into(), version: 1, digest: vec![0; 32] };
    let holding = async |held| resuming(&world, held).await;
    let mut cases = vec![];
    for protocol_version in [0, -1, 2, i32::MAX] {
        cases.push(("hello.protocol_version", Hello { protocol_version, ..hello() }));
    }
    cases.push(("hello.client_version", Hello { client_version: "1".repeat(33), ..hello() }));
    for boot_id in ["", "boot", "0192f0a0-0000-7000-8000"] {
        cases.push(("hello.boot_id", Hello { boot_id: boot_id.into(), ..hello() }));
    }
    for message_bytes_max in [0, -1, i32::MIN, 262_143, 16_777_217] {
        cases.push(("hello.message_bytes_max", Hello { message_bytes_max, ..hello() }));
    }
    for alias in ["Vault", "a b", "1st", "v/1", "../v", &"v".repeat(65)] {
        let secrets_provider = alias.to_owned();
        cases.push(("hello.secrets_provider", Hello { secrets_provider, ..hello() }));
    }
    let schedule = |change: fn(&mut Schedule)| {
        let mut schedule = Schedule {
            cron: "0 9 * * 1-5".to_owned(),
            time_zone: "UTC".to_owned(),
            state: ScheduleState::Waiting.into(),
            ..Schedule::default()
        };
        change(&mut schedule);
        Hello { schedule: Some(schedule), ..hello() }
    };
    cases.push(("hello.schedule", schedule(|it| it.cron = "*".repeat(129))));
    cases.push(("hello.schedule", schedule(|it| it.time_zone = "../UTC".to_owned())));
    cases.push(("hello.schedule.state", schedule(|it| it.state = 0)));
    let never = prost_types::Timestamp { seconds: i64::MAX, nanos: 0 };
    cases.push(("hello.schedule.next_run_time", {
        let mut hello = schedule(|_| {});
        hello.schedule.iter_mut().for_each(|it| it.next_run_time = Some(never));
        hello
    }));
    cases.push(("hello.have", Hello { have: vec![held.clone(); 257], ..hello() }));
    for digest in [vec![], vec![0; 31], vec![0; 33]] {
        cases.push(("hello.have", holding(HeldSecret { digest, ..held.clone() }).await?));
    }
    for name in ["", "A", "a b", "../a", "a//b"] {
        let name = name.to_owned();
        cases.push(("hello.have", holding(HeldSecret { name, ..held.clone() }).await?));
    }
    for version in [0, -1, i64::MIN] {
        cases.push(("hello.have", holding(HeldSecret { version, ..held.clone() }).await?));
    }
    for (field, hello) in cases {
        let shown = format!("{field} of {hello:?}");
        let status = refusal(&world, watch_request::Message::Hello(hello)).await?;
        ensure!(status.code() == Code::InvalidArgument, "{shown}: {status}");
        ensure!(fields(&status) == [field], "{shown}: {status:?}");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_begins_with_one_hello() -> Result<()> {
    let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
    let others = [
        watch_request::Message::Ack(Ack::default()),
        watch_request::Message::Report(Report::default()),
        watch_request::Message::Pong(Pong::default()),
        watch_request::Message::NeedSnapshot(NeedSnapshot::default()),
    ];
    for first in others {
        let status = refusal(&world, first).await?;
        ensure!(status.code() == Code::InvalidArgument, "{status}");
        ensure!(fields(&status) == ["message"], "{status:?}");
    }
    let mut stream = world.stream(hello()).await?;
    stream.say(watch_request::Message::Hello(hello())).await?;
    loop {
        match stream.next().await? {
            Message::Error(error) => {
                ensure!(error.code() == StreamErrorCode::Protocol, "{error:?}");
                break;
            }
            Message::Manifest(_) | Message::Heartbeat(_) => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    let end = stream.response().await.err().context("the stream goes on")?;
    ensure!(end.code() == Code::FailedPrecondition, "{end}");
    Ok(())
}
