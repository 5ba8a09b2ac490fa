//! The brokers that a sidecar knows: any of them has everything that it is owed.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

/// The addresses of the brokers, and which of them is the one to go to. Its clones are one.
#[derive(Debug, Clone)]
pub struct Brokers {
    addresses: Arc<[Arc<str>]>,
    at: Arc<AtomicUsize>,
    /// How many in turn were left without a stream that opened.
    left: Arc<AtomicUsize>,
}

impl Brokers {
    /// These, of which `chance`, uniform in 0..1, says where to begin: a fleet that was given the
    /// same list spreads over it.
    #[must_use]
    pub fn new(addresses: &[String], chance: f64) -> Self {
        let addresses: Arc<[Arc<str>]> = addresses.iter().map(|it| it.as_str().into()).collect();
        let at = Arc::new(AtomicUsize::new(place(addresses.len(), chance)));
        Self { addresses, at, left: Arc::default() }
    }

    /// The one to go to.
    pub(super) fn here(&self) -> Arc<str> {
        let at = self.at.load(Ordering::Relaxed) % self.addresses.len().max(1);
        self.addresses.get(at).cloned().unwrap_or_else(|| "".into())
    }

    /// Whether there is another one.
    pub(super) fn has_others(&self) -> bool {
        self.addresses.len() > 1
    }

    /// Goes on to the next one; whether that is one which was not tried since a stream opened.
    pub(super) fn leave(&self) -> bool {
        self.at.fetch_add(1, Ordering::Relaxed);
        let left = self.left.fetch_add(1, Ordering::Relaxed) + 1;
        left < self.addresses.len()
    }

    /// Goes to any of them, by chance: so that those who all went to one are spread again.
    pub(super) fn choose(&self, chance: f64) {
        self.at.store(place(self.addresses.len(), chance), Ordering::Relaxed);
    }

    /// A stream opened.
    pub(super) fn arrived(&self) {
        self.left.store(0, Ordering::Relaxed);
    }
}

fn place(count: usize, chance: f64) -> usize {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    // Truncation is what is wanted: one of 0..count.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    let place = (f64::from(count) * chance) as usize;
    place
}

#[cfg(test)]
mod tests;
