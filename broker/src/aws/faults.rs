//! Why AWS did not do it. Nothing of what it answered is repeated but the name of its error.

use super::{AwsError, MOVE, ROTATE, settings::Settings, way_out::NoAnswer};
use crate::outbound::Trouble;
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use secretref_domain::fault::Fault;
use std::error::Error;

/// An error of one of the SDK's requests.
pub(super) type SdkFault<E> = SdkError<E, HttpResponse>;

/// What the SDK's errors have in common.
pub(super) trait Named: ProvideErrorMetadata + Error + Send + Sync + 'static {}

impl<E: ProvideErrorMetadata + Error + Send + Sync + 'static> Named for E {}

pub(super) fn of<E: Named>(
    error: SdkFault<E>,
    (action, what): (&str, &str),
    settings: &Settings,
) -> AwsError {
    if let SdkError::DispatchFailure(failure) = &error {
        let cause = failure.as_connector_error().and_then(|it| it.source());
        let why = cause.and_then(|cause| cause.downcast_ref::<NoAnswer>()).copied();
        return unanswered(why.unwrap_or(NoAnswer::NoRequest), settings);
    }
    let status = error.raw_response().map(|raw| raw.status().as_u16()).unwrap_or_default();
    let service = error.as_service_error();
    let code = service.and_then(ProvideErrorMetadata::code).map(name).unwrap_or_default();
    let said = service.and_then(ProvideErrorMetadata::message).unwrap_or_default();
    let state = match said {
        said if said.contains("marked for deletion") || said.contains("marked deleted") => {
            State::Deleted
        }
        said if said.contains("revious rotation") => State::Rotating,
        _ => State::Usual,
    };
    refused(status, &code, &state, (action, what), settings)
}

/// What a secret that is refused for its state is, as far as AWS says it in words alone.
enum State {
    Deleted,
    Rotating,
    Usual,
}

/// The name of an error, as far as it is one.
fn name(code: &str) -> String {
    code.chars().filter(char::is_ascii_alphanumeric).take(CODE_CHARS_MAX).collect()
}

fn refused(
    status: u16,
    code: &str,
    state: &State,
    (action, what): (&str, &str),
    settings: &Settings,
) -> AwsError {
    if let Some(error) = of_secret(status, code, state, (action, what)) {
        return error;
    }
    let check = settings.check_command.clone();
    let said = match code {
        "" => format!("answered {status}"),
        code => format!("answered {status} {code} for {what}"),
    };
    match code {
        "AccessDeniedException" | "DecryptionFailure" => AwsError::new(
            Fault::Denied,
            said,
            format!("allow secretsmanager:{action} on {what}, and its key"),
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
            let fix = format!(
                "put the keys of `{}` that AWS knows, and look at the clock of the broker's host",
                settings.place
            );
            AwsError::new(Fault::Denied, said, fix)
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
        | "RequestTimeoutException" => AwsError::new(Fault::Unreachable, said, check),
        _ => match status {
            401 | 403 => AwsError::new(Fault::Denied, said, check),
            429 | 500.. => AwsError::new(Fault::Unreachable, said, check),
            400..500 => AwsError::new(Fault::Misconfigured, said, check),
            _ => AwsError::new(
                Fault::Malformed,
                format!("answered {status}, and what is not Secrets Manager's"),
                "look whether its `endpoint` is that of AWS Secrets Manager",
            ),
        },
    }
}

/// What is the matter with the secret itself.
fn of_secret(
    status: u16,
    code: &str,
    state: &State,
    (action, what): (&str, &str),
) -> Option<AwsError> {
    let (fault, message, fix) = match (code, state) {
        ("ResourceNotFoundException", _) => (
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
        ("InvalidParameterException", _) if action == MOVE => (
            Fault::Unreachable,
            format!("has {what}, whose current version somebody changed at the same time"),
            "try again".to_owned(),
        ),
        ("InvalidRequestException", State::Rotating) => (
            Fault::Unreachable,
            format!("is rotating {what} already"),
            format!("aws secretsmanager describe-secret --secret-id {what}"),
        ),
        ("InvalidRequestException", State::Usual) if action == ROTATE => (
            Fault::Misconfigured,
            format!("will not rotate {what}: it answered {status} {code}"),
            format!(
                "give it a rotation function: aws secretsmanager rotate-secret --secret-id {what} \
                 --rotation-lambda-arn ARN"
            ),
        ),
        ("InvalidRequestException", State::Deleted) => (
            Fault::NotFound,
            format!("has {what} marked for deletion"),
            format!("aws secretsmanager restore-secret --secret-id {what}"),
        ),
        _ => return None,
    };
    Some(AwsError::new(fault, message, fix))
}

fn unanswered(why: NoAnswer, settings: &Settings) -> AwsError {
    let (check, place) = (settings.check_command.clone(), &settings.place);
    let (fault, message, fix) = match why {
        NoAnswer::Trouble(Trouble::Unreachable) => (Fault::Unreachable, "cannot be reached", check),
        NoAnswer::Trouble(Trouble::TimedOut) => (Fault::TimedOut, "did not answer in time", check),
        // It may be an attack: no other source stands in for it.
        NoAnswer::Trouble(Trouble::Untrusted) => (
            Fault::Denied,
            "is not who it should be: its certificate is not trusted",
            format!("set `{place}.caFile`"),
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
            format!("look at `{place}`"),
        ),
    };
    AwsError::new(fault, message, fix)
}

/// Characters of an error's name that are shown.
const CODE_CHARS_MAX: usize = 64;
