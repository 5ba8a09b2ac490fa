//! Hooks: telling a running agent that a value of its is new, after it is in place.
//!
//! ```text
//! keeper ── roster (a watch: what is in place) ──▶ owed = in place ≠ confirmed
//!                                                   │ one call for each hook, a few at a time
//!     signal:HUP@/run/agent.pid ◀───────────────────┤
//!     http://127.0.0.1:8080/reload ◀────────────────┤
//!     exec:/usr/local/bin/reload ◀──────────────────┤
//!     openclaw, openclaw:/opt/openclaw ◀────────────┘
//!                    │ answered ─▶ record (STATE/hooks.json) ─▶ witness: reloaded
//!                    └ failed   ─▶ witness: failed, and again with growing pauses
//! ```
//! What a hook confirmed is recorded, so that a change which happened while the agent or the
//! sidecar was away is still owed. What a hook has never been told of is where it begins: it is
//! taken for known, as an agent reads its files when it starts.

pub mod effect;
mod exec;
mod http;
mod openclaw;
mod record;
mod signal;

use crate::sinks::process::Reaper;
use crate::{
    state::State,
    witness::{HookWord, Witness},
};
pub use openclaw::Gateway;
use record::{Confirmed, Record};
use secretref_domain::{
    agent::OnRotate,
    clock::Clock,
    name::{AgentName, FileName, SecretName},
    version::Version,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    future::pending,
    path::PathBuf,
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::watch,
    task::{JoinSet, spawn_blocking},
    time::{Instant, sleep_until, timeout},
};
use tokio_util::sync::CancellationToken;

/// How long a hook may take, with all its tries.
pub const CALL_MAX: Duration = Duration::from_secs(10);
/// Hooks that are called at a time.
pub const CALLS_MAX: usize = 8;

/// What is in place now.
#[derive(Default)]
pub struct Roster {
    /// Whether it is of a set that the broker sent; else nothing is forgotten because of it.
    pub received: bool,
    /// Every file with a hook that can be called.
    pub files: Vec<HookedFile>,
    /// Every file with such a hook that the set has, also where its value was withdrawn.
    pub bound: BTreeSet<HookKey>,
}

/// A hook and a file that it is called for.
pub type HookKey = (OnRotate, FileName);

/// A file that is in place, or a value that is offered under its name.
#[derive(Clone)]
pub struct HookedFile {
    /// Its name.
    pub file: FileName,
    /// The secret.
    pub secret: SecretName,
    /// Its version.
    pub version: Version,
    /// What is called when it changes.
    pub hook: OnRotate,
    /// Says what it was made from, and nothing of its content: hexadecimal.
    pub fingerprint: String,
    /// Changes exactly when its bytes do, within this run.
    pub serial: u64,
}

/// What hooks may reach.
#[derive(Clone, Debug, Default)]
pub struct Permits {
    /// Programs that `exec:` may start.
    pub allow_exec: Vec<PathBuf>,
    /// Who waits for them; there where any may be started.
    pub reaper: Option<Reaper>,
    /// Group that the agent and the sidecar share: a pid file may be of this group.
    pub group: Option<u32>,
    /// OpenClaw's gateway, where the sidecar may ask it for anything.
    pub openclaw: Option<Gateway>,
}

/// Calls hooks.
pub struct Hooks {
    agent: AgentName,
    permits: Arc<Permits>,
    state: Arc<State>,
    clock: Arc<dyn Clock>,
    witness: Witness,
    roster: watch::Receiver<Arc<Roster>>,
    record: Record,
    /// The bytes that each hook knows, within this run.
    known: BTreeMap<HookKey, u64>,
    failing: BTreeMap<OnRotate, Failing>,
}

struct Failing {
    why: String,
    tries: u32,
    again: Instant,
    /// What it failed for: anything else is worth a call at once.
    files: BTreeMap<FileName, String>,
}

/// One hook with all that it is to be told of.
type Owed = BTreeMap<OnRotate, Vec<HookedFile>>;

impl Hooks {
    /// Nothing is called before [`Hooks::run`]. Blocks for a read of the record.
    #[must_use]
    pub fn new(
        agent: AgentName,
        permits: Permits,
        state: Arc<State>,
        clock: Arc<dyn Clock>,
        witness: Witness,
        roster: watch::Receiver<Arc<Roster>>,
    ) -> Self {
        let record = Record::read(&state);
        let permits = Arc::new(permits);
        let (known, failing) = (BTreeMap::new(), BTreeMap::new());
        Self { agent, permits, state, clock, witness, roster, record, known, failing }
    }

