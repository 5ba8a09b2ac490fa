//! What the broker counts and measures, by OpenTelemetry's conventions: for whoever scrapes
//! `/metrics`, and over OTLP to a collector where one is named. docs/telemetry.md has all of them.
//!
//! Labels are words that the code knows, and nothing that anybody names: neither an agent's nor a
//! secret's name makes a series, so nobody can make many, and whoever reads them learns none.

mod figures;
mod process;

pub use figures::Figures;

use axum::{Router, http::header::CONTENT_TYPE, routing::get};
use opentelemetry::{
    KeyValue,
    metrics::{Counter, Gauge, Histogram, Meter, MeterProvider as _},
};
use opentelemetry_otlp::{MetricExporter, WithExportConfig as _};
use opentelemetry_sdk::{
    Resource,
    metrics::{PeriodicReader, SdkMeterProvider},
};
use prometheus::{Encoder as _, Registry, TextEncoder};
use secretref_domain::condition::Condition;
use secretref_proto::method::Method;
use std::{io, sync::OnceLock, time::Duration};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// Why nothing is measured.
#[derive(Debug, thiserror::Error)]
#[error("nothing can be measured: {0}")]
pub struct MetricsError(String);

/// What is measured, on its way to whoever wants to know.
pub struct Metrics {
    registry: Registry,
    provider: SdkMeterProvider,
}

/// The instruments of this process, as its log is one.
static INSTRUMENTS: OnceLock<Instruments> = OnceLock::new();

struct Instruments {
    requests: Histogram<f64>,
    commits: Histogram<f64>,
    entries: Counter<u64>,
    pushes: Histogram<f64>,
    applies: Histogram<f64>,
    results: Counter<u64>,
    refusals: Counter<u64>,
    streams: Gauge<u64>,
    agents: Gauge<u64>,
    secrets: Gauge<u64>,
    rotations: Gauge<u64>,
    conditions: Gauge<u64>,
    revision: Gauge<u64>,
    fresh: Gauge<u64>,
    unsigned: Gauge<u64>,
}

impl Metrics {
    /// Measures from now on; with a collector, which is told now and then. To be called inside a
    /// runtime.
    ///
    /// # Errors
    /// [`MetricsError`].
    pub fn start(collector: Option<&str>) -> Result<Self, MetricsError> {
        let failed = |error: &dyn std::fmt::Display| MetricsError(error.to_string());
        let registry = Registry::new();
        let scrapes = opentelemetry_prometheus::exporter()
            .with_registry(registry.clone())
            .scope_info_enabled(false)
            .build()
            .map_err(|error| failed(&error))?;
        let resource = Resource::builder()
            .with_service_name("secretref-broker")
            .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
            .build();
        let mut provider = SdkMeterProvider::builder().with_resource(resource).with_reader(scrapes);
        if let Some(endpoint) = collector {
            let exporter = MetricExporter::builder().with_tonic().with_endpoint(endpoint).build();
            let exporter = exporter.map_err(|error| failed(&error))?;
            provider = provider.with_reader(PeriodicReader::builder(exporter).build());
        }
        let provider = provider.build();
        let meter = provider.meter("secretref");
        process::observe(&meter);
        // Of two in one process the first one measures for both.
        let _ = INSTRUMENTS.set(Instruments::new(&meter));
        Ok(Self { registry, provider })
    }

    /// Serves `/metrics` until `stop`.
    ///
    /// # Errors
    /// What the transport says.
    pub fn serve(
        &self,
        listener: TcpListener,
        stop: CancellationToken,
    ) -> impl Future<Output = io::Result<()>> + Send + use<> {
        let registry = self.registry.clone();
        let text = move || {
            let (encoder, mut text) = (TextEncoder::new(), Vec::new());
            // What cannot be encoded is left out, and seen by whoever looks for it.
            if let Err(error) = encoder.encode(&registry.gather(), &mut text) {
                tracing::warn!(%error, "some metrics were not written");
            }
            async move { ([(CONTENT_TYPE, encoder.format_type().to_owned())], text) }
        };
        let router = Router::new().route("/metrics", get(text));
        let serving = axum::serve(listener, router);
        let serving = serving.with_graceful_shutdown(stop.cancelled_owned());
        async move { serving.await }
    }

    /// Tells the collector what is left, for 5 s at most.
    pub async fn end(self) {
        // It blocks, and the runtime has to go on meanwhile: it is what sends.
        let ended = tokio::task::spawn_blocking(move || self.provider.shutdown()).await;
        if !matches!(ended, Ok(Ok(()))) {
            tracing::info!("a collector was not told of the last metrics");
        }
    }
}

