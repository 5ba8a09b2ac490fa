//! How many connections one identity may hold, and how many those without any; and the account of
//! what each was read.

use super::pace::Account;
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
    holders: HashMap<Holder, Holding>,
    strangers: u32,
    /// As many holders are there when those are forgotten that are of no account any more.
    sweep_at: usize,
}

/// What one holder has.
struct Holding {
    connections: u32,
    account: Arc<Account>,
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
    account: Arc<Account>,
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
        held.sweep();
        let count = held.holders.get(&holder).map_or(0, |it| it.connections);
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
        let new = || Holding { connections: 0, account: Arc::new(Account::new()) };
        let holding = held.holders.entry(holder).or_insert_with(new);
        holding.connections += 1;
        let account = Arc::clone(&holding.account);
        Ok(Place { quota: self.clone(), holder, account })
    }
}

impl Held {
    /// Whoever holds nothing is remembered for as long as he is ahead of his pace.
    fn sweep(&mut self) {
        if self.holders.len() >= self.sweep_at {
            self.holders.retain(|_, it| it.connections > 0 || !it.account.is_settled());
            self.sweep_at = (self.holders.len() * 2).max(SWEEP_AT_LEAST);
        }
    }
}

impl Place {
    /// Whether whoever holds it showed no certificate.
    pub(super) fn is_strangers(&self) -> bool {
        matches!(self.holder, Holder::Stranger(_))
    }

    /// The account of whoever holds it.
    pub(super) fn account(&self) -> Arc<Account> {
        Arc::clone(&self.account)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut held = self.quota.held.lock().unwrap_or_else(PoisonError::into_inner);
        if self.is_strangers() {
            held.strangers -= 1;
        }
        if let Some(holding) = held.holders.get_mut(&self.holder) {
            holding.connections -= 1;
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

/// Holders that are remembered without a look at whether they are of any account.
const SWEEP_AT_LEAST: usize = 1024;

#[cfg(test)]
mod tests;
