//! The test that loses acknowledged writes without [`detached`](crate::store::detached) and
//! without the pools' `after_release`.

use super::{
    Batch, BrokerId, LaneHead, Place, Revision, Store, Uuid, change, note, start_of_lane, whole_log,
};
use std::{
    collections::BTreeMap,
    pin::Pin,
    task::{Context, Poll},
    time::{Duration, Instant},
};

const TASKS: u128 = 32;
const INNOCENTS: u128 = 4;
const ROUNDS: i64 = 60;
/// More polls than this no unit of work takes.
const POLLS_MAX: u32 = 12;
/// Far more than the limits on locks and idle transactions together.
const SETTLES_WITHIN: Duration = Duration::from_secs(30);

/// Polls a future so many times, and drops it where it stands then: as a server drops a handler
/// whose client went away.
struct Abandoned<F> {
    work: Pin<Box<F>>,
    polls_left: u32,
}

impl<F: Future> Future for Abandoned<F> {
    type Output = Option<F::Output>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.polls_left == 0 {
            return Poll::Ready(None);
        }
        self.polls_left -= 1;
        match self.work.as_mut().poll(context) {
            Poll::Ready(output) => Poll::Ready(Some(output)),
            Poll::Pending if self.polls_left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    }
}

fn abandon_after<F: Future>(polls: u32, work: F) -> Abandoned<F> {
    Abandoned { work: Box::pin(work), polls_left: polls }
}

/// What one task was told is durable.
#[derive(Default)]
struct Acknowledged {
    /// Revision and record of each put.
    puts: BTreeMap<i64, String>,
    /// Number and hash of each entry of the task's own lane.
    entries: BTreeMap<i64, [u8; 32]>,
}

/// One task: puts and appends in turn, each on its own lane, each cancelled somewhere.
async fn suffer(store: Store, number: u128, cancels: bool) -> Acknowledged {
    let lane = BrokerId(Uuid::from_u128(number));
    let mut acknowledged = Acknowledged::default();
    let mut end = start_of_lane();
    for round in 0..ROUNDS {
        let polls = if cancels { fastrand::u32(1..POLLS_MAX) } else { u32::MAX };
        let record = format!("{number} {round}");
        let (moved, outcome) = if round % 2 == 0 {
            let work = put(&store, lane, end.clone(), &record);
            abandon_after(polls, work).await.flatten().unzip()
        } else {
            let mut moved = end.clone();
            let batch = note(Batch::default(), lane, &mut moved, &[round]);
            let done = abandon_after(polls, store.append(batch)).await;
            (done.and_then(Result::ok).map(|()| moved), None)
        };
        match moved {
            Some(moved) => {
                end = moved;
                acknowledged.entries.insert(end.seq, end.hash);
                acknowledged.puts.extend(outcome.map(|revision: Revision| (revision.0, record)));
            }
            // It is not known how this ended: look, as a broker does.
            None => end = settled(&store, lane).await,
        }
    }
    acknowledged
}

async fn put(
    store: &Store,
    lane: BrokerId,
    mut end: LaneHead,
    record: &str,
) -> Option<(LaneHead, Revision)> {
    let mut locked = store.lock().await.ok()?;
    locked.requests(&[Uuid::from_u128(1)]).await.ok()?;
    let revision = locked.head().revision.next();
    let batch = change(locked.head(), &[record.as_bytes()]);
    locked.commit(note(batch, lane, &mut end, &[1])).await.ok()?;
    Some((end, revision))
}

/// The end of a lane once abandoned work on it has ended: that work holds the lane's row, so a
/// lane that takes an entry has no other writer left.
async fn settled(store: &Store, lane: BrokerId) -> LaneHead {
    let started = Instant::now();
    while started.elapsed() < SETTLES_WITHIN {
        let Ok(mut end) = store.lane_head(lane).await else { continue };
        if store.append(note(Batch::default(), lane, &mut end, &[0])).await.is_ok() {
            return end;
        }
    }
    panic!("the lane {lane} is held by work that nobody waits for");
}

pub(super) async fn cancelled_work_loses_nothing_acknowledged(place: Place) {
    let store = place.ready().await;
    let tasks: Vec<_> = (0..TASKS + INNOCENTS)
        .map(|number| tokio::spawn(suffer(store.clone(), number, number < TASKS)))
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.unwrap());
    }
    // What the pool still holds open goes with it: only what is durable is left.
    store.close().await;
    let store = place.open().await;

    let log = whole_log(&store).await;
    let durable: BTreeMap<i64, &[u8]> =
        log.iter().map(|row| (row.revision.0, row.record.as_slice())).collect();
    let audit = store.audit_after(None, super::Timestamp::from_micros(0), i64::MAX).await.unwrap();
    let entries: BTreeMap<_, _> = audit.iter().map(|row| ((row.lane, row.seq), row.hash)).collect();

    let (mut acknowledged, mut lost) = (0, Vec::new());
    for (number, told) in (0_u128..).zip(&told) {
        let lane = BrokerId(Uuid::from_u128(number));
        for (revision, record) in &told.puts {
            acknowledged += 1;
            if durable.get(revision) != Some(&record.as_bytes()) {
                lost.push(format!("put {record} at {revision}"));
            }
        }
        for (seq, hash) in &told.entries {
            acknowledged += 1;
            if entries.get(&(lane, *seq)) != Some(hash) {
                lost.push(format!("entry {seq} of lane {number}"));
            }
        }
    }
    let of = acknowledged;
    assert!(lost.is_empty(), "{} of {of} acknowledged are lost: {lost:?}", lost.len());
    assert!(acknowledged > 500, "the storm let too little through: {acknowledged}");
    let revisions: Vec<_> = log.iter().map(|row| row.revision.0).collect();
    let head = store.head().await.unwrap().unwrap();
    assert_eq!(revisions, (1..=head.revision.0).collect::<Vec<_>>(), "the log has gaps");
    let all = usize::try_from(ROUNDS).unwrap();
    let innocents = told.iter().skip(usize::try_from(TASKS).unwrap());
    assert!(innocents.map(|told| told.entries.len()).all(|told| told == all), "innocents suffered");
}
