//! A service over HTTP, whose requests a file on the broker's host describes.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `file` | required | the description, TOML below a root; relative to the first one |
//! | `secrets.NAME` | none | secrets that its templates can name |
//!
//! The file says where secrets are sent, and is the host's: who may set a rotator up chooses among
//! what lies there.

mod description;
mod template;

use super::{
    Credential, Minted, OwnSecrets, RotatorError, Task, of_host, random,
    way_out::{Answered, WayOut, Wiped, may_pass},
};
use crate::{
    outbound,
    permits::{Permits, files},
};
use description::{Description, Step, Take, Taken};
use reqwest::header::{HeaderName, HeaderValue};
use secretref_domain::{
    clock::Timestamp, limit::HANDLE_BYTES_MAX, name::RotatorAlias, rotation::RotatorSpec,
    value::SecretValue,
};
use serde_json::{Map, Value};
use std::{path::Path, sync::Arc};
use template::{Language, Names, now_seconds};
use zeroize::Zeroizing;

/// A service that is described.
pub struct Http {
    alias: RotatorAlias,
    description: Description,
    language: Language,
    random: Option<random::Random>,
    own: OwnSecrets,
    way: WayOut,
}

/// What a request came to.
enum Came {
    /// It was done; with the answer, where it is JSON.
    Done(Option<Wiped>),
    /// What it was to end had ended already.
    Ended,
}

