use super::*;

#[test]
fn pauses_double_up_to_the_longest_and_are_forgotten_after_a_life() {
    let mut pauses = Pauses::default();
    let short = Duration::from_secs(1);
    let waits: Vec<_> = (0..10).map(|_| pauses.next(short, 1.0).as_millis()).collect();
    assert_eq!(waits, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert_eq!(pauses.next(LIVED, 1.0), PAUSE_MIN);
    assert_eq!(pauses.next(short, 0.0), PAUSE_MIN);
    for _ in 0..100 {
        assert!(pauses.next(short, 1.0) <= PAUSE_MAX);
    }
}
