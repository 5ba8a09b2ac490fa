use super::{HookedFile, Hooks, Permits, Roster};
use crate::{
    state::{State, StateError},
    witness::Witness,
};
use secretref_domain::{
    agent::OnRotate,
    clock::{Clock, Timestamp},
    name::{AgentName, FileName, SecretName},
    version::Version,
};
use secretref_proto::v1::{Evidence, ResultState, SecretResult};
use std::{collections::BTreeSet, fs, net::SocketAddr, os::unix::fs::PermissionsExt, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

struct Still;

impl Clock for Still {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(1_000_000)
    }
}

/// A state folder, which outlives runs.
struct Home(TempDir);

/// One run.
struct Run {
    roster: watch::Sender<Arc<Roster>>,
    witness: Witness,
    stop: CancellationToken,
    running: JoinHandle<()>,
}

impl Home {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        Self(folder)
    }

    fn run(&self) -> Run {
        // A write of the run before may just be ending.
        let state = Arc::new(loop {
            match State::open(self.0.path()) {
                Err(StateError::Locked { .. }) => std::thread::yield_now(),
                opened => break opened.unwrap(),
            }
        });
        let (roster, seen) = watch::channel(Arc::new(Roster::default()));
        let witness = Witness::default();
        let agent = AgentName::parse("payer").unwrap();
        let hooks =
            Hooks::new(agent, Permits::default(), state, Arc::new(Still), witness.clone(), seen);
        let stop = CancellationToken::new();
        let running = tokio::spawn(hooks.run(stop.clone()));
        Run { roster, witness, stop, running }
    }
}

impl Run {
    fn place(&self, files: Vec<HookedFile>) {
        let bound = files.iter().map(|file| (file.hook.clone(), file.file.clone()));
        let bound = bound.collect::<BTreeSet<_>>();
        self.roster.send_replace(Arc::new(Roster { received: true, files, bound }));
    }

    async fn end(self) {
        self.stop.cancel();
        self.running.await.unwrap();
    }

    /// Waits for news of the secret, and gives its state, evidence and detail.
    async fn news(&self, version: i64) -> (ResultState, Evidence, String) {
        assert_eq!(self.witness.news().await.len(), 1);
        self.known(version)
    }

    fn known(&self, version: i64) -> (ResultState, Evidence, String) {
        let mut result = SecretResult { name: "stripe".into(), version, ..SecretResult::default() };
        result.set_state(ResultState::Applied);
        result.set_evidence(Evidence::Written);
        self.witness.amend(&mut result);
        (result.state(), result.evidence(), result.detail)
    }
}

fn http(address: SocketAddr) -> OnRotate {
    OnRotate::try_from(format!("http://{address}/reload?x=1")).unwrap()
}

/// A file of the secret `stripe` in this version, with bytes of this serial number.
fn file(hook: &OnRotate, name: &str, version: i64, serial: u64) -> HookedFile {
    HookedFile {
        file: FileName::parse(name).unwrap(),
        secret: SecretName::parse("stripe").unwrap(),
        version: Version::new(version).unwrap(),
        hook: hook.clone(),
        fingerprint: format!("{version}"),
        serial,
    }
}

async fn listener() -> (TcpListener, OnRotate) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let hook = http(listener.local_addr().unwrap());
    (listener, hook)
}

/// Takes one request, whole, and leaves it to be answered.
async fn asked(listener: &TcpListener) -> (TcpStream, String) {
    let (mut stream, _) = listener.accept().await.unwrap();
    let mut bytes = Vec::new();
    while !String::from_utf8_lossy(&bytes).ends_with("]}") {
        assert_ne!(stream.read_buf(&mut bytes).await.unwrap(), 0);
    }
    (stream, String::from_utf8(bytes).unwrap())
}

async fn answer(mut stream: TcpStream, head: &str) {
    let text = format!("HTTP/1.1 {head}\r\nContent-Length: 0\r\n\r\n");
    stream.write_all(text.as_bytes()).await.unwrap();
}

