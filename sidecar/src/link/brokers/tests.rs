use super::*;

fn three(chance: f64) -> Brokers {
    Brokers::new(&["a:1", "b:1", "c:1"].map(str::to_owned), chance)
}

#[test]
fn a_fleet_begins_spread_over_its_brokers() {
    let begins = [0.0, 0.33, 0.34, 0.66, 0.67, 0.999].map(|it| three(it).here().to_string());
    assert_eq!(begins, ["a:1", "a:1", "b:1", "b:1", "c:1", "c:1"]);
}

#[test]
fn each_is_tried_once_before_there_is_anything_to_wait_for() {
    let brokers = three(0.5);
    assert_eq!(&*brokers.here(), "b:1");
    assert!(brokers.leave());
    assert_eq!(&*brokers.here(), "c:1");
    assert!(brokers.leave());
    assert_eq!(&*brokers.here(), "a:1");
    assert!(!brokers.leave(), "all three were tried");
    assert_eq!(&*brokers.here(), "b:1");
    brokers.arrived();
    assert!(brokers.leave(), "a stream opened since");
}

#[test]
fn one_that_is_alone_is_never_another() {
    let brokers = Brokers::new(&["a:1".to_owned()], 0.9);
    assert!(!brokers.has_others());
    assert!(!brokers.leave());
    brokers.choose(0.99);
    assert_eq!(&*brokers.here(), "a:1");
}

#[test]
fn its_clones_go_together() {
    let brokers = three(0.0);
    let other = brokers.clone();
    other.leave();
    assert_eq!(&*brokers.here(), "b:1");
}
