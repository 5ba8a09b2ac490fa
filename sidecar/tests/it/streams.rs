//! What a sidecar does with what a broker says.

use crate::{
    broker::{DEADLINE, EPOCH, FakeBroker, FakeStream, World, welcome},
    guest::{Guest, Home, bare, entry, manifest, names, told},
};
use secretref_domain::name::SecretName;
use secretref_proto::{
    convert::manifest_digest,
    v1::{self, ManifestKind, watch_request, watch_response::Message},
};
use secretref_sidecar::{app::AppError, config::RunConfig, link::enrol::EnrolError};
use std::{fs, sync::Arc};
use tokio::time::timeout;
use tonic::Status;

/// A world, its broker, and a sidecar that has two secrets.
pub(crate) async fn settled() -> (Arc<World>, FakeBroker, Home, Guest, FakeStream) {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let mut guest = home.run(&world, broker.address);
    let mut stream = broker.stream(&world).await;
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, pair())).await;
    assert_eq!(told(&stream.results().await), ["a v1 APPLIED", "b v1 APPLIED"]);
    guest.until(|status| status.is_ready()).await;
    (world, broker, home, guest, stream)
}

fn pair() -> Vec<v1::ManifestEntry> {
    vec![entry("a", 1, "alpha"), entry("b", 1, "beta")]
}

fn name(name: &str) -> SecretName {
    SecretName::parse(name).unwrap()
}

