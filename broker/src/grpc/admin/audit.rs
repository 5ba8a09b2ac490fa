//! `AuditService`.

use super::refuse;
use crate::{
    custody::{AuditFilter, AuditLine, Custody, Position, TrailCursor, TrailItem},
    grpc::caller,
    store::AuditCursor,
};
use futures_util::{Stream, stream};
use secretref_domain::{audit::Decision, clock::Timestamp, id::BrokerId};
use secretref_proto::{
    convert::field::{self, FieldError, to_time},
    v1,
};
use std::{pin::Pin, sync::Arc, time::Duration};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) struct Audit {
    custody: Custody,
    /// Ends whoever follows.
    stop: CancellationToken,
    followers: Arc<Semaphore>,
}

impl Audit {
    pub(crate) fn new(custody: Custody, stop: CancellationToken) -> Self {
        Self { custody, stop, followers: Arc::new(Semaphore::new(FOLLOWERS_MAX)) }
    }
}

#[tonic::async_trait]
impl v1::audit_service_server::AuditService for Audit {
    type FollowAuditStream =
        Pin<Box<dyn Stream<Item = Result<v1::FollowAuditResponse, Status>> + Send>>;

    async fn list_audit_entries(
        &self,
        request: Request<v1::ListAuditEntriesRequest>,
    ) -> Result<Response<v1::ListAuditEntriesResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let filter = parse(&request.into_inner()).map_err(refuse::field)?;
        let page = self.custody.trail(&caller, filter).await.map_err(refuse::of)?;
        Ok(Response::new(v1::ListAuditEntriesResponse {
            entries: page.entries.into_iter().map(to_entry).collect(),
            next_page_token: page.next.map(to_token).unwrap_or_default(),
        }))
    }

    async fn follow_audit(
        &self,
        request: Request<v1::FollowAuditRequest>,
    ) -> Result<Response<Self::FollowAuditStream>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let filter = followed(&request).map_err(refuse::field)?;
        let position = from_position(&request.position).map_err(refuse::field)?;
        let follower = self.custody.follow_trail(&caller, filter, position).await;
        let follower = follower.map_err(refuse::of)?;
        let place = Arc::clone(&self.followers).try_acquire_owned().map_err(|_| {
            let what = format!("{FOLLOWERS_MAX} follow the trail of this broker already");
            refuse::overloaded("followers", &what, RETRY_AFTER)
        })?;
        let state = (follower, self.stop.clone(), place);
        Ok(Response::new(Box::pin(stream::try_unfold(
            state,
            |(mut follower, stop, place)| async move {
                let followed = tokio::select! {
                    () = stop.cancelled() => {
                        return Err(Status::unavailable("the broker stops; come again"));
                    }
                    followed = follower.next() => followed.map_err(refuse::of)?,
                };
                let message = v1::FollowAuditResponse {
                    position: to_position(&followed.position),
                    entries: followed.entries.into_iter().map(to_entry).collect(),
                };
                Ok(Some((message, (follower, stop, place))))
            },
        ))))
    }

    async fn read_trail(
        &self,
        request: Request<v1::ReadTrailRequest>,
    ) -> Result<Response<v1::ReadTrailResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let request = request.into_inner();
        let limit = field::page_size(request.page_size).map_err(refuse::field)?;
        let from = from_trail_token(&request.page_token).map_err(refuse::field)?;
        let page = self.custody.whole_trail(&caller, from, limit).await.map_err(refuse::of)?;
        Ok(Response::new(v1::ReadTrailResponse {
            items: page.items.into_iter().map(to_item).collect(),
            next_page_token: page.next.map(to_trail_token).unwrap_or_default(),
        }))
    }

    async fn record_archive(
        &self,
        request: Request<v1::RecordArchiveRequest>,
    ) -> Result<Response<v1::RecordArchiveResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let v1::RecordArchiveRequest { size, sha256 } = request.into_inner();
        let digest = <[u8; 32]>::try_from(sha256)
            .map_err(|_| refuse::field(FieldError::new("sha256", "it has not 32 bytes")))?;
        self.custody.record_archive(&caller, size, &digest).await.map_err(refuse::of)?;
        Ok(Response::new(v1::RecordArchiveResponse {}))
    }

    async fn get_trail_key(
        &self,
        request: Request<v1::GetTrailKeyRequest>,
    ) -> Result<Response<v1::GetTrailKeyResponse>, Status> {
        let caller = caller::admin(&self.custody, &request)?;
        let key = self.custody.trail_key(&caller).await.map_err(refuse::of)?;
        Ok(Response::new(v1::GetTrailKeyResponse { key: key.to_string() }))
    }
}

fn to_trail_token(cursor: TrailCursor) -> String {
    let TrailCursor { checkpoint, lane, seq, tail } = cursor;
    format!("{checkpoint}.{lane}.{seq}.{tail}")
}

fn from_trail_token(token: &str) -> Result<TrailCursor, FieldError> {
    if token.is_empty() {
        return Ok(TrailCursor::START);
    }
    let mut parts = token.splitn(4, '.');
    let cursor = (|| {
        let checkpoint = parts.next()?.parse().ok()?;
        let lane = BrokerId(Uuid::parse_str(parts.next()?).ok()?);
        let seq = parts.next()?.parse().ok()?;
        Some(TrailCursor { checkpoint, lane, seq, tail: parts.next()?.parse().ok()? })
    })();
    let problem = || FieldError::new("page_token", "it is not one that a page before gave");
    cursor.ok_or_else(problem)
}

