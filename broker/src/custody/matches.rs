//! Which digests are those of values that the broker holds, for whoever looks for literals. No
//! value leaves, and no digest of one: a digest is known by whoever made it, or not at all.

use super::{Custody, CustodyError, plan::event, secrets::opened};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    hash::keyed,
    id::SecretId,
    name::{EnvironmentName, SecretName},
    policy::Action,
    scan::CANDIDATE_BYTES_MIN,
    version::Version,
};
use std::collections::HashMap;
use tokio::task::yield_now;

/// A digest that is a value's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Match {
    /// Place of the digest among those that were asked for.
    pub index: usize,
    /// Name of the secret.
    pub name: SecretName,
    /// Its environment.
    pub environment: EnvironmentName,
    /// The version that has the value.
    pub version: Version,
    /// Whether agents are sent that one.
    pub current: bool,
}

/// What a question came to.
#[derive(Debug, Default)]
pub struct Matches {
    /// The digests that are values.
    pub found: Vec<Match>,
    /// Values that were looked at.
    pub examined: usize,
    /// Where to go on; absent where all were looked at.
    pub next: Option<(SecretId, Version)>,
}

impl Custody {
    /// Looks through values, 2,000 at most and each in memory for a moment, and says which digests
    /// are theirs. Shorter ones than a literal that is asked about are left out, or whoever may ask
    /// could try all of them. One question at a time; it is on the record before a value is opened,
    /// and what matched before it is answered.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn match_secrets(
        &self,
        caller: &Caller,
        key: &[u8; 32],
        digests: &HashMap<[u8; 32], usize>,
        after: Option<(SecretId, Version)>,
    ) -> Result<Matches, CustodyError> {
        let mut asked = event(caller, "secret.match");
        asked.reason = format!("asks of {} digests whether they are values", digests.len());
        let record = || event(caller, "secret.match");
        self.permit(caller, Action::SecretMatch, record).await?;
        let turn = self.shared.matching.acquire().await;
        let _turn = turn.map_err(|_| CustodyError::Stopping)?;
        self.writer.note(vec![asked]).await?;
        let versions = self.kept_versions(after);
        let mut matches = Matches { examined: versions.len(), ..Matches::default() };
        matches.next = versions.last().copied().filter(|_| versions.len() == VERSIONS_MAX);
        for (at, (secret, version)) in versions.into_iter().enumerate() {
            if at % PART == 0 {
                yield_now().await;
            }
            matches.found.extend(self.match_one(caller, key, digests, secret, version).await?);
        }
        if !matches.found.is_empty() {
            let events = matches.found.iter().map(|found| found.event(caller));
            self.writer.note(events.collect()).await?;
        }
        Ok(matches)
    }

    /// Versions that have a value, after one of them.
    fn kept_versions(&self, after: Option<(SecretId, Version)>) -> Vec<(SecretId, Version)> {
        let ledger = self.shared.ledger();
        let mut kept: Vec<(SecretId, Version)> = Vec::new();
        for secret in ledger.secrets() {
            let long = secret
                .versions
                .iter()
                .filter(|(_, kept)| !kept.destroyed && kept.size >= CANDIDATE_BYTES_MIN);
            kept.extend(long.map(|(version, _)| (secret.id, *version)));
        }
        kept.retain(|one| after.is_none_or(|after| *one > after));
        kept.sort_unstable();
        kept.truncate(VERSIONS_MAX);
        kept
    }

    async fn match_one(
        &self,
        caller: &Caller,
        key: &[u8; 32],
        digests: &HashMap<[u8; 32], usize>,
        id: SecretId,
        version: Version,
    ) -> Result<Option<Match>, CustodyError> {
        let row = self.shared.store.sealed(id, version).await?;
        let found = {
            let ledger = self.shared.ledger();
            let Some(secret) = ledger.secret(id) else { return Ok(None) };
            // What was shredded meanwhile is no value.
            if secret.versions.get(&version).is_none_or(|kept| kept.destroyed) {
                return Ok(None);
            }
            opened(&self.shared.keyring(), secret, version, row).map(|value| {
                let index = digests.get(&keyed(key, value.expose())).copied();
                index.map(|index| Match {
                    index,
                    name: secret.name.clone(),
                    environment: secret.environment.clone(),
                    version,
                    current: secret.current == version,
                })
            })
        };
        match found {
            Ok(found) => Ok(found),
            // A row that was tampered with is an alarm, whoever comes upon it.
            Err(_) => match self.open_value(caller, id, version).await {
                Err(error @ CustodyError::Store(_)) => Err(error),
                Ok(_) | Err(_) => Ok(None),
            },
        }
    }
}

impl Match {
    fn event(&self, caller: &Caller) -> Event {
        Event {
            environment: self.environment.to_string(),
            object_kind: "secret",
            object: self.name.to_string(),
            version: self.version.get(),
            reason: "a digest that was asked about is its value".to_owned(),
            ..event(caller, "secret.match")
        }
    }
}

/// Values of one question: fewer than a request has time for.
const VERSIONS_MAX: usize = 2_000;
/// Values after which others have their turn.
const PART: usize = 64;
