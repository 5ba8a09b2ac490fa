//! A program under the real binary, and what the broker is told of it.

use crate::{
    broker::{DEADLINE, FakeBroker, FakeStream, World},
    guest::{Home, bare, entry, manifest, told},
};
use secretref_proto::{
    convert::manifest_digest,
    v1::{self, Delivery, DeliveryWay, Evidence, ManifestKind, RotationEffect, SecretResult},
};
use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    sync::Arc,
    thread,
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
    sync::mpsc,
    time::timeout,
};

/// A sidecar that runs a shell script; killed when dropped.
pub(crate) struct Sidecar {
    pub(crate) child: Child,
    said: mpsc::UnboundedReceiver<String>,
}

impl Sidecar {
    pub(crate) fn run(home: &Home, world: &World, broker: &FakeBroker, words: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_secretref-sidecar"));
        command.args(["run", "--broker", &broker.address.to_string(), "--log-level", "warn"]);
        command.arg("--state-dir").arg(home.state.path());
        command.arg("--secrets-dir").arg(home.secrets.path());
        command.arg("--token-file").arg(home.token_file(world));
        command.args(words);
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (saying, said) = mpsc::unbounded_channel();
        thread::spawn(move || lines.map_while(Result::ok).try_for_each(|line| saying.send(line)));
        Self { child, said }
    }

    /// The next line that the program says.
    pub(crate) async fn line(&mut self) -> String {
        timeout(DEADLINE, self.said.recv()).await.unwrap().unwrap()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// An entry that is a variable and a file of one name.
pub(crate) fn variable(
    name: &str,
    version: i64,
    value: &str,
    on_rotate: &str,
) -> v1::ManifestEntry {
    let mut entry = entry(name, version, value);
    entry.targets[0].env_var = name.to_ascii_uppercase();
    entry.targets[0].on_rotate = on_rotate.to_owned();
    entry
}

fn with_settings(mut manifest: v1::Manifest, settings: v1::AgentSettings) -> v1::Manifest {
    manifest.manifest_digest = manifest_digest(&manifest.entries, Some(&settings)).to_vec();
    manifest.settings = Some(settings);
    manifest
}

/// The results of the newest manifest, however many messages they take.
async fn results(stream: &mut FakeStream) -> Vec<SecretResult> {
    let ack = stream.ack().await;
    if ack.results.is_empty() { stream.report().await.results } else { ack.results }
}

fn ways(result: &SecretResult) -> Vec<(DeliveryWay, &str, i64, Evidence, RotationEffect)> {
    let way = |it: &Delivery| (it.way(), it.version, it.evidence(), it.effect());
    let ways = result.deliveries.iter();
    ways.map(|it| {
        let (kind, version, evidence, effect) = way(it);
        (kind, it.place.as_str(), version, evidence, effect)
    })
    .collect()
}

const FILE: DeliveryWay = DeliveryWay::File;
const VARIABLE: DeliveryWay = DeliveryWay::Environment;

async fn started(script: &str) -> (Arc<World>, FakeBroker, Home, Sidecar, FakeStream) {
    started_with(&["--", "/bin/sh", "-c", script]).await
}

async fn started_with(words: &[&str]) -> (Arc<World>, FakeBroker, Home, Sidecar, FakeStream) {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let sidecar = Sidecar::run(&home, &world, &broker, words);
    let stream = broker.stream(&world).await;
    (world, broker, home, sidecar, stream)
}

#[tokio::test]
async fn several_changes_of_one_manifest_are_one_restart() {
    let script = "echo \"$A $B\"; while :; do sleep 0.05; done";
    let (_world, _broker, _home, mut sidecar, mut stream) = started(script).await;
    let pair = |version| {
        let value = |name: &str| format!("{name}{version}");
        vec![
            variable("a", version, &value("a"), ""),
            variable("b", version, &value("b"), "restart"),
        ]
    };
    for version in 1..4 {
        let set = manifest(version, ManifestKind::Snapshot, pair(version));
        stream.manifest(version, set).await;
        let lines = [format!("a v{version} APPLIED"), format!("b v{version} APPLIED")];
        assert_eq!(told(&results(&mut stream).await), lines);
        // The very next line: nothing was started in between.
        assert_eq!(sidecar.line().await, format!("a{version} b{version}"));
    }
}

#[tokio::test]
async fn the_broker_is_told_which_provider_alone_is_wanted() {
    let words = ["--secrets-provider", "vault", "--", "/bin/true"];
    let (_world, _broker, _home, _sidecar, stream) = started_with(&words).await;
    assert_eq!(stream.hello.secrets_provider, "vault");
    let (_world, _broker, _home, _sidecar, stream) = started("true").await;
    assert_eq!(stream.hello.secrets_provider, "");
}

#[tokio::test]
async fn each_way_is_told_with_what_is_really_there() {
    let script = "trap 'echo told' HUP; echo \"$A $B\"; while :; do sleep 0.05; done";
    let (_world, _broker, _home, mut sidecar, mut stream) = started(script).await;
    let mut file = entry("c", 1, "c1");
    file.targets[0].on_rotate = "signal:HUP".into();
    let set = vec![variable("a", 1, "a1", ""), variable("b", 1, "b1", "none"), file.clone()];
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, set.clone())).await;
    let first = results(&mut stream).await;
    assert_eq!(sidecar.line().await, "a1 b1");
    let written = Evidence::Written;
    let (restart, signal) = (RotationEffect::Restart, RotationEffect::Signal);
    let nothing = RotationEffect::Nothing;
    assert_eq!(
        ways(&first[0]),
        [(FILE, "A", 1, written, restart), (VARIABLE, "A", 1, written, restart)]
    );
    assert_eq!(
        ways(&first[1]),
        [(FILE, "B", 1, written, nothing), (VARIABLE, "B", 1, written, nothing)]
    );
    assert_eq!(ways(&first[2]), [(FILE, "C", 1, written, signal)]);
    assert!(first.iter().flat_map(|it| &it.deliveries).all(|it| it.since_time.is_some()));

