//! What is to become of each place.

use super::{
    super::survey::{Held, Place},
    elsewhere::Elsewhere,
};
use crate::failure::Failure;
use secretref_domain::{
    hash::sha256,
    limit::BINDINGS_MAX,
    name::SecretName,
    openclaw::{
        naming::{Names, is_exec_id},
        value::plaintext,
    },
    value::SecretValue,
};
use std::collections::BTreeMap;

/// The whole of it.
pub(super) struct Scheme<'f> {
    /// Each place with what becomes of it, in the order of the files.
    pub(super) steps: Vec<(&'f Place<'f>, Step)>,
    /// What is put.
    pub(super) secrets: Vec<Secret>,
}

/// A secret that is put.
pub(super) struct Secret {
    /// Its name.
    pub(super) name: SecretName,
    /// Its value.
    pub(super) value: SecretValue,
}

/// What becomes of a place.
pub(super) enum Step {
    /// It gets a ref to this secret, in place of a value or of another ref.
    Move { name: SecretName, from: Option<String> },
    /// It has one already; a value that still stands beside it goes.
    Keep { name: SecretName, residue: bool },
    /// It stays as it is, and why.
    Leave(String),
}

impl<'f> Scheme<'f> {
    /// Names each secret; equal values are one.
    pub(super) fn of(
        places: &'f [Place<'f>],
        prefix: &str,
        elsewhere: &Elsewhere<'_>,
    ) -> Result<Self, Failure> {
        let mut names = Names::default();
        for place in places {
            // What another place refers to is not given a new value under its feet.
            if let Held::Ours { id, .. } = &place.held
                && let Ok(name) = SecretName::parse(id)
            {
                names.take(name);
            }
        }
        let mut scheme = Self { steps: Vec::new(), secrets: Vec::new() };
        let mut known: BTreeMap<[u8; 32], SecretName> = BTreeMap::new();
        for place in places {
            let step = match &place.held {
                Held::Left(why) => Step::Leave((*why).to_owned()),
                Held::Ours { id, residue } => match SecretName::parse(id) {
                    Ok(name) => Step::Keep { name, residue: *residue },
                    Err(error) => Step::Leave(error.to_string()),
                },
                Held::Plaintext => scheme.moved(place, None, prefix, &mut names, &mut known)?,
                Held::Foreign { reference, .. } => match elsewhere.value(reference) {
                    Ok(value) => {
                        let from = Some((reference.to_string(), value));
                        scheme.moved(place, from, prefix, &mut names, &mut known)?
                    }
                    Err(why) => Step::Leave(format!("{reference}: {why}")),
                },
            };
            scheme.steps.push((place, step));
        }
        let bound = scheme.names().len();
        if bound > BINDINGS_MAX {
            let what =
                format!("{bound} credentials are too many for one agent: {BINDINGS_MAX} at most");
            return Err(Failure::usage(what, "import each file with an --agent of its own"));
        }
        Ok(scheme)
    }

    /// Whether there is nothing to write.
    pub(super) fn is_done(&self) -> bool {
        let idle = |step: &Step| match step {
            Step::Move { .. } => false,
            Step::Keep { residue, .. } => !residue,
            Step::Leave(_) => true,
        };
        self.steps.iter().all(|(_, step)| idle(step))
    }

    /// Every secret that a ref names when it is done, once.
    pub(super) fn names(&self) -> Vec<&SecretName> {
        let mut names: Vec<&SecretName> = self
            .steps
            .iter()
            .filter_map(|(_, step)| match step {
                Step::Move { name, .. } | Step::Keep { name, .. } => Some(name),
                Step::Leave(_) => None,
            })
            .collect();
        names.sort();
        names.dedup();
        names
    }

    fn moved(
        &mut self,
        place: &Place<'_>,
        from: Option<(String, SecretValue)>,
        prefix: &str,
        names: &mut Names,
        known: &mut BTreeMap<[u8; 32], SecretName>,
    ) -> Result<Step, Failure> {
        let (from, value) = match (from, place.found.member) {
            (Some((from, value)), _) => (Some(from), value),
            (None, Some(member)) => {
                let read = plaintext(&place.file.document, &member.value);
                let value = read.map_err(|error| {
                    let what = format!("{}, {}: {error}", place.file.shown(), place.path());
                    Failure::usage(what, "correct it there, and run this again")
                })?;
                (None, value)
            }
            (None, None) => return Ok(Step::Leave("nothing stands there".to_owned())),
        };
        let digest = sha256(&[value.as_ref()]);
        if let Some(name) = known.get(&digest) {
            return Ok(Step::Move { name: name.clone(), from });
        }
        // Every file of profiles has the same paths.
        let prefix = match &place.file.agent {
            Some(agent) => format!("{prefix}auth-profiles/{}/", plain(agent)),
            None => prefix.to_owned(),
        };
        let name = names.propose(&prefix, &place.found.path);
        if !is_exec_id(name.as_str()) {
            let what = format!("{name} is no id of OpenClaw");
            return Err(Failure::usage(what, "choose another --prefix"));
        }
        known.insert(digest, name.clone());
        self.secrets.push(Secret { name: name.clone(), value });
        Ok(Step::Move { name, from })
    }
}

/// An agent's name as part of a secret's.
fn plain(agent: &str) -> String {
    let word = |it: char| if it.is_ascii_alphanumeric() { it.to_ascii_lowercase() } else { '-' };
    let plain: String = agent.chars().map(word).collect();
    let plain = plain.trim_matches('-');
    if plain.is_empty() { "agent".to_owned() } else { plain.to_owned() }
}
