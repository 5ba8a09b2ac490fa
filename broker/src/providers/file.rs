//! Files on the broker's host: records in one JSON file, a pointer into any JSON, or a whole file.
//!
//! | place | what it is |
//! | --- | --- |
//! | `target: stripe_api_key` | that key of the provider's file: a record or a text |
//! | `target: /services/stripe/key` | that JSON pointer (RFC 6901) into it |
//! | `path: .secrets/dev.key` | that whole file, without one newline at its end |
//! | `path` and `target` | the key or pointer in that file |

mod write;

use super::{Found, Permits, Place, ProviderError, record};
use crate::permits::files::{self, Content};
use secretref_domain::{
    fault::Fault, limit::VALUE_BYTES_MAX, name::ProviderAlias, reference::ProviderSpec,
};
use serde_json::Value;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::task::spawn_blocking;

/// Files below the roots.
pub struct Files {
    alias: ProviderAlias,
    /// The provider's own file.
    path: Option<PathBuf>,
    permits: Arc<Permits>,
}

impl Files {
    pub(super) fn open(alias: &ProviderAlias, spec: &ProviderSpec, permits: &Arc<Permits>) -> Self {
        let path = own_path(spec).map(PathBuf::from);
        Self { alias: alias.clone(), path, permits: Arc::clone(permits) }
    }

    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let mut answers = Vec::with_capacity(places.len());
        for place in places {
            answers.push(self.one(place).await);
        }
        answers
    }

    async fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let path = self.path_of(place)?;
        let whole = place.path.is_some() && place.target.is_none();
        let most = if whole { VALUE_BYTES_MAX + NEWLINE_BYTES_MAX } else { JSON_BYTES_MAX };
        let content = self.read(path.clone(), most).await?;
        let what = path.display().to_string();
        if whole {
            return record::plain(whole_value(&content.bytes).to_vec(), &what, content.version);
        }
        let target = place.target.as_deref().unwrap_or_else(|| place.reference.as_str());
        let picked = pick(&content.bytes, target, &what)?;
        record::found(picked, &format!("{target:?} in {what}"), content.version)
    }

    async fn read(&self, path: PathBuf, bytes_max: usize) -> Result<Content, ProviderError> {
        let permits = Arc::clone(&self.permits);
        let read = spawn_blocking(move || files::read(&permits.roots, &path, bytes_max));
        read.await.map(|it| it.map_err(Into::into)).unwrap_or_else(|error| {
            Err(ProviderError::new(
                Fault::Unreachable,
                format!("was not read: {error}"),
                "try again",
            ))
        })
    }

    fn path_of(&self, place: &Place) -> Result<PathBuf, ProviderError> {
        let own = || self.path.clone();
        place.path.as_ref().map(PathBuf::from).or_else(own).ok_or_else(|| {
            ProviderError::new(
                Fault::Misconfigured,
                "has no `path`",
                format!("set `secrets.providers.{}.path` and apply again", self.alias),
            )
        })
    }

    pub(super) async fn check(&self) -> Result<String, ProviderError> {
        let roots: Vec<String> =
            self.permits.roots.iter().map(|root| root.display().to_string()).collect();
        let Some(path) = self.path.clone() else {
            return Ok(format!("files below {}; it has no `path` of its own", roots.join(", ")));
        };
        let content = self.read(path.clone(), JSON_BYTES_MAX).await?;
        let json = parsed(&content.bytes, &path.display().to_string())?;
        let records = json.as_object().map_or(0, serde_json::Map::len);
        Ok(format!("{} has {records} records", path.display()))
    }
}

/// The folder of the file that a place means.
pub(super) fn folder(spec: &ProviderSpec, permits: &Permits, place: &Place) -> Option<PathBuf> {
    let path = place.path.clone().or_else(|| own_path(spec))?;
    let absolute = files::absolute(&permits.roots, Path::new(&path))?;
    absolute.parent().map(Path::to_owned)
}

fn own_path(spec: &ProviderSpec) -> Option<String> {
    spec.settings.get("path").and_then(Value::as_str).map(str::to_owned)
}

/// The value that a whole file is: without one newline at its end.
fn whole_value(bytes: &[u8]) -> &[u8] {
    match bytes.strip_suffix(b"\n") {
        Some(line) => line.strip_suffix(b"\r").unwrap_or(line),
        None => bytes,
    }
}

fn parsed(bytes: &[u8], what: &str) -> Result<Value, ProviderError> {
    serde_json::from_slice(bytes).map_err(|error| {
        // Only the place: the parser's own words may repeat a part of the file.
        let (line, column) = (error.line(), error.column());
        ProviderError::new(
            Fault::Malformed,
            format!("has {what}, which is no JSON at line {line}, column {column}"),
            format!("correct {what}"),
        )
    })
}

fn pick(bytes: &[u8], target: &str, what: &str) -> Result<Value, ProviderError> {
    let mut json = parsed(bytes, what)?;
    let found = match target.starts_with('/') {
        true => json.pointer_mut(target).map(Value::take),
        false => json.as_object_mut().and_then(|members| members.remove(target)),
    };
    found.ok_or_else(|| {
        ProviderError::new(
            Fault::NotFound,
            format!("has no {target:?} in {what}"),
            format!("add it to {what}, or correct the ref's `target`"),
        )
    })
}

/// Bytes of a JSON file.
pub const JSON_BYTES_MAX: usize = 1 << 20;
/// What a whole file may have beyond a value: one newline.
const NEWLINE_BYTES_MAX: usize = 2;

#[cfg(test)]
mod tests;
