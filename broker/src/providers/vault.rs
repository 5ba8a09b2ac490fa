//! KV version 2 of Vault and OpenBao, over HTTP.
//!
//! | place | what it is |
//! | --- | --- |
//! | `target: team/stripe` | the field `value` of that path; with its expiry, if it is a record |
//! | `target: team/stripe#key` | the field `key` of it |
//! | `path: team/stripe#key` | the same, as an environment says it; it wins over a target |
//! | neither | the path that is named like the ref |

mod answer;
mod client;
mod session;
mod settings;
mod write;

use super::{Found, OwnSecrets, Permits, Place, ProviderError, record};
use answer::Answer;
use client::Client;
use futures_util::{StreamExt, stream};
use secretref_domain::{
    clock::Timestamp, fault::Fault, name::ProviderAlias, reference::ProviderSpec,
};
use serde_json::{Map, Value};
use session::Session;
use settings::Settings;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

/// A Vault or an OpenBao.
pub struct Vault {
    settings: Arc<Settings>,
    client: Arc<Client>,
    session: Session,
    /// Whether it was seen that the mount is KV version 2.
    mount_is_known: AtomicBool,
}

/// A field of a path.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    path: String,
    /// Absent: `value`, or the whole record.
    field: Option<String>,
}

/// The newest version of a path.
struct Newest {
    version: u64,
    /// Of which one is the place's.
    fields: Map<String, Value>,
    created: Option<Timestamp>,
}

