//! Everybody who may turn up, and the connection that he gets at each port.

use super::Port;
use crate::{
    place::manifest,
    tls::{Entry, Shown, knock},
    world::World,
};
use anyhow::{Context, Result, bail};
use secretref_identity::{
    credentials::Credentials,
    request::{CertificateRequest, parse_request},
};
use secretref_proto::v1::{
    AdminRole, ApplyManifestRequest, CreateJoinTokenRequest, ManifestFile, PutSecretRequest,
    RevokeAdminRequest,
};
use secretref_testkit::{admin::Admin, peer};
use tonic::transport::Channel;

/// A kind of identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Who {
    /// Without a certificate.
    Stranger,
    /// An agent; `own` of the objects is his.
    Worker,
    /// Another agent of the same environment.
    Neighbour,
    /// An agent of another environment.
    Foreigner,
    /// An agent whose certificate ended an hour ago.
    ExpiredAgent,
    /// An agent with the certificate before the last two.
    SupersededAgent,
    RevokedAgent,
    RemovedAgent,
    Writer,
    Reader,
    Operator,
    Auditor,
    RevokedAdmin,
    SupersededAdmin,
    ExpiredAdmin,
    /// With the certificate that a broker shows its clients.
    Broker,
}

pub(super) const EVERYBODY: [Who; 16] = [
    Who::Stranger,
    Who::Worker,
    Who::Neighbour,
    Who::Foreigner,
    Who::ExpiredAgent,
    Who::SupersededAgent,
    Who::RevokedAgent,
    Who::RemovedAgent,
    Who::Writer,
    Who::Reader,
    Who::Operator,
    Who::Auditor,
    Who::RevokedAdmin,
    Who::SupersededAdmin,
    Who::ExpiredAdmin,
    Who::Broker,
];

/// All of them, in one world.
pub(super) struct Cast {
    pub(super) world: World,
    credentials: Vec<(Who, Credentials)>,
    broker: Shown,
    admins: u32,
}

impl Cast {
    pub(super) async fn assemble(world: World) -> Result<Self> {
        let cast =
            Self { broker: broker(&world).await?, world, credentials: Vec::new(), admins: 0 };
        cast.furnish().await
    }

    async fn furnish(mut self) -> Result<Self> {
        let World { admin, .. } = &self.world;
        for (environment, agent, secret) in
            [("default", "neighbour", "b"), ("staging", "stranger", "c"), ("default", "gone", "a")]
        {
            self.world.admin.secrets().put_secret(put(environment, secret)).await?;
            admin.agents().apply_manifest(apply(environment, agent, secret)).await?;
        }
        admin.agents().apply_manifest(apply("default", "revoked", "a")).await?;
        let mut enrolled = Vec::new();
        // Those whose certificates are to be ended come first.
        enrolled.push((Who::ExpiredAgent, self.agent("default", "worker").await?));
        let expired = admin.create_admin("expired", &[AdminRole::Operator], 900).await?;
        enrolled.push((Who::ExpiredAdmin, expired));
        self.world.place.clock.advance_seconds(2 * 3600);
        for (who, environment, agent) in [
            (Who::Worker, "default", "worker"),
            (Who::Neighbour, "default", "neighbour"),
            (Who::Foreigner, "staging", "stranger"),
            (Who::SupersededAgent, "default", "worker"),
            (Who::RevokedAgent, "default", "revoked"),
            (Who::RemovedAgent, "default", "gone"),
        ] {
            enrolled.push((who, self.agent(environment, agent).await?));
        }
        self.credentials = enrolled;
        self.fall().await?;
        Ok(self)
    }

    /// Makes those fallen who are to be.
    async fn fall(&mut self) -> Result<()> {
        let admin = self.world.admin.clone();
        let address = self.world.agents.to_string();
        let first = self.credentials(Who::SupersededAgent)?;
        let second = peer::renewed(&address, first).await?;
        peer::renewed(&address, &second).await?;
        admin.revoke("revoked").await?;
        let files = ["worker", "neighbour", "revoked"].map(|agent| {
            let secret = if agent == "neighbour" { "b" } else { "a" };
            let content = manifest(agent, &[secret]).into_bytes();
            ManifestFile { name: format!("{agent}.json"), content }
        });
        let request = ApplyManifestRequest {
            files: files.into(),
            environment: "default".to_owned(),
            prune: true,
            ..ApplyManifestRequest::default()
        };
        admin.agents().apply_manifest(request).await?;
        let revoked = admin.create_admin("revoked", &[AdminRole::Operator], 0).await?;
        let request = RevokeAdminRequest { name: "revoked".into(), ..Default::default() };
        admin.admins().revoke_admin(request).await?;
        let superseded = admin.create_admin("superseded", &[AdminRole::Operator], 0).await?;
        let request = secretref_proto::v1::RenewAdminRequest {
            name: "superseded".into(),
            certificate_request_der: CertificateRequest::generate()?.der,
            ..Default::default()
        };
        admin.admins().renew_admin(request).await?;
        self.credentials.push((Who::RevokedAdmin, revoked));
        self.credentials.push((Who::SupersededAdmin, superseded));
        Ok(())
    }

