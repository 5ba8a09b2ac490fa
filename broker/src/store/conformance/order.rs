//! One order of all changes, whoever makes them.

use super::{
    Batch, BrokerId, LANE, LaneHead, Place, Revision, StoreError, Uuid, change, mark, note, put,
    schema::tamper, sealed, start_of_lane, whole_log,
};

pub(super) async fn the_lock_shows_what_others_committed(place: Place) {
    let (ours, theirs) = (place.ready().await, place.open().await);
    let seen = ours.head().await.unwrap().unwrap();
    let head = put(&theirs, &[b"a", b"b"]).await;
    put(&theirs, &[b"c"]).await;
    let mut locked = ours.lock().await.unwrap();
    assert_eq!(locked.head().revision, Revision(2));
    let missed = locked.log_after(seen.revision, i64::MAX).await.unwrap();
    let records: Vec<_> = missed.iter().map(|row| row.record.as_slice()).collect();
    assert_eq!(records, [b"a", b"b", b"c"]);
    assert_eq!(locked.log_after(head.revision, i64::MAX).await.unwrap(), missed[2..]);
    let batch = change(locked.head(), &[b"d"]);
    locked.commit(batch).await.unwrap();
    assert_eq!(theirs.head().await.unwrap().unwrap().revision, Revision(3));
}

pub(super) async fn a_lane_has_one_writer(place: Place) {
    let store = place.ready().await;
    let mut end = start_of_lane();
    store.append(note(Batch::default(), LANE, &mut end, &[1, 2])).await.unwrap();
    assert_eq!(store.lane_head(LANE).await.unwrap(), end);
    let stale = [
        start_of_lane(),
        LaneHead { seq: 1, hash: mark(1) },
        LaneHead { seq: 2, hash: mark(9) },
        LaneHead { seq: 3, hash: mark(3) },
    ];
    for mut before in stale {
        let batch = note(Batch::default(), LANE, &mut before.clone(), &[3]);
        let alone = store.append(batch).await;
        assert!(matches!(alone, Err(StoreError::LaneTaken(LANE))), "{before:?}: {alone:?}");
        let locked = store.lock().await.unwrap();
        let mut batch = note(change(locked.head(), &[b"lost"]), LANE, &mut before, &[3]);
        batch.sealed = vec![sealed(1, 1)];
        let locked = locked.commit(batch).await;
        assert!(matches!(locked, Err(StoreError::LaneTaken(LANE))), "{before:?}: {locked:?}");
    }
    // A lane that is not there is not begun in its middle.
    let other = BrokerId(Uuid::from_u128(0xb1));
    let batch = note(Batch::default(), other, &mut LaneHead { seq: 4, hash: mark(4) }, &[3]);
    assert!(matches!(store.append(batch).await, Err(StoreError::LaneTaken(_))));
    assert!(whole_log(&store).await.is_empty());
    let row = sealed(1, 1);
    assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), None);
    assert_eq!(store.head().await.unwrap().unwrap().revision, Revision(0));
    store.append(note(Batch::default(), LANE, &mut end, &[3])).await.unwrap();
    assert_eq!(store.lane_head(LANE).await.unwrap(), end);
}

pub(super) async fn a_lane_that_lost_entries_is_damaged(place: Place) {
    let store = place.ready().await;
    let batch = note(Batch::default(), LANE, &mut start_of_lane(), &[1, 2]);
    store.append(batch).await.unwrap();
    tamper(&store, "DELETE FROM audit WHERE seq = 2").await;
    let cut = store.lane_head(LANE).await;
    assert!(matches!(cut, Err(StoreError::Damaged(_))), "{cut:?}");
    tamper(&store, "DELETE FROM audit").await;
    assert!(matches!(store.lane_head(LANE).await, Err(StoreError::Damaged(_))));
    tamper(&store, "DELETE FROM audit_lanes").await;
    assert_eq!(store.lane_head(LANE).await.unwrap(), start_of_lane());
}