impl Vault {
    pub(super) fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        let settings = Arc::new(Settings::read(alias, spec, own)?);
        let client = Arc::new(Client::new(Arc::clone(&settings), Arc::clone(permits)));
        let session = Session::new(Arc::clone(&settings), Arc::clone(&client), Arc::clone(permits));
        Ok(Self { settings, client, session, mount_is_known: AtomicBool::new(false) })
    }

    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            asked.push(self.one(place));
        }
        stream::iter(asked).buffered(REQUESTS_AT_ONCE_MAX).collect().await
    }

    async fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let spot = Spot::of(place)?;
        let Newest { version, mut fields, created } = self.newest(&spot).await?;
        let field = spot.field.as_deref().unwrap_or(FIELD);
        // What stands beside a `value` makes a record of it.
        let picked = match spot.field {
            None if fields[field].is_string() => Some(Value::Object(fields)),
            _ => fields.remove(field),
        };
        let what = self.what(&spot);
        let mut found = record::found(picked.unwrap_or_default(), &what, version.to_string())?;
        found.created_at = found.created_at.or(created);
        Ok(found)
    }

    async fn newest(&self, spot: &Spot) -> Result<Newest, ProviderError> {
        let path = self.path(spot);
        let answer = self.session.get(&path).await?;
        match answer.status {
            200 => self.fields(answer, spot),
            401 | 403 => Err(ProviderError::new(
                Fault::Denied,
                format!("answered {} for {}", answer.status, self.shown(spot)),
                format!(
                    "give the token's policy `read` on {}: bao policy read NAME",
                    path.join("/")
                ),
            )),
            404 => Err(self.absent(&answer, spot).await),
            _ => Err(answer.refusal(&self.settings)),
        }
    }

    fn path<'s>(&'s self, spot: &'s Spot) -> Vec<&'s str> {
        self.settings.mount.split('/').chain(["data"]).chain(spot.path.split('/')).collect()
    }

    fn what(&self, spot: &Spot) -> String {
        format!("the field {:?} of {}", spot.field.as_deref().unwrap_or(FIELD), self.shown(spot))
    }

    fn fields(&self, mut answer: Answer, spot: &Spot) -> Result<Newest, ProviderError> {
        let mut outer = answer.take("/data")?;
        let version = outer.pointer("/metadata/version").and_then(Value::as_u64);
        let Some(version) = version else {
            return Err(self.not_kv2());
        };
        let created = outer.pointer("/metadata/created_time").and_then(Value::as_str);
        let created = created.and_then(Timestamp::parse);
        self.mount_is_known.store(true, Ordering::Relaxed);
        let Some(Value::Object(fields)) = outer.get_mut("data").map(Value::take) else {
            return Err(Answer::malformed("a version without fields"));
        };
        let field = spot.field.as_deref().unwrap_or(FIELD);
        if !fields.contains_key(field) {
            return Err(ProviderError::new(
                Fault::NotFound,
                format!("has no field {field:?} in {}", self.shown(spot)),
                format!("bao kv patch -mount={} {} {field}=…", self.settings.mount, spot.path),
            ));
        }
        Ok(Newest { version, fields, created })
    }

    /// What a 404 means: nothing there, deleted, or the wrong mount.
    async fn absent(&self, answer: &Answer, spot: &Spot) -> ProviderError {
        let deleted = answer.json.pointer("/data/metadata/deletion_time").is_some();
        let said = answer.json.get("errors").and_then(Value::as_array);
        match said {
            _ if deleted => ProviderError::new(
                Fault::NotFound,
                format!("has a deleted version of {}, and nothing newer", self.shown(spot)),
                format!("bao kv undelete -mount={} -versions=N {}", self.settings.mount, spot.path),
            ),
            Some(said) if !said.is_empty() => self.no_mount(),
            None if answer.json.get("request_id").is_none() => {
                Answer::malformed("404 without what it says then")
            }
            _ if self.mount_is_known.load(Ordering::Relaxed) => self.nothing(spot),
            _ => match self.checked_mount().await {
                // One that may not be looked at is taken for what it is said to be.
                Ok(()) | Err(ProviderError { fault: Fault::Denied, .. }) => self.nothing(spot),
                Err(error) => error,
            },
        }
    }

    /// Whether the mount is KV version 2.
    async fn checked_mount(&self) -> Result<(), ProviderError> {
        let mount = &self.settings.mount;
        let path: Vec<&str> =
            ["sys", "internal", "ui", "mounts"].into_iter().chain(mount.split('/')).collect();
        let mut answer = self.session.get(&path).await?;
        match answer.status {
            200 => {}
            401 | 403 => {
                return Err(ProviderError::new(
                    Fault::Denied,
                    format!("lets the token see no mount {mount}/"),
                    format!("bao secrets list; then give the token's policy `read` in {mount}/"),
                ));
            }
            404 => return Err(self.no_mount()),
            _ => return Err(answer.refusal(&self.settings)),
        }
        let data = answer.take("/data")?;
        let is = |pointer: &str, wanted: &str| {
            data.pointer(pointer).and_then(Value::as_str) == Some(wanted)
        };
        if !is("/type", "kv") || !is("/options/version", "2") {
            return Err(self.not_kv2());
        }
        self.mount_is_known.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) async fn check(&self) -> Result<String, ProviderError> {
        let server = self.client.server().await?;
        let token = self.session.described().await?;
        self.checked_mount().await?;
        Ok(format!("{server}, unsealed, KV v2 at {}/, {token}", self.settings.mount))
    }

    fn nothing(&self, spot: &Spot) -> ProviderError {
        ProviderError::new(
            Fault::NotFound,
            format!("has nothing at {}", self.shown(spot)),
            format!("bao kv put -mount={} {} value=-", self.settings.mount, spot.path),
        )
    }

    fn no_mount(&self) -> ProviderError {
        let Settings { alias, mount, namespace, .. } = &*self.settings;
        let within = namespace.as_ref().and_then(|it| it.to_str().ok());
        let within = within.map(|it| format!(" in the namespace {it}"));
        ProviderError::new(
            Fault::Misconfigured,
            format!("has nothing mounted at {mount}/{}", within.unwrap_or_default()),
            format!("bao secrets list; then set `secrets.providers.{alias}.mount`"),
        )
    }

    fn not_kv2(&self) -> ProviderError {
        let mount = &self.settings.mount;
        ProviderError::new(
            Fault::Misconfigured,
            format!("has no KV version 2 at {mount}/, but another engine or version 1"),
            format!("bao kv enable-versioning {mount}/, or name another `mount`"),
        )
    }

    fn shown(&self, spot: &Spot) -> String {
        format!("{}/{}", self.settings.mount, spot.path)
    }
}

impl Spot {
    fn of(place: &Place) -> Result<Self, ProviderError> {
        let said = place.path.as_deref().or(place.target.as_deref());
        let said = said.unwrap_or_else(|| place.reference.as_str());
        let (path, field) = match said.split_once('#') {
            Some((path, field)) => (path, Some(field)),
            None => (said, None),
        };
        let path = path.trim_matches('/');
        let wrong = match path.split('/').find(|it| ["", ".", ".."].contains(it)) {
            Some("") => Some("an empty part"),
            Some(_) => Some("a part that is `.` or `..`"),
            None if field == Some("") => Some("no field after its `#`"),
            None => said.contains(char::is_control).then_some("a control character"),
        };
        if let Some(wrong) = wrong {
            return Err(ProviderError::new(
                Fault::Misconfigured,
                format!("cannot have the path {said:?}: it has {wrong}"),
                "write the ref's `path` or `target` as `PATH` or `PATH#FIELD`",
            ));
        }
        Ok(Self { path: path.to_owned(), field: field.map(str::to_owned) })
    }
}

/// The field where none is named.
const FIELD: &str = "value";
/// Requests of one fetch that are under way at once.
const REQUESTS_AT_ONCE_MAX: usize = 8;

#[cfg(test)]
mod tests;
