//! Brokers that come from one that is there: another over its database, and one from its backup.

use super::{Broker, BrokerFile, Limits, ROOT_KEY_FILE, copy_folder};
use crate::{cli::Ran, engine::Engine};
use anyhow::{Context, Result, ensure};
use std::path::Path;
use uuid::Uuid;

impl Broker {
    /// Another broker over the database of this one, as `join` makes it, with the settings and the
    /// first administrator of this one; over an embedded store, which one broker has for itself,
    /// one that takes its place, with a copy of its folder. It is not started yet.
    ///
    /// # Errors
    /// Where it cannot join.
    pub fn another(&self) -> Result<Self> {
        let broker = self.elsewhere(Some(self.database_url()))?;
        let settings = self.file()?;
        let broker_id = if self.database_url.is_some() {
            broker.join(self)?;
            copy_folder(&self.data().join("admin"), &broker.data().join("admin"))?;
            broker.id()?
        } else {
            copy_folder(&self.data(), &broker.data())?;
            Uuid::new_v4()
        };
        let database_url = self.database_url();
        broker.configure(|file| *file = BrokerFile { broker_id, database_url, ..settings })?;
        Ok(broker)
    }

    /// A broker in a new folder, made from a backup and the root key of this one, with the first
    /// administrator of this one. It is not started yet.
    ///
    /// # Errors
    /// Where the backup is not restored.
    pub async fn restored(&self, backup: &Path, engine: Engine) -> Result<Self> {
        let broker = self.elsewhere(engine.database_url().await?)?;
        let mut command = broker.command("restore")?;
        command.arg("--backup").arg(backup);
        command.arg("--root-key").arg(self.data().join(ROOT_KEY_FILE));
        if let Some(url) = &broker.database_url {
            command.args(["--database-url", url]);
        }
        Ran::of(&mut command)?.ended(0)?;
        copy_folder(&self.data().join("admin"), &broker.data().join("admin"))?;
        broker.limit(Limits { drain_seconds: 0, ..Limits::default() })?;
        Ok(broker)
    }

    /// A broker with the settings of this one and nothing in its folder.
    fn elsewhere(&self, database_url: Option<String>) -> Result<Self> {
        Ok(Self {
            options: self.options.clone(),
            variables: self.variables.clone(),
            log_level: self.log_level,
            ..Self::nowhere(database_url)?
        })
    }

    /// Runs `join`, with a copy of the root key of a broker that is there.
    fn join(&self, first: &Self) -> Result<()> {
        let mut command = self.command("join")?;
        command.args(["--database-url", &first.database_url()]);
        command.arg("--root-key").arg(first.data().join(ROOT_KEY_FILE));
        let done = command.output().context("running secretref-broker join")?;
        let said = String::from_utf8_lossy(&done.stderr);
        ensure!(done.status.success(), "join failed with {}: {said}", done.status);
        Ok(())
    }
}