#[tokio::test]
async fn the_first_set_is_in_place_before_it_is_answered() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    let mut stream = broker.stream(&world).await;
    assert_eq!((stream.hello.stream_seq, stream.hello.resume.clone()), (1, None));
    assert!(stream.hello.have.is_empty());
    assert!(!guest.status.borrow().complete);

    let mut parts = vec![manifest(7, ManifestKind::Snapshot, pair()); 3];
    let digest = parts[0].manifest_digest.clone();
    parts[0].entries.truncate(1);
    parts[1].entries.remove(0);
    parts[2].entries.clear();
    for (at, part) in parts.iter_mut().enumerate() {
        part.part = i32::try_from(at).unwrap();
        part.last = at == 2;
        part.manifest_digest = if part.last { digest.clone() } else { Vec::new() };
    }
    for part in parts {
        assert_eq!(home.file("A"), None, "nothing is in place before the last part");
        stream.manifest(1, part).await;
    }
    let ack = stream.ack().await;
    assert_eq!(ack.nonce, 7);
    assert_eq!(told(&ack.results), ["a v1 APPLIED", "b v1 APPLIED"]);
    assert_eq!(ack.results[0].evidence(), v1::Evidence::Written);
    assert!(ack.results[0].apply_time.is_some());
    assert_eq!(home.file("A").as_deref(), Some("alpha"));
    assert_eq!(home.file("B").as_deref(), Some("beta"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_rotation_changes_what_it_names_and_nothing_else() {
    let (_world, _broker, home, guest, mut stream) = settled().await;
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, ""))];
    stream.manifest(2, manifest(2, ManifestKind::Delta, entries.clone())).await;
    assert_eq!(told(&stream.ack().await.results), ["a v2 APPLIED"]);
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    assert_eq!(home.file("B").as_deref(), Some("beta"));
    // The same once more is answered once more.
    stream.manifest(2, manifest(3, ManifestKind::Delta, entries)).await;
    assert_eq!(told(&stream.ack().await.results), ["a v2 APPLIED"]);
    // What leaves the set leaves the folder.
    let rest = vec![bare(entry("a", 2, ""))];
    stream.manifest(3, manifest(4, ManifestKind::Delta, rest.clone())).await;
    assert_eq!(told(&stream.ack().await.results), ["b v1 WIPED"]);
    assert_eq!(home.file("B"), None);
    stream.heartbeat(3, manifest_digest(&rest, None)).await;
    assert_eq!(stream.pong().await.manifest_digest, manifest_digest(&rest, None));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn what_does_not_hang_together_is_refused_and_asked_for_anew() {
    let (_world, _broker, home, guest, mut stream) = settled().await;
    let mut wrong = manifest(2, ManifestKind::Delta, vec![entry("a", 2, "alpha 2")]);
    wrong.manifest_digest = vec![0; 32];
    stream.manifest(2, wrong).await;
    assert_eq!(told(&stream.ack().await.results), ["a v2 FAILED"]);
    assert_eq!(stream.need_snapshot().await, v1::SnapshotReason::DigestMismatch);
    assert_eq!(home.file("A").as_deref(), Some("alpha"), "what is held stays");
    stream.manifest(2, manifest(3, ManifestKind::Snapshot, pair())).await;
    assert_eq!(stream.ack().await.results.len(), 2);
    // A value that is left out and not held.
    let gap = vec![bare(entry("c", 1, ""))];
    stream.manifest(3, manifest(4, ManifestKind::Delta, gap)).await;
    assert_eq!(told(&stream.ack().await.results), ["c v1 FAILED"]);
    assert_eq!(stream.need_snapshot().await, v1::SnapshotReason::LocalLoss);
    stream.manifest(3, manifest(5, ManifestKind::Snapshot, pair())).await;
    assert_eq!(stream.ack().await.results.len(), 2);
    // What the broker believes to be held is not.
    stream.heartbeat(3, [9; 32]).await;
    assert_eq!(stream.pong().await.manifest_digest, manifest_digest(&pair(), None));
    assert_eq!(stream.need_snapshot().await, v1::SnapshotReason::DigestMismatch);
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn nothing_goes_backwards() {
    let (_world, _broker, home, guest, mut stream) = settled().await;
    let newer = vec![entry("a", 5, "alpha 5"), bare(entry("b", 1, ""))];
    stream.manifest(5, manifest(2, ManifestKind::Delta, newer.clone())).await;
    assert_eq!(told(&stream.ack().await.results), ["a v5 APPLIED"]);
    // An older revision is late, and no more than that.
    stream.manifest(4, manifest(3, ManifestKind::Snapshot, pair())).await;
    assert!(stream.ack().await.results.is_empty());
    // A version that falls is wrong.
    let fallen = vec![entry("a", 4, "alpha 4"), bare(entry("b", 1, ""))];
    stream.manifest(6, manifest(4, ManifestKind::Snapshot, fallen.clone())).await;
    let results = stream.ack().await.results;
    assert_eq!(told(&results), ["a v4 FAILED", "b v1 FAILED"]);
    assert!(results[0].detail.contains("a rollback is a new version"), "{}", results[0].detail);
    // Asking for it would bring it again.
    stream.heartbeat(6, manifest_digest(&fallen, None)).await;
    stream.pong().await;
    stream.heartbeat(6, manifest_digest(&newer, None)).await;
    stream.pong().await;
    assert_eq!(home.file("A").as_deref(), Some("alpha 5"));
    // In another history of the store it is right.
    let restored = manifest(5, ManifestKind::Snapshot, vec![entry("a", 2, "restored")]);
    stream.send_in("another", 1, Message::Manifest(restored)).await;
    assert_eq!(told(&stream.ack().await.results), ["a v2 APPLIED", "b v1 WIPED"]);
    assert_eq!(home.file("A").as_deref(), Some("restored"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_revoked_agent_keeps_nothing() {
    let (_world, mut broker, home, mut guest, mut stream) = settled().await;
    // An unfinished manifest does not stand in the way.
    let mut open = manifest(2, ManifestKind::Delta, vec![entry("a", 2, "alpha 2")]);
    open.last = false;
    stream.manifest(2, open).await;
    let revoke = v1::Revoke { nonce: 3, reason: "compromised".into() };
    stream.send(3, Message::Revoke(revoke)).await;
    let ack = stream.ack().await;
    assert_eq!(
        (ack.nonce, told(&ack.results)),
        (3, vec!["a v1 WIPED".into(), "b v1 WIPED".into()])
    );
    assert!(home.is_bare(), "{:?}", names(home.secrets.path()));
    let status = guest.until(|status| status.revoked && !status.connected).await;
    assert!(!status.is_ready() && status.applied.is_empty());
    assert!(broker.has_no_stream(), "it does not come again soon");
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_refused_hello_of_a_revoked_agent_wipes_as_well() {
    let (_world, mut broker, home, mut guest, stream) = settled().await;
    drop(stream);
    let error = v1::StreamError { code: v1::StreamErrorCode::Revoked.into(), message: "x".into() };
    broker.silent_stream().await.send(2, Message::Error(error)).await;
    guest.until(|status| status.revoked).await;
    guest.until(|status| status.applied.is_empty()).await;
    assert!(home.is_bare());
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_silent_broker_is_left() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    let quiet = broker.silent_stream().await;
    let welcome = v1::Welcome { heartbeat_ms: 30, ..welcome(&world) };
    quiet.send(0, Message::Welcome(welcome)).await;
    let again = broker.silent_stream().await;
    assert_eq!(again.hello.stream_seq, 2);
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_killed_broker_finds_its_sidecar_where_it_was() {
    let (world, broker, home, mut guest, stream) = settled().await;
    let address = broker.address;
    drop((broker, stream));
    guest.until(|status| !status.connected).await;
    assert_eq!(home.file("A").as_deref(), Some("alpha"), "the last good set stays");
    let mut broker = FakeBroker::start_at(&world, address).await;
    let mut stream = broker.stream(&world).await;
    let resume = stream.hello.resume.clone().unwrap();
    assert_eq!((resume.store_epoch.as_str(), resume.revision), (EPOCH, 1));
    assert_eq!(resume.manifest_digest, manifest_digest(&pair(), None));
    let have: Vec<_> =
        stream.hello.have.iter().map(|held| (held.name.as_str(), held.version)).collect();
    assert_eq!(have, [("a", 1), ("b", 1)]);
    let entries = vec![bare(entry("a", 1, "")), entry("b", 2, "beta 2")];
    stream.manifest(2, manifest(1, ManifestKind::Delta, entries)).await;
    // The first manifest of a stream is answered in full.
    assert_eq!(told(&stream.ack().await.results), ["a v1 APPLIED", "b v2 APPLIED"]);
    assert_eq!(home.file("B").as_deref(), Some("beta 2"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn asked_to_begin_anew_it_says_nothing_of_what_it_holds() {
    let (_world, mut broker, _home, guest, stream) = settled().await;
    let code = v1::StreamErrorCode::Resync.into();
    stream.send(1, Message::Error(v1::StreamError { code, message: String::new() })).await;
    let again = broker.silent_stream().await;
    assert_eq!((again.hello.resume.clone(), again.hello.have.len()), (None, 0));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_secret_that_cannot_be_placed_fails_alone_and_is_tried_again() {
    let (_world, _broker, home, mut guest, mut stream) = settled().await;
    let foreign = home.secrets.path().join("C");
    fs::write(&foreign, "somebody else's").unwrap();
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, "")), entry("c", 1, "gamma")];
    stream.manifest(2, manifest(2, ManifestKind::Delta, entries)).await;
    let results = stream.ack().await.results;
    assert_eq!(told(&results), ["a v2 APPLIED", "c v1 FAILED"]);
    assert!(!results[1].detail.contains("gamma"));
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    let status = guest.until(|status| status.failed.contains_key(&name("c"))).await;
    assert!(!status.applied.contains_key(&name("c")));
    fs::remove_file(&foreign).unwrap();
    assert_eq!(told(&stream.report().await.results), ["c v1 APPLIED"]);
    assert_eq!(home.file("C").as_deref(), Some("gamma"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_template_is_made_anew_with_any_of_its_values_and_never_from_one_that_is_gone() {
    let (_world, _broker, home, guest, mut stream) = settled().await;
    let mut made = entry("c", 1, "gamma");
    made.targets[0].template = "c={{ value }} a={{ secrets.A }}".into();
    let entries = vec![bare(entry("a", 1, "")), bare(entry("b", 1, "")), made.clone()];
    stream.manifest(2, manifest(2, ManifestKind::Delta, entries)).await;
    assert_eq!(told(&stream.results().await), ["c v1 APPLIED"]);
    assert_eq!(home.file("C").as_deref(), Some("c=gamma a=alpha"));
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, "")), bare(made.clone())];
    stream.manifest(3, manifest(3, ManifestKind::Delta, entries)).await;
    assert_eq!(told(&stream.results().await), ["a v2 APPLIED"]);
    assert_eq!(home.file("C").as_deref(), Some("c=gamma a=alpha 2"));
    // A template that does not work leaves the file that there was.
    let mut broken = made.clone();
    broken.targets[0].template = "a={{ secrets.A }}\nc={{ valu }}".into();
    broken.version = 2;
    broken.value = Some("gamma 2".to_owned().into());
    let entries = vec![bare(entry("a", 2, "")), bare(entry("b", 1, "")), broken.clone()];
    stream.manifest(4, manifest(4, ManifestKind::Delta, entries)).await;
    let results = stream.results().await;
    assert_eq!(told(&results), ["c v2 FAILED"]);
    assert!(results[0].detail.contains("C: line 2 of the template, `c={{ valu }}`"), "{results:?}");
    assert_eq!(home.file("C").as_deref(), Some("c=gamma a=alpha 2"));
    // But not a value that was taken away.
    let entries = vec![bare(entry("b", 1, "")), bare(broken)];
    stream.manifest(5, manifest(5, ManifestKind::Delta, entries)).await;
    assert_eq!(told(&stream.results().await), ["a v2 WIPED"]);
    assert_eq!((home.file("C"), home.file("A")), (None, None));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_lapsed_lease_takes_its_file_and_contact_brings_it_back() {
    let (_world, _broker, home, mut guest, mut stream) = settled().await;
    let mut short = entry("a", 2, "alpha 2");
    short.stale_max_ms = 200;
    let entries = vec![short, bare(entry("b", 1, ""))];
    stream.manifest(2, manifest(2, ManifestKind::Delta, entries.clone())).await;
    stream.ack().await;
    let status = guest.until(|status| status.lapsed).await;
    assert!(!status.is_ready() && !status.applied.contains_key(&name("a")));
    assert_eq!((home.file("A"), home.file("B").as_deref()), (None, Some("beta")));
    assert_eq!(told(&stream.report().await.results), ["a v2 WIPED"]);
    stream.heartbeat(2, manifest_digest(&entries, None)).await;
    stream.pong().await;
    assert_eq!(stream.need_snapshot().await, v1::SnapshotReason::LocalLoss);
    let whole = vec![entry("a", 2, "alpha 2"), entry("b", 1, "beta")];
    stream.manifest(2, manifest(3, ManifestKind::Snapshot, whole)).await;
    assert_eq!(stream.ack().await.results.len(), 2);
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn stopped_in_order_it_wipes_and_says_so() {
    let (_world, _broker, home, guest, mut stream) = settled().await;
    guest.shutdown.cancel();
    assert_eq!(told(&stream.report().await.results), ["a v1 WIPED", "b v1 WIPED"]);
    assert!(home.is_bare(), "it was said when it was true");
    drop(stream);
    guest.ended().await.unwrap();
    assert!(!names(home.state.path()).contains(&"lease.json".to_owned()));
}

#[tokio::test]
async fn a_killed_sidecar_finds_its_files_and_its_identity() {
    let (world, mut broker, home, guest, stream) = settled().await;
    guest.kill().await;
    drop(stream);
    assert_eq!(home.file("A").as_deref(), Some("alpha"));
    fs::remove_file(home.state.path().join("token")).unwrap();
    let mut guest = Guest::run(home.config(broker.address));
    let mut stream = broker.stream(&world).await;
    assert_eq!(home.file("A").as_deref(), Some("alpha"), "its lease has not lapsed");
    assert_eq!(stream.hello.resume, None, "it reads no value back");
    stream.manifest(2, manifest(1, ManifestKind::Snapshot, vec![entry("a", 2, "alpha 2")])).await;
    assert_eq!(told(&stream.ack().await.results), ["a v2 APPLIED"]);
    assert_eq!((home.file("A").as_deref(), home.file("B")), (Some("alpha 2"), None));
    guest.until(|status| status.is_ready()).await;
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_certificate_is_renewed_and_the_next_stream_opened_with_it() {
    let world = World::new();
    *world.valid.lock().unwrap() = vec![(-60, 4), (-60, 3600)];
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    let mut old = broker.stream(&world).await;
    let new = broker.silent_stream().await;
    assert_ne!(new.peer.serial, old.peer.serial);
    assert_eq!(new.peer.subject, old.peer.subject);
    assert!(names(home.state.path()).contains(&"next.json".to_owned()), "stored before it is used");
    new.send(0, Message::Welcome(welcome(&world))).await;
    assert!(old.heard().await.is_none());
    let requests = world.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2);
    assert_ne!(requests[0], requests[1], "a new key each time");
    guest.stop().await.unwrap();
    assert!(!names(home.state.path()).contains(&"next.json".to_owned()), "promoted");
}

#[tokio::test]
async fn an_expired_certificate_renews_first() {
    let world = World::new();
    *world.valid.lock().unwrap() = vec![(-3600, -10), (-60, 3600)];
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    let stream = broker.silent_stream().await;
    assert!(stream.peer.not_after > stream.peer.not_before + 3600);
    assert_eq!(world.requests.lock().unwrap().len(), 2);
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_lost_join_is_repeated_with_the_same_key() {
    let world = World::new();
    *world.refusals.lock().unwrap() = vec![Status::unavailable("the answer was lost")];
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    broker.silent_stream().await;
    let requests = world.requests.lock().unwrap().clone();
    assert_eq!(requests.len(), 2);
    assert_eq!(requests[0], requests[1]);
    guest.stop().await.unwrap();
    assert!(!names(home.state.path()).contains(&"pending.json".to_owned()));
}

#[tokio::test]
async fn a_refused_token_and_a_strange_broker_are_said_as_such() {
    let (world, stranger) = (World::new(), World::new());
    *world.refusals.lock().unwrap() = vec![Status::unauthenticated("TOKEN_REFUSED")];
    let (broker, other) = (FakeBroker::start(&world).await, FakeBroker::start(&stranger).await);
    let home = Home::new();
    let error = home.run(&world, broker.address).ended().await.unwrap_err();
    assert!(matches!(error, AppError::Enrol(EnrolError::Refused(_))), "{error}");
    assert_eq!(error.exit_code(), 1);
    let error = home.run(&world, other.address).ended().await.unwrap_err();
    assert!(matches!(error, AppError::Enrol(EnrolError::OtherBroker(_))), "{error}");
    assert_eq!(error.exit_code(), 1);
    assert!(stranger.requests.lock().unwrap().is_empty(), "it never saw the token");
}

#[tokio::test]
async fn welcomed_as_somebody_else_it_takes_nothing() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let guest = home.run(&world, broker.address);
    let mut stream = broker.silent_stream().await;
    let wrong = v1::Welcome { agent: "somebody-else".into(), ..welcome(&world) };
    stream.send(0, Message::Welcome(wrong)).await;
    stream.manifest(1, manifest(1, ManifestKind::Snapshot, pair())).await;
    let heard = stream.heard().await;
    assert!(!matches!(heard, Some(watch_request::Message::Ack(_))), "{heard:?}");
    assert!(home.is_bare() && !guest.status.borrow().connected);
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn it_is_the_agent_that_was_asked_for_or_none() {
    let (_world, broker, home, guest, stream) = settled().await;
    guest.stop().await.unwrap();
    drop(stream);
    let agent = Some(secretref_domain::name::AgentName::parse("other").unwrap());
    let config = RunConfig { agent, ..home.config(broker.address) };
    let error = Guest::run(config).ended().await.unwrap_err();
    assert_eq!(error.exit_code(), 2);
    assert!(error.to_string().contains("--agent payment-analyst"), "{error}");
}

#[tokio::test]
async fn a_start_that_takes_too_long_is_given_up_only_where_that_was_asked_for() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let token = Some(secretref_sidecar::config::TokenSource::File(home.token_file(&world)));
    let wait_timeout = Some(std::time::Duration::from_millis(300));
    let config = RunConfig { token, wait_timeout, ..home.config(broker.address) };
    let guest = Guest::run(config);
    let _stream = broker.stream(&world).await;
    let error = timeout(DEADLINE, guest.ended()).await.unwrap().unwrap_err();
    assert_eq!(error.exit_code(), 69);
    assert!(home.is_bare());
}
