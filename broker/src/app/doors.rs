//! The broker's own certificate, and the TLS configurations of its ports.

use crate::{config::BrokerFile, custody::Custody, grpc::Doors};
use arc_swap::ArcSwap;
use secretref_identity::{
    clock::Clock,
    credentials::Credentials,
    request::{CertificateRequest, parse_request},
    server::ServerConfig,
};
use std::{
    net::IpAddr,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use uuid::Uuid;

/// Keeps the doors' configurations current.
pub(super) struct Keeper {
    agents: Doors,
    admins: Doors,
    broker: Uuid,
    names: Vec<String>,
    /// When the certificate is due for renewal, in seconds since the epoch.
    due: AtomicI64,
}

impl Keeper {
    pub(super) fn new(custody: &Custody, file: &BrokerFile) -> anyhow::Result<Self> {
        let names = names(file);
        let (agents, admins, due) = configure(custody, file.broker_id, &names)?;
        Ok(Self {
            agents: Arc::new(ArcSwap::from_pointee(agents)),
            admins: Arc::new(ArcSwap::from_pointee(admins)),
            broker: file.broker_id,
            names,
            due: AtomicI64::new(due),
        })
    }

    pub(super) fn agents(&self) -> Doors {
        Arc::clone(&self.agents)
    }

    pub(super) fn admins(&self) -> Doors {
        Arc::clone(&self.admins)
    }

    /// Renews what is due. New connections get it; open ones are not touched.
    pub(super) async fn renew(&self, custody: &Custody) -> anyhow::Result<()> {
        let renewed = custody.renew_intermediates().await?;
        self.configure_again(custody, renewed)
    }

    /// Believes what another broker's renewed authority issues.
    pub(super) async fn adopt(&self, custody: &Custody) -> anyhow::Result<()> {
        let adopted = custody.adopt_authority().await?;
        self.configure_again(custody, adopted)
    }

    fn configure_again(&self, custody: &Custody, changed: bool) -> anyhow::Result<()> {
        let now = seconds(custody);
        if changed || now >= self.due.load(Ordering::Relaxed) {
            let (agents, admins, due) = configure(custody, self.broker, &self.names)?;
            self.agents.store(Arc::new(agents));
            self.admins.store(Arc::new(admins));
            self.due.store(due, Ordering::Relaxed);
            tracing::info!("the broker's certificate was renewed");
        }
        Ok(())
    }
}

fn configure(
    custody: &Custody,
    broker: Uuid,
    names: &[String],
) -> anyhow::Result<(ServerConfig, ServerConfig, i64)> {
    let now = seconds(custody);
    let authority = custody.authority();
    let request = CertificateRequest::generate()?;
    let key = parse_request(&request.der)?;
    let issued = authority.issue_server(&key, broker, names, now, SERVER_SECONDS)?;
    let due = now + (issued.not_after - now) / 2;
    let credentials = Credentials::new(issued.chain, request.key, custody.trust_bundle()?)?;
    let clock = {
        let custody = custody.clone();
        Clock::new(move || seconds(&custody))
    };
    let anchors = authority.agent_anchors();
    let agents = ServerConfig::for_agents(&credentials, &anchors, clock.clone())?;
    let admins = ServerConfig::for_admins(&credentials, &authority.admin_anchors(), clock)?;
    Ok((agents, admins, due))
}

/// What clients may call this broker, for those that check names as `grpcurl` does.
fn names(file: &BrokerFile) -> Vec<String> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), "::1".to_owned()];
    for address in [file.agent_listen.ip(), file.admin_listen.ip()] {
        if !IpAddr::is_unspecified(&address) {
            names.push(address.to_string());
        }
    }
    names.extend(file.advertise.iter().cloned());
    names.sort();
    names.dedup();
    names
}

fn seconds(custody: &Custody) -> i64 {
    custody.now().as_micros().div_euclid(1_000_000)
}

/// How long the broker's certificate is valid: 7 days, renewed at half.
const SERVER_SECONDS: i64 = 7 * 24 * 3600;
