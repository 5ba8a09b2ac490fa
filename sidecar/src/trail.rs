//! The newest checkpoint of the broker's audit trail that this sidecar was shown. A broker whose
//! trail was set back or forked cannot show one that goes on from it: so every sidecar is a
//! witness, and remembers it across restarts.
//!
//! It grants nothing and takes nothing away: what is found is told, and secrets are served on.

use secretref_domain::{
    checkpoint::Checkpoint,
    limit::DETAIL_BYTES_MAX,
    tree::{Hash, is_consistent},
};
use secretref_identity::note::NoteVerifier;
use secretref_proto::v1;
use serde::{Deserialize, Serialize};

/// What this sidecar witnesses.
#[derive(Debug, Default)]
pub struct Trail {
    /// The key that the first broker named; no other is believed from then on.
    key: Option<NoteVerifier>,
    newest: Option<(String, Checkpoint)>,
    alarm: Option<String>,
}

/// What came of a checkpoint that was shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// Nothing is new.
    Known,
    /// There is something new to be kept: a newer checkpoint, or an alarm.
    Keep,
    /// The broker believes that another one is held: it is to be told which.
    Say,
}

/// A record that cannot be read.
#[derive(Debug, thiserror::Error)]
#[error("what was kept of the audit trail cannot be read: {0}")]
pub struct NoRecord(String);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Record {
    format: u32,
    key: Option<String>,
    note: Option<String>,
    alarm: Option<String>,
}

impl Trail {
    /// Reads what [`Trail::encode`] wrote.
    ///
    /// # Errors
    /// [`NoRecord`].
    pub fn parse(bytes: &[u8]) -> Result<Self, NoRecord> {
        let failed = |error: &dyn std::fmt::Display| NoRecord(error.to_string());
        let record: Record = serde_json::from_slice(bytes).map_err(|error| failed(&error))?;
        if record.format != FORMAT {
            return Err(NoRecord(format!("it is of format {}", record.format)));
        }
        let key = record.key.map(|key| NoteVerifier::parse(&key)).transpose();
        let mut trail = Self { key: key.map_err(|error| failed(&error))?, ..Self::default() };
        if let Some(note) = record.note {
            let checkpoint = trail.read(&note).map_err(|why| failed(&why))?;
            trail.newest = Some((note, checkpoint));
        }
        trail.alarm = record.alarm;
        Ok(trail)
    }

    /// For the state folder.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let record = Record {
            format: FORMAT,
            key: self.key.as_ref().map(ToString::to_string),
            note: self.newest.as_ref().map(|(note, _)| note.clone()),
            alarm: self.alarm.clone(),
        };
        // Text and numbers: it cannot fail.
        serde_json::to_vec(&record).unwrap_or_default()
    }

    /// Takes the key that a broker names; the first one for good.
    pub fn pin(&mut self, key: &str) -> Shown {
        match (&self.key, NoteVerifier::parse(key)) {
            // A broker that does not say so has no key.
            _ if key.is_empty() => Shown::Known,
            (Some(pinned), Ok(named)) if *pinned == named => Shown::Known,
            (None, Ok(named)) => {
                self.key = Some(named);
                Shown::Keep
            }
            (Some(_), _) => self.raise("the broker names another key than it did".to_owned()),
            (None, Err(error)) => self.raise(format!("the broker's key: {error}")),
        }
    }

    /// Takes a checkpoint that a broker shows. `asked` says whether the broker was told, on this
    /// stream and without an answer since, which one is held.
    pub fn shown(&mut self, shown: &v1::Checkpoint, asked: bool) -> Shown {
        if self.key.is_none() {
            return Shown::Known;
        }
        let held = self.newest.as_ref().map(|(_, held)| (held.size, held.root));
        let size = held.map_or(0, |(size, _)| size);
        let answers = u64::try_from(shown.old_size) == Ok(size);
        if shown.note.is_empty() {
            return match (held, answers || asked) {
                (None, _) => Shown::Known,
                (Some(_), false) => Shown::Say,
                (Some(_), true) => {
                    self.raise(format!("the broker shows no checkpoint, and {size} is held"))
                }
            };
        }
        let note = String::from_utf8_lossy(&shown.note).into_owned();
        let checkpoint = match self.read(&note) {
            Ok(checkpoint) => checkpoint,
            Err(why) => return self.raise(format!("the broker shows a checkpoint: {why}")),
        };
        let Some((size, root)) = held else {
            self.newest = Some((note, checkpoint));
            return Shown::Keep;
        };
        if checkpoint.size == size {
            return if checkpoint.root == root {
                Shown::Known
            } else {
                self.raise(format!("the broker shows another checkpoint of size {size}"))
            };
        }
        if !answers {
            return if asked {
                self.raise(format!("the broker does not go on from the checkpoint of size {size}"))
            } else {
                Shown::Say
            };
        }
        if checkpoint.size < size {
            let shown = checkpoint.size;
            return self.raise(format!(
                "the broker shows a checkpoint of size {shown}, and {size} is held: its trail was \
                 set back"
            ));
        }
        let proof: Option<Vec<Hash>> =
            shown.proof.iter().map(|hash| Hash::try_from(&hash[..]).ok()).collect();
        let new = (checkpoint.size, &checkpoint.root);
        if proof.is_none_or(|proof| !is_consistent((size, &root), new, &proof)) {
            let shown = checkpoint.size;
            return self.raise(format!(
                "the checkpoint of size {shown} does not go on from the one of size {size}: the \
                 broker's trail was forked"
            ));
        }
        self.newest = Some((note, checkpoint));
        Shown::Keep
    }

    /// What is wrong with the broker's trail, since it was first seen.
    #[must_use]
    pub fn alarm(&self) -> Option<&str> {
        self.alarm.as_deref()
    }

    /// What is held, for the broker.
    #[must_use]
    pub fn said(&self) -> v1::TrailWitness {
        let size = self.newest.as_ref().map_or(0, |(_, held)| held.size);
        v1::TrailWitness {
            size: i64::try_from(size).unwrap_or(i64::MAX),
            alarm: self.alarm.clone().unwrap_or_default(),
        }
    }

    /// The first alarm stays: what comes later follows from it.
    fn raise(&mut self, mut what: String) -> Shown {
        if self.alarm.is_some() {
            return Shown::Known;
        }
        what.truncate(what.floor_char_boundary(DETAIL_BYTES_MAX));
        self.alarm = Some(what);
        Shown::Keep
    }

    fn read(&self, note: &str) -> Result<Checkpoint, String> {
        let key = self.key.as_ref().ok_or("no key is known")?;
        let text = key.verify(note).map_err(|error| error.to_string())?;
        let checkpoint = Checkpoint::parse(text).map_err(|error| error.to_string())?;
        let ours = checkpoint.origin == key.name();
        if ours { Ok(checkpoint) } else { Err("it is of another trail".to_owned()) }
    }
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests;
