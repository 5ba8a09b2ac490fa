//! The certificate zoo: wrong certificates at a real broker's two ports, made with its own
//! authority's keys. What is wrong with a certificate by itself is refused twice over: by the
//! handshake, and by whoever reads a peer from a certificate. What nobody can see in a certificate,
//! such as that its serial number was never given, is refused by every method.

mod der;
mod keepers;
mod rows;

use crate::{
    tls::{Entry, Shown, knock},
    world::{Stream, World, hello, reason},
};
use anyhow::{Context, Result, bail, ensure};
use der::{Draft, Signer};
use keepers::Authority;
use rows::Real;
use rustls::pki_types::CertificateDer;
use secretref_identity::{
    credentials::{Credentials, PrivateKey, TrustBundle},
    peer::Peer,
    request::{CertificateRequest, parse_request},
    subject::TrustDomain,
};
use secretref_proto::v1::{
    ApplyManifestRequest, GetBrokerRequest, JoinRequest, ListSecretsRequest, ManifestFile,
    RenewAdminRequest, RenewRequest, enrolment_service_client::EnrolmentServiceClient,
};
use secretref_testkit::{admin::Admin, broker::TRUST_DOMAIN, engine::Engine, peer};
use tonic::{Code, Status};
use uuid::Uuid;

/// Where a row knocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Port {
    Agents,
    Admins,
}

/// What stops a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stop {
    /// The handshake.
    Chain,
    /// The handshake, and reading the leaf as a peer, each by itself.
    Content,
}

/// One wrong certificate.
struct Row {
    name: String,
    port: Port,
    stop: Stop,
    chain: Vec<Vec<u8>>,
}

/// A broker with its authority's keys, an agent's instance and an administrator.
struct Zoo {
    world: World,
    authority: Authority,
    agent: Credentials,
    agent_shown: Shown,
    admin_shown: Shown,
}

impl Zoo {
    async fn open() -> Result<Self> {
        let world = World::with_worker(Engine::Sqlite, &["a"]).await?;
        let agent = world.enrolled("worker").await?;
        let (agent_shown, admin_shown) = (Shown::of(&agent)?, Shown::of(&world.credentials)?);
        Ok(Self { authority: Authority::of(&world).await?, agent_shown, admin_shown, agent, world })
    }

    fn root(&self) -> CertificateDer<'static> {
        self.authority.root.certificate.clone().into()
    }

    async fn knock(&self, port: Port, chain: &[Vec<u8>]) -> Result<Entry> {
        let (address, key) = match port {
            Port::Agents => (self.world.agents, &self.agent_shown.key),
            Port::Admins => (self.world.admins, &self.admin_shown.key),
        };
        let chain = chain.iter().map(|der| der.clone().into()).collect();
        knock(address, &self.root(), &Shown { chain, key: key.clone() }).await
    }

    fn now(&self) -> i64 {
        use secretref_domain::clock::Clock;
        self.world.place.clock.now().as_micros() / 1_000_000
    }

    /// Credentials of a certificate that only the broker can tell is wrong.
    fn credentials(&self, draft: &Draft, by: &Signer, key: &[u8]) -> Result<Credentials> {
        let chain = vec![draft.sign(by)?.into(), by.certificate.clone().into()];
        let trust = TrustBundle::new(TrustDomain::parse(TRUST_DOMAIN)?, vec![self.root()])?;
        Ok(Credentials::new(chain, PrivateKey::from_der(key.to_vec().into())?, trust)?)
    }

    fn agent_draft(&self) -> Result<Draft> {
        let uri = self.agent.subject().uri(&TrustDomain::parse(TRUST_DOMAIN)?);
        Draft::of(&self.agent_shown.chain[0], &uri)
    }

    fn admin_draft(&self) -> Result<Draft> {
        let uri = self.world.credentials.subject().uri(&TrustDomain::parse(TRUST_DOMAIN)?);
        Draft::of(&self.admin_shown.chain[0], &uri)
    }

    async fn server_leaf(&self) -> Result<Vec<u8>> {
        let custody = self.world.place.open().await?;
        let key = parse_request(&CertificateRequest::generate()?.der)?;
        let names = ["localhost".to_owned()];
        let issued =
            custody.authority().issue_server(&key, Uuid::now_v7(), &names, self.now(), 3600)?;
        Ok(issued.chain[0].to_vec())
    }
}

