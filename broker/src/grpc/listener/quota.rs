//! How many connections one identity may hold, and how many those without any.

use crate::config::Limits;
use secretref_identity::{peer::Peer, subject::Subject};
use std::{
    collections::HashMap,
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Counts the connections of each identity, and of strangers.
#[derive(Clone)]
pub(super) struct Quota {
    held: Arc<Mutex<Held>>,
    per_instance_max: u32,
    per_admin_max: u32,
    strangers_max: u32,
    strangers_per_address_max: u32,
}

#[derive(Default)]
struct Held {
    counts: HashMap<Holder, u32>,
    strangers: u32,
}

/// Whom a connection is counted for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Holder {
    Known(Subject),
    /// Who shows no certificate, by his network.
    Stranger(IpAddr),
}

/// A place that is held until it is dropped.
pub(super) struct Place {
    quota: Quota,
    holder: Holder,
}

/// Why there is no place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Full {
    #[error("its identity holds {0} connections, as many as it may")]
    Identity(u32),
    #[error("its address holds {0} connections without a certificate, as many as it may")]
    Address(u32),
    #[error("there are {0} connections without a certificate, as many as there may be")]
    Strangers(u32),
}

impl Quota {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            held: Arc::default(),
            per_instance_max: limits.connections_per_instance_max,
            per_admin_max: limits.connections_per_admin_max,
            strangers_max: limits.strangers_max,
            strangers_per_address_max: limits.strangers_per_address_max,
        }
    }

    /// A place for another connection.
    pub(super) fn enter(&self, peer: Option<&Peer>, from: IpAddr) -> Result<Place, Full> {
        let holder = match peer {
            Some(peer) => Holder::Known(peer.subject),
            None => Holder::Stranger(network(from)),
        };
        let mut held = self.held.lock().unwrap_or_else(PoisonError::into_inner);
        let count = held.counts.get(&holder).copied().unwrap_or(0);
        match holder {
            Holder::Known(subject) => {
                let max = match subject {
                    Subject::Admin { .. } => self.per_admin_max,
                    Subject::Agent { .. } | Subject::Broker { .. } => self.per_instance_max,
                };
                if count >= max {
                    return Err(Full::Identity(max));
                }
            }
            Holder::Stranger(_) if count >= self.strangers_per_address_max => {
                return Err(Full::Address(self.strangers_per_address_max));
            }
            Holder::Stranger(_) if held.strangers >= self.strangers_max => {
                return Err(Full::Strangers(self.strangers_max));
            }
            Holder::Stranger(_) => held.strangers += 1,
        }
        held.counts.insert(holder, count + 1);
        Ok(Place { quota: self.clone(), holder })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        if matches!(self.holder, Holder::Stranger(_)) {
            held.strangers -= 1;
        }
        if let Some(count) = held.counts.get_mut(&self.holder) {
            *count -= 1;
            if *count == 0 {
                held.counts.remove(&self.holder);
            }
        }
    }
}

/// What one person holds: an address of IPv4, or the 2^64 of one network of IPv6.
pub(in crate::grpc) fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests;
