//! What is answered to what.
//!
//! ```text
//! GET /v1/secrets                             all of them, as JSON
//! GET /v1/secrets/NAME                        one value, its bytes
//! GET /v1/secrets/NAME?version=7&wait=30s     the same once it is not version 7 any more, else 304
//! GET /v1/events                              an event for each change, without values
//! GET /v1/health                              how the sidecar is
//! POST /v1/resolve                            see [`super::resolve`]
//! ```
//! HEAD answers as GET, and reads nothing.

use super::{
    Desk, Item, MissingItem, Shelf,
    body::{Body, Reading},
    events, list,
    query::Query,
};
use hyper::{
    Method, Request, Response, StatusCode,
    body::Incoming,
    header::{self, HeaderName, HeaderValue},
};
use secretref_domain::clock::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// Longest path with its query, in bytes.
const TARGET_BYTES_MAX: usize = 512;

pub(super) async fn respond(
    request: &Request<Incoming>,
    desk: Desk,
    stop: CancellationToken,
) -> Response<Body> {
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        let answer = Failure::new("this socket only answers GET and HEAD", "use GET");
        let mut response = answer.response(StatusCode::METHOD_NOT_ALLOWED);
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let (path, query) = (request.uri().path(), request.uri().query());
    if path.len() + query.map_or(0, str::len) > TARGET_BYTES_MAX {
        let error = format!("the path has more than {TARGET_BYTES_MAX} bytes");
        return Failure::new(&error, "ask for one name").response(StatusCode::URI_TOO_LONG);
    }
    match path {
        "/v1/secrets" => all(&desk),
        "/v1/events" => events::stream(desk, stop),
        "/v1/health" => health(&desk),
        _ => match path.strip_prefix("/v1/secrets/") {
            Some(name) => match Query::parse(query) {
                Ok(query) => one(name, query, desk, stop).await,
                Err(why) => Failure::new(&why, "ask /v1/secrets/NAME?version=7&wait=30s")
                    .response(StatusCode::BAD_REQUEST),
            },
            None => Failure::new("there is nothing of that name", ROUTES)
                .response(StatusCode::NOT_FOUND),
        },
    }
}

/// What a stranger is told, whatever he asks.
pub(super) fn forbidden(why: &str) -> Response<Body> {
    let fix = "run as the sidecar's user, or start it with --group of a group that you are in";
    Failure::new(why, fix).response(StatusCode::FORBIDDEN)
}

/// Nobody needs to send anything here.
pub(super) fn no_body() -> Response<Body> {
    Failure::new("a request to this socket has no body", "send none")
        .response(StatusCode::PAYLOAD_TOO_LARGE)
}

fn all(desk: &Desk) -> Response<Body> {
    let shelf = Arc::clone(&desk.shelf.borrow());
    if let Err(response) = open(&shelf, desk) {
        return response;
    }
    let here = shelf.items.values().filter(|item| item.value.is_some());
    let values = here.map(|item| (item.secret.clone(), item.version)).collect();
    let reading = Reading { desk: desk.clone(), values };
    let body = Body::secret(list::write(&shelf), reading);
    response(StatusCode::OK, "application/json", body)
}

/// One value, once it is not the one that the client has.
async fn one(name: &str, query: Query, desk: Desk, stop: CancellationToken) -> Response<Body> {
    let deadline = Instant::now() + query.wait;
    let mut shelves = desk.shelf.clone();
    loop {
        let shelf = Arc::clone(&shelves.borrow_and_update());
        match find(&shelf, name, &desk) {
            Ok(item) if !query.knows(item.version) => return value(item, &desk),
            Ok(item) => {
                let changed = async {
                    tokio::select! {
                        changed = shelves.changed() => changed.is_ok(),
                        () = stop.cancelled() => false,
                    }
                };
                if !matches!(timeout_at(deadline, changed).await, Ok(true)) {
                    return unchanged(item);
                }
            }
            Err(response) => return response,
        }
    }
}

