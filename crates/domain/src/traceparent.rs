//! Where a span stands in a trace, as it is handed on: the `traceparent` of W3C Trace Context.
//!
//! ```text
//! 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01
//!    trace (16 bytes)                 span (8 bytes)   sampled
//! ```

use serde::{Deserialize, Serialize};
use std::fmt;

/// A span of a trace that is kept. It grants nothing, and says nothing but itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct TraceParent {
    /// The trace.
    pub trace: u128,
    /// The span.
    pub span: u64,
}

/// A text that is none, or one of a trace that is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it is no traceparent of a trace that is kept")]
pub struct TraceParentError;

impl TraceParent {
    /// Reads the text. Versions later than 00 may have more at the end, which is left out.
    ///
    /// # Errors
    /// [`TraceParentError`].
    pub fn parse(text: &str) -> Result<Self, TraceParentError> {
        let mut parts = text.splitn(5, '-');
        let mut next = |digits: usize| {
            let part = parts.next().filter(|part| part.len() == digits);
            let plain =
                |part: &&str| part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'));
            part.filter(plain).ok_or(TraceParentError)
        };
        let (version, trace, span, flags) = (next(2)?, next(32)?, next(16)?, next(2)?);
        let known = match version {
            "ff" => false,
            "00" => parts.next().is_none(),
            _ => true,
        };
        let number = |text| u128::from_str_radix(text, 16).map_err(|_| TraceParentError);
        let (trace, span, flags) = (number(trace)?, number(span)?, number(flags)?);
        let span = u64::try_from(span).map_err(|_| TraceParentError)?;
        match known && trace != 0 && span != 0 && flags & 1 == 1 {
            true => Ok(Self { trace, span }),
            false => Err(TraceParentError),
        }
    }
}

impl fmt::Display for TraceParent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "00-{:032x}-{:016x}-01", self.trace, self.span)
    }
}

impl From<TraceParent> for String {
    fn from(parent: TraceParent) -> Self {
        parent.to_string()
    }
}

impl TryFrom<String> for TraceParent {
    type Error = TraceParentError;

    fn try_from(text: String) -> Result<Self, TraceParentError> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests;
