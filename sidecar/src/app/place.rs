//! Putting a snapshot in place: which files it comes to, and what stays where one fails.

mod dotenv;
mod placed;

pub(super) use placed::Placed;

use super::AppError;
use crate::{
    lease::record::{LeaseFile, LeaseRecord},
    sinks::{
        files::{FileSet, FileSink, FileSinkConfig, FileSinkError},
        templates::Pantry,
    },
    snapshot::Snapshot,
};
use dotenv::Dotenv;
use secretref_domain::{
    clock::Timestamp,
    id::InstanceId,
    name::{AgentName, FileName, SecretName},
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
    time::Instant,
};

/// The secrets folder and the lease's record. All calls block.
pub(super) struct Place {
    /// `None` where the agent lives from the socket alone.
    sink: Option<FileSink>,
    /// Who is served; templates may name it.
    agent: Option<AgentName>,
    lease_file: LeaseFile,
    /// What the record on disk says.
    recorded: Option<Timestamp>,
    /// What was put in place last.
    placed: Vec<Placed>,
    dotenv: Option<Dotenv>,
    /// The serial number that was given last.
    serial: u64,
    secrets_dir: PathBuf,
}

/// What came of a snapshot.
pub(super) struct Outcome {
    /// What is in place now.
    pub(super) applied: BTreeMap<SecretName, Version>,
    /// The same, file by file.
    pub(super) placed: Vec<Placed>,
    /// What is not, and why.
    pub(super) failed: BTreeMap<SecretName, String>,
    /// Why nothing could be done at all.
    pub(super) trouble: Option<String>,
    /// The files that are in place now.
    pub(super) there: Vec<There>,
    /// When a retired set's grace ends.
    pub(super) next_prune: Option<Instant>,
}

/// What is known of a file that is in place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct There {
    /// Its name.
    pub(super) file: FileName,
    /// Secret that it holds.
    pub(super) secret: SecretName,
    /// Version of it.
    pub(super) version: Version,
    /// Since when it is there.
    pub(super) since: Timestamp,
}

impl Place {
    /// Opens the folder and looks at the record. What an earlier run left is wiped, unless the
    /// record is this instance's, is of this folder and has not lapsed; then it says until when
    /// it may stay. Without `files` nothing is ever written, and what was left there goes.
    pub(super) fn open(
        config: FileSinkConfig,
        files: bool,
        state_dir: &Path,
        instance: Option<InstanceId>,
        now: Timestamp,
    ) -> Result<(Self, Option<Timestamp>), AppError> {
        let lease_file = LeaseFile::open(state_dir)?;
        let record = match lease_file.read() {
            Ok(record) => record,
            Err(error) => {
                tracing::error!(%error, "the lease's record cannot be used; wiping");
                None
            }
        };
        let secrets_dir = config.dir.clone();
        if let Some(record) = &record
            && (record.secrets_dir != secrets_dir || !files)
        {
            wipe_former(record, &config);
        }
        let mut sink = files.then(|| FileSink::open(config)).transpose()?;
        let kept = record.filter(|record| {
            files
                && Some(record.instance) == instance
                && record.secrets_dir == secrets_dir
                && !record.lapsed(now)
        });
        let inherited = kept.and_then(|record| record.lease_until_us);
        if inherited.is_none() {
            wipe(&mut sink)?;
            lease_file.remove()?;
        }
        let place = Self {
            sink,
            agent: None,
            lease_file,
            recorded: inherited,
            placed: Vec::new(),
            dotenv: None,
            serial: 0,
            secrets_dir,
        };
        Ok((place, inherited))
    }

    /// The same, for this agent.
    pub(super) fn of(self, agent: AgentName) -> Self {
        Self { agent: Some(agent), ..self }
    }

    /// The folder, as the lease's record names it.
    pub(super) fn secrets_dir(&self) -> &Path {
        &self.secrets_dir
    }

