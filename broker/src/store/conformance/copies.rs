//! What is copied between stores, and what is replaced under another root key.

use super::*;
use crate::store::{WrappedRow, copy};
use std::collections::BTreeSet;

/// A migration that adds a table or a column has to say whether a backup has it.
pub(super) async fn every_column_is_in_a_backup_or_left_out(place: Place) {
    let store = place.ready().await;
    let columns = store.columns().await.unwrap();
    let covered = copy::covered();
    let left_out = |(table, _): &&(String, String)| copy::LEFT_OUT.contains(&table.as_str());
    let here: BTreeSet<_> = columns.iter().filter(|it| !left_out(it)).cloned().collect();
    assert_eq!(here, covered);
    for table in copy::LEFT_OUT {
        assert!(columns.iter().any(|(name, _)| name == table), "{table} is no table");
    }
}

pub(super) async fn a_store_is_copied_into_an_empty_one_and_no_other(place: Place) {
    let store = place.ready().await;
    let (mut end, head) = (start_of_lane(), store.head().await.unwrap().unwrap());
    let locked = store.lock().await.unwrap();
    let mut batch = note(change(&head, &[b"first", b"second"]), LANE, &mut end, &[10, 20]);
    batch.sealed = (1..=250).map(|number| sealed(number, 1)).collect();
    batch.requests = vec![request(1, 10)];
    batch.reports = vec![report(1, 1, 3)];
    batch.schedules = vec![schedule(1, 1, 5)];
    locked.commit(batch).await.unwrap();
    let other = Place::sqlite();
    let copy = other.open().await;
    copy.migrate().await.unwrap();
    let at = Timestamp::from_micros(77);
    let copied = store.copy_to(&copy, Some(at)).await.unwrap();
    assert_eq!((copied["secret_versions"], copied["authority_log"], copied["audit"]), (250, 2, 2));
    assert_eq!(copy.head().await.unwrap(), store.head().await.unwrap());
    assert_eq!((copy.restored_at().await.unwrap(), store.restored_at().await.unwrap()), (77, 0));
    assert_eq!(whole_log(&copy).await, whole_log(&store).await);
    assert_eq!(copy.lane_head(LANE).await.unwrap(), end);
    let last = sealed(250, 1);
    assert_eq!(copy.sealed(last.secret, last.version).await.unwrap(), Some(last));
    let agent = AgentId(Uuid::from_u128(1));
    assert_eq!(copy.reports(agent).await.unwrap(), store.reports(agent).await.unwrap());
    assert_eq!(copy.schedules(agent).await.unwrap(), store.schedules(agent).await.unwrap());
    // What is there already is not written over.
    let again = store.copy_to(&copy, None).await;
    assert!(matches!(again, Err(StoreError::NotEmpty)), "{again:?}");
    assert_eq!(copy.restored_at().await.unwrap(), 77);
    // And back, as the other engine reads what this one wrote.
    let back = Place::sqlite();
    let third = back.open().await;
    third.migrate().await.unwrap();
    assert_eq!(copy.copy_to(&third, None).await.unwrap(), copied);
}

pub(super) async fn a_data_key_is_replaced_where_it_is_what_was_read(place: Place) {
    let store = place.ready().await;
    let (before, after) = (Uuid::from_u128(1), Uuid::from_u128(2));
    let under = |key: Uuid, mark: &[u8]| [&[2], key.as_bytes().as_slice(), mark].concat();
    let mut rows: Vec<_> = (1..=5).map(|number| sealed(number, 1)).collect();
    for row in &mut rows {
        row.wrapped = under(before, b"wrapped");
    }
    rows[4].wrapped = under(after, b"wrapped");
    let head = store.head().await.unwrap().unwrap();
    let locked = store.lock().await.unwrap();
    let batch = Batch { sealed: rows.clone(), ..change(&head, &[b"first"]) };
    locked.commit(batch).await.unwrap();
    let first = store.wrapped_by_others(after, None, 2).await.unwrap();
    let place = first.last().map(|row| (row.secret, row.version));
    let rest = store.wrapped_by_others(after, place, 9).await.unwrap();
    let found: Vec<_> = first.iter().chain(&rest).map(|row| row.secret).collect();
    assert_eq!(found, rows[..4].iter().map(|row| row.secret).collect::<Vec<_>>());
    // One is another by now, and stays what it is.
    let astray = WrappedRow { wrapped: under(before, b"another"), ..rest[1].clone() };
    let replaced = [&first[0], &first[1], &rest[0], &astray];
    let replaced = replaced.map(|row| (row.clone(), under(after, b"again")));
    assert_eq!(store.rewrap(replaced.to_vec()).await.unwrap(), 3);
    let left = store.wrapped_by_others(after, None, 9).await.unwrap();
    assert_eq!(left, rest[1..].to_vec());
    store.scrub().await.unwrap();
}

pub(super) async fn a_keyring_is_replaced_as_a_whole(place: Place) {
    let store = place.ready().await;
    assert!(store.add_vault("another", b"one").await.unwrap());
    let blob = |name, before: &[u8], after: &[u8]| (name, before.to_vec(), after.to_vec());
    let stale = [blob("keyring", b"sealed", b"new"), blob("another", b"two", b"three")];
    let refused = store.replace_vaults(stale.to_vec()).await;
    assert!(matches!(refused, Err(StoreError::Damaged(_))), "{refused:?}");
    assert_eq!(store.vault("keyring").await.unwrap(), Some(b"sealed".to_vec()));
    let good = [blob("keyring", b"sealed", b"new"), blob("another", b"one", b"two")];
    store.replace_vaults(good.to_vec()).await.unwrap();
    let all = store.vaults().await.unwrap();
    assert_eq!((all["keyring"].as_slice(), all["another"].as_slice()), (&b"new"[..], &b"two"[..]));
}

pub(super) async fn brokers_say_which_root_key_they_hold(place: Place) {
    let store = place.ready().await;
    let (one, other) = (BrokerId(Uuid::from_u128(1)), BrokerId(Uuid::from_u128(2)));
    let key = Uuid::from_u128(9);
    store.hold_key(one, Some(key)).await.unwrap();
    store.stand(other, Revision(0)).await.unwrap();
    let held = store.key_holders().await.unwrap();
    assert_eq!(held.get(&one), Some(&Some(key)));
    // Whoever says how far it is says nothing of root keys.
    store.stand(one, Revision(0)).await.unwrap();
    assert_eq!(store.key_holders().await.unwrap().get(&one), Some(&Some(key)));
    if store.is_shared() {
        assert_eq!(store.key_holders().await.unwrap().get(&other), Some(&None));
    }
    store.hold_key(one, None).await.unwrap();
    assert_eq!(store.key_holders().await.unwrap().get(&one), Some(&None));
}
