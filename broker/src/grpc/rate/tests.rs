use super::*;

fn ten_a_second() -> Rate {
    Rate::new(10, Duration::from_secs(1), 5)
}

const TENTH: Duration = Duration::from_millis(100);

#[test]
fn a_burst_passes_and_then_the_rate_holds() {
    let (rate, mut bucket, mut now) = (ten_a_second(), Bucket::default(), Instant::now());
    for _ in 0..5 {
        assert_eq!(bucket.take(rate, now), Ok(()));
    }
    assert_eq!(bucket.take(rate, now), Err(TENTH));
    // Who is refused is not charged: the wait that was named is enough.
    assert_eq!(bucket.take(rate, now), Err(TENTH));
    for _ in 0..100 {
        now += TENTH;
        assert_eq!(bucket.take(rate, now), Ok(()));
        assert_eq!(bucket.take(rate, now), Err(TENTH));
    }
    // A pause fills it again, and no fuller than full.
    now += Duration::from_secs(3600);
    let passed = (0..100).filter(|_| bucket.take(rate, now).is_ok()).count();
    assert_eq!(passed, 5);
}

#[test]
fn what_cannot_be_refused_is_slowed_down() {
    let (rate, mut bucket, mut now) = (ten_a_second(), Bucket::default(), Instant::now());
    for _ in 0..4 {
        assert_eq!(bucket.spend(rate, now), Duration::ZERO);
    }
    let began = now;
    for _ in 0..100 {
        now += bucket.spend(rate, now);
    }
    // Four at once before, one of these for nothing, the rest at the rate.
    assert_eq!(now - began, TENTH * 99);
}

#[test]
fn what_is_given_back_can_be_taken_again() {
    let (buckets, now) = (Buckets::new(ten_a_second(), 2), Instant::now());
    for _ in 0..20 {
        assert_eq!(buckets.take('a', now), Ok(()));
        buckets.give_back(&'a');
    }
    // Nobody gets more than was taken.
    buckets.give_back(&'a');
    buckets.give_back(&'b');
    let passed = (0..100).filter(|_| buckets.take('a', now).is_ok()).count();
    assert_eq!(passed, 5);
}

#[test]
fn callers_are_apart_and_their_number_is_bounded() {
    let (buckets, now) = (Buckets::new(ten_a_second(), 2), Instant::now());
    for _ in 0..5 {
        assert_eq!(buckets.take('a', now), Ok(()));
    }
    assert!(buckets.take('a', now).is_err());
    assert_eq!(buckets.take('b', now), Ok(()));
    // Both are remembered for what they took, so there is no room for a third.
    assert_eq!(buckets.take('c', now), Err(TENTH));
    assert!(buckets.take('a', now).is_err(), "a full table must not forgive");
    // Whoever is not ahead any more is forgotten.
    assert_eq!(buckets.take('c', now + TENTH), Ok(()));
    assert_eq!(buckets.held.lock().unwrap().len(), 2);
}
