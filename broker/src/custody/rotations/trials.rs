//! Credentials that are tested at their services now and then, and what came of it.

use super::{
    rotation_event,
    select::{jitter, rotatable},
};
use crate::custody::{Body, Custody, CustodyError};
use secretref_domain::{
    audit::Event,
    caller::Caller,
    condition::{Refusal, Trial},
    id::SecretId,
    limit::REASON_BYTES_MAX,
    name::{EnvironmentName, RotatorAlias, SecretName},
    version::Version,
};
use std::{collections::HashMap, sync::Arc, time::Duration};

/// A credential that is to be tested.
pub struct ToTest {
    /// Who knows how.
    pub rotator: RotatorAlias,
    /// The secret.
    pub secret: SecretId,
    /// Its current version.
    pub version: Version,
    /// The value.
    pub body: Arc<Body>,
    /// The service's own word for it.
    pub handle: Option<String>,
}

impl Custody {
    /// The refs whose credential is to be tested now.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn due_trials(
        &self,
        every: Duration,
    ) -> Result<Vec<(EnvironmentName, SecretName)>, CustodyError> {
        let trials = self.trials().await?;
        let every = i64::try_from(every.as_secs()).unwrap_or(i64::MAX);
        Ok(self.shared.ledger().due_trials(&trials, every, jitter, self.now()))
    }

    /// What the last test of each credential came to.
    ///
    /// # Errors
    /// [`CustodyError::Store`].
    pub async fn trials(&self) -> Result<HashMap<SecretId, Trial>, CustodyError> {
        let rows = self.shared.store.trials().await?;
        // What cannot be read was written by a newer broker, or by nobody: it is tested anew.
        let trial = |(secret, told): (SecretId, String)| {
            Some((secret, serde_json::from_str::<Trial>(&told).ok()?))
        };
        Ok(rows.into_iter().filter_map(trial).collect())
    }

    /// The current credential of a ref, to be tested; the read is recorded before it is there.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn credential_to_test(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
    ) -> Result<ToTest, CustodyError> {
        let caller = self.stepping().await?;
        let (rotator, secret, name, version, handle) = {
            let ledger = self.shared.ledger();
            let (policy, secret) = rotatable(&ledger, environment, reference)?;
            let version = secret.versions.get(&secret.current);
            let handle = version.and_then(|version| version.traits.handle.clone());
            let name = secret.name.clone();
            (policy.rotator.clone(), secret.id, name, secret.current, handle)
        };
        let body = self.body(&caller, secret, version).await?;
        let mut record = tested(&caller, environment, reference, secret, version);
        (record.action, record.object_kind) = ("secret.use", "secret");
        record.object = name.to_string();
        record.reason = format!("to be tested by rotator {rotator}");
        self.writer.note(vec![record]).await?;
        Ok(ToTest { rotator, secret, version, body, handle })
    }

    /// Keeps what a test came to, on the record: that the service took the credential, or how it
    /// refused it.
    ///
    /// # Errors
    /// [`CustodyError`].
    pub async fn credential_tested(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
        (secret, version): (SecretId, Version),
        refused: Option<String>,
    ) -> Result<(), CustodyError> {
        let caller = self.stepping().await?;
        let now = self.now();
        let before = self.trials().await?.remove(&secret).and_then(|trial| trial.refused);
        let since = before.map_or(now, |before| before.since);
        let cut = |message: String| message.chars().take(MESSAGE_CHARS_MAX).collect();
        let refused = refused.map(|message| Refusal { since, message: cut(message) });
        let mut record = tested(&caller, environment, reference, secret, version);
        record.reason = match &refused {
            None => "its service takes it".to_owned(),
            Some(refusal) => format!("its service refuses it: {}", refusal.message),
        };
        self.writer.note(vec![record]).await?;
        let trial = serde_json::to_string(&Trial { version, at: now, refused }).unwrap_or_default();
        Ok(self.shared.store.keep_trial(secret, Some(&trial)).await?)
    }
}

fn tested(
    caller: &Caller,
    environment: &EnvironmentName,
    reference: &SecretName,
    secret: SecretId,
    version: Version,
) -> Event {
    let mut record = rotation_event(caller, "secret.test", environment, reference);
    (record.object_id, record.version) = (secret.0, version.get());
    record
}

/// Characters of a message that are kept and recorded.
const MESSAGE_CHARS_MAX: usize = REASON_BYTES_MAX / 4;
