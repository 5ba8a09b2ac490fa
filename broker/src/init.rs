//! `init`: everything that a broker needs before it can serve.

mod join;
mod restore;
mod root_key;

pub use join::join;
pub use restore::{backup, restore};
pub use root_key::root_key;

use crate::{
    authority::Authority,
    config::{
        BROKER_FILE, BrokerFile, Config, InitArguments, Limits, MigrateArguments, Monitor,
        PROVIDERS_FOLDER, Places, ROOT_KEY_FILE, certificate_seconds, lease_seconds, profile_file,
        provider_poll_seconds, read_passphrase,
    },
    custody::{AUTHORITY, CHECKPOINTS, Custody, Parts, RECEIPTS, keyring_blobs},
    store::Store,
    telemetry::announce,
    unseal::{write_private, write_slot},
};
use anyhow::{Context, bail};
use secretref_domain::{
    clock::Clock,
    id::BrokerId,
    policy::{Role, Roles},
};
use secretref_envelope::{Keyring, RootKey, write_file_slot, write_passphrase_slot};
use secretref_identity::{
    credentials::Credentials,
    note::NoteSigner,
    request::{CertificateRequest, parse_request},
    subject::TrustDomain,
};
use std::{
    fs,
    io::Write,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
    sync::Arc,
};
use uuid::Uuid;
use zeroize::Zeroizing;

/// Makes a new broker. Where something is in use already, nothing is touched.
///
/// # Errors
/// What is in the way, and how to clear it.
pub async fn init(arguments: &InitArguments) -> anyhow::Result<()> {
    if is_made(&arguments.data_dir, arguments.unless_made) {
        return Ok(());
    }
    let domain = TrustDomain::parse(&arguments.trust_domain)
        .with_context(|| format!("--trust-domain {}", arguments.trust_domain))?;
    let data_dir = make_folder(&arguments.data_dir)?;
    let database_url = match &arguments.database_url {
        Some(url) => url.clone(),
        None => format!("sqlite://{}", data_dir.join("secretref.db").display()),
    };
    let root = RootKey::generate()?;
    let passphrase = passphrase(arguments.passphrase_file.as_deref())?;
    let slot = slot(&root, passphrase.as_ref())?;
    let store = Store::open(&database_url).await?;
    store.migrate().await?;
    if store.head().await?.is_some() {
        bail!(
            "the database holds a broker's data already. Fix: name another with --database-url, or \
             serve with the folder that belongs to it"
        );
    }
    // The key first: a database without its key would be of no use to anybody.
    write_slot(&data_dir.join(ROOT_KEY_FILE), slot.as_bytes())?;
    let file = new_file(&data_dir, database_url, domain.as_str(), &arguments.places);
    let custody = found(&store, root, domain, &file).await?;
    first_admin(&custody, &data_dir).await?;
    write_file(&data_dir, &file)?;
    store.close().await;
    announce(&format!("made a broker in {}", data_dir.display()));
    announce(&format!(
        "root key {}: keep a copy apart from the database's backups",
        data_dir.join(ROOT_KEY_FILE).display()
    ));
    // The broker is made: where there is no place for a profile, as in a container, that is said.
    if let Err(error) = write_profile(&arguments.profile, &file, &data_dir) {
        announce(&format!("no profile was written: {error:#}"));
    }
    announce(&format!("next: secretref-broker serve --data-dir {}", data_dir.display()));
    Ok(())
}

/// Applies missing migrations.
///
/// # Errors
/// What the store says.
pub async fn migrate(arguments: &MigrateArguments) -> anyhow::Result<()> {
    let config = Config::load(&arguments.data_dir)?;
    let url = arguments.migration_url.as_ref().unwrap_or(&config.file.database_url);
    let store = Store::open(url).await?;
    store.migrate().await?;
    store.close().await;
    announce("the schema is current");
    Ok(())
}

