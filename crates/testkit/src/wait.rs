//! Waiting for something to become true, with a deadline.
//!
//! The only place where tests wait by polling. It is for what has no event to wait for, such as a
//! file that another process swaps or a row that it writes; a test never waits "long enough".

use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};

/// How long a test waits at most for what takes milliseconds. Far above what a busy machine needs:
/// it is reached only where something is broken.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// How often [`eventually`] looks.
const PERIOD: Duration = Duration::from_millis(2);

/// Looks until there is something, at most until [`DEADLINE`].
///
/// # Errors
/// What `look` failed with, or that nothing came in time.
pub async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Result<Option<T>>,
) -> Result<T> {
    let end = Instant::now() + DEADLINE;
    let mut ticks = tokio::time::interval(PERIOD);
    loop {
        ticks.tick().await;
        if let Some(found) = look().await.with_context(|| format!("waiting for: {what}"))? {
            return Ok(found);
        }
        if Instant::now() > end {
            bail!("waited {DEADLINE:?} in vain for: {what}");
        }
    }
}

/// Something that has to be so all the while, looked at as often as [`eventually`] looks.
pub struct Observer {
    task: JoinHandle<Result<u64>>,
    stop: Option<DropGuard>,
}

impl Observer {
    /// Begins to look; the first error ends it, and is what [`Observer::end`] says.
    pub fn start(mut look: impl FnMut() -> Result<()> + Send + 'static) -> Self {
        let stop = CancellationToken::new();
        let stopped = stop.clone();
        let task = tokio::spawn(async move {
            let mut ticks = tokio::time::interval(PERIOD);
            let mut looks = 0;
            while !stopped.is_cancelled() {
                ticks.tick().await;
                look()?;
                looks += 1;
            }
            Ok(looks)
        });
        Self { task, stop: Some(stop.drop_guard()) }
    }

    /// Stops to look, and says how often it did.
    ///
    /// # Errors
    /// What was not so.
    pub async fn end(mut self) -> Result<u64> {
        self.stop.take();
        self.task.await?
    }
}
