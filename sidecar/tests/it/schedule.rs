//! A program that runs by a schedule, under the real binary and the real clock: what it has while
//! it runs, what is left between runs, and what the broker is told.

use crate::{
    broker::{DEADLINE, FakeBroker, FakeStream, World},
    guest::{Home, bare, manifest},
    program::{Sidecar, variable},
};
use rustix::process::{Pid, Signal, kill_process};
use secretref_proto::v1::{
    self, ManifestKind, MissingRef, RunOutcome, ScheduleState, ScheduledRun, watch_request::Message,
};
use std::{
    io::Read,
    process::{Command, ExitStatus, Stdio},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};
use tokio::{task::spawn_blocking, time::timeout};

const EVERY_SECOND: &str = "* * * * * *";

struct Scene {
    world: Arc<World>,
    broker: FakeBroker,
    home: Home,
    sidecar: Sidecar,
}

/// A sidecar that runs a program by a schedule.
async fn launched(cron: &str, options: &[&str], program: &[&str]) -> Scene {
    let world = World::new();
    launched_in(world, cron, options, program).await
}

async fn launched_in(world: Arc<World>, cron: &str, options: &[&str], program: &[&str]) -> Scene {
    let broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let words = [&["--schedule", cron], options, &["--"], program].concat();
    // A program knows where its files are, and where it is told to end.
    let (secrets, state) = (home.secrets.path(), home.state.path());
    let place = |word: &&str| {
        let word = word.replace("SECRETS", secrets.to_str().unwrap());
        word.replace("STATE", state.to_str().unwrap())
    };
    let words: Vec<String> = words.iter().map(place).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let sidecar = Sidecar::run(&home, &world, &broker, &words);
    Scene { world, broker, home, sidecar }
}

/// A sidecar that runs a shell script by a schedule, and was answered its first look.
async fn scheduled(cron: &str, options: &[&str], script: &str) -> Scene {
    let mut scene = launched(cron, options, &["/bin/sh", "-c", script]).await;
    let (told, _) = scene.look().await;
    assert_eq!(told.state(), ScheduleState::Waiting);
    assert!(told.next_run_time.is_some() && told.last_run.is_none(), "{told:?}");
    scene
}

/// The same, due in a moment, and then not for a day. On a busy machine the moment may be over
/// before it came so far: then another one is tried.
async fn scheduled_once(script: &str) -> Scene {
    loop {
        let mut scene = launched(&once_in(2), &[], &["/bin/sh", "-c", script]).await;
        let (told, _) = scene.look().await;
        if told.next_run_time.unwrap().seconds < seconds_now() + 3600 {
            return scene;
        }
    }
}

impl Scene {
    /// Answers a look with a set without values; gives what it told.
    async fn look(&mut self) -> (v1::Schedule, FakeStream) {
        let stream = self.broker.stream(&self.world).await;
        assert!(stream.hello.values_withheld && stream.hello.have.is_empty());
        let set = vec![bare(variable("a", 1, "a1", ""))];
        stream.manifest(1, manifest(1, ManifestKind::Delta, set)).await;
        (stream.hello.schedule.clone().unwrap(), stream)
    }

    /// The stream of the next run, answered with a value; gives what it told.
    async fn run(&mut self, value: &str) -> FakeStream {
        let stream = self.begin().await;
        let set = vec![variable("a", 1, value, "")];
        stream.manifest(1, manifest(1, ManifestKind::Snapshot, set)).await;
        stream
    }

    /// The stream of the next run, not answered yet.
    async fn begin(&mut self) -> FakeStream {
        let stream = self.broker.stream(&self.world).await;
        assert!(!stream.hello.values_withheld && stream.hello.resume.is_none());
        let told = stream.hello.schedule.clone().unwrap();
        assert_eq!(told.state(), ScheduleState::Running);
        stream
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.sidecar.child), signal).unwrap();
    }

    /// How the sidecar ends.
    async fn ended(mut self) -> ExitStatus {
        let ended = spawn_blocking(move || self.sidecar.child.wait().unwrap());
        timeout(DEADLINE, ended).await.unwrap().unwrap()
    }
}

