use super::*;

#[test]
fn clones_show_the_same_time_and_it_moves_only_by_hand() {
    let clock = ManualClock::at(Timestamp::from_micros(5));
    let other = clock.clone();
    assert_eq!(clock.advance_seconds(2), Timestamp::from_micros(2_000_005));
    assert_eq!(other.now(), Timestamp::from_micros(2_000_005));
    other.set(Timestamp::from_micros(1));
    assert_eq!(clock.now(), Timestamp::from_micros(1));
}
