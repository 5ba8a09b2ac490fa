//! An authority that issues whatever a test wants, sound or not.

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, SanType, SerialNumber,
};
use rustls::{
    pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, ServerName},
    version::TLS13,
};
use secretref_identity::{
    clock::Clock,
    credentials::{Credentials, PrivateKey, TrustBundle},
    peer::Peer,
    provider::provider,
    server::{AcceptError, ServerConfig, accept},
    subject::TrustDomain,
};
use std::{
    io,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};
use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};
use tokio_rustls::TlsConnector;

pub(crate) const NOW: i64 = 1_800_000_000;
pub(crate) const HOUR: i64 = 60 * 60;
pub(crate) const DAY: i64 = 24 * HOUR;
pub(crate) const LONG: Duration = Duration::from_secs(30);
pub(crate) const AGENT: &str = "spiffe://example.org/agent/\
    0192f0a0-0000-7000-8000-000000000001/0192f0a0-0000-7000-8000-000000000002";
pub(crate) const ADMIN: &str = "spiffe://example.org/admin/0192f0a0-0000-7000-8000-000000000003";
pub(crate) const BROKER: &str = "spiffe://example.org/broker/0192f0a0-0000-7000-8000-000000000004";

/// A certificate that signs, with its key.
pub(crate) struct Signer {
    pub(crate) certificate: CertificateDer<'static>,
    issuer: Issuer<'static, KeyPair>,
}

/// A root with the three intermediates.
pub(crate) struct World {
    pub(crate) root: Signer,
    pub(crate) agents: Signer,
    pub(crate) admins: Signer,
    pub(crate) servers: Signer,
}

/// A leaf with whatever stands above it, and its key.
pub(crate) struct Leaf {
    pub(crate) chain: Vec<CertificateDer<'static>>,
    pub(crate) key: KeyPair,
}

