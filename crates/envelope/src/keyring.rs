//! The keyring: what a broker can do once its root key is unsealed.

use crate::{
    context::Context,
    data_key::DataKey,
    error::EnvelopeError,
    framing,
    root_key::{KekId, RootKey},
    sealed::{Sealed, SealedKeyring, SealedVersion},
    wrapped::WrappedKey,
};
use aws_lc_rs::hmac;
use secretref_domain::{id::SecretId, name::EnvironmentName, value::SecretValue, version::Version};
use zeroize::Zeroizing;

mod opening;

/// Root keys that one keyring holds: the active one, and those that rows are still wrapped under.
pub const ROOT_KEYS_MAX: usize = 8;

/// The active root key, other root keys that are held, and the two random keys that the active one
/// wraps: one authenticates the authority log, the other blinds what the audit trail names.
///
/// ```text
/// active root key ─┬ wraps the row-MAC key   (random, for as long as the store lives)
///                  ├ wraps the audit key     (random, for as long as the store lives)
///                  └ wraps every new data key
/// held root keys     open data keys that they wrap: the next one, and ones before; wrap nothing
/// ```
///
/// ```compile_fail
/// let root = secretref_envelope::RootKey::generate().unwrap();
/// let (keyring, _) = secretref_envelope::Keyring::create(root).unwrap();
/// println!("{keyring:?}");
/// ```
pub struct Keyring {
    active: RootKey,
    held: Vec<RootKey>,
    mac: MacKey,
    audit: MacKey,
}

/// A wrapped key, and ready for HMAC-SHA-256.
struct MacKey {
    key: DataKey,
    hmac: hmac::Key,
}

impl MacKey {
    fn new(key: DataKey) -> Self {
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, key.bytes().as_ref());
        Self { key, hmac }
    }

    /// Whether it is the same key; compared in constant time.
    fn equals(&self, other: &Self) -> bool {
        let (this, other) = (self.key.bytes().as_ref(), other.key.bytes().as_ref());
        aws_lc_rs::constant_time::verify_slices_are_equal(this, other).is_ok()
    }

    /// HMAC-SHA-256 over the label and the parts, each with its length before it.
    fn sign(&self, label: &[u8], parts: &[&[u8]]) -> [u8; 32] {
        let mut context = hmac::Context::with_key(&self.hmac);
        for part in [label].iter().chain(parts) {
            context.update(&framing::length(part));
            context.update(part);
        }
        let mut mac = [0; 32];
        mac.copy_from_slice(context.sign().as_ref());
        mac
    }
}

const MAC_PURPOSE: &str = "row-mac";
const AUDIT_PURPOSE: &str = "audit";
const AUTHORITY_LABEL: &[u8] = b"secretref/v1/authority";
const BLIND_LABEL: &[u8] = b"secretref/v1/blind";

impl Keyring {
    /// A new keyring for a new store, with new random keys.
    ///
    /// # Errors
    /// [`EnvelopeError::Entropy`] or [`EnvelopeError::Cipher`].
    pub fn create(root: RootKey) -> Result<(Self, SealedKeyring), EnvelopeError> {
        let keyring = Self {
            active: root,
            held: Vec::new(),
            mac: MacKey::new(DataKey::generate()?),
            audit: MacKey::new(DataKey::generate()?),
        };
        let sealed = keyring.sealed_under(keyring.kek_id())?;
        Ok((keyring, sealed))
    }

    /// The keyring of a store.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] where `root` is not the root key of this keyring;
    /// [`EnvelopeError::Refused`] or [`EnvelopeError::Malformed`] where it is, and the stored
    /// keys are corrupt.
    pub fn open(root: RootKey, sealed: &SealedKeyring) -> Result<Self, EnvelopeError> {
        if root.id() != sealed.kek_id || !root.matches(&sealed.check) {
            return Err(EnvelopeError::WrongKey { wanted: sealed.kek_id });
        }
        let unwrap = |blob: &[u8], purpose| {
            let wrapped = WrappedKey::from_bytes(blob)?;
            root.unwrap_key(&wrapped, &Context::key(purpose)).map(MacKey::new)
        };
        let mac = unwrap(&sealed.mac_key, MAC_PURPOSE)?;
        let audit = unwrap(&sealed.audit_key, AUDIT_PURPOSE)?;
        Ok(Self { active: root, held: Vec::new(), mac, audit })
    }

    /// Id of the active root key.
    #[must_use]
    pub fn kek_id(&self) -> KekId {
        self.active.id()
    }

    /// Seals a value for its place under a new data key.
    ///
    /// # Errors
    /// [`EnvelopeError::EmptyContext`], [`EnvelopeError::Entropy`] or [`EnvelopeError::Cipher`].
    pub fn seal_value(
        &self,
        environment: &EnvironmentName,
        secret: SecretId,
        version: Version,
        value: &SecretValue,
    ) -> Result<SealedVersion, EnvelopeError> {
        let context = Context::secret_version(environment, secret, version);
        let (wrapped, sealed) = self.seal(value.expose(), &context)?;
        Ok(SealedVersion { wrapped: wrapped.to_bytes(), sealed: sealed.to_bytes() })
    }

    /// Mark of a value: equal values of one environment have equal marks, and nothing else can be
    /// told from them without the key. [`Keyring::blind`] over "value", the environment and the
    /// value.
    #[must_use]
    pub fn mark_value(&self, environment: &EnvironmentName, value: &SecretValue) -> [u8; 32] {
        self.blind(&[b"value", environment.as_str().as_bytes(), value.expose()])
    }

