//! Whoever only wants to be served: a rotation reaches it, again and again.

use crate::scene::manifest;
use anyhow::{Result, ensure};
use secretref_testkit::{admin::Admin, broker::Broker, peer, peer::Watcher};
use std::time::{Duration, Instant};

/// An agent with one secret, which is rotated for it.
pub(crate) struct Victim {
    admin: Admin,
    watcher: Watcher,
    version: i64,
}

/// How long it waited, from each put to its delivery.
#[derive(Default)]
pub(crate) struct Waits(Vec<Duration>);

impl Victim {
    pub(crate) async fn enrolled(broker: &Broker, admin: &Admin) -> Result<Self> {
        admin.apply(&manifest(NAME, &[SECRET])).await?;
        let version = admin.put_version(SECRET, b"first").await?;
        let address = broker.listening().agents.to_string();
        let credentials = peer::enrolled(&address, &admin.token(NAME).await?).await?;
        let mut watcher = Watcher::open(&address, &credentials).await?;
        let (nonce, entries) = watcher.manifest().await?;
        watcher.acknowledge(nonce, &entries).await?;
        Ok(Self { admin: admin.clone(), watcher, version })
    }

    /// One rotation. Any error, at the administrator's side or at the agent's, is one too many.
    pub(crate) async fn round(&mut self) -> Result<Duration> {
        let value = format!("{SECRET}-{}", self.version + 1);
        let began = Instant::now();
        self.version = self.admin.put_version(SECRET, value.as_bytes()).await?;
        let (nonce, entries) = self.watcher.manifest().await?;
        let waited = began.elapsed();
        let [entry] = entries.as_slice() else { anyhow::bail!("not one secret: {entries:?}") };
        ensure!(entry.version == self.version, "{} is not {}", entry.version, self.version);
        ensure!(entry.value.as_deref() == Some(value.as_bytes()), "another value");
        self.watcher.acknowledge(nonce, &entries).await?;
        Ok(waited)
    }

    pub(crate) async fn rounds(&mut self, count: usize) -> Result<Waits> {
        let mut waits = Waits(Vec::with_capacity(count));
        for _ in 0..count {
            waits.0.push(self.round().await?);
        }
        Ok(waits)
    }

    /// Rounds until the attack is over, and one at least.
    pub(crate) async fn while_attacked<T: Send + 'static>(
        &mut self,
        attack: impl Future<Output = Result<T>> + Send + 'static,
    ) -> Result<(Waits, T)> {
        let attack = super::attackers().spawn(attack);
        let mut waits = Waits(Vec::new());
        loop {
            waits.0.push(self.round().await?);
            if attack.is_finished() {
                return Ok((waits, attack.await??));
            }
        }
    }
}

impl Waits {
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// Adds those of another time.
    pub(crate) fn extend(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    pub(crate) fn p99_ms(&self) -> f64 {
        let mut sorted = self.0.clone();
        sorted.sort_unstable();
        let at = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(at).map_or(0.0, |wait| wait.as_secs_f64() * 1000.0)
    }
}

const NAME: &str = "victim";
const SECRET: &str = "victims-key";
