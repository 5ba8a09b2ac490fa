//! From a profile to a channel, and from a call to its answer: who cannot be reached is told
//! apart from who says no.

pub(crate) mod certificate;
pub(crate) mod guest;

use crate::{
    config::Config,
    failure::{Exit, Failure},
    print::Printer,
    profile::{self, Profile},
};
use secretref_identity::{
    client::{self, ClientConfig, ConnectError},
    clock::Clock,
    credentials::{Credentials, Holder, TrustBundle},
};
use secretref_proto::v1::{
    admins_service_client::AdminsServiceClient, agents_service_client::AgentsServiceClient,
    alerts_service_client::AlertsServiceClient, audit_service_client::AuditServiceClient,
    environments_service_client::EnvironmentsServiceClient,
    providers_service_client::ProvidersServiceClient,
    references_service_client::ReferencesServiceClient,
    rotations_service_client::RotationsServiceClient, secrets_service_client::SecretsServiceClient,
    traces_service_client::TracesServiceClient,
};
use std::{
    cell::Cell,
    future::Future,
    time::{Duration, Instant},
};
use tonic::{Code, Request, Response, Status, Streaming, transport::Channel};

/// What the operator asked for besides the command itself.
pub(crate) struct Session<'a> {
    config: &'a Config,
    profile: Option<&'a str>,
    wait: Option<Duration>,
    environment: Option<&'a str>,
    /// Whether it was said that the certificate ends soon.
    warned: Cell<bool>,
    /// How the operator wants to read.
    pub(crate) out: Printer,
}

impl<'a> Session<'a> {
    /// A session; nothing is read or connected yet.
    pub(crate) fn new(
        config: &'a Config,
        profile: Option<&'a str>,
        wait: Option<Duration>,
        environment: Option<&'a str>,
        out: Printer,
    ) -> Self {
        Self { config, profile, wait, environment, warned: Cell::new(false), out }
    }

