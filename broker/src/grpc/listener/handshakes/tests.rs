use super::*;
use std::{future::pending, net::Ipv4Addr};
use tokio::task::JoinHandle;

fn address(last: u8) -> IpAddr {
    Ipv4Addr::new(192, 0, 2, last).into()
}

fn begin(handshakes: &mut Handshakes, last: u8) -> JoinHandle<()> {
    handshakes.make_room();
    let handshake = tokio::spawn(pending());
    handshakes.begin(address(last), handshake.abort_handle());
    handshake
}

#[tokio::test]
async fn who_opens_many_hurts_himself_first() {
    let mut handshakes = Handshakes::new(8);
    let oldest = begin(&mut handshakes, 1);
    let first_of_many = begin(&mut handshakes, 2);
    let mut many: Vec<_> = (0..6).map(|_| begin(&mut handshakes, 2)).collect();
    let newest = begin(&mut handshakes, 3);
    assert!(first_of_many.await.is_err(), "the oldest of the address that has the most");
    assert!(!oldest.is_finished() && !newest.is_finished(), "another address was hurt");
    // A flood from there ends its own, and nobody else's.
    for _ in 0..100 {
        many.push(begin(&mut handshakes, 2));
    }
    let left = many.split_off(many.len() - 6);
    for ended in many {
        assert!(ended.await.unwrap_err().is_cancelled());
    }
    assert!(left.iter().all(|handshake| !handshake.is_finished()));
    assert_eq!(handshakes.under_way.len(), 8);
}

#[tokio::test]
async fn what_has_ended_takes_no_room() {
    let mut handshakes = Handshakes::new(8);
    for _ in 0..8 {
        let handshake = begin(&mut handshakes, 2);
        handshake.abort();
        drop(handshake.await);
    }
    let one = begin(&mut handshakes, 1);
    assert_eq!(handshakes.under_way.len(), 1);
    assert!(!one.is_finished());
}
