//! AWS Secrets Manager.
//!
//! | place | what it is |
//! | --- | --- |
//! | `target: prod/stripe` | the secret of that name or ARN: its text or bytes, or its record |
//! | `target: prod/stripe#apiKey` | the member `apiKey` of its JSON |
//! | `target: prod/stripe#/keys/0` | the part of its JSON at that pointer |
//! | `target: prod/stripe?stage=AWSPREVIOUS` | the version that has this stage, `#…` after it too |
//! | `target: prod/stripe?version=ID` | that version and no other |
//! | no target | the secret that is named like the ref |
//!
//! What has the stage `AWSCURRENT` is the value, and what has `AWSPENDING` is the one to come. A
//! target that names a stage or a version means that one alone.

mod write;

use super::{Found, OwnSecrets, Pending, Permits, Place, ProviderError, record};
use crate::aws::{
    Account, AwsError, CURRENT, Content, ID_BYTES_MAX, PENDING, REQUESTS_AT_ONCE_MAX, Which,
};
use futures_util::{StreamExt, stream};
use secretref_domain::{
    fault::Fault, name::ProviderAlias, reference::ProviderSpec, version::Ahead,
};
use serde_json::Value;
use std::{sync::Arc, time::Duration};
use tokio::time::{Instant, timeout, timeout_at};

/// The secrets of one account in one region.
pub struct Aws {
    account: Account,
}

/// A secret, or a part of one.
#[derive(Debug, PartialEq, Eq)]
struct Spot {
    id: String,
    which: Which,
    /// Absent: all of it.
    part: Option<String>,
}

impl Aws {
    pub(super) fn open(
        alias: &ProviderAlias,
        spec: &ProviderSpec,
        permits: &Arc<Permits>,
        own: &OwnSecrets,
    ) -> Result<Self, ProviderError> {
        let place = format!("secrets.providers.{alias}");
        let own = |name: &str| own.get(name).map(Arc::clone);
        let check = format!("secretref provider check {alias}");
        let account = Account::open((place, check), &spec.settings, permits, own)?;
        Ok(Self { account })
    }

    /// What is not reached in time fails alone, and is asked sooner next time: of many secrets each
    /// gets its turn.
    pub(super) async fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        let until = Instant::now() + ROUND_TIME_MAX;
        let mut asked = Vec::with_capacity(places.len());
        for place in places {
            asked.push(async move {
                timeout_at(until, self.one(place)).await.unwrap_or_else(|_| Err(self.late()))
            });
        }
        stream::iter(asked).buffered(REQUESTS_AT_ONCE_MAX).collect().await
    }

    async fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let spot = Spot::of(place)?;
        let held = self.account.get(&spot.id, &spot.which, &spot.shown()).await?;
        let version = shown(&held.version);
        if version.is_empty() {
            return Err(AwsError::foreign("answered without a version").into());
        }
        let mut found = spot.found(held.content, version)?;
        found.created_at = found.created_at.or(held.created_at);
        if spot.which == Which::Current {
            let pending = timeout(PENDING_TIME_MAX, self.pending(&spot, &found.version)).await;
            found.pending = pending.unwrap_or(Ahead::Unknown);
        }
        Ok(found)
    }

    fn late(&self) -> ProviderError {
        let seconds = ROUND_TIME_MAX.as_secs();
        let message = format!("did not answer for all refs within {seconds} s, this one too");
        ProviderError::new(Fault::TimedOut, message, self.account.check_command())
    }

    /// The version that is to come, where one is under way. It informs: whoever may not see it, or
    /// finds it empty yet, goes without.
    async fn pending(&self, spot: &Spot, current: &str) -> Ahead<Pending> {
        let Ok(stages) = self.account.stages(&spot.id).await else { return Ahead::Unknown };
        let is_pending = |stages: &[String]| {
            stages.iter().any(|stage| stage == PENDING) && stages.iter().all(|it| it != CURRENT)
        };
        let found = stages.iter().find(|(id, it)| *id != current && is_pending(it));
        let Some((version, _)) = found else { return Ahead::Nothing };
        let value = self.value_of(spot, version).await;
        value.map_or(Ahead::Unknown, Ahead::Is)
    }

    /// The value of a version; none where it has none yet.
    async fn value_of(&self, spot: &Spot, version: &str) -> Option<Pending> {
        // By its identity: the stage may be another version's by now.
        let which = Which::Version(version.to_owned());
        let held = self.account.get(&spot.id, &which, &spot.shown()).await.ok()?;
        let Found { value, expires_at, version, .. } =
            spot.found(held.content, shown(version)).ok()?;
        Some(Pending { value, expires_at, version })
    }

    pub(super) async fn check(&self) -> Result<String, ProviderError> {
        Ok(self.account.check().await?)
    }
}