/// Whether there is nothing to do, as somebody asked for who starts often.
fn is_made(data_dir: &Path, unless_made: bool) -> bool {
    let made = unless_made && data_dir.join(BROKER_FILE).exists();
    if made {
        announce(&format!("there is a broker in {} already", data_dir.display()));
    }
    made
}

/// The passphrase in a file, where one is named.
fn passphrase(path: Option<&Path>) -> anyhow::Result<Option<Zeroizing<Vec<u8>>>> {
    let read = |path: &Path| read_passphrase(path).with_context(|| path.display().to_string());
    path.map(read).transpose()
}

/// The root key in a slot of its own: under a passphrase where there is one.
fn slot(
    root: &RootKey,
    passphrase: Option<&Zeroizing<Vec<u8>>>,
) -> anyhow::Result<Zeroizing<String>> {
    Ok(match passphrase {
        Some(passphrase) => Zeroizing::new(write_passphrase_slot(root, passphrase)?),
        None => write_file_slot(root),
    })
}

/// The `broker.toml` of a new broker.
fn new_file(
    data_dir: &Path,
    database_url: String,
    trust_domain: &str,
    places: &Places,
) -> BrokerFile {
    BrokerFile {
        broker_id: Uuid::now_v7(),
        database_url,
        trust_domain: trust_domain.to_owned(),
        agent_listen: places.agent_listen,
        admin_listen: places.admin_listen,
        health_listen: places.health_listen,
        metrics_listen: Some(places.metrics_listen),
        advertise: places.advertise.clone(),
        certificate_seconds: certificate_seconds(),
        lease_seconds: lease_seconds(),
        provider_roots: Some(vec![data_dir.join(PROVIDERS_FOLDER)]),
        provider_environment: Vec::new(),
        provider_poll_seconds: provider_poll_seconds(),
        limits: Limits::default(),
        monitor: Monitor::default(),
        audit_file: None,
        syslog: None,
    }
}

/// Writes a new `broker.toml`.
fn write_file(data_dir: &Path, file: &BrokerFile) -> anyhow::Result<()> {
    let text = toml::to_string_pretty(file)?;
    Ok(write_private(&data_dir.join(BROKER_FILE), text.as_bytes())?)
}

/// Makes the folder of a new broker, and the one of its providers in it.
fn make_folder(data_dir: &Path) -> anyhow::Result<PathBuf> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    builder.create(data_dir).with_context(|| data_dir.display().to_string())?;
    let data_dir = data_dir.canonicalize().with_context(|| data_dir.display().to_string())?;
    let first = fs::read_dir(&data_dir).with_context(|| data_dir.display().to_string())?.next();
    if let Some(entry) = first {
        bail!(
            "{} is in use: it holds {:?}. Fix: name an empty folder with --data-dir",
            data_dir.display(),
            entry?.file_name()
        );
    }
    builder.create(data_dir.join(PROVIDERS_FOLDER))?;
    Ok(data_dir)
}

/// Fills an empty store with its keys and its authority.
async fn found(
    store: &Store,
    root: RootKey,
    domain: TrustDomain,
    file: &BrokerFile,
) -> anyhow::Result<Custody> {
    let clock: Arc<dyn Clock> = Arc::new(crate::app::SystemClock);
    let now = clock.now().as_micros().div_euclid(1_000_000);
    let (keyring, sealed) = Keyring::create(root)?;
    let authority = Authority::create(domain, now)?;
    let authority_blob = keyring.seal_blob(AUTHORITY, &authority.export())?;
    let checkpoints_blob = keyring.seal_blob(CHECKPOINTS, &NoteSigner::generate()?)?;
    let receipts_blob = keyring.seal_blob(RECEIPTS, &NoteSigner::generate()?)?;
    let blobs = keyring_blobs(&sealed).into_iter();
    let mut vault: Vec<_> = blobs.map(|(name, blob)| (name.to_owned(), blob)).collect();
    vault.push((AUTHORITY.to_owned(), authority_blob));
    vault.push((CHECKPOINTS.to_owned(), checkpoints_blob));
    vault.push((RECEIPTS.to_owned(), receipts_blob));
    store.initialise(Uuid::new_v4(), vault).await?;
    let custody = Custody::open(Parts {
        store: store.clone(),
        keyring,
        authority,
        broker: BrokerId(file.broker_id),
        clock,
        certificate_life: std::time::Duration::from_secs(file.certificate_seconds),
        lease: std::time::Duration::from_secs(file.lease_seconds),
    });
    Ok(custody.await?)
}