#[tokio::test]
async fn a_changed_value_is_told_once_for_each_hook() {
    let (home, (listener, hook)) = (Home::new(), listener().await);
    let run = home.run();
    run.place(vec![file(&hook, "A", 1, 1), file(&hook, "B", 1, 2)]);
    // The next set comes only after the first was seen, where everything begins.
    while !home.0.path().join("hooks.json").exists() {
        tokio::task::yield_now().await;
    }
    run.place(vec![file(&hook, "A", 2, 3), file(&hook, "B", 2, 4)]);
    let (stream, request) = asked(&listener).await;
    assert!(request.starts_with("POST /reload?x=1 HTTP/1.1\r\n"), "{request}");
    let body = r#"{"agent":"payer","secrets":[{"name":"A","version":2},{"name":"B","version":2}]}"#;
    assert!(request.ends_with(&format!("\r\n\r\n{body}")), "{request}");
    assert_eq!(run.known(2).1, Evidence::Written);
    answer(stream, "204 No Content").await;
    assert_eq!(run.news(2).await.1, Evidence::Reloaded);
    // A new version with the same bytes is nothing to tell anybody of, and is confirmed as well.
    run.place(vec![file(&hook, "A", 3, 3), file(&hook, "B", 3, 4)]);
    assert_eq!(run.news(3).await.1, Evidence::Reloaded);
    run.end().await;
}

#[tokio::test]
async fn what_nobody_was_told_of_is_owed_after_a_restart() {
    let (home, (listener, hook)) = (Home::new(), listener().await);
    let run = home.run();
    run.place(vec![file(&hook, "A", 1, 1)]);
    while !home.0.path().join("hooks.json").exists() {
        tokio::task::yield_now().await;
    }
    // At the end everything is taken away, and nothing is forgotten for that.
    run.roster.send_replace(Arc::new(Roster::default()));
    run.end().await;
    let run = home.run();
    run.place(vec![file(&hook, "A", 2, 1)]);
    let (stream, request) = asked(&listener).await;
    assert!(request.ends_with(r#"[{"name":"A","version":2}]}"#), "{request}");
    answer(stream, "200 OK").await;
    assert_eq!(run.news(2).await.1, Evidence::Reloaded);
    run.end().await;
    // What was confirmed before the restart still is.
    let run = home.run();
    run.place(vec![file(&hook, "A", 2, 1)]);
    assert_eq!(run.news(2).await.1, Evidence::Reloaded);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_hook_that_fails_is_told_and_tried_again() {
    let (home, (listener, hook)) = (Home::new(), listener().await);
    let run = home.run();
    run.place(vec![file(&hook, "A", 1, 1)]);
    while !home.0.path().join("hooks.json").exists() {
        tokio::task::yield_now().await;
    }
    run.place(vec![file(&hook, "A", 2, 2)]);
    for (head, why) in [
        ("500 Internal Server Error", "it answered 500"),
        ("302 Found\r\nLocation: http://10.0.0.1/", "it answered 302, and redirects are not"),
    ] {
        let (stream, _) = asked(&listener).await;
        answer(stream, head).await;
        let (state, evidence, detail) = run.news(2).await;
        assert_eq!((state, evidence), (ResultState::Failed, Evidence::Unspecified));
        assert!(detail.starts_with("it is in place, the hook failed: http://127.0."), "{detail}");
        assert!(detail.contains(why), "{detail}");
    }
    // Another version does not wait for the pause to end.
    run.place(vec![file(&hook, "A", 3, 3)]);
    let (stream, request) = asked(&listener).await;
    assert!(request.ends_with(r#""version":3}]}"#), "{request}");
    answer(stream, "200 OK").await;
    assert_eq!(run.news(3).await.1, Evidence::Reloaded);
    run.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_port_and_a_silent_one_are_given_up() {
    let (home, (listener, hook)) = (Home::new(), listener().await);
    let run = home.run();
    run.place(vec![file(&hook, "A", 1, 1)]);
    while !home.0.path().join("hooks.json").exists() {
        tokio::task::yield_now().await;
    }
    run.place(vec![file(&hook, "A", 2, 2)]);
    let silent = asked(&listener).await;
    let (_, _, detail) = run.news(2).await;
    assert!(detail.contains("it took more than 10s"), "{detail}");
    drop((silent, listener));
    let (_, _, detail) = run.news(2).await;
    assert!(detail.contains("no connection: Connection refused"), "{detail}");
    run.end().await;
}