/// Two brokers of four writers each; every batch continues the one before, whoever wrote that.
pub(super) async fn two_brokers_lose_no_update(place: Place) {
    const BATCHES: i64 = 50;
    let stores = [place.ready().await, place.open().await];
    let mut writers = Vec::new();
    for number in 0..8 {
        let store = stores[number % 2].clone();
        writers.push(tokio::spawn(async move {
            let lane = BrokerId(Uuid::from_u128(u128::try_from(number).unwrap()));
            let mut end = start_of_lane();
            for round in 0..BATCHES {
                let locked = store.lock().await.unwrap();
                let record = format!("{number} {round}");
                let batch = change(locked.head(), &[record.as_bytes()]);
                locked.commit(note(batch, lane, &mut end, &[round])).await.unwrap();
            }
        }));
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let log = whole_log(&stores[0]).await;
    let revisions: Vec<_> = log.iter().map(|row| row.revision.0).collect();
    assert_eq!(revisions, (1..=8 * BATCHES).collect::<Vec<_>>());
    for number in 0..8_usize {
        let of_writer: Vec<_> = log
            .iter()
            .filter_map(|row| String::from_utf8(row.record.clone()).unwrap().parse_after(number))
            .collect();
        assert_eq!(of_writer, (0..BATCHES).collect::<Vec<_>>());
        let lane = BrokerId(Uuid::from_u128(u128::try_from(number).unwrap()));
        assert_eq!(stores[1].lane_head(lane).await.unwrap().seq, BATCHES);
    }
}

trait Record {
    fn parse_after(&self, number: usize) -> Option<i64>;
}

impl Record for String {
    fn parse_after(&self, number: usize) -> Option<i64> {
        let (writer, round) = self.split_once(' ')?;
        (writer == number.to_string()).then(|| round.parse().unwrap())
    }
}

pub(super) async fn a_dropped_lock_leaves_nothing(place: Place) {
    let store = place.ready().await;
    for _ in 0..40 {
        // More than there are connections: none may be lost, nor stay in its transaction.
        let mut locked = store.lock().await.unwrap();
        locked.log_after(Revision(0), 0).await.unwrap();
        drop(locked);
    }
    let head = put(&store, &[b"only"]).await;
    assert_eq!(head.revision, Revision(1));
    assert_eq!(whole_log(&store).await.len(), 1);
}

pub(super) async fn a_failed_commit_leaves_nothing(place: Place) {
    let store = place.ready().await;
    let locked = store.lock().await.unwrap();
    let mut batch = change(locked.head(), &[b"good", b"bad"]);
    batch.log[1].record.clear();
    batch.sealed = vec![sealed(1, 1)];
    let outcome = locked.commit(batch).await;
    assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    let row = sealed(1, 1);
    assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), None);
    assert!(whole_log(&store).await.is_empty());
    assert_eq!(put(&store, &[b"next"]).await.revision, Revision(1));
}

pub(super) async fn a_lock_that_is_held_is_waited_for_and_not_for_ever(place: Place) {
    let (ours, theirs) = (place.ready().await, place.open().await);
    let held = ours.lock().await.unwrap();
    match theirs.lock().await.map(drop) {
        Err(StoreError::Unavailable { why, unknown: false }) => {
            assert!(why.contains("held"), "{why}");
        }
        other => panic!("{other:?}"),
    }
    // Whoever appends does not wait for it on Postgres; SQLite has one writer.
    if place.file().is_none() {
        let batch = note(Batch::default(), LANE, &mut start_of_lane(), &[1]);
        theirs.append(batch).await.unwrap();
    }
    let waits = tokio::spawn(async move { put(&theirs, &[b"theirs"]).await });
    let batch = change(held.head(), &[b"ours"]);
    held.commit(batch).await.unwrap();
    assert_eq!(waits.await.unwrap().revision, Revision(2));
}
