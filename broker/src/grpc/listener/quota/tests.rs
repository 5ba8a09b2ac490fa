use super::*;
use crate::grpc::listener::pace::Pace;
use secretref_identity::peer::{Serial, Standing};
use uuid::Uuid;

fn quota() -> Quota {
    let limits = Limits {
        connections_per_instance_max: 2,
        connections_per_admin_max: 3,
        strangers_max: 5,
        strangers_per_address_max: 3,
        ..Limits::default()
    };
    Quota::new(&limits)
}

fn peer(subject: Subject) -> Peer {
    Peer {
        subject,
        serial: Serial::from_random([7; 16]),
        not_before: 0,
        not_after: 1,
        spki_sha256: [0; 32],
        standing: Standing::Valid,
    }
}

fn address(text: &str) -> IpAddr {
    text.parse().unwrap()
}

#[test]
fn each_identity_has_its_own_places() {
    let (quota, here) = (quota(), address("192.0.2.1"));
    let instance = |id| peer(Subject::Agent { agent: Uuid::nil(), instance: Uuid::from_u128(id) });
    let (one, other) = (instance(1), instance(2));
    let admin = peer(Subject::Admin { admin: Uuid::nil() });
    let first = quota.enter(Some(&one), here).unwrap();
    let _second = quota.enter(Some(&one), here).unwrap();
    assert_eq!(quota.enter(Some(&one), here).err(), Some(Full::Identity(2)));
    let _other = quota.enter(Some(&other), here).unwrap();
    let _admins: Vec<_> = (0..3).map(|_| quota.enter(Some(&admin), here).unwrap()).collect();
    assert_eq!(quota.enter(Some(&admin), here).err(), Some(Full::Identity(3)));
    drop(first);
    let _again = quota.enter(Some(&one), here).unwrap();
    assert_eq!(quota.enter(Some(&one), here).err(), Some(Full::Identity(2)));
}

#[test]
fn strangers_have_few_places_by_address_and_in_all() {
    let quota = quota();
    let (one, other) = (address("192.0.2.1"), address("2001:db8::1"));
    let mut held: Vec<_> = (0..3).map(|_| quota.enter(None, one).unwrap()).collect();
    assert_eq!(quota.enter(None, one).err(), Some(Full::Address(3)));
    // The same, written as an address of IPv6.
    assert_eq!(quota.enter(None, address("::ffff:192.0.2.1")).err(), Some(Full::Address(3)));
    held.extend((0..2).map(|_| quota.enter(None, other).unwrap()));
    assert_eq!(quota.enter(None, address("192.0.2.9")).err(), Some(Full::Strangers(5)));
    drop(held);
    let mut held = quota.held.lock().unwrap();
    assert!(held.holders.values().all(|it| it.connections == 0), "who left is still counted");
    held.sweep_at = 0;
    held.sweep();
    assert!(held.holders.is_empty(), "who left is remembered");
    drop(held);
    // A network of IPv6 is one person.
    let _three: Vec<_> = ["2001:db8::1", "2001:db8::2", "2001:db8::ffff:0:0:3"]
        .map(|text| quota.enter(None, address(text)).unwrap())
        .into();
    assert_eq!(quota.enter(None, address("2001:db8::4")).err(), Some(Full::Address(3)));
    let _next = quota.enter(None, address("2001:db8:0:1::4")).unwrap();
}

#[tokio::test]
async fn whoever_left_far_ahead_of_his_pace_is_remembered() {
    let quota = quota();
    let place = quota.enter(None, address("192.0.2.1")).ok().unwrap();
    // As many bytes as take a second.
    Pace::new(1000, 1, place.account()).read(1000);
    drop(place);
    let mut held = quota.held.lock().unwrap();
    held.sweep_at = 0;
    held.sweep();
    assert_eq!(held.holders.len(), 1);
}
