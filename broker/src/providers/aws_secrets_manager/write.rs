//! Writing a value back: a new version of its secret, which differs in that value alone, and which
//! becomes the current one only if the one that was read still is.
//!
//! ```text
//! read AWSCURRENT → edit → put, with a stage that nobody reads → move AWSCURRENT from the one read
//! ```
//! A crash leaves at most a version without readers, which AWS removes by itself once the next
//! write has taken the stage from it.

use super::{Aws, Spot};
use crate::{
    aws::{CURRENT, Content, Which},
    providers::{
        Place, ProviderError,
        json::{self, New},
        record,
    },
};
use secretref_domain::{clock::Timestamp, fault::Fault, value::SecretValue};
use serde::{Deserialize, de::IgnoredAny};
use zeroize::Zeroizing;

impl Aws {
    /// Writes a value to a place that has one.
    pub(in crate::providers) async fn write(
        &self,
        place: &Place,
        value: &SecretValue,
        expires_at: Option<Timestamp>,
    ) -> Result<(), ProviderError> {
        let spot = Spot::of(place)?;
        if spot.which != Which::Current {
            let message = format!("has {}, which names one version: it cannot be written", spot.id);
            let fix = "leave `?…` out of the ref's `target`, or rotate it at its source";
            return Err(ProviderError::new(Fault::Misconfigured, message, fix));
        }
        let held = self.account.get(&spot.id, &spot.which, &spot.shown()).await?;
        let Some(content) = edited(&spot, held.content, value, expires_at)? else {
            return Ok(());
        };
        let put = self.account.put(&spot.id, &content, WRITTEN).await?;
        Ok(self.account.move_stage(&spot.id, CURRENT, &held.version, Some(&put)).await?)
    }
}

/// What comes in the place of a content; none where the value is there already.
fn edited(
    spot: &Spot,
    old: Content,
    value: &SecretValue,
    expires_at: Option<Timestamp>,
) -> Result<Option<Content>, ProviderError> {
    let (text, was_text) = match &old {
        Content::Text(text) => (Some(text.as_str()), true),
        Content::Bytes(bytes) => (std::str::from_utf8(bytes).ok(), false),
    };
    let (json, what) = match &spot.part {
        Some(part) => (text, format!("{part:?} of {}", spot.shown())),
        // A JSON that is no record is a value as it is.
        None => (text.filter(|_| was_text).filter(is_record), spot.shown()),
    };
    let edited = match (json, &spot.part) {
        (Some(json), part) => {
            let new = New { value: value.expose(), expires_at, now: record::now() };
            json::replaced(json, part.as_deref(), &new, &what)?
        }
        (None, Some(_)) => return Err(record::malformed(&what, "in what is no JSON")),
        (None, None) => return Ok(whole(old, value)),
    };
    Ok(edited.map(|mut bytes| match String::from_utf8(std::mem::take(&mut *bytes)) {
        Ok(text) if was_text => Content::Text(Zeroizing::new(text)),
        Ok(text) => Content::Bytes(Zeroizing::new(text.into_bytes())),
        Err(bytes) => Content::Bytes(Zeroizing::new(bytes.into_bytes())),
    }))
}

/// Whether a text is read as a record and not as it is.
fn is_record(text: &&str) -> bool {
    serde_json::from_str::<Record>(text).is_ok_and(|it| it.value.is_some())
}

/// What makes a record of JSON. The value itself is passed over.
#[derive(Deserialize)]
struct Record {
    value: Option<IgnoredAny>,
}

/// All of a secret: as text, where it was one and is read back as it is.
fn whole(old: Content, value: &SecretValue) -> Option<Content> {
    let (was_text, same) = match &old {
        Content::Text(text) => (true, text.as_bytes() == value.expose()),
        Content::Bytes(bytes) => (false, bytes.as_slice() == value.expose()),
    };
    let text = std::str::from_utf8(value.expose()).ok().filter(|it| was_text && !is_record(it));
    (!same).then(|| match text {
        Some(text) => Content::Text(Zeroizing::new(text.to_owned())),
        None => Content::Bytes(Zeroizing::new(value.expose().to_vec())),
    })
}

/// The stage of the version that was written last: no reader asks for it.
const WRITTEN: &str = "secretref";
