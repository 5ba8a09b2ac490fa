//! A collector of OpenTelemetry's: whatever spans are sent to it over OTLP, it writes into a file,
//! a JSON object a line; of metrics it keeps the names.

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::{
    collector::{
        metrics::v1::{
            ExportMetricsServiceRequest, ExportMetricsServiceResponse,
            metrics_service_server::{MetricsService, MetricsServiceServer},
        },
        trace::v1::{
            ExportTraceServiceRequest, ExportTraceServiceResponse,
            trace_service_server::{TraceService, TraceServiceServer},
        },
    },
    common::v1::{AnyValue, KeyValue, any_value::Value as Any},
    trace::v1::Span,
};
use serde_json::{Map, Value, json};
use std::{
    collections::BTreeSet,
    fs::{self, File, OpenOptions},
    io::Write,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::task::AbortOnDropHandle;
use tonic::{Request, Response, Status, transport::Server};

/// A collector that listens on loopback. It ends when it is dropped.
pub struct Collector {
    address: SocketAddr,
    file: PathBuf,
    metrics: Arc<Mutex<BTreeSet<String>>>,
    _serving: AbortOnDropHandle<()>,
}

struct Writer(Mutex<File>);

impl Collector {
    /// Starts one that writes into `spans.jsonl` of a folder.
    ///
    /// # Errors
    /// Where nothing can be listened on or written.
    pub async fn start(folder: &Path) -> Result<Self> {
        let file = folder.join("spans.jsonl");
        let open = OpenOptions::new().create(true).append(true).open(&file)?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?;
        let service = TraceServiceServer::new(Writer(Mutex::new(open)));
        let metrics = Arc::<Mutex<BTreeSet<String>>>::default();
        let named = MetricsServiceServer::new(Names(Arc::clone(&metrics)));
        let server = Server::builder().add_service(service).add_service(named);
        let serving = server.serve_with_incoming(TcpListenerStream::new(listener));
        // How it ends is of no matter to whoever reads its file.
        let serving = tokio::spawn(async move { drop(serving.await) });
        Ok(Self { address, file, metrics, _serving: AbortOnDropHandle::new(serving) })
    }

    /// What processes are told: variables of their environment.
    #[must_use]
    pub fn variables(&self) -> [(&'static str, String); 3] {
        let endpoint = format!("http://{}", self.address);
        // Sent at once, so that nobody waits for it.
        [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint),
            ("OTEL_BSP_SCHEDULE_DELAY", "50".to_owned()),
            ("OTEL_METRIC_EXPORT_INTERVAL", "200".to_owned()),
        ]
    }

    /// Names of the metrics that came so far.
    #[must_use]
    pub fn metrics(&self) -> BTreeSet<String> {
        self.metrics.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The spans that came so far.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn spans(&self) -> Result<Vec<Value>> {
        let text = fs::read_to_string(&self.file)?;
        let whole = text.rfind('\n').map_or("", |end| &text[..end]);
        let lines = whole.lines().map(serde_json::from_str);
        lines.collect::<serde_json::Result<_>>().context("what the collector wrote")
    }

    /// The file as it is.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }
}

#[tonic::async_trait]
impl TraceService for Writer {
    async fn export(
        &self,
        request: Request<ExportTraceServiceRequest>,
    ) -> Result<Response<ExportTraceServiceResponse>, Status> {
        let mut lines = String::new();
        for resource in request.into_inner().resource_spans {
            let of = resource.resource.map(|it| attributes(&it.attributes)).unwrap_or_default();
            for span in resource.scope_spans.into_iter().flat_map(|scope| scope.spans) {
                lines.push_str(&line(&of, &span).to_string());
                lines.push('\n');
            }
        }
        let mut file = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        file.write_all(lines.as_bytes()).map_err(|error| Status::internal(error.to_string()))?;
        Ok(Response::new(ExportTraceServiceResponse::default()))
    }
}

struct Names(Arc<Mutex<BTreeSet<String>>>);

#[tonic::async_trait]
impl MetricsService for Names {
    async fn export(
        &self,
        request: Request<ExportMetricsServiceRequest>,
    ) -> Result<Response<ExportMetricsServiceResponse>, Status> {
        let resources = request.into_inner().resource_metrics.into_iter();
        let scopes = resources.flat_map(|resource| resource.scope_metrics);
        let names = scopes.flat_map(|scope| scope.metrics).map(|metric| metric.name);
        self.0.lock().unwrap_or_else(PoisonError::into_inner).extend(names);
        Ok(Response::new(ExportMetricsServiceResponse::default()))
    }
}

fn line(of: &Map<String, Value>, span: &Span) -> Value {
    let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    json!({
        "service": of.get("service.name"),
        "trace": hex(&span.trace_id),
        "span": hex(&span.span_id),
        "parent": hex(&span.parent_span_id),
        "name": span.name,
        "nanos": span.end_time_unix_nano.saturating_sub(span.start_time_unix_nano),
        "attributes": attributes(&span.attributes),
        "failed": span.status.as_ref().map(|status| status.message.clone()),
    })
}

fn attributes(given: &[KeyValue]) -> Map<String, Value> {
    let value = |value: &Option<AnyValue>| match value.as_ref().and_then(|it| it.value.as_ref()) {
        Some(Any::StringValue(text)) => json!(text),
        Some(Any::IntValue(number)) => json!(number),
        _ => Value::Null,
    };
    given.iter().map(|it| (it.key.clone(), value(&it.value))).collect()
}