    // Left alone by its own wish: the file is new, the environment is as it was.
    let left = variable("b", 2, "b2", "none");
    let next = vec![bare(set[0].clone()), left.clone(), bare(file.clone())];
    stream.manifest(2, manifest(2, ManifestKind::Delta, next)).await;
    let second = results(&mut stream).await;
    assert_eq!(told(&second), ["b v2 DEFERRED"]);
    assert_eq!(
        ways(&second[0]),
        [(FILE, "B", 2, written, nothing), (VARIABLE, "B", 1, written, nothing)]
    );
    assert!(second[0].detail.contains("started with"), "{}", second[0].detail);

    // A file that asks for a signal.
    let mut newer = entry("c", 2, "c2");
    newer.targets = file.targets.clone();
    let next = vec![bare(set[0].clone()), bare(left), newer];
    stream.manifest(3, manifest(3, ManifestKind::Delta, next)).await;
    assert_eq!(told(&results(&mut stream).await), ["c v2 APPLIED"]);
    assert_eq!(sidecar.line().await, "told");
}

#[tokio::test]
async fn a_value_that_cannot_be_a_variable_fails_alone() {
    let script = "echo \"$A $B\"; while :; do sleep 0.05; done";
    let (_world, _broker, _home, mut sidecar, mut stream) = started(script).await;
    let set = vec![variable("a", 1, "a1", ""), variable("b", 1, "b1", "")];
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, set)).await;
    results(&mut stream).await;
    assert_eq!(sidecar.line().await, "a1 b1");
    let set = vec![variable("a", 2, "a\0", ""), variable("b", 2, "b2", "")];
    stream.manifest(2, manifest(2, ManifestKind::Snapshot, set)).await;
    let results = results(&mut stream).await;
    assert_eq!(told(&results), ["a v2 FAILED", "b v2 APPLIED"]);
    assert!(results[0].detail.contains("NUL"), "{}", results[0].detail);
    assert_eq!(ways(&results[0])[1].2, 1, "the version before it stays");
    assert_eq!(sidecar.line().await, "a1 b2");
}

#[tokio::test]
async fn a_gate_asks_over_http_until_the_answer_is_good() {
    let service = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let script = "echo \"$A\"; while :; do sleep 0.05; done";
    let (_world, _broker, home, mut sidecar, mut stream) = started(script).await;
    let settings = v1::AgentSettings {
        dotenv_file: "all.env".into(),
        process: Some(v1::ProcessSettings {
            stop_timeout_ms: 1000,
            gate: Some(v1::Gate {
                http_url: format!("http://{}/health", service.local_addr().unwrap()),
                timeout_ms: 30_000,
                ..v1::Gate::default()
            }),
            ..v1::ProcessSettings::default()
        }),
    };
    let set = manifest(1, ManifestKind::Snapshot, vec![variable("a", 1, "a1", "")]);
    stream.manifest(1, with_settings(set, settings)).await;
    assert_eq!(sidecar.line().await, "a1");
    for status in ["503 Service Unavailable", "302 Found", "200 OK"] {
        let (mut asked, _) = timeout(DEADLINE, service.accept()).await.unwrap().unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            assert_ne!(asked.read_buf(&mut head).await.unwrap(), 0);
        }
        assert!(head.starts_with(b"GET /health HTTP/1.1\r\n"));
        let answer = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        asked.write_all(answer.as_bytes()).await.unwrap();
    }
    let results = results(&mut stream).await;
    assert_eq!(results[0].evidence(), Evidence::Gated);
    let places: Vec<_> = ways(&results[0]).into_iter().map(|(_, place, ..)| place).collect();
    assert_eq!(places, ["A", "all.env", "A"]);
    assert_eq!(home.file("all.env").as_deref(), Some("A='a1'\n"));
}

#[tokio::test]
async fn a_command_of_the_manifest_runs_only_where_it_is_allowed() {
    let settings = |script: &str| v1::AgentSettings {
        process: Some(v1::ProcessSettings {
            command: ["/bin/sh", "-c", script].map(String::from).to_vec(),
            stop_timeout_ms: 1000,
            ..v1::ProcessSettings::default()
        }),
        ..v1::AgentSettings::default()
    };
    let script = "echo \"$A\"; while :; do sleep 0.05; done";
    let set = || manifest(1, ManifestKind::Snapshot, vec![variable("a", 1, "a1", "")]);
    // Allowed to run something else: it is a sidecar of files.
    let other = ["--allow-exec", "/bin/true"];
    let (_world, _broker, home, _sidecar, mut stream) = started_with(&other).await;
    stream.manifest(1, with_settings(set(), settings(script))).await;
    let results_of_files = results(&mut stream).await;
    assert_eq!(told(&results_of_files), ["a v1 APPLIED"]);
    let nothing = RotationEffect::Nothing;
    assert_eq!(ways(&results_of_files[0]), [(FILE, "A", 1, Evidence::Written, nothing)]);
    assert_eq!(home.file("A").as_deref(), Some("a1"));

    let allowed = ["--allow-exec", "/bin/sh"];
    let (_world, _broker, _home, mut sidecar, mut stream) = started_with(&allowed).await;
    stream.manifest(1, with_settings(set(), settings(script))).await;
    let results_of_program = results(&mut stream).await;
    assert_eq!(told(&results_of_program), ["a v1 APPLIED"]);
    assert_eq!(ways(&results_of_program[0]).len(), 2);
    assert_eq!(sidecar.line().await, "a1");
}
