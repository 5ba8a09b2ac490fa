//! Alert channels: kept by environment, with an address that is a secret.

use super::*;
use crate::alert::{AlertChannel, ChannelKind, ChannelName};

fn slack(reference: &str) -> AlertChannel {
    AlertChannel { kind: ChannelKind::Slack, secret_ref: Some(name(reference)) }
}

impl Log {
    fn channel(&mut self, called: &str, channel: &AlertChannel) -> Touched {
        let channel = channel.clone();
        self.write(Change::ChannelSet { environment: env(), name: name(called), channel })
    }

    fn address(&self, channel: &AlertChannel, now: i64) -> ChannelAddress {
        self.ledger.channel_address(&env(), channel, at(now))
    }

    /// Why a channel has no address, and what helps.
    fn missing(&self, channel: &AlertChannel, now: i64) -> (String, String) {
        match self.address(channel, now) {
            ChannelAddress::Missing { reason, fix, .. } => (reason, fix),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn channels_are_set_replaced_and_removed_in_their_environment() {
    let mut log = Log::default();
    let (finance, other): (ChannelName, EnvironmentName) = (name("#finance"), name("other"));
    assert_eq!(log.channel("#finance", &slack("hook")), Touched::default());
    assert_eq!(log.ledger.channel(&env(), &finance), Some(&slack("hook")));
    assert_eq!(log.ledger.channel(&other, &finance), None);
    log.channel("#finance", &slack("hook-2"));
    log.channel("log", &AlertChannel { kind: ChannelKind::Log, secret_ref: None });
    let names: Vec<_> = log.ledger.channels(&env()).map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, ["#finance", "log"]);
    assert_eq!(log.ledger.channels(&other).count(), 0);
    log.write(Change::ChannelRemoved { environment: env(), name: finance.clone() });
    assert_eq!(log.ledger.channel(&env(), &finance), None);
}

#[test]
fn the_address_of_a_channel_is_the_current_version_of_its_secret() {
    let mut log = Log::default();
    let log_channel = AlertChannel { kind: ChannelKind::Log, secret_ref: None };
    assert_eq!(log.address(&log_channel, 0), ChannelAddress::None);
    let (reason, fix) = log.missing(&slack("hook"), 0);
    assert!(reason.contains("\"hook\" is not in the store") && fix == "secretref put hook");
    log.put(1, "hook", 1);
    log.put(1, "hook", 2);
    let found = ChannelAddress::Secret(secret_id(1), Version::new(2).unwrap());
    assert_eq!(log.address(&slack("hook"), 0), found);
    // By a ref of another name.
    let target = Some("hook".to_owned());
    log.reference("alerts-url", Reference { target, ..Reference::default() });
    assert_eq!(log.address(&slack("alerts-url"), 0), found);
    log.write(Change::SecretDeleted { secret: secret_id(1), deleted: true });
    let (reason, fix) = log.missing(&slack("hook"), 0);
    assert!(reason.contains("is deleted") && fix == "secretref undelete hook", "{reason}, {fix}");
    log.write(Change::SecretDeleted { secret: secret_id(1), deleted: false });
    let version = Version::new(2).unwrap();
    log.write(Change::VersionDestroyed { secret: secret_id(1), version });
    assert!(log.missing(&slack("hook"), 0).0.contains("no current version"));
}

#[test]
fn an_address_that_expired_is_none() {
    let mut log = Log::default();
    log.put_until(1, "hook", 1, Some(at(DAY)));
    assert!(matches!(log.address(&slack("hook"), DAY - 1), ChannelAddress::Secret(..)));
    assert!(log.missing(&slack("hook"), DAY).0.contains("expired at"));
    let target = Some("other".to_owned());
    log.put(2, "other", 1);
    let reference = Reference { target, expires_at: Some(at(9)), ..Reference::default() };
    log.reference("by-ref", reference);
    assert!(log.missing(&slack("by-ref"), 9).0.contains("expired at"));
    let provider = Some(name("nowhere"));
    log.reference("lost", Reference { provider, ..Reference::default() });
    assert!(log.missing(&slack("lost"), 0).0.contains("is not set up"));
}

#[test]
fn a_channel_never_has_another_environments_address() {
    let mut log = Log::default();
    log.put(1, "hook", 1);
    let other: EnvironmentName = name("other");
    let found = log.ledger.channel_address(&other, &slack("hook"), at(0));
    let ChannelAddress::Missing { reason, .. } = found else { panic!("{found:?}") };
    assert_eq!(reason, "secret \"hook\" is not in the store");
    // Nor does a ref of one environment say anything in the other.
    log.reference("hook", in_provider("store", Some("else")));
    log.put(2, "else", 1);
    let found = log.ledger.channel_address(&other, &slack("hook"), at(0));
    assert!(matches!(found, ChannelAddress::Missing { .. }), "{found:?}");
    log.put_in("other", 3, "hook");
    let found = log.ledger.channel_address(&other, &slack("hook"), at(0));
    assert_eq!(found, ChannelAddress::Secret(secret_id(3), Version::FIRST));
}
