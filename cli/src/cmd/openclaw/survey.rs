//! What stands at each target of an installation's files.

use super::files::Opened;
use secretref_domain::openclaw::{
    targets::{self, Found, Path, Target},
    text::Member,
    value::{Ref, Source, Standing, standing},
};
use std::collections::BTreeSet;

/// A place of a file where a credential goes.
pub(super) struct Place<'f> {
    /// The file.
    pub(super) file: &'f Opened,
    /// Which target it is.
    pub(super) target: Target,
    /// What was found.
    pub(super) found: Found<'f>,
    /// What stands there.
    pub(super) held: Held,
}

/// What stands at a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Held {
    /// A value in the open.
    Plaintext,
    /// A ref to the broker, perhaps with a value still beside it, which `OpenClaw` ignores.
    Ours { id: String, residue: bool },
    /// A ref to something else, perhaps with a value still beside it.
    Foreign { reference: Ref, residue: bool },
    /// Something that is left alone, and why.
    Left(&'static str),
}

impl Place<'_> {
    /// Its path, as `openclaw secrets audit` writes it.
    pub(super) fn path(&self) -> String {
        self.found.path.to_string()
    }

    /// Line and column, from 1.
    pub(super) fn at(&self) -> (usize, usize) {
        let member = self.found.member.or(self.found.beside);
        member.map_or((1, 1), |it| self.file.document.place(it.key_span.start))
    }
}

/// Every place at which something stands, in the order of the files. `alias` is the provider that
/// is the broker.
pub(super) fn survey<'f>(files: &'f [Opened], known: &[Target], alias: &str) -> Vec<Place<'f>> {
    let mut places = Vec::new();
    for file in files {
        let mut seen: BTreeSet<Path> = BTreeSet::new();
        let mut own = Vec::new();
        for target in known.iter().filter(|target| target.file == file.kind) {
            for found in target.find(&file.document) {
                if !seen.insert(found.path.clone()) {
                    continue;
                }
                if let Some(held) = held(file, &found, alias) {
                    own.push(Place { file, target: target.clone(), found, held });
                }
            }
        }
        for target in targets::excluded().into_iter().filter(|target| target.file == file.kind) {
            for found in target.find(&file.document) {
                let plain = held(file, &found, alias) == Some(Held::Plaintext);
                if plain && !seen.contains(&found.path) {
                    let held = Held::Left("OpenClaw makes it and changes it by itself");
                    own.push(Place { file, target: target.clone(), found, held });
                }
            }
        }
        own.sort_by_key(Place::at);
        places.extend(own);
    }
    places
}

fn held(file: &Opened, found: &Found<'_>, alias: &str) -> Option<Held> {
    let of = |member: &Member| standing(&file.document, &member.value);
    let own = found.member.map(of);
    let residue = own == Some(Standing::Plaintext);
    let by = |reference: Ref, residue| match &reference {
        Ref { source: Source::Exec, provider: Some(provider), id } if provider == alias => {
            Held::Ours { id: id.clone(), residue }
        }
        _ => Held::Foreign { reference, residue },
    };
    if let Some(Standing::Ref(reference)) = found.beside.map(of) {
        return Some(by(reference, residue));
    }
    match own? {
        Standing::Nothing => None,
        Standing::Plaintext => Some(Held::Plaintext),
        Standing::Ref(reference) => Some(by(reference, false)),
        Standing::Redacted => Some(Held::Left("it is OpenClaw's mark for a value left out")),
        Standing::Odd => Some(Held::Left("it is neither a string nor a ref")),
    }
}