/// The same tool makes certificates that are let in, so that each row is refused for its one fault.
#[tokio::test(flavor = "multi_thread")]
async fn the_real_ones_and_their_handmade_twins_come_in() -> Result<()> {
    let zoo = Zoo::open().await?;
    let Authority { agents, admins, .. } = &zoo.authority;
    let (agent, admin) = (zoo.agent_draft()?, zoo.admin_draft()?);
    for (port, leaf) in [
        (Port::Agents, zoo.agent_shown.chain[0].to_vec()),
        (Port::Agents, agent.sign(agents)?),
        (Port::Admins, zoo.admin_shown.chain[0].to_vec()),
        (Port::Admins, admin.sign(admins)?),
    ] {
        // The issuers are anchors: what is shown above a leaf is not looked at.
        for chain in [vec![leaf.clone()], vec![leaf, zoo.authority.root.certificate.clone()]] {
            let entry = zoo.knock(port, &chain).await?;
            ensure!(matches!(entry, Entry::In), "a real one was refused at {port:?}");
        }
    }
    let twin = zoo.credentials(&agent, agents, &zoo.agent_shown.key)?;
    let mut stream = Stream::open(zoo.world.agent_channel(&twin).await?, hello()).await?;
    stream.next().await?;
    ensure!(stream.manifest().await?.entries.len() == 1, "the twin has no stream");
    let twin = zoo.credentials(&admin, admins, &zoo.admin_shown.key)?;
    let admin = Admin::connect_as(&zoo.world.admins.to_string(), &twin).await?;
    admin.put("b", b"by the twin").await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_wrong_certificate_is_refused() -> Result<()> {
    let zoo = Zoo::open().await?;
    let domain = TrustDomain::parse(TRUST_DOMAIN)?;
    let (agent, admin) = (zoo.agent_draft()?, zoo.admin_draft()?);
    let real = Real {
        authority: &zoo.authority,
        agent: &agent,
        admin: &admin,
        agent_uri: &zoo.agent.subject().uri(&domain),
        admin_uri: &zoo.world.credentials.subject().uri(&domain),
        agent_leaf: &zoo.agent_shown.chain[0],
        admin_leaf: &zoo.admin_shown.chain[0],
        server_leaf: &zoo.server_leaf().await?,
        agent_key: &zoo.agent_shown.key,
        now: zoo.now(),
    };
    let rows = real.rows()?;
    let mut wrong = Vec::new();
    for Row { name, port, stop, chain } in &rows {
        match zoo.knock(*port, chain).await? {
            Entry::In => wrong.push(format!("{name}: it was let in at {port:?}")),
            Entry::Refused(None) => wrong.push(format!("{name}: cut without a word")),
            Entry::Refused(Some(_)) => {}
        }
        let leaf = CertificateDer::from(chain[0].clone());
        let read = Peer::from_certificate(&leaf, &domain, zoo.now());
        if *stop == Stop::Content && read.is_ok() {
            wrong.push(format!("{name}: its content alone is taken for {read:?}"));
        }
    }
    println!("{} wrong certificates, {} let in", rows.len(), wrong.len());
    ensure!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
    ensure!(rows.len() > 60, "{} rows", rows.len());
    // The zoo has harmed nobody: the real ones come in as before.
    let entry = zoo.knock(Port::Agents, &[zoo.agent_shown.chain[0].to_vec()]).await?;
    ensure!(matches!(entry, Entry::In), "the real one was refused");
    Ok(())
}

/// What every method that an agent can ask for answers.
async fn asked_as_agent(zoo: &Zoo, credentials: &Credentials) -> Result<Vec<(String, Status)>> {
    let channel = zoo.world.agent_channel(credentials).await?;
    let token = zoo.world.admin.token("worker").await?;
    let der = CertificateRequest::generate()?.der;
    let mut client = EnrolmentServiceClient::new(channel.clone());
    let join = JoinRequest { token, certificate_request_der: der.clone() };
    let watched = Stream::open(channel, hello()).await.err();
    let joined = client.join(join).await.err();
    let renewed = client.renew(RenewRequest { certificate_request_der: der }).await.err();
    refusals([("watch", watched), ("join", joined), ("renew", renewed)])
}

/// The same for an administrator.
async fn asked_as_admin(zoo: &Zoo, credentials: &Credentials) -> Result<Vec<(String, Status)>> {
    let admin = Admin::connect_as(&zoo.world.admins.to_string(), credentials).await?;
    let listed = admin.secrets().list_secrets(ListSecretsRequest::default()).await.err();
    let broker = admin.admins().get_broker(GetBrokerRequest {}).await.err();
    let certificate_request_der = CertificateRequest::generate()?.der;
    let renew = RenewAdminRequest { certificate_request_der, ..RenewAdminRequest::default() };
    let renewed = admin.admins().renew_admin(renew).await.err();
    let health = "/grpc.health.v1.Health/Check".parse()?;
    let healthy = crate::matrix::call(&admin.channel(), health, Vec::new()).await?;
    refusals([("list", listed), ("broker", broker), ("renew", renewed), ("health", healthy)])
}

fn refusals<const N: usize>(asked: [(&str, Option<Status>); N]) -> Result<Vec<(String, Status)>> {
    let refused = |(what, refused): (&str, Option<Status>)| {
        let refused = refused.with_context(|| format!("{what} was answered"))?;
        let denied = [Code::PermissionDenied, Code::Unauthenticated];
        ensure!(denied.contains(&refused.code()), "{what}: {refused}");
        Ok((what.to_owned(), refused))
    };
    asked.into_iter().map(refused).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_certificate_of_nobody_is_refused_by_every_method() -> Result<()> {
    let zoo = Zoo::open().await?;
    let Authority { agents, admins, .. } = &zoo.authority;
    let (agent, admin) = (zoo.agent_draft()?, zoo.admin_draft()?);
    let serial = der::tlv(2, &[0x42; 16]);
    let renamed = |uri: String| der::names(&[der::uri(uri)]);
    let id = Uuid::now_v7();
    let worker = zoo.agent.subject().uri(&TrustDomain::parse(TRUST_DOMAIN)?);
    let (path, _) = worker.rsplit_once('/').context("a short name")?;
    let of_agents = [
        ("a serial number that was never given", Draft { serial: serial.clone(), ..agent.clone() }),
        (
            "an instance that never was",
            Draft { names: renamed(format!("{path}/{id}")), ..agent.clone() },
        ),
        (
            "an agent that never was",
            Draft {
                names: renamed(format!("spiffe://{TRUST_DOMAIN}/agent/{id}/{id}")),
                ..agent.clone()
            },
        ),
    ];
    for (what, draft) in of_agents {
        let nobody = zoo.credentials(&draft, agents, &zoo.agent_shown.key)?;
        asked_as_agent(&zoo, &nobody).await.with_context(|| what.to_owned())?;
    }
    let of_admins = [
        ("a serial number that was never given", Draft { serial, ..admin.clone() }),
        (
            "an administrator who never was",
            Draft { names: renamed(format!("spiffe://{TRUST_DOMAIN}/admin/{id}")), ..admin },
        ),
    ];
    for (what, draft) in of_admins {
        let nobody = zoo.credentials(&draft, admins, &zoo.admin_shown.key)?;
        asked_as_admin(&zoo, &nobody).await.with_context(|| format!("administrators: {what}"))?;
    }
    Ok(())
}

/// Who was somebody and is not any more; and what his sidecar is told, by which it keeps or wipes.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_good_once_is_refused_and_told_why() -> Result<()> {
    let zoo = Zoo::open().await?;
    let address = zoo.world.agents.to_string();
    let told = async |what: &str, credentials: &Credentials, why: [&str; 2]| {
        let answers = asked_as_agent(&zoo, credentials).await.with_context(|| what.to_owned())?;
        for (method, refused) in answers {
            let wanted = match &*method {
                "watch" => why[0],
                "renew" => why[1],
                _ => continue,
            };
            let told = reason(&refused);
            ensure!(told == wanted, "{what}, {method}: {told}, not {wanted}: {refused}");
        }
        anyhow::Ok(())
    };
    let first = zoo.world.enrolled("worker").await?;
    let second = peer::renewed(&address, &first).await?;
    peer::renewed(&address, &second).await?;
    // Its use is an alarm, by which the instance is revoked.
    told("superseded", &first, ["CERTIFICATE_SUPERSEDED", "AGENT_REVOKED"]).await?;
    told("of a revoked instance", &second, ["AGENT_REVOKED", "AGENT_REVOKED"]).await?;

    for agent in ["revoked", "removed"] {
        zoo.world.admin.apply(&crate::place::manifest(agent, &["a"])).await?;
    }
    let (revoked, removed) =
        (zoo.world.enrolled("revoked").await?, zoo.world.enrolled("removed").await?);
    zoo.world.admin.revoke("revoked").await?;
    told("of a revoked agent", &revoked, ["AGENT_REVOKED", "AGENT_REVOKED"]).await?;
    let content = crate::place::manifest("worker", &["a"]).into_bytes();
    let request = ApplyManifestRequest {
        files: vec![ManifestFile { name: "manifest.json".to_owned(), content }],
        prune: true,
        ..ApplyManifestRequest::default()
    };
    zoo.world.admin.agents().apply_manifest(request).await?;
    told("of a removed agent", &removed, ["AGENT_REVOKED", "AGENT_REVOKED"]).await?;

    // One that ended a while ago may renew, and nothing else.
    let expired = zoo.world.enrolled("worker").await?;
    zoo.world.place.clock.advance_seconds(2 * 3600);
    let channel = zoo.world.agent_channel(&expired).await?;
    let refused = Stream::open(channel, hello()).await.err().context("an ended one watches")?;
    ensure!(reason(&refused) == "CERTIFICATE_REQUIRED", "{refused}");
    let renewed = peer::renewed(&address, &expired).await?;
    let Some(_) = Stream::open(zoo.world.agent_channel(&renewed).await?, hello()).await.ok() else {
        bail!("the renewed one has no stream")
    };
    Ok(())
}
