//! Alert channels in an apply: those of the environment that it goes to.

use super::{Draft, Thing};
use crate::custody::{CustodyError, manifests::Unresolved};
use secretref_domain::{
    alert::{AlertChannel, CHANNELS_MAX, ChannelName},
    change::Change,
    ledger::{ChannelAddress, Ledger},
    manifest::render,
    name::SecretName,
};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

impl Draft<'_> {
    pub(in crate::custody::manifests) fn channels(&mut self) {
        for (name, channel) in &self.manifest.channels {
            let environment = self.environment.clone();
            let before = self.ground.ledger.channel(&environment, name).map(render::channel);
            let (name, channel) = (name.clone(), channel.clone());
            let after = Some(render::channel(&channel));
            let change = Change::ChannelSet { environment, name: name.clone(), channel };
            self.note_channel(&name, before, after, change);
        }
    }

    pub(super) fn prune_channels(&mut self) {
        let gone: Vec<(ChannelName, AlertChannel)> = self
            .ground
            .ledger
            .channels(&self.environment)
            .filter(|(name, _)| !self.manifest.channels.contains_key(*name))
            .map(|(name, channel)| (name.clone(), channel.clone()))
            .collect();
        for (name, channel) in gone {
            let (environment, before) = (self.environment.clone(), render::channel(&channel));
            let change = Change::ChannelRemoved { environment, name: name.clone() };
            self.note_channel(&name, Some(before), None, change);
        }
    }

    fn note_channel(
        &mut self,
        name: &ChannelName,
        before: Option<Value>,
        after: Option<Value>,
        change: Change,
    ) {
        let place = &["alerts", "channels", name.as_str()];
        self.note(Thing { kind: "channel", name: name.to_string(), place, before, after }, change);
    }

    /// Refuses more channels than an environment may have, those of earlier applies among them.
    pub(in crate::custody::manifests) fn check_channels(
        &self,
        after: &Ledger,
    ) -> Result<(), CustodyError> {
        let count = after.channels(&self.environment).count();
        if count <= CHANNELS_MAX {
            return Ok(());
        }
        let problem = format!(
            "alerts.channels: environment {} would have {count}: {CHANNELS_MAX} at most. Fix: \
             remove those that nobody reads",
            self.environment
        );
        Err(CustodyError::invalid("files", problem))
    }

    /// Adds the channels of the manifest whose address would have no value.
    pub(super) fn unresolved_channels(
        &self,
        after: &Ledger,
        found: &mut BTreeMap<SecretName, Unresolved>,
    ) {
        for (name, channel) in &self.manifest.channels {
            let at = self.ground.at;
            let address = after.channel_address(&self.environment, channel, at);
            let ChannelAddress::Missing { reference, reason, fix } = address else { continue };
            let entry = found.entry(reference.clone()).or_insert_with(|| Unresolved {
                reference,
                agents: BTreeSet::new(),
                channels: BTreeSet::new(),
                reason,
                fix,
                required: false,
            });
            entry.channels.insert(name.clone());
        }
    }
}
