//! What goes in comes out.

use super::{
    AgentId, Batch, BrokerId, LANE, Place, Revision, SecretId, Store, StoreError, Timestamp, Uuid,
    Version, after, change, mark, note, put, report, request, schedule, sealed, start_of_lane,
    whole_log,
};
use crate::store::AuditCursor;

pub(super) async fn the_vault_is_replaced_if_unchanged(place: Place) {
    let store = place.ready().await;
    assert_eq!(store.vault("absent").await.unwrap(), None);
    store.replace_vault("keyring", b"sealed", b"sealed again").await.unwrap();
    let stale = store.replace_vault("keyring", b"sealed", b"lost").await;
    assert!(matches!(stale, Err(StoreError::Damaged(_))), "{stale:?}");
    let absent = store.replace_vault("absent", b"", b"new").await;
    assert!(matches!(absent, Err(StoreError::Damaged(_))), "{absent:?}");
    assert_eq!(store.vault("keyring").await.unwrap(), Some(b"sealed again".to_vec()));
}

pub(super) async fn of_two_who_add_a_blob_the_first_wins(place: Place) {
    let store = place.ready().await;
    let brokers = (1..=4_u8).map(|number| {
        let store = store.clone();
        tokio::spawn(async move { (number, store.add_vault("receipts", &[number]).await.unwrap()) })
    });
    let mut winners = Vec::new();
    for broker in brokers.collect::<Vec<_>>() {
        let (number, added) = broker.await.unwrap();
        winners.extend(added.then_some(number));
    }
    let [winner] = winners.as_slice() else { panic!("{winners:?}") };
    assert_eq!(store.vault("receipts").await.unwrap(), Some(vec![*winner]));
    assert!(!store.add_vault("keyring", b"another").await.unwrap());
    assert_eq!(store.vault("keyring").await.unwrap(), Some(b"sealed".to_vec()));
}

pub(super) async fn the_log_is_read_in_pages(place: Place) {
    let store = place.ready().await;
    let head = put(&store, &[b"a", b"b", b"c"]).await;
    assert_eq!(head.revision, Revision(1));
    let head = put(&store, &[b"d"]).await;
    assert_eq!(store.head().await.unwrap(), Some(head));

    let all = whole_log(&store).await;
    let places: Vec<_> = all.iter().map(|row| (row.revision.0, row.position)).collect();
    assert_eq!(places, [(1, 0), (1, 1), (1, 2), (2, 0)]);
    assert_eq!(all[2].record, b"c");
    assert_eq!(all[2].mac, mark(2));

    let (mut read, mut place) = (Vec::new(), (Revision(0), 0));
    loop {
        let page = store.log_after(place.0, place.1, 2).await.unwrap();
        assert!(page.len() <= 2);
        let Some(last) = page.last() else { break };
        place = (last.revision, last.position);
        read.extend(page);
    }
    assert_eq!(read, all);
    assert_eq!(store.log_after(Revision(1), i64::MAX, 9).await.unwrap(), all[3..]);
}

async fn change_with(store: &Store, fill: impl FnOnce(&mut Batch)) -> Result<(), StoreError> {
    let locked = store.lock().await.unwrap();
    let mut batch = change(locked.head(), &[b"record"]);
    fill(&mut batch);
    locked.commit(batch).await
}

