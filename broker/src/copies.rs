//! Copies of the audit trail beside the database, for whoever ships logs: a file of JSON lines, and
//! syslog. Each broker copies the lane that is its own, so that the copies of all brokers together
//! are the trail.
//!
//! ```text
//!            last ◀── outlet: audit.log, or a collector and syslog.position
//!             ▼          ▲
//! custody ── entries after it
//! ```
//! An outlet says itself how far it is, so that nothing is left out, whenever the broker was
//! stopped. Where it takes nothing the copy waits, and loses nothing.

mod file;
mod line;
mod lines;
mod syslog;

pub use file::AuditFile;
pub use syslog::Syslog;

use crate::custody::{AuditLine, Custody};
use std::{future::ready, time::Duration};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Where a copy goes.
pub trait Outlet: Send {
    /// What it is, for the log.
    fn name(&self) -> String;

    /// Number of the last entry that it has.
    fn last(&mut self) -> impl Future<Output = Result<i64, String>> + Send;

    /// Takes the entries after it. After an error it is asked anew how far it is.
    fn put(&mut self, entries: &[AuditLine]) -> impl Future<Output = Result<(), String>> + Send;
}

/// Keeps a copy up to date.
pub struct Copying<O> {
    custody: Custody,
    outlet: O,
    /// What was said of it last, where it takes nothing.
    told: Option<String>,
}

impl<O: Outlet> Copying<O> {
    /// Of a broker's own lane, to an outlet.
    pub fn new(custody: Custody, outlet: O) -> Self {
        Self { custody, outlet, told: None }
    }

    /// Copies what comes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut written = self.custody.written();
        loop {
            written.mark_unchanged();
            let copied = self.copy().await;
            let again_after = if copied.is_err() { AGAIN_AFTER } else { Duration::MAX };
            let is_behind = copied == Ok(true);
            self.tell(copied.err());
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                () = ready(()), if is_behind => {}
                () = sleep(again_after) => {}
                changed = written.changed(), if again_after == Duration::MAX => {
                    if changed.is_err() {
                        break;
                    }
                }
            }
        }
        // What came last; where much is missing yet, the next start goes on with it.
        let copied = self.copy().await;
        self.tell(copied.err());
    }

    /// Copies the next entries; whether there were any.
    async fn copy(&mut self) -> Result<bool, String> {
        let last = self.outlet.last().await?;
        let entries = self.custody.own_entries(last, PAGE).await;
        let entries = entries.map_err(|error| error.to_string())?;
        if entries.is_empty() {
            return Ok(false);
        }
        self.outlet.put(&entries).await?;
        Ok(true)
    }

    /// Says once what is wrong, and once that it is well again.
    fn tell(&mut self, trouble: Option<String>) {
        let to = self.outlet.name();
        match &trouble {
            Some(error) if self.told != trouble => {
                tracing::error!(to, error, "the audit trail is not copied");
            }
            None if self.told.is_some() => {
                tracing::info!(to, "the audit trail is copied again");
            }
            _ => {}
        }
        self.told = trouble;
    }
}

/// Entries that are read at once: one of a delivery may name 10,000 recipients.
const PAGE: i64 = 100;
/// How long it is left alone where it could not be written.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
