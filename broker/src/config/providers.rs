//! What `broker.toml` allows providers: an administrator who sets one up through the API can name
//! no file, program or variable of this host that does not stand here.

use super::{BrokerFile, Config};
use secretref_domain::{
    name::{EnvVar, NameError},
    value::{SecretValue, ValueError},
};
use std::{
    collections::BTreeMap,
    os::unix::ffi::OsStringExt,
    path::{Path, PathBuf},
    time::Duration,
};

impl Config {
    /// Folders that files and programs of providers have to lie below.
    #[must_use]
    pub fn provider_roots(&self) -> Vec<PathBuf> {
        match &self.file.provider_roots {
            Some(roots) => roots.clone(),
            None => vec![self.data_dir.join(PROVIDERS_FOLDER)],
        }
    }

    /// Variables of the broker's environment that providers may read, with the values of those
    /// that are set.
    ///
    /// # Errors
    /// Where a name is none, or a value cannot be a secret.
    pub fn provider_variables(
        &self,
    ) -> Result<BTreeMap<EnvVar, Option<SecretValue>>, ProviderConfigError> {
        let mut variables = BTreeMap::new();
        for name in &self.file.provider_environment {
            let name = EnvVar::parse(name)?;
            let value = std::env::var_os(name.as_str()).filter(|value| !value.is_empty());
            let value = value.map(|value| SecretValue::new(value.into_vec())).transpose();
            let wrong = |why| ProviderConfigError::Variable { name: name.clone(), why };
            let value = value.map_err(wrong)?;
            variables.insert(name, value);
        }
        Ok(variables)
    }

    /// How often a provider is asked.
    #[must_use]
    pub fn provider_poll(&self) -> Duration {
        Duration::from_secs(self.file.provider_poll_seconds)
    }
}

impl BrokerFile {
    pub(super) fn check_providers(&self) -> Result<(), ProviderConfigError> {
        if !(1..=POLL_SECONDS_MAX).contains(&self.provider_poll_seconds) {
            return Err(ProviderConfigError::Poll(self.provider_poll_seconds));
        }
        let mut roots = self.provider_roots.iter().flatten();
        if let Some(root) = roots.find(|it| !it.is_absolute() || it.as_path() == Path::new("/")) {
            return Err(ProviderConfigError::Root(root.clone()));
        }
        for name in &self.provider_environment {
            EnvVar::parse(name)?;
        }
        Ok(())
    }
}

/// What `broker.toml` says of providers and cannot.
#[derive(Debug, thiserror::Error)]
pub enum ProviderConfigError {
    /// Too often, or too seldom.
    #[error("provider_poll_seconds is {0}; it lies in 1 to {POLL_SECONDS_MAX}")]
    Poll(u64),
    /// A root that is none.
    #[error("provider_roots: {} is no folder below `/`; write the whole path of one", .0.display())]
    Root(PathBuf),
    /// A variable that is none.
    #[error("provider_environment: {0}")]
    Name(#[from] NameError),
    /// A variable whose value cannot be a secret.
    #[error("provider_environment: the variable {name}: {why}")]
    Variable {
        /// The variable.
        name: EnvVar,
        /// What is wrong with its value.
        why: ValueError,
    },
}

/// 30 s.
#[must_use]
pub fn provider_poll_seconds() -> u64 {
    30
}

/// The folder in the broker's own that `init` makes for providers.
pub const PROVIDERS_FOLDER: &str = "providers";
const POLL_SECONDS_MAX: u64 = 3600;