pub(super) async fn a_sealed_version_comes_and_goes(place: Place) {
    let store = place.ready().await;
    let rows = [sealed(1, 1), sealed(1, 2), sealed(2, 1)];
    change_with(&store, |batch| batch.sealed = rows.to_vec()).await.unwrap();
    for row in &rows {
        let found = store.sealed(row.secret, row.version).await.unwrap();
        assert_eq!(found.as_ref(), Some(row));
    }
    let [gone, stays, other] = rows;
    // What is shredded in the batch that made it is never there; what is absent already is no
    // error, so that a retry is none.
    let stillborn = sealed(3, 1);
    let shredded = vec![
        (gone.secret, gone.version),
        (stillborn.secret, stillborn.version),
        (SecretId(Uuid::from_u128(99)), Version::FIRST),
    ];
    change_with(&store, |batch| {
        batch.sealed.push(stillborn.clone());
        batch.shredded = shredded;
    })
    .await
    .unwrap();
    assert_eq!(store.sealed(gone.secret, gone.version).await.unwrap(), None);
    assert_eq!(store.sealed(stillborn.secret, stillborn.version).await.unwrap(), None);
    assert_eq!(store.sealed(stays.secret, stays.version).await.unwrap(), Some(stays));
    let again = change_with(&store, |batch| batch.sealed = vec![other.clone()]).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
    assert_eq!(store.head().await.unwrap().unwrap().revision, Revision(2));
}

/// On Postgres it is gone for every statement; on SQLite it is gone from the files.
pub(super) async fn a_shredded_version_leaves_no_copy(place: Place) {
    let store = place.ready().await;
    let mut row = sealed(1, 1);
    row.wrapped = b"CANARY-of-a-wrapped-key".to_vec();
    change_with(&store, |batch| batch.sealed = vec![row.clone()]).await.unwrap();
    assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), Some(row.clone()));
    let holds_copy = |ending: &str| {
        let mut path = place.file()?.into_os_string();
        path.push(ending);
        let bytes = std::fs::read(path).unwrap_or_default();
        Some(bytes.windows(row.wrapped.len()).any(|window| window == row.wrapped))
    };
    assert_ne!(holds_copy("-wal"), Some(false), "the test looks in the wrong place");
    change_with(&store, |batch| batch.shredded = vec![(row.secret, row.version)]).await.unwrap();
    assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), None);
    for ending in ["", "-wal", "-shm"] {
        assert_ne!(holds_copy(ending), Some(true), "broker.db{ending}");
    }
}

pub(super) async fn answers_are_found_and_forgotten(place: Place) {
    let store = place.ready().await;
    let rows = [request(1, 100), request(2, 200), request(3, 300)];
    change_with(&store, |batch| batch.requests = rows.to_vec()).await.unwrap();
    let ids = [1, 3, 4].map(Uuid::from_u128);
    let mut locked = store.lock().await.unwrap();
    let found = locked.requests(&ids).await.unwrap();
    assert_eq!(found.len(), 2);
    assert_eq!((&found[&ids[0]], &found[&ids[1]]), (&rows[0], &rows[2]));
    assert!(locked.requests(&[]).await.unwrap().is_empty());
    drop(locked);
    assert_eq!(store.forget_requests(Timestamp::from_micros(300)).await.unwrap(), 2);
    let left = store.lock().await.unwrap().requests(&ids).await.unwrap();
    assert_eq!(left.keys().collect::<Vec<_>>(), [&ids[1]]);
    let again = change_with(&store, |batch| batch.requests = vec![rows[2].clone()]).await;
    assert!(matches!(again, Err(StoreError::Refused(_))), "{again:?}");
}

pub(super) async fn a_report_replaces_the_one_before(place: Place) {
    let store = place.ready().await;
    let reports = vec![report(1, 2, 1), report(1, 1, 1), report(2, 1, 1), report(1, 1, 2)];
    let batch = Batch { reports, ..Batch::default() };
    store.append(note(batch, LANE, &mut start_of_lane(), &[1])).await.unwrap();
    let agent = AgentId(Uuid::from_u128(1));
    assert_eq!(store.reports(agent).await.unwrap(), [report(1, 1, 2), report(1, 2, 1)]);
    let newer = Batch { reports: vec![report(1, 1, 3)], ..Batch::default() };
    store.append(newer).await.unwrap();
    assert_eq!(store.reports(agent).await.unwrap(), [report(1, 1, 3), report(1, 2, 1)]);
    let under_lock = |batch: &mut Batch| batch.reports = vec![report(1, 2, 4)];
    change_with(&store, under_lock).await.unwrap();
    assert_eq!(store.reports(agent).await.unwrap(), [report(1, 1, 3), report(1, 2, 4)]);
    let other = AgentId(Uuid::from_u128(2));
    assert_eq!(store.reports(other).await.unwrap(), [report(2, 1, 1)]);
}