/// What the broker is told until the stream ends: results, and what is said of the schedule last.
async fn rest(stream: &mut FakeStream) -> (Vec<v1::SecretResult>, Option<v1::Schedule>) {
    let (mut results, mut told) = (Vec::new(), None);
    while let Some(message) = stream.heard().await {
        match message {
            Message::Ack(ack) => results.extend(ack.results),
            Message::Report(report) => {
                results.extend(report.results);
                told = report.schedule.or(told);
            }
            other => panic!("{other:?}"),
        }
    }
    (results, told)
}

/// What became of the run of a stream that has ended.
async fn outcome(stream: &mut FakeStream) -> (ScheduleState, ScheduledRun) {
    let (results, told) = rest(stream).await;
    let wiped = |it: &v1::SecretResult| it.state() == v1::ResultState::Wiped;
    let left = results.iter().filter(|it| !wiped(it)).map(|it| &it.name);
    assert!(left.clone().all(|name| results.iter().any(|it| wiped(it) && it.name == *name)));
    let told = told.expect("nothing was told of the schedule");
    (told.state(), told.last_run.expect("no run was told of"))
}

/// A schedule that is due in so many seconds, and then not for a day.
fn once_in(seconds: i64) -> String {
    let due = seconds_now() + seconds;
    format!("{} {} {} * * *", due % 60, due / 60 % 60, due / 3600 % 24)
}

fn seconds_now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap()
}

#[tokio::test]
async fn a_run_has_its_values_and_between_runs_there_are_none() {
    let script = "echo \"has $A $(cat SECRETS/A)\"; exit 3";
    let mut scene = launched(EVERY_SECOND, &[], &["/bin/sh", "-c", script]).await;
    let (told, mut look) = scene.look().await;
    assert_eq!((told.cron.as_str(), told.time_zone.as_str()), (EVERY_SECOND, "UTC"));
    assert!(look.heard().await.is_none(), "it holds the stream of a look");
    for value in ["a1", "a2"] {
        let mut stream = scene.run(value).await;
        assert_eq!(scene.sidecar.line().await, format!("has {value} {value}"));
        let (state, run) = outcome(&mut stream).await;
        assert_eq!((state, run.outcome()), (ScheduleState::Waiting, RunOutcome::Ended));
        assert_eq!((run.exit_code, run.detail.as_str()), (3, ""));
        let (due, start) = (run.due_time.unwrap(), run.start_time.unwrap());
        assert!(due.nanos == 0 && due.seconds <= start.seconds, "{due:?} {start:?}");
        assert!(scene.home.is_bare(), "something is left between runs");
        assert!(!scene.home.state.path().join("lease.json").exists());
    }
    // The next run's Hello tells of the last one too.
    let stream = scene.begin().await;
    assert_eq!(stream.hello.schedule.unwrap().last_run.unwrap().exit_code, 3);
    assert!(stream.hello.stream_seq >= 4 && stream.hello.boot_id == look.hello.boot_id);
}

#[tokio::test]
async fn what_cannot_be_resolved_at_the_start_is_the_end_before_the_first_run() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let mut command = Command::new(env!("CARGO_BIN_EXE_secretref-sidecar"));
    command.args(["run", "--broker", &broker.address.to_string(), "--schedule", "@yearly"]);
    command.arg("--state-dir").arg(home.state.path());
    command.arg("--secrets-dir").arg(home.secrets.path());
    command.arg("--token-file").arg(home.token_file(&world));
    command.args(["--", "/bin/echo", "started"]).stdin(Stdio::null());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stream = broker.stream(&world).await;
    let missing = |name: &str, required| MissingRef {
        secret_ref: name.to_owned(),
        reason: "there is none".to_owned(),
        required,
        fix: format!("secretref put {name}"),
        tool: "tool".to_owned(),
    };
    let set = v1::Manifest {
        missing: vec![missing("x", true), missing("y", true), missing("z", false)],
        ..manifest(1, ManifestKind::Delta, Vec::new())
    };
    stream.manifest(1, set).await;
    assert!(stream.heard().await.is_none());
    let (code, out, err) = spawn_blocking(move || {
        let (mut out, mut err) = (String::new(), String::new());
        child.stdout.take().unwrap().read_to_string(&mut out).unwrap();
        child.stderr.take().unwrap().read_to_string(&mut err).unwrap();
        (child.wait().unwrap().code(), out, err)
    })
    .await
    .unwrap();
    assert_eq!((code, out.as_str()), (Some(78), ""), "{err}");
    for name in ["x", "y"] {
        let line = format!(
            "error: ref {name:?} (tool tool) is not resolvable: there is none. Fix: secretref put \
             {name}"
        );
        assert!(err.lines().any(|it| it == line), "{err}");
    }
    assert_eq!(err.matches("error: ref").count(), 2, "{err}");
    assert!(broker.has_no_stream() && home.is_bare());
}

