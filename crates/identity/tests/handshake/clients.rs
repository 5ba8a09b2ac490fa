//! Every wrong client certificate we could think of, at the broker's two doors.

use super::world::*;
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType, SerialNumber,
};
use secretref_identity::{
    certificate::spki_sha256,
    clock::Clock,
    peer::{Peer, Standing},
    server::{AcceptError, EXPIRED_GRACE_SECONDS, ServerConfig, ServerConfigError},
    subject::Subject,
};
use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

async fn at_agents(world: &World, leaf: Option<Leaf>) -> Result<Option<Peer>, AcceptError> {
    let client = Arc::new(world.client(leaf));
    let (peer, learnt) = knock(&world.agents_door(at(NOW)), client).await;
    assert_eq!(peer.is_ok(), learnt.is_ok(), "both sides have to agree: {learnt:?}");
    peer
}

/// Refused, and for the reason that `why` is part of.
async fn refused(world: &World, what: &str, leaf: Leaf, why: &str) {
    match at_agents(world, Some(leaf)).await {
        Err(error @ AcceptError::Refused(_)) => {
            let said = format!("{error} {error:?}");
            assert!(said.contains(why), "{what}: {said}");
        }
        other => panic!("{what}: {other:?}"),
    }
}

#[tokio::test]
async fn an_agent_comes_in_as_what_its_certificate_says() {
    let world = World::new();
    let leaf = world.agent(|_| {});
    let spki = spki_sha256(&leaf.chain[0]).unwrap();
    let peer = at_agents(&world, Some(leaf)).await.unwrap().unwrap();
    assert_eq!(peer.subject, Subject::parse(AGENT, &domain()).unwrap());
    assert_eq!(peer.serial.to_string(), "41".repeat(16));
    assert_eq!((peer.not_before, peer.not_after), (NOW - 60, NOW + HOUR));
    assert_eq!(peer.spki_sha256, spki);
    assert_eq!(peer.standing, Standing::Valid);
}

#[tokio::test]
async fn nobody_comes_in_at_the_agents_door_only() {
    let world = World::new();
    assert_eq!(at_agents(&world, None).await.unwrap(), None);
    let (peer, learnt) = knock(&world.admins_door(at(NOW)), Arc::new(world.client(None))).await;
    assert!(matches!(peer, Err(AcceptError::Refused(rustls::Error::NoCertificatesPresented))));
    assert!(learnt.unwrap_err().to_string().contains("CertificateRequired"));
}

#[tokio::test]
async fn issuers_that_are_not_anchors_are_refused() {
    let world = World::new();
    let client = ExtendedKeyUsagePurpose::ClientAuth;
    let other = World::named("theirs");
    refused(&world, "another authority", other.agent(|_| {}), "UnknownIssuer").await;
    let impostor = World::new().agent(|_| {});
    refused(&world, "an authority of the same name", impostor, "BadSignature").await;
    refused(&world, "self-signed", self_signed(AGENT, client.clone()), "UnknownIssuer").await;
    let of_root = world.root.leaf(AGENT, client.clone(), |_| {});
    refused(&world, "straight from the root", of_root, "UnknownIssuer").await;
    let of_admins = world.admins.leaf(AGENT, client.clone(), |_| {});
    refused(&world, "an agent of the admins' issuer", of_admins, "UnknownIssuer").await;
    refused(&world, "an administrator", world.admin(|_| {}), "UnknownIssuer").await;
    refused(&world, "a broker", world.broker(|_| {}), "InvalidPurpose").await;
    let below = world.agents.intermediate("below", client.clone());
    let of_below = below.leaf(AGENT, client, |_| {});
    refused(&world, "an authority below the anchor", of_below, "UnknownIssuer").await;
}

#[tokio::test]
async fn a_certificate_without_its_key_is_refused() {
    let world = World::new();
    let (certified, other) = (world.agent(|_| {}), KeyPair::generate().unwrap());
    let signer = rustls::crypto::aws_lc_rs::sign::any_supported_type(&der(&other)).unwrap();
    let stolen = rustls::sign::CertifiedKey::new(certified.chain, signer);
    let mut config = world.client(None);
    config.client_auth_cert_resolver = Arc::new(rustls::sign::SingleCertAndKey::from(stolen));
    let (peer, _) = knock(&world.agents_door(at(NOW)), Arc::new(config)).await;
    assert!(matches!(peer, Err(AcceptError::Refused(_))));
}

