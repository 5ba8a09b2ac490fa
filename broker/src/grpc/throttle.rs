//! What every request passes first: how often its caller may ask, and how long it may take.

use super::{
    listener::Connection,
    rate::{Buckets, Rate},
    status,
};
use crate::{config::Limits, metrics};
use http::{Request, Response};
use secretref_identity::subject::Subject;
use secretref_proto::method::Method;
use std::{
    future::{Future, poll_fn},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::{Instant, timeout};
use tonic::{Code, Status, codegen::Body};
use tower::{Layer, Service};

/// The throttle of a port. Strangers pass: what they can reach is bound where it is.
#[derive(Clone)]
pub(super) struct Throttle(Arc<Buckets<Subject>>);

/// A service behind a throttle.
#[derive(Clone)]
pub(super) struct Throttled<S> {
    inner: S,
    throttle: Throttle,
}

impl Throttle {
    pub(super) fn for_agents(limits: &Limits) -> Self {
        Self::new(agent_rate(limits), limits)
    }

    pub(super) fn for_admins(limits: &Limits) -> Self {
        let (count, burst) = (limits.admin_requests_per_second, limits.admin_requests_burst);
        Self::new(Rate::new(count, Duration::from_secs(1), burst), limits)
    }

    /// Every identity that is remembered has, or had a moment ago, a connection.
    fn new(rate: Rate, limits: &Limits) -> Self {
        let connections_max = usize::try_from(limits.connections_max).unwrap_or(usize::MAX);
        Self(Arc::new(Buckets::new(rate, connections_max.saturating_mul(2))))
    }

    fn admit<B>(&self, request: &Request<B>) -> Result<(), Duration> {
        let peer = request.extensions().get::<Connection>().and_then(|it| it.peer.as_ref());
        peer.map_or(Ok(()), |peer| self.0.take(peer.subject, Instant::now()))
    }
}

/// Requests and stream messages of one instance of an agent.
pub(super) fn agent_rate(limits: &Limits) -> Rate {
    Rate::new(limits.requests_per_second, Duration::from_secs(1), limits.requests_burst)
}

impl<S> Layer<S> for Throttle {
    type Service = Throttled<S>;
    fn layer(&self, inner: S) -> Throttled<S> {
        Throttled { inner, throttle: self.clone() }
    }
}

impl<S, B, R> Service<Request<B>> for Throttled<S>
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Future: Send + 'static,
    B: Body + Unpin + Send + 'static,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (method, began) = (Method::from_path(request.uri().path()), Instant::now());
        if let Err(wait) = self.throttle.admit(&request) {
            let refusal = status::overloaded("requests", "too many requests of one identity", wait);
            let mut body = request.into_body();
            return Box::pin(async move {
                // What came along is taken first. HTTP/2 would count it as an error of the client's
                // where it came after the answer, and cut who only asked too often.
                let first = poll_fn(|context| Pin::new(&mut body).poll_frame(context));
                drop(timeout(REFUSAL_TIME_MAX, first).await);
                metrics::answered(method, refusal.code(), began.elapsed());
                Ok(refusal.into_http())
            });
        }
        let answer = self.inner.call(request);
        Box::pin(async move {
            let answer = match timeout(REQUEST_TIME_MAX, answer).await {
                Ok(answer) => answer?,
                Err(_) => status::late(REQUEST_TIME_MAX).into_http(),
            };
            // What goes wrong says so before anything else; what goes well, at its end.
            let code = Status::from_header_map(answer.headers()).map_or(Code::Ok, |it| it.code());
            metrics::answered(method, code, began.elapsed());
            Ok(answer)
        })
    }
}

/// How long a request may take, whatever its client says; a stream, to be opened.
const REQUEST_TIME_MAX: Duration = Duration::from_secs(10);
/// How long a refusal waits for what its request brings.
const REFUSAL_TIME_MAX: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
