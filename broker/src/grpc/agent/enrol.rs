//! `EnrolmentService`.

use crate::{
    config::Limits,
    custody::{Custody, CustodyError, Enrolled},
    grpc::{
        caller,
        listener::network,
        rate::{Bucket, Buckets, Rate},
        status,
    },
};
use secretref_domain::clock::Timestamp;
use secretref_identity::{
    join_token::JoinToken,
    request::{PublicKey, parse_request},
};
use secretref_proto::{convert::field::to_time, v1};
use std::{
    net::IpAddr,
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use tonic::{Request, Response, Status};
use zeroize::Zeroizing;

pub(crate) struct Enrolment {
    custody: Custody,
    /// Joins that fail, by network.
    failures: Buckets<IpAddr>,
    /// Joins in all.
    rate: Rate,
    joins: Mutex<Bucket>,
}

impl Enrolment {
    pub(crate) fn new(custody: Custody, limits: &Limits) -> Self {
        let (failed, burst) = (limits.failed_enrolments_per_minute, limits.failed_enrolments_burst);
        let failures = Rate::new(failed, Duration::from_mins(1), burst);
        let (joins, burst) = (limits.enrolments_per_second, limits.enrolments_burst);
        Self {
            custody,
            failures: Buckets::new(failures, NETWORKS_MAX),
            rate: Rate::new(joins, Duration::from_secs(1), burst),
            joins: Mutex::default(),
        }
    }

    /// Lets a join be tried. It counts as a failure of its network until it is known not to be
    /// one, so that those which are tried at the same time are bound as well.
    fn admit(&self, network: IpAddr) -> Result<(), Status> {
        let now = Instant::now();
        let tried = self.failures.take(network, now);
        tried.map_err(|wait| {
            status::overloaded(
                "failed_enrolments",
                "too many failed enrolments of one address",
                wait,
            )
        })?;
        let mut joins = self.joins.lock().unwrap_or_else(PoisonError::into_inner);
        joins.take(self.rate, now).map_err(|wait| {
            self.failures.give_back(&network);
            status::overloaded("enrolments", "too many enrolments", wait)
        })
    }

    fn to_issued(&self, enrolled: Enrolled) -> Result<v1::IssuedCertificate, Status> {
        let seconds = |at: i64| Some(to_time(Timestamp::from_micros(at.saturating_mul(1_000_000))));
        let bundle = self.custody.trust_bundle().map_err(status::of)?;
        Ok(v1::IssuedCertificate {
            chain_der: enrolled.chain,
            trust_bundle: Some(v1::TrustBundle {
                trust_domain: bundle.domain().as_str().to_owned(),
                roots_der: bundle.roots().iter().map(|root| root.to_vec()).collect(),
            }),
            instance: enrolled.instance.to_string(),
            not_before: seconds(enrolled.not_before),
            not_after: seconds(enrolled.not_after),
        })
    }
}

#[tonic::async_trait]
impl v1::enrolment_service_server::EnrolmentService for Enrolment {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let caller = caller::of(&self.custody, &request, true)?.caller;
        let network = network(caller::connection(&request)?.address.ip());
        let request = request.into_inner();
        let text = Zeroizing::new(request.token);
        let token = JoinToken::parse(&text)
            .map_err(|error| status::invalid("token".into(), error.to_string()))?;
        let key = public_key(&request.certificate_request_der)?;
        self.admit(network)?;
        let joined = self.custody.join(&caller, &token, key).await;
        if !matches!(joined, Err(CustodyError::NotAdmitted { .. })) {
            self.failures.give_back(&network);
        }
        let enrolled = joined.map_err(status::of)?;
        let (agent, environment) = (enrolled.agent.to_string(), enrolled.environment.to_string());
        let issued = Some(self.to_issued(enrolled)?);
        Ok(Response::new(v1::JoinResponse { issued, agent, environment }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::RenewResponse>, Status> {
        let presented = caller::of(&self.custody, &request, true)?;
        let serial = presented
            .serial
            .ok_or_else(|| status::unauthenticated("renewal needs the agent's certificate"))?;
        let key = public_key(&request.into_inner().certificate_request_der)?;
        let enrolled = self.custody.renew(&presented.caller, serial, key).await;
        let issued = Some(self.to_issued(enrolled.map_err(status::of)?)?);
        Ok(Response::new(v1::RenewResponse { issued }))
    }
}

fn public_key(der: &[u8]) -> Result<PublicKey, Status> {
    parse_request(der)
        .map_err(|error| status::invalid("certificate_request_der".into(), error.to_string()))
}

/// Networks whose failures are remembered.
const NETWORKS_MAX: usize = 16_384;
