//! A file of JSON lines. Its last line says how far it is: each entry is in it once, and half a
//! line of a crash is taken away.

use super::{
    Outlet,
    line::Line,
    lines::{Lines, LinesError},
};
use crate::{config, custody::AuditLine};
use secretref_domain::id::BrokerId;
use tokio::task::{JoinError, spawn_blocking};

/// The file, and those that are full.
pub struct AuditFile {
    lane: BrokerId,
    settings: config::AuditFile,
    /// Open, once it was; not while a job has it.
    lines: Option<Lines>,
}

impl AuditFile {
    /// A file of a lane, at the path that the settings name.
    #[must_use]
    pub fn new(lane: BrokerId, settings: config::AuditFile) -> Self {
        Self { lane, settings, lines: None }
    }
}

impl Outlet for AuditFile {
    fn name(&self) -> String {
        self.settings.path.display().to_string()
    }

    async fn last(&mut self) -> Result<i64, String> {
        if let Some(lines) = &self.lines {
            return Ok(lines.last());
        }
        let (settings, lane) = (self.settings.clone(), self.lane);
        let lines = done(spawn_blocking(move || Lines::open(settings, lane)).await)?;
        let last = lines.last();
        self.lines = Some(lines);
        Ok(last)
    }

    async fn put(&mut self, entries: &[AuditLine]) -> Result<(), String> {
        let Some(mut lines) = self.lines.take() else { return Ok(()) };
        let (last, text) = (entries.last().map_or(0, |it| it.entry.seq), rendered(entries)?);
        let put = spawn_blocking(move || lines.put(&text, last).map(|()| lines)).await;
        // What failed by half is looked at anew.
        self.lines = Some(done(put)?);
        Ok(())
    }
}

fn done<T>(outcome: Result<Result<T, LinesError>, JoinError>) -> Result<T, String> {
    match outcome {
        Ok(Ok(it)) => Ok(it),
        Ok(Err(error)) => Err(error.to_string()),
        Err(error) => Err(error.to_string()),
    }
}

fn rendered(entries: &[AuditLine]) -> Result<Vec<u8>, String> {
    let mut text = Vec::new();
    for entry in entries {
        let line = Line::of(entry, usize::MAX);
        serde_json::to_writer(&mut text, &line).map_err(|error| error.to_string())?;
        text.push(b'\n');
    }
    Ok(text)
}
