//! A way to a collector: datagrams, each a message, or a stream in which each follows its length.

use crate::{config, config::SyslogAddress, permits::Permits, trust};
use futures_util::FutureExt;
use rustls_pki_types::ServerName;
use std::{future::Future, io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufWriter},
    net::{TcpStream, UdpSocket, UnixDatagram},
    time::timeout,
};
use tokio_rustls::TlsConnector;

/// Open, as far as one can know.
pub(super) enum Connection {
    Unix(UnixDatagram),
    Udp(UdpSocket),
    Stream(BufWriter<Box<dyn Stream>>),
}

/// Both ways: what a collector has to say is only ever that it is gone.
pub(super) trait Stream: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<S: AsyncRead + AsyncWrite + Send + Sync + Unpin> Stream for S {}

impl Connection {
    /// Opens the one that the settings name.
    pub(super) async fn open(
        settings: &config::Syslog,
        permits: &Arc<Permits>,
    ) -> Result<Self, String> {
        let address = settings.parsed().map_err(|error| error.to_string())?;
        within(async {
            Ok(match address {
                SyslogAddress::Unix(path) => {
                    let socket = UnixDatagram::unbound().map_err(said)?;
                    socket.connect(path).map_err(said)?;
                    Self::Unix(socket)
                }
                SyslogAddress::Udp(collector) => {
                    let any = if collector.starts_with('[') { "[::]:0" } else { "0.0.0.0:0" };
                    let socket = UdpSocket::bind(any).await.map_err(said)?;
                    socket.connect(collector).await.map_err(said)?;
                    Self::Udp(socket)
                }
                SyslogAddress::Tcp(collector) => {
                    let stream = TcpStream::connect(collector).await.map_err(said)?;
                    Self::Stream(BufWriter::new(Box::new(stream)))
                }
                SyslogAddress::Tls { collector, name } => {
                    let ca_file = settings.ca_file.as_deref();
                    let trust = trust::configuration("ca_file", ca_file, false, permits);
                    let trust = trust.await.map_err(|error| error.to_string())?;
                    let name = ServerName::try_from(name).map_err(|error| error.to_string())?;
                    let stream = TcpStream::connect(collector).await.map_err(said)?;
                    let connector = TlsConnector::from(Arc::new(trust));
                    let stream = connector.connect(name, stream).await.map_err(said)?;
                    Self::Stream(BufWriter::new(Box::new(stream)))
                }
            })
        })
        .await
    }

    /// Whether a message may be of any length.
    pub(super) fn is_stream(&self) -> bool {
        matches!(self, Self::Stream(_))
    }

    /// Sends a message.
    pub(super) async fn send(&mut self, message: Vec<u8>) -> Result<(), String> {
        within(async {
            match self {
                Self::Unix(socket) => socket.send(&message).await.map(drop).map_err(said),
                Self::Udp(socket) => socket.send(&message).await.map(drop).map_err(said),
                Self::Stream(stream) => {
                    is_open(stream.get_mut())?;
                    stream
                        .write_all(format!("{} ", message.len()).as_bytes())
                        .await
                        .map_err(said)?;
                    stream.write_all(&message).await.map_err(said)
                }
            }
        })
        .await
    }

    /// Hands all of it to the system.
    pub(super) async fn flush(&mut self) -> Result<(), String> {
        let Self::Stream(stream) = self else { return Ok(()) };
        within(async {
            stream.flush().await.map_err(said)?;
            is_open(stream.get_mut())
        })
        .await
    }
}

/// Whether the collector has not hung up: a write to one that has may still be taken.
fn is_open(stream: &mut Box<dyn Stream>) -> Result<(), String> {
    match stream.read(&mut [0; 64]).now_or_never() {
        Some(Ok(0)) => Err("the collector hung up".to_owned()),
        Some(Err(error)) => Err(said(error)),
        Some(Ok(_)) | None => Ok(()),
    }
}

async fn within<T>(work: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    match timeout(TIME_MAX, work).await {
        Ok(done) => done,
        Err(_) => Err(format!("the collector took nothing for {} s", TIME_MAX.as_secs())),
    }
}

fn said(error: io::Error) -> String {
    error.to_string()
}

/// How long a collector may take for one step.
const TIME_MAX: Duration = Duration::from_secs(5);
