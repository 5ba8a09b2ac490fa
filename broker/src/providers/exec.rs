//! A program on the broker's host that speaks OpenClaw's exec protocol, version 1. What serves
//! `OpenClaw` serves here.
//!
//! ```text
//! stdin   {"protocolVersion":1,"provider":"ALIAS","ids":["a/b","c"]}
//! stdout  {"protocolVersion":1,"values":{"a/b":"…"},"errors":{"c":{"code":"NOT_FOUND"}}}
//! ```
//! The id of a place is its path, else its target, else the ref's own name.

mod protocol;
mod settings;

use super::{Found, Permits, Place, ProviderError};
use futures_util::{StreamExt, stream};
use protocol::Answers;
use secretref_domain::{name::ProviderAlias, reference::ProviderSpec};
use settings::Settings;
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

/// A program that is asked.
pub struct Exec {
    settings: Settings,
    permits: Arc<Permits>,
    /// An id that had a value: what a check asks for.
    known: Mutex<Option<String>>,
}

impl Exec {
    pub(super) fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
    ) -> Result<Self, ProviderError> {
        let settings = Settings::read(alias, spec, permits)?;
        Ok(Self { settings, permits: Arc::clone(permits), known: Mutex::new(None) })
    }

    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let ids: Vec<_> = places.iter().map(protocol::id).collect();
        let mut wanted: Vec<&str> = ids.iter().flatten().map(String::as_str).collect();
        wanted.sort_unstable();
        wanted.dedup();
        let answers = self.ask_all(&wanted).await;
        let found = ids.into_iter().map(|id| {
            let id = id?;
            let found = answers.of(&id)?;
            *self.known.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
            Ok(found)
        });
        found.collect()
    }

    async fn ask_all(&self, ids: &[&str]) -> Answers {
        let mut all = Answers(BTreeMap::new());
        if self.settings.json_only {
            for ids in ids.chunks(IDS_MAX) {
                match self.ask(ids).await {
                    Ok(answers) => all.0.extend(answers.0),
                    // A program that failed as a whole is not started again for the rest.
                    Err(error) => {
                        all.fail(ids, &error);
                        break;
                    }
                }
            }
            return all;
        }
        // What prints a bare value is asked for one at a time: it would fail as soon as two refs
        // are due at once.
        let mut asked = Vec::with_capacity(ids.len());
        for id in ids {
            asked.push(async move { (*id, self.ask(std::slice::from_ref(id)).await) });
        }
        let answered: Vec<_> = stream::iter(asked).buffered(RUNS_AT_ONCE_MAX).collect().await;
        for (id, answers) in answered {
            match answers {
                Ok(answers) => all.0.extend(answers.0),
                Err(error) => all.fail(&[id], &error),
            }
        }
        all
    }

    /// Runs the program once.
    async fn ask(&self, ids: &[&str]) -> Result<Answers, ProviderError> {
        let request = protocol::request(&self.settings.alias, ids);
        let output = self.settings.program.run(&self.permits, &request).await?;
        protocol::answers(&output, ids, &self.settings)
    }

    pub(super) async fn check(&self) -> Result<String, ProviderError> {
        let program = self.settings.program.checked(&self.permits).await?.display().to_string();
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let Some(id) = known else {
            return Ok(format!("{program} may be run; it was not, since no id is known yet"));
        };
        self.ask(&[&id]).await?.of(&id)?;
        Ok(format!("{program} ran and answered for {id:?}"))
    }
}

/// Ids in one request. Each has 256 bytes at most, so a request stays below the protocol's 256 KiB.
pub const IDS_MAX: usize = 512;
/// Runs for single ids that are under way at once.
const RUNS_AT_ONCE_MAX: usize = 4;
