//! A plain TLS client that shows whatever certificate it is given, sound or not.

use anyhow::{Context, Result, bail};
use rustls::{
    AlertDescription, RootCertStore,
    client::ResolvesClientCert,
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName, pem::PemObject},
    sign::{CertifiedKey, SingleCertAndKey},
    version::TLS13,
};
use secretref_identity::{credentials::Credentials, provider::provider};
use secretref_testkit::wait::DEADLINE;
use std::{io, net::SocketAddr, sync::Arc};
use tokio::{io::AsyncReadExt, net::TcpStream, time::timeout};
use tokio_rustls::TlsConnector;

/// What came of a handshake.
pub(crate) enum Entry {
    /// HTTP/2 was begun by the broker.
    In,
    /// It was refused, with this alert where one came before the end.
    Refused(Option<AlertDescription>),
}

/// A certificate chain with a key, which need not fit.
#[derive(Clone)]
pub(crate) struct Shown {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    /// In PKCS#8 DER.
    pub(crate) key: Vec<u8>,
}

impl Shown {
    pub(crate) fn of(credentials: &Credentials) -> Result<Self> {
        let pem = credentials.chain_pem();
        let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<_, _>>()?;
        Ok(Self { chain, key: credentials.key().expose_der().to_vec() })
    }
}

/// Shakes hands, and waits for the broker's first word: in TLS 1.3 a client is finished before its
/// certificate is looked at.
pub(crate) async fn knock(
    address: SocketAddr,
    root: &CertificateDer<'static>,
    shown: &Shown,
) -> Result<Entry> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone())?;
    let key = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(shown.key.clone()));
    let key = rustls::crypto::aws_lc_rs::sign::any_supported_type(&key)?;
    let resolver: Arc<dyn ResolvesClientCert> =
        Arc::new(SingleCertAndKey::from(CertifiedKey::new(shown.chain.clone(), key)));
    let mut config = rustls::ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])?
        .with_root_certificates(roots)
        .with_client_cert_resolver(resolver);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let come = async {
        let tcp = TcpStream::connect(address).await?;
        let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
        let mut tls = TlsConnector::from(Arc::new(config)).connect(name, tcp).await?;
        let mut first = [0; 9];
        tls.read_exact(&mut first).await?;
        Ok::<_, io::Error>(())
    };
    match timeout(DEADLINE, come).await.context("the broker neither let it in nor refused it")? {
        Ok(()) => Ok(Entry::In),
        Err(error) => match error.get_ref().and_then(|it| it.downcast_ref::<rustls::Error>()) {
            Some(rustls::Error::AlertReceived(alert)) => Ok(Entry::Refused(Some(*alert))),
            Some(other) => bail!("the client failed: {other}"),
            None => Ok(Entry::Refused(None)),
        },
    }
}
