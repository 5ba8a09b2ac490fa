//! Reaching a broker, and saying what was in the way.

use super::ClientConfig;
use crate::credentials::Holder;
use hyper_util::rt::TokioIo;
use rustls::{AlertDescription, CertificateError, pki_types::ServerName};
use std::{
    error::Error,
    io,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    io::AsyncBufReadExt,
    net::TcpStream,
    time::{Instant, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use tonic::transport::{Channel, Endpoint};
use tower::service_fn;

/// How long a connection may take, from the first packet to the broker's first word.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Why a broker was not reached.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The address is none: the caller's mistake.
    #[error("{given:?} is not an address; give host:port, such as broker.example.org:8443")]
    Address {
        /// What was given.
        given: String,
    },
    /// Nobody answered at the address, or the network broke. Worth another try.
    #[error("the broker at {address} cannot be reached: {source}")]
    Unreachable {
        /// Where.
        address: String,
        /// What the system said.
        source: io::Error,
    },
    /// It took too long. Worth another try.
    #[error("the broker at {address} did not answer within {after:?}")]
    TimedOut {
        /// Where.
        address: String,
        /// The limit.
        after: Duration,
    },
    /// Whoever answered is not a broker that we believe. Another try will not help.
    #[error("what answers at {address} was refused: {source}")]
    NotOurBroker {
        /// Where.
        address: String,
        /// What is wrong with it.
        source: rustls::Error,
    },
    /// The broker refused us. Another try with the same certificate will not help.
    #[error("the broker at {address} refused this client: {refusal}")]
    Refused {
        /// Where.
        address: String,
        /// Its reason.
        refusal: Refusal,
    },
}

/// Why a broker refused a client, as far as TLS can say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Our certificate has ended, or has not begun by the broker's clock.
    #[error("the client's certificate has expired, or is not valid yet by the broker's clock")]
    Expired,
    /// Our certificate was issued by nobody that the broker believes at this port.
    #[error("the client's certificate is from an authority that this port does not believe")]
    UnknownAuthority,
    /// Our certificate was withdrawn.
    #[error("the client's certificate was revoked")]
    Revoked,
    /// We showed no certificate where one is required.
    #[error("this port requires a client certificate, and none was shown")]
    CertificateRequired,
    /// Our certificate is for something else.
    #[error("the client's certificate is for another kind of client or another trust domain")]
    WrongCertificate,
    /// Something else.
    #[error("the handshake failed ({0:?})")]
    Other(AlertDescription),
}

/// Connects to the broker at `address` (`host:port`). When the connection breaks, the channel
/// makes the next one by itself, with what `config` holds then.
///
/// # Errors
/// [`ConnectError`]. What goes wrong later comes in a `tonic::Status`; [`ConnectError::within`]
/// finds it there.
pub async fn connect(
    address: &str,
    config: Holder<ClientConfig>,
    connect_timeout: Duration,
) -> Result<Channel, ConnectError> {
    // tonic would hide why the first connection failed, so it is made here and handed over.
    let first = dial(address, &config.current(), connect_timeout).await?;
    let first = Mutex::new(Some(first));
    let address = Arc::<str>::from(address);
    let dialled = Arc::clone(&address);
    let connector = service_fn(move |_| {
        let ready = first.lock().unwrap_or_else(PoisonError::into_inner).take();
        let (address, config) = (Arc::clone(&dialled), config.current());
        async move {
            match ready {
                Some(stream) => Ok(TokioIo::new(stream)),
                None => dial(&address, &config, connect_timeout).await.map(TokioIo::new),
            }
        }
    });
    let channel = endpoint(&address)?.connect_with_connector(connector).await;
    channel.map_err(|error| ConnectError::Unreachable {
        address: address.as_ref().to_owned(),
        source: io::Error::other(error),
    })
}

/// As [`connect`], but the first request makes the first connection.
///
/// # Errors
/// [`ConnectError::Address`] alone.
pub fn connect_lazy(
    address: &str,
    config: Holder<ClientConfig>,
    connect_timeout: Duration,
) -> Result<Channel, ConnectError> {
    server_name(address)?;
    let endpoint = endpoint(address)?;
    let address = Arc::<str>::from(address);
    Ok(endpoint.connect_with_connector_lazy(service_fn(move |_| {
        let (address, config) = (Arc::clone(&address), config.current());
        async move { dial(&address, &config, connect_timeout).await.map(TokioIo::new) }
    })))
}