#[tokio::test]
async fn a_run_that_does_not_resolve_is_left_out_and_the_next_is_tried() {
    let mut scene = scheduled(EVERY_SECOND, &[], "echo \"has $A\"").await;
    let mut stream = scene.begin().await;
    let missing = MissingRef {
        secret_ref: "a".to_owned(),
        reason: "it is deleted".to_owned(),
        required: true,
        fix: "secretref undelete a".to_owned(),
        ..MissingRef::default()
    };
    let set = manifest(1, ManifestKind::Snapshot, Vec::new());
    stream.manifest(1, v1::Manifest { missing: vec![missing], ..set }).await;
    let (state, run) = outcome(&mut stream).await;
    assert_eq!((state, run.outcome()), (ScheduleState::Waiting, RunOutcome::Skipped));
    assert!(run.detail.contains("it is deleted. Fix: secretref undelete a"), "{}", run.detail);
    assert_eq!((run.exit_code, run.start_time), (0, None));
    let mut stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has a1");
    assert_eq!(outcome(&mut stream).await.1.outcome(), RunOutcome::Ended);
}

#[tokio::test]
async fn a_program_that_cannot_be_started_is_told_and_tried_again() {
    let mut scene = launched(EVERY_SECOND, &[], &["/no/such/program"]).await;
    scene.look().await;
    let mut stream = scene.begin().await;
    for _ in 0..2 {
        stream.manifest(1, manifest(1, ManifestKind::Snapshot, Vec::new())).await;
        let (state, run) = outcome(&mut stream).await;
        assert_eq!((state, run.outcome()), (ScheduleState::Waiting, RunOutcome::NotStarted));
        assert!(run.exit_code == 127 && run.detail.contains("/no/such/program"), "{run:?}");
        stream = scene.begin().await;
    }
}

#[tokio::test]
async fn a_rotation_during_a_run_is_as_without_a_schedule() {
    let script = "trap 'echo bye; exit 0' TERM; echo \"has $A\"; while :; do sleep 0.05; done";
    let mut scene = scheduled(EVERY_SECOND, &[], script).await;
    let stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has a1");
    let set = vec![variable("a", 2, "a2", "")];
    stream.manifest(2, manifest(2, ManifestKind::Snapshot, set)).await;
    assert_eq!(scene.sidecar.line().await, "bye");
    assert_eq!(scene.sidecar.line().await, "has a2");
    scene.signal(Signal::TERM);
    assert_eq!(scene.sidecar.line().await, "bye");
    assert_eq!(scene.ended().await.code(), Some(0));
}

#[tokio::test]
async fn told_to_end_while_it_waits_it_ends_at_once_and_says_so() {
    for signal in [Signal::TERM, Signal::INT] {
        let mut scene = scheduled("@yearly", &[], "echo started").await;
        scene.signal(Signal::HUP);
        scene.signal(signal);
        let (told, stream) = scene.look().await;
        assert_eq!((told.state(), told.next_run_time), (ScheduleState::Ended, None));
        assert_eq!(scene.ended().await.code(), Some(0));
        drop(stream);
    }
}

#[tokio::test]
async fn told_to_end_while_the_program_runs_that_is_asked_first() {
    let script = "trap 'echo bye; exit 5' TERM; echo has; while :; do sleep 0.05; done";
    let mut scene = scheduled(EVERY_SECOND, &[], script).await;
    let mut stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has");
    scene.signal(Signal::TERM);
    assert_eq!(scene.sidecar.line().await, "bye");
    let (state, run) = outcome(&mut stream).await;
    assert_eq!((state, run.outcome(), run.exit_code), (ScheduleState::Ended, RunOutcome::Ended, 5));
    assert!(scene.home.is_bare());
    assert_eq!(scene.ended().await.code(), Some(5));
}

/// Runs until there is a file named `go`.
const UNTIL_TOLD: &str = "trap 'echo bye; exit 7' TERM; echo \"has $A\"
    while ! [ -e STATE/go ]; do sleep 0.05; done; echo done";