    /// Calls what is owed, until the sidecar ends.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            let work = async {
                let roster = Arc::clone(&self.roster.borrow_and_update());
                if roster.received {
                    self.round(&roster).await;
                }
                let again = self.failing.values().map(|failing| failing.again).min();
                tokio::select! {
                    changed = self.roster.changed() => changed.is_ok(),
                    () = at(again) => true,
                }
            };
            let goes_on = tokio::select! {
                () = stop.cancelled() => false,
                goes_on = work => goes_on,
            };
            if !goes_on {
                return;
            }
        }
    }

    /// Calls what is owed by now, and says what came of it.
    async fn round(&mut self, roster: &Roster) {
        let before = self.record.clone();
        self.record.keep_only(&roster.bound);
        self.known.retain(|key, _| roster.bound.contains(key));
        self.failing.retain(|hook, _| roster.bound.iter().any(|(bound, _)| bound == hook));
        let owed = self.owed(roster);
        self.store(&before).await;
        let before = self.record.clone();
        let mut waiting = self.due(owed).into_iter();
        let mut calls = JoinSet::new();
        loop {
            while calls.len() < CALLS_MAX
                && let Some((hook, files)) = waiting.next()
            {
                let (agent, permits) = (self.agent.clone(), Arc::clone(&self.permits));
                let call = call(hook.clone(), agent, files.clone(), permits);
                calls.spawn(async move { (hook, files, call.await) });
            }
            match calls.join_next().await {
                Some(Ok((hook, files, outcome))) => self.called(&hook, files, outcome),
                Some(Err(error)) => tracing::error!(%error, "a hook's call ended by itself"),
                None => break,
            }
        }
        self.store(&before).await;
        self.tell(roster);
    }

    /// What is in place and was not confirmed. What was never seen is confirmed by that.
    fn owed(&mut self, roster: &Roster) -> Owed {
        let mut owed = Owed::new();
        for file in &roster.files {
            let key = (file.hook.clone(), file.file.clone());
            let same_bytes = self.known.get(&key) == Some(&file.serial);
            let called_us = match self.record.of(&key) {
                None => None,
                Some(known) if known.fingerprint == file.fingerprint || same_bytes => {
                    known.called_us
                }
                Some(_) => {
                    owed.entry(file.hook.clone()).or_default().push(file.clone());
                    continue;
                }
            };
            self.known.insert(key.clone(), file.serial);
            self.record.set(key, Confirmed { fingerprint: file.fingerprint.clone(), called_us });
        }
        self.failing.retain(|hook, _| owed.contains_key(hook));
        owed
    }

    /// Without those that failed for the very same and are not due again.
    fn due(&self, mut owed: Owed) -> Owed {
        let now = Instant::now();
        owed.retain(|hook, files| {
            self.failing.get(hook).is_none_or(|failing| {
                failing.again <= now
                    || files
                        .iter()
                        .any(|file| failing.files.get(&file.file) != Some(&file.fingerprint))
            })
        });
        owed
    }

    fn called(&mut self, hook: &OnRotate, files: Vec<HookedFile>, outcome: Result<(), String>) {
        let name = String::from(hook.clone());
        let Err(why) = outcome else {
            tracing::info!(hook = name, files = files.len(), "told the agent of new values");
            self.failing.remove(hook);
            let called_us = Some(self.clock.now());
            for file in files {
                let key = (file.hook, file.file);
                self.known.insert(key.clone(), file.serial);
                self.record.set(key, Confirmed { fingerprint: file.fingerprint, called_us });
            }
            return;
        };
        let tries = self.failing.get(hook).map_or(0, |failing| failing.tries).saturating_add(1);
        if tries == 1 {
            tracing::error!(hook = name, %why, "a hook failed; trying again");
        }
        let wait = RETRY_MIN.saturating_mul(2_u32.saturating_pow(tries - 1)).min(RETRY_MAX);
        let files = files.into_iter().map(|file| (file.file, file.fingerprint)).collect();
        let failing =
            Failing { why: format!("{name}: {why}"), tries, again: Instant::now() + wait, files };
        self.failing.insert(hook.clone(), failing);
    }

    /// Says of each secret what its hooks did, as far as that is still what is in place.
    fn tell(&self, roster: &Roster) {
        let mut words: BTreeMap<&SecretName, (Version, Option<HookWord>)> = BTreeMap::new();
        for file in &roster.files {
            let (_, word) = words.entry(&file.secret).or_insert((file.version, None));
            let failing = self.failing.get(&file.hook);
            if let Some(failing) = failing.filter(|it| it.files.contains_key(&file.file)) {
                let why = format!("it is in place, the hook failed: {}", failing.why);
                *word = Some(HookWord::Failed(why));
                continue;
            }
            let known = self.record.of(&(file.hook.clone(), file.file.clone()));
            let called = known.filter(|known| known.fingerprint == file.fingerprint);
            let called = called.and_then(|known| known.called_us);
            if word.is_none() {
                *word = called.map(HookWord::Reloaded);
            }
        }
        for (secret, (version, word)) in words {
            self.witness.hook(secret, version, word);
        }
    }

    async fn store(&self, before: &Record) {
        if self.record == *before {
            return;
        }
        let (record, state) = (self.record.clone(), Arc::clone(&self.state));
        let stored = spawn_blocking(move || record.write(&state)).await;
        if !matches!(stored, Ok(Ok(()))) {
            tracing::error!("what hooks confirmed was not stored; a restart may call them again");
        }
    }
}

/// Calls one hook.
async fn call(
    hook: OnRotate,
    agent: AgentName,
    files: Vec<HookedFile>,
    permits: Arc<Permits>,
) -> Result<(), String> {
    let call = async move {
        match hook {
            OnRotate::SignalFile { signal, pid_file } => {
                let sent = spawn_blocking(move || signal::send(&signal, &pid_file, permits.group));
                sent.await.unwrap_or_else(|error| Err(error.to_string()))
            }
            OnRotate::Http(url) => http::post(&url, &agent, &files).await,
            OnRotate::Exec(program) => exec::run(&program, &files, &permits).await,
            OnRotate::OpenClaw => openclaw::ask(permits.openclaw.as_ref()).await,
            OnRotate::OpenClawProgram(program) => openclaw::run(&program, &permits).await,
            OnRotate::Restart | OnRotate::Signal(_) | OnRotate::None => Ok(()),
        }
    };
    let late = |_| Err(format!("it took more than {CALL_MAX:?}"));
    timeout(CALL_MAX, call).await.unwrap_or_else(late)
}

async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => sleep_until(moment).await,
        None => pending().await,
    }
}

const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_mins(1);

#[cfg(test)]
mod tests;
