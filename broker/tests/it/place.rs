//! A founded database, and custody over it.

use anyhow::{Context, Result, anyhow, bail};
use secretref_broker::{
    authority::Authority,
    custody::{Admission, Apply, Custody, CustodyError, Enrolled, Parts, Put},
    store::Store,
};
use secretref_domain::{
    audit::DecodedEntry,
    caller::Caller,
    change::Serial,
    clock::{Clock, Timestamp},
    id::{AdminId, AgentId, BrokerId},
    manifest,
    name::{AgentName, EnvironmentName, SecretName},
    policy::{Role, Roles},
    value::SecretValue,
};
use secretref_envelope::{KekId, Keyring, RootKey, SealedKeyring};
use secretref_identity::{
    join_token::JoinToken,
    peer::Peer,
    request::{CertificateRequest, PublicKey, parse_request},
    subject::{Subject, TrustDomain},
};
use secretref_testkit::{broker::TRUST_DOMAIN, clock::ManualClock, engine::Engine, sql::Sql};
use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tempfile::TempDir;
use uuid::Uuid;
use zeroize::Zeroizing;

/// A database with a broker's keys and authority in it.
pub(crate) struct Place {
    pub(crate) url: String,
    pub(crate) broker: BrokerId,
    pub(crate) clock: ManualClock,
    folder: TempDir,
}

/// An instance of an agent, as the broker sees it.
pub(crate) struct Guest {
    pub(crate) caller: Caller,
    pub(crate) serial: Serial,
}

impl Place {
    pub(crate) async fn found(engine: Engine) -> Result<Self> {
        let url = engine.database_url().await?;
        Self::found_at(url).await
    }

    /// At an address; in a SQLite file where there is none.
    pub(crate) async fn found_at(url: Option<String>) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let file = folder.path().join("secretref.db");
        let url = url.unwrap_or_else(|| format!("sqlite://{}", file.display()));
        let now = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
        let clock = ManualClock::at(Timestamp::from_micros(now * 1_000_000));
        let store = Store::open(&url).await?;
        store.migrate().await?;
        let (keyring, sealed) = Keyring::create(root())?;
        let authority = Authority::create(TrustDomain::parse(TRUST_DOMAIN)?, now)?;
        let vault = [
            ("authority", keyring.seal_blob("authority", &authority.export())?),
            ("kek-id", sealed.kek_id.0.as_bytes().to_vec()),
            ("kek-check", sealed.check.to_vec()),
            ("mac-key", sealed.mac_key),
            ("audit-key", sealed.audit_key),
        ];
        let vault = vault.map(|(name, blob)| (name.to_owned(), blob)).into();
        store.initialise(Uuid::new_v4(), vault).await?;
        store.close().await;
        Ok(Self { url, broker: BrokerId(Uuid::now_v7()), clock, folder })
    }

    pub(crate) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(crate) async fn open(&self) -> Result<Custody> {
        self.open_as(self.broker).await
    }

    /// As another broker on the same database.
    pub(crate) async fn open_as(&self, broker: BrokerId) -> Result<Custody> {
        self.open_at(&self.url, broker).await
    }

    /// Over another way to the same database.
    pub(crate) async fn open_at(&self, url: &str, broker: BrokerId) -> Result<Custody> {
        let store = Store::open(url).await?;
        let blob = async |name: &str| {
            store.vault(name).await?.with_context(|| format!("{name} is not in the vault"))
        };
        let sealed = SealedKeyring {
            kek_id: KekId(Uuid::from_slice(&blob("kek-id").await?)?),
            check: blob("kek-check").await?.try_into().map_err(|_| anyhow!("a short check"))?,
            mac_key: blob("mac-key").await?,
            audit_key: blob("audit-key").await?,
        };
        let keyring = Keyring::open(root(), &sealed)?;
        let export = keyring.open_blob("authority", &blob("authority").await?)?;
        let authority = Authority::import(&export)?;
        let parts = Parts {
            store,
            keyring,
            authority,
            broker,
            clock: Arc::new(self.clock.clone()),
            certificate_life: Duration::from_secs(CERTIFICATE_SECONDS.unsigned_abs()),
            lease: Duration::from_secs(3600),
        };
        Ok(Custody::open(parts).await?)
    }

    pub(crate) async fn sql(&self) -> Result<Sql> {
        Sql::connect(&self.url).await
    }

    pub(crate) fn in_seconds(&self, seconds: i64) -> Timestamp {
        self.clock.now().plus_seconds(seconds)
    }

    /// Every entry of this broker's lane.
    pub(crate) async fn trail(&self) -> Result<Vec<DecodedEntry>> {
        let blobs = self.sql().await?.blobs("SELECT entry FROM audit ORDER BY at, seq").await?;
        blobs.iter().map(|blob| Ok(DecodedEntry::decode(blob)?)).collect()
    }
}

