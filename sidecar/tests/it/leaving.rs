//! How a sidecar leaves a stream that it is asked to leave.

use crate::{
    broker::welcome,
    guest::{bare, entry, manifest, told},
    streams::settled,
};
use secretref_proto::{
    convert::manifest_digest,
    v1::{self, ManifestKind, watch_response::Message},
};
use tonic::Status;

#[tokio::test]
async fn told_to_go_it_opens_the_next_stream_before_it_leaves_the_old() {
    let (world, mut broker, home, mut guest, mut old) = settled().await;
    let go_away = v1::GoAway {
        reason: v1::GoAwayReason::Age.into(),
        deadline_ms: 30_000,
        ..v1::GoAway::default()
    };
    old.send(1, Message::GoAway(go_away)).await;
    let new = broker.silent_stream().await;
    assert_eq!((new.hello.stream_seq, new.hello.boot_id.clone()), (2, old.hello.boot_id.clone()));
    // The old one still does its work.
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, ""))];
    old.manifest(2, manifest(2, ManifestKind::Delta, entries.clone())).await;
    assert_eq!(told(&old.ack().await.results), ["a v2 APPLIED"]);
    new.send(2, Message::Welcome(welcome(&world))).await;
    assert!(old.heard().await.is_none(), "now it is closed");
    let status = guest.until(|status| status.streams == 2).await;
    assert!(status.connected);
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_stops_is_used_to_its_end_and_found_again() {
    let (world, mut broker, home, mut guest, mut old) = settled().await;
    let go_away = v1::GoAway {
        reason: v1::GoAwayReason::Drain.into(),
        deadline_ms: 30_000,
        retry_after_min_ms: 1,
        retry_after_max_ms: 2,
    };
    old.send(1, Message::GoAway(go_away)).await;
    // It is served on, and opens nothing at a broker that is about to go.
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, ""))];
    old.manifest(2, manifest(2, ManifestKind::Delta, entries.clone())).await;
    assert_eq!(told(&old.ack().await.results), ["a v2 APPLIED"]);
    old.heartbeat(2, manifest_digest(&entries, None)).await;
    old.pong().await;
    assert!(broker.has_no_stream(), "it dialled a broker that stops");
    assert!(guest.status.borrow().connected);
    old.fail(Status::unavailable("GO_AWAY_REASON_DRAIN")).await;
    let new = broker.stream(&world).await;
    assert_eq!(new.hello.stream_seq, 2);
    assert_eq!(new.hello.resume.clone().unwrap().manifest_digest, manifest_digest(&entries, None));
    guest.until(|status| status.connected && status.streams == 2).await;
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_broker_that_stops_without_an_end_is_left() {
    let (_world, mut broker, _home, guest, old) = settled().await;
    let go_away = v1::GoAway {
        reason: v1::GoAwayReason::Drain.into(),
        deadline_ms: 1,
        retry_after_min_ms: 1,
        retry_after_max_ms: 2,
    };
    old.send(1, Message::GoAway(go_away)).await;
    assert_eq!(broker.silent_stream().await.hello.stream_seq, 2);
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn a_stream_that_is_closed_because_of_its_successor_waits_for_it() {
    let (world, mut broker, home, mut guest, old) = settled().await;
    let go_away = |reason: v1::GoAwayReason| {
        Message::GoAway(v1::GoAway { reason: reason.into(), ..v1::GoAway::default() })
    };
    old.send(1, go_away(v1::GoAwayReason::Age)).await;
    let mut new = broker.silent_stream().await;
    // The broker closes the old one when it sees the new one, before it says welcome there.
    old.send(1, go_away(v1::GoAwayReason::Superseded)).await;
    old.fail(Status::unavailable("superseded")).await;
    guest.until(|status| !status.connected).await;
    new.send(1, Message::Welcome(welcome(&world))).await;
    guest.until(|status| status.connected && status.streams == 2).await;
    let entries = vec![entry("a", 2, "alpha 2"), bare(entry("b", 1, ""))];
    new.manifest(2, manifest(1, ManifestKind::Delta, entries)).await;
    assert_eq!(told(&new.ack().await.results), ["a v2 APPLIED", "b v1 APPLIED"]);
    assert_eq!(home.file("A").as_deref(), Some("alpha 2"));
    assert!(broker.has_no_stream(), "there was no third");
    guest.stop().await.unwrap();
}

#[tokio::test]
async fn superseded_by_a_stranger_it_leaves() {
    let (_world, mut broker, home, mut guest, mut stream) = settled().await;
    let reason = v1::GoAwayReason::Superseded.into();
    stream.send(1, Message::GoAway(v1::GoAway { reason, ..v1::GoAway::default() })).await;
    assert!(stream.heard().await.is_none());
    guest.until(|status| !status.connected).await;
    assert!(broker.has_no_stream(), "it does not fight over the identity");
    assert!(home.file("A").is_some(), "what it holds is held by its lease");
    guest.stop().await.unwrap();
}
