//! Vault and OpenBao: a value of a KV engine, version 2, or the password of a static database role.
//!
//! | setting | default | |
//! | --- | --- | --- |
//! | `address` | required | where it is; https, or http to this host |
//! | `path` | | a value: `PATH` or `PATH#FIELD`; the field is `value` where none is named |
//! | `role` | | a static role of a database engine, instead |
//! | `mount` | `secret`, `database` | where the engine is mounted |
//! | `namespace` | none | its namespace |
//! | `caFile` | the host's authorities | PEM below a root |
//! | `form` | `password` | of a role: how the value is written: `password`, `json` |
//! | `length`, `alphabet`, `prefix` | as `random` | of a value: how it is made |
//! | `secrets.token` | required | a token that may do it |
//!
//! Both have one slot: a path has one current value, and a role one password.

mod link;

use super::{Credential, Minted, OwnSecrets, RotatorError, Task, random::Random, way_out::Wiped};
use crate::permits::Permits;
use link::Link;
use secretref_domain::{
    clock::Timestamp, name::RotatorAlias, rotation::RotatorSpec, value::SecretValue,
};
use serde_json::{Map, Value, json};
use std::{sync::Arc, time::SystemTime};
use zeroize::Zeroizing;

/// A Vault or an OpenBao.
pub struct Vault {
    alias: RotatorAlias,
    link: Link,
    kept: Kept,
}

/// What is replaced in it.
enum Kept {
    Value { path: String, field: String, values: Random },
    Role { role: String, is_json: bool },
}

/// A path of a KV engine as it is now.
struct Current {
    version: u64,
    fields: Wiped,
}

