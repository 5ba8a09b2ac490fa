//! What is answered: values are sent from the memory that they are in, which is overwritten when
//! the last who has it lets go.

use hyper::body::{Body as HttpBody, Bytes, Frame, SizeHint};
use secretref_domain::{clock::Timestamp, name::SecretName, value::SecretValue, version::Version};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use zeroize::Zeroizing;

use super::Desk;

/// The body of an answer.
pub(super) enum Body {
    /// Bytes, once; and what is read by whoever takes them.
    Whole(Option<Bytes>, Option<Reading>),
    /// As they come.
    Stream(mpsc::Receiver<Bytes>),
}

/// Which values an answer has: noted as read when they leave.
pub(super) struct Reading {
    pub(super) desk: Desk,
    pub(super) values: Vec<(SecretName, Version)>,
}

impl Body {
    pub(super) fn empty() -> Self {
        Self::Whole(None, None)
    }

    pub(super) fn text(text: String) -> Self {
        Self::Whole(Some(text.into()), None)
    }

    /// One value as it is.
    pub(super) fn value(value: Arc<SecretValue>, reading: Reading) -> Self {
        Self::Whole(Some(Bytes::from_owner(Shared(value))), Some(reading))
    }

    /// Text that was made from values.
    pub(super) fn secret(text: Zeroizing<Vec<u8>>, reading: Reading) -> Self {
        Self::Whole(Some(Bytes::from_owner(text)), Some(reading))
    }
}

impl Reading {
    fn note(self) {
        let now: Timestamp = self.desk.clock.now();
        for (name, version) in &self.values {
            self.desk.witness.read(name, *version, now);
        }
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let bytes = match &mut *self {
            Self::Stream(bytes) => std::task::ready!(bytes.poll_recv(context)),
            Self::Whole(bytes, reading) => {
                let bytes = bytes.take();
                if let Some(reading) = reading.take().filter(|_| bytes.is_some()) {
                    reading.note();
                }
                bytes
            }
        };
        Poll::Ready(bytes.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None, _))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Stream(_) => SizeHint::default(),
            Self::Whole(bytes, _) => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
        }
    }
}

/// Shares a value with the transport.
struct Shared(Arc<SecretValue>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        self.0.expose()
    }
}
