//! The providers that are open: each is opened anew where its settings or its own secrets changed.

use crate::{
    custody::{Custody, CustodyError, Place},
    providers::{Need, OwnSecrets, Permits, Provider, ProviderError},
};
use secretref_domain::{
    fault::Fault,
    id::SecretId,
    name::{EnvironmentName, ProviderAlias},
    reference::ProviderSpec,
    version::Version,
};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Places of one provider.
pub(super) struct Group {
    pub(super) environment: EnvironmentName,
    pub(super) alias: ProviderAlias,
    pub(super) spec: ProviderSpec,
    pub(super) places: Vec<Place>,
}

/// A provider as it was opened, or tried to be.
struct Opened {
    spec: ProviderSpec,
    /// Versions of its own secrets; none where it lacked one.
    own: Option<Vec<(SecretId, Version)>>,
    provider: Option<Arc<Provider>>,
}

/// A provider has secrets of its own in each environment, so it is another one in each.
type Key = (EnvironmentName, ProviderAlias);

/// The providers that are open.
#[derive(Default)]
pub(super) struct Open(Mutex<HashMap<Key, Opened>>);

impl Open {
    /// The provider of a group, opened with its secrets as they are now.
    pub(super) async fn get(
        &self,
        custody: &Custody,
        permits: &Arc<Permits>,
        group: &Group,
    ) -> Result<Arc<Provider>, ProviderError> {
        let Group { environment, alias, spec, .. } = group;
        let key = (environment.clone(), alias.clone());
        let mut opened = Opened { spec: spec.clone(), own: None, provider: None };
        let needs = Provider::needs(spec);
        let own = match own_versions(custody, environment, &needs) {
            Ok(own) => own,
            Err(error) => {
                self.lock().insert(key, opened);
                return Err(error);
            }
        };
        if let Some(before) = self.lock().get(&key)
            && let Some(provider) = &before.provider
            && before.spec == *spec
            && before.own.as_ref() == Some(&own)
        {
            return Ok(Arc::clone(provider));
        }
        let secrets = secrets(custody, environment, alias, &needs).await?;
        let provider = Arc::new(Provider::open(alias, spec, permits, &secrets)?);
        (opened.own, opened.provider) = (Some(own), Some(Arc::clone(&provider)));
        self.lock().insert(key, opened);
        Ok(provider)
    }

    /// Whether the own secrets of a place's provider are others than when it was opened last.
    pub(super) fn is_outdated(&self, custody: &Custody, place: &Place) -> bool {
        let key = (place.environment.clone(), place.source.provider.clone());
        let open = self.lock();
        open.get(&key).is_some_and(|opened| {
            let needs = Provider::needs(&opened.spec);
            own_versions(custody, &place.environment, &needs).ok() != opened.own
        })
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Key, Opened>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn own_versions(
    custody: &Custody,
    environment: &EnvironmentName,
    needs: &[Need],
) -> Result<Vec<(SecretId, Version)>, ProviderError> {
    let version = |need: &Need| {
        let found = custody.own_version(environment, &need.reference);
        found.map_err(|error| lacking(need.key, &error))
    };
    needs.iter().map(version).collect()
}

async fn secrets(
    custody: &Custody,
    environment: &EnvironmentName,
    alias: &ProviderAlias,
    needs: &[Need],
) -> Result<OwnSecrets, ProviderError> {
    let mut own = OwnSecrets::new();
    for need in needs {
        let why = format!("{} of provider {alias}", need.key);
        let body = custody.own_secret(environment, &need.reference, &why).await;
        let body = body.map_err(|error| lacking(need.key, &error))?;
        own.extend(body.to_value().map(|value| (need.key, Arc::new(value))));
    }
    Ok(own)
}

fn lacking(key: &str, error: &CustodyError) -> ProviderError {
    let fix = match error {
        CustodyError::NotFound { fix, .. } => fix,
        _ => "look at the broker's log",
    };
    ProviderError::new(Fault::Misconfigured, format!("lacks its own {key}: {error}"), fix)
}
