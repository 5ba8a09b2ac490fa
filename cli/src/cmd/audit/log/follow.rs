//! `secretref audit log --follow`.

use super::tell;
use crate::{
    connect::{Session, ask},
    failure::{Exit, Failure},
};
use secretref_proto::v1;
use std::time::Duration;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

/// Prints entries as they are written, until Ctrl-C. Where the way to the broker breaks, it goes on
/// after the last message that arrived.
pub(super) async fn run(
    mut request: v1::FollowAuditRequest,
    session: &Session<'_>,
) -> Result<Exit, Failure> {
    let interrupted = tokio::signal::ctrl_c();
    tokio::pin!(interrupted);
    // The first time, a broker that is not there is told at once, unless `--wait` says otherwise.
    let mut stream = open(&request, session).await?;
    let mut away = false;
    loop {
        let message = tokio::select! {
            _ = &mut interrupted => return Ok(Exit::Done),
            message = next(&mut stream) => message,
        };
        match message {
            Ok(message) => {
                if std::mem::take(&mut away) {
                    session.out.note("the broker answers again");
                }
                request.position = message.position;
                message.entries.into_iter().try_for_each(|entry| tell(entry, session))?;
            }
            Err(failure) if failure.exit == Exit::Unreachable => {
                if !std::mem::replace(&mut away, true) {
                    session.out.failure(&failure);
                }
                stream = tokio::select! {
                    _ = &mut interrupted => return Ok(Exit::Done),
                    stream = reopen(&request, session) => stream?,
                };
            }
            Err(failure) => return Err(failure),
        }
    }
}

type Stream = Streaming<v1::FollowAuditResponse>;

async fn open(request: &v1::FollowAuditRequest, session: &Session<'_>) -> Result<Stream, Failure> {
    let mut client = session.audit().await?;
    ask(client.follow_audit(request.clone())).await
}

/// Tries until the broker is there again.
async fn reopen(
    request: &v1::FollowAuditRequest,
    session: &Session<'_>,
) -> Result<Stream, Failure> {
    loop {
        sleep(RETRY_EVERY).await;
        match open(request, session).await {
            Err(failure) if failure.exit == Exit::Unreachable => {}
            other => return other,
        }
    }
}

/// The next message. One that does not come in time means that the way is broken, since a broker
/// that has nothing to say says so.
async fn next(stream: &mut Stream) -> Result<v1::FollowAuditResponse, Failure> {
    let gone = |why: &str| Status::new(Code::Unavailable, why);
    match timeout(SILENCE_MAX, stream.message()).await {
        Ok(Ok(Some(message))) => Ok(message),
        Ok(Ok(None)) => Err(gone("the broker ended the stream").into()),
        Ok(Err(status)) if is_broken(&status) => Err(gone(status.message()).into()),
        Ok(Err(status)) => Err(status.into()),
        Err(_) => Err(gone("the broker says nothing any more").into()),
    }
}

/// Whether a stream ended by what is between here and the broker, or by its end.
fn is_broken(status: &Status) -> bool {
    matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Cancelled | Code::Internal)
        && status.details().is_empty()
}

/// How long to wait before the broker is tried again.
const RETRY_EVERY: Duration = Duration::from_millis(500);
/// Twice as long as a broker is silent at most, and some.
const SILENCE_MAX: Duration = Duration::from_secs(25);