#[tokio::test]
async fn names_that_are_not_exactly_one_agents_are_refused() {
    let world = World::new();
    let uri = |uri: &str| SanType::URI(uri.try_into().unwrap());
    let dns = || SanType::DnsName("agent.example.org".try_into().unwrap());
    let with = |names: Vec<SanType>| world.agent(|params| params.subject_alt_names = names);

    refused(&world, "no name", with(Vec::new()), "Uris(0)").await;
    let common_name = world.agent(|params| {
        params.subject_alt_names.clear();
        params.distinguished_name.push(DnType::CommonName, AGENT);
    });
    refused(&world, "a common name only", common_name, "Uris(0)").await;
    refused(&world, "a DNS name only", with(vec![dns()]), "Uris(0)").await;
    refused(&world, "two URIs", with(vec![uri(AGENT), uri(ADMIN)]), "Uris(2)").await;
    refused(&world, "the URI twice", with(vec![uri(AGENT), uri(AGENT)]), "Uris(2)").await;
    refused(&world, "a DNS name too", with(vec![uri(AGENT), dns()]), "OtherNames").await;
    let elsewhere = AGENT.replace("example.org", "example.com");
    refused(&world, "another domain", with(vec![uri(&elsewhere)]), "OtherDomain").await;
    let longer = AGENT.replace("example.org", "example.org.evil.com");
    refused(&world, "a longer domain", with(vec![uri(&longer)]), "OtherDomain").await;
    let https = AGENT.replace("spiffe:", "https:");
    refused(&world, "another scheme", with(vec![uri(&https)]), "NotSpiffe").await;
    refused(&world, "a NUL", with(vec![uri(&format!("{AGENT}\0"))]), "NotSpiffe").await;
    let upper = AGENT.replace("0192f0a0", "0192F0A0");
    refused(&world, "upper case", with(vec![uri(&upper)]), "Shape").await;
    refused(&world, "an administrator's", with(vec![uri(ADMIN)]), "Door").await;
}

#[tokio::test]
async fn certificates_for_something_else_are_refused() {
    let world = World::new();
    let with = |usages: Vec<ExtendedKeyUsagePurpose>| {
        world.agent(|params| params.extended_key_usages = usages)
    };
    use ExtendedKeyUsagePurpose::{Any, ClientAuth, ServerAuth};
    refused(&world, "for servers", with(vec![ServerAuth]), "InvalidPurpose").await;
    refused(&world, "for anything", with(vec![Any]), "InvalidPurpose").await;
    refused(&world, "for no purpose", with(Vec::new()), "Purpose").await;
    refused(&world, "for both", with(vec![ClientAuth, ServerAuth]), "Purpose").await;
    let authority = world.agent(|params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained));
    refused(&world, "an authority", authority, "CaUsedAsEndEntity").await;
    let usage = |usages: Vec<KeyUsagePurpose>| world.agent(|params| params.key_usages = usages);
    refused(&world, "no key usage", usage(Vec::new()), "KeyUsage").await;
    let signs = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign];
    refused(&world, "signs certificates", usage(signs), "KeyUsage").await;
    let serial = |bytes: &[u8]| {
        let bytes = SerialNumber::from_slice(bytes);
        world.agent(|params| params.serial_number = Some(bytes))
    };
    refused(&world, "a short serial", serial(&[0x41; 8]), "Serial").await;
    refused(&world, "a long serial", serial(&[0x41; 20]), "Serial").await;
}

#[tokio::test]
async fn chains_that_are_too_much_are_refused_before_they_are_searched() {
    let world = World::new();
    let mut long = world.agent(|_| {});
    long.chain.extend(std::iter::repeat_n(world.root.certificate.clone(), 30));
    refused(&world, "32 certificates", long, "TooMany(32)").await;
    let padding = "x".repeat(9000);
    let huge = world.agent(|params: &mut CertificateParams| {
        params.distinguished_name.push(DnType::CommonName, padding);
    });
    refused(&world, "a large certificate", huge, "TooLarge").await;
}

fn valid(world: &World, not_before: i64, not_after: i64) -> Leaf {
    world.agent(|params| set_validity(params, not_before, not_after))
}

