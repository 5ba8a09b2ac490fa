//! What an administrator's own certificate says.

use crate::{
    failure::{Exit, Failure},
    print::time,
    profile::Profile,
};
use prost_types::Timestamp;
use secretref_identity::subject::TrustDomain;
use std::fs;
use x509_parser::prelude::{GeneralName, X509Certificate, parse_x509_pem};

/// A certificate's validity, and how much of it is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ending {
    /// First second, since the epoch.
    pub(crate) not_before: i64,
    /// Last second, since the epoch.
    pub(crate) not_after: i64,
    /// The second that it was looked at.
    pub(crate) now: i64,
}

impl Ending {
    /// Of a profile's certificate, where it can be read.
    pub(crate) fn of(profile: &Profile) -> Option<Self> {
        let chain = fs::read_to_string(&profile.cert).ok()?;
        Self::read(&chain, time::now().seconds)
    }

    /// Of a chain in PEM.
    pub(crate) fn read(chain: &str, now: i64) -> Option<Self> {
        leaf(chain, |leaf| {
            let validity = leaf.validity();
            let (from, to) = (validity.not_before.timestamp(), validity.not_after.timestamp());
            Ok(Self { not_before: from, not_after: to, now })
        })
        .ok()
    }

    /// Whether it has ended.
    pub(crate) fn is_over(self) -> bool {
        self.now > self.not_after
    }

    /// Whether it ends so soon that somebody should be told: within 14 days, or within the last
    /// third of a shorter life.
    pub(crate) fn is_soon(self) -> bool {
        let third = self.not_after.saturating_sub(self.not_before) / 3;
        self.not_after.saturating_sub(self.now) < third.min(SOON_SECONDS)
    }

    /// That it ends soon.
    pub(crate) fn as_warning(self) -> Option<String> {
        let left = self.not_after.saturating_sub(self.now);
        let left = match left {
            _ if !self.is_soon() || self.is_over() => return None,
            ..7200 => format!("{} minutes", left / 60),
            7200..172_800 => format!("{} hours", left / 3600),
            _ => format!("{} days", left / 86_400),
        };
        Some(format!("your administrator's certificate ends in {left}, on {} UTC", self.end()))
    }

    /// That it has ended, where that is why a broker refuses it.
    pub(crate) fn as_failure(self) -> Option<Failure> {
        let what = format!("your administrator's certificate ended on {} UTC", self.end());
        let fix = "another operator makes you a new one: secretref admin renew NAME --out DIR";
        self.is_over().then(|| Failure::new(Exit::Refused, what, fix))
    }

    fn end(self) -> String {
        time::moment(Some(&Timestamp { seconds: self.not_after, nanos: 0 }))
    }
}

/// An admin belongs to the trust domain that its own certificate names; who is believed is decided
/// by the authority's certificate, not by this.
pub(super) fn trust_domain(chain: &str) -> Result<TrustDomain, String> {
    let id = spiffe_id(chain)?;
    let domain = id.trim_start_matches("spiffe://").split('/').next().unwrap_or_default();
    TrustDomain::parse(domain).map_err(|error| error.to_string())
}

/// The name that a chain's leaf gives its holder.
pub(crate) fn spiffe_id(chain: &str) -> Result<String, String> {
    leaf(chain, |leaf| {
        let none = || "the admin's certificate has no SPIFFE id".to_owned();
        let names = leaf.subject_alternative_name().map_err(|error| error.to_string())?;
        let names = names.ok_or_else(none)?;
        let uri = names.value.general_names.iter().find_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let id = uri.filter(|uri| uri.starts_with("spiffe://")).ok_or_else(none)?;
        Ok(id.to_owned())
    })
}

fn leaf<T>(
    chain: &str,
    read: impl FnOnce(&X509Certificate<'_>) -> Result<T, String>,
) -> Result<T, String> {
    let (_, block) = parse_x509_pem(chain.as_bytes())
        .map_err(|_| "the admin's certificate is not PEM".to_owned())?;
    read(&block.parse_x509().map_err(|error| error.to_string())?)
}

/// 14 days.
const SOON_SECONDS: i64 = 14 * 86_400;

#[cfg(test)]
mod tests;