pub(super) async fn a_schedule_replaces_the_one_before_until_it_is_old(place: Place) {
    let store = place.ready().await;
    let schedules =
        vec![schedule(1, 2, 1), schedule(1, 1, 1), schedule(2, 1, 3), schedule(1, 1, 2)];
    let batch = Batch { schedules, ..Batch::default() };
    store.append(batch).await.unwrap();
    let agent = AgentId(Uuid::from_u128(1));
    assert_eq!(store.schedules(agent).await.unwrap(), [schedule(1, 1, 2), schedule(1, 2, 1)]);
    let under_lock = |batch: &mut Batch| batch.schedules = vec![schedule(1, 2, 4)];
    change_with(&store, under_lock).await.unwrap();
    assert_eq!(store.schedules(agent).await.unwrap(), [schedule(1, 1, 2), schedule(1, 2, 4)]);
    assert_eq!(store.forget_schedules(Timestamp::from_micros(21)).await.unwrap(), 1);
    assert_eq!(store.schedules(agent).await.unwrap(), [schedule(1, 2, 4)]);
    let other = AgentId(Uuid::from_u128(2));
    assert_eq!(store.schedules(other).await.unwrap(), [schedule(2, 1, 3)]);
}

pub(super) async fn the_audit_is_read_over_all_lanes(place: Place) {
    let store = place.ready().await;
    let lanes = [3, 1, 2].map(|number| BrokerId(Uuid::from_u128(number)));
    let mut expected = Vec::new();
    for lane in lanes {
        // Every lane has entries of the same times, and more than one of a time.
        let batch = note(Batch::default(), lane, &mut start_of_lane(), &[10, 20, 20, 30]);
        expected.extend(batch.audit.clone());
        store.append(batch).await.unwrap();
    }
    expected.sort_by_key(|row| (row.at, row.lane, row.seq));
    let since = Timestamp::from_micros(0);
    let (mut read, mut place) = (Vec::new(), None);
    loop {
        let page = store.audit_after(place, since, 5).await.unwrap();
        let Some(last) = page.last() else { break };
        place = Some(AuditCursor { at: last.at, lane: last.lane, seq: last.seq });
        read.extend(page);
    }
    assert_eq!(read, expected);
    let late = store.audit_after(None, Timestamp::from_micros(20), 99).await.unwrap();
    assert_eq!(late, expected[3..]);
    // And backwards.
    let (mut read, mut place) = (Vec::new(), None);
    loop {
        let page = store.audit_before(place, since, 5).await.unwrap();
        let Some(last) = page.last() else { break };
        place = Some(AuditCursor { at: last.at, lane: last.lane, seq: last.seq });
        read.extend(page);
    }
    read.reverse();
    assert_eq!(read, expected);
    let late = store.audit_before(None, Timestamp::from_micros(20), 99).await.unwrap();
    assert_eq!(late.len(), expected[3..].len());
    assert_eq!(late.last(), expected.get(3));
    // And lane by lane.
    let first = |at| store.lane_since(lanes[0], Timestamp::from_micros(at));
    assert_eq!(first(20).await.unwrap(), Some(2));
    assert_eq!(first(31).await.unwrap(), None);
    // A place from before `since` does not bring back what is older.
    let early = AuditCursor { at: since, lane: lanes[0], seq: 1 };
    let late = store.audit_after(Some(early), Timestamp::from_micros(30), 99).await.unwrap();
    assert_eq!(late, expected[9..]);
    assert_eq!(store.lane_head(lanes[0]).await.unwrap().seq, 4);
    assert_eq!(store.lane_head(LANE).await.unwrap(), start_of_lane());
}

