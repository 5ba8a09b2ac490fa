//! `AuditService`.

use super::refuse;
use crate::{
    custody::{AuditFilter, AuditLine, Custody, TrailCursor, TrailItem},
    grpc::caller,
    store::AuditCursor,
};
use secretref_domain::{audit::Decision, clock::Timestamp, id::BrokerId};
use secretref_proto::{
    convert::field::{self, FieldError, to_time},
    v1,
};
use tonic::{Request, Response, Status};
use uuid::Uuid;

pub(crate) struct Audit {
    custody: Custody,
}

impl Audit {
    pub(crate) fn new(custody: Custody) -> Self {
        Self { custody }
    }
}

#[tonic::async_trait]
impl v1::audit_service_server::AuditService for Audit {
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
    let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    let since = field::time("start_time", request.start_time.as_ref())?;
    Ok(AuditFilter {
        after: from_token(&request.page_token)?,
        since: since.unwrap_or(Timestamp::from_micros(0)),
        agent: text(&request.agent),
        secret: text(&request.secret),
        environment: field::environment(&request.environment)?.map(|name| name.to_string()),
        limit: field::page_size(request.page_size)?,
    })
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
