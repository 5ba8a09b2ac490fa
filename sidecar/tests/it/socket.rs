//! The socket beside the stream: what the broker is told of it.

use crate::{
    broker::{DEADLINE, FakeBroker, World},
    guest::{Guest, Home, bare, entry, manifest, told},
};
use secretref_proto::{
    convert::manifest_digest,
    v1::{self, DeliveryWay, Evidence, ManifestKind, RotationEffect, watch_response::Message},
};
use secretref_sidecar::config::{RunConfig, TokenSource};
use std::{fs, os::unix::fs::PermissionsExt, path::Path, sync::Arc};
use tempfile::TempDir;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::UnixStream,
    time::timeout,
};
use tonic::Status;

/// A folder that a socket may be in.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn config(world: &Arc<World>, broker: &FakeBroker, home: &Home, socket: &Path) -> RunConfig {
    let token = Some(TokenSource::File(home.token_file(world)));
    RunConfig { token, socket: Some(socket.to_owned()), ..home.config(broker.address) }
}

async fn get(socket: &Path, name: &str) -> String {
    let asking = async {
        let mut stream = UnixStream::connect(socket).await.unwrap();
        let request = format!("GET /v1/secrets/{name} HTTP/1.1\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        answer
    };
    timeout(DEADLINE, asking).await.unwrap()
}

fn only_delivery(result: &v1::SecretResult) -> &v1::Delivery {
    let socket = |delivery: &&v1::Delivery| delivery.way() == DeliveryWay::Socket;
    let found: Vec<_> = result.deliveries.iter().filter(socket).collect();
    assert_eq!(found.len(), 1, "{result:?}");
    found[0]
}

#[tokio::test]
async fn a_read_is_told_once_and_told_anew_on_the_next_stream() {
    let (world, home, folder) = (World::new(), Home::new(), folder());
    let socket = folder.path().join("agent.sock");
    let mut broker = FakeBroker::start(&world).await;
    let guest = Guest::run(config(&world, &broker, &home, &socket));
    let mut stream = broker.stream(&world).await;
    let mut a = entry("a", 1, "alpha");
    a.targets[0].on_rotate = "signal:HUP@/run/none.pid".into();
    let entries = vec![a, entry("b", 1, "beta")];
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, entries.clone())).await;
    let results = stream.results().await;
    assert_eq!(told(&results), ["a v1 APPLIED", "b v1 APPLIED"]);
    let offered = only_delivery(&results[0]);
    assert_eq!((offered.version, offered.evidence()), (1, Evidence::Unspecified));
    assert_eq!(
        (offered.place.as_str(), offered.effect()),
        (socket.to_str().unwrap(), RotationEffect::Signal)
    );
    assert_eq!(only_delivery(&results[1]).effect(), RotationEffect::Nothing);
    assert_eq!(results[0].evidence(), Evidence::Written);

    for _ in 0..3 {
        assert!(get(&socket, "A").await.ends_with("\r\n\r\nalpha"));
    }
    let results = stream.report().await.results;
    assert_eq!(told(&results), ["a v1 APPLIED"]);
    assert_eq!(results[0].evidence(), Evidence::Read);
    assert_eq!(only_delivery(&results[0]).evidence(), Evidence::Read);
    assert!(get(&socket, "A").await.ends_with("alpha"));
    stream.heartbeat(1, manifest_digest(&entries, None)).await;
    stream.pong().await;

    stream.fail(Status::unavailable("gone")).await;
    let mut stream = broker.stream(&world).await;
    let held = entries.into_iter().map(bare).collect();
    stream.manifest(1, manifest(1, ManifestKind::Delta, held)).await;
    let evidence: Vec<_> = stream.results().await.iter().map(v1::SecretResult::evidence).collect();
    assert_eq!(evidence, [Evidence::Read, Evidence::Written]);

    let revoke = v1::Revoke { nonce: 2, reason: "compromised".into() };
    stream.send(2, Message::Revoke(revoke)).await;
    stream.ack().await;
    let mut guest = guest;
    guest.until(|status| status.revoked).await;
    let gone = get(&socket, "A").await;
    assert!(gone.starts_with("HTTP/1.1 410 ") && !gone.contains("alpha"), "{gone}");
    guest.stop().await.unwrap();
    assert!(!socket.exists());
}

#[tokio::test]
async fn without_files_nothing_is_written_and_nothing_is_called_so() {
    let (world, home, folder) = (World::new(), Home::new(), folder());
    let socket = folder.path().join("agent.sock");
    let mut broker = FakeBroker::start(&world).await;
    let config = RunConfig { no_files: true, ..config(&world, &broker, &home, &socket) };
    let guest = Guest::run(config);
    let mut stream = broker.stream(&world).await;
    let mut made = entry("b", 1, "beta");
    made.targets[0].template = "{{ value }}".into();
    let entries = vec![entry("a", 1, "alpha"), made];
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, entries)).await;
    let results = stream.results().await;
    assert_eq!(told(&results), ["a v1 APPLIED", "b v1 FAILED"]);
    assert_eq!(results[0].evidence(), Evidence::Unspecified);
    assert!(results[1].detail.contains("--no-files"), "{results:?}");
    assert!(get(&socket, "A").await.ends_with("alpha"));
    assert_eq!(stream.report().await.results[0].evidence(), Evidence::Read);
    assert!(get(&socket, "B").await.starts_with("HTTP/1.1 404 "));
    assert!(fs::read_dir(home.secrets.path()).unwrap().next().is_none());
    assert!(!home.state.path().join("lease.json").exists());
    guest.stop().await.unwrap();
}

/// What a run with files left is not left behind by one without.
#[tokio::test]
async fn files_of_a_run_before_go_where_there_are_to_be_none() {
    let (world, home, folder) = (World::new(), Home::new(), folder());
    let socket = folder.path().join("agent.sock");
    let mut broker = FakeBroker::start(&world).await;
    let guest = Guest::run(config(&world, &broker, &home, &socket));
    let mut stream = broker.stream(&world).await;
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, vec![entry("a", 1, "alpha")])).await;
    stream.results().await;
    assert_eq!(home.file("A").as_deref(), Some("alpha"));
    guest.kill().await;
    drop(stream);
    let config = RunConfig { no_files: true, ..config(&world, &broker, &home, &socket) };
    let guest = Guest::run(config);
    let mut stream = broker.stream(&world).await;
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, vec![entry("a", 1, "alpha")])).await;
    stream.results().await;
    assert!(home.is_bare());
    guest.stop().await.unwrap();
}
