//! What a sidecar says, parsed at the door.

use super::{End, Session};
use crate::{
    custody::{Admission, Custody, Report, ReportState, Sent},
    grpc::status,
    metrics,
};
use secretref_domain::{
    delivery::{Delivery, Effect, Evidence, Way},
    id::Digest,
    limit::{BINDINGS_MAX, RESOLVE_ID_BYTES_MAX, RESOLVE_IDS_MAX},
    name::{ProviderAlias, SecretName},
    schedule::Told,
    version::{Revision, Version},
};
use secretref_proto::{
    PROTOCOL_VERSION,
    convert::{field, from_schedule},
    v1,
};
use std::time::Duration;
use tokio::time::{Instant, timeout};
use tonic::{Status, Streaming};
use uuid::Uuid;

/// A Hello that is valid.
pub(super) struct Opening {
    pub(super) boot: Uuid,
    pub(super) client_version: String,
    pub(super) sent: Sent,
    pub(super) message_bytes_max: usize,
    /// The one provider that it takes values from.
    pub(super) secrets_provider: Option<ProviderAlias>,
    /// What its program does, where it runs one by a schedule.
    pub(super) schedule: Option<Told>,
    /// Whether it asks only what it would get.
    pub(super) values_withheld: bool,
    /// What it holds of the audit trail, where it is a witness.
    pub(super) witness: Option<v1::TrailWitness>,
}

/// Waits for the Hello.
pub(super) async fn open(
    custody: &Custody,
    admission: &Admission,
    inbound: &mut Streaming<v1::WatchRequest>,
) -> Result<Opening, End> {
    let message = timeout(HELLO_TIME_MAX, inbound.message())
        .await
        .map_err(|_| Status::deadline_exceeded("the first message, a Hello, did not come"))??;
    match message.and_then(|message| message.message) {
        Some(v1::watch_request::Message::Hello(hello)) => {
            // Another broker may have told it of a revision that has not come here yet.
            if let Some(token) = &hello.resume
                && token.store_epoch == custody.epoch_in(&admission.environment)
            {
                custody.reach(Revision(token.revision)).await.map_err(status::of)?;
            }
            Ok(parse(custody, admission, hello)?)
        }
        _ => Err(refuse("message", "the first message of a stream is a Hello").into()),
    }
}

fn parse(custody: &Custody, admission: &Admission, hello: v1::Hello) -> Result<Opening, Status> {
    if hello.protocol_version != PROTOCOL_VERSION {
        let given = hello.protocol_version;
        let problem = format!("it is {given}; this broker speaks {PROTOCOL_VERSION}");
        return Err(refuse("hello.protocol_version", &problem));
    }
    if hello.client_version.len() > CLIENT_VERSION_BYTES_MAX {
        return Err(refuse("hello.client_version", "it is longer than 32 bytes"));
    }
    let boot =
        Uuid::parse_str(&hello.boot_id).map_err(|_| refuse("hello.boot_id", "it is not a UUID"))?;
    if hello.have.len() > BINDINGS_MAX {
        return Err(refuse("hello.have", &format!("it names more than {BINDINGS_MAX} secrets")));
    }
    let message_bytes_max = usize::try_from(hello.message_bytes_max)
        .ok()
        .filter(|bytes| (MESSAGE_BYTES_MIN..=MESSAGE_BYTES_MAX).contains(bytes))
        .ok_or_else(|| refuse("hello.message_bytes_max", "it lies in 262144 to 16777216"))?;
    let secrets_provider = match hello.secrets_provider.as_str() {
        "" => None,
        alias => Some(
            ProviderAlias::parse(alias)
                .map_err(|error| refuse("hello.secrets_provider", &error.to_string()))?,
        ),
    };
    // A sidecar that comes from another history, or from a future of this one, holds nothing that
    // can be relied upon.
    let resumes = hello.resume.is_some_and(|token| {
        token.store_epoch == custody.epoch_in(&admission.environment)
            && token.revision <= custody.feed().revision().0
    });
    let sent = if resumes { held(&hello.have)? } else { Sent::new() };
    let schedule = hello.schedule.as_ref().map(from_schedule).transpose();
    let schedule =
        schedule.map_err(|error| refuse(&format!("hello.{}", error.field), &error.problem))?;
    Ok(Opening {
        boot,
        client_version: hello.client_version,
        sent,
        message_bytes_max,
        secrets_provider,
        schedule,
        values_withheld: hello.values_withheld,
        witness: hello.witness,
    })
}