impl Spot {
    fn of(place: &Place) -> Result<Self, ProviderError> {
        let wrong = |message: String| {
            let fix = "write the ref's `target` as `NAME`, then `?stage=STAGE` or `?version=ID` \
                       where another than AWSCURRENT is meant, then `#MEMBER` or `#/POINTER`";
            Err(ProviderError::new(Fault::Misconfigured, message, fix))
        };
        if place.path.is_some() {
            return wrong("has no paths".to_owned());
        }
        let said = place.target.as_deref().unwrap_or_else(|| place.reference.as_str());
        let (of, part) = match said.split_once('#') {
            Some((of, part)) => (of, Some(part)),
            None => (said, None),
        };
        // No name and no ARN has a question mark.
        let (id, which) = match of.split_once('?') {
            Some((id, which)) => (id, Some(which)),
            None => (of, None),
        };
        if id.is_empty() || id.len() > ID_BYTES_MAX || said.contains(char::is_control) {
            return wrong(format!("cannot have a secret {said:?}"));
        }
        if part == Some("") {
            return wrong(format!("cannot have the part of {said:?}: nothing is after its `#`"));
        }
        let fits = |it: &&str| (1..=STAGE_BYTES_MAX).contains(&it.len());
        let which = match which.map(|which| which.split_once('=')) {
            None => Which::Current,
            Some(Some(("stage", stage))) if fits(&stage) => Which::Stage(stage.to_owned()),
            Some(Some(("version", id))) if fits(&id) => Which::Version(id.to_owned()),
            Some(_) => return wrong(format!("cannot have the version that {said:?} names")),
        };
        Ok(Self { id: id.to_owned(), which, part: part.map(str::to_owned) })
    }

    /// As a target says it, without its part.
    fn shown(&self) -> String {
        match &self.which {
            Which::Current => self.id.clone(),
            Which::Stage(stage) => format!("{}?stage={stage}", self.id),
            Which::Version(version) => format!("{}?version={version}", self.id),
        }
    }

    /// The value of a content.
    fn found(&self, mut content: Content, version: String) -> Result<Found, ProviderError> {
        let Some(part) = &self.part else { return self.whole(content, version) };
        let what = format!("{part:?} of {}", self.shown());
        let json: Option<Value> = match &mut content {
            Content::Text(text) => serde_json::from_str(text).ok(),
            Content::Bytes(bytes) => serde_json::from_slice(bytes).ok(),
        };
        let Some(mut json) = json else {
            let fix = "leave out what is after `#`, or store JSON";
            let message = format!("has {}, and it is no JSON", self.shown());
            return Err(ProviderError::new(Fault::Malformed, message, fix));
        };
        let found = json.pointer_mut(&pointer(part)).map(Value::take).ok_or_else(|| {
            let fix = format!("add it there, or correct the ref's `target` {}#…", self.shown());
            ProviderError::new(Fault::NotFound, format!("has no {what}"), fix)
        })?;
        record::found(found, &what, version)
    }

    fn whole(&self, content: Content, version: String) -> Result<Found, ProviderError> {
        let what = self.shown();
        let mut text = match content {
            Content::Bytes(mut bytes) => {
                return record::plain(std::mem::take(&mut *bytes), &what, version);
            }
            Content::Text(text) => text,
        };
        match serde_json::from_str(&text) {
            // A JSON that is no record is a value as it is.
            Ok(Value::Object(members)) if members.contains_key("value") => {
                record::found(Value::Object(members), &what, version)
            }
            _ => record::plain(std::mem::take(&mut *text).into_bytes(), &what, version),
        }
    }
}

/// The pointer (RFC 6901) that a part is: it is one, or the name of a member.
fn pointer(part: &str) -> String {
    match part.strip_prefix('/') {
        Some(_) => part.to_owned(),
        None => format!("/{}", part.replace('~', "~0").replace('/', "~1")),
    }
}

fn shown(version: &str) -> String {
    let plain = |it: &char| it.is_ascii_alphanumeric() || "-_.".contains(*it);
    version.chars().filter(plain).take(super::VERSION_BYTES_MAX).collect()
}

/// Longest name of a stage, or identity of a version, in bytes.
const STAGE_BYTES_MAX: usize = 256;
/// How long one round may take: less than all of them get, so that what was answered is kept.
const ROUND_TIME_MAX: Duration = Duration::from_secs(7);
/// How long what is to come is waited for, once what is there is known.
const PENDING_TIME_MAX: Duration = Duration::from_secs(2);

#[cfg(test)]
mod tests;