impl Http {
    pub(super) async fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let file = spec.settings.get("file").and_then(Value::as_str).unwrap_or_default();
        let read = files::read_below(permits, Path::new(file), FILE_BYTES_MAX).await;
        let bytes = read.map_err(|error| of_host(alias, error))?;
        let language = Language::new();
        let wrong = |why: &str| {
            let message = format!("has {file}, which describes no service: {why}");
            RotatorError::lasting(alias, message, format!("correct {file}: docs/rotators/http.md"))
        };
        let text = std::str::from_utf8(&bytes).map_err(|_| wrong("it is no text"))?;
        let description = Description::read(text, &language, own).map_err(|why| wrong(&why))?;
        let random = description.mint.random.as_ref().map(|it| drawn(alias, it)).transpose()?;
        let way = WayOut::open(alias, permits, description.ca_file.clone()).await?;
        let (alias, own) = (alias.clone(), own.clone());
        Ok(Self { alias, description, language, random, own, way })
    }

    pub(super) fn overlaps(&self) -> bool {
        self.description.overlaps
    }

    pub(super) async fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        let mint = &self.description.mint;
        match (&self.random, &mint.take) {
            (Some(random), _) => random.mint(),
            (None, Some(take)) => {
                let names = self.names(task, &[("old", &task.old)]);
                match self.ask("mint", mint, task, &names).await? {
                    Came::Done(Some(answer)) => self.taken(take, answer),
                    Came::Done(None) | Came::Ended => Err(self.wrong("minted no JSON")),
                }
            }
            // A description without either is refused when it is read.
            (None, None) => Err(self.wrong("mints nothing")),
        }
    }

    pub(super) async fn set(&self, task: &Task, new: &Credential) -> Result<(), RotatorError> {
        let Some(step) = &self.description.set else { return Ok(()) };
        let names = self.names(task, &[("old", &task.old), ("new", new)]);
        self.ask("set", step, task, &names).await.map(drop)
    }

    pub(super) async fn test(&self, task: &Task, tried: &Credential) -> Result<(), RotatorError> {
        let names = self.names(task, &[("credential", tried)]);
        self.ask("test", &self.description.test, task, &names).await.map(drop)
    }

    pub(super) async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        let Some(step) = &self.description.revoke else { return Ok(()) };
        let names = self.names(task, &[("credential", &task.old)]);
        self.ask("revoke", step, task, &names).await.map(drop)
    }

    pub(super) async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        let found;
        let new = match new {
            Some(new) => new,
            // Whether one was made nobody knows: asked by the same key, it is the same one.
            None if self.description.mint.repeatable => {
                let minted = self.mint(task).await?;
                found = Credential { value: Arc::new(minted.value), handle: minted.handle };
                &found
            }
            None => return Ok(()),
        };
        match (&self.description.withdraw, &self.description.revoke) {
            (Some(step), _) => {
                let names = self.names(task, &[("old", &task.old), ("new", new)]);
                self.ask("withdraw", step, task, &names).await.map(drop)
            }
            (None, Some(step)) => {
                let names = self.names(task, &[("credential", new)]);
                self.ask("withdraw", step, task, &names).await.map(drop)
            }
            (None, None) => Ok(()),
        }
    }

    fn names(&self, task: &Task, credentials: &[(&'static str, &Credential)]) -> Names {
        Names::of(task, credentials, &self.own, &self.description.values)
    }

    /// Asks once, and says what the answer means.
    async fn ask(
        &self,
        verb: &str,
        step: &Step,
        task: &Task,
        names: &Names,
    ) -> Result<Came, RotatorError> {
        let rendered = |key: &str, template: &str| {
            let made = self.language.render(template, names);
            made.map_err(|why| self.wrong(&format!("has a {key} in its {verb} that {why}")))
        };
        let url = rendered("url", step.url())?;
        let url = std::str::from_utf8(&url).unwrap_or("\0");
        let url = outbound::address(url).map_err(|error| {
            self.wrong(&format!("has a url in its {verb} that is none: {error}"))
        })?;
        let method = step.method().ok_or_else(|| self.wrong("has no method"))?;
        let mut request = self.way.client().request(method, url);
        let mut names_key = verb == "test";
        for (name, template) in &step.headers {
            let value = rendered("header", template)?;
            let header = HeaderName::from_bytes(name.as_bytes()).ok();
            let value = HeaderValue::from_bytes(&value).ok();
            let (Some(header), Some(mut value)) = (header, value) else {
                return Err(self.wrong(&format!("has a header {name} in its {verb} that is none")));
            };
            value.set_sensitive(true);
            names_key |= header == IDEMPOTENCY_KEY;
            request = request.header(header, value);
        }
        if !names_key {
            request = request.header(IDEMPOTENCY_KEY, format!("{}-{verb}", task.rotation));
        }
        if let Some(body) = &step.body {
            request = request.body(rendered("body", body)?.to_vec());
        }
        let answered = self.way.send(request, &format!("its {verb}")).await?;
        self.judged(verb, step, &answered)
    }

    fn judged(&self, verb: &str, step: &Step, answered: &Answered) -> Result<Came, RotatorError> {
        let (status, fix) = (answered.status, "look at the service, and at what the file expects");
        let refused = format!("was answered {status} to its {verb}");
        if may_pass(status) && !step.expects(status) {
            return Err(RotatorError::passing(&self.alias, refused, fix));
        }
        let json = Wiped::read(&answered.body);
        let said = json.as_ref().map_or(&Value::Null, |json| &json.0);
        if step.retry.any(said) {
            let message = format!("was told to come again with its {verb}");
            return Err(RotatorError::passing(&self.alias, message, fix));
        }
        if step.ended.any(said) {
            return Ok(Came::Ended);
        }
        if !step.expects(status) {
            return Err(RotatorError::refusal(&self.alias, refused, fix));
        }
        if !step.require.is_empty()
            && let Some(pointer) = step.require.missing(said)
        {
            let message = format!("was answered its {verb} without what is required at {pointer}");
            return Err(RotatorError::refusal(&self.alias, message, fix));
        }
        Ok(Came::Done(json))
    }

    /// The credential in an answer.
    fn taken(&self, take: &Take, mut answer: Wiped) -> Result<Minted, RotatorError> {
        let lacks = |pointer: &str| self.wrong(&format!("minted no text at {pointer:?}"));
        let mut text = |pointer: &str| match answer.0.pointer_mut(pointer).map(Value::take) {
            Some(Value::String(text)) if !text.is_empty() => Ok(Zeroizing::new(text)),
            _ => Err(lacks(pointer)),
        };
        let bytes = match &take.value {
            Taken::One(pointer) => text(pointer)?.as_bytes().to_vec(),
            Taken::Several(parts) => {
                let mut object = Wiped(Value::Object(Map::new()));
                for (name, pointer) in parts {
                    let part = text(pointer)?;
                    object.0[name.as_str()] = Value::from(part.as_str());
                }
                object.0.to_string().into_bytes()
            }
        };
        let value = SecretValue::new(bytes)
            .map_err(|error| self.wrong(&format!("minted a value that is none: {error}")))?;
        let answer = &answer.0;
        let handle = match said(answer, take.handle.as_deref()) {
            None => None,
            Some((_, Value::String(text))) if is_handle(text) => Some(text.clone()),
            Some((_, Value::Number(number))) => Some(number.to_string()),
            Some((pointer, _)) => {
                return Err(self.wrong(&format!("minted no handle at {pointer:?}")));
            }
        };
        if handle.as_ref().is_some_and(|it| it.as_bytes() == value.expose()) {
            return Err(self.wrong("minted the value as its handle, which is shown to people"));
        }
        let expires_at = match (
            said(answer, take.expires_at.as_deref()),
            said(answer, take.expires_in.as_deref()),
        ) {
            (Some((pointer, found)), _) => Some(
                at(found).ok_or_else(|| self.wrong(&format!("minted no time at {pointer:?}")))?,
            ),
            (None, Some((pointer, found))) => {
                let seconds = seconds(found).filter(|it| (0..=SECONDS_MAX).contains(it));
                let none = || self.wrong(&format!("minted no seconds at {pointer:?}"));
                Some(of_seconds(now_seconds() + seconds.ok_or_else(none)?))
            }
            (None, None) => None,
        };
        Ok(Minted { value, expires_at, handle })
    }

    fn wrong(&self, message: &str) -> RotatorError {
        RotatorError::lasting(&self.alias, message, "correct its file: docs/rotators/http.md")
    }
}

fn drawn(
    alias: &RotatorAlias,
    described: &description::Random,
) -> Result<random::Random, RotatorError> {
    let length = described.length.unwrap_or(LENGTH_DEFAULT);
    if !(1..=LENGTH_MAX).contains(&length) {
        let message = format!("makes values of {length} characters, not 1 to {LENGTH_MAX}");
        return Err(RotatorError::lasting(alias, message, "correct [mint.random] of its file"));
    }
    let mut settings = Map::from_iter([("length".to_owned(), Value::from(length))]);
    for (key, value) in [("alphabet", &described.alphabet), ("prefix", &described.prefix)] {
        settings.extend(value.as_deref().map(|it| (key.to_owned(), Value::from(it))));
    }
    random::Random::of(alias, &settings)
}

/// What an answer says at a pointer, where there is one.
fn said<'a>(answer: &'a Value, pointer: Option<&'a str>) -> Option<(&'a str, &'a Value)> {
    Some((pointer?, answer.pointer(pointer?).unwrap_or(&Value::Null)))
}

/// Whether a text is a word by which a service knows a credential.
fn is_handle(text: &str) -> bool {
    (1..=HANDLE_BYTES_MAX).contains(&text.len()) && !text.contains(char::is_control)
}

/// A time as services write it: as text, or in seconds since 1970.
fn at(found: &Value) -> Option<Timestamp> {
    match seconds(found) {
        Some(seconds) => (0..=SECONDS_MAX).contains(&seconds).then(|| of_seconds(seconds)),
        None => Timestamp::parse(found.as_str()?),
    }
}

fn seconds(found: &Value) -> Option<i64> {
    found.as_i64().or_else(|| found.as_str()?.parse().ok())
}

fn of_seconds(seconds: i64) -> Timestamp {
    Timestamp::from_micros(seconds.saturating_mul(1_000_000))
}

const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const FILE_BYTES_MAX: usize = 64 * 1024;
const LENGTH_DEFAULT: u64 = 32;
const LENGTH_MAX: u64 = 4096;
/// Later than anything: in the year 5138.
const SECONDS_MAX: i64 = 100_000_000_000;
