//! The steps of a rotation at its service, and at the provider that owns the value.

use super::{Failed, Rotations};
use crate::{
    custody::{CustodyError, Turn},
    rotators::{Credential, Rotator, RotatorError, Task},
};
use secretref_domain::{name::RotatorAlias, rotation::Rotation, version::Version};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

impl Rotations {
    /// Asks for a new credential and has it sealed.
    pub(super) async fn mint(&self, rotation: &Rotation) -> Result<bool, CustodyError> {
        let minted = async {
            let (rotator, task) = self.begin_step(rotation, "to be replaced").await?;
            within(rotation, rotator.mint(&task)).await
        };
        let custody = &self.0.custody;
        match minted.await {
            Ok(minted) => {
                let (value, handle) = (minted.value, minted.handle);
                custody.rotation_minted(rotation.id, value, minted.expires_at, handle).await?;
            }
            Err(failed) => {
                let happened = self.failed(rotation, failed);
                let (rotation, phase) = (rotation.id, rotation.phase.clone());
                custody.rotation_happened(Turn { rotation, phase, happened }).await?;
            }
        }
        Ok(true)
    }

    pub(super) async fn set(&self, rotation: &Rotation) -> Result<(), Failed> {
        let (rotator, task) = self.begin_step(rotation, "to be replaced").await?;
        let new = self.new_credential(rotation, "to be set at its service").await?;
        within(rotation, rotator.set(&task, &new)).await
    }

    pub(super) async fn test(&self, rotation: &Rotation) -> Result<(), Failed> {
        let (rotator, task) = self.begin_step(rotation, "to be replaced").await?;
        let new = self.new_credential(rotation, "to be tested at its service").await?;
        within(rotation, rotator.test(&task, &new)).await
    }

    /// Gives the new value to the provider that owns it, where one does.
    pub(super) async fn give_back(&self, rotation: &Rotation) -> Result<(), Failed> {
        let Some(place) = self.0.custody.rotation_place(rotation) else { return Ok(()) };
        let version = rotation.new.unwrap_or(rotation.old);
        let why = format!("to be written to provider {}", place.source.provider);
        let (body, _) = self.0.custody.rotation_credential(rotation, version, &why).await?;
        let expires_at = self.0.custody.version_expiry(rotation.secret, version);
        let value = body.to_value().ok_or_else(|| lost(rotation))?;
        Ok((self.0.write_back)(place, Arc::new(value), expires_at).await?)
    }

    pub(super) async fn revoke_old(&self, rotation: &Rotation) -> Result<(), Failed> {
        let (rotator, task) = self.begin_step(rotation, "to be revoked").await?;
        within(rotation, rotator.revoke(&task)).await
    }

    /// Ends the new credential. What the provider that owns the value was given is taken back
    /// first.
    pub(super) async fn withdraw(&self, rotation: &Rotation) -> Result<(), Failed> {
        let (rotator, task) = self.begin_step(rotation, "to be kept").await?;
        let new = match rotation.new {
            Some(_) => Some(self.new_credential(rotation, "to be withdrawn").await?),
            None => None,
        };
        if let Some(place) = self.0.custody.rotation_place(rotation).filter(|_| new.is_some()) {
            let expires_at = self.0.custody.version_expiry(rotation.secret, rotation.old);
            (self.0.write_back)(place, Arc::clone(&task.old.value), expires_at).await?;
        }
        within(rotation, rotator.withdraw(&task, new.as_ref())).await
    }

    /// The rotator, and what every step of it is told.
    async fn begin_step(&self, rotation: &Rotation, why: &str) -> Result<(Rotator, Task), Failed> {
        let rotator = self.open(&rotation.environment, &rotation.rotator).await?;
        let old = self.credential(rotation, rotation.old, why).await?;
        let task = Task {
            rotation: rotation.id,
            environment: rotation.environment.clone(),
            reference: rotation.reference.clone(),
            old,
        };
        Ok((rotator, task))
    }

    async fn new_credential(&self, rotation: &Rotation, why: &str) -> Result<Credential, Failed> {
        let version = rotation.new.ok_or_else(|| lost(rotation))?;
        self.credential(rotation, version, why).await
    }

    async fn credential(
        &self,
        rotation: &Rotation,
        version: Version,
        why: &str,
    ) -> Result<Credential, Failed> {
        let why = format!("rotation {}: {why}", rotation.id);
        let custody = &self.0.custody;
        let (body, handle) = custody.rotation_credential(rotation, version, &why).await?;
        let value = body.to_value().ok_or_else(|| lost(rotation))?;
        Ok(Credential { value: Arc::new(value), handle })
    }
}

fn lost(rotation: &Rotation) -> Failed {
    let message = format!("rotation {} has no such credential", rotation.id);
    Failed { lasting: true, message }
}

async fn within<T>(
    rotation: &Rotation,
    step: impl Future<Output = Result<T, RotatorError>>,
) -> Result<T, Failed> {
    Ok(in_time(&rotation.rotator, step).await?)
}

/// Bounded as a whole, whatever a rotator's own limits are.
pub(super) async fn in_time<T>(
    alias: &RotatorAlias,
    step: impl Future<Output = Result<T, RotatorError>>,
) -> Result<T, RotatorError> {
    timeout(STEP_TIME_MAX, step).await.unwrap_or_else(|_| {
        let message = format!("did not answer within {} s", STEP_TIME_MAX.as_secs());
        Err(RotatorError::passing(alias, message, "look at the service"))
    })
}

/// How long one step at a service may take.
const STEP_TIME_MAX: Duration = Duration::from_secs(60);
