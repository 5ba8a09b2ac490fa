//! A program of the operator's own, on the broker's host: run once for each step, with what it is
//! to do as JSON on its standard input.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `command` | required | the program, below a root; relative to the first one |
//! | `args` | none | its arguments: there is no shell |
//! | `passEnv` | none | variables of the broker's environment that it gets |
//! | `timeoutMs` | 30,000 | how long a step may take, at most 55,000 |
//! | `overlaps` | `true` | whether the service can hold two credentials at once |
//! | `secrets.NAME` | none | secrets that it is given |
//!
//! It is run by the rules for programs of [`crate::permits::programs`].

mod protocol;

use super::{Credential, Minted, OwnSecrets, RotatorError, Task, of_host};
use crate::permits::{
    Permits,
    programs::{self, Program},
};
use protocol::{Answer, Verb};
use secretref_domain::{name::RotatorAlias, rotation::RotatorSpec};
use serde_json::{Map, Value};
use std::{path::PathBuf, sync::Arc, time::Duration};

/// A program.
pub struct Exec {
    alias: RotatorAlias,
    program: Arc<Program>,
    permits: Arc<Permits>,
    own: OwnSecrets,
    overlaps: bool,
}

impl Exec {
    /// Takes the settings, and looks whether the program may be run.
    pub(super) async fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let members = &spec.settings;
        let settings = format!("secrets.rotators.{alias}");
        let command = members.get("command").and_then(Value::as_str).unwrap_or_default();
        let mut command = PathBuf::from(command);
        if let Some(root) = permits.roots.first().filter(|_| command.is_relative()) {
            command = root.join(command);
        }
        let time_ms = members.get("timeoutMs").and_then(Value::as_u64).unwrap_or(TIME_MS_DEFAULT);
        if time_ms > TIME_MS_MAX {
            let message = format!("has a `timeoutMs` of more than {TIME_MS_MAX}");
            let fix = format!("set `{settings}.timeoutMs` and apply again");
            return Err(RotatorError::lasting(alias, message, fix));
        }
        let passed = programs::permitted(texts(members, "passEnv"), &settings, permits)
            .map_err(|error| of_host(alias, error))?;
        let time_max = Duration::from_millis(time_ms);
        let program = Arc::new(Program {
            settings,
            command,
            arguments: texts(members, "args").map(str::to_owned).collect(),
            environment: Vec::new(),
            passed,
            time_max,
            silence_max: time_max,
            output_bytes_max: OUTPUT_BYTES_MAX,
            allow_symlink: false,
            trusted: Vec::new(),
            example: "{\"protocolVersion\":1,\"verb\":\"test\",…}".to_owned(),
        });
        program.checked(permits).await.map_err(|error| of_host(alias, error))?;
        let overlaps = members.get("overlaps").and_then(Value::as_bool).unwrap_or(true);
        let (alias, permits, own) = (alias.clone(), Arc::clone(permits), own.clone());
        Ok(Self { alias, program, permits, own, overlaps })
    }

    pub(super) fn overlaps(&self) -> bool {
        self.overlaps
    }

    pub(super) async fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        self.ask(task, Verb::Mint, None).await?.minted(&self.alias)
    }

    pub(super) async fn set(&self, task: &Task, new: &Credential) -> Result<(), RotatorError> {
        self.ask(task, Verb::Set, Some(new)).await.map(drop)
    }

    pub(super) async fn test(&self, task: &Task, new: &Credential) -> Result<(), RotatorError> {
        self.ask(task, Verb::Test, Some(new)).await.map(drop)
    }

    pub(super) async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        self.ask(task, Verb::RevokeOld, None).await.map(drop)
    }

    pub(super) async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        self.ask(task, Verb::RevokeNew, new).await.map(drop)
    }

    /// Runs it once, and has what it answered where it did what it was to do.
    async fn ask(
        &self,
        task: &Task,
        verb: Verb,
        new: Option<&Credential>,
    ) -> Result<Answer, RotatorError> {
        let request = protocol::request(task, verb, new, &self.own);
        let output = self.program.run(&self.permits, &request).await;
        let output = output.map_err(|error| of_host(&self.alias, error))?;
        let answer = protocol::answer(&self.alias, verb, &output)?;
        answer.done(&self.alias, verb, || protocol::Unsaid::of(task, new, &self.own))
    }
}

fn texts<'a>(members: &'a Map<String, Value>, key: &str) -> impl Iterator<Item = &'a str> {
    let items = members.get(key).and_then(Value::as_array);
    items.into_iter().flatten().filter_map(Value::as_str)
}

const TIME_MS_DEFAULT: u64 = 30_000;
/// The engine waits 60 s for a step as a whole.
const TIME_MS_MAX: u64 = 55_000;
/// Of both outputs together, in bytes: twice as much as the longest value needs in base64.
const OUTPUT_BYTES_MAX: usize = 256 * 1024;
