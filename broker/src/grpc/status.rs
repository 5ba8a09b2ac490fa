//! The only map from custody's errors to gRPC statuses. Every status carries a
//! `google.rpc.ErrorInfo` with a reason for programs, and the fix where there is one.

use crate::{custody::CustodyError, metrics, store::StoreError};
use secretref_proto::{ERROR_DOMAIN, convert::field::FieldError};
use std::{collections::HashMap, time::Duration};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

pub(super) fn of(error: CustodyError) -> Status {
    let message = error.to_string();
    match error {
        CustodyError::Denied(denied) => {
            let needs = ("needs", denied.needs.to_owned());
            status(Code::PermissionDenied, "ROLE_MISSING", message, [needs])
        }
        CustodyError::NotAdmitted { code: code @ "TOKEN_REFUSED", .. } => {
            let fix = "secretref agent token AGENT, for a new one".to_owned();
            status(Code::Unauthenticated, code, message, [("fix", fix)])
        }
        CustodyError::NotAdmitted { code, .. } => status(Code::PermissionDenied, code, message, []),
        CustodyError::Invalid { field, problem } => invalid(field, problem),
        CustodyError::NotFound { kind, name, fix } => {
            let (kind, fix) = (("kind", kind.to_owned()), ("fix", fix));
            status(Code::NotFound, "NOT_FOUND", message, [kind, ("name", name), fix])
        }
        CustodyError::Exists { .. } => status(Code::AlreadyExists, "ALREADY_EXISTS", message, []),
        CustodyError::VersionMismatch { expected, actual, name } => {
            let (expected, actual) = (("expected", expected.to_string()), actual.to_string());
            let fix = ("fix", format!("secretref show {name}, and then again"));
            let metadata = [expected, ("actual", actual), fix];
            status(Code::Aborted, "EXPECTED_VERSION_MISMATCH", message, metadata)
        }
        CustodyError::Precondition { code, fix, .. } => {
            status(Code::FailedPrecondition, code, message, [("fix", fix)])
        }
        CustodyError::Limit { limit, .. } => {
            let limit = ("limit", limit.to_string());
            status(Code::ResourceExhausted, "LIMIT_REACHED", message, [limit])
        }
        CustodyError::RequestReused(_) => {
            status(Code::AlreadyExists, "REQUEST_ID_REUSED", message, [])
        }
        CustodyError::RowRefused { .. } => status(Code::DataLoss, "ROW_REFUSED", message, []),
        CustodyError::Store(StoreError::Unavailable { .. }) => {
            status(Code::Unavailable, "STORE_UNAVAILABLE", message, [])
        }
        CustodyError::Store(_) => status(Code::DataLoss, "STORE_DAMAGED", message, []),
        CustodyError::Behind => status(Code::Unavailable, "BROKER_BEHIND", message, []),
        CustodyError::Stopping => status(Code::Unavailable, "STOPPING", message, []),
        CustodyError::Internal(_) => {
            tracing::error!(message, "internal error");
            status(Code::Internal, "INTERNAL", "the broker failed; its log says why".into(), [])
        }
    }
}

pub(super) fn field(error: FieldError) -> Status {
    invalid(error.field.to_owned(), error.problem)
}

pub(super) fn invalid(field: String, problem: String) -> Status {
    let mut details = ErrorDetails::with_error_info("INVALID_FIELD", ERROR_DOMAIN, HashMap::new());
    let message = format!("{field}: {problem}");
    details.add_bad_request_violation(field, problem);
    Status::with_error_details(Code::InvalidArgument, message, details)
}

pub(super) fn unauthenticated(why: &str) -> Status {
    status(Code::Unauthenticated, "CERTIFICATE_REQUIRED", why.to_owned(), [])
}

/// Too much is asked of something that has a limit; `wait` says for how long it will be.
pub(super) fn overloaded(limit: &'static str, what: &str, wait: Duration) -> Status {
    metrics::refused(limit);
    // No sooner than a millisecond: a client that is told "now" comes at once.
    let wait = wait.max(Duration::from_millis(1));
    let mut details = ErrorDetails::with_error_info("RATE_LIMITED", ERROR_DOMAIN, HashMap::new());
    details.set_retry_info(Some(wait));
    let message = format!("{what}: come again in {} ms", wait.as_millis());
    Status::with_error_details(Code::ResourceExhausted, message, details)
}

/// The request took too long, and whether it was done is not known.
pub(super) fn late(limit: Duration) -> Status {
    let message =
        format!("the request took longer than {limit:?}; whether it was done is not known");
    status(Code::DeadlineExceeded, "REQUEST_TIME_MAX", message, [])
}

pub(super) fn status<const N: usize>(
    code: Code,
    reason: &str,
    message: String,
    metadata: [(&str, String); N],
) -> Status {
    let metadata: HashMap<_, _> = metadata
        .into_iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(key, value)| (key.to_owned(), value))
        .collect();
    let details = ErrorDetails::with_error_info(reason, ERROR_DOMAIN, metadata);
    Status::with_error_details(code, message, details)
}

#[cfg(test)]
mod tests;