fn held(have: &[v1::HeldSecret]) -> Result<Sent, Status> {
    let one = |held: &v1::HeldSecret| {
        let name = SecretName::parse_kept(&held.name).map_err(|error| error.to_string())?;
        let version = Version::new(held.version).ok_or("a version is 1 or more")?;
        let digest = held.digest.as_slice().try_into().map_err(|_| "a digest has 32 bytes")?;
        Ok((name, (version, Digest(digest))))
    };
    have.iter().map(one).collect::<Result<_, String>>().map_err(|why| refuse("hello.have", &why))
}

fn refuse(field: &str, problem: &str) -> Status {
    status::invalid(field.to_owned(), problem.to_owned())
}

impl Session {
    pub(super) async fn heard(
        &mut self,
        message: Result<Option<v1::WatchRequest>, Status>,
        inbound: &mut Streaming<v1::WatchRequest>,
    ) -> Result<(), End> {
        // What cannot be read, being too big say, is answered; if nobody is there, nobody hears it.
        let Some(message) = message? else { return Err(End::Gone) };
        self.heard_at = Instant::now();
        // The answer to a manifest was asked for, and there is one for each. What comes unasked
        // comes no faster than requests do: nobody is cut for it, he is only not read.
        let asked = matches!(&message.message,
            Some(v1::watch_request::Message::Ack(ack)) if self.unanswered == Some(ack.nonce));
        if !asked {
            self.listens_at = self.heard_at + self.spoken.spend(self.rate, self.heard_at);
        }
        match message.message {
            Some(v1::watch_request::Message::Ack(ack)) => self.acknowledged(ack),
            Some(v1::watch_request::Message::Report(report)) => {
                Box::pin(self.reported(report)).await
            }
            Some(v1::watch_request::Message::NeedSnapshot(_)) => self.start_over(),
            Some(v1::watch_request::Message::Pong(pong)) => self.answered(&pong),
            Some(v1::watch_request::Message::Hello(_)) => {
                let message = "a stream has one Hello";
                return self.end(v1::StreamErrorCode::Protocol, message).await;
            }
            // A newer sidecar may say more.
            None => {}
        }
        // A sidecar that only ever talks must not keep a revocation from being seen.
        if self.custody.admitted(&self.admission) {
            return Ok(());
        }
        Box::pin(self.shut_out(inbound)).await
    }

    /// An answer frees the stream for the next manifest, if it is the answer to the last one; what
    /// it says of the secrets counts in any case.
    fn acknowledged(&mut self, ack: v1::Ack) {
        if self.unanswered == Some(ack.nonce) {
            self.unanswered = None;
            self.pushes.received();
            self.settled_at = self.custody.now().as_micros();
            self.refused = false;
            // It is at home on this stream now: an older one of its own has done its work.
            if let Some(subscription) = &self.subscription {
                subscription.supersede();
            }
        }
        self.results(ack.results);
    }

    async fn reported(&mut self, report: v1::Report) {
        // As of results: what is not valid is not taken, and nobody is cut for it.
        if let Some(told) = report.schedule.and_then(|given| from_schedule(&given).ok()) {
            self.custody.report_schedule(&self.admission, self.boot, &told);
        }
        if let Some(said) = report.witness {
            self.witnessed(said);
        }
        if !report.results.is_empty() {
            self.results(report.results);
        }
        if !report.refused_ids.is_empty() {
            self.note_refused(report.refused_ids).await;
        }
    }

