//! Why AWS had no value. Nothing of what it answered is repeated but the name of its error.

use super::{settings::Settings, way_out::NoAnswer};
use crate::{outbound::Trouble, providers::ProviderError};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use secretref_domain::fault::Fault;
use std::error::Error;

pub(super) fn of<E>(
    error: SdkError<E, HttpResponse>,
    what: &str,
    settings: &Settings,
) -> ProviderError
where
    E: ProvideErrorMetadata + Error + Send + Sync + 'static,
{
    if let SdkError::DispatchFailure(failure) = &error {
        let cause = failure.as_connector_error().and_then(|it| it.source());
        let why = cause.and_then(|cause| cause.downcast_ref::<NoAnswer>()).copied();
        return unanswered(why.unwrap_or(NoAnswer::NoRequest), settings);
    }
    let status = error.raw_response().map(|raw| raw.status().as_u16()).unwrap_or_default();
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).map(name).unwrap_or_default();
    let deleted = service.and_then(ProvideErrorMetadata::message).is_some_and(|said| {
        said.contains("marked for deletion") || said.contains("marked deleted")
    });
    refused(status, &code, deleted, what, settings)
}

/// The name of an error, as far as it is one.
fn name(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(CODE_CHARS_MAX).collect()
}

fn refused(
    status: u16,
    code: &str,
    deleted: bool,
    what: &str,
    settings: &Settings,
) -> ProviderError {
    let check = settings.check_command();
    let said = match code {
        "" => format!("answered {status}"),
        code => format!("answered {status} {code} for {what}"),
    };
    match code {
        "ResourceNotFoundException" => ProviderError::new(
            Fault::NotFound,
            format!("has no {what}"),
            match what.split_once('?') {
                Some((id, _)) => {
                    format!("aws secretsmanager list-secret-version-ids --secret-id {id}")
                }
                None => format!(
                    "aws secretsmanager create-secret --name {what} --secret-string file://FILE"
                ),
            },
        ),
        "InvalidRequestException" if deleted => ProviderError::new(
            Fault::NotFound,
            format!("has {what} marked for deletion"),
            format!("aws secretsmanager restore-secret --secret-id {what}"),
        ),
        "AccessDeniedException" | "DecryptionFailure" => ProviderError::new(
            Fault::Denied,
            said,
            format!(
                "allow secretsmanager:GetSecretValue and DescribeSecret on {what}, and its key"
            ),
        ),
        "UnrecognizedClientException"
        | "InvalidClientTokenId"
        | "InvalidSignatureException"
        | "SignatureDoesNotMatch"
        | "IncompleteSignature"
        | "MissingAuthenticationTokenException"
        | "ExpiredToken"
        | "ExpiredTokenException"
        | "RequestExpired"
        | "OptInRequired" => {
            let alias = &settings.alias;
            let fix = format!(
                "put the keys of provider {alias} that AWS knows, and look at the clock of the \
                 broker's host"
            );
            ProviderError::new(Fault::Denied, said, fix)
        }
        "Throttling"
        | "ThrottlingException"
        | "RequestThrottled"
        | "RequestLimitExceeded"
        | "LimitExceededException"
        | "TooManyRequestsException"
        | "InternalFailure"
        | "InternalServiceError"
        | "ServiceUnavailable"
        | "ServiceUnavailableException"
        | "RequestTimeout"
        | "RequestTimeoutException" => ProviderError::new(Fault::Unreachable, said, check),
        _ => match status {
            401 | 403 => ProviderError::new(Fault::Denied, said, check),
            429 | 500.. => ProviderError::new(Fault::Unreachable, said, check),
            400..500 => ProviderError::new(Fault::Misconfigured, said, check),
            _ => ProviderError::new(
                Fault::Malformed,
                format!("answered {status}, and what is not Secrets Manager's"),
                "look whether its `endpoint` is that of AWS Secrets Manager",
            ),
        },
    }
}

fn unanswered(why: NoAnswer, settings: &Settings) -> ProviderError {
    let check = settings.check_command();
    let alias = &settings.alias;
    let (fault, message, fix) = match why {
        NoAnswer::Trouble(Trouble::Unreachable) => (Fault::Unreachable, "cannot be reached", check),
        NoAnswer::Trouble(Trouble::TimedOut) => (Fault::TimedOut, "did not answer in time", check),
        // It may be an attack: no other source stands in for it.
        NoAnswer::Trouble(Trouble::Untrusted) => (
            Fault::Denied,
            "is not who it should be: its certificate is not trusted",
            format!("set `secrets.providers.{alias}.caFile`"),
        ),
        NoAnswer::Trouble(Trouble::Garbled) => (
            Fault::Malformed,
            "answered what is no HTTP",
            "look whether its `endpoint` is that of AWS Secrets Manager".to_owned(),
        ),
        NoAnswer::TooLong => (
            Fault::TooLarge,
            "answered more than 1,048,576 bytes",
            "make what is stored there smaller".to_owned(),
        ),
        NoAnswer::Redirect => (
            Fault::Malformed,
            "answers with a redirect to another address",
            "set its `endpoint` to the server itself: nothing is sent elsewhere".to_owned(),
        ),
        NoAnswer::NoRequest => (
            Fault::Misconfigured,
            "could not be asked: the request could not be made",
            format!("look at `secrets.providers.{alias}`"),
        ),
    };
    ProviderError::new(fault, message, fix)
}

/// Characters of an error's name that are shown.
const CODE_CHARS_MAX: usize = 64;
