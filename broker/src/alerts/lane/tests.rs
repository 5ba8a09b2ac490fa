use super::*;
use secretref_domain::{
    alert::{Alert, AlertKind},
    clock::Timestamp,
    name::EnvironmentName,
};
use uuid::Uuid;

const WINDOW: Duration = Duration::from_secs(60);

fn notice(number: usize) -> Notice {
    let alert = Alert {
        reason: number.to_string(),
        ..Alert::of(AlertKind::Test, EnvironmentName::parse("default").unwrap())
    };
    Notice { id: Uuid::nil(), at: Timestamp::from_micros(0), alert, more: 0 }
}

fn lane(count: usize) -> Lane {
    let mut lane = Lane::default();
    (0..count).for_each(|number| lane.add(notice(number)));
    lane
}

/// What goes now: which alerts, and for how many more each stands.
fn goes(lane: &mut Lane, now: Instant) -> Vec<(String, usize)> {
    let mut gone = Vec::new();
    while let Some(notice) = lane.next(now, 3, WINDOW) {
        gone.push((notice.alert.reason, notice.more));
        lane.free();
    }
    gone
}

fn one(number: usize, more: usize) -> (String, usize) {
    (number.to_string(), more)
}

#[tokio::test]
async fn so_many_go_within_a_window_and_the_rest_as_one() {
    let (start, mut lane) = (Instant::now(), lane(40));
    assert_eq!(goes(&mut lane, start), [one(0, 0), one(1, 0), one(2, 0)]);
    assert_eq!(lane.wakes_at(), Some(start + WINDOW));
    assert_eq!(goes(&mut lane, start + WINDOW / 2), []);
    // 37 gathered: one message for all of them, and what comes after is told singly again.
    assert_eq!(goes(&mut lane, start + WINDOW), [one(3, 36)]);
    lane.add(notice(40));
    lane.add(notice(41));
    assert_eq!(goes(&mut lane, start + WINDOW), [one(40, 0), one(41, 0)]);
    assert!(!lane.is_idle(start + WINDOW) && lane.is_idle(start + WINDOW * 2));
    lane.add(notice(42));
    assert_eq!(goes(&mut lane, start + WINDOW), []);
}

#[tokio::test]
async fn one_message_is_on_its_way_at_a_time() {
    let (now, mut lane) = (Instant::now(), lane(2));
    assert!(lane.next(now, 3, WINDOW).is_some());
    assert!(lane.next(now, 3, WINDOW).is_none() && lane.last().is_none());
    assert!(!lane.is_idle(now + WINDOW * 2) && lane.wakes_at().is_none());
    lane.free();
    assert!(lane.next(now, 3, WINDOW).is_some());
}

#[tokio::test]
async fn what_finds_no_place_is_counted() {
    let (now, mut lane) = (Instant::now(), lane(WAITING_MAX + 100));
    assert_eq!(goes(&mut lane, now).len(), 3);
    assert_eq!(goes(&mut lane, now + WINDOW), [one(3, WAITING_MAX + 100 - 3 - 1)]);
}

#[tokio::test]
async fn the_last_message_stands_for_all_that_wait() {
    let (now, mut lane) = (Instant::now(), lane(10));
    assert_eq!(goes(&mut lane, now).len(), 3);
    let last = lane.last().unwrap();
    assert_eq!((last.alert.reason.as_str(), last.more), ("3", 6));
    lane.free();
    assert!(lane.last().is_none());
}