    /// Seals a blob, such as the private key of an authority, for its purpose. The result is the
    /// wrapped data key and the sealed blob, one after the other:
    ///
    /// ```text
    /// 0                    129
    /// | wrapped data key   | sealed blob |
    /// ```
    ///
    /// # Errors
    /// [`EnvelopeError::TooLong`], [`EnvelopeError::EmptyContext`], [`EnvelopeError::Entropy`] or
    /// [`EnvelopeError::Cipher`].
    pub fn seal_blob(
        &self,
        purpose: &'static str,
        plaintext: &[u8],
    ) -> Result<Vec<u8>, EnvelopeError> {
        let (wrapped, sealed) = self.seal(plaintext, &Context::blob(purpose))?;
        Ok([wrapped.to_bytes(), sealed.to_bytes()].concat())
    }

    /// MAC of an entry of the authority log, under the row-MAC key: HMAC-SHA-256 over the label
    /// "secretref/v1/authority" and the parts, each with its length (u64 BE) before it.
    #[must_use]
    pub fn authority_mac(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.mac.sign(AUTHORITY_LABEL, parts)
    }

    /// Whether `mac` is [`Keyring::authority_mac`] of the parts; compared in constant time.
    #[must_use]
    pub fn verify_authority_mac(&self, parts: &[&[u8]], mac: &[u8]) -> bool {
        let expected = self.authority_mac(parts);
        aws_lc_rs::constant_time::verify_slices_are_equal(&expected, mac).is_ok()
    }

    /// What the audit trail holds in place of something that could be guessed: HMAC-SHA-256 under
    /// the audit key over the label "secretref/v1/blind" and the parts, framed in the same way.
    #[must_use]
    pub fn blind(&self, parts: &[&[u8]]) -> [u8; 32] {
        self.audit.sign(BLIND_LABEL, parts)
    }

    fn seal(
        &self,
        plaintext: &[u8],
        context: &Context,
    ) -> Result<(WrappedKey, Sealed), EnvelopeError> {
        let key = DataKey::generate()?;
        let sealed = key.seal(plaintext, context)?;
        Ok((self.active.wrap(&key, context)?, sealed))
    }

    /// This keyring with another root key, which opens what it wraps and wraps nothing: the next
    /// one before its time, or one before the active one whose data keys were not rewrapped yet.
    ///
    /// # Errors
    /// [`EnvelopeError::KeyNotAdded`] where the keyring has that root key or is full.
    pub fn holding(&self, root: RootKey) -> Result<Self, EnvelopeError> {
        self.check_addable(root.id())?;
        let mut keyring = self.copy();
        keyring.held.push(root);
        Ok(keyring)
    }

    /// The keys as the database is to hold them once a root key that this keyring holds is the
    /// active one. Store them before anything is sealed by it.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] where it is not held; [`EnvelopeError::Entropy`] or
    /// [`EnvelopeError::Cipher`].
    pub fn sealed_under(&self, id: KekId) -> Result<SealedKeyring, EnvelopeError> {
        let root = self.root(id).ok_or(EnvelopeError::WrongKey { wanted: id })?;
        let wrap = |key: &MacKey, purpose| {
            root.wrap(&key.key, &Context::key(purpose)).map(|wrapped| wrapped.to_bytes())
        };
        Ok(SealedKeyring {
            kek_id: root.id(),
            check: root.check_value(),
            mac_key: wrap(&self.mac, MAC_PURPOSE)?,
            audit_key: wrap(&self.audit, AUDIT_PURPOSE)?,
        })
    }

    /// This keyring with the root key active that wraps the stored keys. The one before is held on:
    /// it still opens, and wraps nothing more. The row-MAC and audit keys are the same, so every
    /// MAC stays valid.
    ///
    /// # Errors
    /// [`EnvelopeError::WrongKey`] where that root key is not held; [`EnvelopeError::Refused`]
    /// where it wraps other keys than this keyring's.
    pub fn activated(&self, sealed: &SealedKeyring) -> Result<Self, EnvelopeError> {
        let wanted = sealed.kek_id;
        let root = self.root(wanted).ok_or(EnvelopeError::WrongKey { wanted })?;
        let mut keyring = Self::open(root.copy(), sealed)?;
        if !keyring.mac.equals(&self.mac) || !keyring.audit.equals(&self.audit) {
            return Err(EnvelopeError::Refused { what: "keyring" });
        }
        let others = self.roots().filter(|root| root.id() != wanted);
        keyring.held = others.map(RootKey::copy).collect();
        Ok(keyring)
    }

    /// This keyring with its active root key and no other: nothing is wrapped by them any more.
    #[must_use]
    pub fn alone(&self) -> Self {
        let mut keyring = self.copy();
        keyring.held.clear();
        keyring
    }

    /// Whether a root key opens something by this keyring.
    #[must_use]
    pub fn holds(&self, id: KekId) -> bool {
        self.root(id).is_some()
    }

    fn copy(&self) -> Self {
        Self {
            active: self.active.copy(),
            held: self.held.iter().map(RootKey::copy).collect(),
            mac: MacKey::new(self.mac.key.copy()),
            audit: MacKey::new(self.audit.key.copy()),
        }
    }

    fn check_addable(&self, id: KekId) -> Result<(), EnvelopeError> {
        if self.root(id).is_some() {
            return Err(EnvelopeError::KeyNotAdded { id, why: "the keyring has it already" });
        }
        if 1 + self.held.len() >= ROOT_KEYS_MAX {
            let why = "the keyring has 8 root keys; finish a rewrap first";
            return Err(EnvelopeError::KeyNotAdded { id, why });
        }
        Ok(())
    }

    fn root(&self, id: KekId) -> Option<&RootKey> {
        self.roots().find(|root| root.id() == id)
    }

    fn roots(&self) -> impl Iterator<Item = &RootKey> {
        [&self.active].into_iter().chain(&self.held)
    }
}

#[cfg(test)]
mod tests;
