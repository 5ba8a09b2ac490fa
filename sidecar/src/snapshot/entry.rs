//! One entry of a manifest, parsed: further in, every part of it is valid.

use secretref_domain::{
    clock::Timestamp,
    id::Digest,
    name::{EnvVar, FileName, NameError, SecretName},
    value::{SecretValue, ValueError},
    version::Version,
};
use secretref_proto::v1;
use std::sync::Arc;

/// One secret as a manifest brings it.
pub struct Entry {
    /// Name of the secret.
    pub name: SecretName,
    /// Version.
    pub version: Version,
    /// Fingerprint of the sealed version.
    pub digest: Digest,
    /// Where it goes.
    pub targets: Arc<[Target]>,
    /// When the value stops being valid.
    pub expires_at: Option<Timestamp>,
    /// How long it may be kept without a sign of the broker, in milliseconds.
    pub stale_max_ms: Option<i64>,
    /// The value, where the broker sent it.
    pub value: Option<Arc<SecretValue>>,
}

/// Where a value goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Ref that binds it, as its manifest names it.
    pub reference: String,
    /// Tool that needs it.
    pub tool: String,
    /// Key of the credential in the tool.
    pub key: String,
    /// Name of the file.
    pub file: FileName,
    /// Environment variable, for who starts the agent.
    pub env_var: Option<EnvVar>,
    /// Mode of the file; `None` takes the sidecar's own.
    pub mode: Option<u32>,
    /// Owner of the file; `None` takes the sidecar's own.
    pub owner: Option<String>,
    /// What is to happen to the agent when the value changes.
    pub on_rotate: Option<String>,
    /// Whether the agent cannot work without it.
    pub required: bool,
    /// Template that the file is to be made from.
    pub template: Option<String>,
}

/// Why an entry was refused: the broker's fault. Nothing of a value is in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EntryError {
    /// A name is outside its grammar.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The value is empty or too long.
    #[error("secret {name:?}: {why}")]
    Value {
        /// Whose value.
        name: SecretName,
        /// What is wrong with it.
        why: ValueError,
    },
    /// Something else is outside its limits.
    #[error("secret {name:?}: {what} is outside its limits")]
    Field {
        /// Whose.
        name: SecretName,
        /// Which field.
        what: &'static str,
    },
}

impl Entry {
    /// Takes the value out of an entry and parses the rest; what is left is what the digest
    /// covers.
    ///
    /// # Errors
    /// [`EntryError`] where the broker sent what no broker should.
    pub fn parse(given: &mut v1::ManifestEntry) -> Result<Self, EntryError> {
        let name = SecretName::parse_kept(&given.name)?;
        let field = |what| EntryError::Field { name: name.clone(), what };
        // The message's own buffer is shared with the transport and cannot be overwritten from
        // here; it is dropped at once.
        let value = given.value.take().map(|bytes| SecretValue::new(bytes.to_vec()));
        let value =
            value.transpose().map_err(|why| EntryError::Value { name: name.clone(), why })?;
        let digest = given.digest.as_slice().try_into().map_err(|_| field("digest"))?;
        let version = Version::new(given.version).ok_or_else(|| field("version"))?;
        let expires_at = given.expire_time.as_ref().map(timestamp);
        if given.targets.len() > TARGETS_MAX {
            return Err(field("targets"));
        }
        let targets: Result<Vec<Target>, EntryError> =
            given.targets.iter().map(|target| Target::parse(target, &name)).collect();
        Ok(Self {
            version,
            digest: Digest(digest),
            targets: targets?.into(),
            expires_at,
            stale_max_ms: match given.stale_max_ms {
                0 => None,
                1.. => Some(given.stale_max_ms),
                _ => return Err(field("stale_max_ms")),
            },
            value: value.map(Arc::new),
            name,
        })
    }
}

impl Target {
    fn parse(given: &v1::Target, name: &SecretName) -> Result<Self, EntryError> {
        let long = [
            ("secret_ref", given.secret_ref.len(), NAME_BYTES_MAX),
            ("tool", given.tool.len(), NAME_BYTES_MAX),
            ("key", given.key.len(), NAME_BYTES_MAX),
            ("owner", given.owner.len(), OWNER_BYTES_MAX),
            ("on_rotate", given.on_rotate.len(), ON_ROTATE_BYTES_MAX),
            ("template", given.template.len(), TEMPLATE_BYTES_MAX),
        ];
        if let Some((what, ..)) = long.iter().find(|(_, bytes, max)| bytes > max) {
            return Err(EntryError::Field { name: name.clone(), what });
        }
        let some = |text: &String| (!text.is_empty()).then(|| text.clone());
        Ok(Self {
            reference: given.secret_ref.clone(),
            tool: given.tool.clone(),
            key: given.key.clone(),
            file: FileName::parse(&given.file)?,
            env_var: some(&given.env_var).map(|text| EnvVar::parse(&text)).transpose()?,
            mode: (given.mode != 0).then_some(given.mode),
            owner: some(&given.owner),
            on_rotate: some(&given.on_rotate),
            required: given.required,
            template: some(&given.template),
        })
    }
}

/// A time on the wire in microseconds; the ends of time where it lies beyond them.
fn timestamp(given: &prost_types::Timestamp) -> Timestamp {
    let micros = given.seconds.saturating_mul(1_000_000);
    Timestamp::from_micros(micros.saturating_add(i64::from(given.nanos) / 1000))
}

const TARGETS_MAX: usize = secretref_domain::limit::BINDINGS_MAX;
const NAME_BYTES_MAX: usize = 256;
const OWNER_BYTES_MAX: usize = 128;
const ON_ROTATE_BYTES_MAX: usize = 4096;
const TEMPLATE_BYTES_MAX: usize = 65_536;
