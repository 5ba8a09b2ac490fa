//! The receipt of a rotation, in words that anybody can read. The broker signs the text as a note
//! (<https://c2sp.org/signed-note>), so that it can be verified without one.
//!
//! ```text
//! secretref rotation receipt v1
//! rotation 0199c7…
//! secret stripe-api-key of environment production
//! versions v7 → v8
//! asked for by admin:alice at 2026-03-08T12:00:00Z: the key was in a log
//! v8 at payment-analyst 9bab0f52-…: written 2026-03-08T12:00:03Z
//! proven: 1 of 1
//! v7 revoked 2026-03-08T13:00:04Z
//! ```

use super::{Phase, Rotation};
use std::fmt;

/// What a rotation came to.
#[derive(Debug, Clone, Copy)]
pub struct Receipt<'r>(&'r Rotation);

impl<'r> Receipt<'r> {
    /// The receipt of a rotation; none where it is not finished.
    #[must_use]
    pub fn of(rotation: &'r Rotation) -> Option<Self> {
        (rotation.phase == Phase::Finished).then_some(Self(rotation))
    }
}

impl fmt::Display for Receipt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Rotation { id, environment, name, old, new, asked, began_at, since, .. } = self.0;
        let new = new.map(|new| new.to_string()).unwrap_or_default();
        writeln!(f, "{FIRST_LINE}")?;
        writeln!(f, "rotation {id}")?;
        writeln!(f, "secret {name} of environment {environment}")?;
        writeln!(f, "versions {old} → {new}")?;
        write!(f, "{} by {} at {began_at}", asked.trigger, asked.by)?;
        if asked.force {
            write!(f, ", by force")?;
        }
        match one_line(&asked.reason) {
            reason if reason.is_empty() => writeln!(f)?,
            reason => writeln!(f, ": {reason}")?,
        }
        for proof in &self.0.proofs {
            let (name, instance) = (&proof.name, proof.instance);
            let (version, evidence) = (proof.version, proof.evidence.as_str());
            writeln!(f, "{version} at {name} {instance}: {evidence} {}", proof.at)?;
        }
        let (proven, evicted) = (self.0.proofs.len(), self.0.evicted.len());
        writeln!(f, "proven: {proven} of {}", proven + evicted)?;
        for instance in &self.0.evicted {
            writeln!(f, "not waited for: {instance}")?;
        }
        writeln!(f, "{old} revoked {since}")
    }
}

/// What somebody wrote, without what would make lines of its own.
fn one_line(text: &str) -> String {
    text.chars().map(|it| if it.is_control() { ' ' } else { it }).collect()
}

/// The first line of every receipt: what it is, and in which form.
const FIRST_LINE: &str = "secretref rotation receipt v1";
