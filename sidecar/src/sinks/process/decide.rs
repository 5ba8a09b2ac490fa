//! Whether a program has to be told that its values changed, and how. Pure.
//!
//! ```text
//!                        what it was told last ─┐
//!                                               ├─▶ decide ─▶ Start │ Wait │ Nothing
//!  what it should have: place → value, reaction ┘             Signal │ Replace │ Stop
//! ```
//! Only values count, by their fingerprints: a version that brings the same bytes changes nothing.
//! Of several changes in one set the strongest reaction is taken, once.

use secretref_domain::name::{EnvVar, FileName};
use std::collections::{BTreeMap, BTreeSet};

/// SHA-256 of a value.
pub type Fingerprint = [u8; 32];

/// Where a program gets a value from.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A variable of its environment, which cannot change while it lives.
    Variable(EnvVar),
    /// A file, which is swapped under it.
    File(FileName),
}

/// What a program is told when the value at a place changes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reaction {
    /// Nothing.
    Nothing,
    /// It gets this signal, such as `HUP`.
    Signal(String),
    /// It is stopped, and started with the new value.
    Restart,
}

/// What should be at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Want {
    /// Which value.
    pub fingerprint: Fingerprint,
    /// What a change of it means to the program.
    pub reaction: Reaction,
}

/// Everything that a program should have, or was told of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wants {
    /// Its values.
    pub places: BTreeMap<Place, Want>,
    /// Program and arguments.
    pub command: Vec<std::ffi::OsString>,
    /// Variables that it inherits by name.
    pub inherit: Vec<EnvVar>,
}

/// A program that runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Running {
    /// What it was started with: its environment stays so.
    pub started: Wants,
    /// What it was told of last.
    pub told: Wants,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// Start it.
    Start,
    /// It cannot be started yet: something is lacking without which it does not work.
    Wait,
    /// Leave it as it is.
    Nothing,
    /// Send it these signals, each once.
    Signal(BTreeSet<String>),
    /// Stop it, and start it with what it should have.
    Replace,
    /// Stop it: it has what it may no longer have, and cannot be started without.
    Stop,
}

/// What is to be done with a program that runs, or does not; `ready` says whether everything is
/// there that it cannot work without.
#[must_use]
pub fn decide(running: Option<&Running>, wants: &Wants, ready: bool) -> Decision {
    let Some(Running { started, told }) = running else {
        return if ready { Decision::Start } else { Decision::Wait };
    };
    // An environment cannot change in a living process: what left it takes the process along.
    let taken = started
        .places
        .keys()
        .any(|place| matches!(place, Place::Variable(_)) && !wants.places.contains_key(place));
    if taken {
        return if ready { Decision::Replace } else { Decision::Stop };
    }
    let mut signals = BTreeSet::new();
    let mut restart = told.command != wants.command || told.inherit != wants.inherit;
    for reaction in changes(told, wants) {
        match reaction {
            Reaction::Nothing => {}
            Reaction::Signal(signal) => {
                signals.insert(signal.clone());
            }
            Reaction::Restart => restart = true,
        }
    }
    match (restart, ready) {
        (true, true) => Decision::Replace,
        // To stop it would be worse than an old value: it is decided again when all is there.
        (true, false) => Decision::Nothing,
        (false, _) if signals.is_empty() => Decision::Nothing,
        (false, _) => Decision::Signal(signals),
    }
}

/// The program once the decision is carried out. Where a restart was put off, it has been told of
/// nothing, so that the restart stays due.
#[must_use]
pub fn after(
    running: Option<Running>,
    wants: &Wants,
    ready: bool,
    decision: &Decision,
) -> Option<Running> {
    let told = wants.clone();
    match decision {
        Decision::Start | Decision::Replace => Some(Running { started: told.clone(), told }),
        Decision::Wait | Decision::Stop => None,
        Decision::Signal(_) => running.map(|running| Running { told, ..running }),
        Decision::Nothing if ready => running.map(|running| Running { told, ..running }),
        Decision::Nothing => running,
    }
}

/// The reactions to all that changed. For a file that left the set, the reaction that it had
/// counts; a variable that left is another matter.
fn changes<'a>(told: &'a Wants, wants: &'a Wants) -> impl Iterator<Item = &'a Reaction> {
    let changed = wants.places.iter().filter(|(place, want)| {
        let before = told.places.get(*place);
        before.is_none_or(|before| before.fingerprint != want.fingerprint)
    });
    let left = told
        .places
        .iter()
        .filter(|(place, _)| matches!(place, Place::File(_)) && !wants.places.contains_key(*place));
    changed.chain(left).map(|(_, want)| &want.reaction)
}

#[cfg(test)]
mod tests;
