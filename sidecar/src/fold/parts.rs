//! Parts of a manifest until it is whole.

use crate::snapshot::{Entry, EntryError};
use secretref_domain::{
    agent::AgentSettings,
    limit::BINDINGS_MAX,
    name::{NameError, SecretName},
};
use secretref_proto::{
    convert::{from_settings, manifest_digest},
    v1::{self, ManifestKind},
};
use std::sync::Arc;

/// A whole manifest, parsed.
pub struct Offer {
    /// Its number on the stream.
    pub nonce: i64,
    /// Epoch of the store.
    pub epoch: Arc<str>,
    /// Revision that it is of.
    pub revision: i64,
    /// Whether it brings all values.
    pub kind: ManifestKind,
    /// Its secrets, ordered by name.
    pub entries: Vec<Entry>,
    /// Its digest, as the broker says.
    pub digest: [u8; 32],
    /// Its digest, as its entries say.
    pub computed: [u8; 32],
    /// Refs that have no value.
    pub missing: Vec<v1::MissingRef>,
    /// What concerns the agent as a whole.
    pub settings: Arc<AgentSettings>,
}

/// Collects the parts of one manifest at a time, in order.
#[derive(Default)]
pub struct Parts {
    open: Option<Open>,
    nonce_max: i64,
}

/// Why a part was refused: the broker broke the protocol, and the stream has to end.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A part is missing, or belongs to another manifest.
    #[error("part {part} of manifest {nonce} came where part {wanted} of manifest {open} was due")]
    Gap {
        /// Manifest that it says to belong to.
        nonce: i64,
        /// Its number.
        part: i32,
        /// Manifest that is under way, or the newest there was.
        open: i64,
        /// Part that was due.
        wanted: i32,
    },
    /// A part differs from the first in what all parts share.
    #[error("part {part} of manifest {nonce} is of another epoch, revision or kind than part 0")]
    Mixed {
        /// The manifest.
        nonce: i64,
        /// The part.
        part: i32,
    },
    /// An entry cannot be read.
    #[error(transparent)]
    Entry(#[from] EntryError),
    /// A name cannot be read.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Entries are not in the order of their names, or one is there twice.
    #[error("secret {0:?} is not in the order of names, or is there twice")]
    Order(SecretName),
    /// A secret is both in the set and said to have left it.
    #[error("secret {0:?} is both in the set and removed from it")]
    Removed(SecretName),
    /// There is more than a set may have.
    #[error("the manifest has more than {max} {what}")]
    TooMany {
        /// Of what.
        what: &'static str,
        /// The limit.
        max: usize,
    },
    /// A field has no sense.
    #[error("the manifest's {0} is outside its limits")]
    Field(&'static str),
}

struct Open {
    offer: Offer,
    parts: i32,
    /// The entries without their values, which is what the digest covers.
    digested: Vec<v1::ManifestEntry>,
    settings: Option<v1::AgentSettings>,
    removed: Vec<SecretName>,
}

impl Parts {
    /// Takes the next part; gives the manifest when it was the last one.
    ///
    /// # Errors
    /// [`Malformed`] where the part does not belong here; nothing of it is kept.
    pub fn push(
        &mut self,
        epoch: &str,
        revision: i64,
        part: v1::Manifest,
    ) -> Result<Option<Offer>, Malformed> {
        let kind = part.kind();
        let mut open = match self.open.take() {
            Some(open) if open.offer.nonce == part.nonce && open.parts == part.part => {
                let shared = (&*open.offer.epoch, open.offer.kind);
                if shared != (epoch, kind) || open.offer.revision > revision {
                    return Err(Malformed::Mixed { nonce: part.nonce, part: part.part });
                }
                open
            }
            None if part.part == 0 && part.nonce >= self.nonce_max.max(1) => {
                Open::start(epoch, revision, kind, part.nonce)?
            }
            other => {
                let open = other.as_ref().map_or(self.nonce_max, |open| open.offer.nonce);
                let wanted = other.as_ref().map_or(0, |open| open.parts);
                return Err(Malformed::Gap { nonce: part.nonce, part: part.part, open, wanted });
            }
        };
        self.nonce_max = part.nonce;
        if open.add(part)? {
            return open.finish().map(Some);
        }
        self.open = Some(open);
        Ok(None)
    }

    /// Forgets an unfinished manifest: a revocation goes ahead of it.
    pub fn abandon(&mut self) {
        self.open = None;
    }

    /// Whether a manifest is under way.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.open.is_some()
    }
}

impl Open {
    fn start(
        epoch: &str,
        revision: i64,
        kind: ManifestKind,
        nonce: i64,
    ) -> Result<Self, Malformed> {
        if kind == ManifestKind::Unspecified {
            return Err(Malformed::Field("kind"));
        }
        if epoch.is_empty() || epoch.len() > EPOCH_BYTES_MAX {
            return Err(Malformed::Field("store_epoch"));
        }
        let offer = Offer {
            nonce,
            epoch: epoch.into(),
            revision,
            kind,
            entries: Vec::new(),
            digest: [0; 32],
            computed: [0; 32],
            missing: Vec::new(),
            settings: Arc::default(),
        };
        let (digested, removed) = (Vec::new(), Vec::new());
        Ok(Self { offer, parts: 0, digested, settings: None, removed })
    }

    /// Adds a part; says whether it was the last.
    fn add(&mut self, part: v1::Manifest) -> Result<bool, Malformed> {
        self.parts += 1;
        check_count("parts", usize::try_from(self.parts).unwrap_or(usize::MAX), PARTS_MAX)?;
        let entries = self.offer.entries.len() + part.entries.len();
        check_count("entries", entries, BINDINGS_MAX)?;
        check_count("removed", self.removed.len() + part.removed.len(), REMOVED_MAX)?;
        check_count("missing", self.offer.missing.len() + part.missing.len(), BINDINGS_MAX)?;
        for mut given in part.entries {
            let entry = Entry::parse(&mut given)?;
            if self.offer.entries.last().is_some_and(|last| entry.name <= last.name) {
                return Err(Malformed::Order(entry.name));
            }
            self.offer.entries.push(entry);
            self.digested.push(given);
        }
        for removed in &part.removed {
            self.removed.push(SecretName::parse_kept(&removed.name)?);
        }
        self.offer.missing.extend(part.missing);
        if part.last {
            self.offer.digest =
                part.manifest_digest.try_into().map_err(|_| Malformed::Field("digest"))?;
            let settings = from_settings(part.settings.as_ref());
            self.offer.settings =
                Arc::new(settings.map_err(|error| Malformed::Field(error.field))?);
            self.settings = part.settings;
        }
        Ok(part.last)
    }

    fn finish(self) -> Result<Offer, Malformed> {
        let Self { mut offer, digested, settings, removed, .. } = self;
        let held = |name: &SecretName| {
            offer.entries.binary_search_by(|entry| entry.name.cmp(name)).is_ok()
        };
        if let Some(name) = removed.into_iter().find(held) {
            return Err(Malformed::Removed(name));
        }
        offer.computed = manifest_digest(&digested, settings.as_ref());
        Ok(offer)
    }
}

fn check_count(what: &'static str, count: usize, max: usize) -> Result<(), Malformed> {
    if count > max { Err(Malformed::TooMany { what, max }) } else { Ok(()) }
}

/// A part for each entry, and some without any.
const PARTS_MAX: usize = 2 * BINDINGS_MAX;
/// What may leave a set at once: all of it, and as much again.
const REMOVED_MAX: usize = 2 * BINDINGS_MAX;
const EPOCH_BYTES_MAX: usize = 64;
