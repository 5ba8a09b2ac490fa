//! Checkpoints, the subtrees under them, and lanes in order.

use super::*;
use crate::store::{CheckpointRow, TreeRow};
use secretref_domain::tree;

pub(super) async fn of_two_checkpoints_that_follow_one_the_first_is_kept(place: Place) {
    let store = place.ready().await;
    assert_eq!(store.newest_checkpoint().await.unwrap(), None);
    let row = |size, follows| CheckpointRow { size, follows, note: format!("of {size}") };
    assert!(store.add_checkpoint(row(3, 0), vec![subtrees(0, 0, 3)]).await.unwrap());
    // The same size, the same one before, and both: none of them leaves a trace.
    for taken in [row(3, 1), row(4, 0), row(3, 0)] {
        assert!(!store.add_checkpoint(taken, vec![subtrees(5, 0, 1)]).await.unwrap());
    }
    assert!(store.subtree(tree::Place { level: 5, index: 0 }).await.is_err());
    assert!(store.add_checkpoint(row(5, 3), vec![subtrees(0, 3, 2)]).await.unwrap());
    let store = place.open().await;
    assert_eq!(store.newest_checkpoint().await.unwrap(), Some(row(5, 3)));
    assert_eq!(store.checkpoint(3).await.unwrap(), Some(row(3, 0)));
    assert_eq!(store.checkpoint(4).await.unwrap(), None);
    assert_eq!(store.checkpoint_after(0).await.unwrap(), Some(row(3, 0)));
    assert_eq!(store.checkpoint_after(3).await.unwrap(), Some(row(5, 3)));
    assert_eq!(store.checkpoint_after(5).await.unwrap(), None);
    for index in 0..5 {
        let hash = store.subtree(tree::Place { level: 0, index }).await.unwrap();
        assert_eq!(hash, mark(i64::try_from(index).unwrap()), "{index}");
    }
    let beyond = store.subtree(tree::Place { level: 0, index: 5 }).await;
    assert!(matches!(beyond, Err(StoreError::Damaged(_))), "{beyond:?}");
}

pub(super) async fn lanes_are_read_one_by_one(place: Place) {
    let store = place.ready().await;
    let lane = |number| BrokerId(Uuid::from_u128(number));
    let mut ends = [start_of_lane(), start_of_lane()];
    for number in [2_u128, 1, 2] {
        let end = &mut ends[usize::try_from(number).unwrap() - 1];
        store.append(note(Batch::default(), lane(number), end, &[10, 11])).await.unwrap();
    }
    let [one, two] = ends;
    assert_eq!(store.lane_ends().await.unwrap(), [(lane(1), one), (lane(2), two)]);
    assert_eq!(store.lane_after(lane(0)).await.unwrap(), Some(lane(1)));
    assert_eq!(store.lane_after(lane(1)).await.unwrap(), Some(lane(2)));
    assert_eq!(store.lane_after(lane(2)).await.unwrap(), None);
    let seqs = async |after, last, limit| {
        let rows = store.lane_entries(lane(2), after, last, limit).await.unwrap();
        rows.iter().map(|row| row.seq).collect::<Vec<_>>()
    };
    assert_eq!(seqs(0, i64::MAX, 10).await, [1, 2, 3, 4]);
    assert_eq!(seqs(1, 3, 10).await, [2, 3]);
    assert_eq!(seqs(1, 4, 1).await, [2]);
}

fn subtrees(level: u32, index: u64, count: i64) -> TreeRow {
    let start = i64::try_from(index).unwrap();
    let hashes = (start..start + count).map(mark).collect();
    TreeRow { first: tree::Place { level, index }, hashes }
}
