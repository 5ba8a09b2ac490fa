use super::*;

#[test]
fn reach_doubles_to_a_cap() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    let reaches: Vec<u128> =
        (0..10).map(|_| backoff.wait(Cause::Trouble, now, 1.0).as_millis()).collect();
    assert_eq!(reaches, [200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000]);
    assert_eq!(backoff.wait(Cause::Trouble, now, 0.0), Duration::ZERO);
}

#[test]
fn never_overflows() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    for _ in 0..1000 {
        assert!(backoff.wait(Cause::Trouble, now, 1.0) <= CAP);
    }
}

#[test]
fn only_a_long_life_makes_failures_forgotten() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    for _ in 0..5 {
        backoff.wait(Cause::Trouble, now, 1.0);
    }
    backoff.stream_ended(LIVED_MIN / 2, now);
    assert_eq!(backoff.wait(Cause::Trouble, now, 1.0), BASE * 32);
    backoff.stream_ended(LIVED_MIN, now);
    assert_eq!(backoff.wait(Cause::Trouble, now, 1.0), BASE);
}

#[test]
fn a_restarted_broker_has_its_fleet_back_at_once() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    for _ in 0..20 {
        backoff.wait(Cause::Trouble, now, 1.0);
    }
    backoff.stream_ended(Duration::ZERO, now);
    assert!(backoff.wait(Cause::Farewell, now, 1.0) <= BASE);
    for second in 0..10 {
        let now = now + Duration::from_secs(second);
        assert!(backoff.wait(Cause::PortClosed, now, 1.0) <= RESTART_CAP);
    }
    let later = now + RESTART_WINDOW;
    assert_eq!(backoff.wait(Cause::PortClosed, later, 1.0), CAP);
}

#[test]
fn a_broker_that_said_when_to_come_back_is_taken_at_its_word() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    let minute = Duration::from_mins(1);
    backoff.stream_ended(Duration::ZERO, now);
    assert_eq!(backoff.wait(Cause::Announced(minute), now, 1.0), minute);
    // Then it may take a moment longer than it thought.
    let back = now + minute;
    assert!(backoff.wait(Cause::PortClosed, back, 1.0) <= RESTART_CAP);
    assert!(backoff.wait(Cause::PortClosed, back + RESTART_WINDOW / 2, 1.0) <= RESTART_CAP);
}

#[test]
fn a_first_start_waits_for_a_broker_that_starts_beside_it() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    assert!(backoff.wait(Cause::PortClosed, now, 1.0) <= BASE);
    assert!(backoff.wait(Cause::PortClosed, now + RESTART_WINDOW / 2, 1.0) <= RESTART_CAP);
}

#[test]
fn what_the_broker_says_is_kept_to_within_reason() {
    let (mut backoff, now) = (Backoff::new(), Instant::now());
    let second = Duration::from_secs(1);
    assert!(backoff.wait(Cause::Overloaded(second), now, 0.0) >= second);
    assert!(backoff.wait(Cause::Overloaded(second * 1_000_000), now, 1.0) <= 2 * CAP);
    assert!(backoff.wait(Cause::Conflict, now, 0.0) >= CAP / 2);
    assert!(backoff.wait(Cause::Hopeless, now, 0.0) >= HOPELESS / 2);
}
