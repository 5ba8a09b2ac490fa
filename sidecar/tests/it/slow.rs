//! The link alone, with a test in the place of whoever holds the set.

use crate::{
    broker::{DEADLINE, FakeBroker, World},
    guest::{Home, entry, manifest, told},
};
use secretref_domain::{clock::Timestamp, name::SecretName, version::Version};
use secretref_proto::v1::{Evidence, ManifestKind};
use secretref_sidecar::{
    SystemClock,
    link::{
        Brokers, Introduction, Link, enrol,
        orders::{Desk, Order, orders},
        report,
    },
    state::State,
    status::Status,
};
use std::sync::Arc;
use tokio::{
    sync::{oneshot, watch},
    time::timeout,
};
use tokio_util::sync::CancellationToken;

/// The next manifest that the link hands over, taken; and where its results go.
async fn take(desk: &mut Desk) -> oneshot::Sender<Vec<secretref_proto::v1::SecretResult>> {
    loop {
        match timeout(DEADLINE, desk.orders.recv()).await.unwrap().unwrap() {
            Order::Take { answer, .. } => {
                let (reply, results) = oneshot::channel();
                answer.send(Ok(results)).ok().unwrap();
                return reply;
            }
            Order::Contact { .. } => {}
            Order::Wipe { .. } => panic!("nobody revoked anything"),
        }
    }
}

#[tokio::test]
async fn what_takes_long_frees_the_brokers_frame_and_is_reported_later() {
    let world = World::new();
    let mut broker = FakeBroker::start(&world).await;
    let home = Home::new();
    let state = Arc::new(State::open(home.state.path()).unwrap());
    let clock: Arc<dyn secretref_domain::clock::Clock> = Arc::new(SystemClock);
    let (address, token) = (broker.address.to_string(), world.authority.token());
    let brokers = Brokers::new(&[address], 0.0);
    let identity = enrol::enrol(&brokers, &token, &state, &clock).await.unwrap();
    let ((orders, mut desk), stop) = (orders(), CancellationToken::new());
    let (status, _) = watch::channel(Status::default());
    let link = Link::new(
        Introduction::new(brokers, None),
        clock,
        state,
        identity,
        orders,
        status,
        stop.clone(),
    );
    let running = tokio::spawn(link.run());
    let mut stream = broker.stream(&world).await;

    stream.manifest(1, manifest(1, ManifestKind::Snapshot, vec![entry("a", 1, "x")])).await;
    let first = take(&mut desk).await;
    let ack = stream.ack().await;
    assert_eq!((ack.nonce, ack.results.len()), (1, 0), "received, and no more than that");
    // The broker's frame is free: the next manifest comes before the first is in place.
    stream.manifest(2, manifest(2, ManifestKind::Snapshot, vec![entry("a", 2, "y")])).await;
    let second = take(&mut desk).await;
    let (name, at) = (SecretName::parse("a").unwrap(), Timestamp::from_micros(0));
    second
        .send(vec![report::applied(&name, Version::FIRST.next(), Evidence::Written, at)])
        .unwrap();
    // It may have been freed too by now; either way its results come.
    let results = match stream.ack().await {
        ack if ack.results.is_empty() => stream.report().await.results,
        ack => ack.results,
    };
    assert_eq!(told(&results), ["a v2 APPLIED"]);
    first.send(vec![report::failed(&name, Version::FIRST, "no room", at)]).unwrap();
    assert_eq!(told(&stream.report().await.results), ["a v1 FAILED"]);
    drop(desk);
    timeout(DEADLINE, running).await.unwrap().unwrap();
}
