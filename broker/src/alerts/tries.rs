//! One message by one channel: tried a few times, and on the record however it ends.

use super::Shared;
use crate::{
    custody::{CustodyError, OpenChannel},
    notifiers::{Failure, Notifier},
    outbound::Trouble,
};
use secretref_domain::{
    alert::{AlertState, ChannelName, Notice},
    name::EnvironmentName,
};
use std::time::Duration;
use tokio::time::sleep;

/// Why a message was not sent. It says nothing of the address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NotSent {
    /// Why.
    pub reason: String,
    /// What helps; empty where nothing is known to.
    pub fix: String,
}

impl NotSent {
    pub(super) fn of(reason: String) -> Self {
        Self { reason, fix: String::new() }
    }
}

/// What one try came to.
struct Failed {
    why: NotSent,
    may_pass: bool,
    retry_after: Option<Duration>,
}

/// Tries until it is sent, cannot be, or the tries are over. A broker that stops tries once.
pub(super) async fn patiently(
    shared: &Shared,
    environment: &EnvironmentName,
    channel: &ChannelName,
    notice: &Notice,
) -> Result<(), NotSent> {
    let mut waits = shared.pace.waits.into_iter();
    let mut tries = 1;
    let outcome = loop {
        let Err(failed) = attempt(shared, environment, channel, notice).await else {
            break Ok(());
        };
        let Some(wait) = waits.next().filter(|_| failed.may_pass) else { break Err(failed.why) };
        tokio::select! {
            () = sleep(pause(wait, failed.retry_after, shared.pace.retry_after_max)) => tries += 1,
            () = shared.stopping.cancelled() => break Err(failed.why),
        }
    };
    record(shared, environment, channel, notice, tries, &outcome).await;
    outcome
}

/// Tries once.
pub(super) async fn once(
    shared: &Shared,
    environment: &EnvironmentName,
    channel: &ChannelName,
    notice: &Notice,
) -> Result<(), NotSent> {
    let outcome = attempt(shared, environment, channel, notice).await.map_err(|failed| failed.why);
    record(shared, environment, channel, notice, 1, &outcome).await;
    outcome
}

/// The address is read anew for each try: one that was wrong may have been corrected.
async fn attempt(
    shared: &Shared,
    environment: &EnvironmentName,
    channel: &ChannelName,
    notice: &Notice,
) -> Result<(), Failed> {
    let opened = shared.custody.open_channel(&shared.caller(), environment, channel).await;
    let OpenChannel { kind, reference, address } = opened.map_err(unopened)?;
    let sent = match Notifier::new(kind, address.as_ref(), &shared.outbound) {
        Ok(notifier) => notifier.send(channel, notice).await,
        Err(failure) => Err(failure),
    };
    sent.map_err(|failure| {
        let put = reference.map(|name| format!("secretref put {name}")).unwrap_or_default();
        let fix = match &failure {
            Failure::Trouble(Trouble::Untrusted) => {
                "have the broker's host trust the authority of that server".to_owned()
            }
            Failure::Trouble(_) | Failure::Busy { .. } => String::new(),
            _ => put,
        };
        Failed {
            why: NotSent { reason: failure.to_string(), fix },
            may_pass: failure.may_pass(),
            retry_after: failure.retry_after(),
        }
    })
}

fn unopened(error: CustodyError) -> Failed {
    let may_pass = matches!(error, CustodyError::Store(_));
    let reason = error.to_string();
    let fix = match error {
        CustodyError::NotFound { fix, .. } | CustodyError::Precondition { fix, .. } => fix,
        _ => String::new(),
    };
    Failed { why: NotSent { reason, fix }, may_pass, retry_after: None }
}

/// What cannot be recorded is in the log all the same.
async fn record(
    shared: &Shared,
    environment: &EnvironmentName,
    channel: &ChannelName,
    notice: &Notice,
    tries: u32,
    outcome: &Result<(), NotSent>,
) {
    let about = notice.alert.subject();
    let others =
        if notice.more == 0 { String::new() } else { format!(" and {} more", notice.more) };
    let over = if notice.alert.state == AlertState::Resolved { " is over" } else { "" };
    let told = format!("{}{over} ({about}){others}", notice.alert.kind.as_str());
    let said = match outcome {
        Ok(()) => format!("sent: {told}"),
        Err(NotSent { reason, fix }) => {
            tracing::warn!(
                %environment, channel = channel.as_str(), about, reason, fix, tries,
                "an alert was not sent"
            );
            let times = if tries == 1 { "1 try".to_owned() } else { format!("{tries} tries") };
            format!("not sent: {told}: {reason} ({times})")
        }
    };
    let custody = &shared.custody;
    let recorded = custody.record_alert(&shared.caller(), environment, channel, said).await;
    if let Err(error) = recorded {
        let channel = channel.as_str();
        tracing::warn!(%error, channel, "what became of an alert is not recorded");
    }
}

/// How long to wait before the next try: ± 20 %, so that many channels of one server do not come
/// together, and as long as the server asks for, within reason.
fn pause(wait: Duration, asked: Option<Duration>, asked_max: Duration) -> Duration {
    let jittered = wait.mul_f64(0.8 + 0.4 * fastrand::f64());
    jittered.max(asked.unwrap_or_default().min(asked_max))
}

#[cfg(test)]
mod tests;
