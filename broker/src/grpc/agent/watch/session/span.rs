//! What whoever is told of spans learns of a push.

use super::Session;
use secretref_proto::v1;
use secretref_spans::{Kind, Span};

impl Session {
    /// Begins the span of a push, where a commit with one led to it, and names it to the sidecar.
    pub(super) fn begin_span(&mut self, manifests: &mut [v1::Manifest]) -> Option<Span> {
        let mut span = Span::new("push", Kind::Producer, Some(self.trace.take()?));
        span.name("secretref.agent", self.admission.name.as_str());
        span.name("secretref.instance", &self.admission.instance.to_string());
        let parent = span.parent()?;
        manifests.last_mut()?.trace_parent = parent.to_string();
        Some(span)
    }
}
