//! When places come due.

use super::{FAILED_WAIT, Schedule};
use crate::custody::{Itinerary, Place};
use secretref_domain::reference::Source;
use std::time::Duration;
use tokio::time::Instant;

fn place(reference: &str) -> Place {
    Place {
        environment: "default".parse().unwrap(),
        reference: reference.parse().unwrap(),
        source: Source { provider: "vault".parse().unwrap(), target: None, path: None },
    }
}

fn of(references: &[&str]) -> Itinerary {
    let places = references.iter().map(|it| place(it)).collect();
    Itinerary { places, ..Itinerary::default() }
}

const EVERY: Duration = Duration::from_secs(30);

fn near(schedule: &Schedule, now: Instant, wait: Duration) -> bool {
    let next = schedule.next().unwrap() - now;
    next >= wait.mul_f64(0.9) && next <= wait.mul_f64(1.1)
}

#[test]
fn a_place_is_asked_at_once_and_then_in_its_time() {
    let (mut schedule, now) = (Schedule::new(EVERY), Instant::now());
    let itinerary = of(&["a"]);
    schedule.follow(&itinerary, now, |_| false);
    assert_eq!(schedule.take_due(&itinerary, now).places.len(), 1);
    assert!(schedule.take_due(&itinerary, now + EVERY).places.is_empty(), "one at a time");
    schedule.answered(place("a"), true, now);
    assert!(near(&schedule, now, EVERY));
}

#[test]
fn one_that_fails_is_asked_soon_and_then_less_and_less_often() {
    let (mut schedule, now) = (Schedule::new(EVERY), Instant::now());
    let itinerary = of(&["a"]);
    schedule.follow(&itinerary, now, |_| false);
    for doubling in 0..40 {
        schedule.take_due(&itinerary, now + 2 * EVERY);
        schedule.answered(place("a"), false, now);
        let wait = FAILED_WAIT * 2_u32.saturating_pow(doubling.min(16));
        assert!(near(&schedule, now, wait.min(EVERY)), "{doubling}");
    }
    schedule.take_due(&itinerary, now + 2 * EVERY);
    schedule.answered(place("a"), true, now);
    schedule.take_due(&itinerary, now + 2 * EVERY);
    schedule.answered(place("a"), false, now);
    assert!(near(&schedule, now, FAILED_WAIT), "a good answer begins anew");
}

#[test]
fn what_was_applied_with_its_answer_waits_and_what_is_gone_is_forgotten() {
    let (mut schedule, now) = (Schedule::new(EVERY), Instant::now());
    schedule.follow(&of(&["a"]), now, |_| true);
    assert_eq!(schedule.take_due(&of(&["a"]), now).places.len(), 1, "the first look is at all");
    schedule.follow(&of(&["a", "b", "c"]), now, |place| place.reference.as_str() == "b");
    let due = schedule.take_due(&of(&["a", "b", "c"]), now);
    assert_eq!(due.places, of(&["c"]).places);
    schedule.follow(&of(&[]), now, |_| false);
    assert_eq!(schedule.next(), None);
    schedule.answered(place("a"), true, now);
    assert_eq!(schedule.next(), None, "it is not brought back");
}

#[test]
fn a_change_that_comes_while_a_place_is_asked_is_not_lost() {
    let (mut schedule, now) = (Schedule::new(EVERY), Instant::now());
    let itinerary = of(&["a"]);
    schedule.follow(&itinerary, now, |_| false);
    schedule.take_due(&itinerary, now);
    schedule.hurry(|_| true, now);
    schedule.answered(place("a"), true, now);
    assert_eq!(schedule.take_due(&itinerary, now).places.len(), 1);
    schedule.answered(place("a"), true, now);
    schedule.hurry(|place| place.reference.as_str() == "b", now);
    assert!(schedule.take_due(&itinerary, now).places.is_empty());
    schedule.hurry(|_| true, now);
    assert_eq!(schedule.take_due(&itinerary, now).places.len(), 1);
}