fn to_item(item: TrailItem) -> v1::TrailItem {
    use v1::trail_item::Item;
    let item = match item {
        TrailItem::Beginning { note, edge } => Item::Beginning(v1::TrailBeginning {
            checkpoint: note,
            edge: edge.iter().map(|hash| hash.to_vec()).collect(),
        }),
        TrailItem::Checkpoint(note) => Item::Checkpoint(note),
        TrailItem::Entry(row) => Item::Entry(v1::TrailEntry {
            lane: row.lane.to_string(),
            seq: row.seq,
            canonical: row.entry,
            hash: row.hash.to_vec(),
        }),
    };
    v1::TrailItem { item: Some(item) }
}

fn parse(request: &v1::ListAuditEntriesRequest) -> Result<AuditFilter, FieldError> {
    let since = field::time("start_time", request.start_time.as_ref())?;
    Ok(AuditFilter {
        after: from_token(&request.page_token)?,
        since: since.unwrap_or(Timestamp::from_micros(0)),
        agent: text(&request.agent),
        secret: text(&request.secret),
        environment: field::environment(&request.environment)?.map(|name| name.to_string()),
        action: action(&request.action)?,
        decision: decision(&request.decision)?,
        until: field::time("end_time", request.end_time.as_ref())?,
        limit: field::page_size(request.page_size)?,
    })
}

fn followed(request: &v1::FollowAuditRequest) -> Result<AuditFilter, FieldError> {
    let since = field::time("start_time", request.start_time.as_ref())?;
    Ok(AuditFilter {
        after: None,
        since: since.unwrap_or(Timestamp::from_micros(0)),
        agent: text(&request.agent),
        secret: text(&request.secret),
        environment: field::environment(&request.environment)?.map(|name| name.to_string()),
        action: action(&request.action)?,
        decision: decision(&request.decision)?,
        until: None,
        limit: 0,
    })
}

fn text(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

fn action(given: &str) -> Result<Option<String>, FieldError> {
    if given.len() > ACTION_BYTES_MAX {
        let problem = format!("it is longer than {ACTION_BYTES_MAX} bytes");
        return Err(FieldError::new("action", problem));
    }
    Ok(text(given))
}

fn decision(given: &str) -> Result<Option<Decision>, FieldError> {
    match given {
        "" => Ok(None),
        "allowed" => Ok(Some(Decision::Allowed)),
        "denied" => Ok(Some(Decision::Denied)),
        _ => Err(FieldError::new("decision", "it is neither `allowed` nor `denied`")),
    }
}

fn to_position(position: &Position) -> String {
    let lanes: Vec<String> =
        position.iter().map(|(lane, seq)| format!("{}.{seq}", lane.0.simple())).collect();
    lanes.join(",")
}

fn from_position(given: &str) -> Result<Option<Position>, FieldError> {
    if given.is_empty() {
        return Ok(None);
    }
    let lane = |part: &str| {
        let (lane, seq) = part.split_once('.')?;
        let seq: i64 = seq.parse().ok().filter(|seq| *seq >= 0)?;
        Some((BrokerId(Uuid::parse_str(lane).ok()?), seq))
    };
    let problem = || FieldError::new("position", "it is not one that a message before gave");
    if given.len() > POSITION_BYTES_MAX {
        return Err(problem());
    }
    given.split(',').map(lane).collect::<Option<Position>>().map(Some).ok_or_else(problem)
}

fn to_token(cursor: AuditCursor) -> String {
    format!("{}.{}.{}", cursor.at.as_micros(), cursor.lane, cursor.seq)
}

fn from_token(token: &str) -> Result<Option<AuditCursor>, FieldError> {
    if token.is_empty() {
        return Ok(None);
    }
    let mut parts = token.splitn(3, '.');
    let cursor = (|| {
        let at = Timestamp::from_micros(parts.next()?.parse().ok()?);
        let lane = BrokerId(Uuid::parse_str(parts.next()?).ok()?);
        let seq = parts.next()?.parse().ok()?;
        Some(AuditCursor { at, lane, seq })
    })();
    let problem = || FieldError::new("page_token", "it is not one that a page before gave");
    cursor.map(Some).ok_or_else(problem)
}

fn to_entry(line: AuditLine) -> v1::AuditEntry {
    let AuditLine { entry, canonical, hash } = line;
    let recipient =
        |to: &secretref_domain::audit::Recipient| format!("{}/{}", to.name, to.instance);
    let decision = match entry.decision {
        Decision::Allowed => "allowed",
        Decision::Denied => "denied",
    };
    v1::AuditEntry {
        lane: entry.lane.to_string(),
        seq: entry.seq,
        time: Some(to_time(entry.at)),
        environment: entry.environment,
        actor: entry.actor,
        action: entry.action,
        object_kind: entry.object_kind,
        object: entry.object,
        object_uid: if entry.object_id.is_nil() {
            String::new()
        } else {
            entry.object_id.to_string()
        },
        version: entry.version,
        decision: decision.to_owned(),
        reason: entry.reason,
        peer: entry.peer,
        revision: entry.revision.0,
        recipients: entry.recipients.iter().map(recipient).collect(),
        canonical,
        hash: hash.to_vec(),
        request_id: entry.request_id,
    }
}

/// An action of the trail, in bytes.
const ACTION_BYTES_MAX: usize = 64;
/// A position, in bytes.
const POSITION_BYTES_MAX: usize = 64 * 1024;
/// When one who is too many may come again.
const RETRY_AFTER: Duration = Duration::from_secs(10);
/// Who may follow the trail of one broker at a time.
const FOLLOWERS_MAX: usize = 64;