    /// Each name once on a stream: whoever asks again and again writes no trail of his own.
    async fn note_refused(&mut self, mut ids: Vec<String>) {
        ids.truncate(REFUSED_IDS_MAX);
        let room = RESOLVE_IDS_MAX.saturating_sub(self.refused_ids.len());
        ids.retain(|id| id.len() <= RESOLVE_ID_BYTES_MAX && !self.refused_ids.contains(id));
        ids.truncate(room);
        if ids.is_empty() {
            return;
        }
        match self.custody.refused_by_sidecar(&self.admission, &ids).await {
            Ok(()) => self.refused_ids.extend(ids),
            Err(error) => tracing::warn!(%error, "what a sidecar refused is not on the record"),
        }
    }

    pub(super) fn results(&mut self, results: Vec<v1::SecretResult>) {
        let report = |result: v1::SecretResult| {
            let state = ReportState::of(i64::from(result.state))
                .filter(|state| *state != ReportState::Received)?;
            Some(Report {
                name: SecretName::parse_kept(&result.name).ok()?,
                version: result.version,
                state,
                evidence: Evidence::of(i64::from(result.evidence)),
                detail: result.detail,
                deliveries: result.deliveries.into_iter().filter_map(delivery).collect(),
            })
        };
        let reports = results.into_iter().take(BINDINGS_MAX).filter_map(report);
        let reports: Vec<_> = reports.filter(|report| self.is_news(report)).collect();
        for report in &reports {
            metrics::said(report.state.as_str());
            if report.state == ReportState::Applied {
                self.pushes.applied();
            }
        }
        self.refused |= reports.iter().any(|report| report.state == ReportState::Failed);
        self.custody.report(&self.admission, self.boot, reports);
    }

    /// Whether a report is of what the sidecar was sent last. One of a version that was replaced
    /// meanwhile may come after that of its successor, as an answer that took long does, and must
    /// not stand as its last word. That something is gone counts whatever it was, and so does the
    /// claim to be on a version that there never was.
    fn is_news(&self, report: &Report) -> bool {
        let sent = self.sent.get(&report.name).map(|(version, _)| version.get());
        report.state == ReportState::Wiped
            || sent.is_none_or(|sent| sent == report.version)
            || !self.custody.has_been(&self.admission.environment, &report.name, report.version)
    }

    /// Everything again: the sidecar says that it does not hold what it should.
    fn start_over(&mut self) {
        self.sent.clear();
        (self.unanswered, self.due, self.digest) = (None, true, [0; 32]);
    }

    /// Anti-entropy: what the sidecar holds must be what it was sent, unless it is still at it, or
    /// has said that it could not: the same again would not help.
    fn answered(&mut self, pong: &v1::Pong) {
        let settled = self.unanswered.is_none() && !self.due && pong.echo >= self.settled_at;
        if settled && !self.refused && pong.manifest_digest != self.digest {
            self.start_over();
        }
    }
}

fn delivery(delivery: v1::Delivery) -> Option<Delivery> {
    Some(Delivery {
        way: Way::of(i64::from(delivery.way))?,
        version: delivery.version,
        evidence: Evidence::of(i64::from(delivery.evidence)),
        since: field::time("since_time", delivery.since_time.as_ref()).ok().flatten()?,
        effect: Effect::of(i64::from(delivery.effect)),
        place: delivery.place,
    })
}

/// How long the first message may take.
const HELLO_TIME_MAX: Duration = Duration::from_secs(5);
/// Names of one report that a sidecar refused.
const REFUSED_IDS_MAX: usize = 64;
const CLIENT_VERSION_BYTES_MAX: usize = 32;
const MESSAGE_BYTES_MIN: usize = 262_144;
const MESSAGE_BYTES_MAX: usize = 16_777_216;
