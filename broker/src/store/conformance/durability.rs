//! What was acknowledged is there.

use super::{Batch, LANE, Place, note, put, report, sealed, start_of_lane, whole_log};

pub(super) async fn what_is_acknowledged_is_there_after_reopening(place: Place) {
    let store = place.ready().await;
    let mut end = start_of_lane();
    let locked = store.lock().await.unwrap();
    let mut batch = note(super::change(locked.head(), &[b"a"]), LANE, &mut end, &[1]);
    batch.sealed = vec![sealed(1, 1)];
    locked.commit(batch).await.unwrap();
    let batch = Batch { reports: vec![report(1, 1, 1)], ..Batch::default() };
    store.append(note(batch, LANE, &mut end, &[2])).await.unwrap();
    let head = put(&store, &[b"b"]).await;
    let log = whole_log(&store).await;

    // Once without a goodbye, once with one. The first leaves its log of writes behind, which the
    // next to open it checks.
    let files = place.file().map(|path| {
        let wal = path.with_extension("db-wal");
        (std::fs::read(&path).unwrap(), std::fs::read(wal).unwrap(), path)
    });
    store.close().await;
    if let Some((database, wal, path)) = files {
        std::fs::write(&path, database).unwrap();
        std::fs::write(path.with_extension("db-wal"), wal).unwrap();
    }
    for _ in 0..2 {
        let store = place.open().await;
        store.migrate().await.unwrap();
        assert_eq!(store.head().await.unwrap(), Some(head.clone()));
        assert_eq!(whole_log(&store).await, log);
        assert_eq!(store.lane_head(LANE).await.unwrap(), end);
        let row = sealed(1, 1);
        assert_eq!(store.sealed(row.secret, row.version).await.unwrap(), Some(row));
        assert_eq!(store.reports(report(1, 1, 1).agent).await.unwrap(), [report(1, 1, 1)]);
        store.close().await;
        assert!(store.lock().await.is_err());
    }
}
