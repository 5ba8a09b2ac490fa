//! The broker's environment.

use super::{Held, World, at, suite::conforms, write::is_not_written};
use anyhow::Result;
use secretref_broker::providers::{OwnSecrets, Permits, Place, Provider};
use secretref_domain::{
    name::{EnvVar, ProviderAlias},
    reference::{ProviderKind, ProviderSpec},
    value::SecretValue,
};
use serde_json::Map;
use std::{collections::BTreeMap, sync::Arc};

/// Variables as the broker's configuration hands them on: it reads them once, at its start.
#[derive(Default)]
struct Environment {
    variables: BTreeMap<EnvVar, Vec<u8>>,
}

impl World for Environment {
    const HOLDS_BYTES: bool = true;
    const HOLDS_RECORDS: bool = false;
    const HOLDS_TOO_MUCH: bool = false;
    const CHANGES: bool = false;

    async fn new() -> Result<Option<Self>> {
        Ok(Some(Self::default()))
    }

    async fn put(&mut self, name: &str, held: &Held) -> Result<Place> {
        let name = name.to_ascii_uppercase().replace('-', "_");
        self.variables.insert(EnvVar::parse(&name)?, held.value.clone());
        Ok(at(&name))
    }

    fn nowhere(&self) -> Place {
        at("NOWHERE")
    }

    fn open(&self) -> Result<Provider> {
        let mut environment = BTreeMap::from([(EnvVar::parse("NOWHERE")?, None)]);
        for (name, value) in &self.variables {
            environment.insert(name.clone(), Some(SecretValue::new(value.clone())?));
        }
        let permits = Permits { environment, ..Permits::default() };
        let spec = ProviderSpec { kind: ProviderKind::Env, settings: Map::new() };
        let alias = ProviderAlias::parse("env")?;
        Ok(Provider::open(&alias, &spec, &Arc::new(permits), &OwnSecrets::new())?)
    }
}

conforms!(Environment);
is_not_written!(Environment);
