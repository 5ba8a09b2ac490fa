//! Where the demo plays: a folder, a folder in memory, and the processes. Clearing it leaves
//! nothing behind.

use super::process::{Process, Start};
use crate::{
    cmd::programs,
    config::Config,
    connect,
    failure::{Exit, Failure},
    profile::Profile,
};
use std::{
    io,
    path::{Path, PathBuf},
};
use tempfile::TempDir;
use tonic::transport::Channel;

/// The demo's folders and processes.
pub(super) struct Stage {
    /// This program.
    pub(super) program: PathBuf,
    /// The broker's program.
    pub(super) broker: PathBuf,
    /// The sidecar's program.
    pub(super) sidecar: PathBuf,
    folder: TempDir,
    memory: Option<TempDir>,
    processes: Vec<Process>,
}

impl Stage {
    /// Finds the programs and makes the folders. Nothing is started.
    pub(super) fn set(config: &Config) -> Result<Self, Failure> {
        let folder = temporary(tempfile::Builder::new().prefix(PREFIX).tempdir())?;
        let memory = programs::folder_in_memory(config, PREFIX);
        let program = config.program.clone().ok_or_else(|| programs::missing("secretref"))?;
        Ok(Self {
            broker: programs::find(config, "secretref-broker")?,
            sidecar: programs::find(config, "secretref-sidecar")?,
            program,
            folder,
            memory,
            processes: Vec::new(),
        })
    }

    /// The folder of everything that may lie on a disk.
    pub(super) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// A path in the folder.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// The agent's folder: in memory, where there is such a place.
    pub(super) fn secrets(&self) -> PathBuf {
        self.memory.as_ref().unwrap_or(&self.folder).path().join("secrets")
    }

    /// Whether the agent's folder is in memory.
    pub(super) fn is_in_memory(&self) -> bool {
        self.memory.is_some()
    }

    /// Takes a process under the stage's care.
    pub(super) fn add(&mut self, process: Process) {
        self.processes.push(process);
    }

    /// The ids of all processes.
    pub(super) fn ids(&self) -> Vec<u32> {
        self.processes.iter().filter_map(Process::id).collect()
    }

    /// The process that was added last.
    pub(super) fn newest(&mut self) -> Result<&mut Process, Failure> {
        let none = || Failure::new(Exit::Refused, "nothing runs in the demo", "start it again");
        self.processes.last_mut().ok_or_else(none)
    }

    /// How one process of the demo is started.
    pub(super) fn start<'a>(
        &'a self,
        name: &'static str,
        program: &'a Path,
        keep: bool,
        input: &'a str,
    ) -> Start<'a> {
        let keeper = Some(self.program.as_path()).filter(|_| !keep);
        Start { name, program, keeper, folder: self.folder.path(), input }
    }

    /// How an admin reaches the broker, which said where it listens.
    pub(super) fn profile(&self, address: &str) -> Profile {
        let admin = self.path("broker").join("admin");
        Profile {
            address: address.to_owned(),
            ca: admin.join("ca.crt"),
            cert: admin.join("admin.crt"),
            key: admin.join("admin.key"),
            agents: None,
        }
    }

    /// Connects as that admin.
    pub(super) async fn channel(&self, address: &str) -> Result<Channel, Failure> {
        connect::channel(&self.profile(address)).await
    }

    /// The last lines of all logs.
    pub(super) fn last_words(&self) -> Vec<String> {
        self.processes.iter().flat_map(Process::last_words).collect()
    }

    /// Ends the processes, the newest first, so that the sidecar can still say goodbye to the
    /// broker; then removes the folders.
    ///
    /// # Errors
    /// What could not be removed.
    pub(super) async fn clear(self) -> io::Result<()> {
        for process in self.processes.into_iter().rev() {
            process.end().await;
        }
        let memory = self.memory.map_or(Ok(()), TempDir::close);
        self.folder.close().and(memory)
    }

    /// Leaves everything as it is.
    pub(super) fn keep(self) {
        self.processes.into_iter().for_each(Process::release);
        drop(self.folder.keep());
        drop(self.memory.map(TempDir::keep));
    }
}

fn temporary(made: io::Result<TempDir>) -> Result<TempDir, Failure> {
    made.map_err(|error| {
        let what = format!("no temporary folder can be made: {error}");
        Failure::usage(what, "export TMPDIR=FOLDER that can be written")
    })
}

const PREFIX: &str = "secretref-demo-";
