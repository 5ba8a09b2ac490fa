//! The handshakes that are under way, and whose is ended when there are too many.

use crate::metrics;
use std::{collections::HashMap, net::IpAddr};
use tokio::task::AbortHandle;

/// Handshakes under way, oldest first.
pub(super) struct Handshakes {
    under_way: Vec<(IpAddr, AbortHandle)>,
    max: usize,
}

impl Handshakes {
    pub(super) fn new(max: u32) -> Self {
        let max = usize::try_from(max).unwrap_or(usize::MAX);
        Self { under_way: Vec::with_capacity(max), max }
    }

    /// Makes room for one more: where there is none, the oldest of the address that has the most is
    /// ended. Those who are slow on purpose are the oldest, and who opens many hurts himself
    /// first; who waited for them to time out would let them keep everybody else out.
    pub(super) fn make_room(&mut self) {
        if self.under_way.len() < self.max {
            return;
        }
        self.under_way.retain(|(_, handshake)| !handshake.is_finished());
        while self.under_way.len() >= self.max {
            let at = self.oldest_of_the_most();
            let (address, oldest) = self.under_way.remove(at);
            metrics::refused("handshakes");
            tracing::warn!(%address, limit = self.max, "too many handshakes: the oldest is ended");
            oldest.abort();
        }
    }

    pub(super) fn begin(&mut self, address: IpAddr, handshake: AbortHandle) {
        self.under_way.push((address, handshake));
    }

    fn oldest_of_the_most(&self) -> usize {
        let mut counts: HashMap<IpAddr, usize> = HashMap::new();
        for (address, _) in &self.under_way {
            *counts.entry(*address).or_default() += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        self.under_way.iter().position(|(address, _)| counts[address] == most).unwrap_or(0)
    }
}

#[cfg(test)]
mod tests;