impl Signer {
    fn params(name: &str, path_length: u8) -> CertificateParams {
        let mut params = CertificateParams::default();
        set_validity(&mut params, NOW - DAY, NOW + 90 * DAY);
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(path_length));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        params
    }

    pub(crate) fn root(name: &str) -> Self {
        let (params, key) = (Self::params(name, 1), KeyPair::generate().unwrap());
        let certificate = params.self_signed(&key).unwrap().into();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    pub(crate) fn intermediate(&self, name: &str, usage: ExtendedKeyUsagePurpose) -> Self {
        let (mut params, key) = (Self::params(name, 0), KeyPair::generate().unwrap());
        params.extended_key_usages = vec![usage];
        let certificate = params.signed_by(&key, &self.issuer).unwrap().into();
        Self { certificate, issuer: Issuer::new(params, key) }
    }

    /// A leaf for `uri`, as `change` leaves it.
    pub(crate) fn leaf(
        &self,
        uri: &str,
        usage: ExtendedKeyUsagePurpose,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Leaf {
        let key = KeyPair::generate().unwrap();
        let params = leaf_params(uri, usage, change);
        let leaf = params.signed_by(&key, &self.issuer).unwrap().into();
        Leaf { chain: vec![leaf, self.certificate.clone()], key }
    }
}

fn leaf_params(
    uri: &str,
    usage: ExtendedKeyUsagePurpose,
    change: impl FnOnce(&mut CertificateParams),
) -> CertificateParams {
    let mut params = CertificateParams::default();
    set_validity(&mut params, NOW - 60, NOW + HOUR);
    params.distinguished_name = DistinguishedName::new();
    params.serial_number = Some(SerialNumber::from_slice(&[0x41; 16]));
    params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![usage];
    change(&mut params);
    params
}

pub(crate) fn set_validity(params: &mut CertificateParams, not_before: i64, not_after: i64) {
    let time = |seconds: i64| UNIX_EPOCH + Duration::from_secs(seconds.try_into().unwrap());
    params.not_before = time(not_before).into();
    params.not_after = time(not_after).into();
}

impl World {
    pub(crate) fn new() -> Self {
        Self::named("ours")
    }

    /// Another authority. One with the names of [`World::new`] has other keys all the same.
    pub(crate) fn named(name: &str) -> Self {
        let root = Signer::root(&format!("{name} root"));
        Self {
            agents: root
                .intermediate(&format!("{name} agents"), ExtendedKeyUsagePurpose::ClientAuth),
            admins: root
                .intermediate(&format!("{name} admins"), ExtendedKeyUsagePurpose::ClientAuth),
            servers: root
                .intermediate(&format!("{name} servers"), ExtendedKeyUsagePurpose::ServerAuth),
            root,
        }
    }

    pub(crate) fn agent(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.agents.leaf(AGENT, ExtendedKeyUsagePurpose::ClientAuth, change)
    }

    pub(crate) fn admin(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.admins.leaf(ADMIN, ExtendedKeyUsagePurpose::ClientAuth, change)
    }

    /// A broker's leaf. It has the DNS name that [`Leaf::tls`] dials, as plain rustls wants one.
    pub(crate) fn broker(&self, change: impl FnOnce(&mut CertificateParams)) -> Leaf {
        self.servers.leaf(BROKER, ExtendedKeyUsagePurpose::ServerAuth, |params| {
            params.subject_alt_names.push(SanType::DnsName("localhost".try_into().unwrap()));
            change(params);
        })
    }

    pub(crate) fn trust(&self) -> TrustBundle {
        TrustBundle::new(domain(), vec![self.root.certificate.clone()]).unwrap()
    }

    pub(crate) fn credentials(&self, leaf: Leaf) -> Credentials {
        let key = PrivateKey::from_der(leaf.key.serialize_der().into()).unwrap();
        Credentials::new(leaf.chain, key, self.trust()).unwrap()
    }

    pub(crate) fn agents_door(&self, clock: Clock) -> ServerConfig {
        let broker = self.credentials(self.broker(|_| {}));
        ServerConfig::for_agents(&broker, std::slice::from_ref(&self.agents.certificate), clock)
            .unwrap()
    }

    pub(crate) fn admins_door(&self, clock: Clock) -> ServerConfig {
        let broker = self.credentials(self.broker(|_| {}));
        ServerConfig::for_admins(&broker, std::slice::from_ref(&self.admins.certificate), clock)
            .unwrap()
    }

    /// A plain rustls client: shows what it is given, sound or not.
    pub(crate) fn client(&self, shows: Option<Leaf>) -> rustls::ClientConfig {
        let mut roots = rustls::RootCertStore::empty();
        roots.add(self.root.certificate.clone()).unwrap();
        let builder = rustls::ClientConfig::builder_with_details(provider(), Arc::new(at(NOW)))
            .with_protocol_versions(&[&TLS13])
            .unwrap()
            .with_root_certificates(roots);
        let mut config = match shows {
            Some(leaf) => builder.with_client_auth_cert(leaf.chain, der(&leaf.key)).unwrap(),
            None => builder.with_no_client_auth(),
        };
        config.alpn_protocols = vec![b"h2".to_vec()];
        config
    }
}

/// Nobody's leaf: it signed itself.
pub(crate) fn self_signed(uri: &str, usage: ExtendedKeyUsagePurpose) -> Leaf {
    let key = KeyPair::generate().unwrap();
    let params = leaf_params(uri, usage, |_| {});
    Leaf { chain: vec![params.self_signed(&key).unwrap().into()], key }
}

pub(crate) fn der(key: &KeyPair) -> PrivateKeyDer<'static> {
    PrivatePkcs8KeyDer::from(key.serialize_der()).into()
}

pub(crate) fn domain() -> TrustDomain {
    TrustDomain::parse("example.org").unwrap()
}

pub(crate) fn at(now: i64) -> Clock {
    Clock::new(move || now)
}

/// What a plain client learns of one connection: how the handshake went, and its certificate.
pub(crate) type Learnt = Result<rustls::HandshakeKind, io::Error>;

/// One connection of a plain client.
pub(crate) async fn knock(
    server: &ServerConfig,
    client: Arc<rustls::ClientConfig>,
) -> (Result<Option<Peer>, AcceptError>, Learnt) {
    let (here, there) = duplex(64 * 1024);
    let serve = async {
        let (mut stream, peer) = accept(there, server, LONG).await?;
        stream.write_all(b"!").await.unwrap();
        stream.shutdown().await.unwrap();
        Ok(peer)
    };
    let dial = async {
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = TlsConnector::from(client).connect(name, here).await?;
        stream.read_to_end(&mut Vec::new()).await?;
        Ok(stream.get_ref().1.handshake_kind().unwrap())
    };
    tokio::join!(serve, dial)
}