impl Vault {
    pub(super) async fn open(
        alias: &RotatorAlias,
        spec: &RotatorSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, RotatorError> {
        let settings = &spec.settings;
        let text = |key: &str| settings.get(key).and_then(Value::as_str);
        let wrong = |message: &str, key: &str| {
            let fix = format!("set `secrets.rotators.{alias}.{key}` and apply again");
            RotatorError::lasting(alias, message, fix)
        };
        let is_path = |it: &str| {
            !it.contains(char::is_control)
                && it.split('/').all(|part| !["", ".", ".."].contains(&part))
        };
        let (kept, mount) = match (text("path"), text("role")) {
            (Some(given), None) => {
                let (path, field) = given.split_once('#').unwrap_or((given, FIELD));
                let path = path.trim_matches('/');
                if !is_path(path) || field.is_empty() {
                    return Err(wrong(
                        "has a `path` that is none, as `PATH` or `PATH#FIELD`",
                        "path",
                    ));
                }
                if text("form").is_some() {
                    return Err(wrong("has a `form`, which is a role's", "path"));
                }
                let values = Random::of(alias, settings)?;
                let (path, field) = (path.to_owned(), field.to_owned());
                (Kept::Value { path, field, values }, "secret")
            }
            (None, Some(role)) => {
                if !is_path(role) || role.contains('/') {
                    return Err(wrong("has a `role` that is none", "role"));
                }
                if let Some(key) = OF_VALUES.iter().find(|key| settings.contains_key(**key)) {
                    let message =
                        format!("has a `{key}`, which is a path's: its password is made there");
                    return Err(wrong(&message, "role"));
                }
                let is_json = match text("form") {
                    None | Some("password") => false,
                    Some("json") => true,
                    Some(_) => {
                        return Err(wrong(
                            "has a `form` that is neither password nor json",
                            "form",
                        ));
                    }
                };
                (Kept::Role { role: role.to_owned(), is_json }, "database")
            }
            _ => return Err(wrong("needs a `path` or a `role`, and not both", "path")),
        };
        let mount = text("mount").unwrap_or(mount).trim_matches('/');
        if !is_path(mount) {
            return Err(wrong("has a `mount` that is none", "mount"));
        }
        let link = Link::open(alias, settings, mount, permits, own).await?;
        Ok(Self { alias: alias.clone(), link, kept })
    }

    pub(super) async fn mint(&self, task: &Task) -> Result<Minted, RotatorError> {
        match &self.kept {
            Kept::Value { values, .. } => values.mint(),
            Kept::Role { role, is_json } => {
                let mut answer = self.link.credentials(role).await?;
                // Where it is another one already, this rotation has made it, or Vault by itself.
                if self.is_password(&answer, *is_json, &task.old) {
                    self.link.rotate(role).await?;
                    answer = self.link.credentials(role).await?;
                }
                self.minted(&answer, *is_json)
            }
        }
    }

    pub(super) async fn set(&self, task: &Task, new: &Credential) -> Result<(), RotatorError> {
        match &self.kept {
            Kept::Role { .. } => Ok(()),
            Kept::Value { path, field, .. } => {
                let current = self.link.current(path).await?;
                if is(&current.fields.0[field.as_str()], new) {
                    return Ok(());
                }
                if !is(&current.fields.0[field.as_str()], &task.old) {
                    let message = format!("has neither the old nor the new value at {path:?}");
                    let fix = "put what stands there, and rotate again";
                    return Err(RotatorError::lasting(&self.alias, message, fix));
                }
                self.write(path, field, current, new).await
            }
        }
    }

    pub(super) async fn test(&self, tried: &Credential) -> Result<(), RotatorError> {
        let (is_it, what) = match &self.kept {
            Kept::Value { path, field, .. } => {
                let current = self.link.current(path).await?;
                (is(&current.fields.0[field.as_str()], tried), format!("value at {path:?}"))
            }
            Kept::Role { role, is_json } => {
                let answer = self.link.credentials(role).await?;
                (self.is_password(&answer, *is_json, tried), format!("password of role {role:?}"))
            }
        };
        match is_it {
            true => Ok(()),
            false => {
                let message = format!("has another {what}");
                Err(RotatorError::refusal(&self.alias, message, "look who else changes it"))
            }
        }
    }

    /// What was replaced has ended then; it is looked whether it is.
    pub(super) async fn revoke(&self, task: &Task) -> Result<(), RotatorError> {
        match self.test(&task.old).await {
            Err(error) if error.lasting => Ok(()),
            Err(error) => Err(error),
            Ok(()) => {
                let fix = "look who has brought it back, and rotate again";
                Err(RotatorError::lasting(&self.alias, "has the old one as its current one", fix))
            }
        }
    }

    pub(super) async fn withdraw(
        &self,
        task: &Task,
        new: Option<&Credential>,
    ) -> Result<(), RotatorError> {
        // Nobody has set what nobody knows of; and a role's is found by the next rotation.
        let Some(new) = new else { return Ok(()) };
        match &self.kept {
            Kept::Value { path, field, .. } => {
                let current = self.link.current(path).await?;
                match is(&current.fields.0[field.as_str()], new) {
                    true => self.write(path, field, current, &task.old).await,
                    false => Ok(()),
                }
            }
            Kept::Role { role, is_json } => {
                let answer = self.link.credentials(role).await?;
                if !self.is_password(&answer, *is_json, new) {
                    return Ok(());
                }
                let message = format!("cannot have the old password of role {role:?} again");
                let mount = self.link.mount();
                let fix = format!(
                    "bao write -f {mount}/rotate-role/{role}, which ends the new one; then rotate \
                     again"
                );
                Err(RotatorError::lasting(&self.alias, message, fix))
            }
        }
    }

    /// Writes a value in the place of the current one, beside its other fields, unless somebody was
    /// faster.
    async fn write(
        &self,
        path: &str,
        field: &str,
        mut current: Current,
        credential: &Credential,
    ) -> Result<(), RotatorError> {
        let text = std::str::from_utf8(credential.value.expose()).map_err(|_| {
            let message = "can keep no value that is no text";
            RotatorError::lasting(&self.alias, message, "put a text as the first value")
        })?;
        current.fields.0[field] = Value::from(text);
        let fields = Wiped(json!({
            "options": {"cas": current.version},
            "data": current.fields.0.take(),
        }));
        self.link.write(path, &fields).await
    }

    /// Whether a credential is the role's current one.
    fn is_password(&self, answer: &Wiped, is_json: bool, credential: &Credential) -> bool {
        let current = self.minted(answer, is_json);
        if !is_json {
            return current.is_ok_and(|it| it.value.expose() == credential.value.expose());
        }
        let password = |bytes: &[u8]| {
            let read = Wiped::read(bytes)?;
            Some(Zeroizing::new(read.0.get("password")?.as_str()?.to_owned()))
        };
        let current = current.ok().and_then(|it| password(it.value.expose()));
        current.is_some() && current == password(credential.value.expose())
    }

    /// The credential in an answer about a role.
    fn minted(&self, answer: &Wiped, is_json: bool) -> Result<Minted, RotatorError> {
        let wrong = || self.link.malformed("a role");
        let part = |key: &str| answer.0.pointer(&format!("/data/{key}"));
        let text = |key: &str| part(key).and_then(Value::as_str).ok_or_else(wrong);
        let (username, password) = (text("username")?, text("password")?);
        let bytes = match is_json {
            false => password.as_bytes().to_vec(),
            true => {
                let mut members = Map::new();
                members.insert("username".to_owned(), Value::from(username));
                members.insert("password".to_owned(), Value::from(password));
                Wiped(Value::Object(members)).0.to_string().into_bytes()
            }
        };
        let value = SecretValue::new(bytes).map_err(|_| wrong())?;
        // Vault replaces it by itself then.
        let left = part("ttl").and_then(Value::as_i64).filter(|it| (1..=TTL_MAX).contains(it));
        Ok(Minted { value, expires_at: left.map(in_seconds), handle: None })
    }
}

/// Whether a field is this credential.
fn is(field: &Value, credential: &Credential) -> bool {
    field.as_str().is_some_and(|text| text.as_bytes() == credential.value.expose())
}

fn in_seconds(seconds: i64) -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let now = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_micros(now).plus_seconds(seconds)
}

/// The field where none is named.
const FIELD: &str = "value";
/// Settings of a value that is made here.
const OF_VALUES: [&str; 3] = ["length", "alphabet", "prefix"];
/// A longer time is as good as none, in seconds: a hundred years.
const TTL_MAX: i64 = 100 * 365 * 86_400;