#[tokio::test]
async fn an_ended_certificate_comes_in_as_expired_for_seven_days() {
    let world = World::new();
    let standing = async |ended_since: i64| {
        let leaf = valid(&world, NOW - 10 * DAY, NOW - ended_since);
        at_agents(&world, Some(leaf)).await.unwrap().unwrap().standing
    };
    assert_eq!(standing(0).await, Standing::Valid);
    assert_eq!(standing(1).await, Standing::Expired);
    assert_eq!(standing(EXPIRED_GRACE_SECONDS).await, Standing::Expired);
    let beyond = valid(&world, NOW - 10 * DAY, NOW - EXPIRED_GRACE_SECONDS - 1);
    refused(&world, "beyond the grace", beyond, "Expired").await;
    let future = valid(&world, NOW + 1, NOW + HOUR);
    refused(&world, "not valid yet", future, "NotValidYet").await;
    let backwards = valid(&world, NOW - DAY, NOW - 2 * DAY);
    refused(&world, "ends before it begins", backwards, "Expired").await;
}

#[tokio::test]
async fn the_grace_forgives_the_date_and_nothing_else() {
    let world = World::new();
    let ended = |params: &mut CertificateParams| set_validity(params, NOW - DAY, NOW - HOUR);
    let other = World::named("theirs");
    refused(&world, "another authority", other.agent(ended), "UnknownIssuer").await;
    let server = world.agent(|params| {
        ended(params);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    });
    refused(&world, "for servers", server, "").await;
    let admin = world.agents.leaf(ADMIN, ExtendedKeyUsagePurpose::ClientAuth, ended);
    refused(&world, "an administrator's", admin, "Door").await;
}

#[tokio::test]
async fn administrators_have_a_door_without_grace() {
    let world = World::new();
    let knock_with = async |leaf: Leaf| {
        let client = Arc::new(world.client(Some(leaf)));
        knock(&world.admins_door(at(NOW)), client).await.0
    };
    let peer = knock_with(world.admin(|_| {})).await.unwrap().unwrap();
    assert_eq!(peer.subject, Subject::parse(ADMIN, &domain()).unwrap());
    let agent_of_admins = world.admins.leaf(AGENT, ExtendedKeyUsagePurpose::ClientAuth, |_| {});
    for leaf in [
        world.agent(|_| {}),
        world.broker(|_| {}),
        agent_of_admins,
        self_signed(ADMIN, ExtendedKeyUsagePurpose::ClientAuth),
        World::new().admin(|_| {}),
        world.admin(|params| set_validity(params, NOW - DAY, NOW - 1)),
        world.admin(|params| set_validity(params, NOW + 1, NOW + DAY)),
    ] {
        assert!(matches!(knock_with(leaf).await, Err(AcceptError::Refused(_))));
    }
}

#[tokio::test]
async fn no_connection_is_resumed_so_each_is_verified() {
    let world = World::new();
    let now = Arc::new(AtomicI64::new(NOW));
    let asked = Arc::clone(&now);
    let door = world.agents_door(Clock::new(move || asked.load(Ordering::SeqCst)));
    // This client would resume: it keeps tickets, and both connections share it.
    let client = Arc::new(world.client(Some(world.agent(|_| {}))));
    for _ in 0..2 {
        let (peer, learnt) = knock(&door, Arc::clone(&client)).await;
        assert!(peer.unwrap().is_some());
        let kind = learnt.unwrap();
        assert!(matches!(
            kind,
            rustls::HandshakeKind::Full | rustls::HandshakeKind::FullWithHelloRetryRequest
        ));
    }
    now.store(NOW + 30 * DAY, Ordering::SeqCst);
    let (peer, learnt) = knock(&door, client).await;
    assert!(matches!(peer, Err(AcceptError::Refused(_))));
    assert!(learnt.unwrap_err().to_string().contains("CertificateExpired"));
}

#[test]
fn a_door_needs_a_broker_and_an_anchor_that_is_valid() {
    let world = World::new();
    let agent = world.credentials(world.agent(|_| {}));
    let broker = world.credentials(world.broker(|_| {}));
    let anchor = [world.agents.certificate.clone()];
    let error = ServerConfig::for_agents(&agent, &anchor, at(NOW)).err().unwrap();
    assert!(matches!(error, ServerConfigError::NotABroker(_)), "{error}");
    for (anchors, now) in [(&anchor[..0], NOW), (&anchor[..], NOW + 91 * DAY)] {
        let error = ServerConfig::for_agents(&broker, anchors, at(now)).err().unwrap();
        assert!(matches!(error, ServerConfigError::NoAnchors), "{error}");
    }
}