    /// What the environment says.
    pub(crate) fn config(&self) -> &'a Config {
        self.config
    }

    /// The profile that is asked for.
    pub(crate) fn profile(&self) -> Result<Profile, Failure> {
        Profile::choose(self.config, self.profile)
    }

    /// How long a broker that is away is waited for, where that is asked for.
    pub(crate) fn patience(&self) -> Option<Duration> {
        self.wait
    }

    /// The environment for the wire: empty means the active one.
    pub(crate) fn environment(&self) -> String {
        self.environment.unwrap_or_default().to_owned()
    }

    /// The environment as the end of a command that repeats this one.
    pub(crate) fn environment_option(&self) -> String {
        self.environment.map(|name| format!(" --environment {name}")).unwrap_or_default()
    }

    /// The secrets of the broker.
    pub(crate) async fn secrets(&self) -> Result<SecretsServiceClient<Channel>, Failure> {
        Ok(SecretsServiceClient::new(self.channel().await?))
    }

    /// The agents of the broker.
    pub(crate) async fn agents(&self) -> Result<AgentsServiceClient<Channel>, Failure> {
        Ok(agents(self.channel().await?))
    }

    /// The administrators of the broker, and the broker itself.
    pub(crate) async fn admins(&self) -> Result<AdminsServiceClient<Channel>, Failure> {
        Ok(AdminsServiceClient::new(self.channel().await?))
    }

    /// The alert channels of the broker.
    pub(crate) async fn alerts(&self) -> Result<AlertsServiceClient<Channel>, Failure> {
        Ok(AlertsServiceClient::new(self.channel().await?))
    }

    /// The refs of the broker.
    pub(crate) async fn references(&self) -> Result<ReferencesServiceClient<Channel>, Failure> {
        Ok(ReferencesServiceClient::new(self.channel().await?))
    }

    /// The providers of the broker.
    pub(crate) async fn providers(&self) -> Result<ProvidersServiceClient<Channel>, Failure> {
        Ok(ProvidersServiceClient::new(self.channel().await?))
    }

    /// The rotations of the broker.
    pub(crate) async fn rotations(&self) -> Result<RotationsServiceClient<Channel>, Failure> {
        Ok(RotationsServiceClient::new(self.channel().await?))
    }

    /// The environments of the broker.
    pub(crate) async fn environments(&self) -> Result<EnvironmentsServiceClient<Channel>, Failure> {
        Ok(EnvironmentsServiceClient::new(self.channel().await?))
    }

    /// Says nothing of a certificate that ends soon.
    pub(crate) fn do_not_warn(&self) {
        self.warned.set(true);
    }

    /// The profile as the end of a command that repeats this one.
    pub(crate) fn profile_option(&self) -> String {
        self.profile.map(|name| format!(" --profile {name}")).unwrap_or_default()
    }

    /// The audit trail of the broker.
    pub(crate) async fn audit(&self) -> Result<AuditServiceClient<Channel>, Failure> {
        Ok(audit(self.channel().await?))
    }

    /// The trail of the broker, to be followed.
    pub(crate) async fn traces(&self) -> Result<TracesServiceClient<Channel>, Failure> {
        let client = TracesServiceClient::new(self.channel().await?);
        Ok(client.max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    /// Connects; with `--wait`, until the broker is there or the time is over. Says so where the
    /// certificate ends soon, or has ended.
    pub(crate) async fn channel(&self) -> Result<Channel, Failure> {
        let profile = self.profile()?;
        let ending = certificate::Ending::of(&profile);
        let renew = format!("secretref admin renew{}", self.profile_option());
        match self.reach(&profile).await {
            Err(failure) if failure.exit == Exit::Refused => {
                Err(ending.and_then(|it| it.as_failure()).unwrap_or(failure))
            }
            Ok(channel) => {
                if !self.warned.replace(true)
                    && let Some(soon) = ending.and_then(|it| it.as_warning())
                {
                    self.out.warning(&format!("{soon}. Fix: {renew}"));
                }
                Ok(channel)
            }
            Err(failure) => Err(failure),
        }
    }

    /// Connects, and says nothing of the certificate.
    pub(crate) async fn reach(&self, profile: &Profile) -> Result<Channel, Failure> {
        let until = self.wait.map(|wait| Instant::now() + wait);
        let mut told = false;
        loop {
            let failure = match channel(profile).await {
                Err(failure) if failure.exit == Exit::Unreachable => failure,
                other => return other,
            };
            if until.is_none_or(|until| Instant::now() >= until) {
                return Err(failure);
            }
            if !told {
                self.out.note(&format!("waiting for the broker at {}", profile.address));
                told = true;
            }
            tokio::time::sleep(RETRY_EVERY).await;
        }
    }
}

/// A request that names the span it is sent in, where there is one.
pub(crate) fn traced<T>(message: T) -> Request<T> {
    let mut request = Request::new(message);
    let named = secretref_spans::current().and_then(|parent| parent.to_string().parse().ok());
    if let Some(value) = named {
        request.metadata_mut().insert("traceparent", value);
    }
    request
}

/// The agents behind a channel.
pub(crate) fn agents(channel: Channel) -> AgentsServiceClient<Channel> {
    AgentsServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// The audit trail behind a channel.
pub(crate) fn audit(channel: Channel) -> AuditServiceClient<Channel> {
    AuditServiceClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX)
}

/// Connects to a profile's broker, mutual TLS and all, or says within two seconds why not.
pub(crate) async fn channel(profile: &Profile) -> Result<Channel, Failure> {
    let files = profile.credentials()?;
    let config = client_config(profile, &files)?;
    let holder = Holder::fixed(config);
    let found = client::dial(&profile.address, &holder.current(), CONNECT_TIMEOUT).await;
    // A broker that was just there is given more time: from here on it is slow, not out of reach.
    let channel = found.and_then(|probe| {
        drop(probe);
        client::connect_lazy(&profile.address, holder, ANSWER_TIMEOUT)
    });
    channel.map_err(|error| {
        let text = error.to_string();
        match error {
            ConnectError::Address { .. } => {
                Failure::usage(text, "correct the address in the profile or in SECRETREF_ADDR")
            }
            ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } => {
                Failure::unreachable(text)
            }
            ConnectError::NotOurBroker { .. } => {
                let fix = format!(
                    "check the address, and that {} is that broker's authority",
                    profile.ca.display()
                );
                Failure::new(Exit::Refused, text, fix)
            }
            ConnectError::Refused { .. } => {
                let fix = format!(
                    "check that {} is an admin certificate of that broker",
                    profile.cert.display()
                );
                Failure::new(Exit::Refused, text, fix)
            }
        }
    })
}

