use super::{Connection, Limits, Throttle};
use http::{Request, Response};
use secretref_identity::{
    peer::{Peer, Serial, Standing},
    subject::Subject,
};
use std::{convert::Infallible, future::pending, net::SocketAddr, sync::Arc, time::Duration};
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status, body::Body};
use tonic_types::StatusExt;
use tower::{Layer, ServiceExt, service_fn};
use uuid::Uuid;

fn from(instance: Option<u128>) -> Request<Body> {
    let peer = instance.map(|instance| {
        let subject = Subject::Agent { agent: Uuid::nil(), instance: Uuid::from_u128(instance) };
        Arc::new(Peer {
            subject,
            serial: Serial::from_random([7; 16]),
            not_before: 0,
            not_after: 1,
            spki_sha256: [0; 32],
            standing: Standing::Valid,
        })
    });
    let address = SocketAddr::from(([192, 0, 2, 1], 1));
    let mut request = Request::new(Body::empty());
    let kill = CancellationToken::new();
    request.extensions_mut().insert(Connection { address, peer, kill });
    request
}

fn throttle() -> Throttle {
    let limits = Limits { requests_per_second: 1, requests_burst: 3, ..Limits::default() };
    Throttle::for_agents(&limits)
}

/// What a client is told; nothing where it was let through.
fn told(response: &Response<()>) -> Option<Status> {
    Status::from_header_map(response.headers())
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_again() {
    let answer = |_: Request<Body>| async { Ok::<_, Infallible>(Response::new(())) };
    let service = throttle().layer(service_fn(answer));
    let ask = async |instance| service.clone().oneshot(from(instance)).await.unwrap();
    for _ in 0..3 {
        assert!(told(&ask(Some(1)).await).is_none());
    }
    let refused = told(&ask(Some(1)).await).unwrap();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert_eq!(refused.get_details_error_info().unwrap().reason, "RATE_LIMITED");
    let wait = refused.get_details_retry_info().unwrap().retry_delay.unwrap();
    assert!(!wait.is_zero() && wait <= Duration::from_secs(1), "{wait:?}");
    // Others are not concerned, and strangers are bound elsewhere.
    for instance in [Some(2), None] {
        for _ in 0..3 {
            assert!(told(&ask(instance).await).is_none());
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_takes_too_long_is_ended() {
    let answer = |_: Request<Body>| pending::<Result<Response<()>, Infallible>>();
    let response = throttle().layer(service_fn(answer)).oneshot(from(Some(1))).await.unwrap();
    let ended = told(&response).unwrap();
    assert_eq!(ended.code(), Code::DeadlineExceeded);
    assert_eq!(ended.get_details_error_info().unwrap().reason, "REQUEST_TIME_MAX");
}
