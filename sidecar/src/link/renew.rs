//! Staying somebody: a new key and certificate before the old one ends.

use super::{dial::identified, end::End};
use crate::state::Identity;
use secretref_domain::clock::Clock;
use secretref_identity::{
    certificate::Validity,
    client::{CONNECT_TIMEOUT, connect_lazy},
    request::CertificateRequest,
};
use secretref_proto::v1::{RenewRequest, enrolment_service_client::EnrolmentServiceClient};
use std::{sync::Arc, time::Duration};

/// Gets a successor of an identity: the same instance, a new key. Where the answer is lost nothing
/// is: the old identity stays good, and asking again replaces what was issued.
///
/// # Errors
/// [`End`], as for a stream.
pub(super) async fn renew(
    broker: Arc<str>,
    identity: Arc<Identity>,
    clock: Arc<dyn Clock>,
) -> Result<Identity, End> {
    let CertificateRequest { key, der } = CertificateRequest::generate()
        .map_err(|error| End::Lost(format!("no new key could be made: {error}")))?;
    let channel = connect_lazy(&broker, identified(&identity, &clock)?, CONNECT_TIMEOUT)?;
    let mut request = tonic::Request::new(RenewRequest { certificate_request_der: der });
    request.set_timeout(RENEW_TIMEOUT);
    let answer = EnrolmentServiceClient::new(channel).renew(request).await;
    let issued = answer.map_err(refusal)?.into_inner().issued;
    let issued = issued.ok_or_else(|| End::Protocol("the renewal has no certificate".into()))?;
    let (agent, environment) = (identity.agent.clone(), identity.environment.clone());
    let next = Identity::issued(issued, key, agent, environment)
        .map_err(|error| End::Protocol(format!("the renewed identity cannot be used: {error}")))?;
    if next.instance != identity.instance {
        return Err(End::Protocol("the renewed identity is another instance's".into()));
    }
    Ok(next)
}

/// When to renew, in seconds since the epoch: at the middle of what is left of a new certificate,
/// or of the life of one that was there already, give or take a tenth. `chance` is uniform in
/// 0..1, `now` the time at which the certificate came, if it came just now.
pub(super) fn due(validity: Validity, came: Option<i64>, chance: f64) -> i64 {
    // Certificates are dated back, so a new one's life counts from its arrival.
    let from = came.unwrap_or(validity.not_before).max(validity.not_before);
    let life = validity.not_after.saturating_sub(from).clamp(2, LIFE_SECONDS_MAX);
    let middle = Duration::from_secs(life.unsigned_abs()).mul_f64(0.45 + chance / 10.0);
    from.saturating_add(i64::try_from(middle.as_secs().max(1)).unwrap_or(i64::MAX))
}

/// When to try again after a renewal failed: often enough to have ten tries in what is left.
pub(super) fn again(validity: Validity, now: i64) -> i64 {
    let left = validity.not_after.saturating_sub(now);
    now.saturating_add((left / 10).clamp(1, AGAIN_SECONDS_MAX))
}

/// A certificate that has ended already cannot open a stream, only renew.
fn refusal(status: tonic::Status) -> End {
    match End::from(status) {
        End::CertificateExpired => End::Hopeless(
            "the certificate ended too long ago to be renewed. Fix: remove the state folder and \
             enrol again with a new token (secretref agent token AGENT)"
                .to_owned(),
        ),
        end => end,
    }
}

const RENEW_TIMEOUT: Duration = Duration::from_secs(10);
const LIFE_SECONDS_MAX: i64 = 366 * 24 * 3600;
const AGAIN_SECONDS_MAX: i64 = 60;

#[cfg(test)]
mod tests;