    /// Puts a snapshot in place as far as it goes. A secret that cannot be keeps the files that
    /// it had; the others do not wait for it. `clear` wipes first what an earlier run left.
    pub(super) fn put(
        &mut self,
        snapshot: &Snapshot,
        record: &LeaseRecord,
        clear: bool,
    ) -> Outcome {
        if clear && let Err(error) = wipe(&mut self.sink) {
            return self.nothing_done(snapshot, &error.to_string());
        }
        let mut failed = BTreeMap::new();
        let dotenv = self.dotenv(snapshot, record.recorded_us, &mut failed);
        let wanted = self.wanted(snapshot, record.recorded_us, &mut failed);
        if let Err(error) = self.record_before(record) {
            return self.nothing_done(snapshot, &error.to_string());
        }
        match self.apply(snapshot, wanted, dotenv, &mut failed) {
            Ok((placed, dotenv)) => {
                self.dotenv = dotenv;
                self.settle(placed);
            }
            Err(error) => return self.nothing_done(snapshot, &error.to_string()),
        }
        if let Err(error) = self.record_after(record) {
            tracing::warn!(%error, "the lease was not recorded; a restart may wipe too early");
        }
        self.outcome(failed)
    }

    /// Records that the lease was renewed.
    pub(super) fn renew(&mut self, record: &LeaseRecord) {
        if let Err(error) = self.record_after(record) {
            tracing::warn!(%error, "the lease was not recorded; a restart may wipe too early");
        }
    }

    /// Removes retired sets whose grace is over; says when to come again.
    pub(super) fn prune(&mut self) -> Option<Instant> {
        self.sink.iter_mut().for_each(|sink| sink.prune(Instant::now()));
        self.next_prune()
    }

    /// What the record on disk says.
    pub(super) fn recorded(&self) -> Option<Timestamp> {
        self.recorded
    }

    /// Every file that there should be. What cannot be made here keeps what it had.
    fn wanted(
        &self,
        snapshot: &Snapshot,
        now: Timestamp,
        failed: &mut BTreeMap<SecretName, String>,
    ) -> Vec<Placed> {
        let mut wanted = BTreeMap::new();
        let pantry = self.pantry(snapshot);
        for file in snapshot.files() {
            match Placed::make(snapshot, &file, pantry.as_ref(), now) {
                Ok(placed) => drop(wanted.insert(file.target.file.clone(), placed)),
                Err(why) => {
                    let detail = format!("{}: {why}", file.target.file);
                    failed.insert(file.name.clone(), detail);
                }
            }
        }
        let mut wanted: Vec<Placed> = wanted.into_values().collect();
        for name in failed.keys() {
            wanted = self.keep_former(snapshot, wanted, name);
        }
        wanted
    }

    /// What templates are made from, where there are any and files to be made.
    fn pantry(&self, snapshot: &Snapshot) -> Option<Pantry> {
        let agent = self.agent.as_ref().filter(|_| self.sink.is_some())?;
        let mut targets = snapshot.entries().flat_map(|(_, held)| held.targets.iter());
        targets.any(|target| target.template.is_some()).then(|| Pantry::stock(agent, snapshot))
    }

    /// Takes what was applied for placed: what has the bytes that it had keeps its number.
    fn settle(&mut self, mut placed: Vec<Placed>) {
        for new in &mut placed {
            let former = self.placed.iter().find(|former| former.name() == new.name());
            let same = former.filter(|former| former.file.value.same_as(&new.file.value));
            let stays = former.filter(|it| it.secret == new.secret && it.version == new.version);
            new.since = stays.map_or(new.since, |former| former.since);
            new.serial = same.map_or_else(
                || {
                    self.serial += 1;
                    self.serial
                },
                |same| same.serial,
            );
        }
        self.placed = placed;
    }

    /// Applies what is wanted; where one file is the trouble, its secret keeps what it had.
    fn apply(
        &mut self,
        snapshot: &Snapshot,
        mut wanted: Vec<Placed>,
        mut dotenv: Option<Dotenv>,
        failed: &mut BTreeMap<SecretName, String>,
    ) -> Result<(Vec<Placed>, Option<Dotenv>), FileSinkError> {
        let mut dropped = BTreeSet::new();
        loop {
            let files = wanted.iter().map(|placed| placed.file.clone());
            let files: Vec<_> = files.chain(dotenv.as_ref().and_then(Dotenv::entry)).collect();
            let Some(sink) = self.sink.as_mut().filter(|_| !files.is_empty()) else {
                wipe(&mut self.sink)?;
                return Ok((wanted, dotenv));
            };
            let error = match sink.apply(&FileSet { files }) {
                Ok(_) => return Ok((wanted, dotenv)),
                Err(error) => error,
            };
            if let Some(amiss) = dotenv.take_if(|it| error.file() == Some(&it.file)) {
                for line in amiss.lines {
                    failed.entry(line.secret).or_insert_with(|| error.to_string());
                }
                continue;
            }
            let Some(name) = error.file().and_then(|file| secret_of(&wanted, file)) else {
                return Err(error);
            };
            wanted = if failed.insert(name.clone(), error.to_string()).is_none() {
                self.keep_former(snapshot, wanted, &name)
            } else if dropped.insert(name.clone()) {
                // What it had fails as well now: the rest must not suffer for it.
                wanted.into_iter().filter(|placed| placed.secret != name).collect()
            } else {
                return Err(error);
            };
        }
    }

