//! What every request meets before a handler does: a path that is not exactly a method of this port
//! is answered as one that is nowhere, and a method goes on together with its rule.

use super::{caller, listener::Port, rule::rule, status};
use crate::custody::Custody;
use futures_util::future::{BoxFuture, Either, ready};
use secretref_domain::traceparent::TraceParent;
use secretref_proto::method::Method;
use secretref_spans::{Kind, Span};
use std::task::{Context, Poll};
use tonic::{
    Status,
    body::Body,
    codegen::{Service, http},
};
use tower::Layer;

/// Puts a port's services behind its gate.
#[derive(Clone)]
pub(super) struct Gate {
    port: Port,
    custody: Custody,
}

/// A port's services behind its gate.
#[derive(Clone)]
pub(super) struct Gated<S> {
    gate: Gate,
    inner: S,
}

impl Gate {
    pub(super) fn new(port: Port, custody: Custody) -> Self {
        Self { port, custody }
    }

    fn check<B>(&self, request: &mut http::Request<B>) -> Result<(), Status> {
        // With whatever a query would add: one method has one spelling.
        let path = request.uri().path_and_query().map_or("", |path| path.as_str());
        if let Some(method) = Method::from_path(path) {
            let rule = rule(method);
            if rule.port != self.port {
                return Err(nowhere());
            }
            request.extensions_mut().insert(rule);
            return Ok(());
        }
        // Health and reflection know nothing of callers, and say nothing of secrets. They are for
        // whoever is an administrator now, and not only was when the certificate was issued.
        let open = OPEN_SERVICES.iter().any(|service| path.starts_with(service));
        if self.port != Port::Admins || !open {
            return Err(nowhere());
        }
        caller::is_known(&self.custody, request.extensions())
    }
}

impl<S> Layer<S> for Gate {
    type Service = Gated<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Gated { gate: self.clone(), inner }
    }
}

impl<S, B> Service<http::Request<B>> for Gated<S>
where
    S: Service<http::Request<B>, Response = http::Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Either<S::Future, BoxFuture<'static, Result<S::Response, S::Error>>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<B>) -> Self::Future {
        if caller::is_news(&self.gate.custody, request.extensions()) {
            let (gate, mut inner) = (self.gate.clone(), self.inner.clone());
            return Either::Right(Box::pin(async move {
                // Before somebody is refused whom another broker has just let in.
                if let Err(error) = gate.custody.settle().await {
                    return Ok(status::of(error).into_http());
                }
                match gate.check(&mut request) {
                    Ok(()) => inner.call(request).await,
                    Err(status) => Ok(status.into_http()),
                }
            }));
        }
        match self.gate.check(&mut request) {
            Ok(()) if self.gate.port == Port::Admins && secretref_spans::is_on() => {
                let span = span(&request);
                let answer = self.inner.call(request);
                Either::Right(Box::pin(async move {
                    let answer = secretref_spans::within(span.parent(), answer).await;
                    drop(span);
                    answer
                }))
            }
            Ok(()) => Either::Left(self.inner.call(request)),
            Err(status) => Either::Right(Box::pin(ready(Ok(status.into_http())))),
        }
    }
}

/// The span of a request, which goes on from whoever sent it.
fn span<B>(request: &http::Request<B>) -> Span {
    let sent = request.headers().get("traceparent").and_then(|it| it.to_str().ok());
    let parent = sent.and_then(|text| TraceParent::parse(text).ok());
    let mut span = Span::new("request", Kind::Server, parent);
    if let Some((service, method)) = request.uri().path().trim_start_matches('/').split_once('/') {
        span.name("rpc.service", service);
        span.name("rpc.method", method);
    }
    span
}

/// One answer for a method of the other port, a wrong spelling and a path of fantasy, so that
/// nothing is learned of what there is.
fn nowhere() -> Status {
    Status::unimplemented("there is no such method on this port")
}

/// What the administrators' port serves besides our own methods.
const OPEN_SERVICES: [&str; 3] = [
    "/grpc.health.v1.Health/",
    "/grpc.reflection.v1.ServerReflection/",
    "/grpc.reflection.v1alpha.ServerReflection/",
];
