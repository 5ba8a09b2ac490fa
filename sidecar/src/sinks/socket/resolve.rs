//! `POST /v1/resolve`: the exec protocol of `OpenClaw` on the socket. All names of a request in one
//! round trip, and no other value leaves.

use super::{
    Desk, Item, Shelf,
    body::{Body, Reading},
    list,
    routes::{Failure, open, response},
};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::{Method, Request, Response, StatusCode, body::Incoming};
use secretref_domain::{
    exec_protocol::{self, Answer, NOT_FOUND, RequestError, UNAVAILABLE},
    limit::RESOLVE_REQUEST_BYTES_MAX,
};
use std::{sync::Arc, time::Duration};
use tokio::time::timeout;

/// Whether a request is one of these: the only one that has a body.
pub(super) fn is_meant(request: &Request<Incoming>) -> bool {
    request.method() == Method::POST && request.uri().path() == PATH
}

pub(super) async fn respond(request: Request<Incoming>, desk: &Desk) -> Response<Body> {
    let body = Limited::new(request.into_body(), RESOLVE_REQUEST_BYTES_MAX).collect();
    let bytes = match timeout(BODY_TIME_MAX, body).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(error)) if error.is::<LengthLimitError>() => return refused(&RequestError::TooLong),
        Ok(Err(_)) | Err(_) => {
            let failure = Failure::new("the request did not come to its end", "send all of it");
            return failure.response(StatusCode::REQUEST_TIMEOUT);
        }
    };
    let request = match exec_protocol::Request::parse(&bytes) {
        Ok(request) => request,
        Err(error) => return refused(&error),
    };
    let shelf = Arc::clone(&desk.shelf.borrow());
    if let Err(response) = open(&shelf, desk) {
        return response;
    }
    let (mut answer, mut read, mut unbound) = (Answer::to(&request), Vec::new(), Vec::new());
    for id in &request.ids {
        match look_up(&shelf, id) {
            Found::Value(item, value) => {
                if answer.value(id, value) {
                    read.push((item.secret.clone(), item.version));
                }
            }
            Found::Withdrawn(item) => answer.refuse(id, UNAVAILABLE, &withdrawn(item, desk)),
            Found::Missing(reason) => answer.refuse(id, UNAVAILABLE, reason),
            Found::Nothing => {
                unbound.push(id.as_str());
                answer.refuse(id, NOT_FOUND, NOT_BOUND);
            }
        }
    }
    desk.refusals.note(unbound.into_iter());
    let reading = Reading { desk: desk.clone(), values: read };
    response(StatusCode::OK, "application/json", Body::secret(list::json(&answer), reading))
}

/// What there is under a name.
enum Found<'s> {
    Value(&'s Item, &'s [u8]),
    Withdrawn(&'s Item),
    Missing(&'s str),
    Nothing,
}

fn look_up<'s>(shelf: &'s Shelf, id: &str) -> Found<'s> {
    let items = || shelf.items.values().filter(|item| item.reference == id);
    let valued = |item: &'s Item| Some(Found::Value(item, item.value.as_ref()?.expose()));
    if let Some(found) = items().find_map(valued) {
        return found;
    }
    match (items().next(), shelf.missing.iter().find(|missing| missing.reference == id)) {
        (Some(item), _) => Found::Withdrawn(item),
        (None, Some(missing)) => Found::Missing(&missing.reason),
        (None, None) => Found::Nothing,
    }
}

fn withdrawn(item: &Item, desk: &Desk) -> String {
    let now = desk.clock.now();
    match item.valid_until.filter(|until| *until <= now) {
        Some(until) => format!("it expired at {until}"),
        None => "it was withdrawn: the broker was not heard of in time".to_owned(),
    }
}

fn refused(error: &RequestError) -> Response<Body> {
    let code = match error {
        RequestError::TooLong | RequestError::TooMany(_) => StatusCode::PAYLOAD_TOO_LARGE,
        RequestError::Form(_) | RequestError::Version(_) => StatusCode::BAD_REQUEST,
    };
    let fix = "send {\"protocolVersion\":1,\"ids\":[…]}";
    Failure::new(&error.to_string(), fix).response(code)
}

const NOT_BOUND: &str =
    "no tool of this agent is bound to it. Fix: bind it in the agent's manifest";
const PATH: &str = "/v1/resolve";
/// How long a body may take to arrive.
const BODY_TIME_MAX: Duration = Duration::from_secs(5);
