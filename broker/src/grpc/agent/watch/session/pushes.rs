//! What is known of a push from the commit that led to it until the sidecar applied it: its span,
//! for whoever is told of spans, and how long it took.

use crate::{custody::Admission, feed::Woken, metrics};
use secretref_domain::traceparent::TraceParent;
use secretref_proto::v1;
use secretref_spans::{Kind, Span};
use tokio::time::Instant;

/// The push that is due, and the one that is on its way.
#[derive(Default)]
pub(super) struct Pushes {
    /// The span of the commit that the stream was woken by last.
    trace: Option<TraceParent>,
    /// When the first commit came that the sidecar was not told of yet.
    due_since: Option<Instant>,
    /// The span of the push that is not answered yet.
    span: Option<Span>,
    /// When the commit came that led to it.
    since: Option<Instant>,
}

impl Pushes {
    /// A commit woke the stream.
    pub(super) fn due(&mut self, woken: &Woken) {
        self.trace = woken.trace.or(self.trace);
        self.due_since = self.due_since.or(woken.since);
    }

    /// A push begins: its span, where a commit with one led to it, is named to the sidecar.
    pub(super) fn begin(&mut self, admission: &Admission, manifests: &mut [v1::Manifest]) {
        self.since = self.due_since.take();
        self.span = self.trace.take().map(|trace| span(trace, admission, manifests));
    }

    /// The sidecar has it.
    pub(super) fn received(&mut self) {
        self.span = None;
        if let Some(since) = self.since {
            metrics::pushed(since.elapsed());
        }
    }

    /// The sidecar applied something of it: that is said once.
    pub(super) fn applied(&mut self) {
        if let Some(since) = self.since.take() {
            metrics::applied(since.elapsed());
        }
    }
}

fn span(trace: TraceParent, admission: &Admission, manifests: &mut [v1::Manifest]) -> Span {
    let mut span = Span::new("push", Kind::Producer, Some(trace));
    span.name("secretref.agent", admission.name.as_str());
    span.name("secretref.instance", &admission.instance.to_string());
    if let (Some(parent), Some(last)) = (span.parent(), manifests.last_mut()) {
        last.trace_parent = parent.to_string();
    }
    span
}
