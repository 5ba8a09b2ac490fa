use super::super::names::SetName;
use super::{GRACE, RETIRED_BYTES_MAX, RETIRED_MAX, Retired};
use std::time::{Duration, Instant};

#[test]
fn a_set_stays_for_its_grace() {
    let mut retired = Retired::default();
    let now = Instant::now();
    let (first, second) = (SetName::new(1), SetName::new(2));
    assert!(retired.push(first.clone(), 4096, now).is_empty());
    let later = now + Duration::from_millis(10);
    assert!(retired.push(second.clone(), 4096, later).is_empty());

    assert_eq!(retired.next_due(), Some(now + GRACE));
    assert!(retired.take_due(now + GRACE - Duration::from_nanos(1)).is_empty());
    assert_eq!(retired.take_due(now + GRACE), [first]);
    assert_eq!(retired.take_due(later + GRACE), [second]);
    assert_eq!(retired.next_due(), None);
}

#[test]
fn too_many_sets_push_out_the_oldest() {
    let mut retired = Retired::default();
    let now = Instant::now();
    for number in 0..RETIRED_MAX as u64 {
        assert!(retired.push(SetName::new(number), 0, now).is_empty());
    }
    let evicted = retired.push(SetName::new(9999), 0, now);
    assert_eq!(evicted.iter().map(SetName::number).collect::<Vec<_>>(), [0]);
    assert_eq!(retired.count(), RETIRED_MAX);
}

#[test]
fn too_many_bytes_push_out_the_oldest() {
    let mut retired = Retired::default();
    let now = Instant::now();
    let third = RETIRED_BYTES_MAX / 3;
    for number in 0..3 {
        assert!(retired.push(SetName::new(number), third, now).is_empty());
    }
    let evicted = retired.push(SetName::new(3), 2 * third, now);
    assert_eq!(evicted.iter().map(SetName::number).collect::<Vec<_>>(), [0, 1]);
    // What left no longer counts.
    assert!(retired.push(SetName::new(4), 0, now).is_empty());
    assert_eq!(retired.take_all().count(), 3);
    assert!(retired.push(SetName::new(5), RETIRED_BYTES_MAX, now).is_empty());
}
