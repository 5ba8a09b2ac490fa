//! The way out: the one HTTP client by which the broker asks servers of others. It goes where it is
//! told and nowhere else: no redirect, no proxy of the environment, and TLS everywhere but on the
//! own host.

use reqwest::{Client, Url, redirect, retry};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs};
use secretref_domain::loopback::LoopbackUrl;
use std::{error::Error, io, sync::Arc, time::Duration};

/// Asks servers of others. Cheap to clone.
#[derive(Clone)]
pub struct Outbound(Client);

/// How long others are waited for.
#[derive(Debug, Clone, Copy)]
pub struct Patience {
    /// A connection, TLS included.
    pub connect: Duration,
    /// A request, its answer included; a request may say otherwise.
    pub whole: Duration,
}

/// Why there is no way out.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client could not be made: {0}")]
pub struct OutboundError(String);

/// Why a text is no address to go to. It does not repeat the text, which may be a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0}; an address is https://HOST/PATH, or http:// to a loopback address, of {URL_BYTES_MAX} \
     bytes at most"
)]
pub struct AddressError(&'static str);

/// Why no answer came. It says nothing of the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Trouble {
    /// Nobody is there, or the connection broke.
    #[error("it cannot be reached")]
    Unreachable,
    /// Nothing came in time.
    #[error("it did not answer in time")]
    TimedOut,
    /// Who is there is not who it should be.
    #[error("its certificate is not trusted")]
    Untrusted,
    /// What came is no HTTP.
    #[error("it answered what is no HTTP")]
    Garbled,
}

impl Default for Patience {
    fn default() -> Self {
        Self { connect: Duration::from_secs(2), whole: Duration::from_secs(5) }
    }
}

impl Outbound {
    /// A way out that believes the authorities of the system; where it has none, as in a bare
    /// image, those of Mozilla that came with the build.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub fn new(patience: Patience) -> Result<Self, OutboundError> {
        let mut roots = RootCertStore::empty();
        // What cannot be read or parsed is left out: the others are as good.
        roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        if roots.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        Self::believing(roots, patience)
    }

    /// A way out that believes these authorities and no others.
    ///
    /// # Errors
    /// [`OutboundError`].
    pub fn believing(roots: RootCertStore, patience: Patience) -> Result<Self, OutboundError> {
        let failed = |error: &dyn Error| OutboundError(error.to_string());
        let tls = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_proxy()
            .referer(false)
            // What is sent now and then gains nothing from a connection that waits for it.
            .pool_max_idle_per_host(0)
            .connect_timeout(patience.connect)
            .timeout(patience.whole)
            .user_agent(concat!("secretref/", env!("CARGO_PKG_VERSION")))
            .build();
        Ok(Self(client.map_err(|error| failed(&error))?))
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.0
    }
}

/// Takes an address to go to; one line end after it is passed over, since `put` keeps it.
///
/// # Errors
/// [`AddressError`].
pub fn address(given: &str) -> Result<Url, AddressError> {
    let given = given.strip_suffix('\n').unwrap_or(given);
    let given = given.strip_suffix('\r').unwrap_or(given);
    if given.len() > URL_BYTES_MAX {
        return Err(AddressError("it is too long"));
    }
    // The parser would leave some of them out, and so read another address than was written.
    if !given.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(AddressError("it has a character that no address has"));
    }
    let unreadable = AddressError("it cannot be read as an address");
    let url = match given.split_once("://") {
        Some(("https", _)) => Url::parse(given).map_err(|_| unreadable)?,
        Some(("http", _)) => {
            let loopback = LoopbackUrl::parse(given)
                .map_err(|_| AddressError("it is plain HTTP and not to this host"))?;
            // By its number: what `localhost` is, no resolver is asked.
            let plain = format!("http://{}{}", loopback.address(), loopback.path());
            Url::parse(&plain).map_err(|_| unreadable)?
        }
        _ => return Err(AddressError("it does not begin with https://")),
    };
    if url.host_str().is_none_or(str::is_empty) {
        return Err(AddressError("it has no host"));
    }
    Ok(url)
}

impl Trouble {
    /// What an error of the client comes to.
    #[must_use]
    pub fn of(error: &reqwest::Error) -> Self {
        let mut source: Option<&(dyn Error + 'static)> = Some(error);
        while let Some(cause) = source {
            if is_distrust(cause) {
                return Self::Untrusted;
            }
            source = cause.source();
        }
        match error {
            _ if error.is_timeout() => Self::TimedOut,
            _ if is_garbled(error) => Self::Garbled,
            _ => Self::Unreachable,
        }
    }
}

/// The first error of a kind among the causes of another, also where it is inside one of I/O, which
/// does not name it as its source.
#[must_use]
pub fn cause<E: Error + 'static>(error: &reqwest::Error) -> Option<&E> {
    let mut next: Option<&(dyn Error + 'static)> = error.source();
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref() {
            return Some(found);
        }
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match inner {
            Some(inner) => Some(inner),
            None => error.source(),
        };
    }
    None
}

/// Whether what came is no HTTP, in its head or in its body.
#[must_use]
pub fn is_garbled(error: &reqwest::Error) -> bool {
    let in_head = |it: &hyper::Error| it.is_parse() || it.is_parse_too_large();
    // A chunk of a body without a length.
    let in_body = |it: &io::Error| {
        matches!(it.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
    };
    cause(error).is_some_and(in_head) || cause(error).is_some_and(in_body)
}

/// Whether a cause is that of TLS, which I/O errors carry and do not call their source.
fn is_distrust(cause: &(dyn Error + 'static)) -> bool {
    let carried = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
    match carried {
        Some(carried) => is_distrust(carried),
        None => matches!(cause.downcast_ref(), Some(rustls::Error::InvalidCertificate(_))),
    }
}

/// Longest address, in bytes.
pub const URL_BYTES_MAX: usize = 1024;

#[cfg(test)]
mod tests;
