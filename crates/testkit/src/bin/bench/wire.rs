//! What the limit speaks: the least that a fan-out needs, over the same tonic.

use bytes::Bytes;
use std::{
    convert::Infallible,
    sync::Arc,
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tonic::{
    Request, Response, Status, Streaming,
    body::Body,
    client,
    codegen::{BoxFuture, BoxStream, Service, http},
    server::{Grpc, NamedService},
    transport::Channel,
};
use tonic_prost::ProstCodec;
use tower::service_fn;

/// A new value, on its way to a watcher.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Update {
    /// Counts the values.
    #[prost(int64, tag = "1")]
    pub(crate) revision: i64,
    /// The value.
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

/// A watcher has it.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Seen {
    /// Which.
    #[prost(int64, tag = "1")]
    pub(crate) revision: i64,
}

/// A value to be kept.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Value {
    /// The value.
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) value: Bytes,
}

/// It is kept.
#[derive(Clone, Copy, PartialEq, prost::Message)]
pub(crate) struct Kept {
    /// When the server began with it, by its clock, in microseconds.
    #[prost(int64, tag = "1")]
    pub(crate) micros: i64,
}

/// What the server does.
pub(crate) trait Verbs: Send + Sync + 'static {
    /// Seals, commits, and tells every watcher.
    fn publish(&self, value: Bytes) -> impl Future<Output = Result<Kept, Status>> + Send;
    /// Seals and commits.
    fn write(&self, value: Bytes) -> impl Future<Output = Result<Kept, Status>> + Send;
    /// Opens the last value, which is in memory.
    fn read(&self) -> Result<Value, Status>;
    /// The last value and every newer one.
    fn watch(&self, seen: Streaming<Seen>) -> BoxStream<Update>;
}

/// Verbs as a service of tonic's.
pub(crate) struct Door<V>(Arc<V>);

impl<V> Door<V> {
    pub(crate) fn new(verbs: V) -> Self {
        Self(Arc::new(verbs))
    }
}

impl<V> Clone for Door<V> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<V> NamedService for Door<V> {
    const NAME: &'static str = "limit";
}

impl<V: Verbs> Service<http::Request<Body>> for Door<V> {
    type Response = http::Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<Self::Response, Self::Error>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let verbs = Arc::clone(&self.0);
        Box::pin(async move {
            Ok(match request.uri().path() {
                PUBLISH => {
                    let serve = service_fn(move |request: Request<Value>| {
                        let verbs = Arc::clone(&verbs);
                        async move {
                            let value = request.into_inner().value;
                            verbs.publish(value).await.map(Response::new)
                        }
                    });
                    Grpc::new(ProstCodec::default()).unary(serve, request).await
                }
                WRITE => {
                    let serve = service_fn(move |request: Request<Value>| {
                        let verbs = Arc::clone(&verbs);
                        async move {
                            let value = request.into_inner().value;
                            verbs.write(value).await.map(Response::new)
                        }
                    });
                    Grpc::new(ProstCodec::default()).unary(serve, request).await
                }
                READ => {
                    let serve = service_fn(move |_: Request<Seen>| {
                        std::future::ready(verbs.read().map(Response::new))
                    });
                    Grpc::new(ProstCodec::default()).unary(serve, request).await
                }
                WATCH => {
                    let serve = service_fn(move |request: Request<Streaming<Seen>>| {
                        std::future::ready(Ok(Response::new(verbs.watch(request.into_inner()))))
                    });
                    Grpc::new(ProstCodec::default()).streaming(serve, request).await
                }
                path => Status::unimplemented(path.to_owned()).into_http(),
            })
        })
    }
}

/// The client's end.
#[derive(Clone)]
pub(crate) struct LimitClient(client::Grpc<Channel>);

impl LimitClient {
    pub(crate) fn new(channel: Channel) -> Self {
        Self(client::Grpc::new(channel))
    }

    pub(crate) async fn publish(&mut self, value: Bytes) -> Result<Kept, Status> {
        self.unary(PUBLISH, Value { value }).await
    }

    pub(crate) async fn write(&mut self, value: Bytes) -> Result<Kept, Status> {
        self.unary(WRITE, Value { value }).await
    }

    pub(crate) async fn read(&mut self) -> Result<Value, Status> {
        self.unary(READ, Seen::default()).await
    }

    pub(crate) async fn watch(
        &mut self,
        seen: impl Stream<Item = Seen> + Send + 'static,
    ) -> Result<Streaming<Update>, Status> {
        self.ready().await?;
        let path = http::uri::PathAndQuery::from_static(WATCH);
        let codec = ProstCodec::<Seen, Update>::default();
        let answer = self.0.streaming(Request::new(seen), path, codec).await?;
        Ok(answer.into_inner())
    }

    async fn unary<Q, A>(&mut self, path: &'static str, request: Q) -> Result<A, Status>
    where
        Q: prost::Message + 'static,
        A: prost::Message + Default + 'static,
    {
        self.ready().await?;
        let path = http::uri::PathAndQuery::from_static(path);
        let codec = ProstCodec::<Q, A>::default();
        let answer = self.0.unary(Request::new(request), path, codec).await?;
        Ok(answer.into_inner())
    }

    async fn ready(&mut self) -> Result<(), Status> {
        self.0.ready().await.map_err(|error| Status::unavailable(error.to_string()))
    }
}

const PUBLISH: &str = "/limit/Publish";
const WRITE: &str = "/limit/Write";
const READ: &str = "/limit/Read";
const WATCH: &str = "/limit/Watch";
