//! Signs the audit trail now and then: after so many entries, or so long after the first of fewer.
//! One broker does it at a time.

use crate::{
    custody::{Custody, CustodyError, Work},
    metrics,
};
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};
use tokio_util::sync::CancellationToken;

/// Makes checkpoints.
pub struct Checkpoints {
    custody: Custody,
    /// Since when there is something that is not signed.
    waiting: Option<Instant>,
    /// What is wrong with the trail, where people were told.
    told: Option<String>,
}

impl Checkpoints {
    /// For a broker.
    #[must_use]
    pub fn new(custody: Custody) -> Self {
        Self { custody, waiting: None, told: None }
    }

    /// Looks now and then until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut ticks = interval(LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => return,
                _ = ticks.tick() => {}
            }
            let looked = self.look().await;
            self.tell(looked);
        }
    }

    /// Signs all that there is, once nothing more comes.
    pub async fn last(custody: Custody) {
        let mut last = Self::new(custody);
        match timeout(LAST_TIME_MAX, last.sign()).await {
            Ok(signed) => last.tell(signed),
            Err(_) => tracing::warn!("the end of the audit trail was not signed in time"),
        }
    }

    async fn look(&mut self) -> Result<(), CustodyError> {
        self.custody.look_at_head().await?;
        let unsigned = self.custody.unsigned().await?;
        metrics::unsigned(unsigned.since);
        if unsigned.since == 0 {
            self.waiting = None;
            return Ok(());
        }
        let waiting = *self.waiting.get_or_insert_with(Instant::now);
        if unsigned.since >= ENTRIES_DUE || waiting.elapsed() >= WAIT_MAX {
            self.sign().await?;
            self.waiting = None;
            self.custody.look_at_head().await?;
        }
        Ok(())
    }

    async fn sign(&self) -> Result<(), CustodyError> {
        let Some(lease) = self.custody.take_work(Work::Signing).await? else { return Ok(()) };
        let signed = self.sign_all(&lease).await;
        self.custody.leave(lease).await;
        signed
    }

    async fn sign_all(&self, lease: &crate::custody::Lease) -> Result<(), CustodyError> {
        while self.custody.sign_trail().await? > 0 {
            if !self.custody.keep_lease(lease).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Once for each thing that is wrong: it is looked for every second.
    fn tell(&mut self, looked: Result<(), CustodyError>) {
        let problem = looked.err().map(|error| error.to_string());
        if let Some(problem) = &problem
            && self.told.as_ref() != Some(problem)
        {
            tracing::error!(problem, "the audit trail is not signed");
        }
        self.told = problem;
    }
}

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Entries that are signed at once, however quickly they came.
const ENTRIES_DUE: u64 = 1_000;
/// How long fewer wait.
const WAIT_MAX: Duration = Duration::from_secs(10);
/// How long the last checkpoint of a broker that stops may take.
const LAST_TIME_MAX: Duration = Duration::from_secs(2);