/// With the scheme `https` tonic would want to do TLS itself, which cannot be told what we require
/// of it; so it is told `http`, and TLS is below.
fn endpoint(address: &str) -> Result<Endpoint, ConnectError> {
    Ok(Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| ConnectError::Address { given: address.to_owned() })?
        .http2_keep_alive_interval(Duration::from_secs(20))
        .keep_alive_timeout(Duration::from_secs(10))
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES))
}

/// Makes one connection, and waits for the broker's first word on it.
///
/// In TLS 1.3 a client is finished before the server has looked at its certificate, so a refusal
/// comes only where the client first reads. An HTTP/2 server speaks first (RFC 9113, section 3.4),
/// so its first bytes say that we were let in, and are left for whoever reads next.
///
/// # Errors
/// [`ConnectError`], with the reason told apart.
pub async fn dial(
    address: &str,
    config: &ClientConfig,
    connect_timeout: Duration,
) -> Result<TlsStream<TcpStream>, ConnectError> {
    let name = server_name(address)?;
    let deadline = Instant::now() + connect_timeout;
    let work = async {
        let tcp = TcpStream::connect(address).await?;
        tcp.set_nodelay(true)?;
        let mut tls = TlsConnector::from(Arc::clone(&config.tls)).connect(name, tcp).await?;
        if tls.fill_buf().await?.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(tls)
    };
    match timeout_at(deadline, work).await {
        Err(_) => {
            Err(ConnectError::TimedOut { address: address.to_owned(), after: connect_timeout })
        }
        Ok(outcome) => outcome.map_err(|error| ConnectError::from_io(address, error)),
    }
}

impl ConnectError {
    /// Looks for the reason inside another error, such as a `tonic::Status`.
    #[must_use]
    pub fn within<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a Self> {
        let mut next = Some(error);
        while let Some(error) = next {
            if let Some(found) = error.downcast_ref::<Self>() {
                return Some(found);
            }
            next = error.source();
        }
        None
    }

    fn from_io(address: &str, error: io::Error) -> Self {
        let address = address.to_owned();
        match error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => {
                Self::Refused { address, refusal: Refusal::from_alert(*alert) }
            }
            Some(refused) => Self::NotOurBroker { address, source: refused.clone() },
            None => Self::Unreachable { address, source: error },
        }
    }

    /// Whether the broker's certificate has expired, which its operator has to mend.
    #[must_use]
    pub fn is_expired_broker(&self) -> bool {
        matches!(
            self,
            Self::NotOurBroker {
                source: rustls::Error::InvalidCertificate(
                    CertificateError::Expired | CertificateError::ExpiredContext { .. }
                ),
                ..
            }
        )
    }
}

impl Refusal {
    fn from_alert(alert: AlertDescription) -> Self {
        match alert {
            AlertDescription::CertificateExpired => Self::Expired,
            AlertDescription::UnknownCA => Self::UnknownAuthority,
            AlertDescription::CertificateRevoked => Self::Revoked,
            AlertDescription::CertificateRequired => Self::CertificateRequired,
            AlertDescription::AccessDenied
            | AlertDescription::BadCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate => Self::WrongCertificate,
            other => Self::Other(other),
        }
    }
}

/// The host of `host:port`, for the server name indication only.
fn server_name(address: &str) -> Result<ServerName<'static>, ConnectError> {
    let wrong = || ConnectError::Address { given: address.chars().take(128).collect() };
    let (host, port) = address.rsplit_once(':').ok_or_else(wrong)?;
    match port.parse::<u16>() {
        Ok(1..) => {}
        _ => return Err(wrong()),
    }
    let host = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    ServerName::try_from(host.to_owned()).map_err(|_| wrong())
}

/// What may be under way to one stream: the largest secret there is.
const STREAM_WINDOW_BYTES: u32 = 64 * 1024;

/// What may be under way on one connection.
const CONNECTION_WINDOW_BYTES: u32 = 256 * 1024;
