//! Notifiers: the ways by which an alert reaches people. One file and one arm of [`Notifier`] each,
//! and the same suite for all (`broker/tests/it/notifiers.rs`).
//!
//! An address is a secret: whoever has it can write to the channel. It stands in no error and in no
//! log, nor does the host that it names; what is said of a failure is its class alone.

mod log;
mod slack;
mod webhook;

use crate::outbound::{self, AddressError, Outbound, Trouble};
use reqwest::{
    Response, StatusCode, Url,
    header::{CONTENT_TYPE, RETRY_AFTER},
};
use secretref_domain::{
    alert::{ChannelKind, ChannelName, Notice},
    value::SecretValue,
};
use std::time::Duration;

/// A way by which an alert reaches people.
pub enum Notifier {
    /// The broker's log.
    Log,
    /// A web server that takes JSON.
    Webhook(Post),
    /// An incoming webhook of Slack.
    Slack(Post),
}

/// Where something is posted.
pub struct Post {
    outbound: Outbound,
    url: Url,
}

/// Why an alert did not get through.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It has no address.
    #[error("it has no address")]
    NoAddress,
    /// What is stored as its address is none.
    #[error("its address is not one: {0}")]
    Address(AddressError),
    /// No answer came.
    #[error(transparent)]
    Trouble(#[from] Trouble),
    /// It wants the request to go elsewhere, which it does not.
    #[error("it answered {0}, and redirects are not followed")]
    Redirected(u16),
    /// It does not take it.
    #[error("it answered {status}{}", words(*said))]
    Refused {
        /// The status.
        status: u16,
        /// What it said of it, where that is one of the words that it is known to say.
        said: Option<&'static str>,
    },
    /// It does not take it now.
    #[error("it answered {status}")]
    Busy {
        /// The status.
        status: u16,
        /// How long it wants to be left alone.
        retry_after: Option<Duration>,
    },
}

impl Notifier {
    /// The notifier of a kind of channel.
    ///
    /// # Errors
    /// [`Failure::NoAddress`] or [`Failure::Address`].
    pub fn new(
        kind: ChannelKind,
        address: Option<&SecretValue>,
        outbound: &Outbound,
    ) -> Result<Self, Failure> {
        let post = || Post::new(address.ok_or(Failure::NoAddress)?, outbound);
        Ok(match kind {
            ChannelKind::Log => Self::Log,
            ChannelKind::Webhook => Self::Webhook(post()?),
            ChannelKind::Slack => Self::Slack(post()?),
        })
    }

    /// Tells people, once.
    ///
    /// # Errors
    /// [`Failure`], of which [`Failure::may_pass`] says whether another try may help.
    pub async fn send(&self, channel: &ChannelName, notice: &Notice) -> Result<(), Failure> {
        match self {
            Self::Log => {
                log::write(channel, notice);
                Ok(())
            }
            Self::Webhook(post) => post.json(&webhook::body(channel, notice), &[]).await,
            Self::Slack(post) => post.json(&slack::body(notice), &slack::WORDS).await,
        }
    }
}

impl Failure {
    /// Whether it may pass by itself.
    #[must_use]
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Trouble(trouble) => *trouble != Trouble::Untrusted,
            Self::Busy { .. } => true,
            Self::NoAddress | Self::Address(_) | Self::Redirected(_) | Self::Refused { .. } => {
                false
            }
        }
    }

    /// How long whoever answered wants to be left alone.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::Busy { retry_after, .. } => *retry_after,
            _ => None,
        }
    }
}

impl Post {
    fn new(address: &SecretValue, outbound: &Outbound) -> Result<Self, Failure> {
        // What is no text is no address either: it is refused as one with a wrong character.
        let text = str::from_utf8(address.expose()).unwrap_or("\0");
        let url = outbound::address(text).map_err(Failure::Address)?;
        Ok(Self { outbound: outbound.clone(), url })
    }

    /// Posts a document. `known` are the words by which the server is known to say what is wrong.
    async fn json(
        &self,
        document: &serde_json::Value,
        known: &[&'static str],
    ) -> Result<(), Failure> {
        let request = self.outbound.client().post(self.url.clone());
        let request = request.header(CONTENT_TYPE, "application/json").body(document.to_string());
        let answer = request.send().await.map_err(|error| Trouble::of(&error))?;
        let status = answer.status();
        match status.as_u16() {
            200..=299 => Ok(()),
            code @ 300..=399 => Err(Failure::Redirected(code)),
            code if status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS => {
                Err(Failure::Busy { status: code, retry_after: retry_after(&answer) })
            }
            code => Err(Failure::Refused { status: code, said: said(answer, known).await }),
        }
    }
}

/// In seconds; a date is passed over.
fn retry_after(answer: &Response) -> Option<Duration> {
    let seconds = answer.headers().get(RETRY_AFTER)?.to_str().ok()?.parse().ok()?;
    Some(Duration::from_secs(seconds))
}

/// The word of an answer, where it is a known one: any other text is the server's, and may hold the
/// address.
async fn said(mut answer: Response, known: &[&'static str]) -> Option<&'static str> {
    let mut body = Vec::new();
    while body.len() < ANSWER_BYTES_MAX
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    let said = str::from_utf8(&body).ok()?.trim();
    known.iter().find(|word| **word == said).copied()
}

fn words(said: Option<&str>) -> String {
    said.map(|said| format!(" ({said})")).unwrap_or_default()
}

/// Bytes of an answer that are read. Of one that took the alert none are.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

#[cfg(test)]
mod tests;
