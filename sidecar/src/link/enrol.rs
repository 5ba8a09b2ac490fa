//! Becoming somebody: a join token for an identity.

use super::{Brokers, dial::certificate_clock, end};
use crate::{
    config::TokenSource,
    state::{Identity, IdentityError, State, StateError},
};
use secretref_domain::{
    clock::Clock,
    name::{AgentName, EnvironmentName, NameError},
};
use secretref_identity::{
    client::{CONNECT_TIMEOUT, ClientConfig, ClientConfigError, ConnectError, connect_lazy},
    credentials::Holder,
    join_token::{JoinToken, TOKEN_CHARS, TokenError},
};
use secretref_proto::v1::{
    JoinRequest, JoinResponse, enrolment_service_client::EnrolmentServiceClient,
};
use std::{
    fs::File,
    io::{self, Read},
    os::unix::fs::MetadataExt,
    sync::Arc,
    time::Duration,
};
use tonic::{Code, Status};
use zeroize::Zeroizing;

/// Why this sidecar did not become somebody.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// The token cannot be read.
    #[error("the join token cannot be read from {from}: {source}")]
    Read {
        /// Where from.
        from: String,
        /// What the system said.
        source: io::Error,
    },
    /// What was read is no token.
    #[error("what {from} holds is no join token: {why}. Fix: secretref agent token AGENT > FILE")]
    Token {
        /// Where from.
        from: String,
        /// What is wrong with it.
        why: TokenError,
    },
    /// The broker cannot be reached, or has too much to do. Worth another try.
    #[error("{0}")]
    Unreachable(String),
    /// Who answers is not the broker that the token names.
    #[error(
        "{0}. The token names the authority that made it, and this is another. \
         Fix: check --broker, or get a token from that broker (secretref agent token AGENT)"
    )]
    OtherBroker(String),
    /// The broker does not take the token.
    #[error(
        "the broker refused the join token ({0}): it is unknown, expired or used already. \
         Fix: secretref agent token AGENT"
    )]
    Refused(String),
    /// The broker's answer cannot be used.
    #[error("the broker's answer to the join cannot be used: {0}")]
    Answer(#[from] IdentityError),
    /// The identity cannot be stored.
    #[error(transparent)]
    State(#[from] StateError),
    /// TLS cannot be set up.
    #[error(transparent)]
    Tls(#[from] ClientConfigError),
    /// The command line was wrong.
    #[error("--broker: {0}")]
    Address(String),
}

/// Reads a join token. Blocks.
///
/// # Errors
/// [`EnrolError::Read`] or [`EnrolError::Token`]; nothing of the text is in them.
pub fn read_token(source: &TokenSource) -> Result<JoinToken, EnrolError> {
    let from = match source {
        TokenSource::Stdin => "standard input".to_owned(),
        TokenSource::File(path) => path.display().to_string(),
    };
    let read = match source {
        TokenSource::Stdin => read_text(io::stdin().lock()),
        TokenSource::File(path) => File::open(path).and_then(|file| {
            let mode = file.metadata()?.mode() & 0o777;
            if mode & 0o077 != 0 {
                tracing::warn!(
                    path = %path.display(),
                    mode = %format!("{mode:04o}"),
                    "others can read the join token; chmod 600 it"
                );
            }
            read_text(file)
        }),
    };
    let text = read.map_err(|source| EnrolError::Read { from: from.clone(), source })?;
    // An editor or `echo` ends a file with a newline; anything else in it is a mistake.
    let text = text.strip_suffix('\n').unwrap_or(&text);
    let text = text.strip_suffix('\r').unwrap_or(text);
    JoinToken::parse(text).map_err(|why| EnrolError::Token { from, why })
}

/// Trades a token for an identity and stores it, at the first broker that can be reached. The key
/// is made here and stored before it is used, so that the same one is tried again where the answer
/// was lost.
///
/// # Errors
/// [`EnrolError`]; [`EnrolError::Unreachable`] alone is worth another try.
pub async fn enrol(
    brokers: &Brokers,
    token: &JoinToken,
    state: &State,
    clock: &Arc<dyn Clock>,
) -> Result<Identity, EnrolError> {
    brokers.arrived();
    loop {
        match enrol_at(&brokers.here(), token, state, clock).await {
            Err(EnrolError::Unreachable(why)) if brokers.leave() => {
                tracing::info!(%why, "trying to enrol at another broker");
            }
            outcome => return outcome,
        }
    }
}

async fn enrol_at(
    broker: &str,
    token: &JoinToken,
    state: &State,
    clock: &Arc<dyn Clock>,
) -> Result<Identity, EnrolError> {
    let pending = state.pending()?;
    let config = ClientConfig::pinned(token.fingerprint(), certificate_clock(clock))?;
    let channel = connect_lazy(broker, Holder::fixed(config), CONNECT_TIMEOUT)
        .map_err(|error| EnrolError::Address(error.to_string()))?;
    let mut request = tonic::Request::new(JoinRequest {
        token: token.expose().to_string(),
        certificate_request_der: pending.der.clone(),
    });
    request.set_timeout(JOIN_TIMEOUT);
    let joined = EnrolmentServiceClient::new(channel).join(request).await;
    let answer = match joined {
        Ok(answer) => answer.into_inner(),
        Err(status) => return Err(refusal(&status)),
    };
    let identity = identity(answer, pending.key, token)?;
    state.store_joined(&identity)?;
    Ok(identity)
}

fn identity(
    answer: JoinResponse,
    key: secretref_identity::credentials::PrivateKey,
    token: &JoinToken,
) -> Result<Identity, IdentityError> {
    let issued = answer.issued.ok_or(IdentityError::Missing("certificate"))?;
    let agent = AgentName::parse(&answer.agent)?;
    let environment: Result<EnvironmentName, NameError> =
        EnvironmentName::parse(&answer.environment);
    let identity = Identity::issued(issued, key, agent, environment?)?;
    if !identity.credentials.trust().has_root(&token.fingerprint()) {
        return Err(IdentityError::OtherAuthority);
    }
    Ok(identity)
}

fn refusal(status: &Status) -> EnrolError {
    match ConnectError::within(status) {
        Some(error @ (ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. })) => {
            return EnrolError::Unreachable(error.to_string());
        }
        Some(error @ ConnectError::Address { .. }) => {
            return EnrolError::Address(error.to_string());
        }
        Some(error) => return EnrolError::OtherBroker(error.to_string()),
        None => {}
    }
    let said = || end::reason(status).unwrap_or_else(|| format!("{:?}", status.code()));
    match status.code() {
        Code::Unauthenticated
        | Code::PermissionDenied
        | Code::InvalidArgument
        | Code::NotFound
        | Code::FailedPrecondition => EnrolError::Refused(said()),
        Code::Unimplemented => EnrolError::OtherBroker(
            "what answers there has no enrolment: is it the broker's port for agents?".to_owned(),
        ),
        _ => EnrolError::Unreachable(format!(
            "the broker did not answer the join: {:?}: {}",
            status.code(),
            status.message().chars().take(256).collect::<String>()
        )),
    }
}

fn read_text(from: impl Read) -> io::Result<Zeroizing<String>> {
    let mut text = Zeroizing::new(String::with_capacity(TOKEN_TEXT_BYTES_MAX + 1));
    from.take(TOKEN_TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// A token, its newline, and enough to see that there is too much.
const TOKEN_TEXT_BYTES_MAX: usize = 2 * TOKEN_CHARS;
const JOIN_TIMEOUT: Duration = Duration::from_secs(10);
