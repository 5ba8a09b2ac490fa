use super::*;
use secretref_identity::{
    client::{ClientConfig, ConnectError, Refusal, dial},
    clock::Clock,
    credentials::Credentials,
    join_token::JoinToken,
    peer::{Peer, Standing},
    request::{CertificateRequest, PublicKey, parse_request},
    server::{AcceptError, ServerConfig, accept},
    subject::Subject,
};
use std::time::Duration;
use tokio::{io::AsyncWriteExt, net::TcpListener};
use uuid::Uuid;

const NOW: i64 = 1_800_000_000;
const HOUR: i64 = 60 * 60;
const DAY: i64 = 24 * HOUR;
const LONG: Duration = Duration::from_secs(30);

fn authority() -> Authority {
    Authority::create(TrustDomain::parse("example.org").unwrap(), NOW).unwrap()
}

fn key() -> (CertificateRequest, PublicKey) {
    let request = CertificateRequest::generate().unwrap();
    let public = parse_request(&request.der).unwrap();
    (request, public)
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn credentials(authority: &Authority, request: CertificateRequest, issued: Issued) -> Credentials {
    Credentials::new(issued.chain, request.key, authority.trust_bundle().unwrap()).unwrap()
}

fn agent(authority: &Authority, now: i64) -> Credentials {
    let (request, public) = key();
    let issued = authority.issue_agent(&public, id(1), id(2), now, HOUR).unwrap();
    credentials(authority, request, issued)
}

fn admin(authority: &Authority, now: i64) -> Credentials {
    let (request, public) = key();
    let issued = authority.issue_admin(&public, id(3), now, DAY).unwrap();
    credentials(authority, request, issued)
}

fn server(authority: &Authority, now: i64) -> Credentials {
    let names = ["broker.example.org".to_owned(), "127.0.0.1".to_owned()];
    let (request, public) = key();
    let issued = authority.issue_server(&public, id(4), &names, now, DAY).unwrap();
    credentials(authority, request, issued)
}

fn at(now: i64) -> Clock {
    Clock::new(move || now)
}

/// One connection over loopback: what the server saw, and what the client did.
async fn connect(
    server: ServerConfig,
    client: ClientConfig,
) -> (Result<Option<Peer>, AcceptError>, Result<(), ConnectError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let serve = async {
        let (tcp, _) = listener.accept().await.unwrap();
        let (mut stream, peer) = accept(tcp, &server, LONG).await?;
        stream.write_all(b"hello").await.unwrap();
        stream.flush().await.unwrap();
        Ok(peer)
    };
    let (served, dialled) = tokio::join!(serve, dial(&address, &client, LONG));
    (served, dialled.map(drop))
}

#[tokio::test]
async fn agents_and_administrators_come_in_at_their_own_door_only() {
    let authority = authority();
    let broker = server(&authority, NOW);
    let agents = || ServerConfig::for_agents(&broker, &authority.agent_anchors(), at(NOW)).unwrap();
    let admins = || ServerConfig::for_admins(&broker, &authority.admin_anchors(), at(NOW)).unwrap();
    let an_agent = || ClientConfig::identified(&agent(&authority, NOW), at(NOW)).unwrap();
    let an_admin = || ClientConfig::identified(&admin(&authority, NOW), at(NOW)).unwrap();

    let (peer, connected) = connect(agents(), an_agent()).await;
    connected.unwrap();
    assert_eq!(peer.unwrap().unwrap().subject, Subject::Agent { agent: id(1), instance: id(2) });
    let (peer, connected) = connect(admins(), an_admin()).await;
    connected.unwrap();
    assert_eq!(peer.unwrap().unwrap().subject, Subject::Admin { admin: id(3) });

    for (door, client) in [(admins(), an_agent()), (agents(), an_admin())] {
        let (served, connected) = connect(door, client).await;
        assert!(matches!(served, Err(AcceptError::Refused(_))));
        let wanted = Refusal::UnknownAuthority;
        assert!(
            matches!(&connected, Err(ConnectError::Refused { refusal, .. }) if *refusal == wanted)
        );
    }
}

#[tokio::test]
async fn a_token_lets_in_by_the_root_that_it_names() {
    let authority = authority();
    let broker = server(&authority, NOW);
    let agents = || ServerConfig::for_agents(&broker, &authority.agent_anchors(), at(NOW)).unwrap();
    let text = mint(authority.fingerprint().unwrap()).unwrap().expose();
    let token = JoinToken::parse(&text).unwrap();
    let client = ClientConfig::pinned(token.fingerprint(), at(NOW)).unwrap();
    let (peer, connected) = connect(agents(), client).await;
    connected.unwrap();
    assert_eq!(peer.unwrap(), None);
    assert!(authority.trust_bundle().unwrap().has_root(&token.fingerprint()));

    let other = Authority::create(TrustDomain::parse("example.org").unwrap(), NOW).unwrap();
    let client = ClientConfig::pinned(other.fingerprint().unwrap(), at(NOW)).unwrap();
    let (_, connected) = connect(agents(), client).await;
    assert!(matches!(connected, Err(ConnectError::NotOurBroker { .. })));
}

#[test]
fn no_two_tokens_are_the_same() {
    let (one, other) = (mint([1; 32]).unwrap(), mint([1; 32]).unwrap());
    assert_ne!(one.hash(), other.hash());
    assert_ne!(*one.expose(), *other.expose());
}

#[tokio::test]
async fn what_was_exported_issues_for_the_same_anchors() {
    let before = authority();
    let after = Authority::import(&before.export()).unwrap();
    assert_eq!(after.domain(), before.domain());
    assert_eq!(after.fingerprint().unwrap(), before.fingerprint().unwrap());
    let broker = server(&after, NOW);
    let door = ServerConfig::for_agents(&broker, &before.agent_anchors(), at(NOW)).unwrap();
    let client = ClientConfig::identified(&agent(&after, NOW), at(NOW)).unwrap();
    let (peer, connected) = connect(door, client).await;
    connected.unwrap();
    assert_eq!(peer.unwrap().unwrap().standing, Standing::Valid);
}

#[test]
fn a_damaged_export_is_refused() {
    let exported = authority().export();
    for length in 0..exported.len() {
        assert!(Authority::import(&exported[..length]).is_err(), "cut to {length}");
    }
    assert!(Authority::import(&[&exported[..], b"x"].concat()).is_err());
    let mut newer = exported.to_vec();
    newer[0] = 2;
    assert!(matches!(Authority::import(&newer), Err(AuthorityError::Damaged(_))));
    let other = authority().export();
    // The same lengths of everything but the signatures; a key of another authority inside.
    let marker = b"\x30\x81\x87\x02\x01\x00";
    let find = |bytes: &[u8]| bytes.windows(6).position(|window| window == marker).unwrap();
    let (here, there) = (find(&exported), find(&other));
    let mut mixed = exported.to_vec();
    mixed[here..here + 138].copy_from_slice(&other[there..there + 138]);
    assert!(matches!(Authority::import(&mixed), Err(AuthorityError::Damaged(_))));
}

#[test]
fn a_leaf_lives_as_long_as_asked_and_no_longer_than_its_issuer() {
    let authority = authority();
    let (_, public) = key();
    let issue = |now, lifetime| authority.issue_agent(&public, id(1), id(2), now, lifetime);
    let issued = issue(NOW, HOUR).unwrap();
    assert_eq!((issued.not_before, issued.not_after), (NOW - 60, NOW + HOUR));
    assert_eq!(issued.spki_sha256, public.spki_sha256());
    for lifetime in [i64::MIN, 0, 15 * 60 - 1, DAY + 1, i64::MAX] {
        assert!(matches!(issue(NOW, lifetime), Err(AuthorityError::Lifetime { .. })));
    }
    let end = NOW + 90 * DAY;
    assert_eq!(issue(end - 60, DAY).unwrap().not_after, end);
    for now in [NOW - 301, end + 1] {
        assert!(matches!(issue(now, HOUR), Err(AuthorityError::IssuerEnded { .. })));
    }
}

#[test]
fn a_leaf_says_what_was_recorded_of_it() {
    let authority = authority();
    let (_, public) = key();
    let issued = authority.issue_agent(&public, id(1), id(2), NOW, HOUR).unwrap();
    let peer = Peer::from_certificate(&issued.chain[0], authority.domain(), NOW).unwrap();
    assert_eq!(peer.serial, issued.serial);
    assert_eq!((peer.not_before, peer.not_after), (issued.not_before, issued.not_after));
    assert_eq!(peer.spki_sha256, issued.spki_sha256);
    let again = authority.issue_agent(&public, id(1), id(2), NOW, HOUR).unwrap();
    assert_ne!(again.serial, issued.serial);
}

#[test]
fn a_server_has_names_and_only_names() {
    let authority = authority();
    let (_, public) = key();
    let issue = |names: &[String]| authority.issue_server(&public, id(4), names, NOW, DAY);
    issue(&["broker".to_owned(), "::1".to_owned(), "10.0.0.1".to_owned()]).unwrap();
    for name in ["", "a b", "https://broker", "broker:8443", "é.org"] {
        let error = issue(&[name.to_owned()]).unwrap_err();
        assert!(matches!(error, AuthorityError::ServerName(_)), "{name}: {error}");
    }
    let many = vec!["broker".to_owned(); 17];
    assert!(matches!(issue(&many), Err(AuthorityError::TooManyNames(17))));
}

#[tokio::test]
async fn intermediates_are_renewed_and_the_former_are_believed_until_they_end() {
    let mut authority = authority();
    let later = NOW + 61 * DAY;
    assert!(!authority.intermediates_due(NOW + 59 * DAY).unwrap());
    assert_eq!(authority.renew_intermediates(NOW + 59 * DAY).unwrap(), 0);
    let before = agent(&authority, later);
    assert!(authority.intermediates_due(later).unwrap());
    assert_eq!(authority.renew_intermediates(later).unwrap(), 3);
    assert!(!authority.intermediates_due(later).unwrap());
    assert_eq!(authority.agent_anchors().len(), 2);

    let authority = Authority::import(&authority.export()).unwrap();
    let broker = server(&authority, later);
    for client in [before, agent(&authority, later)] {
        let anchors = authority.agent_anchors();
        let door = ServerConfig::for_agents(&broker, &anchors, at(later)).unwrap();
        let client = ClientConfig::identified(&client, at(later)).unwrap();
        let (peer, connected) = connect(door, client).await;
        connected.unwrap();
        peer.unwrap().unwrap();
    }

    let mut authority = authority;
    let end = NOW + 90 * DAY + 1;
    assert!(authority.intermediates_due(end).unwrap());
    assert_eq!(authority.renew_intermediates(end).unwrap(), 0);
    assert_eq!(authority.agent_anchors().len(), 1);
    assert!(!authority.intermediates_due(end).unwrap());
}

#[test]
fn an_intermediate_that_ended_is_renewed_and_a_root_that_ended_is_not() {
    let mut authority = authority();
    assert_eq!(authority.renew_intermediates(NOW + 200 * DAY).unwrap(), 3);
    let (_, public) = key();
    authority.issue_agent(&public, id(1), id(2), NOW + 200 * DAY, HOUR).unwrap();
    let fingerprints = authority.agent_anchors();
    let error = authority.renew_intermediates(NOW + 4000 * DAY).unwrap_err();
    assert!(matches!(error, AuthorityError::IssuerEnded { .. }), "{error}");
    assert_eq!(authority.agent_anchors(), fingerprints);
}
