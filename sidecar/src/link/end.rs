//! Why there is no stream: one answer for everything that can go wrong with one.

use super::{backoff::Cause, dial::Session, orders::Closed};
use secretref_identity::client::{ConnectError, Refusal};
use secretref_proto::v1::{StreamError, StreamErrorCode};
use std::{io, time::Duration};
use tonic::{Code, Status};
use tonic_types::StatusExt;

/// Why a stream ended, or was never opened.
#[derive(Debug, thiserror::Error)]
pub enum End {
    /// Nobody listens on the broker's port.
    #[error("nobody listens at the broker's address")]
    PortClosed,
    /// The broker cannot be reached.
    #[error("{0}")]
    Unreachable(String),
    /// The broker ended it in order.
    #[error("the broker ended the stream")]
    Farewell,
    /// The broker stops; it said when to come back.
    #[error("the broker stops; it asks to come back in {0:?}")]
    Stopping(Duration),
    /// It broke.
    #[error("the stream broke: {0}")]
    Lost(String),
    /// The broker has too much to do.
    #[error("the broker has too much to do; it asks to come again in {0:?}")]
    Overloaded(Duration),
    /// The certificate has ended.
    #[error("the certificate has ended")]
    CertificateExpired,
    /// The agent or this instance is revoked.
    #[error(
        "the broker revoked this identity: {0}. To let the agent in again: \
         secretref agent token AGENT --readmit, and a new --state-dir"
    )]
    Revoked(String),
    /// The broker wants to begin anew.
    #[error("the broker asks to begin anew")]
    Resync,
    /// One side broke the protocol.
    #[error("protocol error: {0}")]
    Protocol(String),
    /// Somebody else shows this identity.
    #[error("another sidecar took over with this identity; each needs a --state-dir of its own")]
    Superseded,
    /// The broker does not take this identity, or is not ours.
    #[error("{0}")]
    Refused(String),
    /// Only a person can help.
    #[error("{0}")]
    Hopeless(String),
    /// A newer stream took over.
    #[error("a newer stream took over")]
    Succeeded(Box<Session>),
    /// The sidecar is ending.
    #[error("the sidecar is ending")]
    Stopped,
}

impl End {
    /// What to wait for before the next stream.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::PortClosed => Cause::PortClosed,
            Self::Farewell | Self::Resync | Self::Succeeded(_) | Self::Stopped => Cause::Farewell,
            // A refusal may pass: a broker that cut a stream says only on the next one why.
            Self::Unreachable(_) | Self::Lost(_) | Self::CertificateExpired | Self::Refused(_) => {
                Cause::Trouble
            }
            Self::Stopping(after) => Cause::Announced(*after),
            Self::Overloaded(after) => Cause::Overloaded(*after),
            Self::Protocol(_) | Self::Superseded => Cause::Conflict,
            Self::Revoked(_) | Self::Hopeless(_) => Cause::Hopeless,
        }
    }

    /// Whether the next stream has to begin anew.
    pub(super) fn wants_resync(&self) -> bool {
        matches!(self, Self::Resync | Self::Protocol(_))
    }

    fn connect(error: &ConnectError) -> Self {
        match error {
            ConnectError::Unreachable { source, .. }
                if source.kind() == io::ErrorKind::ConnectionRefused =>
            {
                Self::PortClosed
            }
            ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
                Self::Unreachable(error.to_string())
            }
            ConnectError::Refused { refusal: Refusal::Expired, .. } => Self::CertificateExpired,
            ConnectError::Refused { refusal: Refusal::Revoked, .. } => {
                Self::Revoked(error.to_string())
            }
            ConnectError::Refused { .. }
            | ConnectError::NotOurBroker { .. }
            | ConnectError::Address { .. } => Self::Refused(error.to_string()),
        }
    }
}

impl From<Closed> for End {
    fn from(_: Closed) -> Self {
        Self::Stopped
    }
}

impl From<ConnectError> for End {
    fn from(error: ConnectError) -> Self {
        Self::connect(&error)
    }
}

impl From<Status> for End {
    fn from(status: Status) -> Self {
        if let Some(error) = ConnectError::within(&status) {
            return Self::connect(error);
        }
        let said = || status.message().chars().take(SAID_CHARS_MAX).collect::<String>();
        match (status.code(), reason(&status).as_deref()) {
            (_, Some("AGENT_REVOKED" | "INSTANCE_REVOKED")) => Self::Revoked(said()),
            // By the broker's clock, which is the one that counts.
            (_, Some("CERTIFICATE_EXPIRED" | "CERTIFICATE_REQUIRED")) => Self::CertificateExpired,
            (_, Some("CERTIFICATE_SUPERSEDED")) => Self::Hopeless(format!(
                "the broker has issued a newer certificate to this identity than the one that is \
                 here ({}). Fix: remove the state folder and enrol again with a new token \
                 (secretref agent token AGENT)",
                said()
            )),
            (Code::ResourceExhausted, _) => Self::Overloaded(retry_after(&status)),
            (Code::Unauthenticated | Code::PermissionDenied, _) => {
                Self::Refused(format!("the broker does not take this identity: {}", said()))
            }
            (Code::InvalidArgument | Code::FailedPrecondition | Code::Unimplemented, _) => {
                Self::Protocol(said())
            }
            (code, _) => Self::Lost(format!("{code:?}: {}", said())),
        }
    }
}

impl From<StreamError> for End {
    fn from(error: StreamError) -> Self {
        let code = error.code();
        let said = error.message.chars().take(SAID_CHARS_MAX).collect();
        match code {
            StreamErrorCode::CertificateExpired => Self::CertificateExpired,
            StreamErrorCode::Revoked => Self::Revoked(said),
            StreamErrorCode::Resync => Self::Resync,
            StreamErrorCode::Overloaded => Self::Overloaded(Duration::ZERO),
            StreamErrorCode::Protocol => Self::Protocol(said),
            StreamErrorCode::Unspecified => Self::Lost(said),
        }
    }
}

/// The broker's reason, for programs.
pub(super) fn reason(status: &Status) -> Option<String> {
    let info = status.get_details_error_info()?;
    (info.domain == secretref_proto::ERROR_DOMAIN).then_some(info.reason)
}

fn retry_after(status: &Status) -> Duration {
    status.get_details_retry_info().and_then(|info| info.retry_delay).unwrap_or_default()
}

const SAID_CHARS_MAX: usize = 512;

#[cfg(test)]
mod tests;
