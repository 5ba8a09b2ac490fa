//! The broker's own environment: the last resort of a chain. Only variables that `broker.toml`
//! allows, since an administrator who sets a ref up must not read what else stands there.

use super::{Found, Permits, Place, ProviderError, record};
use secretref_domain::{fault::Fault, name::EnvVar};
use std::sync::Arc;

/// The broker's environment, as it was when the broker was started.
pub struct Environment {
    permits: Arc<Permits>,
}

impl Environment {
    pub(super) fn open(permits: &Arc<Permits>) -> Self {
        Self { permits: Arc::clone(permits) }
    }

    pub(super) fn fetch(&self, places: &[Place]) -> Vec<Result<Found, ProviderError>> {
        places.iter().map(|place| self.one(place)).collect()
    }

    fn one(&self, place: &Place) -> Result<Found, ProviderError> {
        let name = variable(place)?;
        match self.permits.environment.get(&name) {
            None => Err(ProviderError::new(
                Fault::Denied,
                format!(
                    "may not read the variable {name}: the broker's configuration does not name it"
                ),
                format!(
                    "add {:?} to `provider_environment` in broker.toml, and restart",
                    name.as_str()
                ),
            )),
            Some(None) => Err(ProviderError::new(
                Fault::NotFound,
                format!("has no variable {name}"),
                format!("start the broker with {name} set"),
            )),
            Some(Some(value)) => {
                let what = format!("the variable {name}");
                record::plain(value.expose().to_vec(), &what, STARTED.to_owned())
            }
        }
    }

    pub(super) fn check(&self) -> String {
        let set = self.permits.environment.values().filter(|value| value.is_some()).count();
        let all = self.permits.environment.len();
        format!("{all} variables may be read, {set} of them are set")
    }
}

/// The variable of a place: its target, else the ref's name in capitals with `_` for what a
/// variable cannot have.
fn variable(place: &Place) -> Result<EnvVar, ProviderError> {
    let derived = || {
        let upper = place.reference.as_str().to_ascii_uppercase();
        let name = upper.replace(|it: char| !it.is_ascii_alphanumeric(), "_");
        if name.starts_with(|it: char| it.is_ascii_digit()) { format!("_{name}") } else { name }
    };
    let name = place.target.clone().unwrap_or_else(derived);
    EnvVar::parse(&name).map_err(|error| {
        let message = format!("cannot have a variable of that name: {}", error.why);
        ProviderError::new(Fault::Misconfigured, message, "correct the ref's `target`")
    })
}

/// An environment does not change while the broker runs.
const STARTED: &str = "at start";

#[cfg(test)]
mod tests;