/// Whether anything can be said of the set at all.
#[expect(clippy::result_large_err, reason = "the other case is the answer itself")]
pub(super) fn open(shelf: &Shelf, desk: &Desk) -> Result<(), Response<Body>> {
    if desk.status.borrow().revoked {
        let error = "this sidecar's identity was revoked, and its secrets are wiped";
        let fix = "ask the operator; a new identity needs a new token";
        return Err(Failure::new(error, fix).response(StatusCode::GONE));
    }
    if shelf.received {
        return Ok(());
    }
    let error = "the first set has not come yet";
    let mut response =
        Failure::new(error, "come again in a second").response(StatusCode::SERVICE_UNAVAILABLE);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("1"));
    Err(response)
}

#[expect(clippy::result_large_err, reason = "the other case is the answer itself")]
fn find<'a>(shelf: &'a Shelf, name: &str, desk: &Desk) -> Result<&'a Item, Response<Body>> {
    open(shelf, desk)?;
    let Some(item) = shelf.items.get(name) else {
        return Err(not_here(shelf, name));
    };
    if item.value.is_some() {
        return Ok(item);
    }
    let now: Timestamp = desk.clock.now();
    let error = match item.valid_until.filter(|until| *until <= now) {
        Some(until) => format!("{name:?} expired at {until}"),
        None => format!("{name:?} was withdrawn: the broker was not heard of in time"),
    };
    let fix = "it comes again with the next value, or when the broker is reached again";
    Err(Failure::new(&error, fix).response(StatusCode::GONE))
}

fn not_here(shelf: &Shelf, name: &str) -> Response<Body> {
    let missing = shelf.missing.iter().find(|missing| missing.reference == name);
    let error = match missing {
        Some(missing) => format!("ref {name:?} has no value: {}", missing.reason),
        None => format!("no credential of this agent has the name {name:?}"),
    };
    let fix = "GET /v1/secrets names what there is; `missing` says what there is not, and why";
    Failure { error: &error, fix, missing: &shelf.missing }.response(StatusCode::NOT_FOUND)
}

fn value(item: &Item, desk: &Desk) -> Response<Body> {
    let values = vec![(item.secret.clone(), item.version)];
    let body = match &item.value {
        Some(value) => Body::value(Arc::clone(value), Reading { desk: desk.clone(), values }),
        None => Body::empty(),
    };
    versioned(response(StatusCode::OK, "application/octet-stream", body), item)
}

fn unchanged(item: &Item) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    versioned(response, item)
}

fn versioned(mut response: Response<Body>, item: &Item) -> Response<Body> {
    let number = item.version.get();
    let headers = response.headers_mut();
    headers.insert(VERSION, HeaderValue::from(number));
    if let Ok(tag) = HeaderValue::from_str(&format!("\"v{number}\"")) {
        headers.insert(header::ETAG, tag);
    }
    response
}

fn health(desk: &Desk) -> Response<Body> {
    let status = desk.status.borrow();
    let code = if status.is_ready() { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    let body = serde_json::json!({
        "status": status.word(),
        "connected": status.connected,
        "revision": status.revision,
        "applied": status.applied.len(),
        "failed": status.failed.len(),
    });
    response(code, "application/json", Body::text(format!("{body}\n")))
}

pub(super) fn response(code: StatusCode, kind: &'static str, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = code;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// Why there is no better answer.
#[derive(Serialize)]
pub(super) struct Failure<'a> {
    error: &'a str,
    fix: &'a str,
    #[serde(skip_serializing_if = "<[MissingItem]>::is_empty")]
    missing: &'a [MissingItem],
}

impl<'a> Failure<'a> {
    pub(super) fn new(error: &'a str, fix: &'a str) -> Self {
        Self { error, fix, missing: &[] }
    }

    pub(super) fn response(&self, code: StatusCode) -> Response<Body> {
        let text = serde_json::to_string(self).unwrap_or_default() + "\n";
        response(code, "application/json", Body::text(text))
    }
}

const VERSION: HeaderName = HeaderName::from_static("secretref-version");
const ROUTES: &str = "ask /v1/secrets, /v1/secrets/NAME, /v1/events, /v1/resolve or /v1/health";
