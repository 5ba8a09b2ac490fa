//! What hooks confirmed, so that a change which nobody was told of is not forgotten.
//!
//! ```text
//! STATE/hooks.json   0600, replaced by rename, synced with its folder
//! { "format": 1, "confirmed": [ {
//!     "hook": "http://127.0.0.1:8080/reload",
//!     "file": "STRIPE_API_KEY",
//!     "fingerprint": "<64 hexadecimal digits>",   of what it was made from: nothing of a value
//!     "called_us": 1773000000000000 } ] }         null: where it began, nobody was called
//! ```

use super::HookKey;
use crate::state::{State, StateError};
use secretref_domain::{agent::OnRotate, clock::Timestamp, limit::BINDINGS_MAX, name::FileName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};

/// Which content of each file each hook confirmed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Record(BTreeMap<HookKey, Confirmed>);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Confirmed {
    pub(super) fingerprint: String,
    /// When it was called; `None` where it begins with this.
    pub(super) called_us: Option<Timestamp>,
}

impl Record {
    /// What is stored. A record that cannot be used counts as none: every hook begins anew.
    pub(super) fn read(state: &State) -> Self {
        match state.hooks() {
            Ok(None) => Self::default(),
            Ok(Some(bytes)) => Self::parse(&bytes).unwrap_or_else(|why| {
                tracing::error!(why, "the record of hooks cannot be used; they begin anew");
                Self::default()
            }),
            Err(error) => {
                tracing::error!(%error, "the record of hooks cannot be read; they begin anew");
                Self::default()
            }
        }
    }

    pub(super) fn write(&self, state: &State) -> Result<(), StateError> {
        state.store_hooks(&self.encode())
    }

    pub(super) fn of(&self, key: &HookKey) -> Option<&Confirmed> {
        self.0.get(key)
    }

    pub(super) fn set(&mut self, key: HookKey, confirmed: Confirmed) {
        self.0.insert(key, confirmed);
    }

    pub(super) fn keep_only(&mut self, bound: &BTreeSet<HookKey>) {
        self.0.retain(|key, _| bound.contains(key));
    }

    fn parse(bytes: &[u8]) -> Result<Self, String> {
        let file: File = serde_json::from_slice(bytes).map_err(|error| error.to_string())?;
        if file.format != FORMAT {
            return Err(format!("its format is {}, this sidecar reads {FORMAT}", file.format));
        }
        if file.confirmed.len() > BINDINGS_MAX {
            return Err(format!("it names more than {BINDINGS_MAX} files"));
        }
        let entries = file.confirmed.into_iter().map(|entry| {
            let Entry { hook, file, fingerprint, called_us } = entry;
            ((hook, file), Confirmed { fingerprint, called_us })
        });
        Ok(Self(entries.collect()))
    }

    fn encode(&self) -> Vec<u8> {
        let confirmed = self.0.iter().map(|((hook, file), confirmed)| Entry {
            hook: hook.clone(),
            file: file.clone(),
            fingerprint: confirmed.fingerprint.clone(),
            called_us: confirmed.called_us,
        });
        let file = File { format: FORMAT, confirmed: confirmed.collect() };
        serde_json::to_vec(&file).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    format: u32,
    confirmed: Vec<Entry>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    hook: OnRotate,
    file: FileName,
    fingerprint: String,
    called_us: Option<Timestamp>,
}

const FORMAT: u32 = 1;

#[cfg(test)]
mod tests;
