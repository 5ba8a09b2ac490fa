//! The audit trail as a file of JSON lines, for whoever ships logs. Each broker writes the lane
//! that is its own, so that the files of all brokers together are the trail.
//!
//! ```text
//! audit.log, audit.log.1 … ── last line ──▶ number ──▶ entries after it ──▶ audit.log, synced
//! ```
//! The file says itself how far it is, so that nothing is left out or written twice, whenever the
//! broker was stopped; half a line of a crash is taken away. It is a copy: where it cannot be
//! written it waits, and loses nothing.

mod line;
mod lines;

use crate::{
    config,
    custody::{AuditLine, Custody},
};
use line::Line;
use lines::{Lines, LinesError};
use std::{future::ready, time::Duration};
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

/// Writes the file.
pub struct AuditFile {
    custody: Custody,
    settings: config::AuditFile,
    /// Open, once it was; not while a job has it.
    lines: Option<Lines>,
    /// What was said of it last, where it could not be written.
    told: Option<String>,
}

impl AuditFile {
    /// A file at the path that the settings name.
    #[must_use]
    pub fn new(custody: Custody, settings: config::AuditFile) -> Self {
        Self { custody, settings, lines: None, told: None }
    }

    /// Writes what comes until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        let mut written = self.custody.written();
        loop {
            written.mark_unchanged();
            let wrote = self.write().await;
            let again_after = if wrote.is_err() { AGAIN_AFTER } else { Duration::MAX };
            let is_behind = wrote == Ok(true);
            self.tell(wrote.err());
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
        let wrote = self.write().await;
        self.tell(wrote.err());
    }

    /// Writes the next entries; whether there were any.
    async fn write(&mut self) -> Result<bool, String> {
        let mut lines = match self.lines.take() {
            Some(lines) => lines,
            None => {
                let (settings, lane) = (self.settings.clone(), self.custody.broker());
                let opened = spawn_blocking(move || Lines::open(settings, lane)).await;
                done(opened)?
            }
        };
        let entries = self.custody.own_entries(lines.last(), PAGE).await;
        let entries = entries.map_err(|error| error.to_string())?;
        if entries.is_empty() {
            self.lines = Some(lines);
            return Ok(false);
        }
        let (last, text) = (entries.last().map_or(0, |it| it.entry.seq), rendered(&entries)?);
        let put = spawn_blocking(move || lines.put(&text, last).map(|()| lines)).await;
        // What failed by half is looked at anew.
        self.lines = Some(done(put)?);
        Ok(true)
    }

    /// Says once what is wrong, and once that it is well again.
    fn tell(&mut self, trouble: Option<String>) {
        let path = self.settings.path.display();
        match &trouble {
            Some(error) if self.told != trouble => {
                tracing::error!(%path, error, "the audit trail is not written to its file");
            }
            None if self.told.is_some() => {
                tracing::info!(%path, "the audit trail is written to its file again");
            }
            _ => {}
        }
        self.told = trouble;
    }
}

fn done<T>(outcome: Result<Result<T, LinesError>, tokio::task::JoinError>) -> Result<T, String> {
    match outcome {
        Ok(Ok(it)) => Ok(it),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn rendered(entries: &[AuditLine]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    for entry in entries {
        serde_json::to_writer(&mut text, &Line::of(entry)).map_err(|error| error.to_string())?;
        text.push(b'\n');
    }
    Ok(text)
}

/// Entries that are read at once: one of a delivery may name 10,000 recipients.
const PAGE: i64 = 100;
/// How long it is left alone where it could not be written.
const AGAIN_AFTER: Duration = Duration::from_secs(5);