/// The first administrator writes, reads with a reason, and operates; as an operator he reads the
/// audit trail, which nobody can write.
async fn first_admin(custody: &Custody, data_dir: &Path) -> anyhow::Result<()> {
    let request = CertificateRequest::generate()?;
    let roles = Roles::from([Role::Writer, Role::Reader, Role::Operator]);
    let key = parse_request(&request.der)?;
    let grant = custody.first_admin("admin", roles, key, ADMIN_SECONDS).await?;
    let trust = custody.trust_bundle()?;
    let credentials = Credentials::new(grant.issued.chain, request.key, trust.clone())?;
    let folder = data_dir.join("admin");
    fs::DirBuilder::new().mode(0o700).create(&folder)?;
    write_private(&folder.join("ca.crt"), trust.to_pem().as_bytes())?;
    write_private(&folder.join("admin.crt"), credentials.chain_pem().as_bytes())?;
    write_private(&folder.join("admin.key"), credentials.key().expose_pem().as_bytes())?;
    let key = custody.checkpoint_key().await?;
    write_private(&folder.join("audit.pub"), format!("{key}\n").as_bytes())?;
    Ok(())
}

/// Where a listener is reached from its own host.
fn reached_at(mut listen: SocketAddr) -> SocketAddr {
    match listen.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => listen.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => listen.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    listen
}

/// Writes the profile for `secretref`, unless there is one of that name.
fn write_profile(profile: &str, file: &BrokerFile, data_dir: &Path) -> anyhow::Result<()> {
    let Some(path) = profile_file() else {
        announce("no profile was written: neither HOME nor XDG_CONFIG_HOME is set");
        return Ok(());
    };
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    let profiles: toml::Table =
        text.parse().with_context(|| format!("{} is not TOML", path.display()))?;
    if profiles.get("profiles").and_then(|it| it.get(profile)).is_some() {
        announce(&format!(
            "profile {profile:?} in {} is another broker's and was left as it is; write this one's \
             with --profile NAME",
            path.display()
        ));
        return Ok(());
    }
    let folder = data_dir.join("admin");
    let mut entry = toml::Table::new();
    entry.insert("address".into(), file.admin_listen.to_string().into());
    if file.agent_listen.port() != 0 {
        entry.insert("agents".into(), reached_at(file.agent_listen).to_string().into());
    }
    for (key, name) in [("ca", "ca.crt"), ("cert", "admin.crt"), ("key", "admin.key")] {
        entry.insert(key.into(), folder.join(name).display().to_string().into());
    }
    let table = toml::Table::from_iter([(
        "profiles".to_owned(),
        toml::Table::from_iter([(profile.to_owned(), entry.into())]).into(),
    )]);
    if let Some(folder) = path.parent() {
        fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
    }
    let mut options = fs::OpenOptions::new();
    let mut opened = options.append(true).create(true).mode(0o600).open(&path)?;
    opened.write_all(format!("\n{}", toml::to_string_pretty(&table)?).trim_start().as_bytes())?;
    announce(&format!("profile {profile:?} is in {}", path.display()));
    Ok(())
}

/// How long the first administrator's certificate is valid: 90 days, as long as its issuer.
const ADMIN_SECONDS: i64 = 90 * 24 * 3600;
