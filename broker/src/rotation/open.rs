//! Rotators, opened with their own secrets as they are now.

use super::Rotations;
use crate::{
    custody::CustodyError,
    rotators::{OwnSecrets, Rotator, RotatorError},
};
use secretref_domain::{
    name::{EnvironmentName, RotatorAlias},
    rotation::RotatorSpec,
};
use std::sync::Arc;

impl Rotations {
    /// Whether the service of a rotator can hold two credentials at once.
    pub(super) async fn overlaps(
        &self,
        environment: Option<&EnvironmentName>,
        alias: &RotatorAlias,
    ) -> Result<bool, CustodyError> {
        let environment =
            environment.cloned().unwrap_or_else(|| self.0.custody.active_environment());
        let opened = self.open(&environment, alias).await;
        opened.map(|rotator| rotator.overlaps()).map_err(|error| CustodyError::Precondition {
            code: "ROTATOR_NOT_READY",
            message: format!("rotator {:?} {}", error.rotator, error.message),
            fix: error.fix,
        })
    }

    /// A rotator of an environment.
    pub(super) async fn open(
        &self,
        environment: &EnvironmentName,
        alias: &RotatorAlias,
    ) -> Result<Rotator, RotatorError> {
        let spec = self.0.custody.rotator(alias).ok_or_else(|| {
            let fix = format!("set `secrets.rotators.{alias}` and apply again");
            RotatorError::lasting(alias, "is not there", fix)
        })?;
        let own = self.own_secrets(environment, alias, &spec).await?;
        Rotator::open(alias, &spec, &self.0.permits, &own).await
    }

    async fn own_secrets(
        &self,
        environment: &EnvironmentName,
        alias: &RotatorAlias,
        spec: &RotatorSpec,
    ) -> Result<OwnSecrets, RotatorError> {
        let mut own = OwnSecrets::new();
        for (name, reference) in spec.own_secrets() {
            let why = format!("{name} of rotator {alias}");
            let body = self.0.custody.own_secret(environment, &reference, &why).await;
            let body = body.map_err(|error| {
                let fix = match &error {
                    CustodyError::NotFound { fix, .. } => fix.clone(),
                    _ => "look at the broker's log".to_owned(),
                };
                RotatorError::passing(alias, format!("lacks its own {name}: {error}"), fix)
            })?;
            own.extend(body.to_value().map(|value| (name, Arc::new(value))));
        }
        Ok(own)
    }
}