    async fn agent(&self, environment: &str, agent: &str) -> Result<Credentials> {
        let token = self.token(environment, agent).await?;
        peer::enrolled(&self.world.agents.to_string(), &token).await
    }

    pub(super) async fn token(&self, environment: &str, agent: &str) -> Result<String> {
        let request = CreateJoinTokenRequest {
            agent: agent.to_owned(),
            environment: environment.to_owned(),
            ttl_seconds: 24 * 3600,
            // The operator's cells revoke agents.
            readmit: true,
        };
        let answer = self.world.admin.agents().create_join_token(request).await?;
        Ok(answer.into_inner().token)
    }

    pub(super) fn credentials(&self, who: Who) -> Result<&Credentials> {
        let found = self.credentials.iter().find(|(other, _)| *other == who);
        found.map(|(_, credentials)| credentials).with_context(|| format!("no {who:?}"))
    }

    /// A connection of somebody to a port, and the name of the administrator that he is; nothing
    /// where he is not let in. Each administrator of one role is a new one, so that one call does
    /// not spoil the next.
    pub(super) async fn connect(
        &mut self,
        who: Who,
        port: Port,
    ) -> Result<Option<(Channel, String)>> {
        let address = match port {
            Port::Agents => self.world.agents,
            Port::Admins => self.world.admins,
        };
        let role = match who {
            Who::Broker => {
                let root = &self.world.credentials.trust().roots()[0];
                return match knock(address, root, &self.broker).await? {
                    Entry::Refused(_) => Ok(None),
                    Entry::In => bail!("a broker's certificate was let in at {port:?}"),
                };
            }
            Who::Stranger => {
                let token = self.token("default", "worker").await?;
                let channel = peer::anonymous(&address.to_string(), &token).await;
                return Ok(channel.ok().map(|channel| (channel, "no-admin".to_owned())));
            }
            Who::Writer => AdminRole::Writer,
            Who::Reader => AdminRole::Reader,
            Who::Operator => AdminRole::Operator,
            Who::Auditor => AdminRole::Auditor,
            _ => {
                let credentials = self.credentials(who)?;
                let admin = Admin::connect_as(&address.to_string(), credentials).await;
                return Ok(admin.ok().map(|admin| (admin.channel(), "superseded".to_owned())));
            }
        };
        let (credentials, name) = self.admin(role).await?;
        let admin = Admin::connect_as(&address.to_string(), &credentials).await;
        Ok(admin.ok().map(|admin| (admin.channel(), name)))
    }

    async fn admin(&mut self, role: AdminRole) -> Result<(Credentials, String)> {
        self.admins += 1;
        let name = format!("admin-{}", self.admins);
        Ok((self.world.admin.create_admin(&name, &[role], 0).await?, name))
    }
}

async fn broker(world: &World) -> Result<Shown> {
    let custody = world.place.open().await?;
    let request = CertificateRequest::generate()?;
    let public = parse_request(&request.der)?;
    let now = custody.now().as_micros() / 1_000_000;
    let names = ["localhost".to_owned()];
    let issued =
        custody.authority().issue_server(&public, world.place.broker.0, &names, now, 3600)?;
    Ok(Shown { chain: issued.chain, key: request.key.expose_der().to_vec() })
}

fn put(environment: &str, secret: &str) -> PutSecretRequest {
    PutSecretRequest {
        environment: environment.to_owned(),
        ..crate::world::put_request(secret, format!("{secret}-1").as_bytes())
    }
}

fn apply(environment: &str, agent: &str, secret: &str) -> ApplyManifestRequest {
    let content = manifest(agent, &[secret]).into_bytes();
    ApplyManifestRequest {
        files: vec![ManifestFile { name: "manifest.json".to_owned(), content }],
        environment: environment.to_owned(),
        ..ApplyManifestRequest::default()
    }
}
