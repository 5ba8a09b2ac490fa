//! HTTP/2 by hand: frames as bytes, for what no library would send (RFC 9113, RFC 7541).

use crate::wait::DEADLINE;
use anyhow::Result;
use prost::Message;
use rustix::net::sockopt::set_socket_send_buffer_size;
use secretref_identity::client::{ClientConfig, dial};
use std::{
    io,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpStream,
    task::JoinHandle,
};
use tokio_rustls::client::TlsStream;

/// Types of frames.
#[derive(Debug, Clone, Copy)]
#[repr(u8)]
pub enum Kind {
    /// Body of a request.
    Data = 0,
    /// Header list, or its beginning.
    Headers = 1,
    /// Deprecated, and to be ignored.
    Priority = 2,
    /// End of a stream.
    Reset = 3,
    /// Settings of this side.
    Settings = 4,
    /// Asks for an answer.
    Ping = 6,
    /// More room for the other side.
    WindowUpdate = 8,
    /// More of a header list.
    Continuation = 9,
}

/// Flag of the last frame of a stream.
pub const END_STREAM: u8 = 1;
/// Flag of the last frame of a header list.
pub const END_HEADERS: u8 = 4;

/// A connection whose client says what it is told to.
pub struct Wire {
    out: WriteHalf<TlsStream<TcpStream>>,
    incoming: Incoming,
}

/// What comes from the other side.
enum Incoming {
    /// Read and thrown away, so that the other side is never blocked.
    Drained { closed: Arc<AtomicBool>, drain: JoinHandle<()> },
    /// Not read at all.
    Unread { _half: ReadHalf<TlsStream<TcpStream>> },
}

impl Wire {
    /// Connects and begins HTTP/2; what comes is read and thrown away.
    ///
    /// # Errors
    /// Where the other side refuses.
    pub async fn open(address: &str, config: &ClientConfig) -> Result<Self> {
        let stream = dial(address, config, DEADLINE).await?;
        // What the other side does not read stays with whoever sends it: megabytes that the system
        // takes off his hands would look as if they had been read.
        set_socket_send_buffer_size(stream.get_ref().0, SEND_BUFFER_BYTES)?;
        let (mut from, out) = split(stream);
        let closed = Arc::new(AtomicBool::new(false));
        let seen = Arc::clone(&closed);
        let drain = tokio::spawn(async move {
            let mut buffer = [0; 4096];
            while let Ok(1..) = from.read(&mut buffer).await {}
            seen.store(true, Ordering::SeqCst);
        });
        let mut wire = Self { out, incoming: Incoming::Drained { closed, drain } };
        wire.begin().await?;
        Ok(wire)
    }

    /// As [`Wire::open`], but nothing that comes is ever read.
    ///
    /// # Errors
    /// As [`Wire::open`].
    pub async fn deaf(address: &str, config: &ClientConfig) -> Result<Self> {
        let (half, out) = split(dial(address, config, DEADLINE).await?);
        let mut wire = Self { out, incoming: Incoming::Unread { _half: half } };
        wire.begin().await?;
        Ok(wire)
    }

    async fn begin(&mut self) -> io::Result<()> {
        self.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await?;
        self.send(&frame(Kind::Settings, 0, 0, &[])).await
    }

    /// Sends bytes as they are.
    ///
    /// # Errors
    /// Where the connection was cut.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        if self.is_closed() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.out.write_all(bytes).await?;
        self.out.flush().await
    }

    /// Whether the other side has closed it, as far as is known.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        match &self.incoming {
            Incoming::Drained { closed, .. } => closed.load(Ordering::SeqCst),
            Incoming::Unread { .. } => false,
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        if let Incoming::Drained { drain, .. } = &self.incoming {
            drain.abort();
        }
    }
}

/// ```text
/// u24 length │ u8 kind │ u8 flags │ u1 reserved, u31 stream │ payload
/// ```
#[must_use]
pub fn frame(kind: Kind, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(u32::MAX).to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind as u8, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// The header list of a gRPC request, without indexing, so that every block stands alone.
#[must_use]
pub fn request(path: &str) -> Vec<u8> {
    [
        (":method", "POST"),
        (":scheme", "https"),
        (":path", path),
        (":authority", "localhost"),
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ]
    .into_iter()
    .flat_map(|(name, value)| header(name.as_bytes(), value.as_bytes()))
    .collect()
}

/// One header, without indexing.
#[must_use]
pub fn header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0], string(name), string(value)].concat()
}

/// One header that goes into the table of the other side, where 62 names it then.
#[must_use]
pub fn indexed_header(name: &[u8], value: &[u8]) -> Vec<u8> {
    [vec![0x40], string(name), string(value)].concat()
}

/// A length with a prefix of seven bits, no Huffman, and the bytes.
fn string(bytes: &[u8]) -> Vec<u8> {
    let mut encoded = Vec::with_capacity(bytes.len() + 4);
    match u8::try_from(bytes.len()) {
        Ok(length) if length < 127 => encoded.push(length),
        _ => {
            encoded.push(127);
            let mut rest = bytes.len() - 127;
            while rest >= 128 {
                encoded.push(u8::try_from(rest % 128).unwrap_or_default() | 0x80);
                rest /= 128;
            }
            encoded.push(u8::try_from(rest).unwrap_or_default());
        }
    }
    encoded.extend(bytes);
    encoded
}

/// A message as gRPC sends it: `u8 compressed, 0 │ u32 length │ message`.
#[must_use]
pub fn grpc(message: &impl Message) -> Vec<u8> {
    let body = message.encode_to_vec();
    let mut bytes = vec![0];
    bytes.extend(u32::try_from(body.len()).unwrap_or(u32::MAX).to_be_bytes());
    bytes.extend(body);
    bytes
}

const SEND_BUFFER_BYTES: usize = 16 * 1024;

#[cfg(test)]
mod tests;