pub(super) async fn a_row_that_is_too_big_is_refused(place: Place) {
    let store = place.ready().await;
    let before = store.head().await.unwrap();
    let big = |bytes| vec![1_u8; bytes];
    type Fill = Box<dyn FnOnce(&mut Batch)>;
    let fills: Vec<Fill> = vec![
        Box::new(move |batch| batch.log[0].record = big(4 * 1024 * 1024 + 1)),
        Box::new(move |batch| batch.log[0].record = big(0)),
        Box::new(move |batch| {
            batch.sealed = vec![sealed(1, 1)];
            batch.sealed[0].sealed = big(128 * 1024 + 1);
        }),
        Box::new(move |batch| {
            batch.requests = vec![request(1, 1)];
            batch.requests[0].answer = big(1024 * 1024 + 1);
        }),
        Box::new(move |batch| {
            batch.reports = vec![report(1, 1, 1)];
            batch.reports[0].detail = "x".repeat(1025);
        }),
        Box::new(move |batch| {
            batch.schedules = vec![schedule(1, 1, 1)];
            batch.schedules[0].told = "x".repeat(4097);
        }),
    ];
    for fill in fills {
        let outcome = change_with(&store, fill).await;
        assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    }
    assert_eq!(store.head().await.unwrap(), before);
    assert!(whole_log(&store).await.is_empty());
    // A value of the largest size, with what its sealing adds, has room.
    let mut row = sealed(1, 1);
    row.sealed = big(64 * 1024 + 64);
    change_with(&store, |batch| batch.sealed = vec![row.clone()]).await.unwrap();
    assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), Some(row));
}

pub(super) async fn a_batch_out_of_order_is_refused(place: Place) {
    let store = place.ready().await;
    type Fill = fn(&mut Batch);
    let fills: [Fill; 5] = [
        |batch| batch.head = batch.head.as_ref().map(after),
        |batch| batch.head = None,
        |batch| batch.log[0].position = 1,
        |batch| batch.log[0].revision = Revision(7),
        |batch| {
            let mut end = start_of_lane();
            *batch = note(std::mem::take(batch), LANE, &mut end, &[1, 2]);
            batch.audit.swap(0, 1);
        },
    ];
    for fill in fills {
        let outcome = change_with(&store, fill).await;
        assert!(matches!(outcome, Err(StoreError::Refused(_))), "{outcome:?}");
    }
    let head = store.head().await.unwrap().unwrap();
    let without_lock = store.append(change(&head, &[b"record"])).await;
    assert!(matches!(without_lock, Err(StoreError::Refused(_))), "{without_lock:?}");
    assert_eq!(store.head().await.unwrap(), Some(head));
    assert!(whole_log(&store).await.is_empty());
}

pub(super) async fn a_big_batch_is_one_batch(place: Place) {
    let store = place.ready().await;
    let count = 3000;
    let records: Vec<Vec<u8>> = (0..count).map(|at| format!("record {at}").into_bytes()).collect();
    let records: Vec<&[u8]> = records.iter().map(Vec::as_slice).collect();
    let mut end = start_of_lane();
    let locked = store.lock().await.unwrap();
    let times: Vec<i64> = (0..count).collect();
    let mut batch = note(change(locked.head(), &records), LANE, &mut end, &times);
    batch.sealed = (1..=count).map(|version| sealed(1, version)).collect();
    batch.requests = (1..=count).map(|id| request(u128::try_from(id).unwrap(), id)).collect();
    let ids: Vec<Uuid> = batch.requests.iter().map(|row| row.id).collect();
    locked.commit(batch).await.unwrap();
    assert_eq!(whole_log(&store).await.len(), records.len());
    assert_eq!(store.lane_head(LANE).await.unwrap(), end);
    assert_eq!(store.lock().await.unwrap().requests(&ids).await.unwrap().len(), ids.len());
}
