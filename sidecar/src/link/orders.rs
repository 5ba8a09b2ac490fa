//! What the link asks of whoever holds the set: orders one way, what is held the other.

use crate::{
    fold::{Offer, Refusal},
    snapshot::Snapshot,
};
use secretref_proto::v1::SecretResult;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot, watch};

/// One order.
pub enum Order {
    /// Take this manifest.
    Take {
        /// The manifest.
        offer: Offer,
        /// Whether it is the first of its stream, so that everything is to be reported.
        first: bool,
        /// Told at once whether it was taken, and later what became of it.
        answer: oneshot::Sender<Result<oneshot::Receiver<Vec<SecretResult>>, Refusal>>,
    },
    /// The broker gave a sign of life that renews the lease.
    Contact {
        /// Lease of what names none of its own, in milliseconds.
        lease_ms: i64,
    },
    /// Take everything away at once.
    Wipe {
        /// Told when it is gone.
        done: oneshot::Sender<Vec<SecretResult>>,
    },
}

/// The link's end.
pub struct Orders {
    orders: mpsc::Sender<Order>,
    held: watch::Receiver<Arc<Snapshot>>,
    /// What became of secrets later, unasked.
    pub(super) news: mpsc::Receiver<Vec<SecretResult>>,
}

/// The other end.
pub struct Desk {
    /// Orders, in the order they were given.
    pub orders: mpsc::Receiver<Order>,
    /// What is held now.
    pub held: watch::Sender<Arc<Snapshot>>,
    /// What became of secrets later, unasked. When it is full, news is dropped: whoever is not
    /// connected tells everything anew on the next stream.
    pub news: mpsc::Sender<Vec<SecretResult>>,
}

/// Whoever holds the set is gone: the sidecar is ending.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sidecar is ending")]
pub struct Closed;

/// Both ends.
#[must_use]
pub fn orders() -> (Orders, Desk) {
    let (to_desk, orders) = mpsc::channel(ORDERS_MAX);
    let (held_to, held) = watch::channel(Arc::new(Snapshot::default()));
    let (news_to, news) = mpsc::channel(NEWS_MAX);
    (Orders { orders: to_desk, held, news }, Desk { orders, held: held_to, news: news_to })
}

impl Orders {
    /// What is held now.
    pub fn held(&self) -> Arc<Snapshot> {
        Arc::clone(&self.held.borrow())
    }

    /// What is held, for a dial that begins later.
    pub(super) fn held_receiver(&self) -> watch::Receiver<Arc<Snapshot>> {
        self.held.clone()
    }

    /// Hands over a manifest; says whether it was taken, and gives what becomes of it.
    pub(super) async fn take(
        &self,
        offer: Offer,
        first: bool,
    ) -> Result<Result<oneshot::Receiver<Vec<SecretResult>>, Refusal>, Closed> {
        let (answer, answered) = oneshot::channel();
        self.send(Order::Take { offer, first, answer }).await?;
        answered.await.map_err(|_| Closed)
    }

    /// Renews the lease.
    pub(super) async fn contact(&self, lease_ms: i64) -> Result<(), Closed> {
        self.send(Order::Contact { lease_ms }).await
    }

    /// Takes everything away, and says what was there.
    pub(super) async fn wipe(&self) -> Result<Vec<SecretResult>, Closed> {
        let (done, gone) = oneshot::channel();
        self.send(Order::Wipe { done }).await?;
        gone.await.map_err(|_| Closed)
    }

    async fn send(&self, order: Order) -> Result<(), Closed> {
        self.orders.send(order).await.map_err(|_| Closed)
    }
}

const ORDERS_MAX: usize = 16;
const NEWS_MAX: usize = 16;