/// The root key of every place.
pub(crate) fn root() -> RootKey {
    RootKey::from_bytes(KekId(Uuid::from_u128(7)), Zeroizing::new([7; 32]))
}

pub(crate) fn admin(roles: &[Role]) -> Caller {
    let (id, roles) = (AdminId(Uuid::from_u128(1)), Roles::from_iter(roles.iter().copied()));
    Caller::Admin { id, name: "ada".into(), roles, peer: None }
}

/// An administrator who may do everything.
pub(crate) fn ada() -> Caller {
    admin(&[Role::Writer, Role::Reader, Role::Operator, Role::Auditor])
}

pub(crate) fn nobody() -> Caller {
    Caller::Nobody { peer: None }
}

pub(crate) fn name(name: &str) -> SecretName {
    SecretName::parse(name).unwrap()
}

pub(crate) fn agent_name(name: &str) -> AgentName {
    AgentName::parse(name).unwrap()
}

pub(crate) fn environment(name: &str) -> EnvironmentName {
    EnvironmentName::parse(name).unwrap()
}

/// A put that asks for nothing else.
pub(crate) fn put(secret: &str, value: &[u8]) -> Put {
    Put {
        environment: None,
        name: name(secret),
        value: SecretValue::new(value.to_vec()).unwrap(),
        service: None,
        labels: BTreeMap::new(),
        expires_at: None,
        deprecation_date: None,
        expected: None,
        create_only: false,
    }
}

/// A manifest of one agent with a file for each secret.
pub(crate) fn manifest(agent: &str, secrets: &[&str]) -> String {
    let binding = |secret: &&str| {
        format!(
            r#""{secret}": {{"credentials": {{"key": {{"secretRef": "{secret}",
               "file": "{secret}"}}}}}}"#
        )
    };
    let reference = |secret: &&str| format!(r#""{secret}": {{"provider": "store"}}"#);
    format!(
        r#"{{"agents": {{"{agent}": {{"tool-bindings": {{{}}}}}}}, "refMap": {{{}}}}}"#,
        secrets.iter().map(binding).collect::<Vec<_>>().join(", "),
        secrets.iter().map(reference).collect::<Vec<_>>().join(", ")
    )
}

pub(crate) fn to_apply(text: &str) -> Apply {
    let manifest = manifest::parse(&[("manifest.json", text.as_bytes())]).unwrap();
    Apply { manifest, environment: None, validate_only: false, strict: false, prune: false }
}

/// Applies a manifest.
pub(crate) async fn apply(custody: &Custody, text: &str) -> Result<(), CustodyError> {
    custody.apply(&ada(), to_apply(text), Vec::new(), None).await.map(drop)
}

/// The value of the current version.
pub(crate) async fn read(custody: &Custody, secret: &str) -> Result<Vec<u8>, CustodyError> {
    let read = custody.access(&ada(), None, &name(secret), None, "a test").await?;
    Ok(read.value.expose().to_vec())
}

/// A key for a certificate.
pub(crate) fn key() -> PublicKey {
    parse_request(&CertificateRequest::generate().unwrap().der).unwrap()
}

pub(crate) async fn token(custody: &Custody, agent: &str) -> Result<JoinToken, CustodyError> {
    let minted = custody.mint_token(&ada(), None, agent_name(agent), 600, false).await?;
    Ok(minted.token)
}

/// A new instance of an agent.
pub(crate) async fn join(custody: &Custody, agent: &str) -> Result<Guest> {
    let token = token(custody, agent).await?;
    let enrolled = custody.join(&nobody(), &token, key()).await?;
    guest(custody, &enrolled)
}

/// Who holds a certificate.
pub(crate) fn guest(custody: &Custody, enrolled: &Enrolled) -> Result<Guest> {
    let leaf = enrolled.chain.first().context("an empty chain")?.clone();
    let domain = TrustDomain::parse(TRUST_DOMAIN)?;
    let now = custody.now().as_micros() / 1_000_000;
    let peer = Peer::from_certificate(&leaf.into(), &domain, now)?;
    let Subject::Agent { agent, instance } = peer.subject else { bail!("not an agent") };
    let caller = Caller::Agent {
        environment: enrolled.environment.clone(),
        agent: AgentId(agent),
        name: enrolled.agent.clone(),
        instance: secretref_domain::id::InstanceId(instance),
        peer: None,
    };
    Ok(Guest { caller, serial: Serial(peer.serial.to_string()) })
}

impl Guest {
    pub(crate) async fn admitted(&self, custody: &Custody) -> Result<Admission, CustodyError> {
        custody.admit(&self.caller, &self.serial).await
    }
}

/// How long agents' certificates live here.
pub(crate) const CERTIFICATE_SECONDS: i64 = 3600;