impl Instruments {
    fn new(meter: &Meter) -> Self {
        let seconds = |name, what| {
            let histogram = meter.f64_histogram(name).with_unit("s").with_description(what);
            histogram.with_boundaries(SECONDS.to_vec()).build()
        };
        let counter = |name, unit, what| {
            meter.u64_counter(name).with_unit(unit).with_description(what).build()
        };
        let gauge =
            |name, unit, what| meter.u64_gauge(name).with_unit(unit).with_description(what).build();
        Self {
            requests: seconds("rpc.server.call.duration", "Requests, until their answer begins"),
            commits: seconds(
                "secretref.commit.duration",
                "Batches of the writer, until they are durable",
            ),
            entries: counter("secretref.audit.entries", "{entry}", "Entries of the audit trail"),
            pushes: seconds(
                "secretref.push.duration",
                "Sets, from the commit that led to them until the sidecar has them",
            ),
            applies: seconds(
                "secretref.apply.duration",
                "Sets, from the commit that led to them until the sidecar applied them",
            ),
            results: counter("secretref.results", "{result}", "What sidecars said of secrets"),
            refusals: counter(
                "secretref.refusals",
                "{refusal}",
                "What was refused because it was too much",
            ),
            streams: gauge("secretref.streams", "{stream}", "Sidecars connected to this broker"),
            agents: gauge("secretref.agents", "{agent}", "Agents"),
            secrets: gauge("secretref.secrets", "{secret}", "Secrets"),
            rotations: gauge("secretref.rotations", "{rotation}", "Rotations under way"),
            conditions: gauge(
                "secretref.conditions",
                "{condition}",
                "What is so and people should know of, as secretref monitor has it",
            ),
            revision: gauge("secretref.revision", "{revision}", "Revision that is followed"),
            fresh: gauge("secretref.fresh", "{broker}", "Whether values may leave: 1 or 0"),
            unsigned: gauge(
                "secretref.audit.unsigned",
                "{entry}",
                "Entries of the trail that no checkpoint signs yet",
            ),
        }
    }
}

/// A request was answered, or its stream opened.
pub(crate) fn answered(method: Option<Method>, code: Code, took: Duration) {
    let Some(it) = INSTRUMENTS.get() else { return };
    let method = method.map_or("_OTHER", |method| method.path().trim_start_matches('/'));
    let labels = [
        KeyValue::new("rpc.system.name", "grpc"),
        KeyValue::new("rpc.method", method),
        KeyValue::new("rpc.response.status_code", code_word(code)),
    ];
    it.requests.record(took.as_secs_f64(), &labels);
}

/// A batch became durable, with so many entries of the trail, or was not written.
pub(crate) fn committed(entries: Option<usize>, took: Duration) {
    let Some(it) = INSTRUMENTS.get() else { return };
    let outcome = if entries.is_some() { "written" } else { "failed" };
    it.commits.record(took.as_secs_f64(), &[KeyValue::new("secretref.outcome", outcome)]);
    it.entries.add(entries.and_then(|count| u64::try_from(count).ok()).unwrap_or(0), &[]);
}

/// A sidecar has a set.
pub(crate) fn pushed(took: Duration) {
    if let Some(it) = INSTRUMENTS.get() {
        it.pushes.record(took.as_secs_f64(), &[]);
    }
}

/// A sidecar applied a set.
pub(crate) fn applied(took: Duration) {
    if let Some(it) = INSTRUMENTS.get() {
        it.applies.record(took.as_secs_f64(), &[]);
    }
}

/// A sidecar said something of a secret.
pub(crate) fn said(state: &'static str) {
    if let Some(it) = INSTRUMENTS.get() {
        it.results.add(1, &[KeyValue::new("secretref.state", state)]);
    }
}

/// Something was refused because it was too much.
pub(crate) fn refused(limit: &'static str) {
    if let Some(it) = INSTRUMENTS.get() {
        it.refusals.add(1, &[KeyValue::new("secretref.limit", limit)]);
    }
}

/// What there is.
pub(crate) fn look(figures: &Figures) {
    if let Some(it) = INSTRUMENTS.get() {
        it.look(figures);
    }
}

/// What is so.
pub(crate) fn looked(so: &[Condition]) {
    if let Some(it) = INSTRUMENTS.get() {
        it.looked(so);
    }
}

/// What is in the trail and not signed yet.
pub(crate) fn unsigned(entries: u64) {
    if let Some(it) = INSTRUMENTS.get() {
        it.unsigned.record(entries, &[]);
    }
}

fn code_word(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

/// Upper bounds of what is counted together: from half a millisecond to a minute.
const SECONDS: [f64; 15] =
    [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0];