#[tokio::test]
async fn a_run_that_is_due_meanwhile_is_left_out() {
    let mut scene = overlapping("skip").await;
    let mut stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has a1");
    let told = until(&mut stream, |told| told.last_run.is_some()).await;
    let run = told.last_run.clone().unwrap();
    assert_eq!((told.state(), run.outcome()), (ScheduleState::Running, RunOutcome::Skipped));
    assert_eq!(run.detail, "the run before it still runs");
    scene.go();
    assert_eq!(scene.sidecar.line().await, "done");
    assert_eq!(outcome(&mut stream).await.1.outcome(), RunOutcome::Ended);
    scene.begin().await;
}

#[tokio::test]
async fn or_begins_when_the_one_before_has_ended() {
    let mut scene = overlapping("queue").await;
    let mut stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has a1");
    // The second that is due finds one waiting.
    let told = until(&mut stream, |told| told.last_run.is_some()).await;
    assert!(told.last_run.unwrap().detail.starts_with("another one waits"), "not queued");
    scene.go();
    assert_eq!(scene.sidecar.line().await, "done");
    let (_, first) = outcome(&mut stream).await;
    let mut stream = scene.run("a2").await;
    assert_eq!(scene.sidecar.line().await, "has a2");
    let (_, second) = outcome(&mut stream).await;
    let due = |run: ScheduledRun| run.due_time.unwrap().seconds;
    assert_eq!(due(second), due(first) + 1, "it is the first that was due meanwhile");
}

#[tokio::test]
async fn or_takes_the_place_of_the_one_before() {
    let mut scene = overlapping("replace").await;
    for value in ["a1", "a2"] {
        let mut stream = scene.run(value).await;
        assert_eq!(scene.sidecar.line().await, format!("has {value}"));
        assert_eq!(scene.sidecar.line().await, "bye");
        let (_, run) = outcome(&mut stream).await;
        assert_eq!((run.outcome(), run.exit_code), (RunOutcome::Ended, 7));
    }
}

async fn overlapping(overlap: &str) -> Scene {
    let options = ["--schedule-overlap", overlap];
    let mut scene = launched(EVERY_SECOND, &options, &["/bin/sh", "-c", UNTIL_TOLD]).await;
    scene.look().await;
    scene
}

impl Scene {
    /// Lets the program end.
    fn go(&self) {
        std::fs::write(self.home.state.path().join("go"), "").unwrap();
    }
}

/// What is told of the schedule on a stream, once it is this.
async fn until(stream: &mut FakeStream, wanted: impl Fn(&v1::Schedule) -> bool) -> v1::Schedule {
    loop {
        if let Some(Message::Report(report)) = stream.heard().await
            && let Some(told) = report.schedule
            && wanted(&told)
        {
            return told;
        }
    }
}

#[tokio::test]
async fn what_could_not_be_told_at_the_end_of_a_run_is_told_later() {
    let mut scene = scheduled_once(UNTIL_TOLD).await;
    let stream = scene.run("a1").await;
    assert_eq!(scene.sidecar.line().await, "has a1");
    // The broker goes while the program runs; the next run is a day away.
    let address = scene.broker.address;
    drop((stream, scene.broker));
    scene.broker = FakeBroker::start(&scene.world).await;
    std::fs::write(scene.home.state.path().join("go"), "").unwrap();
    assert_eq!(scene.sidecar.line().await, "done");
    scene.broker = FakeBroker::start_at(&scene.world, address).await;
    let told = loop {
        let stream = scene.broker.stream(&scene.world).await;
        if stream.hello.values_withheld {
            break stream.hello.schedule.unwrap();
        }
    };
    let run = told.last_run.unwrap();
    assert_eq!((told.state, run.outcome(), run.exit_code), (1, RunOutcome::Ended, 0));
}

#[tokio::test]
async fn the_identity_stays_valid_while_it_waits() {
    let world = World::new();
    // Three seconds each, of which it waits half.
    *world.valid.lock().unwrap() = vec![(-60, 3)];
    let mut scene = launched_in(world, "@yearly", &[], &["/bin/true"]).await;
    drop(scene.look().await);
    let mut asked = scene.world.asked.subscribe();
    timeout(DEADLINE, asked.wait_for(|asked| *asked >= 4)).await.unwrap().unwrap();
    assert!(scene.broker.has_no_stream(), "a stream was opened for it");
}
