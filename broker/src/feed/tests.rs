use super::*;
use futures_util::FutureExt;

fn agent(n: u128) -> AgentId {
    AgentId(Uuid::from_u128(n))
}

fn boot(n: u128) -> Uuid {
    Uuid::from_u128(n)
}

fn instance(n: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(n))
}

#[tokio::test]
async fn a_new_stream_looks_at_once_and_then_only_when_it_is_concerned() {
    let feed = Feed::new(Revision(0));
    let one = feed.subscribe(agent(1), instance(1), boot(1));
    let other = feed.subscribe(agent(2), instance(2), boot(1));
    one.woken().await;
    assert_eq!(one.take(), Some(Woken::default()));
    assert_eq!(one.take(), None);
    other.woken().await;
    assert!(other.take().is_some());
    feed.publish(Revision(1), &Publication { agents: vec![agent(1)], ..Publication::default() });
    one.woken().await;
    assert!(one.take().is_some());
    assert!(other.take().is_none());
    assert_eq!(feed.revision(), Revision(1));
}

#[tokio::test]
async fn many_commits_are_one_look() {
    let feed = Feed::new(Revision(0));
    let stream = feed.subscribe(agent(1), instance(1), boot(1));
    for revision in 1..100 {
        let publication = Publication { agents: vec![agent(1)], ..Publication::default() };
        feed.publish(Revision(revision), &publication);
    }
    stream.woken().await;
    assert!(stream.take().is_some());
    assert!(stream.take().is_none());
}

#[test]
fn revocation_is_not_taken_back() {
    let feed = Feed::new(Revision(0));
    let stream = feed.subscribe(agent(1), instance(1), boot(1));
    let publication = Publication { revoked: vec![agent(1)], ..Publication::default() };
    feed.publish(Revision(1), &publication);
    let newer = feed.subscribe(agent(1), instance(1), boot(2));
    newer.supersede();
    assert_eq!(stream.take().and_then(|woken| woken.cut), Some(Cut::Revoked));
}

#[test]
fn a_newer_stream_of_an_instance_supersedes_the_older() {
    let feed = Feed::new(Revision(0));
    let older = feed.subscribe(agent(1), instance(1), boot(1));
    let newer = feed.subscribe(agent(1), instance(1), boot(1));
    let other = feed.subscribe(agent(1), instance(2), boot(1));
    let cut = |stream: &Subscription| stream.take().and_then(|woken| woken.cut);
    // Its own next stream takes over when it says so, and not before.
    assert_eq!([&older, &newer, &other].map(cut), [None, None, None]);
    newer.supersede();
    assert_eq!([&older, &newer, &other].map(cut), [Some(Cut::Superseded), None, None]);
    assert_eq!((newer.rival(), other.rival()), (None, None));
    // A stranger's takes over at once.
    let stranger = feed.subscribe(agent(1), instance(1), boot(2));
    assert_eq!([&newer, &other].map(cut), [Some(Cut::Superseded), None]);
    assert_eq!(stranger.rival(), Some(boot(1)));
    assert_eq!(feed.live(agent(1)), [instance(1), instance(2)]);
    drop((older, newer, stranger));
    assert_eq!(feed.live(agent(1)), [instance(2)]);
    drop(other);
    assert_eq!(*feed.count().borrow(), 0);
}

#[test]
fn a_recorded_delivery_reaches_the_instance_that_it_names_only() {
    let feed = Feed::new(Revision(0));
    let one = feed.subscribe(agent(1), instance(1), boot(1));
    let other = feed.subscribe(agent(1), instance(2), boot(1));
    let secret = SecretId(Uuid::from_u128(9));
    let publication = Publication {
        agents: vec![agent(1)],
        recorded: vec![((agent(1), secret, Version::FIRST), HashSet::from([instance(1)]))],
        ..Publication::default()
    };
    feed.publish(Revision(1), &publication);
    let recorded = HashMap::from([(secret, Version::FIRST)]);
    let woken = one.take().unwrap();
    assert!(woken.since.is_some(), "nobody would know how long it took");
    assert_eq!(woken, Woken { recorded, since: woken.since, ..Woken::default() });
    assert!(other.take().unwrap().recorded.is_empty());
}

#[test]
fn a_live_stream_has_the_version_that_it_was_introduced_with() {
    let feed = Feed::new(Revision(0));
    let one = feed.subscribe(agent(1), instance(1), boot(1));
    one.introduce("0.1.0".to_owned());
    let other = feed.subscribe(agent(1), instance(2), boot(1));
    let newer = feed.subscribe(agent(1), instance(1), boot(1));
    newer.introduce("0.2.0".to_owned());
    let wanted = [(instance(1), "0.2.0".to_owned()), (instance(2), String::new())];
    assert_eq!(feed.versions(agent(1)), wanted.into());
    drop((one, other, newer));
    assert_eq!(feed.versions(agent(1)), [].into());
}

#[tokio::test]
async fn one_that_could_do_nothing_is_woken_only_to_end() {
    let feed = Feed::new(Revision(0));
    let stream = feed.subscribe(agent(1), instance(1), boot(1));
    let publication = Publication { agents: vec![agent(1)], ..Publication::default() };
    feed.publish(Revision(1), &publication);
    assert!(stream.cut().now_or_never().is_none());
    // What came meanwhile is still there to look at.
    stream.woken().await;
    assert!(stream.take().is_some());
    let revoked = Publication { revoked: vec![agent(1)], ..Publication::default() };
    feed.publish(Revision(2), &revoked);
    stream.cut().await;
    assert_eq!(stream.take().and_then(|woken| woken.cut), Some(Cut::Revoked));
}
