//! When a place is asked next.

use crate::custody::{Itinerary, Place};
use std::{collections::BTreeMap, time::Duration};
use tokio::time::Instant;

/// When each place is asked next. A place that is being asked has no time until it has answered.
pub(super) struct Schedule {
    every: Duration,
    places: BTreeMap<Place, Due>,
}

#[derive(Clone, Copy)]
struct Due {
    at: Option<Instant>,
    /// How often in a row it had nothing.
    failures: u32,
    /// Whether it is to be asked again at once when it has answered.
    again: bool,
}

impl Schedule {
    pub(super) fn new(every: Duration) -> Self {
        Self { every, places: BTreeMap::new() }
    }

    /// Forgets places that are no more, and adds the new ones: at once, or in its time where a
    /// place was asked a moment ago.
    pub(super) fn follow(
        &mut self,
        itinerary: &Itinerary,
        now: Instant,
        was_asked: impl Fn(&Place) -> bool,
    ) {
        self.places.retain(|place, _| itinerary.places.contains(place));
        let started = self.places.is_empty();
        for place in &itinerary.places {
            let every = self.every;
            self.places.entry(place.clone()).or_insert_with(|| {
                let soon = started || !was_asked(place);
                let wait = if soon { Duration::ZERO } else { jittered(every) };
                Due { at: Some(now + wait), failures: 0, again: false }
            });
        }
    }

    /// The places whose time has come.
    pub(super) fn take_due(&mut self, itinerary: &Itinerary, now: Instant) -> Itinerary {
        let mut due = Itinerary::default();
        for (place, state) in &mut self.places {
            if state.at.is_some_and(|at| at <= now) {
                state.at = None;
                due.places.insert(place.clone());
            }
        }
        if !due.places.is_empty() {
            due.providers.clone_from(&itinerary.providers);
        }
        due
    }

    /// When the next place is due.
    pub(super) fn next(&self) -> Option<Instant> {
        self.places.values().filter_map(|due| due.at).min()
    }

    /// A place has answered. One that has nothing is asked again soon, and then less and less often
    /// down to the usual; the wait is the cache of its failure.
    pub(super) fn answered(&mut self, place: Place, well: bool, now: Instant) {
        let Some(due) = self.places.get_mut(&place) else { return };
        let wait = if well {
            due.failures = 0;
            self.every
        } else {
            let wait = FAILED_WAIT * 2_u32.saturating_pow(due.failures.min(16));
            due.failures = due.failures.saturating_add(1);
            wait.min(self.every)
        };
        let wait = if std::mem::take(&mut due.again) { Duration::ZERO } else { jittered(wait) };
        due.at = Some(now + wait);
    }

    /// Some places are due now.
    pub(super) fn hurry(&mut self, which: impl Fn(&Place) -> bool, now: Instant) {
        for (place, due) in self.places.iter_mut().filter(|(place, _)| which(place)) {
            let _ = place;
            match &mut due.at {
                Some(at) => *at = now,
                None => due.again = true,
            }
        }
    }
}

/// A tenth more or less, so that places do not all come due together.
fn jittered(wait: Duration) -> Duration {
    wait.mul_f64(0.9 + 0.2 * fastrand::f64())
}

/// The wait after the first failure.
const FAILED_WAIT: Duration = Duration::from_millis(500);

#[cfg(test)]
mod tests;