    /// The wanted files, but for one secret those that it had, where nobody else wants them now.
    fn keep_former(
        &self,
        snapshot: &Snapshot,
        wanted: Vec<Placed>,
        name: &SecretName,
    ) -> Vec<Placed> {
        let mut kept: Vec<Placed> =
            wanted.into_iter().filter(|placed| placed.secret != *name).collect();
        for former in self.placed.iter().filter(|placed| placed.secret == *name) {
            if former.may_stay(snapshot) && secret_of(&kept, &former.file.name).is_none() {
                kept.push(former.clone());
            }
        }
        kept
    }

    fn outcome(&self, failed: BTreeMap<SecretName, String>) -> Outcome {
        let applied = self.placed.iter();
        let applied = applied.map(|placed| (placed.secret.clone(), placed.version)).collect();
        let there = self.placed.iter().filter(|_| self.sink.is_some()).map(|placed| There {
            file: placed.name().clone(),
            secret: placed.secret.clone(),
            version: placed.version,
            since: placed.since,
        });
        let lines = self.dotenv.iter().flat_map(Dotenv::there);
        let there = there.chain(lines).collect();
        let (placed, next_prune) = (self.placed.clone(), self.next_prune());
        Outcome { applied, placed, failed, trouble: None, there, next_prune }
    }

    fn next_prune(&self) -> Option<Instant> {
        self.sink.as_ref().and_then(FileSink::next_prune)
    }

    fn nothing_done(&self, snapshot: &Snapshot, detail: &str) -> Outcome {
        let names = snapshot.entries().map(|(name, _)| name);
        let former = self.placed.iter().map(|placed| &placed.secret);
        let failed = names.chain(former).map(|name| (name.clone(), detail.to_owned())).collect();
        Outcome { trouble: Some(detail.to_owned()), ..self.outcome(failed) }
    }

    /// Before the files: no record may promise more than is true. One that ends early enough
    /// already stays, which spares most rotations the wait for the disk.
    fn record_before(&mut self, record: &LeaseRecord) -> Result<(), AppError> {
        let until = record.lease_until_us.filter(|_| self.sink.is_some());
        let Some(until) = until else { return Ok(()) };
        if self.recorded.is_some_and(|recorded| recorded <= until) {
            return Ok(());
        }
        self.lease_file.write(record)?;
        self.recorded = Some(until);
        Ok(())
    }

    /// After the files: what became longer, and what is no longer there.
    fn record_after(&mut self, record: &LeaseRecord) -> Result<(), AppError> {
        match record.lease_until_us.filter(|_| self.sink.is_some()) {
            None => {
                self.lease_file.remove()?;
                self.recorded = None;
            }
            Some(until) if due(self.recorded, until, record.recorded_us) => {
                self.lease_file.write(record)?;
                self.recorded = Some(until);
            }
            Some(_) => {}
        }
        Ok(())
    }
}

/// Whether the record is to be written anew: when less than half of the lease is left in it.
pub(super) fn due(recorded: Option<Timestamp>, until: Timestamp, now: Timestamp) -> bool {
    let left = recorded.map_or(0, |recorded| recorded.millis_since(now));
    recorded != Some(until) && left < until.millis_since(now) / 2
}

fn secret_of(files: &[Placed], file: &FileName) -> Option<SecretName> {
    files.iter().find(|placed| placed.file.name == *file).map(|placed| placed.secret.clone())
}

fn wipe(sink: &mut Option<FileSink>) -> Result<(), FileSinkError> {
    sink.as_mut().map_or(Ok(()), FileSink::wipe)
}

/// A run with another folder left values there that nobody would ever wipe.
fn wipe_former(record: &LeaseRecord, config: &FileSinkConfig) {
    let former = FileSinkConfig { dir: record.secrets_dir.clone(), ..config.clone() };
    let path = record.secrets_dir.display();
    match FileSink::open(former).and_then(|mut sink| sink.wipe()) {
        Ok(()) => tracing::info!(%path, "wiped the secrets folder of the run before"),
        Err(error) => tracing::error!(%path, %error, "the run before left files; wipe them"),
    }
}
