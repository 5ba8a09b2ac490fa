//! What a program's environment is made of: an allow-list of the sidecar's own, what its manifest
//! lets it inherit, and its credentials. Nothing else, and nothing of SecretRef itself.

use super::decide::Fingerprint;
use aws_lc_rs::digest::{SHA256, digest};
use secretref_domain::{name::EnvVar, value::SecretValue};
use std::{
    collections::BTreeMap,
    ffi::{OsStr, OsString},
    os::unix::ffi::{OsStrExt, OsStringExt},
    sync::Arc,
};

/// The variables of a program. The system keeps them where the program and its user can read
/// them; from here they are given to nobody else.
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// Puts an environment together. A credential wins over what is inherited.
    #[must_use]
    pub fn new<'a>(
        own: &[(OsString, OsString)],
        inherit: &[EnvVar],
        credentials: impl Iterator<Item = (&'a EnvVar, &'a Arc<SecretValue>)>,
    ) -> Self {
        let inherited = own.iter().filter(|(name, _)| {
            let named = inherit.iter().any(|wanted| name.as_bytes() == wanted.as_str().as_bytes());
            (named || is_usual(name)) && !name.as_bytes().starts_with(OWN_PREFIX)
        });
        let mut variables: BTreeMap<OsString, OsString> = inherited.cloned().collect();
        for (name, value) in credentials {
            // The copy is the program's own from here on, as the system hands it over.
            let value = OsString::from_vec(value.expose().to_vec());
            variables.insert(name.as_str().into(), value);
        }
        Self(variables)
    }

    /// The variables, for the start of the program and nothing else.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }
}

/// Which value it is, without saying what it is.
#[must_use]
pub fn fingerprint(value: &SecretValue) -> Fingerprint {
    let mut fixed = [0; 32];
    fixed.copy_from_slice(digest(&SHA256, value.expose()).as_ref());
    fixed
}

/// Why a value cannot be a variable; `None` where it can.
#[must_use]
pub fn unfit(value: &SecretValue) -> Option<&'static str> {
    value.expose().contains(&0).then_some(
        "the value has a NUL byte, which no environment variable can have; bind it as a `file` \
         without `envVar`",
    )
}

fn is_usual(name: &OsStr) -> bool {
    USUAL.iter().any(|usual| name == *usual) || name.as_bytes().starts_with(LOCALE_PREFIX)
}

/// Variables that every program may have.
const USUAL: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "TZ", "TERM", "TMPDIR", "PWD"];
const LOCALE_PREFIX: &[u8] = b"LC_";
const OWN_PREFIX: &[u8] = b"SECRETREF_";

#[cfg(test)]
mod tests;
