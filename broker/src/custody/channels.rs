//! Alert channels: who sees them, and how the broker gets at their addresses, which are secrets.

use super::{Custody, CustodyError, plan::event, secrets::secret_event};
use secretref_domain::{
    alert::{AlertChannel, ChannelKind, ChannelName},
    audit::Event,
    caller::Caller,
    ledger::{ChannelAddress, Ledger},
    name::{EnvironmentName, SecretName},
    policy::Action,
    value::SecretValue,
};

/// A channel as people see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelView {
    /// Name.
    pub name: ChannelName,
    /// Environment whose alerts it gets.
    pub environment: EnvironmentName,
    /// What it is.
    pub channel: AlertChannel,
    /// Why its address has no value now, and the command that gives it one.
    pub problem: Option<(String, String)>,
}

/// A channel that something can be sent by.
pub struct OpenChannel {
    /// What kind it is.
    pub kind: ChannelKind,
    /// Ref of its address, where it has one.
    pub reference: Option<SecretName>,
    /// Its address, where it has one.
    pub address: Option<SecretValue>,
}

impl Custody {
    /// The channels of an environment, ordered by name.
    ///
    /// # Errors
    /// A denial.
    pub async fn list_channels(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
    ) -> Result<Vec<ChannelView>, CustodyError> {
        let environment = self.environment(environment);
        self.permit(caller, Action::MetadataRead, || event(caller, "alert.list")).await?;
        let (ledger, now) = (self.shared.ledger(), self.now());
        let view = |(name, channel): (&ChannelName, &AlertChannel)| ChannelView {
            name: name.clone(),
            environment: environment.clone(),
            channel: channel.clone(),
            problem: match ledger.channel_address(&environment, channel, now) {
                ChannelAddress::Missing { reason, fix, .. } => Some((reason, fix)),
                ChannelAddress::None | ChannelAddress::Secret(..) => None,
            },
        };
        Ok(ledger.channels(&environment).map(view).collect())
    }

    /// Lets somebody try a channel, on the record, and says which environment is meant.
    ///
    /// # Errors
    /// A denial; [`CustodyError::NotFound`]; [`CustodyError::Store`].
    pub async fn try_channel(
        &self,
        caller: &Caller,
        environment: Option<EnvironmentName>,
        name: &ChannelName,
    ) -> Result<EnvironmentName, CustodyError> {
        self.channel_permitted(caller, "alert.test", environment, name).await
    }

    /// Lets somebody have something sent by a channel, on the record.
    pub(super) async fn channel_permitted(
        &self,
        caller: &Caller,
        action: &'static str,
        environment: Option<EnvironmentName>,
        name: &ChannelName,
    ) -> Result<EnvironmentName, CustodyError> {
        let environment = self.environment(environment);
        let event = || channel_event(caller, action, &environment, name);
        self.permit(caller, Action::AgentWrite, event).await?;
        find(&self.shared.ledger(), &environment, name)?;
        self.writer.note(vec![event()]).await?;
        Ok(environment)
    }

    /// Where the alerts of an environment go, for the broker itself.
    ///
    /// # Errors
    /// A denial.
    pub async fn channels_of(
        &self,
        caller: &Caller,
        environment: &EnvironmentName,
    ) -> Result<Vec<ChannelName>, CustodyError> {
        self.permit(caller, Action::AlertSend, || event(caller, "alert.send")).await?;
        let ledger = self.shared.ledger();
        Ok(ledger.channels(environment).map(|(name, _)| name.clone()).collect())
    }

    /// Opens a channel for the broker itself: its address is read as any secret is, and the record
    /// is durable before it leaves.
    ///
    /// # Errors
    /// A denial; [`CustodyError::NotFound`]; [`CustodyError::Precondition`] where the address has
    /// no value; what reading it failed with.
    pub async fn open_channel(
        &self,
        caller: &Caller,
        environment: &EnvironmentName,
        name: &ChannelName,
    ) -> Result<OpenChannel, CustodyError> {
        let event = || channel_event(caller, "alert.send", environment, name);
        self.permit(caller, Action::AlertSend, event).await?;
        let (kind, reference, address) = {
            let ledger = self.shared.ledger();
            let channel = find(&ledger, environment, name)?;
            let address = ledger.channel_address(environment, channel, self.now());
            (channel.kind, channel.secret_ref.clone(), address)
        };
        let (secret, version) = match address {
            ChannelAddress::None => return Ok(OpenChannel { kind, reference, address: None }),
            ChannelAddress::Secret(secret, version) => (secret, version),
            ChannelAddress::Missing { reference, reason, fix } => {
                return Err(CustodyError::Precondition {
                    code: "CHANNEL_UNRESOLVED",
                    message: format!("ref {:?} has no value: {reason}", reference.as_str()),
                    fix,
                });
            }
        };
        let value = self.open_value(caller, secret, version).await?;
        if let Some(secret_name) = self.secret_name(secret) {
            let mut event = secret_event(caller, "secret.access", environment, &secret_name);
            (event.object_id, event.version) = (secret.0, version.get());
            event.reason = format!("alert channel {:?}", name.as_str());
            self.writer.note(vec![event]).await?;
        }
        Ok(OpenChannel { kind, reference, address: Some(value) })
    }

    /// Records what became of an alert: that it was sent, or why not.
    ///
    /// # Errors
    /// A denial, or [`CustodyError::Store`].
    pub async fn record_alert(
        &self,
        caller: &Caller,
        environment: &EnvironmentName,
        name: &ChannelName,
        outcome: String,
    ) -> Result<(), CustodyError> {
        let event = || channel_event(caller, "alert.send", environment, name);
        self.permit(caller, Action::AlertSend, event).await?;
        self.writer.note(vec![Event { reason: outcome, ..event() }]).await
    }
}

fn channel_event(
    caller: &Caller,
    action: &'static str,
    environment: &EnvironmentName,
    name: &ChannelName,
) -> Event {
    Event {
        environment: environment.to_string(),
        object_kind: "channel",
        object: name.to_string(),
        ..event(caller, action)
    }
}

fn find<'a>(
    ledger: &'a Ledger,
    environment: &EnvironmentName,
    name: &ChannelName,
) -> Result<&'a AlertChannel, CustodyError> {
    ledger.channel(environment, name).ok_or_else(|| CustodyError::NotFound {
        kind: "alert channel",
        name: name.to_string(),
        fix: format!("secretref alert list --environment {environment}"),
    })
}
