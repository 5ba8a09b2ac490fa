//! Leases, and who is there.

use super::*;
use futures_util::future::join_all;

fn broker(number: u128) -> BrokerId {
    BrokerId(Uuid::from_u128(number))
}

fn instance(number: u128) -> InstanceId {
    InstanceId(Uuid::from_u128(number))
}

fn at(micros: i64) -> Timestamp {
    Timestamp::from_micros(micros)
}

pub(super) async fn one_holder_at_a_time_and_the_next_when_it_ends(place: Place) {
    let store = place.ready().await;
    let take = async |holder, now, until| {
        store.take_lease("rotation/1", broker(holder), at(now), at(until)).await.unwrap()
    };
    assert!(take(1, 0, 10).await);
    assert!(!take(2, 9, 20).await, "it is still another's");
    assert!(take(1, 9, 19).await, "the holder prolongs it");
    assert!(!take(2, 18, 30).await);
    assert!(take(2, 19, 30).await, "it has ended");
    assert!(!take(1, 20, 40).await);
    assert!(store.take_lease("rotation/2", broker(1), at(20), at(40)).await.unwrap());
    // Who does not have it cannot give it back.
    store.drop_lease("rotation/1", broker(1)).await.unwrap();
    assert!(!take(1, 21, 40).await);
    store.drop_lease("rotation/1", broker(2)).await.unwrap();
    assert!(take(1, 22, 40).await);
}

pub(super) async fn of_many_who_take_one_at_once_one_has_it(place: Place) {
    let store = place.ready().await;
    for round in 0..20 {
        let take = |holder| {
            let store = store.clone();
            async move {
                let now = at(round * 100);
                store.take_lease("one", broker(holder), now, at(round * 100 + 50)).await.unwrap()
            }
        };
        let taken = join_all((1..=8).map(take)).await;
        assert_eq!(taken.iter().filter(|taken| **taken).count(), 1, "{taken:?}");
    }
}

pub(super) async fn who_is_there_is_what_each_broker_said_last(place: Place) {
    let store = place.ready().await;
    let bytes = |ids: &[u128]| -> Vec<u8> {
        ids.iter().flat_map(|id| Uuid::from_u128(*id).into_bytes()).collect()
    };
    store.set_presence(broker(1), at(10), bytes(&[1, 2])).await.unwrap();
    store.set_presence(broker(2), at(20), bytes(&[2, 3])).await.unwrap();
    store.set_contact(instance(1), at(5)).await.unwrap();
    store.set_contact(instance(4), at(7)).await.unwrap();
    // An older word of the same does not count.
    store.set_contact(instance(4), at(6)).await.unwrap();
    let contacts = store.contacts().await.unwrap();
    let last = |id: u128| contacts.get(&instance(id)).map(|at| at.as_micros());
    assert_eq!([1, 2, 3, 4, 5].map(last), [Some(10), Some(20), Some(20), Some(7), None]);
    store.set_presence(broker(2), at(30), bytes(&[3])).await.unwrap();
    let (when, who) = store.presence_of(broker(2)).await.unwrap().unwrap();
    assert_eq!((when, who), (at(30), vec![instance(3)]));
    assert_eq!(store.contacts().await.unwrap()[&instance(2)], at(10));
    assert_eq!(store.forget_contacts(at(6)).await.unwrap(), 1);
    assert_eq!(store.presence_of(broker(3)).await.unwrap(), None);
}

pub(super) async fn reports_of_a_secret_are_those_of_all_agents(place: Place) {
    let store = place.ready().await;
    let other = ReportRow { secret: SecretId(Uuid::from_u128(6)), ..report(1, 1, 9) };
    let reports = vec![report(1, 1, 1), report(2, 1, 3), report(1, 2, 2), other];
    store.append(Batch { reports, ..Batch::default() }).await.unwrap();
    let found = store.reports_of(SecretId(Uuid::from_u128(5))).await.unwrap();
    assert_eq!(found, [report(1, 1, 1), report(1, 2, 2), report(2, 1, 3)]);
}
