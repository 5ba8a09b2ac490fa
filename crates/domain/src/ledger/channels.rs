//! Alert channels in the ledger, each with the secret that its address is.

use super::{Ledger, Resolution, Touched};
use crate::{
    alert::{AlertChannel, ChannelName},
    change::Change,
    clock::Timestamp,
    id::SecretId,
    name::{EnvironmentName, SecretName},
    version::Version,
};

/// Where the address of a channel is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChannelAddress {
    /// It has none: a log.
    None,
    /// The current version of a secret.
    Secret(SecretId, Version),
    /// Nowhere now.
    Missing {
        /// Ref that has no value.
        reference: SecretName,
        /// Why, in words.
        reason: String,
        /// The command that helps.
        fix: String,
    },
}

impl Ledger {
    /// A channel of an environment.
    #[must_use]
    pub fn channel(
        &self,
        environment: &EnvironmentName,
        name: &ChannelName,
    ) -> Option<&AlertChannel> {
        self.channels.get(&(environment.clone(), name.clone()))
    }

    /// All channels of an environment, by name.
    pub fn channels(
        &self,
        environment: &EnvironmentName,
    ) -> impl Iterator<Item = (&ChannelName, &AlertChannel)> {
        self.channels
            .iter()
            .filter(move |((of, _), _)| of == environment)
            .map(|((_, name), channel)| (name, channel))
    }

    /// Where the address of a channel is at a time.
    #[must_use]
    pub fn channel_address(
        &self,
        environment: &EnvironmentName,
        channel: &AlertChannel,
        now: Timestamp,
    ) -> ChannelAddress {
        let Some(reference) = &channel.secret_ref else { return ChannelAddress::None };
        match self.value_in(environment, reference, now) {
            Ok((secret, version)) => ChannelAddress::Secret(secret, version),
            Err((reason, fix)) => {
                ChannelAddress::Missing { reference: reference.clone(), reason, fix }
            }
        }
    }

    fn value_in(
        &self,
        environment: &EnvironmentName,
        reference: &SecretName,
        now: Timestamp,
    ) -> Result<(SecretId, Version), (String, String)> {
        let name = match self.resolve(environment, reference, None) {
            Resolution::Secret(resolved) => resolved.secret,
            Resolution::Unresolved { reason, fix } => return Err((reason, fix)),
        };
        let put = |reason: String| (reason, format!("secretref put {name}"));
        let secret = self.kept(environment, &name)?;
        let version = secret.versions.get(&secret.current).filter(|version| !version.destroyed);
        let version =
            version.ok_or_else(|| put(format!("secret {name:?} has no current version")))?;
        let declared = self.reference(environment, reference).and_then(|it| it.expires_at);
        match version.expires_at.or(declared) {
            Some(end) if end <= now => Err(put(format!("secret {name:?} expired at {end}"))),
            _ => Ok((secret.id, secret.current)),
        }
    }

    /// No agent is concerned: what a channel has is the broker's own.
    pub(super) fn fold_channel(&mut self, change: &Change) -> Touched {
        match change {
            Change::ChannelSet { environment, name, channel } => {
                self.channels.insert((environment.clone(), name.clone()), channel.clone());
            }
            Change::ChannelRemoved { environment, name } => {
                self.channels.remove(&(environment.clone(), name.clone()));
            }
            _ => {}
        }
        Touched::default()
    }
}
