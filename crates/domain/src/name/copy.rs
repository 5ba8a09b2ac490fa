//! Names of copies: what a provider holds is kept sealed in the store, under a name that nobody can
//! put to.

use super::{NameError, ProviderAlias, SecretName};

impl SecretName {
    /// Name of the copy of what a provider holds for a ref: `REF@ALIAS`, and `REF@ALIAS.2` where
    /// the ref's chain names the provider a second time.
    #[must_use]
    pub fn copy(reference: &Self, provider: &ProviderAlias, nth: usize) -> Self {
        let mut name = format!("{reference}{MARK}{provider}");
        if nth > 1 {
            name.push_str(&format!(".{nth}"));
        }
        Self(name.into())
    }

    /// Takes a name that a secret is kept under: any that may be put to, or that of a copy.
    ///
    /// # Errors
    /// [`NameError`] where it is neither.
    pub fn parse_kept(given: &str) -> Result<Self, NameError> {
        let Some((reference, provider)) = given.split_once(MARK) else {
            return Self::parse(given);
        };
        let (alias, nth) = match provider.split_once('.') {
            Some((alias, nth)) => (alias, nth.parse().ok().filter(|nth| (2..=99).contains(nth))),
            None => (provider, Some(1)),
        };
        let parts = (Self::parse(reference), ProviderAlias::parse(alias), nth);
        match parts {
            (Ok(reference), Ok(alias), Some(nth)) => Ok(Self::copy(&reference, &alias, nth)),
            _ => Self::parse(given),
        }
    }

    /// Takes a name that may be put to. That of a copy is refused with what to do instead.
    ///
    /// # Errors
    /// Why not, and what to do.
    pub fn parse_own(given: &str) -> Result<Self, String> {
        match Self::parse_kept(given) {
            Ok(name) => match name.copied_ref() {
                None => Ok(name),
                Some(reference) => Err(format!(
                    "{given:?} is the broker's own copy of what a provider holds for ref \
                     {reference}: it is written at the provider, or by rotating the ref"
                )),
            },
            Err(error) => Err(error.to_string()),
        }
    }

    /// The ref whose copy it names; none for a name that may be put to.
    #[must_use]
    pub fn copied_ref(&self) -> Option<Self> {
        self.as_str().split_once(MARK).and_then(|(reference, _)| Self::parse(reference).ok())
    }
}

/// Between a ref and a provider; in no name that anybody can give.
const MARK: char = '@';