/// Whether a profile's three files can be read and go together.
pub(crate) fn check_files(profile: &Profile) -> Result<(), Failure> {
    client_config(profile, &profile.credentials()?).map(drop)
}

fn client_config(profile: &Profile, files: &profile::Credentials) -> Result<ClientConfig, Failure> {
    let unusable = |error: String| {
        let paths = [&profile.ca, &profile.cert, &profile.key];
        let [ca, cert, key] = paths.map(|path| path.display());
        let what = format!("{ca}, {cert} and {key} do not go together: {error}");
        if profile::Files::of(profile).is_interrupted() {
            return Failure::usage(what, "secretref admin renew, to finish what was interrupted");
        }
        Failure::usage(what, "name the three files that secretref-broker init wrote")
    };
    let domain = certificate::trust_domain(&files.cert).map_err(&unusable)?;
    let trust = TrustBundle::from_pem(domain, &files.ca).map_err(|e| unusable(e.to_string()))?;
    let credentials = Credentials::from_pem(&files.cert, &files.key, trust)
        .map_err(|error| unusable(error.to_string()))?;
    ClientConfig::identified(&credentials, Clock::system())
        .map_err(|error| unusable(error.to_string()))
}

/// Waits for an answer, but not for ever.
pub(crate) async fn ask<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Failure> {
    Ok(within(call).await?)
}

/// Waits for the one message of a stream, for as long as the broker works on it: whether it is
/// still there is what the connection asks.
pub(crate) async fn ask_slowly<T>(
    call: impl Future<Output = Result<Response<Streaming<T>>, Status>>,
) -> Result<Option<T>, Failure> {
    let mut answer = ask(call).await?;
    Ok(answer.message().await?)
}

/// Asks, and once more where the way to the broker broke: only for what repeats safely, which is
/// reading, and whatever carries a request id.
pub(crate) async fn ask_twice<T, Call>(call: impl FnMut() -> Call) -> Result<T, Failure>
where
    Call: Future<Output = Result<Response<T>, Status>>,
{
    Ok(ask_twice_status(call).await?)
}

/// As [`ask_twice`], where the broker's refusal is looked at before it is told.
pub(crate) async fn ask_twice_status<T, Call>(mut call: impl FnMut() -> Call) -> Result<T, Status>
where
    Call: Future<Output = Result<Response<T>, Status>>,
{
    match within(call()).await {
        Err(status) if status.code() == Code::Unavailable => within(call()).await,
        other => other,
    }
}

/// Reads page after page.
pub(crate) async fn pages<T, Page>(mut page: impl FnMut(String) -> Page) -> Result<Vec<T>, Failure>
where
    Page: Future<Output = Result<(Vec<T>, String), Failure>>,
{
    let mut all = Vec::new();
    let mut token = String::new();
    loop {
        let (items, next) = page(token).await?;
        all.extend(items);
        if next.is_empty() {
            return Ok(all);
        }
        token = next;
    }
}

/// An answer, or that none came in time.
pub(crate) async fn within<T>(
    call: impl Future<Output = Result<Response<T>, Status>>,
) -> Result<T, Status> {
    match tokio::time::timeout(ANSWER_TIMEOUT, call).await {
        Ok(answer) => answer.map(Response::into_inner),
        Err(_) => Err(Status::deadline_exceeded(format!(
            "nothing came within {} s; whether the request took effect is not known",
            ANSWER_TIMEOUT.as_secs()
        ))),
    }
}

/// Handshake included; below the 2 s in which an unreachable broker has to be reported.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1_500);

/// A revocation waits for every broker, whose lease may have to lapse first.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

/// How often `--wait` tries again.
const RETRY_EVERY: Duration = Duration::from_millis(200);

/// The largest page: deliveries name up to 10,000 recipients each.
const ANSWER_BYTES_MAX: usize = 64 * 1024 * 1024;

#[cfg(test)]
mod tests;
