//! What happens to a request on its way, told to a collector over OTLP: the command, the commit,
//! each push, and each sidecar's apply are spans of one trace.
//!
//! Off unless a process was told of a collector; then a span costs nothing. Spans hold names,
//! versions and revisions, never a value: there is no way to put one in.

use opentelemetry::{
    Context, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{
        Span as _, SpanBuilder, SpanContext, SpanKind, Status, TraceContextExt as _, TraceState,
        Tracer as _, TracerProvider as _,
    },
};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{SdkTracer, SdkTracerProvider, Span as SdkSpan},
};
pub use secretref_domain::traceparent::TraceParent;
use std::sync::OnceLock;

/// Why nothing is told.
#[derive(Debug, thiserror::Error)]
pub enum SpansError {
    /// The collector's address is not one that is spoken to.
    #[error(
        "OTEL_EXPORTER_OTLP_ENDPOINT is {0:?}: the collector's address begins with http://, as in \
         http://127.0.0.1:4317. Fix: name one on this host, which speaks TLS to where it sends"
    )]
    Address(String),
    /// The exporter cannot be made.
    #[error("no collector can be told of spans: {0}")]
    Exporter(String),
}

/// Spans of this process on their way to a collector.
pub struct Telling(SdkTracerProvider);

/// The tracer of this process, as its log is one.
static TRACER: OnceLock<SdkTracer> = OnceLock::new();

tokio::task_local! {
    /// The span that what runs now is a part of.
    static WITHIN: TraceParent;
}

/// Who takes part in a span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request is sent.
    Client,
    /// A request is answered.
    Server,
    /// Something that this process does by itself.
    Internal,
    /// Something is handed on, to be worked off later.
    Producer,
    /// Something that was handed on is worked off.
    Consumer,
}

/// Tells a collector of this process's spans from now on. To be called inside a runtime, once.
///
/// # Errors
/// [`SpansError`].
pub fn tell(
    service: &'static str,
    version: &'static str,
    endpoint: &str,
) -> Result<Telling, SpansError> {
    if !endpoint.starts_with("http://") {
        return Err(SpansError::Address(endpoint.to_owned()));
    }
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint).build();
    let exporter = exporter.map_err(|error| SpansError::Exporter(error.to_string()))?;
    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.version", version))
        .build();
    let provider =
        SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource).build();
    // Of two in one process the first one tells for both.
    let _ = TRACER.set(provider.tracer("secretref"));
    Ok(Telling(provider))
}

impl Telling {
    /// Sends what is left, for 5 s at most.
    pub async fn end(self) {
        // It blocks, and the runtime has to go on meanwhile: it is what sends.
        let ended = tokio::task::spawn_blocking(move || self.0.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::info!("a collector was not told of the last spans");
        }
    }
}

/// Whether anybody is told of anything.
#[must_use]
pub fn is_on() -> bool {
    TRACER.get().is_some()
}

/// The span that what runs now is a part of.
#[must_use]
pub fn current() -> Option<TraceParent> {
    WITHIN.try_with(|parent| *parent).ok()
}

/// Runs something as a part of a span.
pub async fn within<F: Future>(parent: Option<TraceParent>, work: F) -> F::Output {
    match parent {
        Some(parent) => WITHIN.scope(parent, work).await,
        None => work.await,
    }
}

/// Something that happens, from when this is made until it is dropped.
pub struct Span(Option<SdkSpan>);

impl Span {
    /// A part of another span, here or in another process; of none, the first of a new trace.
    #[must_use]
    pub fn new(name: &'static str, kind: Kind, parent: Option<TraceParent>) -> Self {
        let Some(tracer) = TRACER.get() else { return Self(None) };
        let kind = match kind {
            Kind::Client => SpanKind::Client,
            Kind::Server => SpanKind::Server,
            Kind::Internal => SpanKind::Internal,
            Kind::Producer => SpanKind::Producer,
            Kind::Consumer => SpanKind::Consumer,
        };
        let context = parent.map_or_else(Context::new, |parent| {
            Context::new().with_remote_span_context(remote(parent))
        });
        let builder = SpanBuilder::from_name(name).with_kind(kind);
        Self(Some(tracer.build_with_context(builder, &context)))
    }

    /// Nothing that anybody is told of.
    #[must_use]
    pub fn none() -> Self {
        Self(None)
    }

    /// What parts of it name as theirs.
    #[must_use]
    pub fn parent(&self) -> Option<TraceParent> {
        let context = self.0.as_ref()?.span_context();
        let trace = u128::from_be_bytes(context.trace_id().to_bytes());
        let span = u64::from_be_bytes(context.span_id().to_bytes());
        (context.is_sampled() && trace != 0).then_some(TraceParent { trace, span })
    }

    /// Adds a name, such as an agent's.
    pub fn name(&mut self, key: &'static str, name: &str) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, name.to_owned()));
        }
    }

    /// Adds a number, such as a revision.
    pub fn number(&mut self, key: &'static str, number: i64) {
        if let Some(span) = &mut self.0 {
            span.set_attribute(KeyValue::new(key, number));
        }
    }

    /// Says that it came to nothing, and why.
    pub fn fail(&mut self, why: String) {
        if let Some(span) = &mut self.0 {
            span.set_status(Status::error(why));
        }
    }
}

fn remote(parent: TraceParent) -> SpanContext {
    SpanContext::new(
        TraceId::from_bytes(parent.trace.to_be_bytes()),
        SpanId::from_bytes(parent.span.to_be_bytes()),
        TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    )
}
