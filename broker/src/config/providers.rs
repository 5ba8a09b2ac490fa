//! What `broker.toml` allows providers: an administrator who sets one up through the API can name
//! no file, program or variable of this host that does not stand here.

use super::{BrokerFile, Config};
use anyhow::{Context, bail};
use secretref_domain::{name::EnvVar, value::SecretValue};
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
    pub fn provider_variables(&self) -> anyhow::Result<BTreeMap<EnvVar, Option<SecretValue>>> {
        let mut variables = BTreeMap::new();
        for name in &self.file.provider_environment {
            let name = EnvVar::parse(name).context("provider_environment in broker.toml")?;
            let value = std::env::var_os(name.as_str()).filter(|value| !value.is_empty());
            let value = value.map(|value| SecretValue::new(value.into_vec())).transpose();
            let value = value.with_context(|| format!("the variable {name}"))?;
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
    pub(super) fn check_providers(&self) -> anyhow::Result<()> {
        if !(1..=POLL_SECONDS_MAX).contains(&self.provider_poll_seconds) {
            let given = self.provider_poll_seconds;
            bail!("provider_poll_seconds is {given}; it lies in 1 to {POLL_SECONDS_MAX}");
        }
        let roots = self.provider_roots.iter().flatten();
        if let Some(root) = roots.clone().find(|root| !root.is_absolute()) {
            bail!("provider_roots: {} is not absolute; write the whole path", root.display());
        }
        if let Some(root) = roots.clone().find(|root| root.as_path() == Path::new("/")) {
            bail!("provider_roots: {} would allow every file; name a folder", root.display());
        }
        for name in &self.provider_environment {
            EnvVar::parse(name).context("provider_environment")?;
        }
        Ok(())
    }
}

/// 30 s.
#[must_use]
pub fn provider_poll_seconds() -> u64 {
    30
}

/// The folder in the broker's own that `init` makes for providers.
pub const PROVIDERS_FOLDER: &str = "providers";
const POLL_SECONDS_MAX: u64 = 3600;
