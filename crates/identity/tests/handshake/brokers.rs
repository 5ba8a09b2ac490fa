//! Whom a client takes for a broker.

use super::world::*;
use rcgen::{CertificateParams, ExtendedKeyUsagePurpose, SanType};
use rustls::{pki_types::CertificateDer, version::TLS13};
use secretref_identity::{
    certificate::spki_sha256,
    client::{ClientConfig, ConnectError, dial},
    provider::provider,
};
use std::sync::Arc;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use tokio_rustls::TlsAcceptor;

/// A plain rustls server that shows what it is given and asks for no certificate.
async fn dial_plain(
    chain: Vec<CertificateDer<'static>>,
    leaf: Leaf,
    client: &ClientConfig,
) -> Result<(), ConnectError> {
    let mut config = rustls::ServerConfig::builder_with_details(provider(), Arc::new(at(NOW)))
        .with_protocol_versions(&[&TLS13])
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(chain, der(&leaf.key))
        .unwrap();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        if let Ok(mut stream) = TlsAcceptor::from(Arc::new(config)).accept(tcp).await {
            stream.write_all(b"!").await.unwrap();
            stream.flush().await.unwrap();
        }
    };
    tokio::join!(serve, dial(&address, client, LONG)).1.map(drop)
}

async fn reach(leaf: Leaf, client: &ClientConfig) -> Result<(), ConnectError> {
    dial_plain(leaf.chain.clone(), leaf, client).await
}

async fn refused(what: &str, leaf: Leaf, client: &ClientConfig, why: &str) {
    match reach(leaf, client).await {
        Err(error @ ConnectError::NotOurBroker { .. }) => {
            let said = format!("{error} {error:?}");
            assert!(said.contains(why), "{what}: {said}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

fn agent(world: &World) -> ClientConfig {
    ClientConfig::identified(&world.credentials(world.agent(|_| {})), at(NOW)).unwrap()
}

#[tokio::test]
async fn a_broker_is_known_by_its_identity_whatever_its_address_is_called() {
    let world = World::new();
    let nameless = world.servers.leaf(BROKER, ExtendedKeyUsagePurpose::ServerAuth, |_| {});
    reach(nameless, &agent(&world)).await.unwrap();
    let elsewhere = world.broker(|params| {
        params.subject_alt_names.push(SanType::DnsName("elsewhere.example".try_into().unwrap()));
    });
    reach(elsewhere, &agent(&world)).await.unwrap();
}

#[tokio::test]
async fn what_is_no_broker_of_ours_is_refused() {
    let world = World::new();
    let client = agent(&world);
    let server = ExtendedKeyUsagePurpose::ServerAuth;
    refused("an agent", world.agent(|_| {}), &client, "InvalidPurpose").await;
    refused("an administrator", world.admin(|_| {}), &client, "InvalidPurpose").await;
    let promoted = world.agents.leaf(BROKER, server.clone(), |_| {});
    refused("a broker of the agents' issuer", promoted, &client, "InvalidPurpose").await;
    let theirs = World::named("theirs").broker(|_| {});
    refused("another authority", theirs, &client, "UnknownIssuer").await;
    let impostor = World::new().broker(|_| {});
    refused("an authority of the same name", impostor, &client, "BadSignature").await;
    refused("self-signed", self_signed(BROKER, server.clone()), &client, "UnknownIssuer").await;
    let agents_name = world.servers.leaf(AGENT, server.clone(), |_| {});
    refused("an agent's name", agents_name, &client, "Purpose").await;
    let elsewhere = BROKER.replace("example.org", "example.com");
    let other_domain = world.servers.leaf(&elsewhere, server.clone(), |_| {});
    refused("another trust domain", other_domain, &client, "OtherDomain").await;
    let no_name = world
        .broker(|params| params.subject_alt_names.retain(|name| !matches!(name, SanType::URI(_))));
    refused("a DNS name only", no_name, &client, "Uris(0)").await;
    let two = world.broker(|params| {
        params.subject_alt_names.push(SanType::URI(AGENT.try_into().unwrap()));
    });
    refused("two URIs", two, &client, "Uris(2)").await;
    let no_purpose = world.broker(|params| params.extended_key_usages.clear());
    refused("no purpose", no_purpose, &client, "Purpose").await;
}

#[tokio::test]
async fn a_broker_whose_time_is_over_is_told_apart() {
    let world = World::new();
    let ended = world.broker(|params| set_validity(params, NOW - DAY, NOW - 1));
    let error = reach(ended, &agent(&world)).await.unwrap_err();
    assert!(error.is_expired_broker(), "{error}");
    let future = world.broker(|params| set_validity(params, NOW + 60, NOW + DAY));
    refused("not valid yet", future, &agent(&world), "NotValidYet").await;
    // The root's own dates count too, though webpki does not look at an anchor's.
    let late = at(NOW + 91 * DAY);
    let client = ClientConfig::identified(&world.credentials(world.agent(|_| {})), late).unwrap();
    let broker = world.broker(|params| set_validity(params, NOW, NOW + 200 * DAY));
    refused("a root that ended", broker, &client, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_pin_is_met_by_the_root_and_by_nothing_else() {
    let world = World::new();
    let pinned = |certificate: &CertificateDer<'_>| {
        ClientConfig::pinned(spki_sha256(certificate).unwrap(), at(NOW)).unwrap()
    };
    let full = |leaf: Leaf, world: &World| {
        let mut leaf = leaf;
        leaf.chain.push(world.root.certificate.clone());
        leaf
    };
    let client = pinned(&world.root.certificate);
    reach(full(world.broker(|_| {}), &world), &client).await.unwrap();

    refused("no root in the chain", world.broker(|_| {}), &client, "UnknownIssuer").await;
    let other = World::named("theirs");
    let another = full(other.broker(|_| {}), &other);
    refused("another root", another, &client, "UnknownIssuer").await;
    // Anybody can send along the root that the pin names.
    let borrowed = full(other.broker(|_| {}), &world);
    refused("the right root above another's leaf", borrowed, &client, "UnknownIssuer").await;
    refused("an agent", full(world.agent(|_| {}), &world), &client, "InvalidPurpose").await;
    let agents_name = world.servers.leaf(AGENT, ExtendedKeyUsagePurpose::ServerAuth, |_| {});
    refused("an agent's name", full(agents_name, &world), &client, "Purpose").await;

    let leaf = world.broker(|_| {});
    let to_leaf = pinned(&leaf.chain[0]);
    refused("a pin of the leaf", leaf, &to_leaf, "UnknownIssuer").await;
    let ended = |params: &mut CertificateParams| set_validity(params, NOW - DAY, NOW - 1);
    let error = reach(full(world.broker(ended), &world), &client).await.unwrap_err();
    assert!(error.is_expired_broker(), "{error}");
}

#[test]
fn a_broker_does_not_pose_as_a_client() {
    let world = World::new();
    let broker = world.credentials(world.broker(|_| {}));
    ClientConfig::identified(&broker, at(NOW)).err().unwrap();
}
